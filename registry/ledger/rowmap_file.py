"""A row map that stays where it is: answers read only the row groups they need.

Rules:
1. Opening reads the footer; one look-up decodes one row group (16,384 rows or little more), a push
   forward those whose smallest and largest parent leave room for a hit.
2. Each row group is a `RowMap` of its own rows and is checked as one when it is read, so a damaged
   file is an InvalidInputError and never a wrong answer out of range.
3. Decoded row groups are kept up to a bound in bytes, the least recently used go first. One open
   file may be used by several threads.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.ledger import rowmap_codec as codec
from registry.ledger.positions import (
    Members,
    Positions,
    Whole,
    as_position_set,
    position_dtype,
    refused,
    sorted_unique,
)
from registry.ledger.rowmap import RowMap
from registry.ledger.rowmap_codec import Form

Source = bytes | str | os.PathLike[str] | BinaryIO

# 512 MiB when decoded; ours have at most some hundred thousand, but for a very long list.
MOST_PARENTS = 1 << 27
_KEPT_BYTES = 16 << 20
_ROWS_AT_ONCE = 1 << 20
# Up to here a look-up is of single rows, and what it decodes is worth keeping.
_FEW_GROUPS = 64
# A range has no row groups; its one "group" is the map itself.
_EVERYTHING: tuple[int, ...] = ()


class RowMapFile:
    """A map in a Parquet file: `size`, `form`, `len(file)`, and the questions of `RowMap`."""

    def __init__(self, source: Source, *, kept_bytes: int = _KEPT_BYTES) -> None:
        """Opens `source`: the bytes, a path (mapped into memory), or any seekable binary file.

        `kept_bytes` bounds the decoded rows held. Raises InvalidInputError for what is no row map,
        FileNotFoundError for a path that leads nowhere.
        """
        self._source = _native(source)
        self._file, self.header = codec.open_parquet(self._source)
        self.size = self.header.size
        self.form = self.header.form
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[tuple[int, ...], RowMap] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.header.length

    def __repr__(self) -> str:
        return f"<RowMapFile {self.form}: {len(self)} rows from {self.size}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file and the decoded rows go."""
        with self._lock:
            self._kept.clear()
            self._held_bytes = 0
            self._source.close()

    @cached_property
    def _first_rows(self) -> Whole:
        """Each row group's first output row, and the length at the end; groups + 1, int64."""
        metadata = self._file.metadata
        counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return np.append(0, np.cumsum(counts, dtype=np.int64))

    @cached_property
    def _bounds(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """Each row group's smallest and largest parent; (1, 0) where it has none."""
        metadata = self._file.metadata
        bounds = np.zeros((metadata.num_row_groups, 2), np.uint64)
        bounds[:, 0] = 1
        for group in range(metadata.num_row_groups):
            column = metadata.row_group(group).column(0)
            statistics = column.statistics
            if statistics is not None and statistics.has_min_max:
                bounds[group] = statistics.min, statistics.max
            elif statistics is None or statistics.num_values:
                bounds[group] = 0, np.iinfo(np.uint64).max
        return bounds[:, 0], bounds[:, 1]

    def chunks(self) -> Iterator[tuple[int, RowMap]]:
        """The whole map in order, about a million rows at a time: first output row, their map."""
        yield from self._chunks(range(self._file.num_row_groups))

    def _chunks(self, groups: Sequence[int]) -> Iterator[tuple[int, RowMap]]:
        """Row groups, neighbours read together; a range is one chunk. Nothing read is kept."""
        if self.form is Form.RANGE:
            yield 0, self._read(_EVERYTHING)
            return
        first_rows = self._first_rows
        run: list[int] = []
        for group in groups:
            is_next = bool(run) and group == run[-1] + 1
            if run and not (is_next and first_rows[group] - first_rows[run[0]] < _ROWS_AT_ONCE):
                yield int(first_rows[run[0]]), self._read(tuple(run))
                run = []
            run.append(group)
        if run:
            yield int(first_rows[run[0]]), self._read(tuple(run))

    def _read(self, groups: tuple[int, ...]) -> RowMap:
        """Some consecutive row groups as a map of their rows, checked (rule 2)."""
        with self._lock:
            rows = codec.read_groups(self._file, self.header, groups)
        return RowMap.from_rows(self.header, rows)

    def _group(self, group: int) -> RowMap:
        """One row group, from memory if it was read lately (rule 3)."""
        key = (group,) if self.form is not Form.RANGE else _EVERYTHING
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        read = self._read(key)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = read
                self._held_bytes += read.held_bytes
                while self._held_bytes > self._kept_bytes and len(self._kept) > 1:
                    self._held_bytes -= self._kept.popitem(last=False)[1].held_bytes
        return read

    def parents_of(self, output: int) -> Positions:
        """As `RowMap.parents_of`. Cost: one row group, the first time."""
        if self.form is Form.RANGE:
            return self._group(0).parents_of(output)
        if not 0 <= output < len(self):
            raise refused(f"The ordinal {output} is outside the {len(self)} rows of the output.")
        group = int(np.searchsorted(self._first_rows, output, side="right")) - 1
        return self._group(group).parents_of(output - int(self._first_rows[group]))

    def backward(self, outputs: object) -> Positions:
        """As `RowMap.backward`. Cost: the row groups that `outputs` fall into."""
        rows = as_position_set(outputs, len(self), "outputs")
        if self.form is Form.RANGE:
            return self._group(0).backward(rows)
        first_rows = self._first_rows
        cuts = np.searchsorted(rows, first_rows.astype(rows.dtype))
        groups = np.flatnonzero(np.diff(cuts)).tolist()
        found = [np.empty(0, position_dtype(self.size))]
        if len(groups) <= _FEW_GROUPS:
            pieces = iter([(int(first_rows[group]), self._group(group)) for group in groups])
        else:
            pieces = self._chunks(groups)
        for start, piece in pieces:
            low, high = np.searchsorted(rows, np.array([start, start + len(piece)], rows.dtype))
            found.append(piece.parents_of_rows(rows[low:high] - rows.dtype.type(start)))
        return sorted_unique(np.concatenate(found), self.size)

    def forward(self, inputs: object) -> Positions:
        """As `RowMap.forward`. Cost: one pass over the row groups that may hold one of `inputs`."""
        members = Members(as_position_set(inputs, self.size, "inputs"), self.size)
        groups: Sequence[int] = ()
        if self.form is not Form.RANGE:
            lowest, highest = self._bounds
            first = np.searchsorted(members.positions, lowest.astype(members.positions.dtype))
            beyond = np.searchsorted(
                members.positions, highest.astype(members.positions.dtype), side="right"
            )
            groups = np.flatnonzero(beyond > first).tolist()
        hits = [chunk.forward_members(members) + first for first, chunk in self._chunks(groups)]
        found = np.concatenate(hits) if hits else np.empty(0, np.int64)
        return found.astype(position_dtype(len(self)))

    def check(self, most_parents: int = MOST_PARENTS) -> None:
        """Reads everything once, a row group at a time, and keeps nothing: for files of others.

        Raises InvalidInputError for a row group of more than `most_parents` (a few bytes can say
        that a billion follow), for rows that cannot be decoded, for parents outside the inputs and
        for row groups whose recorded smallest and largest parent are not those they have.
        """
        for group in range(self._file.num_row_groups):
            count = self._file.metadata.row_group(group).column(0).num_values
            if count > most_parents:
                raise refused(
                    f"Row group {group} holds {count} parents; {most_parents} are the most.",
                    "Write it with RowMap.to_bytes(), and split what one row came from.",
                )
            rows = self._read((group,))
            parents = rows.parents_of_rows(np.arange(len(rows), dtype=np.uint32))
            if not parents.size:
                continue
            has, says = (parents.min(), parents.max()), [int(side[group]) for side in self._bounds]
            if not says[0] <= has[0] <= has[1] <= says[1]:
                raise refused(
                    f"Row group {group} has parents from {has[0]} to {has[1]}, "
                    f"but says from {says[0]} to {says[1]}.",
                    "Send the bytes that RowMap.to_bytes() gives.",
                )

    def read(self) -> RowMap:
        """The whole map in memory. Raises InvalidInputError as `RowMap.from_bytes`."""
        return self._read(tuple(range(self._file.num_row_groups)))


def _native(source: Source) -> pa.NativeFile:
    if isinstance(source, bytes):
        return pa.BufferReader(source)
    if isinstance(source, str | os.PathLike):
        return pa.memory_map(os.fspath(source))
    return pa.PythonFile(source, mode="r")
