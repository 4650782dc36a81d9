"""Kept sums say what judging anew says: after every write, at every moment, in every process."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import event, text
from sqlmodel import Session

from registry.app import close_house, open_house
from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.keys.tables import Purpose
from registry.ledger.rowmap import RowMap
from registry.policy.decision import Outcome, Rule, bit
from registry.policy.judgements import Judgements
from registry.policy.kept import Kept, Span
from registry.policy.policy_set import question_of
from registry.policy.watched import CONSTANT, WATCHED
from registry.request import House
from registry.rights.consent import ConsentSaid, record_consents
from registry.rights.consent_import import keep_chunk, prepare_chunk
from registry.rights.holds import approve_lift, ask_to_lift, place_hold
from registry.rights.items import Item
from registry.rights.restrictions import (
    Marked,
    lift_restriction,
    restrict_examples,
    restrict_subject,
)
from registry.rights.suppression import Basis, lift_suppression, suppress
from registry.rights.tables import ItemKind
from registry.rights.verifications import verify_fact
from registry.storage.database import Database
from registry.storage.revisions import missing_triggers, read_revision, watch
from tests.ledger.pipelines import Pipeline, digest_of, facet, mapped, parquet, written
from tests.live import LiveServer
from tests.policy.asking import consent, examples, person
from tests.policy.keeping import (
    DATASETS,
    ROWS,
    all_sums,
    batch_of,
    begun,
    fill,
    judgements_of,
    subject_of,
    sums_of,
    write,
)

SQLITE_READ = 20  # sqlite3.h; the module has a name for it from Python 3.12 on
CANNOT_TELL = Outcome.CANNOT_TELL
SOON = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    with server.client() as client:
        made = Pipeline(server, client)
        fill(made)
        yield made


@pytest.fixture
def house(pipeline: Pipeline) -> House:
    return pipeline.server.registry.house


def key_of(house: House, number: int) -> tuple[bytes, int]:
    made = new_subject_key(house.keyring, Scheme.EMAIL, person(number))
    return made.key, made.version


def held(house: House, *items: Item, until: datetime | None = None) -> str:
    def work(session: Session) -> str:
        return place_hold(
            session,
            items,
            matter="suit",
            owner="counsel",
            reason="claims",
            ground="17_3_e",
            until=until,
            actor="tests",
            now=house.clock(),
        ).id

    return house.database.transact(work)


def imported(house: House) -> None:
    rows = {
        "scheme": ["email"],
        "value": [person(2)],
        "purpose": ["model_training"],
        "status": ["withdrawn"],
        "at": ["2026-02-01T00:00:00Z"],
    }
    purposes, now = house.policies.current().purposes, house.clock()
    chunk = prepare_chunk(pa.table(rows), house.keyring, purposes, actor="tests", now=now)
    write(house, lambda s: keep_chunk(s, "sha256:f", 0, chunk, actor="tests", now=now))


def rotated(house: House) -> None:
    write(
        house,
        lambda s: house.rotation.begin(s, Purpose.SUBJECT, record=lambda *_: None),
    )
    house.keyring.refresh()
    house.rotation.move(Purpose.SUBJECT, lambda _: None)


def by_person(house: House, number: int) -> Item:
    key, version = key_of(house, number)
    return Item(ItemKind.SUBJECT, subject_key=key, key_version=version)


def restricted(house: House, number: int = 2) -> str:
    def work(session: Session) -> str:
        key, version = key_of(house, number)
        now = house.clock()
        return restrict_subject(session, key, version, reason="r", actor="tests", now=now)

    return house.database.transact(work)


def suppressed(house: House, until: datetime | None = None) -> str:
    def work(session: Session) -> str:
        content = house.ledger.match(digest_of(b"text number 3"))
        basis = Basis("gdpr", "erased", until=until)
        return suppress(session, digests=[content], basis=basis, actor="tests", now=house.clock())[
            0
        ]

    return house.database.transact(work)


def verified(house: House, fact: str, value: str, dataset: str = "raw") -> None:
    write(
        house,
        lambda s: verify_fact(
            s,
            batch_of(house, dataset),
            fact,
            recorded=None,
            value=value,
            evidence="sha256:" + "0" * 64,
            note=None,
            actor="tests",
            now=house.clock(),
        ),
    )


def reserved(pipeline: Pipeline) -> None:
    signal = {"protocol": "robots", "seenAt": "2026-01-01T00:00:00Z", "reserved": True}
    rights = {"registry_rights": facet("registry_rights", optOut=[signal])}
    pipeline.run("look", writes=[{"namespace": "file://lake", "name": "raw", "facets": rights}])


def said_again(pipeline: Pipeline) -> None:
    """A run says something else of its batch, later."""
    run = pipeline.runs["collect-interests-b1"]
    said = written("interests", "b1", legalBasis="consent", license="LicenseRef-other")
    pipeline.run("collect-interests-b1", run=run, writes=[said])
    # Its licence is another, so the worker sums it up anew.
    pipeline.settle()


def read_more(pipeline: Pipeline) -> None:
    """The run that collected says later that it read another dataset as well."""
    run = pipeline.runs["collect-raw-b1"]
    pipeline.run("collect-raw-b1", run=run, reads=["bare"])


def by_hand(house: House) -> None:
    write(house, lambda s: s.connection().exec_driver_sql("DELETE FROM consent_event"))


def on_batch(house: House, dataset: str) -> Item:
    return Item(ItemKind.BATCH, batch_number=batch_of(house, dataset))


def on_dataset(house: House, dataset: str, version: int | None = None) -> Item:
    kind = ItemKind.DATASET if version is None else ItemKind.VERSION
    return Item(kind, dataset_id=subject_of(house, dataset).dataset.id, number=version)


def contested(house: House) -> None:
    marked = [Marked(batch_of(house), np.array([4], np.uint32))]
    write(
        house,
        lambda s: restrict_examples(s, marked, reason="r", actor="tests", now=house.clock()),
    )


def tested(pipeline: Pipeline) -> None:
    said = {
        "name": "training",
        "purposes": ["model_training"],
        "legal_basis": "legitimate_interests",
        "balancing_test": "LIA-7",
    }
    answer = pipeline.client.put("/api/v1/register/activities/training", json=said)
    assert answer.status_code == 200, answer.text


#: What may happen, one after the other, and the dataset whose answer it changes.
WRITES: dict[str, tuple[Callable[[Pipeline, House], object], str]] = {
    "a withdrawal": (lambda p, _: consent(p, 1, "withdrawn", SOON), "raw"),
    "an imported withdrawal": (lambda _, h: imported(h), "raw"),
    "an objection": (lambda p, _: consent(p, 1, "objected", SOON), "interests"),
    "a balancing test": (lambda p, _: tested(p), "interests"),
    "a restricted example": (lambda _, h: contested(h), "filtered"),
    "a restricted person": (lambda _, h: restricted(h), "raw"),
    "a suppressed content": (lambda _, h: suppressed(h), "raw"),
    "a held person": (lambda _, h: held(h, by_person(h, 3)), "raw"),
    "a held batch": (lambda _, h: held(h, on_batch(h, "interests")), "interests"),
    "a held dataset": (lambda _, h: held(h, on_dataset(h, "bare")), "bare"),
    "a held version": (lambda _, h: held(h, on_dataset(h, "raw", 1)), "mixed"),
    "a verified licence": (lambda _, h: verified(h, "license", "LicenseRef-none"), "raw"),
    "a reservation": (lambda p, _: reserved(p), "raw"),
    "a batch said again": (lambda p, _: said_again(p), "interests"),
    "an input said later": (lambda p, _: read_more(p), "raw"),
    "rows deleted by hand": (lambda _, h: by_hand(h), "raw"),
}


def test_after_a_write_the_kept_answer_is_that_of_judging_anew(
    pipeline: Pipeline, house: House
) -> None:
    before = all_sums(house, house.judgements)
    for name, (happens, changed) in WRITES.items():
        assert all(sums_of(house, house.judgements, each) is before[each] for each in DATASETS)
        happens(pipeline, house)
        after = all_sums(house, house.judgements)
        assert after == all_sums(house, judgements_of(house)), name
        assert after[changed] != before[changed], name
        before = after


def test_what_is_lifted_is_noticed_as_well(house: House) -> None:
    hold = held(house, by_person(house, 1))
    restriction, suppression = restricted(house), suppressed(house)
    now = house.clock()
    for lift in (
        lambda s: lift_restriction(s, restriction, actor="tests", now=now),
        lambda s: lift_suppression(s, suppression, reason="consent", actor="tests", now=now),
        lambda s: ask_to_lift(s, hold, reason="over", actor="one", now=now),
        lambda s: approve_lift(s, hold, actor="two", now=now),
    ):
        before = sums_of(house, house.judgements)
        write(house, lift)
        assert all_sums(house, house.judgements) == all_sums(house, judgements_of(house))
        assert hold or before
    assert set(sums_of(house, house.judgements).counts) == {0}


def test_a_rotation_hides_nobody(pipeline: Pipeline, house: House) -> None:
    consent(pipeline, 1, "withdrawn", SOON)
    before = all_sums(house, house.judgements)
    rotated(house)
    assert all_sums(house, house.judgements) == before == all_sums(house, judgements_of(house))
    consent(pipeline, 2, "withdrawn", SOON)
    after = all_sums(house, house.judgements)
    assert after == all_sums(house, judgements_of(house))
    assert after["raw"] != before["raw"]


def test_a_batch_that_is_bound_later_is_noticed(pipeline: Pipeline, house: House) -> None:
    data = parquet(examples(5))
    keep = RowMap.take(np.arange(5, dtype=np.uint32), ROWS).to_bytes()
    maps = [mapped([("raw", "b1")], digest_of(keep))]
    pipeline.run("late", writes=[written("late", "b1", examples=digest_of(data), license="MIT")])
    pipeline.run("some", reads=["raw"], writes=[written("some", "b1", maps=maps)])
    for dataset, sent_data, kind in (("late", data, "examples"), ("some", keep, "row_map")):
        pending = sums_of(house, house.judgements, dataset)
        assert sums_of(house, house.judgements, dataset) is pending
        assert pipeline.put(sent_data, kind).status_code == 201
        pipeline.settle()
        bound = sums_of(house, house.judgements, dataset)
        assert bound == sums_of(house, judgements_of(house), dataset)
        assert (set(pending.counts), bound.counts) == ({bit(Rule.LINEAGE, CANNOT_TELL)}, {0: 5})


def test_time_alone_ends_what_is_kept(pipeline: Pipeline, house: House) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    chance = random.Random(5)

    def moment() -> datetime:
        return start + timedelta(minutes=chance.randrange(4_000))

    for number in range(4):
        for status in ("given", "withdrawn", "renewed", "invalidated", "objected"):
            at = moment()
            ends = at + timedelta(minutes=chance.randrange(1, 900))
            until = ends if status in ("given", "renewed") else None
            consent(pipeline, number, status, at, expires_at=until)
    house_now = house.clock()
    for days in (1, 2):
        held(house, by_person(house, days), until=max(moment(), house_now + timedelta(days=days)))
    suppressed(house, until=moment())
    different = set()
    for _ in range(120):
        at = moment()
        kept = sums_of(house, house.judgements, at=at)
        assert kept == sums_of(house, judgements_of(house), at=at), at
        different.add(tuple(sorted(kept.counts.items())))
    assert len(different) > 5


def test_the_end_of_a_consent_is_exact(pipeline: Pipeline, house: House) -> None:
    end = datetime(2026, 7, 1, tzinfo=UTC)
    consent(pipeline, 1, "given", SOON, expires_at=end)
    before = sums_of(house, house.judgements, at=datetime(2026, 5, 1, tzinfo=UTC))
    last = end - timedelta(microseconds=1)
    assert sums_of(house, house.judgements, at=last) is before
    assert sums_of(house, house.judgements, at=end) != before
    # A question about the past does not push out the answer for today, nor is it answered by it.
    assert sums_of(house, house.judgements, at=last) is before
    old = sums_of(house, house.judgements, at=datetime(2025, 1, 1, tzinfo=UTC))
    assert old == sums_of(house, judgements_of(house), at=datetime(2025, 1, 1, tzinfo=UTC))
    assert old != before
    assert sums_of(house, house.judgements, at=last) is before


def test_a_second_process_notices(pipeline: Pipeline, house: House) -> None:
    other = open_house(house.settings, clock=house.clock)
    try:
        # Who opens the index for the first question cannot say of which version it was.
        before = sums_of(other, judgements_of(other))
        assert sums_of(other, other.judgements) == before
        before = sums_of(other, other.judgements)
        assert sums_of(other, other.judgements) is before
        consent(pipeline, 1, "withdrawn", SOON)
        assert sums_of(other, other.judgements) == sums_of(house, judgements_of(house)) != before
    finally:
        close_house(other)


def withdrawal(house: House, number: int) -> Callable[[Session], object]:
    said = ConsentSaid("email", person(number), "model_training", "withdrawn", SOON)
    purposes = house.policies.current().purposes

    def work(session: Session) -> object:
        now = house.clock()
        return record_consents(session, house.keyring, purposes, [said], actor="tests", now=now)

    return work


def test_what_is_committed_later_counts_from_then_on(house: House) -> None:
    first = sums_of(house, house.judgements)
    with begun(house, withdrawal(house, 1)):
        meanwhile = sums_of(house, house.judgements)
        assert meanwhile == first
        if not house.database.is_sqlite:
            # A later transaction is visible first: the one that is open still counts when it ends.
            write(house, withdrawal(house, 2))
            between = sums_of(house, house.judgements)
            assert between != first
            assert sums_of(house, house.judgements) is between
    last = sums_of(house, house.judgements)
    assert last == sums_of(house, judgements_of(house))
    assert last != meanwhile


def test_what_was_rolled_back_changes_nothing(house: House) -> None:
    before = sums_of(house, house.judgements)
    with pytest.raises(ZeroDivisionError), begun(house, withdrawal(house, 1)):
        raise ZeroDivisionError
    assert sums_of(house, house.judgements) is before


def test_runs_without_batches_end_nothing(pipeline: Pipeline, house: House) -> None:
    with house.database.read() as session:
        before = read_revision(session)
    plain = {"_producer": "https://example.org", "_schemaURL": "https://example.org/s.json"}
    schema = {"schema": {**plain, "fields": [{"name": "id", "type": "BIGINT"}]}}
    for _ in range(2):
        pipeline.run(
            "plain",
            reads=["raw"],
            writes=[{"namespace": "file://lake", "name": f"t-{uuid.uuid4()}", "facets": schema}],
        )
    with house.database.read() as session:
        assert read_revision(session) == before


def test_without_a_trigger_nothing_is_kept(pipeline: Pipeline, house: House) -> None:
    on = "" if house.database.is_sqlite else " ON consent_event"
    write(
        house,
        lambda s: s.connection().exec_driver_sql(f"DROP TRIGGER watch_consent_event_insert{on}"),
    )
    judgements = judgements_of(house)
    before = sums_of(house, judgements)
    assert sums_of(house, judgements) is not before
    consent(pipeline, 1, "withdrawn", SOON)
    assert sums_of(house, judgements) != before


def test_every_table_that_is_watched_has_its_triggers(house: House) -> None:
    with house.database.read() as session:
        assert missing_triggers(session, WATCHED) == []
        if house.database.is_sqlite:
            query = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
            there = list(session.execute(query).scalars())
            wanted = [sql for sql in watch("sqlite", WATCHED) if sql.startswith("CREATE")]
            assert sorted(there) == sorted(wanted)


def test_every_table_that_is_read_is_watched(house: House) -> None:
    if not house.database.is_sqlite:
        pytest.skip("SQLite's authorizer tells what is read; the queries are the same.")
    held(house, on_dataset(house, "raw"), on_dataset(house, "raw", 1), by_person(house, 1))
    suppressed(house)
    restricted(house)
    verified(house, "origin", "licensed")
    read: set[str] = set()

    def note(action: int, table: str | None, *_: object) -> int:
        if action == SQLITE_READ and table is not None:
            read.add(table)
        return 0

    def prepare(connection: Any, _entry: object) -> None:
        connection.set_authorizer(note)

    subjects = [subject_of(house, name) for name in DATASETS]
    policies = house.policies.current()
    question = question_of(policies, "model_training", house.clock(), region="eu-west-1")
    database = Database(house.settings.database)
    event.listen(database.engine, "connect", prepare)
    try:
        judgements = Judgements(database, house.ledger, house.sweep)
        for subject in subjects:
            judgements.sums(policies, question, subject)
    finally:
        database.close()
    own = {name for name in read if not name.startswith(("sqlite_", "json_"))}
    watched = {each.table for each in WATCHED}
    # The keyring reads its tables itself, when their revision changed.
    assert own - watched - set(CONSTANT) == set()
    assert watched - own == {"key_version"}, "named as watched, and not read in this test"


def test_an_answer_is_kept_for_its_span_and_under_its_mark() -> None:
    kept: Kept[str] = Kept(10)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    day = timedelta(days=1)
    kept.put("q", 1, Span(start, start + day), "first", 1)
    kept.put("q", 1, Span(start + 2 * day, None), "second", 1)
    assert kept.get("q", start, 1) == "first"
    assert kept.get("q", start + day, 1) is None
    assert kept.get("q", start + 9 * day, 1) == "second"
    assert kept.get("q", start - day, 1) is None
    assert kept.get("q", start, 2) is None
    assert kept.get("r", start, 1) is None
    kept.put("q", 2, Span(start, None), "third", 1)
    assert kept.get("q", start, 1) is None
    kept.put("r", 1, Span(start, None), "large", 10)
    assert kept.get("q", start, 2) is None
    assert kept.get("r", start, 1) == "large"
    kept.put("s", 1, Span(start, None), "too large", 11)
    assert kept.get("s", start, 1) is None
