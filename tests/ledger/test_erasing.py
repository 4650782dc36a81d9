"""Erased examples are in no answer, nothing of them is kept, and all others are as before."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sqlalchemy import select

from registry.app import check_everything
from registry.audit.events import EntryKind
from registry.audit.key_changes import recording_as
from registry.audit.tables import AuditEntry
from registry.client.http import HttpClient
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.keys.tables import Purpose
from registry.ledger.erasing import mark_erased, read_holes
from registry.ledger.remains import find_remains, read_known
from registry.ledger.tables import BatchSum
from registry.policy.decide import read_manifest
from registry.request import House
from registry.settings import Settings
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.ledger.erasures import (
    ROWS,
    chain,
    erase,
    index_rows,
    mark,
    raw,
    sets_of,
    wipe_now,
    work_off,
)
from tests.ledger.pipelines import NAMESPACE, parquet, written
from tests.ledger.test_binding_faults import numbers, put, send
from tests.stores import settings_on

_entry, _sum = table_of(AuditEntry), table_of(BatchSum)


@pytest.fixture(params=["folder", "s3"])
def settings(
    request: pytest.FixtureRequest,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """A registry on each database, with its ledger in a folder and in a bucket."""
    on_folder = settings_on(database_url, tmp_path / "home")
    if request.param == "folder":
        return on_folder
    options: dict[str, str] = request.getfixturevalue("s3_options")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return replace(
        on_folder,
        ledger_url=f"s3://lake/{uuid.uuid4().hex}/ledger",
        s3_endpoint=options["aws_endpoint"],
        s3_region="us-east-1",
    )


def sums(house: House, number: int) -> dict[tuple[str, str], tuple[int, int | None]]:
    with house.database.read() as session:
        rows = session.execute(select(_sum).where(_sum.c.number == number))
        return {(row.dimension, row.value): (row.examples, row.tokens) for row in rows}


def asked(client: HttpClient, path: str, **body: object) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    said: dict[str, Any] = client.request(
        "POST", f"/api/v1/{path}", json=body, headers=headers
    ).json()
    return said


def test_nothing_of_erased_examples_is_left_and_all_others_are_as_before(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    known = chain(house, admin)
    sets = sets_of(known, raw=[3, 5, 8], cut=[4], named=[0])
    before = index_rows(house)
    was = read_known(house.ledger, sets)
    assert was.example_ids == {"example-number-3", "example-number-5", "example-number-8"}
    assert {n: o.tolist() for n, o in mark(house, sets).items()} == {
        n: o.tolist() for n, o in sets.items()
    }
    assert not find_remains(house.ledger, house.database, sets, known=was).is_clean
    assert wipe_now(house, sets).index_rows == 6
    work_off(house)
    frozen_clock.advance(hours=2)
    work_off(house)
    remains = find_remains(house.ledger, house.database, sets, known=was)
    assert (remains.found, remains.untold) == ((), ())
    gone = {known["raw"] << 32 | ordinal for ordinal in (3, 5, 8)}
    assert index_rows(house) == {at: row for at, row in before.items() if at not in gone}
    assert [each for each in check_everything(house.settings) if each.problems] == []
    # A second time there is nothing to do.
    assert mark(house, sets) == {}
    again = wipe_now(house, sets)
    assert (again.index_rows, again.objects) == (0, 0)


def test_from_the_mark_on_no_answer_names_what_was_erased(house: House, admin: HttpClient) -> None:
    known = chain(house, admin)
    sets = sets_of(known, raw=[0, 4], cut=[2])
    mark(house, sets)
    for wiped in (False, True):
        if wiped:
            wipe_now(house, sets)
            work_off(house)
        dataset = {"namespace": NAMESPACE, "name": "raw"}
        who = {"scheme": "email", "value": "u0@example.org"}
        located = asked(admin, "subjects/locate", subject=who)
        assert located["examples"] == 1
        sample = asked(admin, "samples", dataset=dataset, size=100, seed=3)
        drawn = {each["trace"]["example"]["ordinal"] for each in sample["examples"]}
        assert (drawn, sample["population"]) == (set(range(ROWS)) - {0, 4}, ROWS - 2)
        for named in (
            {"address": {"batch": "raw", "ordinal": 4}},
            {"example_id": "example-number-4"},
        ):
            with pytest.raises(NotFoundError) as refused:
                asked(admin, "trace", dataset=dataset, **named)
            # What is wiped has no id any more by which it could be known that it was erased.
            is_known = "address" in named or not wiped
            assert refused.value.code == ("example_erased" if is_known else "not_found")
        asking = {"dataset": dataset, "purpose": "model_training"}
        manifest = asked(admin, "manifests", **asking)
        held = sum(manifest["withheld"].values())
        assert (manifest["erased"], manifest["allowed"] + held) == (2, ROWS - 2)
        file = read_manifest(house.ledger, str(manifest["manifest"]))
        assert {0, 4}.isdisjoint(file.parts[0].ordinals().tolist())
        assert asked(admin, "decisions", **asking)["examples"] == ROWS - 2
    expected = "the erasure is not at its end"
    assert all(
        expected not in text for each in check_everything(house.settings) for text in each.problems
    )


def test_chains_of_other_examples_lead_through_what_was_erased(
    house: House, admin: HttpClient
) -> None:
    known = chain(house, admin)
    erase(house, sets_of(known, raw=[4], cut=[2]))
    packed = {"namespace": NAMESPACE, "name": "packed"}
    back = asked(admin, "trace", dataset=packed, address={"batch": "packed", "ordinal": 2})
    sources = {s["ordinal"]: s for s in back["sources"]}
    assert {ordinal: each["erased"] for ordinal, each in sources.items()} == {4: True, 5: False}
    assert sources[4]["example_id"] is None
    assert sources[5]["example_id"] == "example-number-5"
    source = {"namespace": NAMESPACE, "name": "raw"}
    where = {"batch": "raw", "ordinal": 6}
    forward = asked(admin, "trace", dataset=source, address=where, direction="forward")
    counts = {each["dataset"]: each["count"] for each in forward["batches"]}
    assert counts == {"raw": 1, "cut": 1, "packed": 1}


def test_sums_are_made_anew_without_what_was_erased(house: House, admin: HttpClient) -> None:
    known = chain(house, admin)
    erase(house, sets_of(known, raw=[3, 8], cut=[4]))
    of_raw = sums(house, known["raw"])
    assert of_raw["total", ""] == (ROWS - 2, sum(range(100, 112)) - 103 - 108)
    assert of_raw["license", "MIT"][0] == of_raw["license", "PSF-2.0"][0] == 5
    assert not {("label", "label-3"), ("label", "label-8")} & of_raw.keys()
    assert {value for dimension, value in of_raw if dimension == "source_domain"} == {
        f"site{row}.example.org" for row in range(ROWS) if row not in (3, 8)
    }
    cut = sums(house, known["cut"])
    assert cut["total", ""] == (5, 100 + 102 + 104 + 106 + 110)
    # A pair of which one is gone is still there, and what only the other one says is not known.
    assert sums(house, known["packed"])["total", ""][0] == ROWS // 2


def test_a_batch_that_is_bound_to_an_object_with_erased_rows_gets_them_as_holes_of_its_own(
    house: House, admin: HttpClient
) -> None:
    known = chain(house, admin)
    erase(house, sets_of(known, raw=[3]))
    digest = put(admin, parquet(raw()), "examples")
    send(admin, "collect again", written("raw", "again", examples=digest), 9)
    work_off(house)
    number = numbers(house)["again"]
    rows = house.ledger.index.rows([number << 32 | 3, number << 32 | 4], ["example_id"]).to_pylist()
    assert [row["example_id"] for row in rows] == [None, "example-number-4"]
    with house.database.read() as session:
        kinds = session.execute(select(_entry.c.kind)).scalars().all()
    assert EntryKind.EXAMPLES_SUPPRESSED in kinds


def test_what_cannot_be_marked_or_wiped_is_refused(house: House, admin: HttpClient) -> None:
    known = chain(house, admin)
    with pytest.raises(InvalidInputError, match="outside batch"):
        mark(house, sets_of(known, raw=[ROWS]))
    with pytest.raises(NotFoundError, match="no bound batch"):
        mark(house, {77: np.array([1], np.uint32)})
    with pytest.raises(ConflictError, match="not marked"):
        wipe_now(house, sets_of(known, raw=[1]))
    with house.database.read() as session:
        assert read_holes(session, known.values()) == {}
    assert wipe_now(house, {}).objects == 0


def test_marks_of_two_cases_add_up(house: House, admin: HttpClient) -> None:
    known = chain(house, admin)
    mark(house, sets_of(known, raw=[1, 2]))
    second = house.database.transact(
        lambda s: mark_erased(s, sets_of(known, raw=[2, 3]), now=house.clock(), under="case 2")
    )
    assert second[known["raw"]].tolist() == [3]
    with house.database.read() as session:
        assert read_holes(session, [known["raw"]])[known["raw"]].ordinals().tolist() == [1, 2, 3]
        entries = session.execute(
            select(_entry.c.payload).where(_entry.c.kind == EntryKind.EXAMPLES_ERASED)
        )
        assert [b'"case 1"' in row.payload for row in entries] == [True, False]
    # What one case wipes is what all of them marked.
    wipe_now(house, sets_of(known, raw=[3]))
    table = house.ledger.objects
    name = next(n for n in table.names("objects") if n.endswith("/examples.parquet"))
    ids = pa.parquet.read_table(pa.BufferReader(table.get(name))).column("example_id")
    assert [row for row in range(ROWS) if ids[row].as_py() is None] == [1, 2, 3]


def test_a_rotation_brings_no_erased_person_back(house: House, admin: HttpClient) -> None:
    known = chain(house, admin)
    sets = sets_of(known, raw=[3])
    index = house.ledger.index
    append = index.append_subjects

    def erasing(rows: pa.Table) -> int:
        # The keys were read, and now a case erases one of their examples.
        index.append_subjects = append  # type: ignore[method-assign]
        mark(house, sets)
        wipe_now(house, sets)
        return append(rows)

    index.append_subjects = erasing  # type: ignore[method-assign, assignment]
    with house.database.write() as session:
        house.rotation.begin(session, Purpose.SUBJECT, record=recording_as("system"))
    house.rotation.move(Purpose.SUBJECT, lambda _progress: None)
    people = [row for part in index.scan_subjects(known["raw"]) for row in part.to_pylist()]
    assert {row["key_version"] for row in people} == {2}
    assert {row["address"] & 0xFFFF for row in people} == set(range(ROWS)) - {3}
