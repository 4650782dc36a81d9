"""Reads statements: what only a person can say of a dataset, and what of it holds.

Rules (DESIGN §1.8; how they are made: `registry.cards.declared.stating`):
1. A statement is in force until it expires, or another one names it as superseded or withdrawn.
2. Several of one kind in force are by different people: whoever shows them shows all.
3. What is said of a version stands before what is said of its dataset.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlmodel import Session

from registry.actors.tables import Account
from registry.audit.dsse import read_envelope
from registry.audit.tables import ENTRY
from registry.cards.declared.tables import StatementRow
from registry.cards.fact_kinds import STATEMENT_KINDS
from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import visible
from registry.catalog.tables import Dataset
from registry.errors import InvalidInputError, NotFoundError
from registry.moments import to_micros
from registry.storage.columns import table_of

_row, _dataset, _account = table_of(StatementRow), table_of(Dataset), table_of(Account)
_later = _row.alias("later")
_LISTING = "statements"


class Subject(NamedTuple):
    """What is spoken of: a dataset or model, or one version of it."""

    namespace: str
    name: str
    version: int | None


@dataclass(frozen=True, slots=True)
class StatementView:
    """A statement. `author`: the name of an account. `audit_index`: None until the log has it.

    `signature`: of the envelope, in base64. `superseded_by`: the statement that took its place.
    """

    id: str
    kind: str
    about: Subject
    text: str
    value: bool | None
    author: str
    stated_at: datetime
    expires_at: datetime | None
    attachment_sha256: str | None
    supersedes: str | None
    signature: str
    audit_index: int | None
    withdraws: bool = False
    superseded_by: str | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Whether it holds at a moment: said and not taken back, superseded or expired."""
        ended = self.expires_at is not None and self.expires_at <= at
        return not (self.withdraws or ended or self.superseded_by)


def statements_in_force(
    session: Session, dataset_id: bytes, version: int | None, now: datetime
) -> list[StatementView]:
    """What holds of a version, or of the dataset where `version` is None (rules 1 to 3).

    By kind, the first stated first; several of one kind are by different people. Cost: one query.
    """
    about: ColumnElement[bool] = _row.c.number.is_(None)
    if version is not None:
        about = or_(about, _row.c.number == version)
    found = _views(session, [_row.c.dataset_id == dataset_id, about])
    held = [each for each in found if each.is_in_force(now)]
    closer = {each.kind for each in held if each.about.version is not None}
    return [each for each in held if each.about.version is not None or each.kind not in closer]


def expired_statements(
    session: Session, dataset_id: bytes, version: int, now: datetime
) -> list[StatementView]:
    """What held of a version until it expired, and nothing took the place of; by kind."""
    about = or_(_row.c.number.is_(None), _row.c.number == version)
    ended = _row.c.expires_at <= now
    found = _views(session, [_row.c.dataset_id == dataset_id, about, ended])
    return [each for each in found if not each.withdraws and each.superseded_by is None]


def list_statements(
    session: Session,
    cut: Cut,
    *,
    dataset_id: bytes | None = None,
    version: int | None = None,
    kind: str | None = None,
) -> Page[StatementView]:
    """Statements in sight, the last first: also what was superseded, withdrawn or has expired."""
    chosen: list[ColumnElement[bool]] = [visible(session, "statement.dataset_id")]
    if dataset_id is not None:
        chosen.append(_row.c.dataset_id == dataset_id)
    if version is not None:
        chosen.append(_row.c.number == version)
    if kind is not None:
        chosen.append(_row.c.kind == require_kind(kind))
    total = session.execute(select(func.count()).select_from(_row).where(*chosen)).scalar_one()
    query = _query(chosen)
    if cut.cursor is not None:
        at, key = decode_cursor(_LISTING, cut.cursor, (int, str))
        moment = cursor_moment(at)
        earlier = _row.c.stated_at < moment
        query = query.where(or_(earlier, and_(_row.c.stated_at == moment, _row.c.id < key)))
    query = query.order_by(_row.c.stated_at.desc(), _row.c.id.desc())
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    page = page_of(rows, cut, total, _LISTING, lambda row: (to_micros(row.stated_at), row.id))
    return page.map([_view(row) for row in page.items])


def read_statement(session: Session, statement_id: str) -> StatementView:
    """One statement that is in sight. Raises NotFoundError."""
    sight = visible(session, "statement.dataset_id")
    found = _views(session, [_row.c.id == statement_id, sight])
    if not found:
        raise NotFoundError(
            f"There is no statement {statement_id[:80]!r}.",
            remedy="See GET /api/v1/statements.",
            path="id",
        )
    return found[0]


def signed_statement(session: Session, statement_id: str) -> bytes:
    """The envelope of a statement that is in sight (DSSE). Raises NotFoundError."""
    found = read_statement(session, statement_id)
    query = select(_row.c.envelope).where(_row.c.id == found.id)
    return bytes(session.execute(query).scalar_one())


def require_kind(kind: str) -> str:
    """The kind itself. Raises InvalidInputError for one that nobody states."""
    if kind not in STATEMENT_KINDS:
        raise InvalidInputError(
            f"{kind[:40]!r} is no kind of statement.",
            remedy=f"Choose one of: {', '.join(STATEMENT_KINDS)}.",
            path="kind",
        )
    return kind


def open_statements(
    session: Session, dataset_id: bytes, version: int | None, *, kind: str, author: str
) -> list[StatementView]:
    """An account's statements of a kind about the same that nothing took the place of."""
    same = _row.c.number.is_(None) if version is None else _row.c.number == version
    mine = [_row.c.dataset_id == dataset_id, _row.c.kind == kind, _row.c.author == author, same]
    found = _views(session, mine)
    return [each for each in found if not each.withdraws and each.superseded_by is None]


def _views(session: Session, chosen: list[ColumnElement[bool]]) -> list[StatementView]:
    query = _query(chosen).order_by(_row.c.kind, _row.c.stated_at, _row.c.id)
    return [_view(row) for row in session.execute(query)]


def _query(chosen: list[ColumnElement[bool]]) -> Select[Any]:
    return (
        select(
            _row,
            _dataset.c.namespace,
            _dataset.c.name,
            _account.c.name.label("author_name"),
            ENTRY.c.leaf_index,
            _later.c.id.label("superseded_by"),
        )
        .join(_dataset, _dataset.c.id == _row.c.dataset_id)
        .outerjoin(_account, _account.c.id == _row.c.author)
        .outerjoin(ENTRY, ENTRY.c.id == _row.c.entry_id)
        .outerjoin(_later, _later.c.supersedes == _row.c.id)
        .where(*chosen)
    )


def _view(row: Any) -> StatementView:
    return StatementView(
        id=row.id,
        kind=row.kind,
        about=Subject(row.namespace, row.name, row.number),
        text=row.text,
        value=None if row.flag is None else bool(row.flag),
        author=row.author_name or row.author,
        stated_at=row.stated_at,
        expires_at=row.expires_at,
        attachment_sha256=row.attachment_sha256,
        supersedes=row.supersedes,
        signature=base64.b64encode(read_envelope(row.envelope).signature).decode(),
        audit_index=row.leaf_index,
        withdraws=bool(row.withdraws),
        superseded_by=row.superseded_by,
    )
