"""The doors of cards: kinds, formats, gaps, entity tags, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from registry.actors.accounts import SYSTEM
from registry.actors.projects import create_project
from registry.actors.tables import Role
from registry.cards.card import Format, Kind
from registry.client.http import HttpClient
from registry.errors import InvalidInputError, NotFoundError, RegistryError
from registry.request import House
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE, write_batch

PATH = "/api/v1/cards"
RAW = {"namespace": NAMESPACE, "name": "raw"}


def ask(client: HttpClient, accept: str | None = None, **asked: Any) -> Any:
    headers = {} if accept is None else {"Accept": accept}
    return client.request("GET", PATH, params={**RAW, **asked}, headers=headers)


def say(client: HttpClient, text: str = "As it is.") -> None:
    body = {**RAW, "kind": "intended_use", "text": text}
    client.post("/api/v1/statements", body)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_of_the_version_that_was_asked(steward: HttpClient, kind: Kind) -> None:
    current = ask(steward, kind=kind.value, format="json").json()
    first = ask(steward, kind=kind.value, format="json", version=1).json()
    assert (current["kind"], current["about"]["version"]) == (kind, 2)
    assert (first["kind"], first["about"]["version"]) == (kind, 1)
    assert current["revision"] is None


BEGINS = {
    Format.HTML: (b"<!DOCTYPE html>", "text/html; charset=utf-8"),
    Format.MARKDOWN: (b"# ", "text/markdown; charset=utf-8"),
    Format.PDF: (b"%PDF-", "application/pdf"),
    Format.JSON: (b'{"about":', "application/json"),
    Format.CROISSANT: (b"{\n", "application/ld+json"),
    Format.HUGGINGFACE: (b"---\n", "text/markdown; charset=utf-8"),
    Format.BUNDLE: (b"PK", "application/zip"),
}


@pytest.mark.parametrize("form", Format)
def test_every_format_comes_under_its_type_and_name(steward: HttpClient, form: Format) -> None:
    answer = ask(steward, format=form.value)
    begins, media_type = BEGINS[form]
    assert answer.content[: len(begins)].lower() == begins.lower()
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"].startswith('inline; filename="dataset.')
    assert answer.headers["x-content-type-options"] == "nosniff"


ACCEPTED = {
    "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8": Format.HTML,
    "application/json": Format.JSON,
    "text/markdown;q=0.5, application/ld+json": Format.CROISSANT,
    "application/pdf;q=0, text/markdown": Format.MARKDOWN,
    "image/png, */*;q=0.1": Format.JSON,
    "*/*": Format.JSON,
    "": Format.JSON,
}


@pytest.mark.parametrize("accept", ACCEPTED)
def test_accept_says_which_format_is_meant(steward: HttpClient, accept: str) -> None:
    _, media_type = BEGINS[ACCEPTED[accept]]
    assert ask(steward, accept).headers["content-type"] == media_type


def test_what_is_asked_for_by_name_outweighs_accept(steward: HttpClient) -> None:
    assert ask(steward, "text/html", format="json").json()["kind"] == "dataset"


REFUSED: dict[str, tuple[dict[str, Any], type[RegistryError], str]] = {
    "a version that is not there": ({"version": 3}, NotFoundError, "no version 3"),
    "a version of none": ({"version": 0}, InvalidInputError, "version"),
    "a dataset that is not there": ({"name": "nowhere"}, NotFoundError, "no dataset"),
    "a dataset without a version": ({"name": "read"}, NotFoundError, "no version yet"),
    "a kind that is none": ({"kind": "birthday"}, InvalidInputError, "no kind of a card"),
    "a format that is none": ({"format": "docx"}, InvalidInputError, "no format of a card"),
    "a name with a NUL": ({"name": "a\x00"}, InvalidInputError, "name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_had_is_refused_with_a_remedy(steward: HttpClient, case: str) -> None:
    write_batch(steward, "made", "one", reads=("read",), minute=2)
    asked, error, words = REFUSED[case]
    with pytest.raises(error, match=words) as refused:
        ask(steward, **asked)
    assert refused.value.remedy
    with pytest.raises(InvalidInputError, match="no card as 'image/png'"):
        ask(steward, "image/png")


def test_who_may_not_see_a_dataset_does_not_find_its_card(
    steward: HttpClient, connect: Callable[[str], HttpClient], make_token: TokenMaker, house: House
) -> None:
    with house.database.write() as session:
        create_project(session, name="other", actor=SYSTEM, now=house.clock())
    stranger = connect(make_token(Role.STEWARD, project="other", name="stranger"))
    for path in (PATH, f"{PATH}/gaps", f"{PATH}/revisions"):
        with pytest.raises(NotFoundError, match="no dataset"):
            stranger.get(path, RAW)
    with pytest.raises(NotFoundError, match="no dataset"):
        stranger.post(PATH, {**RAW, "publish": True})


def test_gaps_name_clause_and_who_can_close_them(steward: HttpClient) -> None:
    found = steward.get(f"{PATH}/gaps", {**RAW, "kind": "article-10"})
    gaps = {each["id"]: each for each in found["gaps"]}
    use = gaps["HR-02"]
    assert "Art. 10(2)(a)" in use["clause"]
    said = {each["fact"]: each for each in use["missing"]}["statement.intended_use"]
    assert said["supplied_by"] == "registry statement add --kind intended_use"
    assert said["words"] == "Not recorded"
    say(steward)
    after = steward.get(f"{PATH}/gaps", {**RAW, "kind": "article-10"})
    names = {one["fact"] for each in after["gaps"] for one in each["missing"]}
    assert "statement.intended_use" not in names
    assert after["facts_digest"] != found["facts_digest"]


def test_a_card_has_a_tag_until_a_fact_changes(
    steward: HttpClient, frozen_clock: FrozenClock
) -> None:
    first = ask(steward, format="json")
    tag = first.headers["etag"]
    assert (tag[:3], first.headers["cache-control"]) == ('W/"', "private, no-cache")
    assert ask(steward, format="json").content == first.content
    others = {
        ask(steward, **asked).headers["etag"]
        for asked in (
            {"format": "croissant"},
            {"format": "json", "kind": "article-10"},
            {"format": "json", "version": 1},
        )
    }
    assert len(others | {tag}) == 4
    frozen_clock.advance(hours=1)
    assert ask(steward, format="json").headers["etag"] == tag
    say(steward)
    assert ask(steward, format="json").headers["etag"] != tag


def test_what_is_known_is_not_sent_again(steward: HttpClient, house: House) -> None:
    tag = ask(steward, format="json").headers["etag"]
    app = steward._http  # the client takes 304 for an error
    for known, status in [(tag, 304), (f'"x", {tag}', 304), ("*", 304), ('"x"', 200)]:
        answer = app.get(PATH, params={**RAW, "format": "json"}, headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["etag"]) == (status, tag)
        assert bool(answer.content) == (status == 200)
    say(steward)
    answer = app.get(PATH, params={**RAW, "format": "json"}, headers={"If-None-Match": tag})
    assert answer.status_code == 200


def test_a_statement_that_expires_changes_the_card_by_itself(
    steward: HttpClient, frozen_clock: FrozenClock
) -> None:
    body = {**RAW, "kind": "citation", "text": "So.", "expires_at": "2026-03-02T00:00:00Z"}
    steward.post("/api/v1/statements", body)
    before = ask(steward, format="json").json()["facts"]["statement.citation"]
    frozen_clock.advance(days=1)
    after = ask(steward, format="json").json()["facts"]["statement.citation"]
    assert (before["state"], after["state"]) == ("known", "not_recorded")
