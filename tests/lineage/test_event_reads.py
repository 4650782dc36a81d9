"""Events come back as they were received: in order of time, in pages, by namespace."""

from __future__ import annotations

from typing import Any

import pytest

from registry.catalog.paging import Cut, Page
from registry.errors import InvalidInputError
from registry.lineage import event_reads
from registry.lineage.event_reads import EventsWanted, list_events
from registry.lineage.tables import LineageEvent
from registry.storage.bulk import insert_rows
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.catalog.building import micros, moment

COLUMNS = (
    "digest",
    "received_at",
    "event_time",
    "effective_at",
    "kind",
    "scope_id",
    "namespace",
    "name",
    "account_id",
    "project_id",
    "state",
    "body",
)
#: (body, effective at, namespace, state), in the order of arrival
EVENTS = [
    (b'{"n":1}', 5, "a", "projected"),
    (b'{ "n": 2 }', 3, "b", "projected"),
    (b'{"n":3,"big":9007199254740993}', 5, "a", "projected"),
    (b'{"n":4}', 4, "a", "quarantined"),
    (b'{"n":5}', 9, "lineage", "projected"),
    (b'{"n":6}', 5, "a", "rejected"),
    ('{"n":7,"name":"😀"}'.encode(), 1, "a", "projected"),
]


@pytest.fixture
def log(database: Database) -> Database:
    """A database with EVENTS in its log."""
    rows = [
        (
            bytes([n]) * 32,
            micros(100),
            micros(at),
            micros(at),
            "run",
            b"\x00" * 16,
            namespace,
            "job",
            "account",
            "project",
            state,
            body,
        )
        for n, (body, at, namespace, state) in enumerate(EVENTS)
    ]
    with database.write() as session:
        insert_rows(session, table_of(LineageEvent), COLUMNS, rows)
    return database


def pages(log: Database, limit: int, **wanted: Any) -> tuple[list[bytes], int]:
    found: list[bytes] = []
    cut = Cut(limit)
    while True:
        with log.read() as session:
            page: Page[bytes] = list_events(session, EventsWanted(**wanted), cut)
        found += page.items
        if page.next is None:
            return found, page.total
        cut = Cut(limit, page.next)


def bodies(*numbers: int) -> list[bytes]:
    return [EVENTS[n - 1][0] for n in numbers]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_every_projected_event_comes_once_as_it_was_received(log: Database, limit: int) -> None:
    assert pages(log, limit) == (bodies(5, 3, 1, 2, 7), 5)
    assert pages(log, limit, descending=False) == (bodies(7, 2, 1, 3, 5), 5)


def test_events_are_narrowed_by_time_and_namespace(log: Database) -> None:
    assert pages(log, 10, after=moment(3), before=moment(9)) == (bodies(3, 1, 2), 3)
    assert pages(log, 10, namespace="a") == (bodies(3, 1, 7), 3)
    assert pages(log, 10, namespace="nowhere") == ([], 0)


def test_an_offset_skips(log: Database) -> None:
    with log.read() as session:
        page = list_events(session, EventsWanted(), Cut(2, offset=2))
    assert list(page.items) == bodies(1, 2)


def test_a_page_ends_before_it_weighs_too_much(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reads, "PAGE_BYTES", 20)
    with log.read() as session:
        first = list_events(session, EventsWanted(), Cut(100))
    assert list(first.items) == bodies(5)
    assert first.total == 5
    assert pages(log, 100)[0] == bodies(5, 3, 1, 2, 7)


@pytest.mark.parametrize("cursor", ["x", "WyJqb2JzIiwxXQ"])
def test_a_foreign_cursor_is_refused(log: Database, cursor: str) -> None:
    with log.read() as session, pytest.raises(InvalidInputError) as caught:
        list_events(session, EventsWanted(), Cut(1, cursor))
    assert caught.value.path == "cursor"
