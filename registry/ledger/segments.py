"""The segments of a table's indices: what each covers, and when they are built, joined and renewed.

Rules:
1. An index is a list of segments, each over some fragments; fragments that none covers are scanned.
   A look-up asks every segment, at about 0.05 ms each, so there must be few.
2. What waits is joined with the newest segments while the next older one is at most twice as large
   and the whole within a bound; so segments grow like a binary counter, and a row is moved a
   logarithmic number of times. An append has a small bound, the worker a full segment.
3. What appends with a small bound left behind is put together by the worker, eight or more at once.
4. A segment whose fragments are gone, or some of them, still has the keys of their rows: neither
   compaction nor joining drops them. It is stale, and built anew over what is left of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import lance

from registry.ledger.columns import Kind

# The unit in which an index is rewritten, and what a build sorts at once.
ROWS_OF_A_SEGMENT = 1 << 24
_JOINED_AT_ONCE = 8


def rows_of_fragments(dataset: lance.LanceDataset) -> dict[int, int]:
    """The rows of each fragment, deleted ones included, in the order of the table."""
    return {
        fragment.fragment_id: fragment.metadata.physical_rows
        for fragment in dataset.get_fragments()
    }


def of_indices(dataset: lance.LanceDataset) -> dict[str, list[frozenset[int]]]:
    """For each index the fragments its segments were built over, the oldest segment first."""
    return {
        index.name: [frozenset(segment.fragment_ids) for segment in index.segments]
        for index in dataset.describe_indices()
    }


def uncovered(dataset: lance.LanceDataset, names: Iterable[str]) -> dict[int, int]:
    """The fragments that at least one of these indices does not cover, with their rows."""
    rows, built = rows_of_fragments(dataset), of_indices(dataset)
    waiting: set[int] = set()
    for name in names:
        waiting |= rows.keys() - frozenset().union(*built.get(name, []))
    return {fragment: rows[fragment] for fragment in rows if fragment in waiting}


def stale(dataset: lance.LanceDataset) -> dict[str, list[frozenset[int]]]:
    """For each index that has any, its stale segments (rule 4)."""
    present = rows_of_fragments(dataset).keys()
    found = {
        name: [segment for segment in built if segment - present]
        for name, built in of_indices(dataset).items()
    }
    return {name: segments for name, segments in found.items() if segments}


def make_missing(dataset: lance.LanceDataset, indices: Mapping[str, Kind]) -> None:
    """Makes each index that is not there, over nothing yet."""
    present = {index.name for index in dataset.describe_indices()}
    for name, kind in indices.items():
        if name not in present:
            dataset.create_scalar_index(name, kind, name=name, replace=False, train=False)


def cover(dataset: lance.LanceDataset, indices: Mapping[str, Kind], most_rows: int) -> None:
    """Covers every fragment, and joins the newest segments up to `most_rows` (rule 2).

    Cost: about 0.2 s for each million rows that wait and each tree, 0.1 s for each that is joined.
    """
    rows, built = rows_of_fragments(dataset), of_indices(dataset)
    joins: dict[int, list[str]] = {}
    for name, kind in indices.items():
        waiting = uncovered(dataset, [name])
        count = sum(waiting.values())
        if count > ROWS_OF_A_SEGMENT:
            for part in _parts(waiting):
                _build(dataset, name, kind, part)
            continue
        held = [_rows_in(segment, rows) for segment in built.get(name, [])]
        joined = newest_to_join(held, count, most_rows)
        if waiting or joined:
            joins.setdefault(joined, []).append(name)
    for joined, names in joins.items():
        dataset.optimize.optimize_indices(num_indices_to_merge=joined, index_names=names)


def join_small(dataset: lance.LanceDataset, indices: Mapping[str, Kind]) -> None:
    """Puts runs of small segments together (rule 3)."""
    rows, built = rows_of_fragments(dataset), of_indices(dataset)
    for name, kind in indices.items():
        segments = built.get(name, [])
        for run in small_to_join([_rows_in(segment, rows) for segment in segments]):
            together = frozenset().union(*(segments[at] for at in run)) & rows.keys()
            _build(dataset, name, kind, together)


def renew_stale(dataset: lance.LanceDataset, indices: Mapping[str, Kind]) -> None:
    """Builds stale segments anew over the fragments that are left of them (rule 4).

    One of which nothing is left goes with its index, which is then built anew as a whole.
    """
    present = rows_of_fragments(dataset).keys()
    for name, segments in stale(dataset).items():
        for segment in segments:
            if segment & present:
                _build(dataset, name, indices[name], segment & present)
    for name in stale(dataset):
        dataset.create_scalar_index(name, indices[name], name=name, replace=True)


def _build(dataset: lance.LanceDataset, name: str, kind: Kind, fragments: frozenset[int]) -> None:
    """One segment over `fragments`; those that overlap with it go, the others stay.

    What else the overlapping ones cover is covered too: Lance refuses to leave it without any.
    """
    present = rows_of_fragments(dataset).keys()
    whole = widened(fragments, of_indices(dataset).get(name, []), present)
    segment = dataset.create_index_uncommitted(
        name, kind, name=name, fragment_ids=sorted(whole), replace=True
    )
    dataset.commit_existing_index_segments(name, name, [segment])


def widened(
    fragments: frozenset[int], segments: Iterable[frozenset[int]], present: Collection[int]
) -> frozenset[int]:
    """`fragments`, and those present ones that segments overlapping with them cover.

    Segments do not overlap but where a compaction and a build met, and Lance could not tell.
    """
    whole, others = fragments, [segment.intersection(present) for segment in segments]
    while grown := [segment for segment in others if segment & whole and segment - whole]:
        whole = whole.union(*grown)
    return whole


def _rows_in(segment: frozenset[int], rows: Mapping[int, int]) -> int:
    return sum(rows.get(fragment, 0) for fragment in segment)


def _parts(waiting: Mapping[int, int]) -> list[frozenset[int]]:
    """Fragments in their order, as many as make a full segment in each part."""
    parts: list[set[int]] = []
    held = ROWS_OF_A_SEGMENT
    for fragment, rows in waiting.items():
        if held + rows > ROWS_OF_A_SEGMENT:
            parts.append(set())
            held = 0
        parts[-1].add(fragment)
        held += rows
    return [frozenset(part) for part in parts]


def newest_to_join(held: list[int], waiting: int, most_rows: int) -> int:
    """How many of the newest segments (rows held, oldest first) are joined to the rows that wait.

    Where none wait, they are joined to the newest of them, which counts.
    """
    total, joined, older = waiting, 0, held
    if not waiting and held:
        total, joined, older = held[-1], 1, held[:-1]
    for rows in reversed(older):
        if rows > 2 * total or (rows and total + rows > most_rows):
            break
        total += rows
        joined += 1
    return joined if waiting or joined > 1 else 0


def small_to_join(held: list[int]) -> list[list[int]]:
    """Runs of neighbouring segments, each of half a full one at most, that together fill one.

    Runs of fewer than eight are left for later. The numbers are places in `held`.
    """
    runs: list[list[int]] = [[]]
    total = 0
    for at, rows in enumerate(held):
        is_small = rows <= ROWS_OF_A_SEGMENT // 2
        if not is_small or total + rows > ROWS_OF_A_SEGMENT:
            runs.append([])
            total = 0
        if is_small:
            runs[-1].append(at)
            total += rows
    return [run for run in runs if len(run) >= _JOINED_AT_ONCE]
