"""Allots the versions of datasets: the part of the catalog that depends on the order of arrival.

Rules (DESIGN §1.3, §1.4, §4):
1. A run that is complete has a version of each dataset it wrote: its batches on top of the line's
   last version (append), without those of the same partition (replace_partition), or alone
   (overwrite, which begins a line). A failed run has none.
2. A batch that arrives after its run's version makes one more version, marked late. So does a run
   that completed before the line's last version: what was allotted is never rewritten.
3. An overwrite that arrives late, with nothing overwritten since, begins the current line all the
   same; what was written after it follows it again, in versions marked late.
4. A retried run (same job, and the same parent run or nominal time; failed before) takes its
   predecessor's batches out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session

from registry.catalog.version_tables import DatasetVersion, VersionBatch, VersionMode
from registry.lineage.allot_reading import (
    OVERWRITING,
    Output,
    Tip,
    WrittenBatch,
    read_followers,
    read_line_at,
    read_outputs,
    read_partition_members,
    read_replaced,
    read_tips,
    read_versions,
    was_replaced,
)
from registry.storage.bulk import KEEP_OLD, insert_rows, merge_rows
from registry.storage.columns import table_of

_NO_VERSION = {"DROP"}
_VERSION_COLUMNS = (
    "dataset_id",
    "number",
    "line",
    "base",
    "mode",
    "scope_id",
    "completed_at",
    "allotted_at",
    "late",
)


@dataclass(frozen=True, slots=True)
class LateBatch:
    """A batch that came after a version it should have been in; `superseded`: in none at all."""

    run_id: bytes
    dataset_id: bytes
    batch_number: int
    version: int
    superseded: bool


def allot_versions(session: Session, run_ids: Iterable[bytes], *, now: int) -> list[LateBatch]:
    """Give versions to the outputs of completed runs among `run_ids` (rules 1 to 4).

    Effects: rows; does not commit. Cost: a bounded number of queries for runs in order; a few more
    for each late version, partition replacement or retried run.
    """
    ids = sorted(set(run_ids))
    outputs = read_outputs(session, ids)
    if not outputs:
        return []
    allotted = read_versions(session, ids, outputs)
    due = [
        output
        for output in outputs.values()
        if output.lifecycle not in _NO_VERSION
        and (output.versions == 0 or any(b.number not in allotted for b in output.batches))
    ]
    if not due:
        return []
    due.sort(key=lambda output: (output.dataset_id, output.completed_at, output.run_id))
    tips = read_tips(session, sorted({output.dataset_id for output in due}))
    replaced = read_replaced(session, [output.run_id for output in due])
    writer = _Writer(session, tips, replaced, now)
    for output in due:
        writer.add(output, [b for b in output.batches if b.number not in allotted])
    return writer.store()


class _Writer:
    """Builds version rows one after the other, so that each follows the one before it."""

    def __init__(
        self,
        session: Session,
        tips: dict[bytes, Tip],
        replaced: dict[tuple[bytes, bytes], set[int]],
        now: int,
    ) -> None:
        self._session = session
        self._tips = tips
        self._replaced = replaced
        self._now = now
        self._versions: list[tuple[object, ...]] = []
        self._members: list[tuple[object, ...]] = []
        self._late: list[LateBatch] = []

    def add(self, output: Output, new: list[WrittenBatch]) -> None:
        """Allot the next version of an output's dataset, with the batches that are in none yet."""
        mode = _mode(output, new)
        if mode is not VersionMode.OVERWRITE:
            self._follow(output, new, mode)
        elif output.versions == 0:
            self._begin_line(output, new)
        else:
            self._follow(output, new, VersionMode.APPEND)

    def _begin_line(self, output: Output, new: list[WrittenBatch]) -> None:
        tip = self._tips.setdefault(output.dataset_id, Tip())
        at = output.completed_at
        late = tip.line > 0 and at < tip.tip_completed
        becomes_current = tip.line == 0 or tip.began is None or at >= tip.began
        followers = []
        if late and becomes_current:
            self._flush()
            followers = read_followers(self._session, output.dataset_id, line=tip.line, after=at)
        number = self._put(output, tip, VersionMode.OVERWRITE, completed=at, late=late)
        self._put_members(output, number, new, set(), late=late)
        if becomes_current:
            tip.line, tip.began, tip.tip, tip.tip_completed = number, at, number, at
        for follower, mode in followers:
            self._follow(follower, follower.batches, mode, again=True)

    def _follow(
        self, output: Output, new: list[WrittenBatch], mode: VersionMode, *, again: bool = False
    ) -> None:
        """Put a version after the last of its line; `again`: after an overwrite that came late."""
        tip = self._tips.setdefault(output.dataset_id, Tip())
        line, base, base_completed = tip.line, tip.tip or None, tip.tip_completed
        if tip.began is not None and output.completed_at < tip.began:
            # It completed before the last overwrite: it belongs to the line that held at its time.
            self._flush()
            line, base, base_completed = read_line_at(
                self._session, output.dataset_id, output.completed_at
            )
        late = again or output.versions > 0
        late = (
            late or line != tip.line or (base is not None and output.completed_at < base_completed)
        )
        number = tip.last + 1
        removed: set[int] = set()
        if late and not again:
            new = self._without_superseded(output, new, line, number)
        if mode is VersionMode.REPLACE_PARTITION:
            self._flush()
            partitions = {b.partition for b in new if b.mode == VersionMode.REPLACE_PARTITION}
            removed = read_partition_members(
                self._session,
                output.dataset_id,
                line=line,
                partitions=sorted(filter(None, partitions)),
                until=output.completed_at if late else None,
            )
        completed = max(output.completed_at, base_completed)
        self._put(output, tip, mode, line=line, base=base, completed=completed, late=late)
        self._put_members(output, number, new, removed, late=late and not again)
        if tip.line in (0, line):
            tip.line, tip.tip, tip.tip_completed = line or number, number, completed

    def _put(
        self,
        output: Output,
        tip: Tip,
        mode: VersionMode,
        *,
        line: int = 0,
        base: int | None = None,
        completed: int,
        late: bool,
    ) -> int:
        """Add a version's row; without a line it begins one. Gives its number."""
        tip.last += 1
        key = (output.dataset_id, tip.last, line or tip.last, base)
        self._versions.append((*key, mode.value, output.run_id, completed, self._now, int(late)))
        return tip.last

    def _put_members(
        self,
        output: Output,
        number: int,
        new: list[WrittenBatch],
        removed: set[int],
        *,
        late: bool,
    ) -> None:
        key = (output.dataset_id, number)
        added = {batch.number for batch in new}
        removed = (removed | self._replaced.get((output.run_id, output.dataset_id), set())) - added
        self._members += [(*key, batch_number, "added") for batch_number in sorted(added)]
        self._members += [(*key, batch_number, "removed") for batch_number in sorted(removed)]
        if late:
            self._late += [
                LateBatch(output.run_id, output.dataset_id, batch_number, number, False)
                for batch_number in sorted(added)
            ]

    def _without_superseded(
        self, output: Output, new: list[WrittenBatch], line: int, number: int
    ) -> list[WrittenBatch]:
        """Late batches less those whose partition was replaced after they were written."""
        kept = []
        for batch in new:
            self._flush()
            if batch.partition is not None and was_replaced(self._session, output, batch, line):
                self._late.append(
                    LateBatch(output.run_id, output.dataset_id, batch.number, number, True)
                )
            else:
                kept.append(batch)
        return kept

    def store(self) -> list[LateBatch]:
        """Write the rows. Effects: does not commit."""
        self._flush()
        return self._late

    def _flush(self) -> None:
        """Make what is pending visible to the queries of the rare paths."""
        insert_rows(self._session, table_of(DatasetVersion), _VERSION_COLUMNS, self._versions)
        member = ("dataset_id", "number", "batch_number", "change")
        merge_rows(self._session, table_of(VersionBatch), member, self._members, KEEP_OLD)
        self._versions, self._members = [], []


def _mode(output: Output, new: list[WrittenBatch]) -> VersionMode:
    """What the batches say, overwriting first; where they say nothing, the lifecycle change."""
    modes = {batch.mode for batch in (new or output.batches)}
    for mode in (VersionMode.OVERWRITE, VersionMode.REPLACE_PARTITION):
        if mode.value in modes:
            return mode
    if modes <= {None} and output.lifecycle in OVERWRITING:
        return VersionMode.OVERWRITE
    return VersionMode.APPEND
