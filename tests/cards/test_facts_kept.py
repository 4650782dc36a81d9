"""What is kept of a version follows from watched tables alone, and from no order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from sqlite3 import SQLITE_READ
from typing import Any

import pytest
from sqlalchemy import event

from registry.cards.facts.keeping import read_ground
from registry.cards.facts.world import Parts, find_target
from registry.cards.values import CardFacts, Fact
from registry.catalog.names import dataset_id
from registry.client.http import HttpClient
from registry.policy.watched import CONSTANT, WATCHED
from registry.request import House
from registry.storage.database import Database
from tests.cards.lake import (
    STORY,
    crawl,
    dreamt,
    fetch,
    filled,
    filtered,
    first_model,
    seed,
    together,
    trained,
)
from tests.cards.reading import facts_of
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE


def test_what_is_kept_is_read_from_watched_tables_alone(house: House, admin: HttpClient) -> None:
    if not house.database.is_sqlite:
        pytest.skip("SQLite's authorizer tells what is read; the queries are the same.")
    filled(house, admin)
    parts = Parts(house.ledger, house.policies.current())
    read: set[str] = set()

    def note(action: int, table: str | None, *_: object) -> int:
        if action == SQLITE_READ and table is not None:
            read.add(table)
        return 0

    def prepare(connection: Any, _entry: object) -> None:
        connection.set_authorizer(note)

    database = Database(house.settings.database)
    try:
        with database.read() as session:
            target = find_target(session, dataset_id(NAMESPACE, "corpus"), 1)
        event.listen(database.engine, "connect", prepare)
        database.engine.dispose()
        with database.read() as session:
            read_ground(session, parts, target)
    finally:
        database.close()
    own = {name for name in read if not name.startswith(("sqlite_", "json_"))}
    assert own, "the authorizer saw nothing"
    assert own - {each.table for each in WATCHED} - set(CONSTANT) == set()


def said(fact: Fact) -> Fact:
    """A fact without the places of its evidence in the log, which do depend on arrival."""
    evidence = tuple(replace(each, audit_index=None) for each in fact.evidence)
    return replace(fact, evidence=evidence)


#: Another order; who reads still comes after what it reads, or nobody knows which version it read.
OTHERWISE = (seed, fetch, first_model, dreamt, crawl, filtered, together, trained)


def told_in(
    order: Sequence[Callable[[HttpClient], None]], house: House, client: HttpClient
) -> dict[str, CardFacts]:
    """The facts of the lake whose parts were told of in this order."""
    for tell in order:
        tell(client)
    work_off(house)
    return {name: facts_of(house, name) for name in ("web", "clean", "corpus", "net")}


@pytest.fixture
def other_house(tmp_path_factory: pytest.TempPathFactory, house: House) -> Any:
    """A second, empty registry on SQLite, with the clock of the first."""
    from registry.app import create_app
    from registry.client.inprocess import InProcessTransport
    from tests.live import open_registry
    from tests.stores import settings_on

    home = tmp_path_factory.mktemp("other")
    with open_registry(settings_on("", home), clock=house.clock) as opened:
        app = create_app(
            opened.house.settings, clock=house.clock, house=opened.house, background=False
        )
        transport = InProcessTransport(app, app.router.lifespan_context(app))
        client = HttpClient("http://registry.test", opened.token, transport=transport)
        yield opened.house, client
        transport.close()


def test_the_order_of_arrival_changes_no_fact(
    house: House, admin: HttpClient, other_house: tuple[House, HttpClient]
) -> None:
    first = told_in(STORY, house, admin)
    second = told_in(OTHERWISE, *other_house)
    for name, facts in first.items():
        other = second[name]
        assert facts.about == other.about
        for each in facts.facts:
            # Who may read differs between the two: they have other accounts.
            if each != "access.roles":
                assert said(facts[each]) == said(other[each]), f"{name}: {each}"
