"""From the rows a step wrote to the rows it read: one value per map, no I/O.

Rules:
1. The input batches of a map are an ordered list whose rows are counted through as one space of
   `size` positions; the output is one batch, whose rows are ordinals. So a concatenation is the
   identity, and a filter or a shuffle over a hundred batches is one array.
2. A map has one of three forms: *range* (consecutive parents, no array), *take* (one parent each,
   or none), *lists* (several, in an order that is kept; a parent may repeat). The smallest form
   that holds the relation is always used, so two maps are equal when they relate the same rows.
3. Nothing is guessed: a parent outside the inputs, a negative one, offsets that fall, or an ordinal
   outside the output are refused with InvalidInputError.
4. A map never changes; its arrays are read-only.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import cached_property

import numpy as np
import pyarrow as pa

from registry.canonical import canonical_json
from registry.ledger import rowmap_codec as codec
from registry.ledger.positions import (
    Members,
    Positions,
    Whole,
    as_count,
    as_position_set,
    as_positions,
    as_whole_numbers,
    position_dtype,
    ranges,
    refused,
    sorted_unique,
)
from registry.ledger.rowmap_codec import Form

# In `RowMap.take`: this output row has no parent. Over inputs of 2^32 rows or more the same number
# is also a position, so there it is refused as ambiguous and the wide one is used.
NO_PARENT = 2**32 - 1
NO_PARENT_WIDE = 2**64 - 1

_ROWS_AT_ONCE = 1 << 20
_LONGEST_LIST = 2**31 - 1


class Role(StrEnum):
    """What a map says its outputs are to their parents."""

    KEPT = "kept"
    TRANSFORMED = "transformed"
    AUGMENTED = "augmented"
    LABELLED = "labelled"
    SYNTHESISED_FROM = "synthesised_from"
    DUPLICATE_OF = "duplicate_of"
    AGGREGATED = "aggregated"


class RowMap:
    """The parents of each row of an output batch.

    `size` input positions, `len(map)` output ordinals, `form`; `start` of a range (0 otherwise);
    `parents` (None for a range) and `offsets` (None but for lists), read-only.
    """

    def __init__(self, header: codec.Header, rows: codec.Rows) -> None:
        """From parts that are valid already: use the class methods instead."""
        self.size = header.size
        self.form = header.form
        self.start = header.start
        self.parents = rows.parents
        self.offsets = rows.offsets
        self._length = header.length
        for array in (rows.parents, rows.offsets):
            if array is not None:
                array.flags.writeable = False

    @classmethod
    def identity(cls, size: int) -> RowMap:
        """Every input row, in order: a concatenation, or a step that changes rows in place."""
        return cls.slice(0, size, size)

    @classmethod
    def slice(cls, start: int, stop: int, size: int) -> RowMap:
        """The input rows from `start` to before `stop`. Raises unless 0 ≤ start ≤ stop ≤ size."""
        size, start, stop = as_count(size, "size"), as_count(start, "start"), as_count(stop, "stop")
        if not start <= stop <= size:
            raise refused(f"Rows {start} to {stop} are no slice of {size} rows.")
        length = stop - start
        header = codec.Header(Form.RANGE, size, length, start if length else 0)
        return cls(header, codec.Rows())

    @classmethod
    def take(cls, parents: object, size: int) -> RowMap:
        """One parent for each output row, or NO_PARENT: filter, sort, shuffle, explode, sample.

        `parents`: n whole numbers, copied; each below `size` or NO_PARENT. Cost: about 1 ns a row.
        """
        size = as_count(size, "size")
        return cls._take(_parents_or_none(parents, size), size)

    @classmethod
    def _take(cls, parents: Positions, size: int) -> RowMap:
        length = parents.size
        none = codec.sentinel(size)
        if not length or (
            int(parents[-1]) - int(parents[0]) == length - 1
            and int(parents[-1]) != none
            and bool(np.all(parents[1:] - parents[:-1] == 1))
        ):
            start = int(parents[0]) if length else 0
            return cls(codec.Header(Form.RANGE, size, length, start), codec.Rows())
        return cls(codec.Header(Form.TAKE, size, length, 0), codec.Rows(parents))

    @classmethod
    def lists(cls, offsets: object, parents: object, size: int) -> RowMap:
        """Several parents for each output row: pack, merge, aggregate.

        Row i has `parents[offsets[i]:offsets[i + 1]]`. `offsets`: n + 1 whole numbers from 0 to
        `len(parents)`, never falling; `parents`: each below `size`. Both are copied.
        """
        size = as_count(size, "size")
        positions = as_positions(parents, size, "parents")
        bounds = as_whole_numbers(offsets, "offsets").astype(np.int64)
        if not bounds.size or bounds[0] != 0 or bounds[-1] != positions.size:
            ends = f"{bounds[0]} to {bounds[-1]}" if bounds.size else "nothing at all"
            raise refused(f"offsets go from {ends}, but must go from 0 to {positions.size}.")
        if np.any(bounds[1:] < bounds[:-1]):
            at = int(np.argmax(bounds[1:] < bounds[:-1]))
            raise refused(f"offsets fall from {bounds[at]} to {bounds[at + 1]} at row {at}.")
        return cls._lists(bounds, positions, size)

    @classmethod
    def _lists(cls, offsets: Whole, parents: Positions, size: int) -> RowMap:
        counts = np.diff(offsets)
        most = int(counts.max()) if counts.size else 0
        if most > _LONGEST_LIST:
            raise refused(f"One output row has {most} parents; {_LONGEST_LIST} is the most.")
        if most <= 1:
            single = np.full(counts.size, codec.sentinel(size), position_dtype(size))
            single[counts == 1] = parents
            return cls._take(single, size)
        header = codec.Header(Form.LISTS, size, counts.size, 0)
        return cls(header, codec.Rows(parents, offsets))

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<RowMap {self.form}: {len(self)} rows from {self.size}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RowMap):
            return NotImplemented
        return self.header == other.header and all(
            (mine is None) == (theirs is None)
            and (mine is None or theirs is None or np.array_equal(mine, theirs))
            for mine, theirs in ((self.parents, other.parents), (self.offsets, other.offsets))
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def header(self) -> codec.Header:
        """Form, size, length and start, without the arrays."""
        return codec.Header(self.form, self.size, self._length, self.start)

    @property
    def held_bytes(self) -> int:
        """What the map takes in memory, about."""
        arrays = (self.parents, self.offsets)
        return 512 + sum(array.nbytes for array in arrays if array is not None)

    @cached_property
    def _is_sorted(self) -> bool:
        """Do the parents of a take never fall? (Then none is missing before the last present.)"""
        assert self.parents is not None
        return bool(np.all(self.parents[1:] >= self.parents[:-1]))

    def parents_of(self, output: int) -> Positions:
        """The positions that one output row came from, in the order given; none, one or several.

        Raises InvalidInputError for an ordinal that is not below `len(map)`.
        """
        row = as_count(output, "The ordinal")
        if row >= len(self):
            raise refused(f"The ordinal {row} is outside the {len(self)} rows of the output.")
        if self.parents is None:
            return np.array([self.start + row], position_dtype(self.size))
        if self.offsets is None:
            return self._present(self.parents[row : row + 1])
        found: Positions = self.parents[self.offsets[row] : self.offsets[row + 1]]
        return found

    def backward(self, outputs: object) -> Positions:
        """The set of positions that these output rows came from: sorted, unique.

        `outputs`: n ordinals in any order. Raises InvalidInputError for one outside the output.
        """
        rows = as_position_set(outputs, len(self), "outputs")
        return sorted_unique(self.parents_of_rows(rows), self.size)

    def parents_of_rows(self, rows: Positions) -> Positions:
        """All parents of some output rows, one row after the other, repeated where they repeat.

        `rows`: ordinals that are known to be below `len(map)`; nothing is checked.
        """
        if self.offsets is None or self.parents is None:
            return self._present(self._one_parent(rows))
        first = self.offsets[rows]
        counts = self.offsets[rows.astype(np.int64) + 1] - first
        parents: Positions = self.parents[ranges(first, counts)]
        return parents

    def forward(self, inputs: object) -> Positions:
        """The set of output rows that came, among others, from these positions: sorted, unique.

        `inputs`: n positions in any order. Raises InvalidInputError for one outside the inputs.
        Cost: a binary search each where parents are sorted, else one pass over them.
        """
        members = Members(as_position_set(inputs, self.size, "inputs"), self.size)
        return self.forward_members(members).astype(position_dtype(len(self)))

    def forward_members(self, members: Members) -> Whole:
        """`forward` for a set prepared once and used on many maps over the same inputs; int64."""
        inputs = members.positions
        if self.parents is None:
            low, high = np.searchsorted(
                inputs, np.array([self.start, self.start + len(self)], inputs.dtype)
            )
            return inputs[low:high].astype(np.int64) - self.start
        if self.offsets is None and self._is_sorted:
            first = np.searchsorted(self.parents, inputs, side="left")
            return ranges(first, np.searchsorted(self.parents, inputs, side="right") - first)
        hits = [
            members.where(self.parents[at : at + _ROWS_AT_ONCE]) + at
            for at in range(0, self.parents.size, _ROWS_AT_ONCE)
        ]
        found = np.concatenate(hits) if hits else np.empty(0, np.int64)
        if self.offsets is None:
            return found
        rows = np.searchsorted(self.offsets, found, side="right") - 1
        return rows[np.concatenate(([True], rows[1:] != rows[:-1]))] if rows.size else rows

    def then(self, next_map: RowMap) -> RowMap:
        """This step and the next as one: from the rows `next_map` wrote to the rows this one read.

        Associative; order and repetition of parents are kept. Raises InvalidInputError when
        `next_map` does not read what this one wrote. Cost: one gather over the rows of `next_map`.
        """
        if next_map.size != len(self):
            raise refused(
                f"The next step reads {next_map.size} rows, but this one wrote {len(self)}.",
                "Chain maps over the same batch.",
            )
        if next_map.parents is None:
            return self._cut(next_map.start, next_map.start + len(next_map))
        if next_map.offsets is None:
            present = next_map.parents != codec.sentinel(next_map.size)
            if self.offsets is None:
                single = np.full(
                    len(next_map), codec.sentinel(self.size), position_dtype(self.size)
                )
                single[present] = self._one_parent(next_map.parents[present])
                return RowMap._take(single, self.size)
            return self._gather(np.append(0, np.cumsum(present)), next_map.parents[present])
        return self._gather(next_map.offsets, next_map.parents)

    def _cut(self, start: int, stop: int) -> RowMap:
        """The output rows from `start` to before `stop`."""
        if self.parents is None:
            return RowMap.slice(self.start + start, self.start + stop, self.size)
        if self.offsets is None:
            return RowMap._take(self.parents[start:stop].copy(), self.size)
        offsets = self.offsets[start : stop + 1]
        parents = self.parents[offsets[0] : offsets[-1]].copy()
        return RowMap._lists(offsets - offsets[0], parents, self.size)

    def _gather(self, offsets: Whole, rows: Positions) -> RowMap:
        """Lists of this map's output rows, each row replaced by its parents."""
        if self.offsets is None or self.parents is None:
            parents = self._one_parent(rows)
            counts = (parents != codec.sentinel(self.size)).astype(np.int64)
            parents = self._present(parents)
        else:
            first = self.offsets[rows]
            counts = self.offsets[rows.astype(np.int64) + 1] - first
            parents = self.parents[ranges(first, counts)]
        running = np.append(0, np.cumsum(counts))
        return RowMap._lists(running[offsets], parents, self.size)

    def _one_parent(self, rows: Positions) -> Positions:
        """For each row its parent or the sentinel; ranges and takes only."""
        dtype = position_dtype(self.size)
        parents: Positions
        if self.parents is None:
            parents = rows.astype(dtype) + dtype.type(self.start)
        else:
            parents = self.parents[rows]
        return parents

    def _present(self, parents: Positions) -> Positions:
        present: Positions = parents[parents != codec.sentinel(self.size)]
        return present

    def digest(self) -> bytes:
        """32 bytes that are equal for equal maps, whatever wrote the file.

        SHA-256 over the header (RFC 8785) and the SHA-256 of each array, little-endian, offsets as
        int64. Cost: about 1 s per 10^9 bytes.
        """
        hasher = hashlib.sha256(b"registry.row_map\x00")
        hasher.update(canonical_json([self.form.value, self.size, len(self), self.start]))
        for array in (self.offsets, self.parents):
            if array is not None:
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                hasher.update(hashlib.sha256(little.data).digest())
        return hasher.digest()

    def to_bytes(self) -> bytes:
        """The Parquet file of this map (`rowmap_codec` says how)."""
        return codec.write(self.header, codec.Rows(self.parents, self.offsets))

    @classmethod
    def from_bytes(cls, data: bytes) -> RowMap:
        """The map in a file that `to_bytes` wrote. Raises InvalidInputError for anything else."""
        file, header = codec.open_parquet(pa.BufferReader(data))
        return cls.from_rows(header, codec.read_groups(file, header, range(file.num_row_groups)))

    @classmethod
    def from_rows(cls, header: codec.Header, rows: codec.Rows) -> RowMap:
        """The map of decoded rows, all checked. Raises InvalidInputError as `take` does."""
        if rows.parents is None:
            return cls.slice(header.start, header.start + header.length, header.size)
        if rows.offsets is None:
            return cls.take(rows.parents, header.size)
        return cls.lists(rows.offsets, rows.parents, header.size)


def _parents_or_none(parents: object, size: int) -> Positions:
    """`as_positions`, but the sentinels may stand among them."""
    array = as_whole_numbers(parents, "parents")
    none = codec.sentinel(size)
    if not array.size or 0 <= int(array.min()) <= int(array.max()) < min(size, NO_PARENT):
        return array.astype(position_dtype(size))
    if size >= 2**32 and bool(np.any(array == NO_PARENT)):
        raise refused(
            f"Over {size} rows, {NO_PARENT} may be a position or mean that there is no parent.",
            "Write NO_PARENT_WIDE where there is none, or use RowMap.lists.",
        )
    absent = (array == NO_PARENT) if size < 2**32 else np.zeros(array.size, np.bool)
    if array.dtype.itemsize == 8:
        absent |= array == np.uint64(NO_PARENT_WIDE)
    taken = np.full(array.size, none, position_dtype(size))
    taken[~absent] = as_positions(array[~absent], size, "parents")
    return taken
