"""Consent is recorded, read as of any day, imported by the file, and survives a rotation."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import func, select

from registry.actors.tables import Role
from registry.audit.key_changes import recording_as
from registry.audit.tables import AuditEntry
from registry.client.http import HttpClient
from registry.errors import ConflictError, ForbiddenError, InvalidInputError
from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.keys.tables import Purpose
from registry.request import House
from registry.rights.consent import ConsentSaid, person_events, record_consents
from registry.rights.consent_state import consent_at
from registry.rights.consent_table import STATUSES, read_consents
from registry.rights.statuses import ConsentStatus
from registry.rights.tables import ConsentEvent
from registry.storage.columns import table_of
from tests.conftest import TokenMaker
from tests.rights.asking import consent, person
from tests.stores import dump_all

PATH = "/api/v1/consents"
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
FILE = "sha256:" + "ab" * 32
_event = table_of(ConsentEvent)


def stands(client: HttpClient, number: int, **asked: Any) -> dict[str, Any]:
    body = {"subject": person(number), "purpose": "model_training", **asked}
    found: dict[str, Any] = client.post(f"{PATH}/standing", body)
    return found


def test_consent_is_given_withdrawn_and_asked_as_of_a_day(admin: HttpClient) -> None:
    given = consent(1, "given", "2026-01-01T00:00:00Z", notice="v3", controller="Example")
    assert admin.post(PATH, given) == {"recorded": 1}
    assert stands(admin, 1) == {
        "purpose": "model_training",
        "status": "given",
        "permits": True,
        "since": "2026-01-01T00:00:00Z",
        "expires_at": None,
    }
    withdrawn = consent(1, "withdrawn", "2026-02-01T00:00:00Z")
    assert admin.post(PATH, [withdrawn, consent(2, "given", "2026-01-01T00:00:00+02:00")]) == {
        "recorded": 2
    }
    assert stands(admin, 1)["status"] == "withdrawn"
    assert stands(admin, 1, as_of="2026-01-15T00:00:00Z")["status"] == "given"
    assert stands(admin, 1, known_at="2026-01-15T00:00:00Z")["status"] is None
    assert stands(admin, 1, purpose="fine_tuning")["status"] == "withdrawn"
    assert stands(admin, 3) == {
        "purpose": "model_training",
        "status": None,
        "permits": False,
        "since": None,
        "expires_at": None,
    }


def test_a_receipt_tells_what_was_recorded_and_names_nobody(admin: HttpClient) -> None:
    admin.post(PATH, consent(1, "given", "2026-01-01T00:00:00Z", controller="Example", notice="v3"))
    receipt = admin.post(f"{PATH}/receipts", {"subject": person(1)})
    assert set(receipt) == {"header", "processing", "parties", "events"}
    (processing,) = receipt["processing"]
    assert processing["purpose_iri"] == "https://w3id.org/dpv/ai#ModelTraining"
    assert (processing["status"], processing["permits"], processing["notice"]) == (
        "given",
        True,
        "v3",
    )
    assert receipt["parties"] == [{"role": "controller", "name": "Example"}]
    assert receipt["events"][0]["status_iri"] == "https://w3id.org/dpv#ConsentGiven"
    assert "example.org" not in str(receipt)


def test_no_identifier_is_kept_anywhere(admin: HttpClient, house: House) -> None:
    admin.post(PATH, consent(1, "given", "2026-01-01T00:00:00Z"))
    assert "person-1" not in str(dump_all(house.database))


def test_every_recording_is_an_entry(admin: HttpClient, house: House) -> None:
    admin.post(PATH, [consent(n, "given", "2026-01-01T00:00:00Z") for n in range(3)])
    entry = table_of(AuditEntry)
    with house.database.read() as session:
        kept = session.execute(
            select(entry.c.payload).where(entry.c.kind == "rights.consent.recorded")
        ).scalars()
        assert list(kept) == [b'{"events":3,"statuses":{"given":3}}']


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"purpose": "training"}, "$[0].purpose"),
        ({"status": "maybe"}, "$[0].status"),
        ({"expires_at": "2025-01-01T00:00:00Z"}, "$[0].expires_at"),
        ({"subject": {"scheme": "email", "value": "no address"}}, "$[0].subject.value"),
        ({"subject": {"scheme": "shoe", "value": "44"}}, "$[0].subject.scheme"),
        ({"notice": "a\x00b"}, None),
        ({"at": "yesterday"}, None),
        ({"at": "2026-01-01T00:00:00"}, None),
        ({"surprise": 1}, None),
    ],
)
def test_what_cannot_be_taken_is_refused_whole(
    admin: HttpClient, house: House, changed: dict[str, Any], path: str | None
) -> None:
    wrong = {**consent(1, "given", "2026-01-01T00:00:00Z"), **changed}
    with pytest.raises(InvalidInputError) as refused:
        admin.post(PATH, [wrong, consent(2, "given", "2026-01-01T00:00:00Z")])
    if path is not None:
        assert refused.value.path == path
    with house.database.read() as session:
        assert session.execute(select(func.count()).select_from(_event)).scalar_one() == 0


def test_a_pipeline_records_no_consent(
    connect: Callable[[str], HttpClient], make_token: TokenMaker
) -> None:
    pipeline = connect(make_token(Role.PIPELINE))
    with pytest.raises(ForbiddenError):
        pipeline.post(PATH, consent(1, "given", "2026-01-01T00:00:00Z"))
    with pytest.raises(ForbiddenError):
        stands(pipeline, 1)


def sent(client: HttpClient, first: int = 0, **columns: list[Any]) -> dict[str, Any]:
    """A chunk of an import."""
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    answer = client.request(
        "POST",
        f"{PATH}/imports",
        content=bytes(sink.getvalue()),
        headers=ARROW,
        params={"file": FILE, "first": first},
    )
    said: dict[str, Any] = answer.json()
    return said


def rows(*numbers: int, **changed: list[Any]) -> dict[str, list[Any]]:
    """Columns of a chunk with one person a row."""
    count = len(numbers)
    return {
        "scheme": ["email"] * count,
        "value": [person(number)["value"] for number in numbers],
        "purpose": ["model_training"] * count,
        "status": ["given"] * count,
        "at": ["2026-01-01T00:00:00Z"] * count,
        **changed,
    }


def test_an_import_goes_on_where_it_stopped_and_keeps_nothing_twice(admin: HttpClient) -> None:
    assert admin.get(f"{PATH}/imports", {"file": FILE})["next_row"] == 0
    assert sent(admin, **rows(1, 2))["accepted"] == 2
    again = sent(admin, **rows(1, 2))
    assert (again["next_row"], again["accepted"]) == (2, 2)
    with pytest.raises(ConflictError, match="stands at row 2"):
        sent(admin, 3, **rows(4))
    with pytest.raises(ConflictError, match="stands at row 2"):
        sent(admin, 1, **rows(2, 3))
    after = sent(admin, 2, **rows(3, status=["withdrawn"]))
    assert admin.get(f"{PATH}/imports", {"file": FILE}) == {**after, "refused": []}
    assert (after["next_row"], after["accepted"], after["rejected"]) == (3, 3, 0)
    assert [stands(admin, n)["status"] for n in (1, 2, 3)] == ["given", "given", "withdrawn"]


def test_what_an_import_refuses_is_told_by_row_and_the_rest_is_kept(admin: HttpClient) -> None:
    columns = rows(*range(8))
    columns["value"][0] = "no address"
    columns["scheme"][1] = "shoe"
    columns["purpose"][2] = "training"
    columns["status"][3] = None
    columns["at"][4] = "yesterday"
    columns["explicit"] = [None, None, None, None, None, "perhaps", "true", None]
    columns["expires_at"] = [None] * 7 + ["2025-01-01T00:00:00Z"]
    answer = sent(admin, **columns)
    assert (answer["accepted"], answer["rejected"]) == (1, 7)
    assert {each["row"]: each["field"] for each in answer["refused"]} == {
        0: "subject",
        1: "subject",
        2: "purpose",
        3: "status",
        4: "at",
        5: "explicit",
        7: "expires_at",
    }
    assert all(each["reason"] for each in answer["refused"])
    assert "address" not in answer["refused"][0]["reason"].replace("e-mail address", "")
    assert stands(admin, 6)["permits"]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"shoe": ["44"]}, "No column of consent events: shoe"),
        ({}, None),
    ],
)
def test_a_chunk_that_is_no_chunk_is_refused(
    admin: HttpClient, columns: dict[str, list[Any]], complaint: str | None
) -> None:
    if complaint is not None:
        with pytest.raises(InvalidInputError, match=complaint):
            sent(admin, **columns)
        return
    for content in (b"", b"no arrow"):
        with pytest.raises(InvalidInputError, match="no whole Arrow stream"):
            admin.request(
                "POST", f"{PATH}/imports", content=content, headers=ARROW, params={"file": FILE}
            )


def test_consent_is_found_while_keys_rotate_and_after(
    admin: HttpClient, house: House, frozen_clock: Any
) -> None:
    admin.post(PATH, consent(1, "given", "2026-01-01T00:00:00Z"))
    with house.database.write() as session:
        house.rotation.begin(session, Purpose.SUBJECT, record=recording_as("system"))
    house.keyring.refresh()
    assert stands(admin, 1)["permits"]
    admin.post(PATH, consent(1, "withdrawn", "2026-02-01T00:00:00Z"))
    assert stands(admin, 1)["status"] == "withdrawn"
    purposes = house.policies.current().purposes

    def table() -> list[tuple[bytes, int]]:
        with house.database.read() as session:
            found = read_consents(
                session, house.keyring, purposes, "model_training", as_of=frozen_clock()
            )
        return list(zip(found.keys, found.statuses.tolist(), strict=True))

    ada = new_subject_key(house.keyring, Scheme.EMAIL, person(1)["value"]).key
    expected = [(ada, STATUSES.index(ConsentStatus.WITHDRAWN))]
    assert table() == expected
    house.rotation.move(Purpose.SUBJECT, lambda _text: None)
    with house.database.read() as session:
        assert set(session.execute(select(_event.c.key_version)).scalars()) == {2}
    assert stands(admin, 1)["status"] == "withdrawn"
    assert table() == expected


def test_the_table_of_everybody_says_what_the_rules_say_of_each(house: House) -> None:
    luck = random.Random(7)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    names = ["model_training", "fine_tuning", "alignment", "research"]
    said = [
        ConsentSaid(
            scheme="external",
            value=f"person {luck.randrange(60)}",
            purpose=luck.choice(names),
            status=luck.choice(list(ConsentStatus)).value,
            at=(at := start + timedelta(days=luck.randrange(6))),
            expires_at=at + timedelta(days=luck.randrange(1, 4)) if luck.random() < 0.3 else None,
        )
        for _ in range(400)
    ]
    purposes, now = house.policies.current().purposes, house.clock()
    with house.database.write() as session:
        record_consents(session, house.keyring, purposes, said, actor="tester", now=now)
    with house.database.read() as session:
        for day in range(7):
            at = start + timedelta(days=day)
            for purpose in ("model_training", "fine_tuning"):
                table = read_consents(session, house.keyring, purposes, purpose, as_of=at)
                held = dict(zip(table.keys, table.statuses.tolist(), strict=True))
                for number in range(60):
                    who = ("external", f"person {number}")
                    events = [e.said for e in person_events(session, house.keyring, who)]
                    expected = consent_at(events, purposes, purpose, at=at).status
                    key = new_subject_key(house.keyring, Scheme.EXTERNAL, who[1]).key
                    code = held.get(key)
                    assert (None if code is None else STATUSES[code]) == expected
