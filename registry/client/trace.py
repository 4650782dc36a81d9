"""Which rows of which sources the rows of a table in memory are. Pure.

Rules:
1. A trace has an ordered list of sources, counted through as one space, and a map for each role,
   all over the same rows; a row may have parents in several.
2. A step after another keeps the stronger role: what was made of a transformed row is no longer
   merely kept.
3. A trace never changes; copies of a dataset share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry.client.sources import Source
from registry.errors import InvalidInputError
from registry.ledger.positions import Positions, Whole, position_dtype
from registry.ledger.rowmap import Role, RowMap
from registry.ledger.rowmap_codec import Form, sentinel

# Rule 2, from the weakest to the strongest.
_STRENGTH = (
    Role.KEPT,
    Role.DUPLICATE_OF,
    Role.LABELLED,
    Role.AUGMENTED,
    Role.TRANSFORMED,
    Role.SYNTHESISED_FROM,
    Role.AGGREGATED,
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows of a table, as those of `sources` (each with its `rows` known).

    `assumed`: somewhere on the way a step that kept the number of rows was taken to keep their
    order, as it is the rule, without being able to tell.
    """

    sources: tuple[Source, ...]
    maps: Mapping[Role, RowMap] = field(default_factory=dict)
    assumed: bool = False

    def __copy__(self) -> Trace:
        return self

    def __deepcopy__(self, _memo: Any) -> Trace:
        return self

    @property
    def rows(self) -> int:
        """How many rows are traced."""
        return len(next(iter(self.maps.values())))

    @property
    def size(self) -> int:
        """The rows of all sources together."""
        return sum(source.rows or 0 for source in self.sources)

    def then(self, step: RowMap, role: Role = Role.KEPT, *, assumed: bool = False) -> Trace:
        """The trace of what a step makes of these rows (rule 2).

        Raises InvalidInputError where the step does not read as many rows as there are.
        """
        made: dict[Role, list[RowMap]] = {}
        for before, found in self.maps.items():
            made.setdefault(_stronger(before, role), []).append(found.then(step))
        maps = {each: _joined(found) for each, found in made.items()}
        return Trace(self.sources, maps, self.assumed or assumed)


def trace_of(source: Source) -> Trace:
    """The trace of a source itself. Raises InvalidInputError where its rows are not known."""
    if source.rows is None:
        raise InvalidInputError(
            f"How many rows {source} has is not known.", remedy="Say rows=… where it is read."
        )
    return Trace((source,), {Role.KEPT: RowMap.identity(source.rows)})


def without_parents(rows: int) -> Trace:
    """The trace of rows that come from nowhere that is known."""
    return Trace((), {Role.KEPT: RowMap.take(np.full(rows, sentinel(0), np.uint32), 0)})


def concatenated(traces: Sequence[Trace]) -> Trace:
    """The trace of tables one below the other, over the sources of all of them, each once."""
    sources, shifts = _united(traces)
    size = sum(source.rows or 0 for source in sources)
    roles = list(dict.fromkeys(role for trace in traces for role in trace.maps))
    maps = {}
    for role in roles:
        parts = []
        for trace, moved in zip(traces, shifts, strict=True):
            found = trace.maps.get(role)
            parts.append(
                _nothing(trace.rows) if found is None else _moved(found, trace, moved, size)
            )
        maps[role] = _below(parts, size)
    return Trace(sources, maps, any(trace.assumed for trace in traces))


def side_by_side(traces: Sequence[Trace]) -> Trace:
    """The trace of tables of as many rows beside each other: each row has the parents of all."""
    sources, shifts = _united(traces)
    size = sum(source.rows or 0 for source in sources)
    made: dict[Role, list[RowMap]] = {}
    for trace, moved in zip(traces, shifts, strict=True):
        for role, found in trace.maps.items():
            offsets, parents = _moved(found, trace, moved, size)
            step = RowMap.lists(offsets, parents, size)
            if step not in made.setdefault(role, []):
                made[role].append(step)
    maps = {role: _joined(found) for role, found in made.items()}
    return Trace(sources, maps, any(trace.assumed for trace in traces))


def _stronger(before: Role, role: Role) -> Role:
    return max(before, role, key=_STRENGTH.index)


def _united(traces: Sequence[Trace]) -> tuple[tuple[Source, ...], list[Whole]]:
    """All sources, each once; for each trace how far the rows of each of its sources move."""
    sources = list(dict.fromkeys(source for trace in traces for source in trace.sources))
    starts = _starts(sources)
    shifts = []
    for trace in traces:
        new = np.array([starts[sources.index(source)] for source in trace.sources], np.int64)
        shifts.append(new - _starts(trace.sources)[:-1])
    return tuple(sources), shifts


def _starts(sources: Sequence[Source]) -> Whole:
    """The first position of each source, and the end of the last; len + 1, int64."""
    return np.concatenate(([0], np.cumsum([source.rows or 0 for source in sources]))).astype(
        np.int64
    )


def _moved(found: RowMap, trace: Trace, shift: Whole, size: int) -> tuple[Whole, Positions]:
    """The map as offsets and parents, the parents as positions of a space of `size` rows."""
    offsets, parents = as_lists(found)
    if shift.any():
        owner = np.searchsorted(_starts(trace.sources), parents, side="right") - 1
        return offsets, (parents.astype(np.int64) + shift[owner]).astype(position_dtype(size))
    return offsets, parents.astype(position_dtype(size))


def _nothing(rows: int) -> tuple[Whole, Positions]:
    return np.zeros(rows + 1, np.int64), np.empty(0, np.uint32)


def as_lists(found: RowMap) -> tuple[Whole, Positions]:
    """A map of any form as lists: n + 1 offsets, int64, and the parents that are present."""
    if found.form is Form.RANGE or found.parents is None:
        dtype = position_dtype(found.size)
        parents = np.arange(found.start, found.start + len(found), dtype=dtype)
        return np.arange(len(found) + 1, dtype=np.int64), parents
    if found.offsets is not None:
        return found.offsets, found.parents
    present = found.parents != sentinel(found.size)
    return np.concatenate(([0], np.cumsum(present))).astype(np.int64), found.parents[present]


def _below(parts: Sequence[tuple[Whole, Positions]], size: int) -> RowMap:
    counts = np.concatenate([np.diff(offsets) for offsets, _ in parts])
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    parents = np.concatenate([found.astype(position_dtype(size)) for _, found in parts])
    return RowMap.lists(offsets, parents, size)


def _joined(maps: Sequence[RowMap]) -> RowMap:
    """Maps over the same rows as one: each row has the parents of all, those of the first first."""
    if len(maps) == 1:
        return maps[0]
    rows, parents = [], []
    for found in maps:
        offsets, present = as_lists(found)
        rows.append(np.repeat(np.arange(len(found)), np.diff(offsets)))
        parents.append(present)
    owners = np.concatenate(rows)
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=len(maps[0]))
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return RowMap.lists(offsets, np.concatenate(parents)[order], maps[0].size)
