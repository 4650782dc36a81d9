"""Makes statements: what only a person can say, signed as it was said.

Rules (DESIGN §1.8):
1. A statement is never changed. Saying it anew, or taking it back, is a statement more that names
   the one it supersedes; nobody supersedes what is superseded already.
2. Who says something else of the same thing supersedes their own word. Another person's stays in
   force beside it until somebody supersedes or withdraws it: that is a contradiction, and it shows.
3. The registry signs what was said, by whom and when, so that it proves itself without a database.
4. A text with an obvious identifier of a person is refused: cards are kept longer than persons'
   data may be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import insert, select, text
from sqlmodel import Session

from registry.audit.dsse import open_envelope, sign_envelope
from registry.audit.events import EntryKind
from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json, digest_text, parse_digest
from registry.cards.declared.entries import write_entry
from registry.cards.declared.impersonal import require_impersonal
from registry.cards.declared.statements import (
    StatementView,
    Subject,
    open_statements,
    read_statement,
    require_kind,
)
from registry.cards.declared.tables import StatementRow
from registry.cards.fact_kinds import STATEMENTS, Form
from registry.catalog.lookup import Named, version_exists
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.moments import rfc3339
from registry.storage.columns import table_of

PAYLOAD_TYPE: Final = "application/vnd.lineage-registry.statement+json"
_LOCK = 0x73_7461_7465
_FLAGS = frozenset(kind.statement for kind in STATEMENTS if kind.form is Form.FLAG)
_row = table_of(StatementRow)


class Signer(NamedTuple):
    """Who says it, by account, and the 32 bytes of the registry's key that signs it."""

    account_id: str
    name: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class NewStatement:
    """What a person says. `value`: yes or no, of the kinds that are flags, and of no other."""

    kind: str
    text: str = ""
    value: bool | None = None
    version: int | None = None
    expires_at: datetime | None = None
    attachment_sha256: str | None = None
    supersedes: str | None = None


def state(
    session: Session,
    dataset: Named,
    said: NewStatement,
    *,
    by: Signer,
    now: datetime,
) -> StatementView:
    """Record what a person says (rules 1 and 2).

    The same words of the same person again are the same statement. Raises InvalidInputError,
    NotFoundError, ConflictError. Effects: a row and an entry; does not commit.
    """
    _check(session, dataset, said, now)
    _take_turn(session)
    mine = open_statements(session, dataset.id, said.version, kind=said.kind, author=by.account_id)
    own = mine[-1] if mine else None
    if own is not None and said.supersedes in (None, own.supersedes) and _is_same(own, said):
        return own
    former = own
    if said.supersedes is not None:
        former = _superseded(session, dataset, said)
        if own is not None and own.id != former.id:
            raise ConflictError(
                f"You stated {said.kind} yourself ({own.id}), and it would go on standing beside "
                "what you say now.",
                remedy=f"Withdraw {former.id}, with the reason; yours stands then.",
            )
    return _write(session, dataset, said, former, by=by, now=now)


def withdraw(
    session: Session, statement_id: str, *, reason: str, by: Signer, now: datetime
) -> StatementView:
    """Take a statement back: a row more that says so, and why.

    Raises NotFoundError, ConflictError where it was superseded already, InvalidInputError. Effects
    as `state`.
    """
    require_impersonal(reason, path="reason")
    if not reason.strip():
        raise InvalidInputError(
            "The reason is empty.", remedy="Say why it does not hold.", path="reason"
        )
    _take_turn(session)
    former = read_statement(session, statement_id)
    if former.withdraws or former.superseded_by is not None:
        raise _over(former)
    row = session.execute(select(_row.c.dataset_id).where(_row.c.id == former.id)).one()
    dataset = Named(row.dataset_id, former.about.namespace, former.about.name)
    said = NewStatement(former.kind, reason, version=former.about.version)
    return _write(session, dataset, said, former, by=by, now=now, withdraws=True)


def verify_statement(envelope: bytes, keys: Sequence[VerifierKey]) -> dict[str, Any]:
    """What a signed statement says, held to keys that a reader trusts. Raises NotVerifiedError."""
    taken, _ = open_envelope(envelope, PAYLOAD_TYPE, keys)
    said: dict[str, Any] = msgspec.json.decode(taken.payload)
    return said


