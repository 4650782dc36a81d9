"""The register keeps every revision, and a share names what went to whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from registry.request import House
from registry.rights.tables import ProcessingActivity
from registry.storage.columns import table_of
from tests.conftest import TokenMaker
from tests.rights.asking import NAMESPACE, write_batch

PATH = "/api/v1/register"


def put(client: HttpClient, path: str, **said: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.request("PUT", f"{PATH}/{path}", json=said).json()
    return answer


def test_an_activity_is_kept_in_revisions(admin: HttpClient, house: House) -> None:
    first = put(admin, "activities/training", name="Training", purposes=["model_training"])
    assert (first["revision"], first["purposes"], first["transfers"]) == (1, ["model_training"], [])
    second = put(admin, "activities/training", dpia="DPIA-7", purposes=["research"])
    assert (second["revision"], second["name"], second["purposes"]) == (2, "Training", ["research"])
    assert admin.get(f"{PATH}/activities") == {"activities": [second]}
    assert admin.get(f"{PATH}/activities/training") == second
    table = table_of(ProcessingActivity)
    with house.database.read() as session:
        assert session.execute(select(func.count()).select_from(table)).scalar_one() == 2
    assert put(admin, "activities/training", retired=True)["retired"]


def share(client: HttpClient, **changed: Any) -> Any:
    body = {"namespace": NAMESPACE, "name": "raw", "version": 1, "recipient": "acme", **changed}
    return client.post(f"{PATH}/shares", body)


def test_a_share_names_what_went_to_whom(admin: HttpClient) -> None:
    write_batch(admin, "raw", "one")
    put(admin, "recipients/acme", name="Acme", kind="annotator", country="DE")
    made = share(admin, terms="contract", purpose="research")
    (shown,) = admin.get(f"{PATH}/shares", {"recipient": "acme"})["shares"]
    assert shown["id"] == made["id"]
    assert (shown["name"], shown["version"], shown["recipient_name"]) == ("raw", 1, "Acme")
    assert shown["shared_at"] == "2026-03-01T09:30:00Z"
    asked = {"namespace": NAMESPACE, "name": "raw", "limit": 1}
    share(admin)
    first = admin.get(f"{PATH}/shares", asked)
    rest = admin.get(f"{PATH}/shares", {**asked, "after": first["next"]})
    assert {first["shares"][0]["id"], rest["shares"][0]["id"]} >= {made["id"]}
    assert (first["totalCount"], rest["next"]) == (2, None)
    put(admin, "recipients/acme", retired=True)
    with pytest.raises(ConflictError, match="is retired"):
        share(admin)
    assert admin.get(f"{PATH}/shares")["totalCount"] == 2


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"version": 2}, NotFoundError),
        ({"name": "nowhere"}, NotFoundError),
        ({"recipient": "nobody"}, NotFoundError),
        ({"activity": "none"}, NotFoundError),
        ({"purpose": "walking"}, InvalidInputError),
        ({"shared_at": "2027-01-01T00:00:00Z"}, InvalidInputError),
        ({"terms_sha256": "abc"}, InvalidInputError),
    ],
)
def test_a_share_of_what_is_not_there_is_refused(
    admin: HttpClient, changed: dict[str, Any], error: type[Exception]
) -> None:
    write_batch(admin, "raw", "one")
    put(admin, "recipients/acme", name="Acme")
    with pytest.raises(error):
        share(admin, **changed)
    assert admin.get(f"{PATH}/shares")["shares"] == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("activities/training", {"purposes": ["research"]}),
        ("activities/training", {"name": "x", "purposes": ["walking"]}),
        ("activities/training", {"name": "x", "shoe": 44}),
        ("activities/Not%20An%20Id", {"name": "x"}),
        ("recipients/acme", {"name": "x", "kind": "friend"}),
        ("recipients/acme", {"name": "x", "kind": None}),
        ("recipients/acme", {"name": " "}),
        ("recipients/acme", {"name": "a\x00"}),
    ],
)
def test_what_is_no_entry_is_refused(admin: HttpClient, path: str, said: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        put(admin, path, **said)


def test_who_may_edit(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> None:
    viewer = connect(make_token(Role.VIEWER, name="viewer"))
    with pytest.raises(ForbiddenError):
        put(viewer, "recipients/acme", name="Acme")
    assert viewer.get(f"{PATH}/recipients") == {"recipients": []}
    with pytest.raises(NotFoundError):
        viewer.get(f"{PATH}/recipients/acme")
