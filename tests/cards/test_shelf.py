"""What was read of a version is given again until something is written, or a minute has passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.cards.card import Card, Format, Kind, Revision
from registry.cards.desk import Version, find_version
from registry.cards.shelf import CardShelf, read_mark
from registry.cards.values import CardFacts
from registry.catalog.scope import Scope
from registry.client.http import HttpClient
from registry.files import shipped
from registry.request import House
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.rights.asking import NAMESPACE, write_batch

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def version(house: House) -> Version:
    with house.database.read() as session:
        return find_version(session, NAMESPACE, "raw", 2)


def facts(house: House) -> CardFacts:
    return house.cards.facts(version(house))


def say(client: HttpClient) -> None:
    body = {"namespace": NAMESPACE, "name": "raw", "kind": "citation", "text": "So."}
    client.post("/api/v1/statements", body)


CHANGES: dict[str, Callable[[HttpClient], None]] = {
    "a statement": say,
    "a batch": lambda client: write_batch(client, "raw", "three", minute=2),
    "something elsewhere": lambda client: write_batch(client, "other", "one", minute=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_facts_are_read_anew_once_something_is_written(
    steward: HttpClient, house: House, change: str
) -> None:
    first = facts(house)
    assert facts(house) is first
    CHANGES[change](steward)
    second = facts(house)
    assert second is not first
    assert facts(house) is second


def test_facts_are_read_anew_once_the_log_gives_places(steward: HttpClient, house: House) -> None:
    assert steward
    first = facts(house)
    house.audit.catch_up()
    second = facts(house)
    assert second.digest != first.digest
    house.audit.catch_up()
    assert facts(house).digest == second.digest


def test_facts_are_read_anew_after_a_minute(
    steward: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    assert steward
    first = facts(house)
    frozen_clock.advance(seconds=59)
    assert facts(house) is first
    frozen_clock.advance(seconds=1)
    assert facts(house) is not first


def test_facts_are_kept_for_each_scope_by_itself(steward: HttpClient, house: House) -> None:
    assert steward
    narrow = Scope(frozenset({"another"}))
    first = house.cards.facts(version(house), scope=narrow)
    assert facts(house) is not first
    assert house.cards.facts(version(house), scope=narrow) is first


def test_an_entry_that_is_committed_late_changes_the_mark(postgres_database: Database) -> None:
    entry = Entry(EntryKind.AI_SYSTEM_CHANGED, "tester", {"system": "a"})
    with postgres_database.write() as late:
        append_entries(late, [entry], at=NOW)
        late.flush()
        with postgres_database.write() as early:
            append_entries(early, [replace(entry, payload={"system": "b"})], at=NOW)
        with postgres_database.read() as session:
            before = read_mark(session)
    with postgres_database.read() as session:
        assert read_mark(session) != before


def test_what_a_document_is_made_of_is_its_tag(
    steward: HttpClient, house: House, tmp_path: Path
) -> None:
    assert steward
    shelf = house.shelf
    card = house.cards.card(Kind.DATASET, facts(house))
    published = Revision(1, "sha256:" + "0" * 64, NOW, "ada")
    others: list[tuple[CardShelf, Card, Format]] = [
        (shelf, card, Format.HTML),
        (shelf, card, Format.JSON),
        (shelf, replace(card, kind=Kind.ARTICLE_10), Format.HTML),
        (shelf, replace(card, revision=published), Format.HTML),
        (shelf, replace(card, revision=replace(published, is_overtaken=True)), Format.HTML),
    ]
    (tmp_path / "cards").mkdir()
    text = (shipped("policies") / "cards" / "dataset.yaml").read_text("utf-8")
    (tmp_path / "cards" / "dataset.yaml").write_text(text.replace("Dataset card", "The card"))
    others.append((CardShelf(tmp_path), card, Format.HTML))
    tags = [each.tag_of(of, form) for each, of, form in others]
    assert len(set(tags)) == len(tags)
    assert tags == [each.tag_of(of, form) for each, of, form in others]


def test_what_was_made_is_made_once(house: House) -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"page"

    assert house.shelf.made("tag", make) == house.shelf.made("tag", make) == b"page"
    assert house.shelf.made("other", make) == b"page"
    assert len(made) == 2
