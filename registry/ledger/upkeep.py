"""Keeps a Lance table quick to search, and makes what was deleted really gone.

Rules:
1. Look-ups are right at any time: what no index covers yet is scanned. Upkeep only makes them fast,
   so it may lose a race, fail or be cut off at any moment.
2. Small fragments that nobody indexed are put together first and indexed then (`segments`), so
   that neither is done twice.
3. Compaction does not extend a zone map to the fragments it wrote, so indexing comes after it. It
   may drop an index whose files a purge took away; the next round makes it again.
4. Deleted rows stay in data files, in index pages and in old versions. A purge rewrites every
   fragment with deleted rows, which also rewrites the index segments over it; it renews segments
   that are stale because a whole fragment is gone; then it removes the older versions.
5. A lost compaction leaves a file with rows in it that no version names, and so does a writer that
   crashed. Such a file looks like one that is being written, so a purge lists them and `discard`
   removes those that are still unnamed later than any writer commits. Lance's own way
   (`delete_unverified`) removes files under writers and then the table cannot be read at all.
6. Upkeep is one process's at a time where they share a folder: a compaction of one that met an
   index build of another once left two segments over one fragment. An append that finds it taken
   leaves it to the one at work. In a bucket nothing keeps two apart but Lance's own conflicts.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import lance
from lance.file import LanceFileSession
from lance.optimize import Compaction

from registry.errors import ConflictError
from registry.ledger import segments
from registry.ledger.columns import Kind
from registry.ledger.lance_table import (
    FAILURES,
    ROWS_PER_FILE,
    WRITE_SECONDS,
    LanceTable,
    is_passing,
    lost_race,
)

UNINDEXED_APPENDS = 64
UNINDEXED_ROWS = ROWS_PER_FILE
# What one append may spend on joining segments: about 0.2 s for each index.
ROWS_JOINED_BY_APPEND = 1 << 21
# What one commit of a purge rewrites: the new place of every row is held in memory until then.
ROWS_REWRITTEN_AT_ONCE = 1 << 23
_DEAR_ROWS = 1 << 22
# Fragments with fewer rows are joined. That costs 0.3 us a row, as much as indexing it, so an
# append joins only what is really small.
SMALL_TO_AN_APPEND = 1 << 17
SMALL_TO_THE_WORKER = 1 << 19
KEPT_VERSIONS = timedelta(minutes=10)
DISCARD_AFTER = timedelta(seconds=2 * WRITE_SECONDS)
_MOST_LEFTOVERS = 100_000


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Files of one table that no version named at `seen_at`: abandoned, or being written."""

    paths: frozenset[str]
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Residue:
    """What may still hold deleted rows; all zero when they are gone."""

    fragments_with_deletions: int
    stale_segments: int
    older_versions: int
    unnamed_files: int

    @property
    def is_clean(self) -> bool:
        """Is there nothing left that could hold a deleted row?"""
        return not (
            self.fragments_with_deletions
            or self.stale_segments
            or self.older_versions
            or self.unnamed_files
        )


def is_due(table: LanceTable) -> bool:
    """Do enough appends or rows wait for an index? As of the version this thread read last."""
    dataset = table.at_hand()
    if dataset is None:
        return False
    waiting = segments.uncovered(dataset, table.indices)
    return len(waiting) >= UNINDEXED_APPENDS or sum(waiting.values()) >= UNINDEXED_ROWS


def tend(table: LanceTable, *, most_rows_joined: int) -> None:
    """What an append does now and then: compacts and indexes what no index covers (rule 2).

    A lost race ends it quietly, because the winner did the same. Raises StorageUnavailableError.
    """

    def work(dataset: lance.LanceDataset) -> None:
        covered = frozenset().union(*_tree_segments(dataset, table.indices))
        _compact(table, dataset, covered, small=SMALL_TO_AN_APPEND)
        segments.make_missing(dataset, table.indices)
        segments.cover(dataset, table.indices, most_rows_joined)

    with _one_at_a_time(table, wait=False) as is_held:
        if is_held:
            _quietly(table, work)


def optimise(table: LanceTable) -> None:
    """What the worker does: as `tend` up to full segments, and compacts indexed fragments too.

    Versions older than ten minutes go. Cost: about 0.1 s for each million rows and index that are
    joined, and no row is joined more often than a logarithm of the table's size.
    """

    def work(dataset: lance.LanceDataset) -> None:
        kept = _not_worth_moving(dataset, table.indices)
        _compact(table, dataset, kept, small=SMALL_TO_THE_WORKER)
        segments.make_missing(dataset, table.indices)
        segments.cover(dataset, table.indices, segments.ROWS_OF_A_SEGMENT)
        segments.join_small(dataset, table.indices)
        dataset.cleanup_old_versions(older_than=KEPT_VERSIONS)

    with _one_at_a_time(table, wait=True):
        _quietly(table, work)


@contextmanager
def _one_at_a_time(table: LanceTable, *, wait: bool) -> Iterator[bool]:
    """Hold the table's upkeep, among the processes of this machine; whether it is held (rule 6).

    The kernel lets go of it when the process ends. In a bucket nothing is held.
    """
    if "://" in table.url and not table.url.startswith("file://"):
        yield True
        return
    folder = Path(table.url.removeprefix("file://")).parent
    folder.mkdir(parents=True, exist_ok=True)
    name = folder / f".{Path(table.url).name}.upkeep"
    with name.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _quietly(table: LanceTable, work: Callable[[lance.LanceDataset], None]) -> None:
    def try_once(dataset: lance.LanceDataset) -> None:
        try:
            work(dataset)
        except FAILURES as error:
            if not is_passing(error):
                raise

    table.ask(try_once, None)


