"""Reads what versions are allotted from: completed runs, their batches, lines and their tips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from sqlmodel import Session

from registry.catalog.version_tables import VersionMode
from registry.storage.bulk import select_by_ids

OVERWRITING = frozenset({"OVERWRITE", "TRUNCATE", "CREATE"})
# The last overwrite by an index: at most one head of a dataset, its first version, is none.
_LAST_HEAD = (
    "SELECT h.number FROM dataset_version h WHERE h.dataset_id = wanted.id AND h.number = h.line "
    "AND h.mode = 'overwrite' {also} ORDER BY h.completed_at DESC, h.number DESC LIMIT 1"
)
_FIRST_HEAD = (
    "SELECT h.number FROM dataset_version h WHERE h.dataset_id = wanted.id AND h.number = 1 "
    "AND h.mode <> 'overwrite'"
)
_EARLIEST_HEAD = (
    "SELECT h.number FROM dataset_version h WHERE h.dataset_id = wanted.id AND h.number = h.line "
    "ORDER BY h.completed_at, h.number LIMIT 1"
)
_TIPS = (  # noqa: S608 - our own text
    "SELECT x.id, x.last_number, h.number, h.mode, h.completed_at, v.number, v.completed_at "
    "FROM (SELECT wanted.id, "
    "  (SELECT max(a.number) FROM dataset_version a WHERE a.dataset_id = wanted.id) "
    "   AS last_number, "
    "  COALESCE(({last}), ({first})) AS head "
    " FROM {{ids}} AS wanted) x "
    "JOIN dataset_version h ON h.dataset_id = x.id AND h.number = x.head "
    "JOIN dataset_version v ON v.dataset_id = x.id AND v.number = "
    " (SELECT max(c.number) FROM dataset_version c "
    "  WHERE c.dataset_id = x.id AND c.line = x.head)"
).format(last=_LAST_HEAD.format(also=""), first=_FIRST_HEAD)
_LINE_AT = (  # noqa: S608 - our own text
    "SELECT v.line, v.number, v.completed_at FROM {{ids}} AS wanted "
    "JOIN dataset_version v ON v.dataset_id = wanted.id "
    "WHERE v.line = COALESCE(({last}), ({first}), ({earliest})) "
    "ORDER BY v.number DESC LIMIT 1"
).format(
    last=_LAST_HEAD.format(also="AND h.completed_at <= :at"),
    first=_FIRST_HEAD,
    earliest=_EARLIEST_HEAD,
)


@dataclass(slots=True)
class WrittenBatch:
    """A batch of an output: its number, and what its facet says of mode and partition."""

    number: int
    mode: str | None
    partition: str | None


@dataclass(slots=True)
class Output:
    """A dataset that a completed run wrote, and what is known of it."""

    run_id: bytes
    dataset_id: bytes
    completed_at: int
    lifecycle: str | None = None
    batches: list[WrittenBatch] = field(default_factory=list)
    versions: int = 0


@dataclass(slots=True)
class Tip:
    """Where a dataset's versions end: last number, current line, and the tip of that line.

    `began` is when the overwrite that began the line completed; None where none began it, so that
    nothing is too early for it.
    """

    last: int = 0
    line: int = 0
    began: int | None = None
    tip: int = 0
    tip_completed: int = 0


def read_outputs(session: Session, ids: list[bytes]) -> dict[tuple[bytes, bytes], Output]:
    """The outputs of those runs that are complete, by (run, dataset), with their batches."""
    rows = select_by_ids(
        session,
        "SELECT r.id, s.dataset_id, r.ended_at, f.payload FROM {ids} AS wanted "
        "JOIN run r ON r.id = wanted.id AND r.state = 'COMPLETED' "
        "JOIN scope_dataset s ON s.scope_id = r.id AND s.direction = 'output' "
        "LEFT JOIN scope_facet f ON f.scope_id = r.id AND f.direction = 'output' "
        "AND f.dataset_id = s.dataset_id AND f.kind = 'dataset' "
        "AND f.name = 'lifecycleStateChange'",
        ids,
    )
    outputs = {
        (bytes(run), bytes(dataset)): Output(
            bytes(run), bytes(dataset), ended_at, _lifecycle(payload)
        )
        for run, dataset, ended_at, payload in rows
    }
    if outputs:
        rows = select_by_ids(
            session,
            "SELECT b.run_id, b.dataset_id, b.number, b.mode, b.partition FROM {ids} AS wanted "
            "JOIN batch b ON b.run_id = wanted.id ORDER BY b.number",
            ids,
        )
        for run, dataset, number, mode, partition in rows:
            output = outputs.get((bytes(run), bytes(dataset)))
            if output is not None:
                output.batches.append(WrittenBatch(number, mode, partition))
    return outputs


def _lifecycle(payload: str | None) -> str | None:
    if not payload:
        return None
    value = msgspec.json.decode(payload).get("lifecycleStateChange")
    return value.upper() if isinstance(value, str) else None


def read_versions(
    session: Session, ids: list[bytes], outputs: dict[tuple[bytes, bytes], Output]
) -> set[int]:
    """Count the versions of each output; give the numbers of batches that are in one already."""
    rows = select_by_ids(
        session,
        "SELECT dv.scope_id, dv.dataset_id, dv.number, vb.batch_number FROM {ids} AS wanted "
        "JOIN dataset_version dv ON dv.scope_id = wanted.id "
        "LEFT JOIN version_batch vb ON vb.dataset_id = dv.dataset_id AND vb.number = dv.number "
        "AND vb.change = 'added'",
        ids,
    )
    allotted = set()
    for run, dataset, _, batch_number in rows:
        output = outputs.get((bytes(run), bytes(dataset)))
        if output is not None:
            output.versions += 1
        if batch_number is not None:
            allotted.add(batch_number)
    return allotted


def read_tips(session: Session, dataset_ids: list[bytes]) -> dict[bytes, Tip]:
    """The tips of the datasets that have versions."""
    rows = select_by_ids(session, _TIPS, dataset_ids)
    return {
        bytes(dataset): Tip(
            last, line, began if mode == VersionMode.OVERWRITE else None, tip, tip_completed
        )
        for dataset, last, line, mode, began, tip, tip_completed in rows
    }


def read_line_at(session: Session, dataset_id: bytes, at: int) -> tuple[int, int, int]:
    """The line that held at a time: (line, its last version, when that completed)."""
    rows = select_by_ids(session, _LINE_AT, [dataset_id], at=at)
    line, number, completed = rows[0]
    return line, number, completed


def read_followers(
    session: Session, dataset_id: bytes, *, line: int, after: int
) -> list[tuple[Output, VersionMode]]:
    """The runs of a line that completed after a time, in that order, with all they wrote in it."""
    rows = select_by_ids(
        session,
        "SELECT dv.scope_id, r.ended_at, dv.mode, vb.batch_number, b.mode, b.partition "
        "FROM {ids} AS wanted "
        "JOIN dataset_version dv ON dv.dataset_id = wanted.id AND dv.line = :line "
        "JOIN run r ON r.id = dv.scope_id AND r.ended_at > :after "
        "LEFT JOIN version_batch vb ON vb.dataset_id = dv.dataset_id AND vb.number = dv.number "
        "AND vb.change = 'added' "
        "LEFT JOIN batch b ON b.number = vb.batch_number "
        "ORDER BY r.ended_at, dv.scope_id, dv.number, vb.batch_number",
        [dataset_id],
        line=line,
        after=after,
    )
    found: dict[bytes, tuple[Output, VersionMode]] = {}
    for run, ended_at, version_mode, number, mode, partition in rows:
        output, _ = found.setdefault(
            bytes(run), (Output(bytes(run), dataset_id, ended_at), VersionMode(version_mode))
        )
        if number is not None:
            output.batches.append(WrittenBatch(number, mode, partition))
    return list(found.values())


def read_partition_members(
    session: Session, dataset_id: bytes, *, line: int, partitions: Iterable[str], until: int | None
) -> set[int]:
    """The line's members in the partitions; with `until` only what had been written by then."""
    members: set[int] = set()
    for partition in partitions:
        rows = select_by_ids(
            session,
            "SELECT vb.batch_number, vb.change, r.ended_at FROM {ids} AS wanted "
            "JOIN batch b ON b.dataset_id = wanted.id AND b.partition = :partition "
            "JOIN version_batch vb ON vb.batch_number = b.number "
            "JOIN dataset_version dv ON dv.dataset_id = vb.dataset_id "
            "AND dv.number = vb.number AND dv.line = :line "
            "LEFT JOIN run r ON r.id = b.run_id "
            "WHERE vb.dataset_id = wanted.id ORDER BY vb.number",
            [dataset_id],
            partition=partition,
            line=line,
        )
        for batch_number, change, ended_at in rows:
            if change == "removed":
                members.discard(batch_number)
            elif until is None or ended_at is None or ended_at <= until:
                members.add(batch_number)
    return members


