"""Tells another system to erase, by a signed webhook, and takes its signed word that it did.

Rules (standardwebhooks.com; issue "Erasure, the hands"):
1. A notice is signed by HMAC-SHA-256 (`secret`, `whsec_…`) or Ed25519 (`private_key`, `whsk_…`)
   and has the same `webhook-id` at every try. It names examples by the ids that the system has.
2. It goes to an allowed host (REGISTRY_FILE_ROOTS) over TLS, follows no redirect, and reaches no
   private address unless its network is listed (REGISTRY_PRIVATE_NETWORKS), where it may go without
   TLS. The address that was checked is the one that is spoken to.
3. An acknowledgement is believed when its signature (`secret`, or `public_key`, `whpk_…`) is right,
   it is fresh, and it is about this very task. The same message again is the same answer; the same
   message for another task is a replay.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registry.erasure.connectors.credentials import Credential
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.errors import ConflictError, InvalidInputError, NotVerifiedError
from registry.ledger.fetch import is_under
from registry.moments import rfc3339
from registry.signing import TOLERANCE_SECONDS, is_signed, webhook_key, webhook_signature

TIMEOUT_SECONDS = 20.0
LONGEST_BYTES = 1 << 20
Addresses = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Notice:
    """What another system is asked to erase. `task` is what its answer must name, and `answer_to`
    where that goes, if that is known; `part` tells notices apart of which each asks for more.
    """

    task: str
    namespace: str
    dataset: str
    examples: Sequence[str]
    due_on: str | None = None
    answer_to: str | None = None
    part: str | None = None

    @property
    def message_id(self) -> str:
        """The same at every try (rule 1)."""
        return f"msg_{self.task}" if self.part is None else f"msg_{self.task}_{self.part}"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What another system says. `digest`: SHA-256 of its message id, the same when repeated."""

    task: str
    outcome: str
    erased: int | None
    evidence: str | None
    digest: bytes


_MOST = 1 << 53  # numbers beyond this are not read alike everywhere (RFC 8259, section 6)
OUTCOMES = ("erased", "not_present", "impossible")


def notice_body(notice: Notice, at: datetime) -> bytes:
    """The body of a notice, as Standard Webhooks has it: `type`, `timestamp`, `data`."""
    data: dict[str, object] = {
        "task": notice.task,
        "dataset": {"namespace": notice.namespace, "name": notice.dataset},
        "examples": list(notice.examples),
        "due_on": notice.due_on,
    }
    if notice.answer_to is not None:
        data["answer_to"] = notice.answer_to
    return msgspec.json.encode(
        {"type": "erasure.requested", "timestamp": rfc3339(at), "data": data}
    )


def send_notice(
    url: str,
    notice: Notice,
    credential: Credential,
    *,
    roots: Sequence[str],
    networks: Sequence[str],
    now: datetime,
    addresses_of: Addresses | None = None,
) -> None:
    """Send a notice once (rules 1 and 2). Raises StoppedError where it was not taken."""
    import httpx

    address = checked_address(url, roots, networks, addresses_of or _resolved)
    body = notice_body(notice, now)
    message_id = notice.message_id
    split = urlsplit(url)
    headers = {
        "host": split.netloc,
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signed(credential, message_id, int(now.timestamp()), body),
    }
    try:
        with httpx.Client(
            timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
        ) as client:
            answer = client.post(
                _at(url, address),
                content=body,
                headers=headers,
                extensions={"sni_hostname": split.hostname or ""},
            )
    except httpx.HTTPError as error:
        said = type(error).__name__
        raise StoppedError(Reason.OUT_OF_REACH, f"{url} is out of reach ({said}).") from error
    if answer.is_success:
        return
    final = answer.status_code in (400, 401, 403, 404, 405, 410, 422) or answer.is_redirect
    raise StoppedError(
        Reason.REFUSED if final else Reason.OUT_OF_REACH,
        f"{url} answered {answer.status_code}.",
    )


def checked_address(
    url: str, roots: Sequence[str], networks: Sequence[str], addresses_of: Addresses
) -> str:
    """The address to speak to (rule 2). Raises StoppedError."""
    split = urlsplit(url)
    if split.scheme not in ("https", "http") or not is_under(url, roots) or not split.hostname:
        raise StoppedError(Reason.OUTSIDE_ROOTS, f"{url} does not lie under an allowed host.")
    port = split.port or (443 if split.scheme == "https" else 80)
    try:
        found = [ipaddress.ip_address(each) for each in addresses_of(split.hostname, port)]
    except OSError as error:
        raise StoppedError(Reason.OUT_OF_REACH, f"{split.hostname} has no address.") from error
    listed = [ipaddress.ip_network(each, strict=False) for each in networks]
    for address in found:
        plain = getattr(address, "ipv4_mapped", None) or address
        is_listed = any(plain in network for network in listed if network.version == plain.version)
        if not is_listed and (not plain.is_global or plain.is_multicast):
            raise StoppedError(
                Reason.OUTSIDE_ROOTS, f"{split.hostname} has a private address that is not listed."
            )
        if not is_listed and split.scheme == "http":
            raise StoppedError(Reason.OUTSIDE_ROOTS, f"{url} is not https.")
    if not found:
        raise StoppedError(Reason.OUT_OF_REACH, f"{split.hostname} has no address.")
    return str(found[0])


