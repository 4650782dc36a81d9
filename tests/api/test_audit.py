"""The audit log over HTTP: what it gives verifies, and only auditors and administrators get it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import parse_qsl

import httpx
import pytest

from registry.actors.tables import Role
from registry.audit.checkpoint import open_checkpoint, read_checkpoint
from registry.audit.documents import leaf_data
from registry.audit.merkle import leaf_hash, root_hash, verify_consistency, verify_inclusion
from registry.audit.notes import VerifierKey
from registry.client.http import HttpClient
from registry.errors import ForbiddenError, InvalidInputError, NotFoundError
from registry.keys.tables import Purpose
from registry.request import House
from tests.conftest import TokenMaker

AUDIT = "/api/v1/audit"


def sign(client: HttpClient) -> str:
    return client.request("POST", f"{AUDIT}/checkpoint").text


def call(client: HttpClient, method: str, path: str) -> httpx.Response:
    """A request to a path that may hold a query."""
    route, _, query = path.partition("?")
    return client.request(method, f"{AUDIT}/{route}", params=dict(parse_qsl(query)))


def decoded(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


def test_there_is_no_checkpoint_before_the_first(admin: HttpClient) -> None:
    for path in ("checkpoint", "proofs/inclusion?index=0", "proofs/consistency?first=1"):
        with pytest.raises(NotFoundError, match="No checkpoint"):
            call(admin, "GET", path)


def test_the_checkpoint_is_a_signed_note(admin: HttpClient, house: House) -> None:
    signed = sign(admin)
    answer: httpx.Response = admin.request("GET", f"{AUDIT}/checkpoint")
    assert answer.text == signed
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    key = house.keyring.active(Purpose.SIGNING)
    assert key.public_key is not None
    head = open_checkpoint(signed, [VerifierKey(None, key.public_key)])
    entries = admin.get(f"{AUDIT}/entries")["entries"]
    leaves = decoded([entry["leaf_hash"] for entry in entries])
    assert head.size == len(leaves)
    assert head.root == root_hash(leaves)


def test_entries_commit_to_their_documents(admin: HttpClient) -> None:
    head = read_checkpoint(sign(admin))
    answer = admin.get(f"{AUDIT}/entries", {"start": 2, "end": head.size - 1})
    assert answer["size"] == head.size
    assert [entry["index"] for entry in answer["entries"]] == list(range(2, head.size))
    for entry in answer["entries"]:
        salt, data = base64.b64decode(entry["salt"]), base64.b64decode(entry["leaf_data"])
        assert leaf_data(salt, entry["document"].encode()) == data
        assert leaf_hash(data) == base64.b64decode(entry["leaf_hash"])
        assert entry["payload"] is not None
    assert "keys.key.created" in {entry["kind"] for entry in answer["entries"]}


def test_reading_entries_is_an_entry(admin: HttpClient) -> None:
    sign(admin)
    admin.get(f"{AUDIT}/entries", {"start": 1, "end": 2})
    size = read_checkpoint(sign(admin)).size
    (last,) = admin.get(f"{AUDIT}/entries", {"start": size - 1, "end": size + 99})["entries"]
    assert (last["kind"], last["payload"]) == ("audit.entries.read", {"start": 1, "count": 2})


def test_proofs_hold(admin: HttpClient) -> None:
    first = read_checkpoint(sign(admin))
    for _ in range(5):
        admin.get(f"{AUDIT}/entries")
    second = read_checkpoint(sign(admin))
    for head in (first, second):
        for index in range(head.size):
            asked = {"index": index, "size": head.size}
            proof = admin.get(f"{AUDIT}/proofs/inclusion", asked)
            assert set(proof) == {"leaf_hash", "index", "size", "hashes", "root"}
            leaf, root = decoded([proof["leaf_hash"], proof["root"]])
            assert root == head.root
            verify_inclusion(leaf, index, head.size, decoded(proof["hashes"]), root)
    asked = {"first": first.size, "second": second.size}
    grown = admin.get(f"{AUDIT}/proofs/consistency", asked)
    assert grown == admin.get(f"{AUDIT}/proofs/consistency", {"first": first.size})
    verify_consistency(first.size, second.size, decoded(grown["hashes"]), first.root, second.root)


@pytest.mark.parametrize(
    "path",
    [
        "entries?start=5&end=4",
        "entries?start=-1",
        "entries?start=99999999999999999999",
        "proofs/inclusion",
        "proofs/inclusion?index=7&size=7",
        "proofs/inclusion?index=0&size=100000",
        "proofs/inclusion?index=x",
        "proofs/inclusion?index=0&size=0",
        "proofs/consistency?first=0&second=5",
        "proofs/consistency?first=5&second=4",
        "proofs/consistency?first=5&second=100000",
    ],
)
def test_what_is_not_there_is_refused(admin: HttpClient, path: str) -> None:
    sign(admin)
    with pytest.raises(InvalidInputError):
        call(admin, "GET", path)


@pytest.mark.parametrize("role", list(Role))
def test_the_log_is_for_auditors_and_administrators(
    connect: Callable[[str], HttpClient], make_token: TokenMaker, role: Role, admin: HttpClient
) -> None:
    sign(admin)
    client = connect(make_token(role, name=f"one-{role}"))
    calls = [
        ("POST", "checkpoint"),
        ("GET", "checkpoint"),
        ("GET", "entries"),
        ("GET", "proofs/inclusion?index=0"),
        ("GET", "proofs/consistency?first=1"),
    ]
    for method, path in calls:
        if role in (Role.AUDITOR, Role.ADMINISTRATOR):
            call(client, method, path)
        else:
            with pytest.raises(ForbiddenError):
                call(client, method, path)
