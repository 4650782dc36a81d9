"""The batches of a version and all they were made from, so that the strictest fact decides.

Rules:
1. A map leads from a batch to its inputs; a dropped duplicate (`duplicate_of`) is nothing that a
   batch was made of.
2. Where a map is missing, the batches of the version that the run read stand for it: nobody knows
   which of their rows were taken (`masks.unknown_step`). Where the version is not known either,
   the batch owes an answer.
3. A batch that cannot be reached in order, because two wait for each other, owes one as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlmodel import Session

from registry.catalog.versions import membership
from registry.ledger.batches import BatchGraph, BatchNode, MapNode
from registry.ledger.rowmap import Role
from registry.storage.bulk import TypedColumn, select_by_rows

_READ = """
SELECT w.number, w.dataset, r.number FROM {rows} AS w
JOIN run_read r ON r.run_id = w.run AND r.dataset_id = w.dataset
"""
_READ_COLUMNS: tuple[TypedColumn, ...] = (("number", "int"), ("run", "bytes"), ("dataset", "bytes"))


@dataclass(frozen=True, slots=True)
class Steps:
    """Batches by number. `order`: what something was made of comes before it. `unmapped`: of a
    batch, the batches that stand for a missing map; `owed`: how many datasets nothing stands for.
    """

    members: tuple[int, ...]
    order: tuple[int, ...]
    nodes: Mapping[int, BatchNode]
    unmapped: Mapping[int, tuple[int, ...]]
    owed: Mapping[int, int]

    def sources(self, number: int) -> set[int]:
        """The batches that a batch was directly made of."""
        node = self.nodes[number]
        found = {batch for part in copies(node) for batch, _, _ in part.inputs}
        return found | set(self.unmapped.get(number, ()))


def copies(node: BatchNode) -> Iterable[MapNode]:
    """The maps that lead to what a batch was made of (rule 1)."""
    return (part for part in node.maps if part.role != Role.DUPLICATE_OF)


def walk(session: Session, graph: BatchGraph, members: Iterable[int]) -> Steps:
    """All batches that these were made from. Cost: some queries for each level of the graph."""
    wanted = tuple(members)
    nodes: dict[int, BatchNode] = {}
    unmapped: dict[int, tuple[int, ...]] = {}
    owed: dict[int, int] = {}
    frontier = set(wanted)
    while frontier:
        level = graph.nodes(session, frontier)
        nodes |= level
        _fill_missing(session, level.values(), unmapped, owed)
        following = {b for n in level.values() for part in copies(n) for b, _, _ in part.inputs}
        following.update(b for number in level for b in unmapped.get(number, ()))
        frontier = following - set(nodes)
    steps = Steps(wanted, (), nodes, unmapped, owed)
    return Steps(wanted, _ordered(steps, owed), nodes, unmapped, owed)


def _fill_missing(
    session: Session,
    nodes: Iterable[BatchNode],
    unmapped: dict[int, tuple[int, ...]],
    owed: dict[int, int],
) -> None:
    """Find what stands for missing maps (rule 2)."""
    asked = [(node.number, node.run_id, dataset) for node in nodes for dataset in node.owes]
    read = {
        (number, bytes(dataset)): version
        for number, dataset, version in select_by_rows(session, _READ, _READ_COLUMNS, asked)
    }
    known: dict[tuple[bytes, int], list[int]] = {}
    for number, _run, dataset in asked:
        version = read.get((number, dataset))
        found: list[int] = []
        if version is not None:
            found = known.setdefault((dataset, version), membership(session, dataset, version))
        if found:
            unmapped[number] = (*unmapped.get(number, ()), *found)
        else:
            owed[number] = owed.get(number, 0) + 1


def _ordered(steps: Steps, owed: dict[int, int]) -> tuple[int, ...]:
    """Every batch after those it was made of; rule 3 for what waits for itself."""
    waits = {n: {each for each in steps.sources(n) if each in steps.nodes} for n in steps.nodes}
    outputs: dict[int, list[int]] = {}
    for number, sources in waits.items():
        for source in sources:
            outputs.setdefault(source, []).append(number)
    ready = sorted(number for number, sources in waits.items() if not sources)
    found: list[int] = []
    while ready:
        number = ready.pop()
        found.append(number)
        for output in outputs.get(number, ()):
            waits[output].discard(number)
            if not waits[output]:
                ready.append(output)
    rest = sorted(set(steps.nodes) - set(found))
    for number in rest:
        owed[number] = owed.get(number, 0) + 1
    return (*found, *rest)