def signed(credential: Credential, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` (rule 1). Raises StoppedError for a key that is none."""
    private = credential.values.get("private_key")
    if private is not None:
        key = _raw_key(credential, private, "whsk_", (32, 64))
        made = Ed25519PrivateKey.from_private_bytes(key[:32]).sign(
            _content(message_id, timestamp, body)
        )
        return "v1a," + base64.b64encode(made).decode()
    secret = credential.require("secret")
    if webhook_key(secret) is None:
        raise _no_key(credential)
    return webhook_signature(secret, message_id, timestamp, body)


def read_acknowledgement(
    headers: Mapping[str, str],
    body: bytes,
    credential: Credential,
    *,
    task: str,
    known: bytes | None,
    elsewhere: Callable[[bytes], bool],
    now: datetime,
) -> Acknowledgement:
    """What another system says of a task (rule 3). `headers` with small letters; `known`: the
    digest of the message that answered this task before; `elsewhere(digest)`: whether a message
    answered another task.

    Raises NotVerifiedError for a signature that is wrong or old, InvalidInputError for a body that
    is none, ConflictError for an answer to another task, or a second one.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if len(body) > LONGEST_BYTES or not _is_right(
        credential, message_id, timestamp, signatures, body, now
    ):
        raise NotVerifiedError(
            "The acknowledgement is not signed by the key of its target, or not just now.",
            remedy="Sign id.timestamp.body with the key that was agreed on, and send it again.",
        )
    found = _read(body, hashlib.sha256(message_id.encode()).digest())
    if found.task != task or elsewhere(found.digest):
        raise ConflictError(
            "The acknowledgement is about another task.",
            remedy="Answer each notice by a message of its own, which names its task.",
        )
    if known is not None and known != found.digest:
        raise ConflictError(
            "The task was acknowledged by another message before.",
            remedy="Nothing needs to be done.",
        )
    return found


def _is_right(
    credential: Credential,
    message_id: str,
    timestamp: str,
    signatures: str,
    body: bytes,
    now: datetime,
) -> bool:
    public = credential.values.get("public_key")
    if public is None:
        secret = credential.values.get("secret", "")
        return is_signed(secret, message_id, timestamp, signatures, body, now=now)
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and message_id):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = Ed25519PublicKey.from_public_bytes(_raw_key(credential, public, "whpk_", (32,)))
    content = _content(message_id, int(timestamp), body)
    return any(
        _verifies(key, each.removeprefix("v1a,"), content)
        for each in signatures.split()
        if each.startswith("v1a,")
    )


def _verifies(key: Ed25519PublicKey, signature: str, content: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _read(body: bytes, digest: bytes) -> Acknowledgement:
    try:
        message = msgspec.json.decode(body)
        data = message["data"]
        kind, task, outcome = message["type"], data["task"], data["outcome"]
        erased, evidence = data.get("erased"), data.get("evidence")
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError) as error:
        raise _no_answer() from error
    fits = (
        kind == "erasure.acknowledged"
        and isinstance(task, str)
        and outcome in OUTCOMES
        and (erased is None or (type(erased) is int and 0 <= erased <= _MOST))
        and (evidence is None or (isinstance(evidence, str) and len(evidence) <= 2_000))
    )
    if not fits or (outcome == "impossible" and not evidence):
        raise _no_answer()
    return Acknowledgement(task, outcome, erased, evidence, digest)


def _no_answer() -> InvalidInputError:
    return InvalidInputError(
        "The body is no acknowledgement of an erasure.",
        remedy='Send {"type": "erasure.acknowledged", "data": {"task", "outcome", "erased"?, '
        f'"evidence"?}}}} with an outcome of: {", ".join(OUTCOMES)}; "impossible" needs evidence.',
    )


def require_evidence(evidence: str | None) -> str:
    """The reference under which a manual task is proved. Raises InvalidInputError without one."""
    text = (evidence or "").strip()
    if not text:
        raise InvalidInputError(
            "A task that a person did is not done without evidence.",
            remedy="Give a reference: a ticket, a report, a file with its digest.",
            path="evidence",
        )
    return text


def _at(url: str, address: str) -> str:
    """The same URL, at the address that was checked."""
    split = urlsplit(url)
    host = f"[{address}]" if ":" in address else address
    place = host if split.port is None else f"{host}:{split.port}"
    return urlunsplit((split.scheme, place, split.path, "", ""))


def _resolved(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _content(message_id: str, timestamp: int, body: bytes) -> bytes:
    return b"%s.%d.%s" % (message_id.encode(), timestamp, body)


def _raw_key(credential: Credential, text: str, prefix: str, sizes: tuple[int, ...]) -> bytes:
    try:
        key = base64.b64decode(text.removeprefix(prefix), validate=True)
    except ValueError:
        raise _no_key(credential) from None
    if len(key) not in sizes:
        raise _no_key(credential)
    return key


def _no_key(credential: Credential) -> StoppedError:
    return StoppedError(
        Reason.CREDENTIAL_MISSING, f"The credential {credential.name} holds no usable key."
    )