def _tree_segments(
    dataset: lance.LanceDataset, indices: Mapping[str, Kind]
) -> list[frozenset[int]]:
    built = segments.of_indices(dataset)
    trees = [name for name, kind in indices.items() if kind == "BTREE"]
    return [segment for name in trees for segment in built.get(name, [])]


def _not_worth_moving(dataset: lance.LanceDataset, indices: Mapping[str, Kind]) -> frozenset[int]:
    """Fragments whose compaction would rewrite a large index segment for a few fragments less."""
    rows = segments.rows_of_fragments(dataset)
    kept: set[int] = set()
    for segment in _tree_segments(dataset, indices):
        held = sum(rows.get(fragment, 0) for fragment in segment)
        few = len(segment) <= 2 * (held // SMALL_TO_THE_WORKER) + UNINDEXED_APPENDS
        if held > _DEAR_ROWS and few:
            kept |= segment
    return frozenset(kept)


def _compact(
    table: LanceTable,
    dataset: lance.LanceDataset,
    excluded: frozenset[int],
    *,
    small: int,
    all_deletions: bool = False,
) -> None:
    """Joins fragments below `small` rows and drops deleted rows, but for the fragments `excluded`.

    When the commit loses, the files just written are removed at once (rule 5).
    """
    options: dict[str, object] = {
        "target_rows_per_fragment": small,
        "excluded_fragment_ids": sorted(excluded),
    }
    if all_deletions:
        options["materialize_deletions_threshold"] = 0.0
    plan = Compaction.plan(dataset, options)
    rewritten = [task.execute(dataset) for task in plan.tasks]
    if not rewritten:
        return
    try:
        Compaction.commit(dataset, rewritten, options)
    except FAILURES as error:
        if lost_race(error):
            files = LanceFileSession(table.url, table.storage_options)
            for result in rewritten:
                for fragment in result.new_fragments:
                    for file in fragment.files:
                        files.delete_file(f"data/{file.path}")
        raise
    dataset.checkout_latest()


def purge(table: LanceTable, now: datetime) -> Leftovers:
    """Rewrites whatever holds deleted rows and removes the older versions (rule 4).

    What it returns goes to `discard` later. Raises StorageUnavailableError when it kept losing
    against other writers. Cost: as writing and indexing every fragment with a deleted row anew.
    """
    with _one_at_a_time(table, wait=True):
        table.ask(lambda dataset: _purge(table, dataset), None)
    nothing: frozenset[str] = frozenset()
    return Leftovers(table.ask(_unnamed_files, nothing), now)


def _purge(table: LanceTable, dataset: lance.LanceDataset) -> None:
    for group in _groups_with_deletions(dataset):
        others = frozenset(segments.rows_of_fragments(dataset)) - group
        _compact(table, dataset, others, small=SMALL_TO_THE_WORKER, all_deletions=True)
    segments.make_missing(dataset, table.indices)
    segments.renew_stale(dataset, table.indices)
    segments.cover(dataset, table.indices, ROWS_JOINED_BY_APPEND)
    dataset.cleanup_old_versions(retain_versions=1)


def _groups_with_deletions(dataset: lance.LanceDataset) -> list[frozenset[int]]:
    """The fragments to rewrite, in their order, a bounded number of rows in each group."""
    groups: list[set[int]] = []
    held = ROWS_REWRITTEN_AT_ONCE
    for fragment in dataset.get_fragments():
        if fragment.metadata.deletion_file is None:
            continue
        rows = fragment.metadata.physical_rows
        if held + rows > ROWS_REWRITTEN_AT_ONCE:
            groups.append(set())
            held = 0
        groups[-1].add(fragment.fragment_id)
        held += rows
    return [frozenset(group) for group in groups]


def residue(table: LanceTable) -> Residue:
    """What may still hold deleted rows, looked up now."""
    return table.ask(
        lambda dataset: Residue(
            fragments_with_deletions=sum(
                fragment.metadata.deletion_file is not None for fragment in dataset.get_fragments()
            ),
            stale_segments=sum(map(len, segments.stale(dataset).values())),
            older_versions=len(dataset.versions()) - 1,
            unnamed_files=len(_unnamed_files(dataset)),
        ),
        Residue(0, 0, 0, 0),
    )


def _unnamed_files(dataset: lance.LanceDataset) -> frozenset[str]:
    """Paths within the table of the files that no version names."""
    found = dataset.explain_cleanup_old_versions(
        retain_versions=1, delete_unverified=True, include_files=True, max_files=_MOST_LEFTOVERS
    )
    name = dataset.uri.rstrip("/").rsplit("/", 1)[-1]
    return frozenset(
        file.path.rsplit(f"{name}/", 1)[-1] for file in found.candidate_files if file.unverified
    )


def discard(table: LanceTable, leftovers: Leftovers, now: datetime) -> int:
    """Removes those of `leftovers` that still no version names; how many (rule 5).

    Raises ConflictError earlier than an hour after they were seen, because until then one of them
    may be of a writer about to commit.
    """
    if now < leftovers.seen_at + DISCARD_AFTER:
        raise ConflictError(
            f"The files were seen at {leftovers.seen_at}, and it is only {now}.",
            remedy=f"Discard them after {leftovers.seen_at + DISCARD_AFTER}.",
        )
    nothing: frozenset[str] = frozenset()
    still = leftovers.paths & table.ask(_unnamed_files, nothing)
    files = LanceFileSession(table.url, table.storage_options)
    for path in sorted(still):
        files.delete_file(path)
    return len(still)
