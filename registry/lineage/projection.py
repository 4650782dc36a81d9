"""Turns events into catalog rows. Pure: the same set of events gives the same rows in any order.

Rules (DESIGN §1.3, §5):
1. Every merge is commutative, associative and idempotent: minima, maxima, and "the greater order
   key (effective time, digest) wins". So events can come late, twice, or in any order.
2. Run state is monotonic: the greatest (rank, effective time, digest). A late START never reopens
   a finished run; its facets still merge, by name, each replaced whole.
3. An event changes its job, its outputs and its own run. What it says of names that its sender may
   not write (`denied`) stays with the run.
4. Lists that replace a former list (explicit edges, symlinks, files, a JobEvent's inputs) hang on a
   header with an order key; children of an older header are dropped.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from registry.canonical import exact_json
from registry.catalog.tables import Direction, EdgeOrigin, RunState
from registry.lineage.batch_facet import BatchFacet, ObjectAt, batch_micros, read_batch
from registry.lineage.events import DatasetRef, Event, EventKind, EventType, Facets
from registry.lineage.facets import (
    ExplicitEdge,
    read_column_lineage,
    read_dataset_lineage,
    read_external_version,
    read_job_lineage,
    read_lifecycle,
    read_nominal_time,
    read_parent,
    read_symlinks,
)
from registry.lineage.row_maps_facet import read_row_maps
from registry.lineage.values import Named
from registry.storage.columns import wins_key
from registry.wire.facets import BATCH, RIGHTS

Key = tuple[Any, ...]
Values = tuple[Any, ...]
_STATES: dict[EventType | None, tuple[int, RunState]] = {
    None: (0, RunState.NEW),
    EventType.OTHER: (0, RunState.NEW),
    EventType.START: (1, RunState.RUNNING),
    EventType.RUNNING: (2, RunState.RUNNING),
    EventType.COMPLETE: (3, RunState.COMPLETED),
    EventType.FAIL: (3, RunState.FAILED),
    EventType.ABORT: (3, RunState.ABORTED),
}
_TERMINAL_RANK = 3
_INPUT, _OUTPUT = Direction.INPUT.value, Direction.OUTPUT.value


class Latest(dict[Key, tuple[bytes, Values]]):
    """Rows of which, for each key, the one with the greatest order key stays."""

    def put(self, key: Key, wins: bytes, values: Values = ()) -> bool:
        """Offer a row; whether it stays."""
        former = self.get(key)
        if former is not None and former[0] > wins:
            return False
        self[key] = (wins, values)
        return True


class Spans(dict[Key, tuple[Values, int, int]]):
    """Named things with the first and last time (microseconds) they were spoken of."""

    def see(self, key: Key, values: Values, at: int) -> None:
        """Widen the span of a thing."""
        former = self.get(key)
        if former is None:
            self[key] = (values, at, at)
        else:
            self[key] = (values, min(former[1], at), max(former[2], at))


class Lists:
    """Headers with an order key, and the rows that hang on the newest one."""

    def __init__(self) -> None:
        self.headers = Latest()
        self.rows: dict[Key, list[Values]] = {}

    def replace(self, key: Key, wins: bytes, rows: list[Values]) -> None:
        """Offer a whole list under a header."""
        if self.headers.put(key, wins):
            self.rows[key] = rows


@dataclass(slots=True)
class RunRow:
    """What is known of a run; merged by `Projection`."""

    job_id: bytes
    owner_key: bytes
    state: str
    state_key: bytes
    created_at: int
    updated_at: int
    started_at: int | None
    ended_at: int | None
    producer_run_id: str | None


class Projection:
    """Catalog rows of a group of events, merged; `registry.lineage.store` writes them."""

    def __init__(self) -> None:
        self.namespaces, self.datasets, self.jobs = Spans(), Spans(), Spans()
        self.runs: dict[bytes, RunRow] = {}
        self.run_parents, self.run_nominals = Latest(), Latest()
        self.run_facets, self.job_facets, self.dataset_facets = Latest(), Latest(), Latest()
        self.scope_facets, self.external_versions = Latest(), Latest()
        self.scope_datasets: dict[Key, tuple[bytes, int, bytes]] = {}
        self.job_datasets = Latest()
        self.declarations = Latest()
        self.edges, self.symlinks, self.batches = Lists(), Lists(), Lists()
        self.row_maps = Lists()
        self.batch_values: dict[Key, Values] = {}

    def add(self, event: Event, *, effective: int, denied: Collection[bytes] = ()) -> None:
        """Merge one event. `effective` in microseconds; `denied`: ids it may not write."""
        wins = wins_key(effective, event.digest)
        if event.kind is EventKind.DATASET:
            self._add_dataset(event, event.outputs[0], effective, wins, denied)
            return
        job = event.named
        self._see(self.jobs, job, effective)
        if event.kind is EventKind.RUN:
            self._add_run(event, effective, wins)
        for name, facet in event.job_facets.items():
            _put_facet(self.job_facets, (job.id, name), wins, facet)
        self._add_job_lineage(event, wins, denied)
        for dataset in event.inputs:
            self._add_input(event, dataset, effective, wins, denied)
        for dataset in event.outputs:
            self._add_output(event, dataset, effective, wins, denied)
        if event.kind is EventKind.JOB:
            for direction, listed in ((_INPUT, event.inputs), (_OUTPUT, event.outputs)):
                if listed:
                    self.declarations.put((job.id, direction), wins)

    def _see(self, spans: Spans, named: Named, at: int) -> None:
        spans.see((named.id,), (named.namespace, named.name), at)
        self.namespaces.see((named.namespace,), (), at)

    def _add_run(self, event: Event, effective: int, wins: bytes) -> None:
        rank, state = _STATES[event.event_type]
        new = RunRow(
            job_id=event.named.id,
            owner_key=wins,
            state=state.value,
            state_key=bytes([rank]) + wins,
            created_at=effective,
            updated_at=effective,
            started_at=effective if event.event_type is EventType.START else None,
            ended_at=effective if rank == _TERMINAL_RANK else None,
            producer_run_id=event.producer_run_id,
        )
        run = self.runs.get(event.scope_id)
        if run is None:
            self.runs[event.scope_id] = new
        else:
            _merge_run(run, new)
        for name, facet in event.run_facets.items():
            _put_facet(self.run_facets, (event.scope_id, name), wins, facet)
        if (parent := read_parent(event)) is not None:
            self.run_parents.put((event.scope_id,), wins, tuple(parent))
        if (nominal := read_nominal_time(event)) is not None:
            self.run_nominals.put((event.scope_id,), wins, nominal)

    def _add_input(
        self,
        event: Event,
        dataset: DatasetRef,
        effective: int,
        wins: bytes,
        denied: Collection[bytes],
    ) -> None:
        self._add_flow(event, dataset, _INPUT, effective, wins)
        if dataset.named.id in denied:
            key = (event.scope_id, _INPUT, dataset.named.id, "dataset")
            for name, facet in dataset.facets.items():
                _put_facet(self.scope_facets, (*key, name), wins, facet)
        else:
            self._add_dataset_facets(event, dataset, wins, denied)

    def _add_output(
        self,
        event: Event,
        dataset: DatasetRef,
        effective: int,
        wins: bytes,
        denied: Collection[bytes],
    ) -> None:
        self._add_flow(event, dataset, _OUTPUT, effective, wins)
        self._add_dataset_facets(event, dataset, wins, denied)
        self._add_carried_edges(event, dataset, wins)
        if event.has_run:
            if read_lifecycle(dataset) is not None:
                key = (event.scope_id, _OUTPUT, dataset.named.id, "dataset")
                facet = dataset.facets["lifecycleStateChange"]
                _put_facet(self.scope_facets, (*key, "lifecycleStateChange"), wins, facet)
            if RIGHTS in dataset.facets:
                # The dataset's facet is that of the last run; a batch keeps what its own run said.
                key = (event.scope_id, _OUTPUT, dataset.named.id, "dataset")
                _put_facet(self.scope_facets, (*key, RIGHTS), wins, dataset.facets[RIGHTS])
            batch = read_batch(dataset)
            if batch is not None:
                self._add_batch(event, dataset, batch, effective, wins)
                maps = read_row_maps(dataset)
                if maps is not None:
                    of_batch = (dataset.named.id, event.scope_id, batch.batch)
                    self.row_maps.replace(of_batch, wins, [tuple(row) for row in maps])

    def _add_flow(
        self, event: Event, dataset: DatasetRef, direction: str, effective: int, wins: bytes
    ) -> None:
        named = dataset.named
        self._see(self.datasets, named, effective)
        declared = 0 if event.has_run else 1
        self._put_scope_dataset(
            (event.scope_id, direction, named.id), event.named.id, effective, wins
        )
        self.job_datasets.put(
            (event.named.id, direction, named.id, declared), wins, (event.scope_id,)
        )
        for name, facet in dataset.io_facets.items():
            _put_facet(
                self.scope_facets, (event.scope_id, direction, named.id, "io", name), wins, facet
            )
        external = read_external_version(dataset)
        if external is not None and event.has_run:
            self.external_versions.put((event.scope_id, direction, named.id), wins, (external,))

    def _put_scope_dataset(self, key: Key, job_id: bytes, effective: int, wins: bytes) -> None:
        former = self.scope_datasets.get(key)
        declared = key[0] == job_id
        if former is None:
            self.scope_datasets[key] = (job_id, effective, wins)
        elif declared:
            if wins > former[2]:
                self.scope_datasets[key] = (job_id, effective, wins)
        else:
            self.scope_datasets[key] = (job_id, min(effective, former[1]), max(wins, former[2]))

    def _add_dataset(
        self,
        event: Event,
        dataset: DatasetRef,
        effective: int,
        wins: bytes,
        denied: Collection[bytes],
    ) -> None:
        self._see(self.datasets, dataset.named, effective)
        self._add_dataset_facets(event, dataset, wins, denied)
        self._add_carried_edges(event, dataset, wins)

    def _add_dataset_facets(
        self, event: Event, dataset: DatasetRef, wins: bytes, denied: Collection[bytes]
    ) -> None:
        named = dataset.named
        for name, facet in dataset.facets.items():
            _put_facet(self.dataset_facets, (named.id, name), wins, facet)
        aliases = read_symlinks(event, dataset)
        if aliases is not None:
            rows = {
                alias.id: (alias.id, alias.namespace, alias.name, kind)
                for alias, kind in aliases
                if alias.id not in denied
            }
            self.symlinks.replace((named.id,), wins, list(rows.values()))

    def _add_carried_edges(self, event: Event, dataset: DatasetRef, wins: bytes) -> None:
        for origin, edges in (
            (EdgeOrigin.LINEAGE, read_dataset_lineage(event, dataset)),
            (EdgeOrigin.COLUMN_LINEAGE, read_column_lineage(event, dataset)),
        ):
            if edges is not None:
                self._put_edges(event, dataset.named.id, origin, edges, wins)

    def _add_job_lineage(self, event: Event, wins: bytes, denied: Collection[bytes]) -> None:
        edges = read_job_lineage(event)
        if edges is not None:
            allowed = [edge for edge in edges if edge.target.id not in denied]
            self._put_edges(event, event.named.id, EdgeOrigin.LINEAGE, allowed, wins)

    def _put_edges(
        self,
        event: Event,
        carrier_id: bytes,
        origin: EdgeOrigin,
        edges: list[ExplicitEdge],
        wins: bytes,
    ) -> None:
        at = int.from_bytes(wins[:8], "big") - (1 << 63)
        rows: list[Values] = []
        for position, edge in enumerate(edges):
            for kind, named in ((edge.target_kind, edge.target), (edge.source_kind, edge.source)):
                if named is not None:
                    self._see(self.jobs if kind == "job" else self.datasets, named, at)
            rows.append(_edge_row(event, position, edge))
        self.edges.replace((event.scope_id, carrier_id, origin.value), wins, rows)

    def _add_batch(
        self, event: Event, dataset: DatasetRef, batch: BatchFacet, effective: int, wins: bytes
    ) -> None:
        key = (dataset.named.id, event.scope_id, batch.batch)
        files: list[Values] = []
        ordinal: int | None = 0
        for position, entry in enumerate(batch.files or ()):
            files.append((position, entry.uri, entry.sha256, entry.rows, ordinal))
            known = ordinal is not None and entry.rows is not None
            ordinal = ordinal + entry.rows if known else None  # type: ignore[operator]
        self.batches.replace(key, wins, files)
        if self.batches.headers[key][0] == wins:
            path = f"{dataset.path}.{BATCH}.origin"
            self.batch_values[key] = (effective, *_batch_values(event, batch, path))


def _merge_run(run: RunRow, new: RunRow) -> None:
    run.owner_key = min(run.owner_key, new.owner_key)
    if new.state_key > run.state_key:
        run.state, run.state_key, run.ended_at = new.state, new.state_key, new.ended_at
    run.created_at = min(run.created_at, new.created_at)
    run.updated_at = max(run.updated_at, new.updated_at)
    if new.started_at is not None:
        known = run.started_at
        run.started_at = new.started_at if known is None else min(known, new.started_at)


def _put_facet(table: Latest, key: Key, wins: bytes, facet: Facets) -> None:
    former = table.get(key)
    if former is not None and former[0] > wins:
        return
    payload = "" if facet.get("_deleted") is True else exact_json(facet).decode()
    table[key] = (wins, (payload,))


def _edge_row(event: Event, position: int, edge: ExplicitEdge) -> Values:
    source_id = b"" if edge.source is None else edge.source.id
    details = edge.transformations
    return (
        position,
        event.named.id if event.kind is not EventKind.DATASET else event.scope_id,
        edge.target_kind,
        edge.target.id,
        edge.target_field,
        edge.source_kind,
        source_id,
        edge.source_field,
        edge.source_run,
        None if details is None else exact_json(details).decode(),
    )


def _batch_values(event: Event, batch: BatchFacet, path: str) -> Values:
    origin = batch.origin
    examples = batch.examples
    at_url = isinstance(examples, ObjectAt)
    return (
        batch.mode,
        batch.partition,
        origin.kind.value if origin and origin.kind else None,
        origin.uri if origin else None,
        origin.description if origin else None,
        batch_micros(origin.collected_from, f"{path}.collectedFrom", event.warnings)
        if origin
        else None,
        batch_micros(origin.collected_until, f"{path}.collectedUntil", event.warnings)
        if origin
        else None,
        batch.license,
        batch.legal_basis,
        batch.special_category_condition,
        None if batch.purposes is None else exact_json(batch.purposes).decode(),
        batch.region,
        batch.classification,
        batch.personal_data,
        batch.example_count,
        examples.sha256 if isinstance(examples, ObjectAt) else examples,
        examples.url if isinstance(examples, ObjectAt) and at_url else None,
        None if batch.subject_coverage is None else exact_json(batch.subject_coverage).decode(),
    )
