"""Reads what a batch is and which maps lead to and from it; bound batches are remembered.

Rules:
1. Only bound batches have maps. A bound batch never changes, so it is kept in memory, the least
   recently used go first.
2. A run that has inputs and a batch without a map from them owe each other a map: the step is
   unknown, never empty (DESIGN §2).
3. Nothing is owed by a model, nor by a batch that says its origin where the run read a dataset of
   which no batch is known: there its examples enter.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from registry.errors import NotFoundError
from registry.ledger.rowmap_file import RowMapFile
from registry.ledger.tables import BindingState
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.storage.objects import Objects

_KEPT_BATCHES = 100_000
_KEPT_MAPS = 512


@dataclass(frozen=True, slots=True)
class MapNode:
    """A bound map of a batch: where it lies, and its inputs as (batch number, first, rows)."""

    position: int
    role: str
    object_name: str
    inputs: tuple[tuple[int, int, int], ...]
    score: float | None
    method: str | None


@dataclass(frozen=True, slots=True)
class BatchNode:
    """A batch with its step and origin. `owes`: the run read datasets that no map leads to."""

    number: int
    name: str
    dataset_id: bytes
    namespace: str
    dataset: str
    run_id: bytes
    job_namespace: str
    job: str
    effective_at: int
    state: str | None
    rows: int | None
    origin_kind: str | None
    origin_uri: str | None
    license: str | None
    legal_basis: str | None
    maps: tuple[MapNode, ...]
    owes: tuple[bytes, ...]

    @property
    def is_bound(self) -> bool:
        """Whether what is known of it counts."""
        return self.state == BindingState.BOUND


_NODES = """
SELECT b.number, b.name, b.dataset_id, d.namespace, d.name, b.run_id, j.namespace, j.name,
  b.effective_at, k.state, k.rows, b.origin_kind, b.origin_uri, b.license, b.legal_basis
