"""A case that was certified: its facts, a log that holds them, and the file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlmodel import Session

from registry.audit.checkpoint import Checkpoint, sign_checkpoint
from registry.audit.documents import document, leaf_data
from registry.audit.dsse import keyid_of, sign_envelope
from registry.audit.events import EntryKind
from registry.audit.merkle import consistency_proof, inclusion_proof, leaf_hash, root_hash
from registry.audit.notes import VerifierKey
from registry.audit.reading import read_entries
from registry.audit.signing import latest_checkpoint
from registry.audit.tables import ENTRY
from registry.audit.tree import prove_inclusion
from registry.canonical import canonical_json
from registry.erasure.certificate.document import PAYLOAD_TYPE, entry_facts, issue
from registry.erasure.certificate.facts import (
    Backup,
    CertificateFacts,
    Clock,
    Disposition,
    Extension,
    Issuer,
    LogProof,
    Model,
    NotSearched,
    Outcome,
    Pause,
    Plan,
    Recipient,
    RecipientState,
    Regime,
    Request,
    Right,
    Step,
    Target,
    TargetKind,
    TargetState,
    Withheld,
)
from registry.moments import to_micros

ORIGIN = "lineage-registry/0197a0e2-0000-7000-8000-00000000000a"
SECRET, STRANGER = bytes(range(32)), bytes(range(1, 33))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
KEYS = [VerifierKey(ORIGIN, PUBLIC)]
ACTOR = "0197a0e2-0000-7000-8000-000000000001"
OWN = Target(TargetKind.OWN_DATA, "registry", 12, 12, 12, 12, TargetState.VERIFIED)
FILE = Target(
    TargetKind.FILE,
    "s3://lake/raw/docs/part-0001.parquet",
    7,
    None,
    None,
    None,
    TargetState.PENDING,
)
GONE = Target(
    TargetKind.FILE, "s3://lake/raw/docs/part-0002.parquet", 0, 0, 0, 0, TargetState.NOT_PRESENT
)


def at(day: int, hour: int = 9) -> datetime:
    """A time in March 2026."""
    return datetime(2026, 3, day, hour, 30, tzinfo=UTC)


def digest(text: str) -> str:
    """Some digest."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


PARTLY = CertificateFacts(
    number=17,
    issuer=Issuer(ORIGIN, "https://registry.example"),
    issued_at=at(20),
    outcome=Outcome.PARTIALLY_FULFILLED,
    justification=None,
    request=Request(
        "0197a0e2-0000-7000-8000-0000000000f1", "3f9ac0d2e1b44c5f", Right.ERASURE, Regime.GDPR
    ),
    clock=Clock(
        received_at=at(1),
        due_on=date(2026, 6, 9),
        calculation="Received on 2026-03-01. One calendar month later is 2026-04-01; paused for 8 "
        "days; extended by two months.",
        pauses=(Pause(at(2), at(10), "the identity question was open"),),
        extension=Extension(at(12), date(2026, 6, 9), "many sources had to be searched"),
    ),
    timeline=(
        Step("received", at(1)),
        Step("scoping", at(10)),
        Step("pending_approval", at(11)),
        Step("approved", at(13)),
        Step("executing", at(14)),
        Step("partially_fulfilled", at(20)),
    ),
    plan=Plan(digest("plan"), 2, digest("policies"), at(11), at(13)),
    targets=(OWN, FILE, GONE),
    withheld=(Withheld("s3://lake raw/docs, batch 3", 2, "17_3_e", "matter-2026-4"),),
    not_searched=(
        NotSearched("s3://lake raw/forum", "2025-11", 48_210),
        NotSearched("s3://lake raw/web", "all", None),
    ),
    backups=(Backup("catalog and ledger, made 2026-02-27", date(2026, 5, 28)),),
    recipients=(
        Recipient("vendor-3", RecipientState.ACKNOWLEDGED, at(16), None),
        Recipient("vendor-4", RecipientState.NOTIFIED, at(16), None),
        Recipient("vendor-5", RecipientState.IMPOSSIBLE, at(17), "it was dissolved in 2025"),
    ),
    models=(
        Model("s3://models classifier", "4", Disposition.RETRAIN, "team-speech", date(2026, 7, 1)),
        Model("s3://models <ranker> & co", None, None, None, None),
    ),
    suppressions=("0197a0e2-0000-7000-8000-00000000a001",),
)
WHOLLY = replace(
    PARTLY,
    number=18,
    outcome=Outcome.FULFILLED,
    targets=(OWN, GONE),
    withheld=(),
    not_searched=(),
    backups=(),
    recipients=PARTLY.recipients[::2],
    models=PARTLY.models[:1],
)
DENIED = replace(
    WHOLLY,
    number=19,
    outcome=Outcome.DENIED,
    justification="A17-3-e",
    plan=None,
    targets=(),
    recipients=(),
    models=(),
    suppressions=(),
    clock=replace(PARTLY.clock, pauses=(), extension=None),
)


