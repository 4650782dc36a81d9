"""Shows what is suppressed and restricted, and lets people end what people may end.

Rules (GDPR Art. 18; the governance page, case 9):
1. What is shown says kind, basis, times and who; never an identifier, a key or a digest.
2. A restriction of examples is seen by who sees their dataset. People, and contents that must not
   come in again, belong to no project.
3. A restriction that an open case placed ends with the case, and one of examples that were turned
   away at the door stays: they lost what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, or_, select
from sqlmodel import Session

from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import visible_sql, visible_text
from registry.catalog.version_tables import BatchNumber
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.moments import to_micros
from registry.rights.items import Item
from registry.rights.ordinals import unpack_ordinals
from registry.rights.restrictions import (
    TURNED_AWAY,
    Marked,
    lift_restriction,
    restrict_examples,
    restrict_subject,
)
from registry.rights.suppression import lift_suppression
from registry.rights.tables import ItemKind, Restriction, Suppression, SuppressionKind
from registry.storage.columns import table_of

_restriction, _suppression = table_of(Restriction), table_of(Suppression)
_number = table_of(BatchNumber)


@dataclass(frozen=True, slots=True)
class RestrictionView:
    """A restriction; `examples` None: all of the batch, or all that is a person's."""

    id: str
    kind: ItemKind
    dataset_id: bytes | None
    batch_number: int | None
    examples: int | None
    reason: str
    case_id: str | None
    recorded_by: str
    recorded_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None


@dataclass(frozen=True, slots=True)
class SuppressionView:
    """An entry of the suppression list, without what it is about (rule 1)."""

    id: str
    kind: SuppressionKind
    regime: str
    basis: str
    case_id: str | None
    until: datetime | None
    recorded_by: str
    recorded_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None


def list_restrictions(
    session: Session, cut: Cut, *, in_force: bool | None = None, case_id: str | None = None
) -> Page[RestrictionView]:
    """Restrictions, the newest first; `in_force`: only those that are, or that are no more."""
    chosen: list[ColumnElement[bool]] = [_in_sight(session)]
    if in_force is not None:
        lifted = _restriction.c.lifted_at.is_not(None)
        chosen.append(~lifted if in_force else lifted)
    if case_id is not None:
        chosen.append(_restriction.c.case_id == case_id)
    page = _page(session, _restriction, chosen, cut, "restrictions")
    return page.map(_restrictions(session, page.items))


def list_suppressions(
    session: Session,
    cut: Cut,
    *,
    now: datetime,
    in_force: bool | None = None,
    case_id: str | None = None,
) -> Page[SuppressionView]:
    """Entries of the suppression list, the newest first; `in_force` as of `now`."""
    chosen: list[ColumnElement[bool]] = []
    if in_force is not None:
        over = _suppression.c.lifted_at.is_not(None) | (
            _suppression.c.until.is_not(None) & (_suppression.c.until <= now)
        )
        chosen.append(~over if in_force else over)
    if case_id is not None:
        chosen.append(_suppression.c.case_id == case_id)
    page = _page(session, _suppression, chosen, cut, "suppressions")
    return page.map([_suppressed(row) for row in page.items])


def _page(
    session: Session, table: Table, chosen: list[ColumnElement[bool]], cut: Cut, listing: str
) -> Page[Any]:
    query = select(table).where(*chosen)
    if cut.cursor is not None:
        at, key = decode_cursor(listing, cut.cursor, (int, str))
        moment = cursor_moment(at)
        earlier = table.c.recorded_at < moment
        query = query.where(or_(earlier, (table.c.recorded_at == moment) & (table.c.id < key)))
    query = query.order_by(table.c.recorded_at.desc(), table.c.id.desc())
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(table).where(*chosen)).scalar_one()
    return page_of(rows, cut, total, listing, lambda row: (to_micros(row.recorded_at), row.id))


def _in_sight(session: Session) -> ColumnElement[bool]:
    seen = visible_sql(session, "n.dataset_id")
    return visible_text(
        session,
        "restriction.batch_number IS NULL OR EXISTS (SELECT 1 FROM batch_number n "  # noqa: S608 - our own words
        f"WHERE n.number = restriction.batch_number AND {seen})",
    )


def _restrictions(session: Session, rows: Sequence[Any]) -> list[RestrictionView]:
    numbers = {row.batch_number for row in rows if row.batch_number is not None}
    query = select(_number.c.number, _number.c.dataset_id).where(_number.c.number.in_(numbers))
    datasets = {number: bytes(key) for number, key in session.execute(query)}
    return [
        RestrictionView(
            row.id,
            ItemKind(row.kind),
            datasets.get(row.batch_number),
            row.batch_number,
            None if row.ordinals is None else len(unpack_ordinals(row.ordinals)),
            row.reason,
            row.case_id,
            row.recorded_by,
            row.recorded_at,
            row.lifted_by,
            row.lifted_at,
            row.lift_reason,
        )
        for row in rows
    ]


