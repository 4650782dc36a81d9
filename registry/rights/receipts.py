"""Consent receipts: what was recorded of a person, in the shape of ISO/IEC TS 27560. Pure.

Four sections, as the specification has them: header, processing, parties, events. A receipt is
given to who may speak for the person; it holds no identifier, and the pseudonym in it is made for
it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from registry.moments import rfc3339
from registry.rights.consent import ConsentRecord
from registry.rights.consent_state import Consent
from registry.rights.purposes import Purposes

SCHEMA = "https://www.iso.org/standard/80392.html"
STATUS_IRI = "https://w3id.org/dpv#Consent"


def consent_receipt(
    receipt_id: str,
    events: Sequence[ConsentRecord],
    standing: dict[str, Consent],
    purposes: Purposes,
    *,
    issued_at: datetime,
) -> dict[str, object]:
    """The receipt of a person's events. `standing`: where consent to each purpose stands now."""
    controllers = dict.fromkeys(e.controller for e in events if e.controller is not None)
    return {
        "header": {
            "schema": SCHEMA,
            "receipt_id": receipt_id,
            "issued_at": rfc3339(issued_at),
            "pii_principal_id": receipt_id,
        },
        "processing": [_processing(name, standing[name], events, purposes) for name in standing],
        "parties": [{"role": "controller", "name": name} for name in controllers],
        "events": [_event(each) for each in events],
    }


def _processing(
    name: str, now: Consent, events: Sequence[ConsentRecord], purposes: Purposes
) -> dict[str, object]:
    entry = purposes.entries.get(name)
    deciding = next((each for each in events if each.id == now.decided_by), None)
    return {
        "purpose": name,
        "purpose_label": None if entry is None else entry.label,
        "purpose_iri": None if entry is None else entry.iri,
        "lawful_basis": "consent",
        "status": None if now.status is None else now.status.value,
        "permits": now.permits,
        "since": None if now.since is None else rfc3339(now.since),
        "expires_at": None if now.expires_at is None else rfc3339(now.expires_at),
        "notice": None if deciding is None else deciding.notice,
        "jurisdiction": None if deciding is None else deciding.jurisdiction,
    }


def _event(event: ConsentRecord) -> dict[str, object]:
    return {
        "event_id": event.id,
        "purpose": event.purpose,
        "status": event.status.value,
        "status_iri": STATUS_IRI + event.status.value.title(),
        "at": rfc3339(event.at),
        "expires_at": None if event.expires_at is None else rfc3339(event.expires_at),
        "recorded_at": rfc3339(event.received_at),
        "notice": event.notice,
        "evidence": event.evidence,
        "explicit": event.explicit,
        "controller": event.controller,
    }
