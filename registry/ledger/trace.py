"""Walks one example back to its sources, or forward to all that holds it or was made from it.

Rules (DESIGN §1.4, §1.5, §2):
1. A step is one map between two batches. A step without a map is unknown, and the answer says which
   job and run owe it.
2. A source is an example of a batch that no map leads to and that owes none (`batches`).
3. A version holds an example when its batch is a member. Whether a run saw it follows from the
   version that the run read (`seen`).
4. An erased example has no trace of its own, and is still a step on the way of others. What became
   of an example is counted without what was erased since; who saw it has seen it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from sqlmodel import Session

from registry.errors import InvalidInputError
from registry.ledger.batches import BatchGraph, BatchNode
from registry.ledger.closure import Sets, is_source, parents, push_forward, single
from registry.ledger.erasing import erased_error, read_holes, without_holes
from registry.ledger.rowmap import Role
from registry.ledger.seen import holds_member, read_memberships, run_saw
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows

STEPS_LIMIT = 10_000
Address = tuple[int, int]
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)


@dataclass(frozen=True, slots=True)
class Step:
    """One map between the output example `to` and its parents `sources`, as (batch, ordinal)."""

    role: str
    to: Address
    sources: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class UnknownStep:
    """A batch whose run read a dataset, and no map says which rows went where."""

    batch: int
    dataset_id: bytes


@dataclass(slots=True)
class BackwardTrace:
    """The way of one example back. `cut`: there were more than `STEPS_LIMIT` steps; `erased`: those
    of the sources of which nothing is kept.
    """

    example: Address
    nodes: dict[int, BatchNode] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    sources: list[Address] = field(default_factory=list)
    unknown: list[UnknownStep] = field(default_factory=list)
    cut: bool = False
    erased: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """A version, or a model by the run that made it, and whether it holds the example."""

    dataset_id: bytes
    namespace: str
    name: str
    version: int | None
    run_id: bytes | None
    state: str


@dataclass(slots=True)
class ForwardTrace:
    """What became of one example."""

    example: Address
    nodes: dict[int, BatchNode]
    reached: Sets
    versions: list[SeenVersion]
    models: list[SeenVersion]
    unknown: list[UnknownStep]


def trace_back(session: Session, graph: BatchGraph, number: int, ordinal: int) -> BackwardTrace:
    """The way of one example back to its sources (rules 1 and 2).

    Raises NotFoundError for a batch that is not there, ErasedError for an example that was erased,
    InvalidInputError for an ordinal outside the batch. Cost: one row group of each map on the way,
    four queries for each level of new batches, and one for what was erased.
    """
    node = graph.node(session, number)
    _check_ordinal(node, ordinal)
    trace = BackwardTrace((number, ordinal), {number: node})
    _walk_back(session, graph, trace)
    asked = {number, *(batch for batch, _ in trace.sources)}
    holes = read_holes(session, asked)
    if number in holes and ordinal in holes[number]:
        raise erased_error(number, ordinal)
    trace.erased = frozenset(a for a in trace.sources if a[0] in holes and a[1] in holes[a[0]])
    return trace


def _walk_back(session: Session, graph: BatchGraph, trace: BackwardTrace) -> None:
    frontier: list[Address] = [trace.example]
    seen = set(frontier)
    while frontier:
        following: list[Address] = []
        trace.nodes |= graph.nodes(session, {batch for batch, _ in frontier} - set(trace.nodes))
        for address in frontier:
            if len(trace.steps) >= STEPS_LIMIT:
                trace.cut = True
                return
            for step in _steps_from(trace, graph, address):
                trace.steps.append(step)
                for source in step.sources:
                    if source not in seen:
                        seen.add(source)
                        following.append(source)
        frontier = following
    trace.nodes |= graph.nodes(session, {batch for batch, _ in seen} - set(trace.nodes))


def _steps_from(trace: BackwardTrace, graph: BatchGraph, address: Address) -> Iterable[Step]:
    number, ordinal = address
    node = trace.nodes.get(number)
    if node is None:
        return
    if is_source(node):
        trace.sources.append(address)
        return
    for dataset_id in node.owes:
        unknown = UnknownStep(number, dataset_id)
        if unknown not in trace.unknown:
            trace.unknown.append(unknown)
    for part in node.maps:
        found = [
            (source, int(row))
            for source, rows in parents(graph, part, np.array([ordinal], np.uint32))
            for row in rows.tolist()
        ]
        if found:
            yield Step(part.role, address, tuple(found))


def _check_ordinal(node: BatchNode, ordinal: int) -> None:
    if ordinal < 0 or (node.rows is not None and ordinal >= node.rows):
        rows = "an unknown number of" if node.rows is None else str(node.rows)
        raise InvalidInputError(
            f"The ordinal {ordinal} is outside batch {node.name}, which has {rows} rows.",
            remedy="Ordinals count from 0.",
            path="address.ordinal",
        )


#: The roles in which an example is the same one still, and may go by the same id.
SAME = frozenset({Role.KEPT, Role.TRANSFORMED, Role.LABELLED})


def same_at_source(session: Session, graph: BatchGraph, start: Sets) -> dict[Address, Address]:
    """For examples of a set that are one example of a source still (`SAME`, with one parent at each
    step), erased or not, the example there. Cost: one look into a map for each example and step.
    """
    found: dict[Address, Address] = {}
    frontier = {(n, row): (n, row) for n, rows in start.items() for row in rows.tolist()}
    while frontier:
        nodes = graph.nodes(session, {batch for batch, _ in frontier.values()})
        following: dict[Address, Address] = {}
        for example, (batch, ordinal) in frontier.items():
            node = nodes.get(batch)
            if node is None or node.owes:
                continue
            if is_source(node):
                found[example] = (batch, ordinal)
                continue
            above = [
                (part.role, number, row)
                for part in node.maps
                for number, rows in parents(graph, part, np.array([ordinal], np.uint32))
                for row in rows.tolist()
            ]
            if len(above) == 1 and above[0][0] in SAME:
                following[example] = above[0][1:]
        frontier = following
    return found


def trace_forward(session: Session, graph: BatchGraph, number: int, ordinal: int) -> ForwardTrace:
    """Everything that one example became part of: batches, versions and models (rules 3 and 4).

    Raises as `trace_back`.
    """
    node = graph.node(session, number)
    _check_ordinal(node, ordinal)
    if not without_holes(session, single(number, ordinal)):
        raise erased_error(number, ordinal)
    closure = push_forward(session, graph, single(number, ordinal))
    nodes = graph.nodes(session, closure.reached)
    numbers = sorted(closure.reached)
    versions, models = what_saw(session, numbers)
    unknown = [
        UnknownStep(batch, dataset_id) for batch, dataset_id in owed_forward(session, numbers)
    ]
    reached = without_holes(session, closure.reached)
    return ForwardTrace((number, ordinal), nodes, reached, versions, models, unknown)


_OWED_FORWARD = """
SELECT DISTINCT b.number, n.dataset_id
FROM {rows} AS w
JOIN batch_number n ON n.number = w.number
JOIN version_batch vb ON vb.batch_number = n.number AND vb.change = 'added'
JOIN scope_dataset s ON s.dataset_id = n.dataset_id AND s.direction = 'input'
JOIN batch b ON b.run_id = s.scope_id AND b.dataset_id <> n.dataset_id
WHERE NOT EXISTS (
  SELECT 1 FROM map_input i JOIN batch_number m ON m.number = i.input_number
  WHERE i.number = b.number AND m.dataset_id = n.dataset_id
) AND NOT EXISTS (
  SELECT 1 FROM dataset_facet t
  WHERE t.dataset_id = b.dataset_id AND t.name = 'datasetType' AND t.payload LIKE '%"MODEL"%'
)
"""


def owed_forward(session: Session, numbers: list[int]) -> list[tuple[int, bytes]]:
    """Batches of runs that read the datasets of these batches and owe the map from them."""
    rows = select_by_rows(session, _OWED_FORWARD, _NUMBER, [(n,) for n in numbers])
    return sorted((number, bytes(dataset_id)) for number, dataset_id in rows)


_VERSIONS = """
SELECT d.id, d.namespace, d.name, v.number, v.line FROM {ids} AS wanted
JOIN dataset d ON d.id = wanted.id
JOIN dataset_version v ON v.dataset_id = d.id
WHERE v.number = (SELECT max(a.number) FROM dataset_version a WHERE a.dataset_id = d.id)
  OR EXISTS (SELECT 1 FROM run_read r WHERE r.dataset_id = d.id AND r.number = v.number)
