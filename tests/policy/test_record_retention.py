"""Old rows of the registry's own logs lose what they say, and both logs stay whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from registry.audit.check import check_log
from registry.audit.notes import VerifierKey
from registry.audit.tables import ENTRY
from registry.catalog.names import dataset_id
from registry.catalog.version_tables import BatchNumber
from registry.client.http import HttpClient
from registry.keys.listing import list_keys
from registry.keys.tables import Purpose
from registry.lineage.old_texts import REMOVED
from registry.lineage.reproject import rebuild
from registry.lineage.tables import EventRedaction, LineageEvent
from registry.request import House
from registry.rights.holds import approve_lift, ask_to_lift, place_hold
from registry.rights.items import Item
from registry.rights.restrictions import Marked, protect_evidence, release_evidence
from registry.rights.tables import ItemKind
from registry.storage.columns import table_of
from registry.storage.queue import TaskKind, count_tasks, put_task
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.lineage.making import batch, dataset, facet, run_event
from tests.stores import Dump, dump_projected

CORPUS = sorted((Path(__file__).parents[1] / "lineage" / "corpus").glob("*.json"))
_event, _redaction = table_of(LineageEvent), table_of(EventRedaction)
_number = table_of(BatchNumber)
LAKE = "s3://lake"


@pytest.fixture
def ruled(house: House, tmp_path: Path) -> House:
    """A house whose logs have a rule of a year each."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "retention.yaml").write_text("rules: []\nevent_log: P1Y\naudit_payloads: P1Y\n")
    house.policies.folder = folder
    house.policies.reload()
    return house


def sweep(house: House) -> None:
    with house.database.write() as session:
        put_task(session, TaskKind.REDACT_RECORDS, {}, now=house.clock())
    Workers(house, threads=1).work_off()
    with house.database.read() as session:
        counts = count_tasks(session)
    assert not counts.get("waiting"), counts


def send(client: HttpClient, *events: dict[str, Any]) -> None:
    for each in events:
        client.post("/api/v1/lineage", each)


def failed(run: int, output: str = "out", minute: float = 0) -> dict[str, Any]:
    return run_event(
        "FAIL",
        run=run,
        minute=minute,
        outputs=[dataset(output, LAKE, output_facets=batch(f"b{run}", exampleCount=2))],
        run_facets={"errorMessage": facet(message=f"row of ann{run}@example.org")},
        job_facets={"sql": facet(query=f"SELECT {run}")},
    )


def bodies(house: House) -> list[bytes]:
    with house.database.read() as session:
        query = select(_event.c.body).order_by(_event.c.id)
        return [bytes(body) for body in session.execute(query).scalars()]


def facts(house: House, kind: str) -> list[Any]:
    with house.database.read() as session:
        query = select(ENTRY.c.payload).where(ENTRY.c.kind == kind).order_by(ENTRY.c.id)
        rows = session.execute(query).scalars()
        return [None if row is None else json.loads(row) for row in rows]


def rebuilt(house: House) -> Dump:
    rebuild(house.database, clock=house.clock, actor="tests")
    return dump_projected(house.database)


def without_payloads(dump: Dump) -> Dump:
    """The dump, but for the texts of facets, which stand last in their rows."""
    facets = ("run_facet", "job_facet", "dataset_facet", "scope_facet")
    return {n: [r[:-1] for r in rows] if n in facets else rows for n, rows in dump.items()}


def test_old_events_lose_their_texts_and_a_rebuild_gives_the_same_catalog(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1), failed(2, minute=1))
    frozen_clock.advance(days=200)
    send(admin, failed(3, minute=2))
    frozen_clock.advance(days=200)
    before = dump_projected(ruled.database)
    sweep(ruled)
    first, second, third = bodies(ruled)
    for run, body in ((1, first), (2, second)):
        assert f"ann{run}@example.org".encode() not in body
        assert body.count(REMOVED.encode()) == 2
    assert b"ann3@example.org" in third
    shown = dump_projected(ruled.database)
    assert without_payloads(shown) == without_payloads(before)
    errors = [row[-1] for row in shown["run_facet"]]
    assert sum(REMOVED in payload for payload in errors) == 2
    # The job's query was sent again by an event that is not old.
    assert [json.loads(row[-1])["query"] for row in shown["job_facet"]] == ["SELECT 3"]
    assert rebuilt(ruled) == shown
    (told,) = facts(ruled, "lineage.events.redacted")
    assert told["under"] == "retention:event_log:P1Y"
    assert len(told["events"]) == 2
    with ruled.database.read() as session:
        kinds = session.execute(select(_redaction.c.path, _redaction.c.kind)).all()
    assert {tuple(row) for row in kinds} == {
        ("$.run.facets.errorMessage.message", "raw"),
        ("$.job.facets.sql.query", "raw"),
    }
    sweep(ruled)
    assert len(facts(ruled, "lineage.events.redacted")) == 1


def test_the_same_event_sent_again_is_still_the_same_event(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1))
    frozen_clock.advance(days=400)
    sweep(ruled)
    assert admin.post("/api/v1/lineage", failed(1))["duplicate"]
    assert len(bodies(ruled)) == 1
    assert b"ann1@example.org" not in bodies(ruled)[0]


