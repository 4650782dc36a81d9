"""Row maps against brute force: every form, every chain, the file, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.ledger import rowmap_codec
from registry.ledger.positions import Members, position_dtype
from registry.ledger.rowmap import NO_PARENT, NO_PARENT_WIDE, RowMap
from registry.ledger.rowmap_codec import Form
from registry.ledger.rowmap_file import RowMapFile

BEYOND_32_BITS = 2**33


@dataclass(frozen=True)
class Case:
    """A map, and the same relation as plain lists: `rows[output]` are its parents in order."""

    map: RowMap
    rows: list[list[int]]
    size: int

    def backward(self, outputs: list[int]) -> list[int]:
        return sorted({parent for output in outputs for parent in self.rows[output]})

    def forward(self, inputs: list[int]) -> list[int]:
        wanted = set(inputs)
        return [output for output, parents in enumerate(self.rows) if wanted & set(parents)]


@st.composite
def maps(draw: st.DrawFn, size: int | None = None) -> Case:
    """Any form over `size` positions, now and then more than 32 bits can count."""
    if size is None:
        size = draw(st.one_of(st.integers(0, 30), st.sampled_from([2**32 - 1, BEYOND_32_BITS])))
    form = draw(st.sampled_from(["identity", "slice", "take", "filter", "lists"]))
    position = st.integers(0, size - 1) if size else st.nothing()
    if form == "identity" and size <= 30:
        return Case(RowMap.identity(size), [[row] for row in range(size)], size)
    if form in {"identity", "slice"}:
        start = draw(st.integers(0, size))
        stop = draw(st.integers(start, min(size, start + 30)))
        return Case(RowMap.slice(start, stop, size), [[row] for row in range(start, stop)], size)
    if form == "filter":
        kept = sorted(draw(st.sets(position, max_size=30))) if size else []
        return Case(RowMap.take(kept, size), [[row] for row in kept], size)
    if form == "take":
        some = draw(st.lists(st.none() | position if size else st.none(), max_size=30))
        none = NO_PARENT if size < 2**32 else NO_PARENT_WIDE
        if size > NO_PARENT:
            some = [row for row in some if row != NO_PARENT]
        array = np.array([none if row is None else row for row in some], np.uint64)
        return Case(RowMap.take(array, size), [[] if row is None else [row] for row in some], size)
    lists = draw(st.lists(st.lists(position, max_size=4) if size else st.just([]), max_size=12))
    offsets = np.cumsum([0, *map(len, lists)])
    flat = np.array([row for parents in lists for row in parents], np.uint64)
    return Case(RowMap.lists(offsets, flat, size), lists, size)


@st.composite
def chains(draw: st.DrawFn) -> list[Case]:
    """Two to four maps, each over the rows that the one before wrote."""
    steps = [draw(maps())]
    for _ in range(draw(st.integers(1, 3))):
        steps.append(draw(maps(len(steps[-1].map))))
    return steps


def some_of(data: st.DataObject, space: int) -> list[int]:
    return data.draw(st.lists(st.integers(0, space - 1), max_size=20)) if space else []


def parents_or_size(rows: list[list[int]], size: int) -> list[int]:
    """Positions worth asking about where `size` is too large to draw from."""
    return sorted({parent for parents in rows for parent in parents} | {0, size - 1})


@given(maps(), st.data())
def test_a_push_backward_finds_exactly_the_parents(case: Case, data: st.DataObject) -> None:
    outputs = some_of(data, len(case.rows))

    found = case.map.backward(outputs)

    assert found.tolist() == case.backward(outputs)
    assert found.dtype == position_dtype(case.size)


@given(maps(), st.data())
def test_a_push_forward_finds_exactly_the_rows_made_from_the_inputs(
    case: Case, data: st.DataObject
) -> None:
    inputs = some_of(data, case.size)
    if case.size:
        inputs += data.draw(st.lists(st.sampled_from(parents_or_size(case.rows, case.size))))

    assert case.map.forward(inputs).tolist() == case.forward(inputs)


@given(maps())
def test_every_row_names_its_parents_in_the_order_given(case: Case) -> None:
    assert len(case.map) == len(case.rows)
    assert [case.map.parents_of(row).tolist() for row in range(len(case.rows))] == case.rows


@given(chains(), st.data())
def test_a_chain_is_one_map_that_answers_as_its_steps_do(
    steps: list[Case], data: st.DataObject
) -> None:
    whole, rows = steps[0].map, steps[0].rows
    for step in steps[1:]:
        whole = whole.then(step.map)
        rows = [[parent for row in parents for parent in rows[row]] for parents in step.rows]
    outputs, inputs = some_of(data, len(rows)), parents_or_size(rows, steps[0].size)
    inputs = inputs if steps[0].size else []
    brute = Case(whole, rows, steps[0].size)

    assert [whole.parents_of(row).tolist() for row in range(len(rows))] == rows
    assert whole.backward(outputs).tolist() == brute.backward(outputs)
    assert whole.forward(inputs).tolist() == brute.forward(inputs)

    pushed = np.array(outputs, np.uint64)
    for step in reversed(steps):
        pushed = step.map.backward(pushed)
    assert pushed.tolist() == brute.backward(outputs)
    for step in steps:
        inputs = step.map.forward(inputs).tolist()
    assert inputs == brute.forward(parents_or_size(rows, steps[0].size) if steps[0].size else [])


@given(chains())
def test_it_does_not_matter_which_steps_are_joined_first(steps: list[Case]) -> None:
    left = steps[0].map
    for step in steps[1:]:
        left = left.then(step.map)
    right = steps[-1].map
    for step in reversed(steps[:-1]):
        right = step.map.then(right)

    assert left == right
    assert left.digest() == right.digest()


@given(maps())
def test_the_identity_changes_nothing_on_either_side(case: Case) -> None:
    assert RowMap.identity(case.size).then(case.map) == case.map
    assert case.map.then(RowMap.identity(len(case.map))) == case.map


@given(maps())
def test_a_map_survives_its_file(case: Case) -> None:
    data = case.map.to_bytes()

    assert RowMap.from_bytes(data) == case.map
    assert RowMap.from_bytes(data).to_bytes() == data
    assert RowMapFile(data).read() == case.map


@given(maps(), st.data())
def test_a_file_answers_as_the_map_it_holds(case: Case, data: st.DataObject) -> None:
    outputs = some_of(data, len(case.rows))
    inputs = parents_or_size(case.rows, case.size) if case.size else []

    with RowMapFile(case.map.to_bytes()) as file:
        file.check()
        assert (len(file), file.size, file.form) == (len(case.map), case.size, case.map.form)
        assert [file.parents_of(row).tolist() for row in range(len(file))] == case.rows
        assert file.backward(outputs).tolist() == case.backward(outputs)
        assert file.forward(inputs).tolist() == case.forward(inputs)


def large_maps() -> dict[str, RowMap]:
    """One of each kind with many row groups; what the data look like decides the encoding."""
    rng = np.random.default_rng(7)
    size = 200_000
    lengths = rng.integers(0, 5, 90_000)
    lengths[50_000] = 40_000
    merged = rng.integers(0, size, int(lengths.sum()))
    deduplicated = rng.permutation(size).astype(np.uint32)
    deduplicated[rng.random(size) < 0.1] = NO_PARENT
    return {
        "a slice": RowMap.slice(10, 150_000, size),
        "a filter": RowMap.take(np.flatnonzero(rng.random(size) < 0.95), size),
        "an explode": RowMap.take(np.repeat(np.arange(size // 8), 8), size),
        "a global shuffle": RowMap.take(rng.permutation(size), size),
        "a shuffle with rows that have no parent": RowMap.take(deduplicated, size),
        "nothing but rows without a parent": RowMap.take(np.full(50_000, NO_PARENT), size),
        "a pack": RowMap.lists(np.arange(0, size + 1, 4), np.arange(size), size),
        "a merge with one long list": RowMap.lists(
            np.concatenate(([0], np.cumsum(lengths))), merged, size
        ),
        "positions beyond 32 bits": RowMap.take(
            rng.integers(0, BEYOND_32_BITS, 60_000, np.uint64) | np.uint64(1 << 32), BEYOND_32_BITS
        ),
    }


@pytest.mark.parametrize("name", large_maps())
def test_a_file_of_many_row_groups_answers_as_the_map_in_memory(name: str) -> None:
    whole = large_maps()[name]
    rng = np.random.default_rng(8)
    outputs = rng.integers(0, len(whole), 500)
    file = RowMapFile(whole.to_bytes(), kept_bytes=100_000)
    file.check()
    pieces = list(file.chunks())

    assert file.read() == whole
    assert RowMap.from_bytes(whole.to_bytes()) == whole
    assert [start for start, _ in pieces] == np.cumsum(
        [0, *(len(piece) for _, piece in pieces[:-1])]
    ).tolist()
    assert np.array_equal(file.backward(outputs), whole.backward(outputs))
    for row in outputs[:50].tolist():
        assert np.array_equal(file.parents_of(row), whole.parents_of(row))
    for count in (1, 50, 5_000, 100_000):
        inputs = np.unique(rng.integers(0, whole.size, count))
        expected = [start + int(row) for start, piece in pieces for row in piece.forward(inputs)]
        assert np.array_equal(file.forward(inputs), whole.forward(inputs))
        assert whole.forward(inputs).tolist() == expected


@pytest.mark.parametrize("count", [0, 1, 5_000, 60_000])
@pytest.mark.parametrize("size", [1 << 19, (1 << 21) + 3, BEYOND_32_BITS])
def test_membership_is_exact_at_every_size_and_density(size: int, count: int) -> None:
    rng = np.random.default_rng(count)
    members = np.unique(rng.integers(0, size, count)).astype(position_dtype(size))
    asked = np.concatenate((members[::3], rng.integers(0, size, 20_000))).astype(members.dtype)
    asked = np.append(asked, members.dtype.type(rowmap_codec.sentinel(size)))

    found = Members(members, size).where(asked)

    assert found.tolist() == np.flatnonzero(np.isin(asked, members)).tolist()


def test_only_the_row_groups_that_may_hold_an_input_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = RowMap.take(np.arange(0, 600_000, 2), 600_000)
    file = RowMapFile(whole.to_bytes())
    read: list[int] = []
    decode = rowmap_codec.read_groups

    def counted(*arguments: object) -> rowmap_codec.Rows:
        read.extend(arguments[2])  # type: ignore[call-overload]
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rowmap_codec, "read_groups", counted)
    assert file.forward([4, 599_998]).tolist() == [2, 299_999]
    assert read == [0, 18]
    assert file.parents_of(20_000).tolist() == [40_000]
    assert file.parents_of(20_001).tolist() == [40_002]
    assert read == [0, 18, 1]


def test_the_same_relation_is_the_same_map_however_it_was_written() -> None:
    consecutive = RowMap.take([3, 4, 5], size=9)
    one_each = RowMap.lists([0, 1, 1, 2], [7, 2], size=9)

    assert consecutive == RowMap.slice(3, 6, 9)
    assert consecutive.form is Form.RANGE
    assert one_each == RowMap.take([7, NO_PARENT, 2], size=9)
    assert one_each.digest() == RowMap.take(np.array([7, NO_PARENT, 2], np.uint32), 9).digest()
    assert RowMap.take([], 9) == RowMap.slice(4, 4, 9)
    assert consecutive != RowMap.slice(3, 6, 10)
    assert RowMap.take([1, 0], 2) != RowMap.take([0, 1], 2)
    assert RowMap.identity(2) != "something else"


def test_a_map_keeps_its_numbers_when_the_caller_changes_theirs() -> None:
    mine = np.array([5, 2, 9], np.uint32)
    kept = RowMap.take(mine, 10)
    mine[0] = 0

    assert kept.parents_of(0).tolist() == [5]
    with pytest.raises(ValueError, match="read-only"):
        kept.parents[0] = 1  # type: ignore[index]


def test_arrow_arrays_and_plain_lists_are_taken_as_numpy_arrays_are() -> None:
    expected = RowMap.take(np.array([2, 0]), 3)

    assert RowMap.take(pa.array([2, 0], pa.uint32()), 3) == expected
    assert RowMap.take([2, 0], 3) == expected
    assert RowMap.take((2, 0), 3) == expected
    assert RowMap.take([2, NO_PARENT_WIDE, 0], 3) == RowMap.take([2, NO_PARENT, 0], 3)


def test_what_a_filter_and_a_shuffle_take_on_disk_stays_small() -> None:
    rng = np.random.default_rng(3)
    size = 1_000_000
    kept = RowMap.take(np.flatnonzero(rng.random(size) < 0.95), size)
    shuffled = RowMap.take(rng.permutation(size), size)

    assert len(kept.to_bytes()) <= 0.15 * len(kept)
    assert len(shuffled.to_bytes()) <= 4 * len(shuffled)
    assert len(RowMap.identity(10**12).to_bytes()) < 2_000