ORDER BY d.namespace, d.name, v.number
"""
# Models that a run made which read one of the datasets, with the version that it read.
_MODELS = """
SELECT r.run_id, r.dataset_id, r.number, r.read_at, v.line, m.id, m.namespace, m.name
FROM {ids} AS wanted
JOIN run_read r ON r.dataset_id = wanted.id
JOIN scope_dataset s ON s.scope_id = r.run_id AND s.direction = 'output'
JOIN dataset m ON m.id = s.dataset_id
JOIN dataset_facet f ON f.dataset_id = m.id AND f.name = 'datasetType'
LEFT JOIN dataset_version v ON v.dataset_id = r.dataset_id AND v.number = r.number
WHERE f.payload LIKE '%"MODEL"%'
ORDER BY m.namespace, m.name, r.run_id
"""


def what_saw(session: Session, numbers: list[int]) -> tuple[list[SeenVersion], list[SeenVersion]]:
    """Versions that were read or are current, and models, of the datasets of these batches."""
    held = read_memberships(session, numbers)
    dataset_ids = sorted(held)
    versions = [
        SeenVersion(bytes(d), ns, name, number, None, holds_member(held[bytes(d)], line, number))
        for d, ns, name, number, line in select_by_ids(session, _VERSIONS, dataset_ids)
    ]
    models = [
        SeenVersion(
            bytes(model),
            ns,
            name,
            None,
            bytes(run),
            run_saw(held[bytes(d)], line, number, read_at),
        )
        for run, d, number, read_at, line, model, ns, name in select_by_ids(
            session, _MODELS, dataset_ids
        )
    ]
    return versions, list(dict.fromkeys(models))
