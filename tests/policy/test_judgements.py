"""Kept sums say what judging anew says: after every kind of write, at every moment, in every process."""

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
from registry.keys.subjects import new_subject_key
from registry.keys.tables import Purpose
from registry.ledger.rowmap import RowMap
from registry.policy.judgements import Judgements
from registry.policy.kept import Kept, Span
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
from registry.storage.revisions import missing_triggers, read_revision, watch
from tests.ledger.pipelines import Pipeline, digest_of, facet, mapped, written
from tests.live import LiveServer
from tests.policy.asking import collect, consent, examples, person
from tests.policy.keeping import (
    DATASETS,
    PEOPLE,
    ROWS,
    all_sums,
    begun,
    fill,
    judgements_of,
    subject_of,
    sums_of,
    write,
)

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


def batch_of(house: House, dataset: str = "raw") -> int:
    with house.database.read() as session:
        query = text(
            "SELECT b.number FROM batch b JOIN dataset d ON d.id = b.dataset_id WHERE d.name = :name"
        )
        return int(session.execute(query, {"name": dataset}).scalars().first() or 0)


def key_of(house: House, number: int) -> tuple[bytes, int]:
    from registry.keys.identifiers import Scheme

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
        return suppress(
            session, digests=[content], basis=basis, actor="tests", now=house.clock()
        )[0]

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


def sent(pipeline: Pipeline, path: str, **body: Any) -> None:
    answer = pipeline.client.post(path, json=body)
    assert answer.status_code < 300, answer.text


def reserved(pipeline: Pipeline) -> None:
    signal = {"protocol": "robots", "seenAt": "2026-01-01T00:00:00Z", "reserved": True}
    rights = {"registry_rights": facet("registry_rights", optOut=[signal])}
    pipeline.run(
        "look", writes=[{"namespace": "file://lake", "name": "raw", "facets": rights}]
    )


def said_again(pipeline: Pipeline) -> None:
    """The run that collected says something else of its batch, later."""
    said = {"legalBasis": "consent", "license": "LicenseRef-other", "personalData": "personal"}
    digest = pipeline.upload_examples(examples(ROWS, PEOPLE))
    pipeline.run(
        "collect-raw-b1",
        run=pipeline.runs["collect-raw-b1"],
        writes=[written("raw", "b1", examples=digest, **said)],
    )


def mapped_later(pipeline: Pipeline) -> None:
    keep = np.arange(7, dtype=np.uint32)
    maps = [mapped([("raw", "b1")], pipeline.upload_map(RowMap.take(keep, ROWS)))]
    pipeline.run(
        "mix", run=pipeline.runs["mix"], reads=["raw"], writes=[written("mixed", "b1", maps=maps)]
    )
    pipeline.settle()


def by_hand(house: House) -> None:
    write(house, lambda s: s.connection().exec_driver_sql("DELETE FROM consent_event"))


#: What may happen, and the dataset whose answer it changes.
WRITES: dict[str, tuple[Callable[[Pipeline, House], object], str]] = {
    "a withdrawal": (lambda p, _: consent(p, 1, "withdrawn", SOON), "raw"),
    "an objection": (lambda p, _: consent(p, 1, "objected", SOON), "interests"),
    "an imported withdrawal": (lambda _, h: imported(h), "raw"),
    "a held batch": (
        lambda _, h: held(h, Item(ItemKind.BATCH, batch_number=batch_of(h))),
        "filtered",
    ),
    "a held dataset": (
        lambda _, h: held(
            h, Item(ItemKind.DATASET, dataset_id=subject_of(h, "raw").dataset.id)
        ),
        "raw",
    ),
    "a held version": (
        lambda _, h: held(
            h, Item(ItemKind.VERSION, dataset_id=subject_of(h, "raw").dataset.id, number=1)
        ),
        "raw",
    ),
    "a held person": (lambda _, h: held(h, by_person(h, 2)), "raw"),
    "a restricted example": (
        lambda _, h: write(
            h,
            lambda s: restrict_examples(
                s,
                [Marked(batch_of(h), np.array([4], np.uint32))],
                reason="contested",
                actor="tests",
                now=h.clock(),
            ),
        ),
        "filtered",
    ),
    "a restricted person": (lambda _, h: restricted(h), "raw"),
    "a suppressed content": (lambda _, h: suppressed(h), "raw"),
    "a verified licence": (lambda _, h: verified(h, "license", "LicenseRef-none"), "raw"),
    "a verified legal basis": (lambda _, h: verified(h, "legal_basis", "contract"), "raw"),
    "a balancing test": (
        lambda p, _: sent(
            p,
            "/api/v1/activities",
            name="training",
            purposes=["model_training"],
            legal_basis="legitimate_interests",
            balancing_test="LIA-7",
        ),
        "interests",
    ),
    "a reservation": (lambda p, _: reserved(p), "raw"),
    "a batch said again": (lambda p, _: said_again(p), "raw"),
    "a map that came later": (lambda p, _: mapped_later(p), "mixed"),
    "rows deleted by hand": (lambda _, h: by_hand(h), "raw"),
}


@pytest.mark.parametrize("name", WRITES)
def test_after_a_write_the_kept_answer_is_that_of_judging_anew(
    pipeline: Pipeline, house: House, name: str
) -> None:
    happens, changed = WRITES[name]
    before = all_sums(house, house.judgements)
    assert all(sums_of(house, house.judgements, each) is before[each] for each in DATASETS)
    happens(pipeline, house)
    after = all_sums(house, house.judgements)
    assert after == all_sums(house, judgements_of(house))
    assert after[changed] != before[changed]


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
    late = pa.table({"example_id": ["late"], "content": ["late"]})
    from tests.ledger.pipelines import parquet

    data = parquet(late)
    pipeline.run("late", writes=[written("late", "b1", examples=digest_of(data), license="MIT")])
    pending = sums_of(house, house.judgements, "late")
    assert sums_of(house, house.judgements, "late") is pending
    assert pipeline.put(data, "examples").status_code == 201
    pipeline.settle()
    bound = sums_of(house, house.judgements, "late")
    assert bound == sums_of(house, judgements_of(house), "late")
    assert (set(pending.counts), set(bound.counts)) == ({1 << 14}, {0})


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
        return record_consents(
            session, house.keyring, purposes, [said], actor="tests", now=now
        )

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
    batch = batch_of(house)
    dataset = subject_of(house, "raw").dataset.id
    held(house, Item(ItemKind.VERSION, dataset_id=dataset, number=1))
    held(house, Item(ItemKind.DATASET, dataset_id=dataset), by_person(house, 1))
    suppressed(house)
    restricted(house)
    verified(house, "origin", "licensed")
    assert batch
    read: set[str] = set()

    def note(_action: int, table: str | None, *_: object) -> int:
        if _action == 20 and table is not None:  # SQLITE_READ
            read.add(table)
        return 0

    def prepare(connection: Any, _entry: object) -> None:
        connection.set_authorizer(note)

    subjects = {name: subject_of(house, name) for name in DATASETS}
    house.database.engine.dispose()
    event.listen(house.database.engine, "connect", prepare)
    judgements: Judgements = judgements_of(house)
    policies = house.policies.current()
    from registry.policy.policy_set import question_of

    question = question_of(policies, "model_training", house.clock(), region="eu-west-1")
    for subject in subjects.values():
        judgements.sums(policies, question, subject)
    own = {name for name in read if not name.startswith(("sqlite_", "json_"))}
    watched = {each.table for each in WATCHED}
    assert own - watched - set(CONSTANT) == set()
    assert watched - own == set(), "named as watched, and not read in this test"


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