def was_replaced(session: Session, output: Output, batch: WrittenBatch, line: int) -> bool:
    """Whether a run that completed later replaced the batch's partition in the line."""
    rows = select_by_ids(
        session,
        "SELECT 1 FROM {ids} AS wanted "
        "JOIN batch b ON b.dataset_id = wanted.id AND b.partition = :partition "
        "AND b.mode = 'replace_partition' "
        "JOIN version_batch vb ON vb.batch_number = b.number AND vb.change = 'added' "
        "JOIN dataset_version dv ON dv.dataset_id = vb.dataset_id AND dv.number = vb.number "
        "JOIN run r ON r.id = b.run_id "
        "WHERE dv.line = :line AND r.ended_at > :at AND r.id <> :run LIMIT 1",
        [output.dataset_id],
        partition=batch.partition,
        line=line,
        at=output.completed_at,
        run=output.run_id,
    )
    return bool(rows)


def read_replaced(session: Session, run_ids: list[bytes]) -> dict[tuple[bytes, bytes], set[int]]:
    """For each (run, dataset): batches of failed predecessors that stand in a version (rule 4)."""
    same = (
        "SELECT wanted.id, vb.dataset_id, vb.batch_number FROM {ids} AS wanted "
        "JOIN run r ON r.id = wanted.id "
        "JOIN run o ON o.job_id = r.job_id AND o.state IN ('FAILED', 'ABORTED') AND o.id <> r.id "
        "%s "
        "JOIN batch b ON b.run_id = o.id "
        "JOIN version_batch vb ON vb.batch_number = b.number AND vb.change = 'added'"
    )
    by_parent = (
        "JOIN run_parent p ON p.run_id = r.id "
        "JOIN run_parent q ON q.run_id = o.id AND q.parent_run_id = p.parent_run_id"
    )
    by_nominal = (
        "JOIN run_nominal p ON p.run_id = r.id "
        "JOIN run_nominal q ON q.run_id = o.id AND q.start_at = p.start_at"
    )
    found: dict[tuple[bytes, bytes], set[int]] = defaultdict(set)
    for join in (by_parent, by_nominal):
        for run, dataset, number in select_by_ids(session, same % join, sorted(set(run_ids))):
            found[(bytes(run), bytes(dataset))].add(number)
    return found
