"""Kept events and the catalog lose what is sought in them, and mean the same otherwise."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from sqlalchemy import select

from registry.audit.events import EntryKind
from registry.audit.tables import AuditEntry
from registry.canonical import digest_text, event_digest
from registry.client.http import HttpClient
from registry.lineage.erase_events import (
    EVENT_TABLES,
    EventsErased,
    KeptName,
    erase_events,
    find_in_events,
    scrub_events,
)
from registry.lineage.reproject import rebuild
from registry.lineage.sought import ERASED, Sought
from registry.lineage.tables import EventRedaction, LineageEvent
from registry.request import House
from registry.storage.columns import table_of
from registry.storage.residue import find_residue
from tests.stores import PROJECTED, dump, dump_all

_event, _redaction, _entry = (table_of(m) for m in (LineageEvent, EventRedaction, AuditEntry))
WHO = "ada.lovelace@example.org"
SOUGHT = Sought([("email", WHO), ("phone", "+49 30 901820")], ["customer-row-55"])
MARKS = {"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s.json"}


def said(
    job: str, minute: int, *, note: str = "", owner: str = "team", **parts: Any
) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-02-01T00:{minute:02}:00Z",
        "producer": "https://example.org/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": f"0190a0f0-0000-7000-8000-00000000{minute:04}",
            "facets": {"note": {**MARKS, "text": note, "size": 2**60}},
        },
        "job": {
            "namespace": "tests",
            "name": job,
            "facets": {"ownership": {**MARKS, "owners": [{"name": owner, "type": "OWNER"}]}},
        },
        "inputs": [
            {
                "namespace": "file://lake",
                "name": "raw",
                "facets": {"documentation": {**MARKS, "description": note}},
            }
        ],
        "outputs": [
            {
                "namespace": "file://lake",
                "name": parts.get("writes", "cut"),
                "facets": {"documentation": {**MARKS, "description": parts.get("about", "all")}},
                "outputFacets": {
                    "registry_batch": {
                        **MARKS,
                        "batch": f"b{minute}",
                        "origin": {"kind": "public", "description": parts.get("origin", "")},
                        "exampleCount": 3,
                    }
                },
            }
        ],
    }


EVENTS = [
    said("plain", 1, note="nobody"),
    said("noted", 2, note="failed for Ada.Lovelace@Example.org in customer-row-55, not in -row-5"),
    said("owned", 3, owner=WHO),
    said("about", 4, about=f"asks for {WHO} by +49 (0)30 901820", writes="asked"),
    said("origin", 5, origin=f"from the page of {WHO}"),
    said("later", 6, note="customer-row-555", writes="other"),
]


def send_all(client: HttpClient, events: list[dict[str, Any]] = EVENTS) -> None:
    for event in events:
        client.post("/api/v1/lineage", event)


def erase(house: House, sought: Sought = SOUGHT) -> EventsErased:
    return erase_events(house.database, sought, under="case 1", actor="system", now=house.clock())


def held_by(house: House, *texts: str) -> list[str]:
    """The tables in which one of these texts still stands."""
    found = []
    for table, rows in dump_all(house.database).items():
        shown = " ".join(
            part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part)
            for row in rows
            for part in row
        ).lower()
        found += [table for text in texts if text.lower() in shown]
    return sorted(set(found))


def bodies(house: House) -> dict[str, Any]:
    with house.database.read() as session:
        rows = session.execute(select(_event.c.digest, _event.c.body))
        return {digest_text(bytes(row.digest)): json.loads(bytes(row.body)) for row in rows}


def cleaned(event: dict[str, Any]) -> dict[str, Any]:
    """What an event should be kept as."""
    text = json.dumps(event)
    for each in ("Ada.Lovelace@Example.org", WHO, "+49 (0)30 901820"):
        text = text.replace(each, ERASED)
    text = text.replace("customer-row-55,", f"{ERASED},")
    return dict(json.loads(text))


def test_events_and_catalog_lose_what_is_sought_and_mean_the_same_otherwise(
    house: House, admin: HttpClient
) -> None:
    send_all(admin)
    before = dump(house.database, PROJECTED)
    assert {"lineage_event", "run_facet", "job_facet", "dataset_facet", "batch"} <= set(
        held_by(house, WHO)
    )
    expected = find_in_events(house.database, SOUGHT)
    assert dump(house.database, PROJECTED) == before
    erased = erase(house)
    assert erased == expected
    assert (erased.looked_at, erased.events, erased.kept) == (len(EVENTS), 4, ())
    assert held_by(house, WHO, "901820") == []
    # The digest is that of what was received, and what is kept is that less what was sought.
    assert bodies(house) == {digest_text(event_digest(e)): cleaned(e) for e in EVENTS}
    after = dump(house.database, PROJECTED)
    assert {name: len(rows) for name, rows in after.items()} == {
        name: len(rows) for name, rows in before.items()
    }
    rebuild(house.database, clock=house.clock, actor="system")
    assert dump(house.database, PROJECTED) == after
    with house.database.read() as session:
        redactions = session.execute(select(_redaction)).all()
        kinds = session.execute(select(_entry.c.kind)).scalars().all()
    assert len(redactions) == erased.parts
    assert {row.kind for row in redactions} == {"erased"}
    assert kinds.count(EntryKind.LINEAGE_EVENTS_REDACTED) == 1
    # Sent again, they are the same events; and a second time there is nothing to find.
    assert admin.post("/api/v1/lineage", EVENTS[1])["duplicate"]
    again = erase(house)
    assert (again.events, again.parts) == (0, 0)
    assert find_in_events(house.database, SOUGHT).events == 0


def test_nothing_stays_in_the_files_of_the_database(house: House, admin: HttpClient) -> None:
    send_all(admin)
    erase(house)
    assert scrub_events(house.database)
    assert find_residue(house.database, [WHO.encode(), b"Ada.Lovelace@Example.org"]) == []
    # It is whole all the same.
    assert len(bodies(house)) == len(EVENTS)
    send_all(admin, [said("next", 9)])


def test_names_that_hold_it_stay_and_are_told(house: House, admin: HttpClient) -> None:
    event = said(f"copy of {WHO}", 7, note=f"for {WHO}", writes=f"users/{WHO}")
    send_all(admin, [event])
    erased = erase(house)
    named = digest_text(event_digest(event))
    assert set(erased.kept) == {
        KeptName(named, "$.job.name"),
        KeptName(named, "$.outputs[0].name"),
    }
    assert bodies(house)[named]["run"]["facets"]["note"]["text"] == f"for {ERASED}"
    assert bodies(house)[named]["job"]["name"] == f"copy of {WHO}"


def test_warnings_and_events_in_quarantine_lose_it_too(house: House, admin: HttpClient) -> None:
    first = said("first", 1)
    other = copy.deepcopy(said("second", 2, note=f"of {WHO}"))
    other["run"]["runId"] = first["run"]["runId"]
    other["eventTime"] = "2026-02-01T00:30:00Z"
    loose = said("loose", 3)
    loose["run"]["facets"][WHO] = {"text": WHO}
    send_all(admin, [first, other])
    with house.database.read() as session:
        states = session.execute(select(_event.c.state)).scalars().all()
    assert sorted(states) == ["projected", "quarantined"]
    assert erase(house).events == 1
    assert held_by(house, WHO) == []


def test_a_break_before_the_end_leaves_whole_events_behind(
    house: House, admin: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.lineage.erase_events._EVENTS_A_TRANSACTION", 1)
    send_all(admin)
    transact = house.database.transact
    for step in range(1, 5):
        for kept in (False, True):
            calls = 0

            def breaking(work: Any, step: int = step, kept: bool = kept) -> Any:
                nonlocal calls
                calls += 1
                if calls == step and not kept:
                    raise RuntimeError("broken")
                answer = transact(work)
                if calls == step:
                    raise RuntimeError("broken")
                return answer

            monkeypatch.setattr(house.database, "transact", breaking)
            with contextlib.suppress(RuntimeError):
                erase(house)
            monkeypatch.setattr(house.database, "transact", transact)
            kept_now = dump(house.database, PROJECTED)
            rebuild(house.database, clock=house.clock, actor="system")
            assert dump(house.database, PROJECTED) == kept_now
    erase(house)
    assert bodies(house) == {digest_text(event_digest(e)): cleaned(e) for e in EVENTS}
    assert held_by(house, WHO, "901820") == []


def test_the_log_is_read_a_bounded_number_of_events_at_a_time(
    house: House, admin: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.lineage.erase_events._ROWS_A_PAGE", 2)
    monkeypatch.setattr("registry.lineage.erase_events._GROUP_BYTES", 10)
    send_all(admin)
    told: list[str] = []
    erased = erase_events(
        house.database, SOUGHT, under="", actor="system", now=house.clock(), report=told.append
    )
    assert (erased.looked_at, erased.events, len(told)) == (len(EVENTS), 4, len(EVENTS))
    assert erase(house, Sought()).looked_at == 0
    assert len(EVENT_TABLES) > 20


def test_an_event_that_arrives_meanwhile_is_kept(house: House, admin: HttpClient) -> None:
    send_all(admin, EVENTS[:4])
    arrived: list[str] = []

    def arrive(progress: str) -> None:
        if not arrived:
            arrived.append(progress)
            send_all(admin, [said("meanwhile", 8, note=f"of {WHO}")])

    erase_events(house.database, SOUGHT, under="", actor="system", now=house.clock(), report=arrive)
    assert len(bodies(house)) == 5
    assert held_by(house, WHO) == []
