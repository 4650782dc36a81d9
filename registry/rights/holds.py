"""Holds: duties to keep something, placed by one person and lifted by two.

Rules (GDPR Art. 17(3); DESIGN §1.12; the governance page, "Hold"):
1. A hold names its matter, owner, reason and the ground of Art. 17(3) that it stands on.
2. Lifting is asked for by one person and granted by another; until then it holds.
3. A hold whose `until` has passed holds no more; nothing needs to be done for that.
4. A hold on a dataset or version is one on every batch in it, under every name of the dataset.
5. A confined reader sees holds of which some item is in sight, and of these the items that are.
6. Whoever removes or trains on data asks `holds_on` in its own transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, or_, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.aliases import Aliases
from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import in_sight, visible_sql, visible_text
from registry.catalog.version_tables import BatchNumber
from registry.catalog.versions import membership
from registry.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.moments import to_micros
from registry.rights.items import Item
from registry.rights.tables import Ground, Hold, HoldItem, HoldState, ItemKind
from registry.storage.columns import changed_rows, table_of

ITEMS_LIMIT = 10_000
_hold, _item, _number = table_of(Hold), table_of(HoldItem), table_of(BatchNumber)


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold with its items."""

    id: str
    state: HoldState
    matter: str
    owner: str
    reason: str
    ground: Ground
    until: datetime | None
    placed_by: str
    placed_at: datetime
    lift_asked_by: str | None
    lift_asked_at: datetime | None
    lift_reason: str | None
    lifted_by: str | None
    lifted_at: datetime | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Something of a batch is held: all of it, or one ordinal."""

    hold_id: str
    ground: Ground
    matter: str
    batch_number: int
    ordinal: int | None


@dataclass(frozen=True, slots=True)
class HeldSubject:
    """A person whose examples are held, wherever they are."""

    hold_id: str
    ground: Ground
    matter: str
    subject_key: bytes
    key_version: int


def place_hold(
    session: Session,
    items: Sequence[Item],
    *,
    matter: str,
    owner: str,
    reason: str,
    ground: str,
    until: datetime | None,
    actor: str,
    now: datetime,
) -> HoldView:
    """Place a hold. Raises InvalidInputError without items, words or a ground, or one that is over.

    Effects: one entry in the journal; does not commit.
    """
    _check(items, {"matter": matter, "owner": owner, "reason": reason}, ground, until, now)
    hold_id = fresh_id()
    row = {
        "id": hold_id,
        "state": HoldState.ACTIVE.value,
        "matter": matter,
        "owner": owner,
        "reason": reason,
        "ground": ground,
        "until": until,
        "placed_by": actor,
        "placed_at": now,
    }
    session.execute(insert(_hold).values(row))
    session.execute(insert(_item), [_item_row(hold_id, at, each) for at, each in enumerate(items)])
    facts = {"hold": hold_id, "ground": ground, "items": len(items)}
    append_entries(session, [Entry(EntryKind.HOLD_PLACED, actor, facts)], at=now)
    return read_hold(session, hold_id)


def _check(
    items: Sequence[Item],
    words: dict[str, str],
    ground: str,
    until: datetime | None,
    now: datetime,
) -> None:
    if not 0 < len(items) <= ITEMS_LIMIT:
        raise InvalidInputError(
            f"A hold has 1 to {ITEMS_LIMIT} items, and this one {len(items)}.",
            remedy="Name what must be kept.",
            path="items",
        )
    for name, text in words.items():
        if not text.strip():
            raise InvalidInputError(
                f"A hold without {name} says nothing.", remedy=f"Give its {name}.", path=name
            )
    if ground not in list(Ground):
        raise InvalidInputError(
            f"{ground[:40]!r} is no ground of GDPR Art. 17(3).",
            remedy=f"Choose one of: {', '.join(Ground)}.",
            path="ground",
        )
    if until is not None and until <= now:
        raise InvalidInputError(
            f"The hold would end at {until:%Y-%m-%dT%H:%M:%SZ}, which has passed.",
            remedy="Give a later end, or none.",
            path="until",
        )


def _item_row(hold_id: str, position: int, item: Item) -> dict[str, object]:
    return {
        "hold_id": hold_id,
        "position": position,
        "kind": item.kind.value,
        "dataset_id": item.dataset_id,
        "number": item.number,
        "batch_number": item.batch_number,
        "ordinal": item.ordinal,
        "subject_key": item.subject_key,
        "key_version": item.key_version,
    }


def ask_to_lift(
    session: Session, hold_id: str, *, reason: str, actor: str, now: datetime
) -> HoldView:
    """Ask that a hold be lifted; it holds on until another person agrees (rule 2).

    Raises NotFoundError, ConflictError where it is lifted or already asked for,
    InvalidInputError without a reason. Effects: one entry in the journal; does not commit.
    """
    if not reason.strip():
        raise InvalidInputError(
            "Lifting a hold needs a reason.", remedy="Say why it may end.", path="reason"
        )
    values = {
        "state": HoldState.LIFT_ASKED.value,
        "lift_asked_by": actor,
        "lift_asked_at": now,
        "lift_reason": reason,
    }
    _turn(session, hold_id, HoldState.ACTIVE, values)
    return _told(session, hold_id, EntryKind.HOLD_LIFT_ASKED, actor, now)


def approve_lift(session: Session, hold_id: str, *, actor: str, now: datetime) -> HoldView:
    """Lift a hold that somebody else asked to lift.

    Raises NotFoundError, ConflictError where nobody asked, ForbiddenError for the one who asked.
    Effects: one entry in the journal; does not commit.
    """
    _second_person(session, hold_id, actor)
    values = {"state": HoldState.LIFTED.value, "lifted_by": actor, "lifted_at": now}
    _turn(session, hold_id, HoldState.LIFT_ASKED, values)
    return _told(session, hold_id, EntryKind.HOLD_LIFTED, actor, now)


def refuse_lift(session: Session, hold_id: str, *, actor: str, now: datetime) -> HoldView:
    """Leave a hold in force that somebody else asked to lift. Raises and effects as approving."""
    _second_person(session, hold_id, actor)
    values: dict[str, object] = {
        "state": HoldState.ACTIVE.value,
        "lift_asked_by": None,
        "lift_asked_at": None,
        "lift_reason": None,
    }
    _turn(session, hold_id, HoldState.LIFT_ASKED, values)
    return _told(session, hold_id, EntryKind.HOLD_LIFT_REFUSED, actor, now)


def _second_person(session: Session, hold_id: str, actor: str) -> None:
    hold = read_hold(session, hold_id)
    if hold.lift_asked_by == actor:
        raise ForbiddenError(
            f"You asked to lift the hold {hold_id}; the answer is another person's.",
            remedy="Ask somebody else who may lift holds.",
        )


def _turn(session: Session, hold_id: str, expected: HoldState, values: dict[str, object]) -> None:
    mine = (_hold.c.id == hold_id) & (_hold.c.state == expected.value)
    if not changed_rows(session, update(_hold).where(mine).values(values)):
        hold = read_hold(session, hold_id)
        raise ConflictError(
            f"The hold {hold_id} is {hold.state.value}, and this needs one that is "
            f"{expected.value}.",
            remedy="See GET /api/v1/holds.",
        )


def _told(session: Session, hold_id: str, kind: EntryKind, actor: str, now: datetime) -> HoldView:
    append_entries(session, [Entry(kind, actor, {"hold": hold_id})], at=now)
    return read_hold(session, hold_id)


def read_hold(session: Session, hold_id: str) -> HoldView:
    """One hold. Raises NotFoundError."""
    mine = (_hold.c.id == hold_id) & _in_sight(session)
    row = session.execute(select(_hold).where(mine)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no hold {hold_id[:80]!r}.", remedy="See GET /api/v1/holds.", path="id"
        )
    return _views(session, [row])[0]


def _in_sight(session: Session) -> ColumnElement[bool]:
    """That one of a hold's items is in sight; people belong to no project."""
    seen = visible_sql(session, "seen_item.dataset_id")
    return visible_text(
        session,
        "EXISTS (SELECT 1 FROM hold_item seen_item WHERE seen_item.hold_id = hold.id "  # noqa: S608 - our own words
        f"AND (seen_item.dataset_id IS NULL OR {seen}))",
    )


