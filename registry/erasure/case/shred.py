"""The end of what a person gave: their request's key is destroyed, and that is proven.

Rules (the governance page, case 16; DESIGN §6, "SQL residue counts"):
1. Only a request that is closed is shredded: while it is open, identifiers are needed.
2. In the transaction that destroys the key, what it sealed is tried to be opened; unless that
   fails, nothing is committed.
3. Pseudonyms, plan, tasks, certificates and the timeline stay: the fact outlives the identifier.
4. It never stands for the erasing of plain copies, which are tasks of their own.
5. Twice is success. After the commit the database's own files are scrubbed of the key; where that
   could not be, it is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.key_changes import recording_as
from registry.durations import Duration
from registry.erasure.case.cases import Case, change_case, in_projects, read_case
from registry.erasure.case.identifiers import open_identifiers
from registry.erasure.case.timeline import add_step
from registry.erasure.tables import ErasureRequest
from registry.errors import ConflictError, KeyDestroyedError, TamperedError
from registry.keys.destruction import destroy_record_key
from registry.keys.keyring import Keyring
from registry.keys.tables import NOT_IN_BACKUPS
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.residue import scrub_residue

_request = table_of(ErasureRequest)


@dataclass(frozen=True, slots=True)
class Shred:
    """A request whose key is destroyed; `proof`: what the attempt to open its values was told."""

    case: Case
    destroyed_at: datetime
    proof: str


def shred_request(
    session: Session, keyring: Keyring, request_id: str, *, actor: str, now: datetime
) -> Shred:
    """Destroy the key of a closed request (rules 1 and 2).

    Raises NotFoundError, ConflictError for one that is open, TamperedError where what was sealed
    can still be read. Effects: rows, entries in the journal, the first time a step; does not
    commit. Whoever commits calls `scrub_keys`.
    """
    case = read_case(session, request_id, held=True)
    if case.closed_at is None:
        raise ConflictError(
            f"The request {case.id} is {case.state.value}, and its identifiers are needed.",
            remedy="Its key is destroyed once it is closed.",
        )
    destroy_record_key(session, case.record_key, now=now, record=recording_as(actor))
    proof = _prove(session, keyring, case)
    if case.key_destroyed_at is None:
        case = change_case(session, case, key_destroyed_at=now)
        kind = EntryKind.ERASURE_KEY_DESTROYED
        facts = {"key": case.record_key, "decryption": "refused"}
        add_step(session, case, kind, actor=actor, now=now, facts=facts)
    return Shred(case, case.key_destroyed_at or now, proof)


def _prove(session: Session, keyring: Keyring, case: Case) -> str:
    try:
        open_identifiers(session, keyring, case)
    except KeyDestroyedError as error:
        return error.detail
    raise TamperedError(
        f"What the key of the request {case.id} sealed can still be read.",
        remedy="Nothing was destroyed. Report it.",
    )


def scrub_keys(database: Database) -> bool:
    """Leave no trace of destroyed keys in the database's own files; False where it was busy."""
    return scrub_residue(database, NOT_IN_BACKUPS)


def due_to_shred(session: Session, *, kept: Duration, now: datetime, limit: int) -> list[str]:
    """Closed requests whose identifiers were kept long enough; at most `limit` ids."""
    query = (
        select(_request.c.id)
        .where(
            in_projects(session),
            _request.c.closed_at.is_not(None),
            _request.c.closed_at <= kept.before(now),
            _request.c.key_destroyed_at.is_(None),
        )
        .order_by(_request.c.closed_at, _request.c.id)
        .limit(limit)
    )
    return list(session.execute(query).scalars())
