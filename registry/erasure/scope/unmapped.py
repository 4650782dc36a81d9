"""Finds the steps without a map: runs that read a batch, or may have, and what they wrote.

Rules (DESIGN §1.4; the governance page, case 20):
1. A run read what the version that it read held. Where no version is known, or the batch was there
   before the run read and we knew of it only later, it may have read it. A run that is told of at
   its end alone seems to have read what it wrote: then the version is not known.
2. What it wrote is unmapped where no map of the batch names a batch of the dataset that it read. A
   dataset that a run wrote without naming a batch is unmapped whole.
3. A run that appends to what it read owes no map; one that writes it anew does.
4. A dataset is read under each of its names; which version was read under another is not known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlmodel import Session

from registry.catalog.aliases import Aliases
from registry.erasure.scope.until import Until
from registry.erasure.scope.world import Output, Step
from registry.ledger.batches import BatchNode
from registry.ledger.seen import Membership, read_memberships
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_PAIR: tuple[TypedColumn, ...] = (("run", "bytes"), ("dataset", "bytes"))
_READERS = """
SELECT s.dataset_id, s.scope_id, j.namespace, j.name, o.dataset_id, b.number, r.number, r.read_at,
  v.line
FROM {ids} AS w
JOIN scope_dataset s ON s.dataset_id = w.id AND s.direction = 'input'
JOIN run u ON u.id = s.scope_id
JOIN job j ON j.id = u.job_id
JOIN scope_dataset o ON o.scope_id = s.scope_id AND o.direction = 'output'
LEFT JOIN batch b ON b.run_id = s.scope_id AND b.dataset_id = o.dataset_id
LEFT JOIN run_read r ON r.run_id = s.scope_id AND r.dataset_id = s.dataset_id
LEFT JOIN dataset_version v ON v.dataset_id = r.dataset_id AND v.number = r.number
  AND v.scope_id <> s.scope_id
WHERE o.dataset_id <> s.dataset_id OR b.number IS NULL
  OR b.mode IN ('overwrite', 'replace_partition')