def test_real_events_keep_everything_but_texts(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    for path in CORPUS:
        said = json.loads(path.read_bytes())
        send(admin, *(said if isinstance(said, list) else [said]))
    before, count = dump_projected(ruled.database), len(bodies(ruled))
    frozen_clock.advance(days=400)
    sweep(ruled)
    shown = dump_projected(ruled.database)
    assert without_payloads(shown) == without_payloads(before)
    assert shown != before
    assert len(bodies(ruled)) == count
    assert rebuilt(ruled) == shown


def test_no_text_is_left_in_the_files_of_the_database(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1))
    frozen_clock.advance(days=400)
    sweep(ruled)
    if ruled.database.is_sqlite:
        left = [path for path in ruled.settings.home.glob("registry.db*") if path.is_file()]
        assert left
        assert not [path for path in left if b"ann1@example.org" in path.read_bytes()]


def hold_on(house: House, name: str) -> str:
    with house.database.write() as session:
        return place_hold(
            session,
            [Item(ItemKind.DATASET, dataset_id=dataset_id(LAKE, name))],
            matter="suit",
            owner="counsel",
            reason="claims",
            ground="17_3_e",
            until=None,
            actor="tests",
            now=house.clock(),
        ).id


def test_what_a_hold_needs_stays_until_it_is_lifted(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1, "held"), failed(2, "free", minute=1))
    hold = hold_on(ruled, "held")
    frozen_clock.advance(days=400)
    for _ in range(2):
        sweep(ruled)
        held, free = bodies(ruled)
        assert b"ann1@example.org" in held
        assert b"ann2@example.org" not in free
        received = facts(ruled, "lineage.event.received")
        assert [each is None for each in received] == [False, True]
    due = admin.get("/api/v1/retention/due")["records"]
    assert {each["log"]: each["kept"] for each in due} == {"event_log": 1, "audit_payloads": 1}
    with ruled.database.write() as session:
        ask_to_lift(session, hold, reason="settled", actor="one", now=ruled.clock())
        approve_lift(session, hold, actor="two", now=ruled.clock())
    sweep(ruled)
    assert b"ann1@example.org" not in bodies(ruled)[0]
    assert facts(ruled, "lineage.event.received") == [None, None]
    assert None not in facts(ruled, "rights.hold.placed")


def test_what_an_open_case_needs_stays_until_it_is_closed(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1))
    with ruled.database.write() as session:
        number = session.execute(select(_number.c.number)).scalar_one()
        marked, now = [Marked(number, None)], ruled.clock()
        protect_evidence(session, marked, case_id="case-1", actor="tests", now=now)
    frozen_clock.advance(days=400)
    sweep(ruled)
    assert b"ann1@example.org" in bodies(ruled)[0]
    assert facts(ruled, "lineage.event.received") != [None]
    with ruled.database.write() as session:
        release_evidence(session, "case-1", actor="tests", now=ruled.clock())
    sweep(ruled)
    assert b"ann1@example.org" not in bodies(ruled)[0]
    assert facts(ruled, "lineage.event.received") == [None]


def test_the_audit_log_verifies_without_old_facts_and_keeps_the_lasting_ones(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1))
    ruled.audit.turn()
    frozen_clock.advance(days=400)
    send(admin, failed(2, minute=1))
    sweep(ruled)
    assert [each is None for each in facts(ruled, "lineage.event.received")] == [True, False]
    for kind in ("keys.key.created", "audit.origin.opened", "audit.payload.redacted"):
        assert facts(ruled, kind)
        assert None not in facts(ruled, kind)
    (told, *_) = facts(ruled, "audit.payload.redacted")
    assert told["under"] == "retention:audit_payloads:P1Y"
    frozen_clock.advance(days=800)
    sweep(ruled)
    assert None not in facts(ruled, "audit.payload.redacted")
    ruled.audit.turn()
    with ruled.database.read() as session:
        listed = list_keys(session, Purpose.SIGNING)
    keys = [VerifierKey(None, key.public_key) for key in listed if key.public_key]
    with ruled.database.read() as session:
        report = check_log(session, keys, [])
    assert report.findings == []
    assert report.redacted


def test_without_a_rule_nothing_goes(
    house: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1))
    frozen_clock.advance(days=4_000)
    sweep(house)
    assert b"ann1@example.org" in bodies(house)[0]
    assert None not in facts(house, "lineage.event.received")
    assert admin.get("/api/v1/retention/due")["records"] == []


def test_a_dry_run_counts_what_a_sweep_would_look_at(
    ruled: House, admin: HttpClient, frozen_clock: FrozenClock
) -> None:
    send(admin, failed(1), failed(2, minute=1))
    assert [each["due"] for each in admin.get("/api/v1/retention/due")["records"]] == [0, 0]
    frozen_clock.advance(days=366)
    send(admin, failed(3, minute=2))
    events, entries = admin.get("/api/v1/retention/due")["records"]
    assert (events["log"], events["rule"], events["due"]) == ("event_log", "P1Y", 2)
    assert (entries["log"], entries["kept"]) == ("audit_payloads", 0)
    assert entries["due"] >= 2
    assert b"ann1@example.org" in bodies(ruled)[0]
    sweep(ruled)
    assert [each["due"] for each in admin.get("/api/v1/retention/due")["records"]] == [0, 0]
