"""The log's entry about a certificate: written with the facts, proved once the log has placed it.

Rules:
1. The entry is written in the transaction that decides the outcome; the certificate is signed
   afterwards, when a checkpoint covers the entry (`AuditLog.catch_up`, or within two seconds).
2. Nobody redacts this entry: without its payload there is no proof, and it names no person.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from registry.audit.documents import document
from registry.audit.events import EntryKind
from registry.audit.journal import append_encoded
from registry.audit.signing import latest_checkpoint
from registry.audit.tables import ENTRY
from registry.audit.tree import prove_inclusion
from registry.canonical import canonical_json
from registry.erasure.certificate import entry_facts
from registry.erasure.certificate_facts import CertificateFacts, LogProof
from registry.errors import ConflictError, NotFoundError
from registry.moments import to_micros


def record_certificate(
    session: Session, facts: CertificateFacts, *, actor: str, at: datetime
) -> int:
    """Append the entry that a certificate of these facts needs; gives its row id.

    Effects: one `erasure.certificate.issued` entry; does not commit.
    """
    last = session.execute(select(func.max(ENTRY.c.id))).scalar() or 0
    payload = canonical_json(entry_facts(facts))
    append_encoded(session, [(EntryKind.CERTIFICATE_ISSUED, actor, payload)], at=at)
    query = select(func.max(ENTRY.c.id)).where(ENTRY.c.id > last, ENTRY.c.payload == payload)
    return int(session.execute(query).scalar_one())


def prove_certificate(session: Session, entry_id: int) -> LogProof | None:
    """That the log holds the entry with this row id; None until a signed checkpoint covers it.

    Raises NotFoundError for an entry that never was, ConflictError for one whose payload is gone,
    TamperedError as `root_at`. Cost: some tiles, about a millisecond.
    """
    row = session.execute(select(ENTRY).where(ENTRY.c.id == entry_id)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no audit entry {entry_id}.", remedy="Issue the certificate anew."
        )
    if row.payload is None or row.salt is None:
        raise ConflictError(
            f"The payload of the audit entry {entry_id} was erased, so nothing shows what it says.",
            remedy="Issue the certificate anew; the one that was issued still verifies.",
        )
    signed = latest_checkpoint(session)
    if row.leaf_index is None or signed is None or signed.size <= row.leaf_index:
        return None
    proof = prove_inclusion(session, row.leaf_index, signed.size)
    written = document(row.actor, to_micros(row.at), bytes(row.payload), row.kind)
    return LogProof(
        index=proof.index,
        size=proof.size,
        hashes=tuple(proof.hashes),
        leaf_data=bytes(row.leaf_data),
        salt=bytes(row.salt),
        document=written.decode(),
        checkpoint=signed.note,
    )