def _check(session: Session, dataset: Named, said: NewStatement, now: datetime) -> None:
    """Raise for what cannot be stated."""
    require_kind(said.kind)
    require_impersonal(said.text, path="text")
    if said.kind in _FLAGS and said.value is None:
        raise InvalidInputError(
            f"{said.kind} is stated with yes or no.", remedy="Give its value.", path="value"
        )
    if said.kind not in _FLAGS and said.value is not None:
        raise InvalidInputError(
            f"{said.kind} is stated in words, not with yes or no.",
            remedy="Leave the value out, and say it in the text.",
            path="value",
        )
    if said.kind not in _FLAGS and not said.text.strip():
        raise InvalidInputError(
            f"The statement on {said.kind} has no words.", remedy="Say it in the text.", path="text"
        )
    if said.expires_at is not None and said.expires_at <= now:
        raise InvalidInputError(
            f"The statement would have expired on {rfc3339(said.expires_at)}, before it is made.",
            remedy="Give a time to come, or none.",
            path="expires_at",
        )
    if said.attachment_sha256 is not None:
        parse_digest(said.attachment_sha256, path="attachment_sha256")
    if said.version is not None and not version_exists(session, dataset.id, said.version):
        raise NotFoundError(
            f"{dataset.namespace} {dataset.name} has no version {said.version}.",
            remedy="See the versions of the dataset, or state it of the dataset.",
            path="version",
        )


def _take_turn(session: Session) -> None:
    """Be the only one who states something until this transaction ends.

    On SQLite a write transaction is alone already; PostgreSQL has an advisory lock for it.
    """
    if session.connection().dialect.name != "sqlite":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _is_same(own: StatementView, said: NewStatement) -> bool:
    return (own.text, own.value, own.expires_at, own.attachment_sha256) == (
        said.text,
        said.value,
        said.expires_at,
        said.attachment_sha256,
    )


def _superseded(session: Session, dataset: Named, said: NewStatement) -> StatementView:
    """The statement that is to be superseded. Raises NotFoundError, ConflictError (rule 1)."""
    found = read_statement(session, said.supersedes or "")
    about = Subject(dataset.namespace, dataset.name, said.version)
    if (found.kind, found.about) != (said.kind, about):
        where = "the dataset" if found.about.version is None else f"version {found.about.version}"
        raise ConflictError(
            f"The statement {found.id} is on {found.kind} of {where} of {found.about.namespace} "
            f"{found.about.name}, and the new one is not.",
            remedy="Supersede a statement of the same kind about the same.",
        )
    if found.withdraws or found.superseded_by is not None:
        raise _over(found)
    return found


def _over(found: StatementView) -> ConflictError:
    if found.withdraws:
        return ConflictError(
            f"The statement {found.id} withdraws another, and says nothing itself.",
            remedy="State anew what holds.",
        )
    return ConflictError(
        f"The statement {found.id} is superseded by {found.superseded_by}.",
        remedy="Look at that one: registry statement list.",
    )


def _write(
    session: Session,
    dataset: Named,
    said: NewStatement,
    former: StatementView | None,
    *,
    by: Signer,
    now: datetime,
    withdraws: bool = False,
) -> StatementView:
    made = fresh_id()
    supersedes = None if former is None else former.id
    payload = canonical_json(
        _document(made, dataset, said, supersedes, by=by, now=now)
        | ({"withdraws": True} if withdraws else {})
    )
    kind = EntryKind.STATEMENT_WITHDRAWN if withdraws else EntryKind.STATEMENT_MADE
    facts = {
        "statement": made,
        "kind": said.kind,
        "digest": digest_text(hashlib.sha256(payload).digest()),
    }
    row = {
        "id": made,
        "kind": said.kind,
        "dataset_id": dataset.id,
        "number": said.version,
        "text": said.text,
        "flag": None if said.value is None else int(said.value),
        "author": by.account_id,
        "stated_at": now,
        "expires_at": said.expires_at,
        "attachment_sha256": said.attachment_sha256,
        "supersedes": supersedes,
        "withdraws": int(withdraws),
        "envelope": sign_envelope(PAYLOAD_TYPE, payload, by.secret),
        "entry_id": write_entry(session, kind, facts, actor=by.account_id, now=now),
    }
    session.execute(insert(_row).values(row))
    return read_statement(session, made)


def _document(
    made: str,
    dataset: Named,
    said: NewStatement,
    supersedes: str | None,
    *,
    by: Signer,
    now: datetime,
) -> dict[str, object]:
    """What is signed; what was not said is left out."""
    about: dict[str, object] = {"namespace": dataset.namespace, "name": dataset.name}
    if said.version is not None:
        about["version"] = said.version
    expires = None if said.expires_at is None else rfc3339(said.expires_at)
    document = {
        "id": made,
        "kind": said.kind,
        "about": about,
        "text": said.text,
        "value": said.value,
        "author": by.name,
        "statedAt": rfc3339(now),
        "expiresAt": expires,
        "attachment": said.attachment_sha256,
        "supersedes": supersedes,
    }
    return {name: value for name, value in document.items() if value is not None}
