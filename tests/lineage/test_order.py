"""The order of arrival changes nothing but what is allotted, and a rebuild changes nothing at all.

The property of DESIGN §1.1 and §1.3, over generated histories: the events of a few runs, jobs and
datasets, fed one by one, then permuted, partly twice and in groups of any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from registry.lineage.ingest import AHEAD_MICROS
from registry.moments import to_micros
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.histories import CLAIMS, Sent, histories, shuffled
from tests.lineage.intake import Intake
from tests.lineage.making import NOON, Json, batch, dataset, facet, run_event
from tests.stores import ALLOTTED, Dump, Row, dump, dump_projected, dump_verdicts, empty

Kept = tuple[Dump, list[Row]]


@pytest.fixture
def intake(database: Database) -> Iterator[Intake]:
    with Intake(database, FrozenClock(), CLAIMS).open() as opened:
        yield opened


def feed(intake: Intake, groups: list[list[Sent]]) -> Kept:
    """What stands in the catalog and the log after an empty registry took these groups."""
    empty(intake.database)
    for group in groups:
        intake.take_sent(group)
    return dump_projected(intake.database), dump_verdicts(intake.database)


def check_history(database: Database, history: list[Sent], groups: list[list[Sent]]) -> None:
    """Hold one history to the property."""
    with Intake(database, FrozenClock(), CLAIMS).open() as intake:
        straight = feed(intake, [[sent] for sent in history])
        other = feed(intake, groups)
        note(f"groups: {[[event for event, _ in group] for group in groups]}")
        assert other[1] == straight[1]
        assert other[0] == straight[0]
        allotted = dump(database, ALLOTTED)
        intake.rebuild()
        assert dump_projected(database) == straight[0]
        assert dump(database, ALLOTTED) == allotted


def test_any_order_of_arrival_gives_the_same_catalog(database: Database) -> None:
    usual = settings().max_examples

    @settings(max_examples=3 * usual // 2 if database.is_sqlite else usual // 4)
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        history = data.draw(histories)
        check_history(database, history, data.draw(shuffled(history)))

    holds()


@pytest.fixture
def two_writers(postgres_database: Database) -> Iterator[tuple[Intake, Intake]]:
    """Two replicas of the registry on one database."""
    database = postgres_database
    with (
        Intake(database, FrozenClock(), CLAIMS).open() as first,
        Intake(database, FrozenClock(), CLAIMS).open() as second,
    ):
        yield first, second


def test_two_writers_at_once_give_the_same_catalog(two_writers: tuple[Intake, Intake]) -> None:
    first, second = two_writers

    @settings(max_examples=settings().max_examples // 5, phases=[Phase.generate])
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        history = data.draw(histories)
        groups = data.draw(shuffled(history))
        straight = feed(first, [[sent] for sent in history])
        empty(first.database)
        # Both take every group, from opposite ends: they meet in the middle and repeat.
        at_once(
            lambda: [first.take_sent(group) for group in groups],
            lambda: [second.take_sent(group) for group in reversed(groups)],
        )
        assert dump_verdicts(first.database) == straight[1]
        assert dump_projected(first.database) == straight[0]

    holds()


def test_two_writers_at_once_agree_whose_run_it_is(two_writers: tuple[Intake, Intake]) -> None:
    first, second = two_writers
    for run in range(1, 31):
        mine, yours = (
            run_event(
                run=run,
                minute=run,
                job=("etl", name),
                outputs=[dataset("clean", "lake", output_facets=batch("a"))],
            )
            for name in ("load", "clean")
        )
        at_once(
            lambda event=mine: first.take(event, project="ours"),
            lambda event=yours: second.take(event, project="ours"),
        )
    states = Counter(state for _, _, state, _, _, _ in dump_verdicts(first.database))
    assert states == {"projected": 30, "quarantined": 30}
    projected = dump_projected(first.database)
    first.rebuild()
    assert dump_projected(first.database) == projected


def test_a_clock_fifty_years_ahead_wins_nothing(intake: Intake) -> None:
    clock = intake.clock
    fifty_years = to_micros(clock.now) // 60_000_000 - to_micros(NOON) // 60_000_000 + 26_298_000

    def said(minute: float, text: str, event_type: str) -> Json:
        facets = {"documentation": facet(description=text)}
        return run_event(event_type, minute=minute, job_facets=facets)

    (ahead,) = intake.take(said(fifty_years, "from the future", "COMPLETE"))
    assert ahead.event.warnings[0].code == "clock_ahead"
    assert ahead.effective == to_micros(clock.now) + AHEAD_MICROS
    clock.advance(minutes=6)
    now = (to_micros(clock.now) - to_micros(NOON)) / 60_000_000
    intake.take(said(now, "from today", "FAIL"))
    projected = dump_projected(intake.database)
    assert "from today" in repr(projected["job_facet"])
    assert "from the future" not in repr(projected["job_facet"])
    assert "FAILED" in repr(projected["run"])


def at_once(*works: Callable[[], object]) -> None:
    """Do several things on threads that start together."""
    start = Barrier(len(works))

    def begin(work: Callable[[], object]) -> None:
        start.wait(timeout=60)
        work()

    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(begin, work) for work in works]:
            done.result(timeout=60)
