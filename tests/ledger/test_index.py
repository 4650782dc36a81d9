"""The example index, on a folder and on S3: what was put in is found, whatever else happened."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from registry.ledger import columns, upkeep
from tests.ledger.conftest import Place
from tests.ledger.rows import (
    address,
    digest,
    example_id,
    examples,
    pairs,
    subject_key,
    subjects,
)

LAST_BATCH = 2**32 - 1
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def full_row(at: int) -> dict[str, object]:
    return {
        "address": at,
        "example_id": "document 7",
        "digest": digest(at),
        "split": "train",
        "source_uri": "s3://lake/raw/a.parquet",
        "license": "CC-BY-4.0",
        "language": "en",
        "modality": "text",
        "bytes": 2**40,
        "tokens": 12,
        "duration_seconds": 0.5,
        "pii": ["email", "phone"],
        "collected_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "label": "positive",
        "annotator": "a7",
        "confidence": 0.25,
        "attributes": [("shard", "3"), ("quality", "high")],
    }


def test_every_recorded_column_comes_back_as_it_was_sent(place: Place) -> None:
    index = place.open()
    sent = full_row(address(3, 1))

    assert index.append(pa.Table.from_pylist([sent], columns.EXAMPLES)) == 1
    found = index.rows([address(3, 1)])

    assert found.schema == columns.EXAMPLES
    assert found.to_pylist() == [sent]
    assert index.rows([address(3, 1)], ["license"]).to_pylist() == [
        {"address": address(3, 1), "license": "CC-BY-4.0"}
    ]


def test_an_example_may_lack_everything_but_its_address(place: Place) -> None:
    index = place.open()
    index.append(pa.table({"address": pa.array([5, 6], pa.uint64())}))
    index.append(examples(1, 2))

    assert index.rows([5]).to_pylist() == [{**dict.fromkeys(columns.EXAMPLES.names), "address": 5}]
    assert pairs(index.find_ids([example_id(address(1, 0))])) == [(0, address(1, 0))]
    assert pairs(index.find_digests([digest(address(1, 1))])) == [(0, address(1, 1))]


def test_look_ups_are_right_before_during_and_after_indexing(place: Place) -> None:
    index = place.open()

    def check(batches: int) -> None:
        wanted = [address(batch, batch % 3) for batch in range(batches)]
        questions = [example_id(at) for at in wanted]
        assert pairs(index.find_ids(questions)) == list(enumerate(wanted))
        assert pairs(index.find_digests([digest(at) for at in wanted])) == list(enumerate(wanted))
        by_person = index.find_subjects([subject_key(0), subject_key(1)])
        assert pairs(by_person) == [
            (person, at) for person in (0, 1) for at in wanted if (at >> 32) % 2 == person
        ]
        assert index.rows(wanted)["address"].to_pylist() == wanted

    for batch in range(70):
        index.append(examples(batch, 3))
        index.append_subjects(subjects([(address(batch, batch % 3), batch % 2)]))
        if batch in {0, 10, 63, 64, 69}:
            check(batch + 1)
    assert not upkeep.is_due(index.examples)
    index.optimise()
    check(70)
    index.append(examples(70, 3))
    index.append_subjects(subjects([(address(70, 1), 0)]))
    check(71)


def test_sixty_four_appends_are_put_together_and_indexed_by_the_last_of_them(
    folder: Place,
) -> None:
    index = folder.open()
    for batch in range(upkeep.UNINDEXED_APPENDS - 1):
        index.append(examples(batch, 2))
    assert len(index.examples.latest().get_fragments()) == upkeep.UNINDEXED_APPENDS - 1
    assert not index.examples.latest().describe_indices()

    index.append(examples(63, 2))

    table = index.examples.latest()
    assert len(table.get_fragments()) == 1
    assert {part.name: part.num_rows_indexed for part in table.describe_indices()} == {
        "address": 128,
        "example_id": 128,
        "digest_high": 128,
    }


def test_an_id_in_many_batches_leads_to_all_of_them_and_a_question_may_repeat(
    place: Place,
) -> None:
    index = place.open()
    same = [{"address": address(batch, 0), "example_id": "7"} for batch in (9, 2, LAST_BATCH)]
    index.append(
        pa.Table.from_pylist(
            same,
            pa.schema([columns.EXAMPLES.field("address"), columns.EXAMPLES.field("example_id")]),
        )
    )

    everywhere = [address(2, 0), address(9, 0), address(LAST_BATCH, 0)]
    assert pairs(index.find_ids(["7", "none", "7"])) == [
        *((0, at) for at in everywhere),
        *((2, at) for at in everywhere),
    ]
    assert pairs(index.find_ids([])) == []


STRANGE_IDS = [
    "",
    "'",
    "it''s",
    '"double"',
    "a\\b\\'c",
    "line\nbreak\ttab",
    "nul\0inside",
    "x' OR '1'='1",
    "%",
    "_",
    "ä",
    "a\u0308",
    "名前",
    "🙂",
    "Z" * columns.LONGEST_ID_BYTES,
]


def test_ids_are_compared_exactly_and_never_understood(place: Place) -> None:
    index = place.open()
    index.append(
        pa.table(
            {"address": np.arange(len(STRANGE_IDS), dtype=np.uint64), "example_id": STRANGE_IDS}
        )
    )
    for _ in ("unindexed", "indexed"):
        assert pairs(index.find_ids(STRANGE_IDS)) == [(at, at) for at in range(len(STRANGE_IDS))]
        for at, text in enumerate(STRANGE_IDS):
            assert pairs(index.find_ids([text])) == [(0, at)]
        assert len(index.find_ids(["z", "Ä", "' OR 1=1 --"])) == 0
        index.optimise()


def test_an_empty_ledger_answers_and_keeps_nothing(place: Place) -> None:
    index = place.open()

    assert len(index.find_ids(["a"])) == 0
    assert len(index.find_digests([bytes(32)])) == 0
    assert len(index.find_subjects([bytes(16)])) == 0
    assert index.rows([1, 2]).num_rows == 0
    assert index.rows([]).schema == columns.EXAMPLES
    assert list(index.scan_batch(0)) == []
    assert index.count() == 0
    assert index.erase([4]) == index.clear_batch(4) == index.drop_subject_keys(1) == 0
    index.optimise()
    assert [leftovers.paths for leftovers in index.purge(NOW)] == [frozenset(), frozenset()]
    assert all(part.is_clean for part in index.residue())
    assert index.append(examples(1, 0)) == 0


def test_binding_a_batch_again_leaves_only_what_was_appended_last(place: Place) -> None:
    index = place.open()
    for batch in (6, 7, 8):
        index.append(examples(batch, 40))
        index.append_subjects(subjects([(address(batch, 1), 1)]))

    assert index.clear_batch(7) == 41
    assert index.clear_batch(7) == 0
    assert index.append(examples(7, 3)) == 3

    assert [index.count(batch) for batch in (6, 7, 8)] == [40, 3, 40]
    assert index.find_subjects([subject_key(1)]).addresses.tolist() == [
        address(6, 1),
        address(8, 1),
    ]


def test_clearing_what_is_not_there_writes_nothing(folder: Place) -> None:
    index = folder.open()
    index.append(examples(1, 3))
    before = index.examples.latest().version

    index.clear_batch(2)
    index.erase([address(2, 1)])

    assert index.examples.latest().version == before


def test_a_batch_is_scanned_in_the_order_of_its_ordinals(place: Place) -> None:
    index = place.open()
    far = 5 << 20
    for start in (40, 0, far, 20):
        index.append(examples(4, 20, start))
    index.append(examples(3, 10))
    index.append(examples(5, 10))
    index.append_subjects(subjects([(address(4, 3), 1), (address(4, 3), 2), (address(5, 0), 1)]))

    pieces = list(index.scan_batch(4, ["example_id"]))

    found = pa.concat_tables(pieces)["address"].to_pylist()
    assert found == [address(4, at) for at in (*range(60), *range(far, far + 20))]
    assert pieces[0].column_names == ["address", "example_id"]
    people = pa.concat_tables(index.scan_subjects(4)).to_pylist()
    assert {(row["address"], row["subject_key"]) for row in people} == {
        (address(4, 3), subject_key(1)),
        (address(4, 3), subject_key(2)),
    }


def test_rows_and_subjects_are_fetched_by_any_mixture_of_runs_and_single_addresses(
    place: Place,
) -> None:
    index = place.open()
    index.append(examples(1, 3_000))
    index.append_subjects(subjects((address(1, at), at) for at in range(0, 3_000, 7)))
    ordinals = [*range(100, 140), 5, 2_999, *range(1_000, 1_003), *range(0, 3_000, 11), 5_000]
    wanted = sorted({address(1, at) for at in ordinals if at < 3_000})

    found = index.rows([address(1, at) for at in ordinals], ["example_id"])

    assert found["address"].to_pylist() == wanted
    assert found["example_id"].to_pylist() == [example_id(at) for at in wanted]
    assert index.subjects_of(wanted)["address"].to_pylist() == [
        at for at in wanted if (at & 0xFFFFFFFF) % 7 == 0
    ]


def test_key_rotation_replaces_the_keys_of_one_version(place: Place) -> None:
    index = place.open()
    index.append_subjects(subjects([(address(1, 0), 1), (address(2, 0), 1)], version=1))
    index.append_subjects(subjects([(address(1, 0), 2)], version=2))

    assert index.drop_subject_keys(1, batch=1) == 1
    assert pairs(index.find_subjects([subject_key(1), subject_key(2)])) == [
        (0, address(2, 0)),
        (1, address(1, 0)),
    ]
    assert index.drop_subject_keys(1) == 1
    assert index.subjects_of([address(1, 0)])["key_version"].to_pylist() == [2]


def test_keys_that_share_their_first_eight_bytes_are_told_apart(folder: Place) -> None:
    index = folder.open()
    twins = [b"\xff" * 8 + bytes([tail]) * 8 for tail in range(3)]
    digests = [b"\xff" * 8 + bytes([tail]) * 24 for tail in range(3)]
    index.append_subjects(
        pa.table(
            {
                "address": np.arange(3, dtype=np.uint64),
                "subject_key": twins,
                "key_version": np.ones(3, np.int32),
            }
        )
    )
    index.append(pa.table({"address": np.arange(3, dtype=np.uint64), "digest": digests}))

    assert pairs(index.find_subjects([twins[2], twins[0], b"\xff" * 16])) == [(0, 2), (1, 0)]
    assert pairs(index.find_digests([digests[1], b"\xff" * 32])) == [(0, 1)]


def test_digests_survive_slices_and_nulls() -> None:
    values = [None if at % 3 == 0 else digest(at) for at in range(20)]
    column = pa.array(values, pa.binary(32))

    for piece in (column, column.slice(4, 9), column.slice(3, 1), column.slice(20)):
        assert columns.joined(*columns.split(piece)).to_pylist() == piece.to_pylist()
