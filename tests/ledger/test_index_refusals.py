"""What the example index refuses, and that nothing of it is kept."""

from __future__ import annotations

import pyarrow as pa
import pytest

from registry.errors import InvalidInputError
from tests.ledger.conftest import Place
from tests.ledger.rows import examples

REFUSED_TABLES = {
    "a column that is not kept": (
        pa.table({"address": pa.array([1], pa.uint64()), "content": ["Dear Sir"]}),
        "no such column: content",
    ),
    "no addresses": (pa.table({"example_id": ["a"]}), "address is missing"),
    "an address that is missing": (pa.table({"address": pa.array([None], pa.uint64())}), "1 nulls"),
    "an address below zero": (pa.table({"address": pa.array([-1], pa.int64())}), "does not fit"),
    "a digest of another length": (
        pa.table({"address": pa.array([1], pa.uint64()), "digest": [b"short"]}),
        "does not fit",
    ),
    "a column of another type": (
        pa.table({"address": pa.array([1], pa.uint64()), "tokens": ["many"]}),
        "tokens of type string does not fit int64",
    ),
    "an id that is too long": (
        pa.table({"address": pa.array([1], pa.uint64()), "example_id": ["x" * (1 << 20)]}),
        "1048576 bytes",
    ),
}


@pytest.mark.parametrize("name", REFUSED_TABLES)
def test_a_table_that_does_not_fit_is_refused_and_nothing_is_kept(folder: Place, name: str) -> None:
    table, message = REFUSED_TABLES[name]
    index = folder.open()
    index.append(examples(1, 1))

    with pytest.raises(InvalidInputError, match=message) as refusal:
        index.append(table)

    assert "Dear Sir" not in str(refusal.value)
    assert "many" not in refusal.value.detail
    assert index.count() == 1


def test_a_stream_that_goes_wrong_half_way_leaves_nothing_visible(place: Place) -> None:
    index = place.open()
    good = examples(1, 10).to_batches()[0]
    bad = good.set_column(1, "example_id", pa.array(["x" * 5_000] * 10))
    reader = pa.RecordBatchReader.from_batches(good.schema, [good, good, bad])

    with pytest.raises(InvalidInputError, match="5000 bytes"):
        index.append(reader)

    assert index.count() == 0
    assert index.append(examples(1, 10)) == 10


def test_questions_of_another_length_or_column_are_refused(folder: Place) -> None:
    index = folder.open()
    with pytest.raises(InvalidInputError, match="digest has 32 bytes"):
        index.find_digests([b"short"])
    with pytest.raises(InvalidInputError, match="subject_key has 16 bytes"):
        index.find_subjects([bytes(32)])
    with pytest.raises(InvalidInputError, match="no column 'content'"):
        index.rows([1], ["content"])
    with pytest.raises(InvalidInputError, match="no address is below 0"):
        index.erase([-1])
    with pytest.raises(InvalidInputError, match="not below"):
        index.clear_batch(2**32)