def list_holds(session: Session, cut: Cut, *, state: HoldState | None = None) -> Page[HoldView]:
    """Holds, the newest first."""
    chosen = [_in_sight(session)]
    if state is not None:
        chosen.append(_hold.c.state == state.value)
    query = select(_hold).where(*chosen)
    if cut.cursor is not None:
        at, key = decode_cursor("holds", cut.cursor, (int, str))
        moment = cursor_moment(at)
        earlier = _hold.c.placed_at < moment
        query = query.where(or_(earlier, (_hold.c.placed_at == moment) & (_hold.c.id < key)))
    query = query.order_by(_hold.c.placed_at.desc(), _hold.c.id.desc())
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(_hold).where(*chosen)).scalar_one()
    page = page_of(rows, cut, total, "holds", lambda row: (to_micros(row.placed_at), row.id))
    return page.map(_views(session, page.items))


def _views(session: Session, rows: Sequence[Any]) -> list[HoldView]:
    query = select(_item).where(_item.c.hold_id.in_([row.id for row in rows]))
    items: dict[str, list[Item]] = {}
    found = session.execute(query.order_by(_item.c.hold_id, _item.c.position)).all()
    seen = in_sight(session, {row.dataset_id for row in found if row.dataset_id is not None})
    for row in found:
        if row.dataset_id is not None and row.dataset_id not in seen:
            continue
        items.setdefault(row.hold_id, []).append(
            Item(
                ItemKind(row.kind),
                row.dataset_id,
                row.number,
                row.batch_number,
                row.ordinal,
                row.subject_key,
                row.key_version,
            )
        )
    plain = [column.name for column in _hold.columns if column.name not in ("state", "ground")]
    return [
        HoldView(
            **{name: getattr(row, name) for name in plain},
            state=HoldState(row.state),
            ground=Ground(row.ground),
            items=tuple(items.get(row.id, ())),
        )
        for row in rows
    ]


