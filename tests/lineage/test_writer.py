"""The one writer: what waits, what is turned away, what goes wrong, and that it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

import pytest
from sqlmodel import Session

from registry.actors.claims import Claims
from registry.errors import OverloadedError
from registry.lineage.events import read_event
from registry.lineage.ingest import Arrival, Sender
from registry.lineage.tables import EventState, QuarantineReason
from registry.lineage.writer import EventWriter
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.intake import claims_of
from tests.lineage.making import Json, dataset, encoded, facet, run_event
from tests.stores import dump_verdicts

WAIT_SECONDS = 30.0


def arrival(event: Json) -> Arrival:
    return Arrival(read_event(encoded(event)), Sender("tests", "default"))


class Gate:
    """Lets the writer read its claims, or keeps it waiting in the middle of a transaction."""

    def __init__(self) -> None:
        self.reached, self.open = Event(), Event()
        self.open.set()

    def read_claims(self, _session: Session) -> Claims:
        self.reached.set()
        assert self.open.wait(WAIT_SECONDS)
        return claims_of()

    def close(self) -> None:
        self.open.clear()
        self.reached.clear()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def writer(emptied_database: Database, gate: Gate) -> Iterator[EventWriter]:
    made = EventWriter(
        emptied_database, clock=FrozenClock(), read_claims=gate.read_claims, queue_limit=3
    )
    made.start()
    yield made
    gate.open.set()
    made.stop()


def test_what_waits_while_a_group_is_written_is_the_next_group(
    writer: EventWriter, gate: Gate
) -> None:
    gate.close()
    first = writer.submit([arrival(run_event(run=1))])
    assert gate.reached.wait(WAIT_SECONDS)
    rest = [writer.submit([arrival(run_event(run=n))]) for n in (2, 3, 4)]
    assert writer.waiting == 3
    gate.open.set()
    taken = [future.result(WAIT_SECONDS)[0].event_id for future in (first, *rest)]
    assert taken == sorted(taken)
    assert writer.waiting == 0


def test_when_too_much_waits_the_next_is_turned_away_at_once(
    writer: EventWriter, gate: Gate
) -> None:
    gate.close()
    taken = [writer.submit([arrival(run_event(run=0))])]
    assert gate.reached.wait(WAIT_SECONDS)
    taken += [writer.submit([arrival(run_event(run=n))]) for n in (1, 2, 3)]
    with pytest.raises(OverloadedError) as refused:
        writer.submit([arrival(run_event(run=4))])
    assert "3 events wait, and 3 may." in refused.value.detail
    gate.open.set()
    assert all(future.result(WAIT_SECONDS) for future in taken)
    assert writer.submit([arrival(run_event(run=4))]).result(WAIT_SECONDS)


def test_who_goes_away_while_waiting_is_not_written_for(
    writer: EventWriter, gate: Gate, emptied_database: Database
) -> None:
    gate.close()
    first = writer.submit([arrival(run_event(run=1))])
    assert gate.reached.wait(WAIT_SECONDS)
    gone = writer.submit([arrival(run_event(run=2))])
    assert gone.cancel()
    assert not first.cancel()
    gate.open.set()
    assert first.result(WAIT_SECONDS)
    assert writer.submit([arrival(run_event(run=3))]).result(WAIT_SECONDS)
    assert len(dump_verdicts(emptied_database)) == 2


def test_stopping_writes_what_waits(
    writer: EventWriter, gate: Gate, emptied_database: Database
) -> None:
    gate.close()
    futures = [writer.submit([arrival(run_event(run=n))]) for n in (1, 2, 3)]
    gate.open.set()
    writer.stop()
    assert all(future.done() for future in futures)
    assert len(dump_verdicts(emptied_database)) == 3
    with pytest.raises(OverloadedError):
        writer.submit([arrival(run_event(run=4))])


@contextmanager
def failing_edges(database: Database) -> Iterator[None]:
    """A database that refuses every explicit edge, as if a constraint of ours were wrong."""
    if database.is_sqlite:
        made = ["CREATE TRIGGER broken BEFORE INSERT ON edge BEGIN SELECT RAISE(ABORT, 'no'); END"]
        unmade = ["DROP TRIGGER broken"]
    else:
        made = [
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no'; END $$",
            "CREATE TRIGGER broken BEFORE INSERT ON edge FOR EACH ROW EXECUTE FUNCTION broken()",
        ]
        unmade = ["DROP TRIGGER broken ON edge", "DROP FUNCTION broken"]
    run_all(database, made)
    try:
        yield
    finally:
        run_all(database, unmade)


def run_all(database: Database, statements: list[str]) -> None:
    with database.write() as session:
        for statement in statements:
            session.connection().exec_driver_sql(statement)


def test_an_event_that_cannot_be_projected_is_kept_alone_and_the_rest_stands(
    writer: EventWriter, emptied_database: Database
) -> None:
    lineage = {"lineage": facet(inputs=[{"type": "DATASET", "namespace": "a", "name": "b"}])}
    bad = run_event(run=2, outputs=[dataset("clean", facets=lineage)])
    with failing_edges(emptied_database):
        group = [arrival(run_event(run=1)), arrival(bad), arrival(run_event(run=3))]
        taken = writer.submit(group).result(WAIT_SECONDS)
    assert [each.state for each in taken] == [
        EventState.PROJECTED,
        EventState.QUARANTINED,
        EventState.PROJECTED,
    ]
    assert taken[1].reason is QuarantineReason.PROJECTION_FAILED
    assert len(dump_verdicts(emptied_database)) == 3


def test_an_error_nobody_thought_of_is_answered_and_the_writer_goes_on(
    emptied_database: Database,
) -> None:
    errors: list[Callable[[], Claims]] = []

    def read_claims(_session: Session) -> Claims:
        return errors.pop()() if errors else claims_of()

    def fail() -> Claims:
        raise RecursionError("deep")

    writer = EventWriter(emptied_database, clock=FrozenClock(), read_claims=read_claims)
    writer.start()
    try:
        # Once as a group, once alone, and once when it is to be kept as failed.
        errors += [fail, fail, fail]
        with pytest.raises(RecursionError):
            writer.submit([arrival(run_event(run=1))]).result(WAIT_SECONDS)
        assert dump_verdicts(emptied_database) == []
        assert writer.submit([arrival(run_event(run=1))]).result(WAIT_SECONDS)
    finally:
        writer.stop()
