"""Single walks through a world: back to what examples were made of, to whose they are, and forward.

Rules:
1. Whose an example is follows from the subject keys at it and at all it was made from.
2. A dropped duplicate (`duplicate_of`) is nothing that its survivor was made of.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from registry.erasure.scope.sets import Marks, Ordinals, Sets, add, common, merged
from registry.erasure.scope.world import World
from registry.ledger.batches import MapNode
from registry.ledger.closure import children, parents
from registry.ledger.rowmap import Role, RowMap

COPIES = tuple(role for role in Role if role is not Role.DUPLICATE_OF)


def push_back(world: World, starts: Sets, roles: Collection[Role]) -> Sets:
    """Everything that these were made of by some roles; models are no examples."""
    known: Sets = {}
    frontier = starts
    while frontier:
        made: list[Sets] = []
        for number, seen in sorted(world.batches(frontier).items()):
            for part in seen.maps:
                if Role(part.role) in roles:
                    made += (
                        {source: rows} for source, rows in parents(world, part, frontier[number])
                    )
        frontier = add(known, examples_alone(world, merged(made)))
    return known


def examples_alone(world: World, sets: Sets) -> Sets:
    """A set less what does not count, and less the files of models."""
    counted = world.batches(sets)
    return {n: rows for n, rows in sets.items() if n in counted and not counted[n].is_model}


def others_behind(world: World, sets: Sets) -> Sets:
    """Those of these examples that are another person's, themselves or by what they were made of
    (rule 1).
    """
    if not sets:
        return {}
    behind = merged([sets, push_back(world, sets, COPIES)])
    theirs = world.of_others(behind)
    frontier = theirs
    while frontier:
        made: list[Sets] = []
        outputs = world.outputs(frontier)
        within = {t for each in outputs.values() for t in each} & set(behind)
        for number, target in world.batches(within).items():
            for part in target.maps:
                if part.role != Role.DUPLICATE_OF:
                    made.append({number: children(world, part, frontier)})
        frontier = add(theirs, common(merged(made), behind))
    return common(sets, theirs)


def children_of_marks(
    world: World, part: MapNode, frontier: Marks, rows: int | None
) -> Ordinals | None:
    """As `closure.children`, where batches may be whole: one pass over the map for these.

    `rows`: of the output; None where all of them are found.
    """
    named = {number: some for number, some in frontier.items() if some is not None}
    found = [children(world, part, named)]
    spans = [
        (first, first + count)
        for number, first, count in part.inputs
        if number in frontier and frontier[number] is None
    ]
    if not spans:
        return found[0]
    for first_row, piece in world.open_map(part).chunks():
        inside = _rows_within(piece, spans)
        found.append((inside + first_row).astype(np.uint32))
    all_found = np.unique(np.concatenate(found))
    return None if all_found.size and all_found.size == rows else all_found


def _rows_within(piece: RowMap, spans: list[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """The output rows of a map with a parent in one of some ranges of positions."""
    if piece.parents is None:
        end = piece.start + len(piece)
        cuts = [(max(start, piece.start), min(stop, end)) for start, stop in spans]
        rows = [np.arange(start, max(start, stop)) - piece.start for start, stop in cuts]
        return np.concatenate(rows).astype(np.int64)
    hit = np.zeros(piece.parents.size, np.bool)
    for start, stop in spans:
        hit |= (piece.parents >= start) & (piece.parents < stop)
    found = np.flatnonzero(hit)
    if piece.offsets is None:
        return found.astype(np.int64)
    return np.unique(np.searchsorted(piece.offsets, found, side="right") - 1).astype(np.int64)
