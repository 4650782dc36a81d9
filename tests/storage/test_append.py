"""Many rows at once arrive as they were given, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select

from registry.moments import to_micros
from registry.rights.consent import COLUMNS
from registry.rights.tables import ConsentEvent
from registry.storage.bulk import append_rows, insert_rows
from registry.storage.columns import table_of
from registry.storage.database import Database

EVENT = table_of(ConsentEvent)
AT = to_micros(datetime(2026, 1, 1, tzinfo=UTC))


def row(number: int) -> tuple[object, ...]:
    """An event with every kind of value, and every kind of nothing."""
    ends = AT + number if number % 2 else None
    text = None if number % 3 else "ümläut, \t \\N and a line\nbreak"
    key = number.to_bytes(16, "big")
    return (key, 1, "research", "given", -AT, ends, AT, text, "", None, number % 2, None, "tests")


def test_appended_rows_are_those_that_inserting_gives(database: Database) -> None:
    rows = [row(number) for number in range(300)]
    query = select(*(EVENT.c[name] for name in COLUMNS)).order_by(EVENT.c.id)
    found = []
    for write in (insert_rows, append_rows):
        with database.write() as session:
            session.execute(EVENT.delete())
            write(session, EVENT, COLUMNS, rows)
            append_rows(session, EVENT, COLUMNS, [])
            found.append([tuple(each) for each in session.execute(query)])
    assert found[0] == found[1]
    assert len(found[0]) == 300