def _in_force(at: datetime, known_at: datetime | None = None) -> ColumnElement[bool]:
    """That a hold is in force at `at`, as far as was recorded by `known_at` (None: by now)."""
    ends = or_(_hold.c.until.is_(None), _hold.c.until > at)
    if known_at is None:
        return (_hold.c.state != HoldState.LIFTED.value) & ends
    lifted_later = or_(_hold.c.lifted_at.is_(None), _hold.c.lifted_at > known_at)
    return (_hold.c.placed_at <= known_at) & lifted_later & ends


def next_hold_end(session: Session, *, at: datetime) -> datetime | None:
    """When the next hold ends by itself after `at`, lifted ones too; None where none does."""
    query = select(func.min(_hold.c.until)).where(_hold.c.until > at)
    found: datetime | None = session.execute(query).scalar_one()
    return found


def items_in_force(session: Session, *, at: datetime) -> Sequence[Any]:
    """The items (rows of `hold_item`) of the holds in force at `at`."""
    query = select(_item).join(_hold, _hold.c.id == _item.c.hold_id).where(_in_force(at))
    return session.execute(query.order_by(_item.c.hold_id, _item.c.position)).all()


def holds_on(
    session: Session, batches: Iterable[int], *, at: datetime, known_at: datetime | None = None
) -> list[Held]:
    """What of these batches is held at `at`, by items that name data (rules 3 and 4).

    `known_at` leaves out what was placed or lifted after it. People whose examples are held are in
    `held_subjects`. Cost: in proportion to the holds in force, plus one query for each version that
    is held of these batches' datasets.
    """
    query = (
        select(_hold.c.id, _hold.c.ground, _hold.c.matter, _item)
        .join(_item, _item.c.hold_id == _hold.c.id)
        .where(_in_force(at, known_at), _item.c.kind != ItemKind.SUBJECT.value)
        .order_by(_hold.c.id, _item.c.position)
    )
    rows = session.execute(query).all()
    if not rows:
        return []
    datasets = _datasets_of(session, sorted(set(batches)))
    aliases = Aliases(session)
    aliases.learn({*datasets.values(), *(row.dataset_id for row in rows if row.dataset_id)})
    goes_by = {number: aliases.canonical.get(key, key) for number, key in datasets.items()}
    found: list[Held] = []
    for row in rows:
        for number in _held_of(session, row, goes_by, aliases):
            ordinal = row.ordinal if row.kind == ItemKind.ADDRESS else None
            found.append(Held(row.id, Ground(row.ground), row.matter, number, ordinal))
    return found


def _held_of(
    session: Session, row: Any, goes_by: dict[int, bytes], aliases: Aliases
) -> Iterable[int]:
    """Of the batches asked for (with the id their dataset goes by), those that an item means."""
    match ItemKind(row.kind):
        case ItemKind.BATCH | ItemKind.ADDRESS:
            return [row.batch_number] if row.batch_number in goes_by else []
        case ItemKind.DATASET:
            meant = aliases.canonical.get(row.dataset_id, row.dataset_id)
            return [number for number, key in goes_by.items() if key == meant]
        case ItemKind.VERSION:
            members = set(membership(session, row.dataset_id, row.number))
            return [number for number in goes_by if number in members]
        case ItemKind.SUBJECT:
            return []


def _datasets_of(session: Session, numbers: Sequence[int]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(numbers), 5_000):
        some = numbers[start : start + 5_000]
        query = select(_number.c.number, _number.c.dataset_id).where(_number.c.number.in_(some))
        found.update((number, key) for number, key in session.execute(query))
    return found


def held_subjects(
    session: Session, *, at: datetime, known_at: datetime | None = None
) -> list[HeldSubject]:
    """The people whose examples are held at `at`, each under the version it was written or moved
    to. `known_at` as in `holds_on`.
    """
    query = (
        select(_hold.c.id, _hold.c.ground, _hold.c.matter, _item.c.subject_key, _item.c.key_version)
        .join(_item, _item.c.hold_id == _hold.c.id)
        .where(_in_force(at, known_at), _item.c.kind == ItemKind.SUBJECT.value)
        .order_by(_hold.c.id, _item.c.position)
    )
    return [
        HeldSubject(row[0], Ground(row[1]), row[2], row[3], row[4])
        for row in session.execute(query)
    ]
