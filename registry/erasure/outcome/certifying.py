"""Issues certificates: numbers them with an entry in the log, and seals them once it has its place.

Rules:
1. Number, facts and entry are one transaction, that of the outcome. Nothing is certified that is
   not concluded, and nothing concluded stays without a number.
2. Sealing waits until the entry has its place in the log and a signed checkpoint covers it. It may
   be done by anyone and any number of times: a sealed certificate never changes.
3. Where the log had to go on under another name before one was sealed, its facts name that one, by
   an entry of their own: nothing is signed under the old name again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import msgspec
from sqlalchemy import func, insert, select, update
from sqlmodel import Session

from registry.audit.checkpoint import read_checkpoint
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.reading import read_entries
from registry.audit.sequencer import AuditLog
from registry.audit.signing import Signed
from registry.audit.tables import ENTRY
from registry.audit.tree import prove_inclusion
from registry.canonical import canonical_json
from registry.erasure.certificate.document import entry_facts, issue
from registry.erasure.certificate.facts import CertificateFacts, LogProof, facts_from, to_json
from registry.erasure.tables import ErasureCertificate
from registry.errors import NotFoundError, TamperedError
from registry.keys.tables import Purpose
from registry.storage.columns import table_of
from registry.storage.database import Database

_certificate = table_of(ErasureCertificate)


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A certificate as its row has it; `envelope` is None until it is sealed."""

    number: int
    request_id: str
    outcome: str
    envelope: bytes | None
    issued_by: str
    issued_at: datetime


def number_certificate(
    session: Session,
    request_id: str,
    make: Callable[[int], CertificateFacts],
    *,
    actor: str,
    now: datetime,
) -> CertificateFacts:
    """Give a certificate its number and its entry in the journal (rule 1); its facts.

    `make` is given the number. Effects: a row, an entry; does not commit.
    """
    row = {
        "request_id": request_id,
        "outcome": "",
        "facts": "",
        "issued_by": actor,
        "issued_at": now,
    }
    made = session.execute(insert(_certificate).values(row).returning(_certificate.c.number))
    facts = make(int(made.scalar_one()))
    values = _entered(session, facts, actor=actor, now=now)
    mine = _certificate.c.number == facts.number
    session.execute(update(_certificate).where(mine).values(values))
    return facts


def _entered(
    session: Session, facts: CertificateFacts, *, actor: str, now: datetime
) -> dict[str, object]:
    """Write the entry of a certificate; what its row says of it."""
    payload = entry_facts(facts)
    append_entries(session, [Entry(EntryKind.CERTIFICATE_ISSUED, actor, payload)], at=now)
    # It has no place yet, so the index of those that wait leads to it.
    waiting = (ENTRY.c.leaf_index.is_(None)) & (ENTRY.c.payload == canonical_json(payload))
    entry_id = session.execute(select(func.max(ENTRY.c.id)).where(waiting)).scalar_one()
    return {
        "outcome": facts.outcome.value,
        "facts": msgspec.json.encode(to_json(facts)).decode(),
        "entry_id": entry_id,
    }


def last_facts(session: Session, request_id: str) -> CertificateFacts | None:
    """What the newest certificate of a request states; None where it has none."""
    query = select(_certificate.c.facts).where(_certificate.c.request_id == request_id)
    text = session.execute(query.order_by(_certificate.c.number.desc()).limit(1)).scalar()
    return None if text is None else facts_from(msgspec.json.decode(text))


def list_certificates(session: Session, request_id: str) -> list[CertificateView]:
    """The certificates of a request, the oldest first."""
    table = _certificate
    query = (
        select(
            table.c.number,
            table.c.request_id,
            table.c.outcome,
            table.c.envelope,
            table.c.issued_by,
            table.c.issued_at,
        )
        .where(table.c.request_id == request_id)
        .order_by(table.c.number)
    )
    return [CertificateView(*row) for row in session.execute(query)]


def sealed_certificate(
    database: Database, audit: AuditLog, request_id: str, *, number: int | None = None
) -> CertificateView:
    """A certificate with its envelope, the newest for None; sealed now if nobody did (rule 2).

    Raises NotFoundError where there is none, StorageUnavailableError. Effects: may commit.
    """
    with database.read() as session:
        found = [
            each
            for each in list_certificates(session, request_id)
            if number is None or each.number == number
        ]
    if not found:
        raise NotFoundError(
            f"The request {request_id} has no certificate{'' if number is None else f' {number}'}.",
            remedy="One is issued when its outcome is known: registry erasure show REQUEST.",
        )
    if found[-1].envelope is not None:
        return found[-1]
    seal_certificate(database, audit, found[-1].number)
    return sealed_certificate(database, audit, request_id, number=found[-1].number)


def seal_certificate(database: Database, audit: AuditLog, number: int) -> None:
    """Sign a certificate with the proof that its entry is in the log (rule 2).

    Raises TamperedError where its entry is gone. Effects: commits one row, and what the log's round
    does.
    """
    signed = audit.catch_up()
    origin = read_checkpoint(signed.note).origin
    restated = partial(_state_for, number=number, origin=origin, now=audit.clock())
    if database.transact(restated):
        seal_certificate(database, audit, number)
        return
    with database.read() as session:
        mine = _certificate.c.number == number
        row = session.execute(select(_certificate).where(mine)).one()
        facts = facts_from(msgspec.json.decode(row.facts))
        proof = _proof(session, number, row.entry_id, signed)
    secret = audit.keyring.active(Purpose.SIGNING).require_secret()
    envelope = issue(facts, proof, secret)
    values = {"envelope": envelope, "digest": hashlib.sha256(envelope).digest()}
    once = (_certificate.c.number == number) & _certificate.c.envelope.is_(None)
    database.transact(
        lambda session: session.execute(update(_certificate).where(once).values(values))
    )


def _state_for(session: Session, *, number: int, origin: str, now: datetime) -> bool:
    """State the facts of a certificate that is not sealed under the log's name of now, with an
    entry anew (rule 3); whether that was needed. Does not commit.
    """
    open_one = (_certificate.c.number == number) & _certificate.c.envelope.is_(None)
    query = select(_certificate.c.facts, _certificate.c.issued_by).where(open_one)
    row = session.execute(query.with_for_update()).one_or_none()
    facts = None if row is None else facts_from(msgspec.json.decode(row.facts))
    if row is None or facts is None or facts.issuer.origin == origin:
        return False
    facts = replace(facts, issuer=replace(facts.issuer, origin=origin))
    values = _entered(session, facts, actor=row.issued_by, now=now)
    session.execute(update(_certificate).where(open_one).values(values))
    return True


def _proof(session: Session, number: int, entry_id: int, signed: Signed) -> LogProof:
    query = select(ENTRY.c.leaf_index).where(ENTRY.c.id == entry_id)
    index = session.execute(query).scalar_one_or_none()
    entries = [] if index is None else read_entries(session, index, index)
    if not entries or entries[0].salt is None or entries[0].document is None:
        raise TamperedError(
            f"The entry of certificate {number} is not in the audit log.",
            remedy="Say `registry audit verify`: an entry was taken away.",
        )
    entry = entries[0]
    inclusion = prove_inclusion(session, entry.index, signed.size)
    return LogProof(
        index=entry.index,
        size=signed.size,
        hashes=tuple(inclusion.hashes),
        leaf_data=entry.leaf_data,
        salt=bytes(entries[0].salt),
        document=entry.document or "",
        checkpoint=signed.note,
    )
