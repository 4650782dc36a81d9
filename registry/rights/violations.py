"""Violations: what happened although a policy dislikes it, and what became of that.

Rules (DESIGN §1.6):
1. Lineage is recorded first and judged afterwards; a violation never takes a fact away.
2. The same thing seen again is the same violation, seen once more. A resolved one that is seen
   again is open again; an accepted one stays accepted until its date.
3. A confined session sees those of its projects, and those about a dataset in sight.
4. open → acknowledged → resolved | accepted. Accepting says by whom, why, and until when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, or_, select, update
from sqlmodel import Session

from registry.actors.tables import Project
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import canonical_json
from registry.catalog.paging import Cut, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import scope_of, visible
from registry.catalog.tables import Dataset
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.moments import to_micros
from registry.rights.tables import Violation, ViolationState
from registry.storage.columns import changed_rows, insert_unless_there, table_of

_table, _dataset, _project = table_of(Violation), table_of(Dataset), table_of(Project)
_UNSETTLED = (ViolationState.OPEN, ViolationState.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class Breach:
    """What a judge of lineage found. `sameness` is the same for the same thing seen again; `facts`
    hold no identifier of a person.
    """

    kind: str
    sameness: str
    detail: str
    project_id: str | None = None
    dataset_id: bytes | None = None
    number: int | None = None
    batch_number: int | None = None
    run_id: bytes | None = None
    rule: str | None = None
    policy: str | None = None
    facts: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class ViolationView:
    """A violation; `project`, `namespace` and `dataset` are names."""

    id: str
    kind: str
    state: ViolationState
    detail: str
    facts: dict[str, object]
    project: str | None
    namespace: str | None
    dataset: str | None
    number: int | None
    batch_number: int | None
    run_id: bytes | None
    rule: str | None
    policy: str | None
    times: int
    raised_at: datetime
    seen_at: datetime
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    settled_by: str | None
    settled_at: datetime | None
    why: str | None
    until: datetime | None


def raise_violation(session: Session, breach: Breach, *, actor: str, now: datetime) -> str | None:
    """Record a breach (rule 2); the id where it is new or open again, else None.

    Effects: one entry in the journal where it is new or open again; does not commit.
    """
    found = fresh_id()
    row = {
        "id": found,
        "sameness": breach.sameness,
        "kind": breach.kind,
        "state": ViolationState.OPEN.value,
        "project_id": breach.project_id,
        "dataset_id": breach.dataset_id,
        "number": breach.number,
        "batch_number": breach.batch_number,
        "run_id": breach.run_id,
        "rule": breach.rule,
        "policy": breach.policy,
        "detail": breach.detail,
        "facts": canonical_json(breach.facts or {}).decode(),
        "times": 1,
        "raised_at": now,
        "seen_at": now,
    }
    if not insert_unless_there(session, _table, row):
        reopened = _seen_again(session, breach, now)
        if reopened is None:
            return None
        found = reopened
    facts = {"violation": found, "kind": breach.kind}
    append_entries(session, [Entry(EntryKind.VIOLATION_RAISED, actor, facts)], at=now)
    return found


def _seen_again(session: Session, breach: Breach, now: datetime) -> str | None:
    mine = _table.c.sameness == breach.sameness
    again = {"times": _table.c.times + 1, "seen_at": now, "detail": breach.detail}
    session.execute(update(_table).where(mine).values(again))
    over = (_table.c.state == ViolationState.ACCEPTED.value) & (_table.c.until <= now)
    resolved = _table.c.state == ViolationState.RESOLVED.value
    query = select(_table.c.id).where(mine, or_(resolved, over))
    found: str | None = session.execute(query).scalar_one_or_none()
    if found is not None:
        fresh = {
            "state": ViolationState.OPEN.value,
            "acknowledged_by": None,
            "acknowledged_at": None,
            "settled_by": None,
            "settled_at": None,
            "why": None,
            "until": None,
        }
        session.execute(update(_table).where(_table.c.id == found).values(fresh))
    return found


def acknowledge(session: Session, violation_id: str, *, actor: str, now: datetime) -> ViolationView:
    """Say that it was seen. Raises NotFoundError, ConflictError unless it is open.

    Effects: one entry in the journal; does not commit.
    """
    values = {
        "state": ViolationState.ACKNOWLEDGED.value,
        "acknowledged_by": actor,
        "acknowledged_at": now,
    }
    return _turn(
        session,
        violation_id,
        (ViolationState.OPEN,),
        values,
        Entry(EntryKind.VIOLATION_ACKNOWLEDGED, actor, {"violation": violation_id}),
        now,
    )


def resolve(
    session: Session, violation_id: str, *, why: str, actor: str, now: datetime
) -> ViolationView:
    """Say that it was mended, and how. Raises NotFoundError, ConflictError where it is settled.

    Effects: one entry in the journal; does not commit.
    """
    _require_why(why)
    values = {
        "state": ViolationState.RESOLVED.value,
        "settled_by": actor,
        "settled_at": now,
        "why": why,
    }
    entry = Entry(EntryKind.VIOLATION_RESOLVED, actor, {"violation": violation_id})
    return _turn(session, violation_id, _UNSETTLED, values, entry, now)


def accept(
    session: Session, violation_id: str, *, why: str, until: datetime, actor: str, now: datetime
) -> ViolationView:
    """Live with it until a date. Raises NotFoundError, ConflictError where it is settled,
    InvalidInputError without a reason or for a date that has passed.

    Effects: one entry in the journal; does not commit.
    """
    _require_why(why)
    if until <= now:
        raise InvalidInputError(
            f"{until:%Y-%m-%dT%H:%M:%SZ} has passed.", remedy="Give a later date.", path="until"
        )
    values = {
        "state": ViolationState.ACCEPTED.value,
        "settled_by": actor,
        "settled_at": now,
        "why": why,
        "until": until,
    }
    entry = Entry(EntryKind.VIOLATION_ACCEPTED, actor, {"violation": violation_id})
    return _turn(session, violation_id, _UNSETTLED, values, entry, now)


def _require_why(why: str) -> None:
    if not why.strip():
        raise InvalidInputError("A reason is needed.", remedy="Say why.", path="why")


def _turn(
    session: Session,
    violation_id: str,
    expected: tuple[ViolationState, ...],
    values: dict[str, object],
    entry: Entry,
    now: datetime,
) -> ViolationView:
    among = _table.c.state.in_([each.value for each in expected])
    mine = (_table.c.id == violation_id) & among & _in_sight(session)
    if not changed_rows(session, update(_table).where(mine).values(values)):
        view = read_violation(session, violation_id)
        raise ConflictError(
            f"The violation {violation_id} is {view.state.value}, and this needs one that is "
            f"{' or '.join(expected)}.",
            remedy="See GET /api/v1/violations.",
        )
    append_entries(session, [entry], at=now)
    return read_violation(session, violation_id)


def read_violation(session: Session, violation_id: str) -> ViolationView:
    """One violation. Raises NotFoundError."""
    mine = (_table.c.id == violation_id) & _in_sight(session)
    row = session.execute(_views().where(mine)).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no violation {violation_id[:80]!r}.",
            remedy="See GET /api/v1/violations.",
            path="id",
        )
    return _view(row)


def list_violations(
    session: Session,
    cut: Cut,
    *,
    state: ViolationState | None = None,
    kind: str | None = None,
    project: str | None = None,
) -> Page[ViolationView]:
    """Violations, the newest first; `project` is a name."""
    chosen: list[ColumnElement[bool]] = [_in_sight(session)]
    if state is not None:
        chosen.append(_table.c.state == state.value)
    if kind is not None:
        chosen.append(_table.c.kind == kind)
    if project is not None:
        named = select(_project.c.id).where(_project.c.name == project).scalar_subquery()
        chosen.append(_table.c.project_id == named)
    query = _views().where(*chosen)
    if cut.cursor is not None:
        at, key = decode_cursor("violations", cut.cursor, (int, str))
        moment = cursor_moment(at)
        earlier = _table.c.raised_at < moment
        query = query.where(or_(earlier, (_table.c.raised_at == moment) & (_table.c.id < key)))
    query = query.order_by(_table.c.raised_at.desc(), _table.c.id.desc())
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(_table).where(*chosen)).scalar_one()
    page = page_of(rows, cut, total, "violations", lambda row: (to_micros(row.raised_at), row.id))
    return page.map([_view(row) for row in page.items])


def _in_sight(session: Session) -> ColumnElement[bool]:
    """That a violation is of a project, or about a dataset, that the session sees."""
    scope = scope_of(session)
    about = visible(session, "violation.dataset_id")
    return about if scope.projects is None else or_(_table.c.project_id.in_(scope.projects), about)


def _views() -> Any:
    return (
        select(
            _table,
            _project.c.name.label("project"),
            _dataset.c.namespace.label("namespace"),
            _dataset.c.name.label("dataset"),
        )
        .outerjoin(_project, _project.c.id == _table.c.project_id)
        .outerjoin(_dataset, _dataset.c.id == _table.c.dataset_id)
    )


_PLAIN = tuple(
    name for name in ViolationView.__dataclass_fields__ if name not in ("state", "facts")
)


def _view(row: Any) -> ViolationView:
    return ViolationView(
        **{name: getattr(row, name) for name in _PLAIN},
        state=ViolationState(row.state),
        facts=msgspec.json.decode(row.facts),
    )
