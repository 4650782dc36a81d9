"""Builds catalogs row by row, as ingestion would leave them, and remembers what they mean.

`at` is always in seconds after `BEGIN`; every call stands for one event with a digest of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session

from registry.catalog import tables as t
from registry.catalog import version_tables as v
from registry.catalog.names import dataset_id, job_id
from registry.ids import named_id
from registry.moments import to_micros
from registry.storage.bulk import KEEP_OLD, insert_rows, merge_rows
from registry.storage.columns import table_of, wins_key

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def moment(at: float) -> datetime:
    """The moment `at` seconds after BEGIN."""
    return BEGIN + timedelta(seconds=at)


def micros(at: float) -> int:
    """The same in microseconds since 1970."""
    return to_micros(moment(at))


@dataclass(frozen=True)
class Edge:
    """One explicit edge. `source` None: no tracked source. Jobs are told by `*_is_job`."""

    target: bytes
    source: bytes | None
    target_is_job: bool = False
    source_is_job: bool = False
    target_field: str = ""
    source_field: str = ""
    source_run: bytes | None = None
    transformations: str | None = None


@dataclass
class Catalog:
    """Rows of a catalog in the making, merged as ingestion merges them."""

    names: dict[bytes, tuple[str, str, str]] = field(default_factory=dict)
    runs: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    #: (scope, direction, dataset) → (job, first_at, wins)
    scope_datasets: dict[tuple[bytes, str, bytes], tuple[bytes, int, bytes]] = field(
        default_factory=dict
    )
    #: (job, direction, dataset, declared) → (wins, scope)
    job_datasets: dict[tuple[bytes, str, bytes, int], tuple[bytes, bytes]] = field(
        default_factory=dict
    )
    declared_at: dict[tuple[bytes, str], bytes] = field(default_factory=dict)
    #: (scope, carrier, origin) → (wins, job, edges)
    edge_sets: dict[tuple[bytes, bytes, str], tuple[bytes, bytes, tuple[Edge, ...]]] = field(
        default_factory=dict
    )
    symlinks: dict[tuple[bytes, bytes], tuple[bytes, str, str]] = field(default_factory=dict)
    facets: dict[tuple[str, bytes, str], tuple[bytes, str]] = field(default_factory=dict)
    rows: list[tuple[Any, tuple[str, ...], tuple[Any, ...]]] = field(default_factory=list)
    _events: int = 0

    def dataset(self, namespace: str, name: str) -> bytes:
        """The id of a dataset; it is in the catalog from now on."""
        key = dataset_id(namespace, name)
        self.names[key] = ("dataset", namespace, name)
        return key

    def job(self, namespace: str, name: str) -> bytes:
        """The id of a job; it is in the catalog from now on."""
        key = job_id(namespace, name)
        self.names[key] = ("job", namespace, name)
        return key

    def wins(self, at: float) -> bytes:
        """The order key of a new event at that time."""
        self._events += 1
        return wins_key(micros(at), hashlib.sha256(b"event %d" % self._events).digest())

    def run(
        self,
        job: bytes,
        *,
        reads: Iterable[bytes] = (),
        writes: Iterable[bytes] = (),
        at: float = 0,
        run: bytes | None = None,
        state: str = "COMPLETED",
        producer_run_id: str | None = None,
    ) -> bytes:
        """An event of a run; give the same `run` again for a later one."""
        wins = self.wins(at)
        key = run or named_id("test-run", job.hex(), str(self._events))
        known = self.runs.setdefault(key, {"job": job, "from": micros(at), "to": micros(at)})
        known["from"] = min(known["from"], micros(at))
        known["to"] = max(known["to"], micros(at))
        known.update(state=state, wins=wins, producer_run_id=producer_run_id)
        for direction, datasets in (("input", reads), ("output", writes)):
            for dataset in datasets:
                self._flow(key, direction, dataset, job, micros(at), wins, 0)
        return key

    def declare(
        self,
        job: bytes,
        *,
        reads: Sequence[bytes] = (),
        writes: Sequence[bytes] = (),
        at: float = 0,
    ) -> None:
        """A JobEvent; it replaces the list of each direction in which it lists anything."""
        wins = self.wins(at)
        for direction, datasets in (("input", reads), ("output", writes)):
            if not datasets or wins < self.declared_at.get((job, direction), b""):
                continue
            self.declared_at[job, direction] = wins
            for kept in (self.scope_datasets, self.job_datasets):
                old = [key for key in kept if key[0] == job and key[1] == direction]
                for gone in old:
                    if kept is self.scope_datasets or gone[3] == 1:  # type: ignore[misc]
                        del kept[gone]  # type: ignore[arg-type]
            for dataset in datasets:
                self._flow(job, direction, dataset, job, micros(at), wins, 1)

    def _flow(
        self,
        scope: bytes,
        direction: str,
        dataset: bytes,
        job: bytes,
        at: int,
        wins: bytes,
        declared: int,
    ) -> None:
        former = self.scope_datasets.get((scope, direction, dataset), (job, at, wins))
        self.scope_datasets[scope, direction, dataset] = (
            job,
            min(at, former[1]),
            max(wins, former[2]),
        )
        key = (job, direction, dataset, declared)
        self.job_datasets[key] = max((wins, scope), self.job_datasets.get(key, (wins, scope)))

    def say(
        self,
        scope: bytes,
        job: bytes,
        edges: Iterable[Edge],
        *,
        at: float = 0,
        carrier: bytes | None = None,
        origin: str = "lineage",
    ) -> None:
        """A lineage or columnLineage facet; for a DatasetEvent scope and job are the dataset."""
        wins = self.wins(at)
        key = (scope, carrier or job, origin)
        if wins > self.edge_sets.get(key, (b"", b"", ()))[0]:
            self.edge_sets[key] = (wins, job, tuple(edges))

    def link(self, dataset: bytes, alias: tuple[str, str], *, at: float = 0) -> bytes:
        """A symlink: `alias` (namespace, name) is another name of the dataset. Gives its id."""
        key = dataset_id(*alias)
        self.symlinks[dataset, key] = (self.wins(at), *alias)
        return key

    def facet(self, kind: str, key: bytes, name: str, content: object, *, at: float = 0) -> bytes:
        """A facet of a dataset, job or run (`kind`); None deletes it. Gives its order key."""
        wins = self.wins(at)
        payload = "" if content is None else json.dumps(content)
        self.facets[kind, key, name] = (wins, payload)
        return wins

    def row(self, model: Any, **values: Any) -> None:
        """Any other row, by column; moments in microseconds."""
        self.rows.append((table_of(model), tuple(values), tuple(values.values())))

    def save(self, session: Session) -> None:
        """Write everything. Effects: does not commit."""
        self._save_names(session)
        self._save_runs(session)
        insert_rows(
            session,
            table_of(t.ScopeDataset),
            ("scope_id", "direction", "dataset_id", "job_id", "first_at", "wins"),
            [(*key, *values) for key, values in self.scope_datasets.items()],
        )
        insert_rows(
            session,
            table_of(t.JobDataset),
            ("job_id", "direction", "dataset_id", "declared", "wins", "scope_id"),
            [(*key, *values) for key, values in self.job_datasets.items()],
        )
        self._save_edges(session)
        insert_rows(
            session,
            table_of(t.Symlink),
            ("dataset_id", "alias_id", "wins", "namespace", "name", "alias_type"),
            [(*key, *values, "TABLE") for key, values in self.symlinks.items()],
        )
        for kind, model in (("dataset", t.DatasetFacet), ("job", t.JobFacet), ("run", t.RunFacet)):
            insert_rows(
                session,
                table_of(model),
                (f"{kind}_id", "name", "wins", "payload"),
                [(key, name, *kept) for (of, key, name), kept in self.facets.items() if of == kind],
            )
        for table, columns, values in self.rows:
            insert_rows(session, table, columns, [values])

    def _save_names(self, session: Session) -> None:
        columns = ("id", "namespace", "name", "created_at", "updated_at")
        for kind, model in (("dataset", t.Dataset), ("job", t.Job)):
            rows = [
                (key, namespace, name, micros(0), micros(0))
                for key, (of, namespace, name) in sorted(self.names.items())
                if of == kind
            ]
            insert_rows(session, table_of(model), columns, rows)
        spaces = sorted({namespace for _, namespace, _ in self.names.values()})
        rows = [(name, micros(0), micros(0)) for name in spaces]
        merge_rows(
            session, table_of(t.Namespace), ("name", "created_at", "updated_at"), rows, KEEP_OLD
        )

    def _save_runs(self, session: Session) -> None:
        columns = (
            "id",
            "job_id",
            "owner_key",
            "state",
            "state_key",
            "created_at",
            "updated_at",
            "started_at",
            "ended_at",
            "producer_run_id",
        )
        rows = [
            (
                key,
                run["job"],
                run["wins"],
                run["state"],
                run["wins"],
                run["from"],
                run["to"],
                run["from"],
                run["to"] if run["state"] != "RUNNING" else None,
                run["producer_run_id"],
            )
            for key, run in sorted(self.runs.items())
        ]
        insert_rows(session, table_of(t.Run), columns, rows)

    def _save_edges(self, session: Session) -> None:
        insert_rows(
            session,
            table_of(t.EdgeSet),
            ("scope_id", "carrier_id", "origin", "wins"),
            [(*key, wins) for key, (wins, _, _) in self.edge_sets.items()],
        )
        columns = (
            "scope_id",
            "carrier_id",
            "origin",
            "wins",
            "position",
            "job_id",
            "target_kind",
            "target_id",
            "target_field",
            "source_kind",
            "source_id",
            "source_field",
            "source_scope_id",
            "transformations",
        )
        rows = [
            (
                *key,
                wins,
                position,
                job,
                "job" if edge.target_is_job else "dataset",
                edge.target,
                edge.target_field,
                "job" if edge.source_is_job else "dataset",
                edge.source or b"",
                edge.source_field,
                edge.source_run,
                edge.transformations,
            )
            for key, (wins, job, edges) in self.edge_sets.items()
            for position, edge in enumerate(edges)
        ]
        insert_rows(session, table_of(t.Edge), columns, rows)

    def version(
        self,
        dataset: bytes,
        number: int,
        *,
        line: int = 1,
        base: int | None = None,
        mode: str = "append",
        scope: bytes | None = None,
        at: float = 0,
        late: bool = False,
        added: Iterable[int] = (),
        removed: Iterable[int] = (),
    ) -> None:
        """A version and its change; `scope` is the run that made it."""
        self.row(
            v.DatasetVersion,
            dataset_id=dataset,
            number=number,
            line=line,
            base=base,
            mode=mode,
            scope_id=scope or dataset,
            completed_at=micros(at),
            allotted_at=micros(at),
            late=int(late),
        )
        for change, batches in (("added", added), ("removed", removed)):
            for batch in batches:
                self.row(
                    v.VersionBatch,
                    dataset_id=dataset,
                    number=number,
                    batch_number=batch,
                    change=change,
                )

    def batch(
        self,
        dataset: bytes,
        run: bytes,
        name: str,
        number: int,
        *,
        at: float = 0,
        files: Sequence[tuple[str, int | None, int | None]] = (),
        **said: object,
    ) -> None:
        """A batch and its files (uri, rows, first ordinal)."""
        wins = self.wins(at)
        columns = [column.name for column in table_of(v.Batch).columns]
        values: dict[str, object] = dict.fromkeys(columns)
        values.update(dataset_id=dataset, run_id=run, name=name, wins=wins, number=number, **said)
        values["effective_at"] = micros(at)
        self.row(v.Batch, **values)
        for position, (uri, rows, first_ordinal) in enumerate(files):
            self.row(
                v.BatchFile,
                dataset_id=dataset,
                run_id=run,
                batch_name=name,
                wins=wins,
                position=position,
                uri=uri,
                sha256=None,
                rows=rows,
                first_ordinal=first_ordinal,
            )