FROM {rows} AS w
JOIN batch b ON b.number = w.number
JOIN dataset d ON d.id = b.dataset_id
LEFT JOIN run r ON r.id = b.run_id
LEFT JOIN job j ON j.id = r.job_id
LEFT JOIN batch_binding k ON k.number = b.number
"""
_MAPS = """
SELECT m.number, m.position, m.role, m.object_name, m.score, m.method
FROM {rows} AS w JOIN map_binding m ON m.number = w.number ORDER BY m.number, m.position
"""
_INPUTS = """
SELECT i.number, i.position, i.input_number, i.first, i.rows
FROM {rows} AS w JOIN map_input i ON i.number = w.number
ORDER BY i.number, i.position, i.place
"""
# Datasets that the run read and of which no map of the batch names a batch (rules 2 and 3).
_OWED = """
SELECT b.number, s.dataset_id
FROM {rows} AS w
JOIN batch b ON b.number = w.number
JOIN scope_dataset s ON s.scope_id = b.run_id AND s.direction = 'input'
WHERE s.dataset_id <> b.dataset_id AND NOT EXISTS (
  SELECT 1 FROM map_input i JOIN batch_number n ON n.number = i.input_number
  WHERE i.number = b.number AND n.dataset_id = s.dataset_id
) AND (b.origin_kind IS NULL OR EXISTS (
  SELECT 1 FROM batch e WHERE e.dataset_id = s.dataset_id
)) AND NOT EXISTS (
  SELECT 1 FROM dataset_facet t
  WHERE t.dataset_id = b.dataset_id AND t.name = 'datasetType' AND t.payload LIKE '%"MODEL"%'
)
"""
_OUT = """
SELECT DISTINCT i.input_number, i.number FROM {rows} AS w
JOIN map_input i ON i.input_number = w.number
JOIN batch_binding k ON k.number = i.number AND k.state = 'bound'
"""
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)


class BatchGraph:
    """The DAG of batches and their maps, read on demand. Thread-safe."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._nodes: OrderedDict[int, BatchNode] = OrderedDict()
        self._maps: OrderedDict[str, RowMapFile] = OrderedDict()

    def node(self, session: Session, number: int) -> BatchNode:
        """One batch. Raises NotFoundError."""
        found = self.nodes(session, [number])
        if number not in found:
            raise NotFoundError(
                f"There is no batch {number}.", remedy="See the batches of the dataset."
            )
        return found[number]

    def nodes(self, session: Session, numbers: Iterable[int]) -> dict[int, BatchNode]:
        """Batches by number; unknown numbers are left out. Cost: at most four queries."""
        wanted = sorted(set(numbers))
        with self._lock:
            known = {n: self._nodes[n] for n in wanted if n in self._nodes}
            for number in known:
                self._nodes.move_to_end(number)
        missing = [(number,) for number in wanted if number not in known]
        if missing:
            read = _read_nodes(session, missing)
            with self._lock:
                for number, node in read.items():
                    if node.is_bound:
                        self._nodes[number] = node
                while len(self._nodes) > _KEPT_BATCHES:
                    self._nodes.popitem(last=False)
            known |= read
        return known

    def outputs(self, session: Session, numbers: Iterable[int]) -> dict[int, list[int]]:
        """For each batch, the bound batches that a map leads to from it."""
        rows = [(number,) for number in sorted(set(numbers))]
        found: dict[int, list[int]] = {}
        for source, target in select_by_rows(session, _OUT, _NUMBER, rows):
            found.setdefault(source, []).append(target)
        return found

    def open_map(self, node: MapNode) -> RowMapFile:
        """The map's file, kept open for the next question."""
        with self._lock:
            kept = self._maps.get(node.object_name)
            if kept is not None:
                self._maps.move_to_end(node.object_name)
                return kept
        opened = RowMapFile(self._objects.open(node.object_name))
        with self._lock:
            self._maps[node.object_name] = opened
            if len(self._maps) > _KEPT_MAPS:
                # Closing is left to the last user: another thread may still read it.
                self._maps.popitem(last=False)
        return opened

    def forget(self, numbers: Iterable[int]) -> None:
        """Forget batches of which something changed after all (an erasure)."""
        with self._lock:
            for number in numbers:
                self._nodes.pop(number, None)


def _read_nodes(session: Session, missing: Sequence[tuple[int]]) -> dict[int, BatchNode]:
    # First of all who is bound: what is bound by then has its maps, also where each query of a
    # transaction sees a later state (PostgreSQL).
    rows_of_nodes = select_by_rows(session, _NODES, _NUMBER, missing)
    inputs: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for number, position, input_number, first, rows in select_by_rows(
        session, _INPUTS, _NUMBER, missing
    ):
        inputs.setdefault((number, position), []).append((input_number, first, rows))
    maps: dict[int, list[MapNode]] = {}
    for number, position, role, name, score, method in select_by_rows(
        session, _MAPS, _NUMBER, missing
    ):
        of_map = tuple(inputs.get((number, position), ()))
        maps.setdefault(number, []).append(MapNode(position, role, name, of_map, score, method))
    owed: dict[int, list[bytes]] = {}
    for number, dataset_id in select_by_rows(session, _OWED, _NUMBER, missing):
        owed.setdefault(number, []).append(bytes(dataset_id))
    return {
        row[0]: _node(row, tuple(maps.get(row[0], ())), tuple(sorted(owed.get(row[0], ()))))
        for row in rows_of_nodes
    }


def _node(row: Any, maps: tuple[MapNode, ...], owes: tuple[bytes, ...]) -> BatchNode:
    return BatchNode(
        number=row[0],
        name=row[1],
        dataset_id=bytes(row[2]),
        namespace=row[3],
        dataset=row[4],
        run_id=bytes(row[5]),
        job_namespace=row[6] or "",
        job=row[7] or "",
        effective_at=row[8],
        state=row[9],
        rows=row[10],
        origin_kind=row[11],
        origin_uri=row[12],
        license=row[13],
        legal_basis=row[14],
        maps=maps,
        owes=owes,
    )
