"""The register: processing activities (GDPR Art. 30), recipients, and what was shared with whom.

Rules (the governance page, "Also recorded"):
1. A change makes a new revision; what was said before stays. The newest revision counts.
2. Retiring ends an entry and deletes nothing: a share names its recipient for ever (Art. 19).
3. A share names a version that exists and a recipient that is not retired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Table, func, insert, or_, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import parse_digest
from registry.catalog.lookup import Named, version_exists
from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import visible
from registry.catalog.tables import Dataset
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.moments import to_micros
from registry.rights.tables import ProcessingActivity, Recipient, Share
from registry.storage.columns import insert_unless_there, table_of

_activity, _recipient = table_of(ProcessingActivity), table_of(Recipient)
_share, _dataset = table_of(Share), table_of(Dataset)
LISTS = ("purposes", "subject_categories", "data_categories", "recipients", "transfers")
RECIPIENT_KINDS = ("recipient", "processor", "controller", "annotator", "vendor")


@dataclass(frozen=True, slots=True)
class Revised:
    """An entry of the register as its newest revision has it; lists are lists of texts."""

    id: str
    revision: int
    retired: bool
    changed_by: str
    changed_at: datetime
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShareView:
    """A version that went to a recipient."""

    id: str
    namespace: str | None
    name: str | None
    number: int
    recipient_id: str
    recipient: str | None
    activity_id: str | None
    purpose: str | None
    terms: str | None
    terms_sha256: str | None
    shared_at: datetime
    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class NewShare:
    """What is recorded of a share."""

    number: int
    recipient_id: str
    shared_at: datetime
    activity_id: str | None = None
    purpose: str | None = None
    terms: str | None = None
    terms_sha256: str | None = None


def put_activity(
    session: Session, activity_id: str, said: Mapping[str, Any], *, actor: str, now: datetime
) -> Revised:
    """Add a revision of a processing activity; members that are left out stay as they were.

    Raises InvalidInputError without a name, ConflictError where somebody changed it just now.
    Effects: one entry in the journal; does not commit.
    """
    kind = EntryKind.ACTIVITY_CHANGED
    return _put(session, _activity, kind, activity_id, said, actor, now)


def put_recipient(
    session: Session, recipient_id: str, said: Mapping[str, Any], *, actor: str, now: datetime
) -> Revised:
    """Add a revision of a recipient. Raises and effects as `put_activity`."""
    kind = said.get("kind")
    if kind is not None and kind not in RECIPIENT_KINDS:
        raise InvalidInputError(
            f"{str(kind)[:40]!r} is no kind of recipient.",
            remedy=f"Choose one of: {', '.join(RECIPIENT_KINDS)}.",
            path="kind",
        )
    entry = EntryKind.RECIPIENT_CHANGED
    return _put(session, _recipient, entry, recipient_id, said, actor, now)


def _put(
    session: Session,
    table: Table,
    kind: EntryKind,
    entry_id: str,
    said: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> Revised:
    former = _newest(session, table, entry_id)
    values: dict[str, Any] = {} if former is None else dict(former.said)
    values |= said
    if not str(values.get("name") or "").strip():
        raise InvalidInputError(
            f"{entry_id[:80]!r} has no name yet.", remedy="Give its name.", path="name"
        )
    retired = values.pop("retired", former is not None and former.retired)
    revision = 1 if former is None else former.revision + 1
    row = {
        **_defaults(table),
        **{key: _stored(key, value) for key, value in values.items()},
        "id": entry_id,
        "revision": revision,
        "retired": int(bool(retired)),
        "changed_by": actor,
        "changed_at": now,
    }
    if not insert_unless_there(session, table, row):
        raise ConflictError(
            f"{entry_id} was changed by somebody else just now.",
            remedy="Look at it, and try again.",
        )
    facts = {"id": entry_id, "revision": revision}
    append_entries(session, [Entry(kind, actor, facts)], at=now)
    found = _newest(session, table, entry_id)
    if found is None:
        raise AssertionError("it was inserted above")
    return found


def _defaults(table: Table) -> dict[str, Any]:
    defaults: dict[str, Any] = {name: "[]" for name in LISTS if name in table.c}
    return defaults | ({"kind": RECIPIENT_KINDS[0]} if "kind" in table.c else {})


def _stored(key: str, value: Any) -> Any:
    return msgspec.json.encode(value or []).decode() if key in LISTS else value


def read_activity(session: Session, activity_id: str) -> Revised:
    """The newest revision. Raises NotFoundError."""
    return _required(_newest(session, _activity, activity_id), "processing activity", activity_id)


def read_recipient(session: Session, recipient_id: str) -> Revised:
    """The newest revision. Raises NotFoundError."""
    return _required(_newest(session, _recipient, recipient_id), "recipient", recipient_id)


def list_activities(session: Session) -> list[Revised]:
    """The newest revision of each processing activity, by id."""
    return _listed(session, _activity)


def list_recipients(session: Session) -> list[Revised]:
    """The newest revision of each recipient, by id."""
    return _listed(session, _recipient)


def _required(found: Revised | None, what: str, entry_id: str) -> Revised:
    if found is None:
        raise NotFoundError(
            f"There is no {what} {entry_id[:80]!r}.", remedy="See the register.", path="id"
        )
    return found


def _newest(session: Session, table: Table, entry_id: str) -> Revised | None:
    query = select(table).where(table.c.id == entry_id).order_by(table.c.revision.desc()).limit(1)
    row = session.execute(query).one_or_none()
    return None if row is None else _revised(table, row)


def _listed(session: Session, table: Table) -> list[Revised]:
    newest = (
        select(table.c.id, func.max(table.c.revision).label("revision"))
        .group_by(table.c.id)
        .subquery()
    )
    same = (table.c.id == newest.c.id) & (table.c.revision == newest.c.revision)
    rows = session.execute(select(table).join(newest, same).order_by(table.c.id))
    return [_revised(table, row) for row in rows]


def _revised(table: Table, row: Any) -> Revised:
    own = {"id", "revision", "retired", "changed_by", "changed_at"}
    said = {
        column.name: msgspec.json.decode(getattr(row, column.name))
        if column.name in LISTS
        else getattr(row, column.name)
        for column in table.columns
        if column.name not in own
    }
    return Revised(row.id, row.revision, bool(row.retired), row.changed_by, row.changed_at, said)


def record_share(
    session: Session, dataset: Named, share: NewShare, *, actor: str, now: datetime
) -> str:
    """Record that a version went to a recipient (rule 3); the id.

    Raises NotFoundError, ConflictError for a retired recipient, InvalidInputError for a time to
    come or a digest that is none. Effects: one entry in the journal; does not commit.
    """
    if not version_exists(session, dataset.id, share.number):
        raise NotFoundError(
            f"{dataset.namespace} {dataset.name} has no version {share.number}.",
            remedy="See the versions of the dataset.",
            path="version",
        )
    if read_recipient(session, share.recipient_id).retired:
        raise ConflictError(
            f"The recipient {share.recipient_id} is retired.", remedy="Name another, or revive it."
        )
    if share.activity_id is not None:
        read_activity(session, share.activity_id)
    if share.shared_at > now:
        raise InvalidInputError(
            "The share lies in the future.", remedy="Record it when it happened.", path="shared_at"
        )
    if share.terms_sha256 is not None:
        parse_digest(share.terms_sha256, path="terms_sha256")
    found = fresh_id()
    values = {name: getattr(share, name) for name in NewShare.__dataclass_fields__}
    row = {
        **values,
        "id": found,
        "dataset_id": dataset.id,
        "recorded_by": actor,
        "recorded_at": now,
    }
    session.execute(insert(_share).values(row))
    facts = {"share": found, "version": share.number, "recipient": share.recipient_id}
    append_entries(session, [Entry(EntryKind.SHARE_RECORDED, actor, facts)], at=now)
    return found


def list_shares(
    session: Session,
    cut: Cut,
    *,
    dataset_id: bytes | None = None,
    recipient_id: str | None = None,
) -> Page[ShareView]:
    """Shares that are in sight, the last recorded first; of one dataset or with one recipient."""
    chosen: list[ColumnElement[bool]] = [visible(session, "share.dataset_id")]
    if dataset_id is not None:
        chosen.append(_share.c.dataset_id == dataset_id)
    if recipient_id is not None:
        chosen.append(_share.c.recipient_id == recipient_id)
    query = (
        select(_share, _dataset.c.namespace, _dataset.c.name)
        .outerjoin(_dataset, _dataset.c.id == _share.c.dataset_id)
        .where(*chosen)
    )
    if cut.cursor is not None:
        at, key = decode_cursor("shares", cut.cursor, (int, str))
        moment = cursor_moment(at)
        earlier = _share.c.recorded_at < moment
        query = query.where(or_(earlier, (_share.c.recorded_at == moment) & (_share.c.id < key)))
    query = query.order_by(_share.c.recorded_at.desc(), _share.c.id.desc())
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(_share).where(*chosen)).scalar_one()
    page = page_of(rows, cut, total, "shares", lambda row: (to_micros(row.recorded_at), row.id))
    names = {each.id: str(each.said["name"]) for each in list_recipients(session)}
    same = [name for name in ShareView.__dataclass_fields__ if name != "recipient"]
    return page.map(
        [
            ShareView(
                **{name: getattr(row, name) for name in same},
                recipient=names.get(row.recipient_id),
            )
            for row in page.items
        ]
    )
