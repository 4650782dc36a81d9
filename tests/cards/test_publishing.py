"""Published cards are signed, numbered and never changed, and say when facts overtook them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from registry.actors.tables import Role
from registry.audit.dsse import read_envelope
from registry.audit.notes import VerifierKey
from registry.audit.tables import ENTRY
from registry.cards import publishing
from registry.cards.card import Kind
from registry.cards.declared import entries
from registry.cards.declared.tables import CardRevision
from registry.cards.desk import find_version
from registry.cards.json_form import as_json
from registry.cards.json_reading import card_from
from registry.cards.revisions import verify_card
from registry.cards.verifying import verify_file
from registry.catalog.scope import EVERYTHING
from registry.client.http import HttpClient
from registry.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    NotVerifiedError,
)
from registry.keys.tables import Purpose
from registry.request import House
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE

PATH = "/api/v1/cards"
RAW = {"namespace": NAMESPACE, "name": "raw"}


def publish(client: HttpClient, **asked: Any) -> dict[str, Any]:
    body = {**RAW, "publish": True, **asked}
    made: dict[str, Any] = client.post(PATH, body)
    return made


def say(client: HttpClient, text: str = "As it is.") -> None:
    client.post("/api/v1/statements", {**RAW, "kind": "intended_use", "text": text})


def show(client: HttpClient, made: dict[str, Any], what: str = "", **asked: Any) -> Any:
    return client.get(f"{PATH}/revisions/{made['id']}{what}", asked)


def signed(client: HttpClient, made: dict[str, Any]) -> bytes:
    path = f"{PATH}/revisions/{made['id']}/envelope"
    return bytes(client.request("GET", path).content)


def keys_of(house: House) -> list[VerifierKey]:
    keys = house.keyring.live(Purpose.SIGNING)
    return [VerifierKey(None, key.public_key) for key in keys if key.public_key]


def count(house: House) -> tuple[int, int]:
    """How many revisions there are, and entries that tell of one."""
    told = select(func.count()).select_from(ENTRY).where(ENTRY.c.kind == "cards.card.published")
    with house.database.read() as session:
        rows = select(func.count()).select_from(table_of(CardRevision))
        return session.execute(rows).scalar_one(), session.execute(told).scalar_one()


def test_a_published_card_says_what_it_is(steward: HttpClient, house: House) -> None:
    made = publish(steward)
    assert (made["revision"], made["version"], made["kind"]) == (1, 2, "dataset")
    assert (made["previous"], made["published_by"]) == (None, "ada")
    assert (made["is_latest"], made["overtaken"], made["keep_until"]) == (True, False, None)
    house.audit.catch_up()
    shown = show(steward, made)
    assert shown["audit_index"] is not None
    assert {**shown, "audit_index": None} == made
    assert steward.get(f"{PATH}/revisions", RAW) == {"revisions": [shown]}
    for asked in ({"version": 1}, {"kind": "article-10"}):
        assert steward.get(f"{PATH}/revisions", {**RAW, **asked}) == {"revisions": []}


def test_the_same_facts_are_one_revision(steward: HttpClient, house: House) -> None:
    made = publish(steward)
    house.audit.catch_up()
    again = publish(steward)
    assert (again["id"], again["digest"]) == (made["id"], made["digest"])
    assert count(house) == (1, 1)
    assert publish(steward, version=1)["revision"] == 1
    assert count(house) == (2, 2)


def test_a_fact_that_changed_makes_the_next_revision(
    steward: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    first = publish(steward)
    assert not show(steward, first)["overtaken"]
    frozen_clock.advance(days=1)
    say(steward)
    overtaken = show(steward, first)
    assert (overtaken["overtaken"], overtaken["is_latest"]) == (True, True)
    second = publish(steward)
    assert (second["revision"], second["previous"]) == (2, first["digest"])
    assert not show(steward, first)["is_latest"]
    document = msgspec.json.decode(read_envelope(signed(steward, second)).payload)
    assert document["revision"]["changes"] == ["Intended use: As it is.; before, Not recorded."]
    assert count(house) == (2, 2)


def test_what_changed_is_told_between_any_two(steward: HttpClient) -> None:
    first = publish(steward)
    say(steward)
    second = publish(steward)
    say(steward, "Otherwise.")
    found = show(steward, second, "/diff")
    (changed,) = found["facts"]
    assert (found["before"], found["after"]) == (1, 2)
    assert changed["name"] == "statement.intended_use"
    assert (changed["before"]["state"], changed["after"]["value"]) == ("not_recorded", "As it is.")
    assert show(steward, first, "/diff", against=second["id"]) == found
    since = show(steward, second, "/diff", against="now")
    assert (since["before"], since["after"]) == (2, None)
    assert since["changes"] == ["Intended use: Otherwise.; before, As it is."]
    with pytest.raises(ConflictError, match="is the first revision"):
        show(steward, first, "/diff")
    other = publish(steward, version=1)
    with pytest.raises(ConflictError, match="not of the same"):
        show(steward, first, "/diff", against=other["id"])
    with pytest.raises(NotFoundError):
        show(steward, first, "/diff", against="nothing")


def test_a_published_card_proves_itself_and_fails_after_any_change(
    steward: HttpClient, house: House
) -> None:
    envelope = signed(steward, publish(steward))
    card = verify_card(envelope, keys_of(house))
    assert (card.about.version, card.revision and card.revision.number) == (2, 1)
    assert verify_file(envelope, keys_of(house))["what"] == "card"
    for place in range(0, len(envelope), len(envelope) // 50):
        changed = envelope[:place] + bytes([envelope[place] ^ 1]) + envelope[place + 1 :]
        with pytest.raises(NotVerifiedError):
            verify_card(changed, keys_of(house))


def test_a_card_that_is_read_back_is_the_card(steward: HttpClient) -> None:
    say(steward)
    envelope = signed(steward, publish(steward))
    payload = read_envelope(envelope).payload
    assert as_json(card_from(msgspec.json.decode(payload))) == payload


def test_a_published_card_stays_as_it_was_whatever_becomes_of_its_facts(
    steward: HttpClient,
) -> None:
    first = publish(steward)
    path = f"{PATH}/revisions/{first['id']}"

    def page() -> str:
        return steward.request("GET", path, params={"format": "html"}).text

    before = steward.get(path, {"format": "json"})
    assert "Facts have changed" not in page()
    say(steward)
    after = steward.get(path, {"format": "json"})
    assert "Facts have changed" in page()
    assert "As it is." not in page()
    assert (before["revision"]["isOvertaken"], after["revision"]["isOvertaken"]) == (False, True)
    assert {**before, "revision": None} == {**after, "revision": None}


def test_documentation_is_kept_by_the_clock_of_its_systems(steward: HttpClient) -> None:
    days = {"name": "Tutor", "market_dates": ["2026-08-02"]}
    steward.request("PUT", "/api/v1/ai-systems/tutor", json=days)
    steward.post("/api/v1/ai-systems/tutor/uses", {**RAW, "version": 2, "role": "train"})
    assert publish(steward)["keep_until"] == date(2036, 8, 2).isoformat()
    assert publish(steward, version=1)["keep_until"] is None


def test_a_question_that_blocks_is_named_with_who_can_close_it(
    steward: HttpClient, house: House
) -> None:
    with pytest.raises(ConflictError, match="forbid to publish this card: ") as refused:
        publish(steward, kind="training-summary")
    assert "registry ai-system set, provider" in refused.value.detail
    assert count(house) == (0, 0)
    assert steward.get(PATH, {**RAW, "kind": "training-summary", "format": "json"})["gaps"]


def test_two_at_once_publish_one_revision(steward: HttpClient, house: House) -> None:
    with house.database.read() as session:
        version = find_version(session, NAMESPACE, "raw", 2)
    by = publishing.Publisher("ada", "ada", EVERYTHING)
    with ThreadPoolExecutor(4) as threads:
        made = list(
            threads.map(
                lambda _: publishing.publish(house.cards, version, Kind.DATASET, by=by), range(4)
            )
        )
    assert {each.revision for each in made} == {1}
    assert len({each.id for each in made}) == 1
    assert count(house) == (1, 1)


@pytest.mark.parametrize("lost", ["entry", "row"])
def test_what_breaks_off_leaves_no_half_revision(
    steward: HttpClient, house: House, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    broken = RuntimeError("the disk is gone")

    def fail(*_arguments: Any, **_named: Any) -> Any:
        raise broken

    with monkeypatch.context() as patched:
        where = (entries, "append_entries") if lost == "entry" else (publishing, "read_revision")
        patched.setattr(*where, fail)
        with pytest.raises(Exception, match="did not expect"):
            publish(steward)
    assert count(house) == (0, 0)
    assert publish(steward)["revision"] == 1
    assert count(house) == (1, 1)


@pytest.mark.parametrize(
    "asked",
    [
        {"publish": False},
        {"publish": None},
        {"kind": "birthday"},
        {"version": 0},
        {"color": "red"},
    ],
)
def test_what_is_no_publication_is_refused(steward: HttpClient, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        publish(steward, **asked)
    with pytest.raises(NotFoundError):
        publish(steward, name="nowhere")
    with pytest.raises(NotFoundError):
        show(steward, {"id": "0197a0e2-0000-7000-8000-000000000001"})


@pytest.mark.parametrize("role", Role)
def test_who_releases_findings_publishes_cards(
    steward: HttpClient,
    connect: Callable[[str], HttpClient],
    make_token: TokenMaker,
    house: House,
    role: Role,
) -> None:
    client = connect(make_token(role, name="somebody"))
    if role in (Role.STEWARD, Role.APPROVER):
        assert publish(client)["published_by"] == "somebody"
        return
    with pytest.raises(ForbiddenError):
        publish(client)
    assert count(house) == (0, 0)