@dataclass(frozen=True)
class Log:
    """An audit log of a few entries, one of them about the facts."""

    leaves: list[bytes]
    salt: bytes
    document: bytes
    index: int

    def checkpoint(
        self, size: int | None = None, *, secret: bytes = SECRET, origin: str = ORIGIN
    ) -> str:
        """A signed note over the first `size` entries."""
        leaves = self.leaves[:size]
        return sign_checkpoint(Checkpoint(origin, len(leaves), root_hash(leaves)), secret)

    def growth(self, first: int, second: int) -> list[bytes]:
        """That the first `first` entries begin the first `second`."""
        return consistency_proof(self.leaves, first, second)

    def proof(self, size: int = 11) -> LogProof:
        """That the entry is in the tree of `size`."""
        return LogProof(
            self.index,
            size,
            tuple(inclusion_proof(self.leaves, self.index, size)),
            leaf_data(self.salt, self.document),
            self.salt,
            self.document.decode(),
            self.checkpoint(size),
        )


def log_of(facts: CertificateFacts, *, kind: str = EntryKind.CERTIFICATE_ISSUED) -> Log:
    """A log of 16 entries whose eighth is about the facts."""
    salt = hashlib.sha256(b"salt").digest()
    entry = document(ACTOR, to_micros(facts.issued_at), canonical_json(entry_facts(facts)), kind)
    leaves = [leaf_hash(number.to_bytes(32, "big")) for number in range(16)]
    leaves[7] = leaf_hash(leaf_data(salt, entry))
    return Log(leaves, salt, entry, 7)


def proof_in(session: Session, facts: CertificateFacts) -> LogProof:
    """The same from a registry's log, whose last checkpoint covers the entry."""
    written = canonical_json(entry_facts(facts))
    query = select(ENTRY.c.leaf_index).where(ENTRY.c.payload == written)
    index = session.execute(query).scalar_one()
    (entry,) = read_entries(session, index, index)
    signed = latest_checkpoint(session)
    assert signed is not None
    assert entry.salt is not None
    assert entry.document is not None
    hashes = tuple(prove_inclusion(session, index, signed.size).hashes)
    return LogProof(
        index, signed.size, hashes, entry.leaf_data, entry.salt, entry.document, signed.note
    )


def certificate(facts: CertificateFacts = PARTLY) -> bytes:
    """The file of a certificate."""
    return issue(facts, log_of(facts).proof(), SECRET)


def statement_in(envelope: bytes) -> dict[str, Any]:
    """The in-toto statement within."""
    found = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    assert isinstance(found, dict)
    return found


def forged(change: Callable[[dict[str, Any]], None], *, secret: bytes = SECRET) -> bytes:
    """The certificate, changed within and signed again by whoever has the key."""
    statement = statement_in(certificate())
    change(statement)
    return sign_envelope(PAYLOAD_TYPE, canonical_json(statement), secret)


def envelope_of(payload: bytes, *, secret: bytes = SECRET, kind: str = PAYLOAD_TYPE) -> bytes:
    """Any payload, signed."""
    return sign_envelope(kind, payload, secret)


KEYID = keyid_of(PUBLIC)