def _suppressed(row: Any) -> SuppressionView:
    names = [name for name in SuppressionView.__dataclass_fields__ if name != "kind"]
    return SuppressionView(
        kind=SuppressionKind(row.kind), **{name: getattr(row, name) for name in names}
    )


def read_restriction(session: Session, restriction_id: str) -> RestrictionView:
    """One restriction. Raises NotFoundError."""
    mine = and_(_restriction.c.id == restriction_id, _in_sight(session))
    row = session.execute(select(_restriction).where(mine)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no restriction {restriction_id[:80]!r}.",
            remedy="See GET /api/v1/restrictions.",
            path="id",
        )
    return _restrictions(session, [row])[0]


def read_suppression(session: Session, suppression_id: str) -> SuppressionView:
    """One entry of the suppression list. Raises NotFoundError."""
    mine = _suppression.c.id == suppression_id
    row = session.execute(select(_suppression).where(mine)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no suppression {suppression_id[:80]!r}.",
            remedy="See GET /api/v1/suppressions.",
            path="id",
        )
    return _suppressed(row)


def place_restrictions(
    session: Session, items: Sequence[Item], *, reason: str, actor: str, now: datetime
) -> list[RestrictionView]:
    """Restrict batches, examples and people; one restriction for each batch and person.

    Raises InvalidInputError for a whole dataset or version, whose batches come and go, and without
    a reason. Effects: entries in the journal; does not commit.
    """
    import numpy as np

    _require_reason(reason)
    ordinals: dict[int, set[int] | None] = {}
    ids: list[str] = []
    for place, item in enumerate(items):
        match item.kind:
            case ItemKind.SUBJECT:
                assert item.subject_key is not None
                assert item.key_version is not None
                key, version = item.subject_key, item.key_version
                ids.append(
                    restrict_subject(session, key, version, reason=reason, actor=actor, now=now)
                )
            case ItemKind.BATCH:
                ordinals[_batch(item)] = None
            case ItemKind.ADDRESS:
                known = ordinals.setdefault(_batch(item), set())
                if known is not None:
                    known.add(item.ordinal or 0)
            case ItemKind.DATASET | ItemKind.VERSION:
                raise InvalidInputError(
                    "A restriction is about examples of a batch, a batch, or a person.",
                    remedy="Name the batch; a hold can be placed on a dataset or a version.",
                    path=f"items[{place}]",
                )
    marked = [
        Marked(number, None if some is None else np.array(sorted(some), np.uint32))
        for number, some in ordinals.items()
    ]
    ids += restrict_examples(session, marked, reason=reason, actor=actor, now=now)
    return [read_restriction(session, each) for each in ids]


def _batch(item: Item) -> int:
    assert item.batch_number is not None
    return item.batch_number


def end_restriction(
    session: Session, restriction_id: str, *, reason: str, actor: str, now: datetime
) -> RestrictionView:
    """Lift a restriction that people placed.

    Raises NotFoundError, InvalidInputError without a reason, ConflictError where it is lifted, is
    a case's, or is of examples that were turned away (rule 3). Effects: one entry in the journal;
    does not commit.
    """
    _require_reason(reason)
    found = read_restriction(session, restriction_id)
    if found.lifted_at is not None:
        raise _lifted("restriction", found.id, found.lifted_at)
    if found.case_id is not None:
        raise ConflictError(
            f"The restriction {found.id} is of the case {found.case_id[:80]}, and ends with it.",
            remedy="Close the case.",
        )
    if found.reason == TURNED_AWAY and found.batch_number is not None:
        raise ConflictError(
            f"The restriction {found.id} is of examples that were turned away at the door.",
            remedy="Lift the suppression, and send the examples again in another batch.",
        )
    lift_restriction(session, found.id, reason=reason, actor=actor, now=now)
    return read_restriction(session, found.id)


def end_suppression(
    session: Session, suppression_id: str, *, reason: str, actor: str, now: datetime
) -> SuppressionView:
    """Lift an entry of the suppression list, on new consent, say.

    Raises NotFoundError, InvalidInputError without a reason, ConflictError where it is lifted.
    Effects: one entry in the journal; does not commit.
    """
    _require_reason(reason)
    found = read_suppression(session, suppression_id)
    if found.lifted_at is not None:
        raise _lifted("suppression", found.id, found.lifted_at)
    lift_suppression(session, found.id, reason=reason, actor=actor, now=now)
    return read_suppression(session, found.id)


def _lifted(what: str, found: str, at: datetime) -> ConflictError:
    return ConflictError(
        f"The {what} {found} is lifted since {at:%Y-%m-%dT%H:%M:%SZ}.",
        remedy=f"See GET /api/v1/{what}s.",
    )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise InvalidInputError("A reason is needed.", remedy="Say why.", path="reason")