ORDER BY s.scope_id, s.dataset_id, o.dataset_id, b.number
"""
_MAPPED = """
SELECT DISTINCT i.number, n.dataset_id FROM {rows} AS w
JOIN map_input i ON i.number = w.number JOIN batch_number n ON n.number = i.input_number
"""
_MODELS = """
SELECT w.id FROM {ids} AS w
JOIN dataset_facet t ON t.dataset_id = w.id AND t.name = 'datasetType'
WHERE t.payload LIKE '%"MODEL"%'
"""
_MADE = """
SELECT v.scope_id, v.dataset_id, v.line, v.number, v.completed_at FROM {rows} AS w
JOIN dataset_version v ON v.scope_id = w.run AND v.dataset_id = w.dataset
"""
_NEVER = 2**62


@dataclass(frozen=True, slots=True)
class _Reader:
    """A run that reads a dataset (under any name), and one thing it wrote."""

    read: bytes
    run_id: bytes
    job: str
    output: bytes
    target: int | None
    version: int | None
    line: int | None
    read_at: int


class _Held:
    """When batches of one dataset came into its versions and went, as columns."""

    def __init__(self, numbers: list[int], memberships: list[Membership], at: list[int]) -> None:
        known = {m.batch for m in memberships}
        loose = [(n, effective) for n, effective in zip(numbers, at, strict=True) if n not in known]
        rows = [
            (m.batch, m.line, m.added, _NEVER if m.removed is None else m.removed, m.effective_at)
            for m in memberships
        ] + [(n, -1, _NEVER, _NEVER, effective) for n, effective in loose]
        columns = np.array(rows, np.int64).reshape(len(rows), 5).T
        self._batch, self._line, self._added, self._removed, self._at = columns

    def seen_by(self, reader: _Reader) -> tuple[list[int], list[int]]:
        """The batches that a run surely read, and those that it read or may have (rule 1)."""
        if reader.version is None or reader.line is None:
            return [], np.unique(self._batch).tolist()
        version = reader.version
        surely = (self._line == reader.line) & (self._added <= version) & (self._removed > version)
        late = (self._added > version) & (self._at <= reader.read_at)
        return self._numbers(surely), self._numbers(surely | late)

    def _numbers(self, chosen: npt.NDArray[np.bool_]) -> list[int]:
        found: list[int] = np.unique(self._batch[chosen]).tolist()
        return found


def models_among(session: Session, dataset_ids: Iterable[bytes]) -> set[bytes]:
    """Those of these datasets that are models."""
    return {bytes(row[0]) for row in select_by_ids(session, _MODELS, sorted(set(dataset_ids)))}


def steps_after(
    session: Session, nodes: Mapping[int, BatchNode], outputs: Collection[Output], until: Until
) -> list[Step]:
    """The steps without a map of runs that read one of these batches or outputs.

    Batches above the limit arrived later and are left out; the maps of one that is not bound do not
    count. Cost: some queries, and in proportion to the runs that read their datasets.
    """
    return _Asked(session, nodes, outputs).steps(until)


class _Asked:
    """What was asked for, by the datasets it lies in, and under which names these are read."""

    def __init__(
        self, session: Session, nodes: Mapping[int, BatchNode], outputs: Collection[Output]
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._held = _held(session, nodes)
        self._made = _made(session, outputs)
        self._outputs: dict[bytes, list[Output]] = {}
        for output in sorted(outputs):
            self._outputs.setdefault(output.dataset_id, []).append(output)
        datasets = sorted({*self._held, *self._outputs})
        self._aliases = Aliases(session)
        self._aliases.learn(datasets)
        self._sources: dict[bytes, list[bytes]] = {}
        for dataset_id in datasets:
            self._sources.setdefault(self._known_as(dataset_id), []).append(dataset_id)

    def _known_as(self, dataset_id: bytes) -> bytes:
        return self._aliases.canonical.get(dataset_id, dataset_id)

    def steps(self, until: Until) -> list[Step]:
        """Every step, in the order of the runs' ids."""
        names = self._aliases.members(self._sources)
        readers = [
            reader
            for reader in _readers(self._session, names)
            if reader.target is None or reader.target <= until.batch_number
        ]
        bound = {r.target for r in readers if r.target is not None} - until.unbound
        mapped = self._mapped(bound)
        models = models_among(self._session, {reader.output for reader in readers})
        steps = []
        for reader in readers:
            if reader.target is None or (reader.target, self._known_as(reader.read)) not in mapped:
                step = self._step(reader, reader.output in models)
                if step.batches or step.outputs:
                    steps.append(step)
        return steps

    def _mapped(self, targets: set[int]) -> set[tuple[int, bytes]]:
        """For each batch, the datasets (by the id they go by) that one of its maps names."""
        wanted = [(number,) for number in sorted(targets)]
        rows = select_by_rows(self._session, _MAPPED, _NUMBER, wanted)
        return {(row[0], self._known_as(bytes(row[1]))) for row in rows}

    def _step(self, reader: _Reader, is_model: bool) -> Step:
        surely: list[int] = []
        maybe: list[int] = []
        read: list[Output] = []
        for dataset_id in self._sources[self._known_as(reader.read)]:
            as_read = reader if dataset_id == reader.read else _unsure(reader)
            if dataset_id in self._held:
                some, more = self._held[dataset_id].seen_by(as_read)
                surely, maybe = [*surely, *some], [*maybe, *more]
            read += [
                output
                for output in self._outputs.get(dataset_id, ())
                if _may_have_read(as_read, self._made.get(output))
            ]
        return Step(
            batches=self._but_its_own(maybe, reader),
            outputs=tuple(read),
            run_id=reader.run_id,
            job=reader.job,
            dataset_id=reader.read,
            target=reader.target,
            output=Output(reader.run_id, reader.output),
            is_model=is_model,
            saw=self._but_its_own(surely, reader),
        )

    def _but_its_own(self, numbers: list[int], reader: _Reader) -> tuple[int, ...]:
        """What the run wrote to the very dataset is not what it read there."""
        own = (reader.run_id, reader.output)
        nodes = self._nodes
        return tuple(n for n in numbers if (nodes[n].run_id, nodes[n].dataset_id) != own)


def _unsure(reader: _Reader) -> _Reader:
    """Rule 4."""
    return replace(reader, version=None, line=None)


def _held(session: Session, nodes: Mapping[int, BatchNode]) -> dict[bytes, _Held]:
    memberships = read_memberships(session, nodes)
    numbers: dict[bytes, list[int]] = {}
    for number, node in sorted(nodes.items()):
        numbers.setdefault(node.dataset_id, []).append(number)
    return {
        dataset_id: _Held(
            some, memberships.get(dataset_id, []), [nodes[n].effective_at for n in some]
        )
        for dataset_id, some in numbers.items()
    }


def _readers(session: Session, dataset_ids: list[bytes]) -> Iterator[_Reader]:
    row: Any
    for row in select_by_ids(session, _READERS, sorted(dataset_ids)):
        yield _Reader(
            read=bytes(row[0]),
            run_id=bytes(row[1]),
            job=f"{row[2]} {row[3]}",
            output=bytes(row[4]),
            target=row[5],
            version=row[6],
            line=row[8],
            read_at=_NEVER if row[7] is None else row[7],
        )


def _made(session: Session, outputs: Collection[Output]) -> dict[Output, tuple[int, int, int]]:
    """The version that a run made of what it wrote: line, number, and when it completed."""
    wanted = [(each.run_id, each.dataset_id) for each in sorted(outputs)]
    return {
        Output(bytes(row[0]), bytes(row[1])): (row[2], row[3], row[4])
        for row in select_by_rows(session, _MADE, _PAIR, wanted)
    }


def _may_have_read(reader: _Reader, made: tuple[int, int, int] | None) -> bool:
    """Rule 1, for what a run wrote without naming a batch."""
    if made is None or reader.version is None or reader.line is None:
        return True
    line, number, completed_at = made
    if reader.version >= number:
        return reader.line == line
    return completed_at <= reader.read_at
