"""Entries that say something of a person lose their payload; those of the erasure keep theirs."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.redaction import find_mentions, redact_mentions
from registry.audit.tables import ENTRY
from registry.client.http import HttpClient
from registry.ledger.read_entries import marks_of
from registry.request import House
from tests.audit.logs import ACTOR, Site

KEY = "9f86d081884c7d659a2feaa0c55ad015"
SAID = {
    "as a value": {"subject": KEY},
    "inside a value": {"about": f"subject {KEY}, again"},
    "deep in a list": {"subjects": [{"key": KEY}, "other"]},
    "as a name": {KEY: 3},
    "a short id": {"example": 'e"7'},
}
OTHERS = {
    "another": {"subject": KEY[::-1]},
    "a longer id": {"example": 'e"77'},
    "of the case itself": {"under": "case 1", "subject": KEY},
    "nothing": {},
}


def write(site: Site) -> None:
    every = [*SAID.values(), *OTHERS.values()]
    with site.database.write() as session:
        made = [Entry(EntryKind.EXAMPLE_TRACED, ACTOR, each) for each in every]
        append_entries(session, made, at=site.clock())


def left(site: Site) -> list[bool]:
    with site.database.read() as session:
        traced = ENTRY.c.kind == EntryKind.EXAMPLE_TRACED
        query = select(ENTRY.c.payload).where(traced).order_by(ENTRY.c.id)
        return [payload is not None for payload in session.execute(query).scalars()]


def redact(site: Site) -> int:
    return redact_mentions(
        site.database, {KEY, 'e"7', ""}, under="case 1", actor=ACTOR, now=site.clock()
    )


def test_what_mentions_a_text_is_redacted_and_nothing_else(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.audit.redaction._PAGE", 2)
    write(site)
    assert redact(site) == len(SAID)
    assert left(site) == [False] * len(SAID) + [True] * len(OTHERS)
    assert redact(site) == 0
    assert [*find_mentions(site.database, set(), under="case 1")] == []
    site.log().catch_up()
    assert len(site.check()) > len(SAID) + len(OTHERS)


def test_a_break_leaves_a_log_that_the_next_call_finishes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site)
    monkeypatch.setattr("registry.audit.redaction._AT_ONCE", 2)
    transact = site.database.transact
    calls = []

    def breaking(work: object) -> object:
        calls.append(work)
        if len(calls) == 2:
            raise RuntimeError("broken")
        return transact(work)  # type: ignore[arg-type]

    monkeypatch.setattr(site.database, "transact", breaking)
    with pytest.raises(RuntimeError):
        redact(site)
    monkeypatch.setattr(site.database, "transact", transact)
    assert sum(left(site)) == len(SAID) - 2 + len(OTHERS)
    assert redact(site) == len(SAID) - 2


def test_reads_of_a_person_and_an_example_are_found_by_their_marks(
    house: House, admin: HttpClient
) -> None:
    for who in ("ada@example.org", "bob@example.org"):
        subject = {"scheme": "email", "value": who}
        admin.post("/api/v1/subjects/locate", {"subject": subject})
    marks = marks_of(house.ledger.digests, [("email", "ADA@example.org")], ["ex-1"])
    assert len(marks) == 2
    pages = find_mentions(house.database, marks, under="case 1")
    assert sum(map(len, pages)) == 1
    count = redact_mentions(
        house.database, marks, under="case 1", actor="system", now=house.clock()
    )
    assert count == 1
    house.audit.catch_up()
