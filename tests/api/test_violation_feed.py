"""Violations can be followed: as JSON Feed or Atom, in pages, by right, and only when changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from registry.api.feeds import ATOM, JSON_FEED, is_known, wanted_type
from registry.catalog.names import dataset_id
from registry.client.http import HttpClient
from registry.request import House
from registry.rights.violations import Breach, raise_violation
from tests.api.town import Town, furnish, open_town
from tests.clock import FrozenClock

PATH = "/api/v1/violations/feed"
NAMES = {"a": "http://www.w3.org/2005/Atom"}


def raised(house: House, number: int, **said: Any) -> None:
    with house.database.write() as session:
        breach = Breach(f"kind_{number % 2}", f"same/{number}", f"Detail {number}.", **said)
        raise_violation(session, breach, actor="system", now=house.clock())


def asked(client: HttpClient, path: str = PATH, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    # The client itself takes nothing but 2xx, and no query within a path.
    return client._http.get(path, headers=named)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON_FEED),
        ("*/*", JSON_FEED),
        ("text/html", JSON_FEED),
        ("application/atom+xml", ATOM),
        ("application/xml", ATOM),
        ("application/feed+json, application/atom+xml;q=0.9", JSON_FEED),
        ("application/json;q=0.5, application/atom+xml", ATOM),
        ("application/atom+xml;q=0", JSON_FEED),
        ("application/atom+xml;q=a lot, */*", JSON_FEED),
        ("application/atom+xml, application/feed+json", ATOM),
        (";;,,q=", JSON_FEED),
    ],
)
def test_the_form_is_the_one_that_accept_prefers(accept: str | None, expected: str) -> None:
    assert wanted_type(accept) == expected


def test_a_tag_is_known_weak_or_strong_or_by_star() -> None:
    assert is_known('"a"', 'W/"a"')
    assert is_known('"a"', '"b", "a"')
    assert is_known('"a"', "*")
    assert not is_known('"a"', '"b"')
    assert not is_known('"a"', None)


def test_a_json_feed_leads_through_every_violation_once(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    for number in range(5):
        raised(house, number)
        frozen_clock.advance(minutes=1)
    found: list[str] = []
    path: str | None = f"{PATH}?limit=2"
    while path is not None:
        answer = asked(admin, path)
        assert answer.headers["content-type"] == JSON_FEED
        feed = answer.json()
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["feed_url"].endswith(path.removeprefix("http://registry.test"))
        found += [item["content_text"] for item in feed["items"]]
        following = feed.get("next_url")
        path = None if following is None else following.removeprefix("http://registry.test")
    assert found == [f"Detail {number}." for number in reversed(range(5))]
    (item, *_) = asked(admin).json()["items"]
    listed = admin.get("/api/v1/violations")["violations"][0]
    assert item["_registry"] == listed
    assert item["id"] == f"urn:uuid:{listed['id']}"
    assert item["url"] == f"http://registry.test/api/v1/violations/{listed['id']}"
    assert item["tags"] == ["kind_0", "open"]
    only = asked(admin, f"{PATH}?kind=kind_1&state=open").json()["items"]
    assert [each["title"] for each in only] == ["Kind 1", "Kind 1"]


def test_an_atom_feed_says_the_same_and_is_sound_xml(
    admin: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    empty = Xml.fromstring(asked(admin, Accept=ATOM).content)
    assert empty.findtext("a:updated", namespaces=NAMES) == "1970-01-01T00:00:00.000000Z"
    with house.database.write() as session:
        odd = Breach("odd", "odd/1", "A <name> & \x01 ]]> \ud7ff \U0001f600.")
        raise_violation(session, odd, actor="system", now=house.clock())
    frozen_clock.advance(minutes=1)
    raised(house, 1)
    answer = asked(admin, f"{PATH}?limit=1", Accept=ATOM)
    assert answer.headers["content-type"].startswith(ATOM)
    feed = Xml.fromstring(answer.content)
    links = {link.get("rel"): link.get("href") for link in feed.findall("a:link", NAMES)}
    following = str(links["next"]).removeprefix("http://registry.test")
    older = Xml.fromstring(asked(admin, following, Accept=ATOM).content)
    (entry,) = older.findall("a:entry", NAMES)
    expected = "A <name> & \ufffd ]]> \ud7ff \U0001f600."
    assert entry.findtext("a:content", namespaces=NAMES) == expected
    assert [c.get("term") for c in entry.findall("a:category", NAMES)] == ["odd", "open"]
    for name in ("id", "title", "updated", "published"):
        assert entry.findtext(f"a:{name}", namespaces=NAMES)
    assert older.find("a:link[@rel='next']", NAMES) is None


@pytest.mark.parametrize("accept", [JSON_FEED, ATOM])
def test_a_page_that_did_not_change_is_not_sent_again(
    admin: HttpClient, house: House, frozen_clock: FrozenClock, accept: str
) -> None:
    raised(house, 1)
    first = asked(admin, Accept=accept)
    again = asked(admin, Accept=accept, If_None_Match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "Accept" in first.headers["vary"]
    frozen_clock.advance(days=1)
    violation = admin.get("/api/v1/violations")["violations"][0]["id"]
    admin.post(f"/api/v1/violations/{violation}/acknowledge")
    changed = asked(admin, Accept=accept, If_None_Match=first.headers["etag"])
    assert changed.status_code == 200
    assert b"2026-03-02T09:30:00" in changed.content
    other = ATOM if accept == JSON_FEED else JSON_FEED
    assert asked(admin, Accept=other).headers["etag"] != changed.headers["etag"]


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    with open_town(house) as opened:
        furnish(opened)
        yield opened


def test_the_feed_shows_what_the_list_shows(town: Town) -> None:
    house = town.house
    raised(house, 1, dataset_id=dataset_id("s3://speech", "clean"))
    raised(house, 2, dataset_id=dataset_id("s3://other", "raw"))
    for who in ("auditor", "neighbour", "steward"):
        listed = town.ask(who, "GET", "/api/v1/violations").json()["violations"]
        feed = json.loads(town.ask(who, "GET", PATH).content)
        assert [i["_registry"]["id"] for i in feed["items"]] == [v["id"] for v in listed]
    shown = town.ask("auditor", "GET", PATH).json()["items"]
    assert [item["title"] for item in shown] == ["Kind 1: s3://speech clean"]
    assert town.ask(None, "GET", PATH).status_code == 401
