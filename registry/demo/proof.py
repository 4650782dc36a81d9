"""Proves that the event which made the demo's model is in the audit log, as an auditor would.

Rules:
1. Nothing of the registry's word is taken: the event's digest is computed here, and the proof is
   checked here against the root in the signed checkpoint.
2. The event is the newest one that completed a run with the model among its outputs.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from registry.audit.checkpoint import read_checkpoint
from registry.audit.events import EntryKind
from registry.audit.merkle import verify_inclusion
from registry.canonical import digest_text, event_digest
from registry.client.http import HttpClient, Parameters
from registry.errors import NotFoundError

_PAGE = 1_000
_exactly = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class EventProof:
    """That an event is entry `index` of a log of `size` entries; hashes in base64."""

    event: str
    index: int
    size: int
    leaf: str
    hashes: tuple[str, ...]
    root: str
    origin: str


def prove_model(client: HttpClient, namespace: str, name: str) -> EventProof:
    """The proof of the event that made this model, checked.

    `client` acts as an auditor. Raises NotFoundError where there is no such event or entry,
    NotVerifiedError where the proof does not hold. Effects: asks for a signed checkpoint.
    """
    event = _event_of(client, namespace, name)
    head = read_checkpoint(client.request("POST", "/api/v1/audit/checkpoint").text)
    index = _index_of(client, event, head.size)
    asked = {"index": index, "size": head.size}
    proof = client.get("/api/v1/audit/proofs/inclusion", asked)
    hashes = [base64.b64decode(each) for each in proof["hashes"]]
    verify_inclusion(base64.b64decode(proof["leaf_hash"]), index, head.size, hashes, head.root)
    return EventProof(
        event,
        index,
        head.size,
        proof["leaf_hash"],
        tuple(proof["hashes"]),
        base64.b64encode(head.root).decode(),
        head.origin,
    )


def _event_of(client: HttpClient, namespace: str, name: str) -> str:
    for event in _events(client):
        outputs = event.get("outputs") or []
        made = any((each["namespace"], each["name"]) == (namespace, name) for each in outputs)
        if made and event.get("eventType") == "COMPLETE":
            return digest_text(event_digest(event))
    raise NotFoundError(
        f"No event says that {namespace} {name} was made.", remedy="Run the demo again."
    )


def _events(client: HttpClient) -> Iterator[dict[str, Any]]:
    """All events, the newest first, with numbers exactly as they were sent."""
    cursor: str | None = None
    while True:
        asked: Parameters = {"limit": 100, "cursor": cursor}
        answer = client.request("GET", "/api/v1/events", params=asked)
        page: dict[str, Any] = _exactly.decode(answer.content)
        yield from page["events"]
        cursor = page["next"]
        if not cursor:
            return


def _index_of(client: HttpClient, event: str, size: int) -> int:
    """The place of the entry that says the event was received."""
    for start in range(0, size, _PAGE):
        asked = {"start": start, "end": min(size, start + _PAGE) - 1}
        for entry in client.get("/api/v1/audit/entries", asked)["entries"]:
            received = entry["kind"] == EntryKind.LINEAGE_EVENT_RECEIVED
            if received and (entry["payload"] or {}).get("event") == event:
                return int(entry["index"])
    raise NotFoundError(
        f"The audit log has no entry about the event {event}.",
        remedy="Say `registry audit verify`: an entry may have been taken away.",
    )
