"""A card from elsewhere becomes statements; the rest of it is kept, and no person's data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from registry.actors.tables import Role
from registry.cards.declared.tables import CardImport, StatementRow
from registry.client.http import HttpClient
from registry.errors import (
    BodyTooLargeError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RegistryError,
)
from registry.request import House
from registry.storage.columns import table_of
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE

PATH = "/api/v1/cards/imports"
RAW = {"namespace": NAMESPACE, "name": "raw"}
CROISSANT = {
    "@context": {"@vocab": "https://schema.org/", "rai": "http://mlcommons.org/croissant/RAI/"},
    "@type": "sc:Dataset",
    "conformsTo": "http://mlcommons.org/croissant/1.1",
    "name": "raw",
    "rai:dataBiases": "Few children speak in it.",
    "rai:dataUseCases": ["Transcription.", "Not for finding out who speaks."],
    "somethingOfTheirs": {"depth": [1, 2, {"x": "kept"}]},
}


def take(client: HttpClient, document: object = CROISSANT, **asked: Any) -> dict[str, Any]:
    content = document if isinstance(document, bytes) else msgspec.json.encode(document)
    answer = client.request("POST", PATH, params={**RAW, **asked}, content=content)
    found: dict[str, Any] = answer.json()
    return found


def rows(house: House) -> tuple[int, int]:
    with house.database.read() as session:
        said, files = (
            session.execute(select(func.count()).select_from(table_of(each))).scalar_one()
            for each in (StatementRow, CardImport)
        )
    return said, files


def kept(house: House) -> dict[str, Any]:
    with house.database.read() as session:
        text = session.execute(select(table_of(CardImport).c.rest)).scalar_one()
    found: dict[str, Any] = msgspec.json.decode(text)
    return found


def test_texts_become_statements_and_the_rest_is_kept(steward: HttpClient, house: House) -> None:
    made = take(steward, version=1)
    said = {each["kind"]: each for each in made["statements"]}
    assert said["bias_assessment"]["text"] == "Few children speak in it."
    assert {each["attachment_sha256"] for each in made["statements"]} == {made["file"]}
    assert {each["version"] for each in made["statements"]} == {1}
    assert {each["author"] for each in made["statements"]} == {"ada"}
    assert "somethingOfTheirs" in msgspec.json.encode(kept(house)).decode()
    assert (made["form"], made["left_out"]) == ("croissant", [])
    before = rows(house)
    assert take(steward, version=1)["id"] == made["id"]
    assert rows(house) == before


def test_a_card_that_was_exported_comes_back_as_the_same_statements(
    steward: HttpClient, house: House
) -> None:
    body = {**RAW, "kind": "citation", "text": "Cite | it `so`."}
    steward.post("/api/v1/statements", body)
    for form in ("croissant", "huggingface"):
        asked = {**RAW, "format": form}
        exported = steward.request("GET", "/api/v1/cards", params=asked).content
        taken = take(steward, exported)
        texts = {each["kind"]: each["text"] for each in taken["statements"]}
        assert taken["form"] == form
        if form == "croissant":
            assert texts["citation"] == "Cite | it `so`."
    assert rows(house)[1] == 2


def test_what_holds_a_persons_identifier_is_left_out_and_told(
    steward: HttpClient, house: House
) -> None:
    document = {
        **CROISSANT,
        "rai:dataBiases": "Ask person-7@example.org.",
        "theirs": {"mail": ["person-8@example.org"]},
        "theirs_too": {"person-9@example.org": 1},
    }
    made = take(steward, document)
    assert "bias_assessment" not in {each["kind"] for each in made["statements"]}
    assert len(made["left_out"]) == 3
    said = msgspec.json.encode([made, kept(house)]).decode()
    assert "person-" not in said


REFUSED: dict[str, tuple[bytes, type[RegistryError]]] = {
    "nothing": (b"", InvalidInputError),
    "no text": (b"\xff\xfe", InvalidInputError),
    "half of a JSON": (b'{"@type": ', InvalidInputError),
    "a list": (b"[]", InvalidInputError),
    "front matter that is none": (b"---\n- a\n: b\n---\n", InvalidInputError),
    "too much": (b"{" + b" " * (4 * 2**20), BodyTooLargeError),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_card_is_refused_and_nothing_is_kept(
    steward: HttpClient, house: House, case: str
) -> None:
    body, error = REFUSED[case]
    with pytest.raises(error) as refused:
        take(steward, body)
    assert refused.value.remedy
    assert rows(house) == (0, 0)


def test_a_card_is_of_something_that_is_there(steward: HttpClient, house: House) -> None:
    with pytest.raises(NotFoundError):
        take(steward, name="nowhere")
    with pytest.raises(NotFoundError):
        take(steward, version=9)
    assert rows(house) == (0, 0)


@pytest.mark.parametrize("role", Role)
def test_who_edits_the_register_imports(
    steward: HttpClient,
    connect: Callable[[str], HttpClient],
    make_token: TokenMaker,
    house: House,
    role: Role,
) -> None:
    client = connect(make_token(role, name="somebody"))
    if role in (Role.STEWARD, Role.DATA_OWNER):
        assert take(client)["statements"]
        return
    with pytest.raises(ForbiddenError):
        take(client)
    assert rows(house) == (0, 0)
