"""Statements are signed and kept; what of them holds follows from who said what, of what, when."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlmodel import Session

from registry.actors.tables import Role
from registry.audit.notes import VerifierKey
from registry.audit.tables import ENTRY
from registry.cards.declared.statements import StatementView, statements_in_force
from registry.cards.declared.stating import NewStatement, Signer, state, verify_statement
from registry.catalog.lookup import find_dataset
from registry.client.http import HttpClient
from registry.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    NotVerifiedError,
    RegistryError,
)
from registry.keys.tables import Purpose
from registry.request import House
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE

PATH = "/api/v1/statements"
RAW = {"namespace": NAMESPACE, "name": "raw"}


def say(client: HttpClient, text: str = "As it is.", **said: Any) -> dict[str, Any]:
    body = {**RAW, "kind": "intended_use", "text": text, **said}
    answer: dict[str, Any] = client.post(PATH, body)
    return answer


def held(house: House, version: int | None = None) -> list[StatementView]:
    with house.database.read() as session:
        dataset = find_dataset(session, NAMESPACE, "raw")
        return statements_in_force(session, dataset.id, version, house.clock())


def texts(house: House, version: int | None = None) -> list[str]:
    return [each.text for each in held(house, version)]


def test_a_statement_says_who_said_what_of_what_and_until_when(
    steward: HttpClient, house: House, frozen_clock: FrozenClock
) -> None:
    digest = "sha256:" + "ab" * 32
    made = say(steward, version=2, expires_at="2026-06-01T00:00:00Z", attachment_sha256=digest)
    (view,) = held(house, 2)
    assert view.about == (NAMESPACE, "raw", 2)
    assert (view.id, view.kind, view.text) == (made["id"], "intended_use", "As it is.")
    assert (view.author, view.stated_at) == ("ada", frozen_clock())
    assert (view.attachment_sha256, view.value, view.supersedes) == (digest, None, None)
    assert (made["in_force"], made["author"]) == (True, "ada")
    assert steward.get(f"{PATH}/{made['id']}") == made
    assert texts(house, 1) == []
    frozen_clock.advance(days=100)
    assert texts(house, 2) == []
    assert not steward.get(f"{PATH}/{made['id']}")["in_force"]


def test_a_statement_has_its_place_in_the_log(steward: HttpClient, house: House) -> None:
    made = say(steward)
    assert made["audit_index"] is None
    house.audit.catch_up()
    (view,) = held(house)
    with house.database.read() as session:
        row = session.execute(ENTRY.select().where(ENTRY.c.leaf_index == view.audit_index)).one()
    payload = msgspec.json.decode(row.payload)
    assert (row.kind, payload["statement"]) == ("cards.statement.made", made["id"])


def test_the_same_words_of_the_same_person_are_one_statement(
    steward: HttpClient, owner: HttpClient, house: House
) -> None:
    first = say(steward)
    assert say(steward) == first
    assert say(owner)["id"] != first["id"]
    assert texts(house) == ["As it is."] * 2


def test_a_persons_new_word_supersedes_their_old_one(steward: HttpClient, house: House) -> None:
    first = say(steward, "One.")
    second = say(steward, "Two.")
    assert (second["supersedes"], texts(house)) == (first["id"], ["Two."])
    shown = steward.get(f"{PATH}/{first['id']}")
    assert (shown["superseded_by"], shown["in_force"], shown["text"]) == (
        second["id"],
        False,
        "One.",
    )
    assert say(steward, "One.")["supersedes"] == second["id"]
    assert steward.get(PATH, RAW)["totalCount"] == 3


def test_two_people_contradict_each_other_until_one_is_superseded(
    steward: HttpClient, owner: HttpClient, house: House
) -> None:
    first, other = say(steward, "One."), say(owner, "Two.")
    assert texts(house) == ["One.", "Two."]
    with pytest.raises(ConflictError, match="You stated intended_use yourself"):
        say(steward, "Three.", supersedes=other["id"])
    gone = steward.post(f"{PATH}/{other['id']}/withdraw", {"reason": "It is not so."})
    assert (gone["withdraws"], gone["in_force"], texts(house)) == (True, False, ["One."])
    again = say(owner, "Both.", supersedes=first["id"])
    assert (again["supersedes"], texts(house)) == (first["id"], ["Both."])
    for over in (first, other, gone):
        with pytest.raises(ConflictError):
            steward.post(f"{PATH}/{over['id']}/withdraw", {"reason": "Again."})
        with pytest.raises(ConflictError):
            say(steward, "Four.", supersedes=over["id"])


def test_what_is_said_of_a_version_stands_before_what_is_said_of_the_dataset(
    steward: HttpClient, house: House
) -> None:
    say(steward, "Of all.")
    say(steward, "Of the second.", version=2)
    say(steward, "Elsewhere.", kind="collection")
    assert [texts(house, number) for number in (None, 1, 2)] == [
        ["Elsewhere.", "Of all."],
        ["Elsewhere.", "Of all."],
        ["Elsewhere.", "Of the second."],
    ]


def test_what_a_person_says_at_once_stands_once(steward: HttpClient, house: House) -> None:
    secret = house.keyring.active(Purpose.SIGNING).require_secret()

    def work(text: str) -> None:
        def write(session: Session) -> None:
            dataset = find_dataset(session, NAMESPACE, "raw")
            said = NewStatement("citation", text)
            state(session, dataset, said, by=Signer("ada", "ada", secret), now=house.clock())

        house.database.transact(write)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, ["One.", "Two.", "One.", "Two."]))
    (standing,) = held(house)
    assert standing.text in ("One.", "Two.")


def test_a_flag_is_stated_with_yes_or_no(steward: HttpClient, house: House) -> None:
    say(steward, "", kind="labels_none", value=False)
    assert [each.value for each in held(house)] == [False]
    assert say(steward, "", kind="labels_none", value=True)["value"] is True
    assert [each.value for each in held(house)] == [True]


REFUSED: dict[str, tuple[dict[str, Any], type[RegistryError], str]] = {
    "a kind that nobody states": ({"kind": "weather"}, InvalidInputError, "no kind of statement"),
    "no words": ({"text": " \n"}, InvalidInputError, "has no words"),
    "a value where words are wanted": ({"value": True}, InvalidInputError, "in words"),
    "no value where one is wanted": (
        {"kind": "labels_none"},
        InvalidInputError,
        "with yes or no",
    ),
    "an e-mail address": (
        {"text": "Ask person-7@example.org."},
        InvalidInputError,
        r"an e-mail address \(at character 5\)",
    ),
    "a phone number": (
        {"text": "Call +49 30 901820 first."},
        InvalidInputError,
        "a phone number",
    ),
    "an end that has passed": (
        {"expires_at": "2026-03-01T09:30:00Z"},
        InvalidInputError,
        "would have expired",
    ),
    "an attachment that is no digest": (
        {"attachment_sha256": "abc"},
        InvalidInputError,
        "digest",
    ),
    "a version that is not there": ({"version": 3}, NotFoundError, "no version 3"),
    "a dataset that is not there": ({"name": "nowhere"}, NotFoundError, "no dataset"),
    "a statement that is not there": ({"supersedes": "none"}, NotFoundError, "no statement"),
    "a NUL": ({"text": "a\x00b"}, InvalidInputError, "text"),
    "too long a text": ({"text": "a" * 20_001}, InvalidInputError, "text"),
    "a member that nobody knows": ({"color": "red"}, InvalidInputError, "color"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_stated_is_refused_and_nothing_is_kept(
    steward: HttpClient, house: House, case: str
) -> None:
    said, error, words = REFUSED[case]
    with pytest.raises(error, match=words) as refused:
        say(steward, **said)
    assert refused.value.remedy
    assert "person-7" not in str(refused.value)
    assert held(house) == []


def test_half_a_character_is_refused(steward: HttpClient) -> None:
    body = b'{"namespace": "file://lake", "name": "raw", "kind": "comments", "text": "\\ud800"}'
    with pytest.raises(InvalidInputError, match="text"):
        steward.request("POST", PATH, content=body, headers={"Content-Type": "application/json"})


def test_a_statement_is_superseded_by_one_about_the_same_only(
    steward: HttpClient, owner: HttpClient
) -> None:
    first = say(steward, version=1)
    for said in ({"version": 2}, {}, {"version": 1, "kind": "collection"}):
        with pytest.raises(ConflictError, match="of version 1 of file://lake raw"):
            say(owner, "Two.", supersedes=first["id"], **said)


def test_a_withdrawal_needs_a_reason_without_a_person_in_it(steward: HttpClient) -> None:
    made = say(steward)
    for reason in ("", " ", "ask person-7@example.org"):
        with pytest.raises(InvalidInputError):
            steward.post(f"{PATH}/{made['id']}/withdraw", {"reason": reason})
    with pytest.raises(NotFoundError):
        steward.post(
            f"{PATH}/0197a0e2-0000-7000-8000-000000000001/withdraw", {"reason": "Why not."}
        )


def test_a_list_is_given_in_pages_and_by_what_is_asked(
    steward: HttpClient, frozen_clock: FrozenClock
) -> None:
    for number in range(3):
        say(steward, f"Of {number}.", version=number % 2 + 1, kind="collection")
        frozen_clock.advance(seconds=1)
    say(steward, "Used.")
    first = steward.get(PATH, {"limit": 3})
    rest = steward.get(PATH, {"limit": 3, "after": first["next"]})
    seen = [each["text"] for each in first["statements"] + rest["statements"]]
    assert (seen, rest["next"]) == (["Used.", "Of 2.", "Of 1.", "Of 0."], None)
    asked = steward.get(PATH, {**RAW, "version": 1, "kind": "collection"})
    assert [each["text"] for each in asked["statements"]] == ["Of 2.", "Of 0."]
    wrongs: tuple[dict[str, Any], ...] = (
        {"version": 1},
        {"kind": "weather"},
        {"after": "x"},
        {**RAW, "version": 0},
    )
    for wrong in wrongs:
        with pytest.raises(InvalidInputError):
            steward.get(PATH, wrong)
    with pytest.raises(NotFoundError):
        steward.get(PATH, {"namespace": NAMESPACE})


def keys_of(house: House, name: str = "lineage-registry/test") -> list[VerifierKey]:
    return [
        VerifierKey(name, key.public_key)
        for key in house.keyring.live(Purpose.SIGNING)
        if key.public_key
    ]


def test_a_signed_statement_proves_itself_and_fails_after_any_change(
    steward: HttpClient, house: House
) -> None:
    made = say(steward, version=1)
    envelope = steward.request("GET", f"{PATH}/{made['id']}/envelope").content
    assert verify_statement(envelope, keys_of(house)) == {
        "id": made["id"],
        "kind": "intended_use",
        "about": {**RAW, "version": 1},
        "text": "As it is.",
        "author": "ada",
        "statedAt": "2026-03-01T09:30:00.000000Z",
    }
    for place in range(0, len(envelope), 7):
        changed = envelope[:place] + bytes([envelope[place] ^ 1]) + envelope[place + 1 :]
        with pytest.raises(NotVerifiedError):
            verify_statement(changed, keys_of(house))


@pytest.mark.parametrize("role", Role)
def test_who_edits_the_register_states_things(
    steward: HttpClient,
    connect: Callable[[str], HttpClient],
    make_token: TokenMaker,
    role: Role,
) -> None:
    client = connect(make_token(role, name="somebody"))
    if role in (Role.STEWARD, Role.DATA_OWNER):
        assert say(client)["author"] == "somebody"
        return
    with pytest.raises(ForbiddenError):
        say(client)
