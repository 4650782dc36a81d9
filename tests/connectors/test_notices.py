"""Notices to other systems go where they may and are signed; only a right answer is believed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.erasure.connectors.credentials import Credential
from registry.erasure.connectors.notices import (
    Notice,
    checked_address,
    read_acknowledgement,
    require_evidence,
    send_notice,
    signed,
)
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.erasure.lifecycle import TaskState
from registry.errors import ConflictError, InvalidInputError, NotVerifiedError, RegistryError
from registry.signing import is_signed
from tests.connectors.peer import Peer, listening

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PRIVATE = "whsk_" + base64.b64encode(bytes(32)).decode()
PUBLIC = "whpk_" + base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
HMAC = Credential("vendor", {"secret": SECRET})
ED25519 = Credential("vendor", {"private_key": PRIVATE, "public_key": PUBLIC})
NOTICE = Notice("task-1", "s3://lake", "raw", ["ex-1", "ex-2"], "2026-04-01")


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as found:
        yield found


def send(peer: Peer, credential: Credential = HMAC) -> None:
    send_notice(
        f"{peer.url}/erase",
        NOTICE,
        credential,
        roots=[f"{peer.url}"],
        networks=["127.0.0.0/8"],
        now=NOW,
    )


@pytest.mark.parametrize("credential", [HMAC, ED25519], ids=["HMAC", "Ed25519"])
def test_a_notice_is_signed_and_the_same_at_every_try(credential: Credential, peer: Peer) -> None:
    for _ in range(2):
        send(peer, credential)
    (headers, body), (again, _) = peer.got
    assert headers["webhook-id"] == again["webhook-id"] == "msg_task-1"
    message = json.loads(body)
    assert (message["type"], message["data"]["examples"]) == ("erasure.requested", ["ex-1", "ex-2"])
    stamp, signature = headers["webhook-timestamp"], headers["webhook-signature"]
    if credential is HMAC:
        assert is_signed(SECRET, "msg_task-1", stamp, signature, body, now=NOW)
    else:
        content = f"msg_task-1.{stamp}.".encode() + body
        KEY.public_key().verify(base64.b64decode(signature.removeprefix("v1a,")), content)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (500, TaskState.FAILED_RETRYABLE),
        (429, TaskState.FAILED_RETRYABLE),
        (403, TaskState.FAILED_FINAL),
        (410, TaskState.FAILED_FINAL),
        (307, TaskState.FAILED_FINAL),
    ],
)
def test_a_notice_that_is_not_taken(status: int, state: TaskState, peer: Peer) -> None:
    peer.status = status
    with pytest.raises(StoppedError) as stopped:
        send(peer)
    assert stopped.value.trouble.state is state
    assert len(peer.got) == 1


def test_a_system_that_is_out_of_reach() -> None:
    with pytest.raises(StoppedError) as stopped:
        send(Peer("http://127.0.0.1:1"))
    assert stopped.value.trouble.reason is Reason.OUT_OF_REACH


ROOTS = ["https://vendor.example/hooks", "http://vendor.example"]
PLACES = {
    "an allowed host": ("https://vendor.example/hooks/a", ["93.184.216.34"], [], None),
    "another host": ("https://other.example/hooks/a", ["93.184.216.34"], [], Reason.OUTSIDE_ROOTS),
    "another path": ("https://vendor.example/admin", ["93.184.216.34"], [], Reason.OUTSIDE_ROOTS),
    "a way up": ("https://vendor.example/hooks/../x", ["1.1.1.1"], [], Reason.OUTSIDE_ROOTS),
    "a user": ("https://a@vendor.example/hooks/a", ["1.1.1.1"], [], Reason.OUTSIDE_ROOTS),
    "no TLS": ("http://vendor.example/hooks/a", ["93.184.216.34"], [], Reason.OUTSIDE_ROOTS),
    "a private address": ("https://vendor.example/hooks/a", ["10.1.2.3"], [], Reason.OUTSIDE_ROOTS),
    "a private one that is listed": (
        "http://vendor.example/hooks/a",
        ["10.1.2.3"],
        ["10.0.0.0/8"],
        None,
    ),
    "loopback": ("https://vendor.example/hooks/a", ["127.0.0.1"], [], Reason.OUTSIDE_ROOTS),
    "loopback in disguise": (
        "https://vendor.example/hooks/a",
        ["::ffff:127.0.0.1"],
        [],
        Reason.OUTSIDE_ROOTS,
    ),
    "the cloud's own service": (
        "https://vendor.example/hooks/a",
        ["169.254.169.254"],
        ["10.0.0.0/8"],
        Reason.OUTSIDE_ROOTS,
    ),
    "one of two addresses is private": (
        "https://vendor.example/hooks/a",
        ["93.184.216.34", "fd00::1"],
        [],
        Reason.OUTSIDE_ROOTS,
    ),
    "no address": ("https://vendor.example/hooks/a", [], [], Reason.OUT_OF_REACH),
}


@pytest.mark.parametrize(("url", "found", "networks", "reason"), PLACES.values(), ids=PLACES)
def test_where_a_notice_may_go(
    url: str, found: list[str], networks: list[str], reason: Reason | None
) -> None:
    if reason is None:
        assert checked_address(url, ROOTS, networks, lambda host, port: found) == found[0]
        return
    with pytest.raises(StoppedError) as stopped:
        checked_address(url, ROOTS, networks, lambda host, port: found)
    assert stopped.value.trouble.reason is reason


@pytest.mark.parametrize("values", [{}, {"secret": "whsec_short"}, {"private_key": "whsk_AAAA"}])
def test_a_key_that_is_none(values: dict[str, str]) -> None:
    with pytest.raises(StoppedError) as stopped:
        signed(Credential("vendor", values), "msg_1", 0, b"")
    assert stopped.value.trouble.reason is Reason.CREDENTIAL_MISSING


def answer(
    data: Any = None, credential: Credential = HMAC, *, at: datetime = NOW, message: str = "msg_9"
) -> tuple[dict[str, str], bytes]:
    said = {"task": "task-1", "outcome": "erased", "erased": 2, **(data or {})}
    body = json.dumps({"type": "erasure.acknowledged", "data": said}).encode()
    stamp = int(at.timestamp())
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signed(credential, message, stamp, body),
    }
    return headers, body


def read(
    headers: dict[str, str],
    body: bytes,
    credential: Credential = HMAC,
    known: bytes | None = None,
    elsewhere: bool = False,
) -> Any:
    return read_acknowledgement(
        headers,
        body,
        credential,
        task="task-1",
        known=known,
        elsewhere=lambda digest: elsewhere,
        now=NOW,
    )


@pytest.mark.parametrize("credential", [HMAC, ED25519], ids=["HMAC", "Ed25519"])
def test_a_right_answer_is_believed_and_the_same_again_too(credential: Credential) -> None:
    headers, body = answer(credential=credential)
    found = read(headers, body, credential)
    assert (found.task, found.outcome, found.erased) == ("task-1", "erased", 2)
    assert read(headers, body, credential, known=found.digest) == found


OTHER = Credential("other", {"secret": "whsec_" + base64.b64encode(bytes(32)).decode()})
OTHER_KEY = Credential("other", {"private_key": "whsk_" + base64.b64encode(b"1" * 32).decode()})
WRONG: dict[str, tuple[tuple[dict[str, str], bytes], Credential, type[RegistryError]]] = {
    "another secret": (answer(credential=OTHER), HMAC, NotVerifiedError),
    "another key": (answer(credential=OTHER_KEY), ED25519, NotVerifiedError),
    "the wrong kind of signature": (answer(credential=HMAC), ED25519, NotVerifiedError),
    "another body": ((answer()[0], answer({"erased": 3})[1]), HMAC, NotVerifiedError),
    "another id": (({**answer()[0], "webhook-id": "msg_8"}, answer()[1]), HMAC, NotVerifiedError),
    "an old one": (answer(at=NOW - timedelta(minutes=6)), HMAC, NotVerifiedError),
    "one of the future": (answer(at=NOW + timedelta(minutes=6)), HMAC, NotVerifiedError),
    "an old one by key": (
        answer(credential=ED25519, at=NOW - timedelta(minutes=6)),
        ED25519,
        NotVerifiedError,
    ),
    "no signature": (({}, answer()[1]), HMAC, NotVerifiedError),
    "no time": (
        ({**answer()[0], "webhook-timestamp": "soon"}, answer()[1]),
        HMAC,
        NotVerifiedError,
    ),
    "another task": (answer({"task": "task-2"}), HMAC, ConflictError),
    "an outcome that is none": (answer({"outcome": "maybe"}), HMAC, InvalidInputError),
    "less than nothing erased": (answer({"erased": -1}), HMAC, InvalidInputError),
    "impossible without evidence": (answer({"outcome": "impossible"}), HMAC, InvalidInputError),
}


@pytest.mark.parametrize(("said", "credential", "error"), WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_refused(
    said: tuple[dict[str, str], bytes], credential: Credential, error: type[RegistryError]
) -> None:
    with pytest.raises(error) as refused:
        read(*said, credential)
    assert refused.value.remedy


def test_a_replay_and_a_second_answer_are_refused() -> None:
    headers, body = answer()
    with pytest.raises(ConflictError, match="another task"):
        read(headers, body, elsewhere=True)
    with pytest.raises(ConflictError, match="by another message"):
        read(headers, body, known=bytes(32))


def test_a_manual_task_needs_evidence() -> None:
    assert require_evidence(" ticket 7 ") == "ticket 7"
    for nothing in (None, "", "  "):
        with pytest.raises(InvalidInputError, match="without evidence"):
            require_evidence(nothing)
