"""Which cases a hold kept something of, and keeps it no more (the governance page, case 2)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlmodel import Session

from registry.erasure.execution.aftermath import hold_target
from registry.erasure.execution.taking_out import BY_HOLD
from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.tables import ErasureTask
from registry.rights.tables import Hold, HoldState
from registry.storage.columns import table_of

_task, _hold = table_of(ErasureTask), table_of(Hold)


def kept_no_more(session: Session, *, at: datetime) -> list[str]:
    """The requests with a withheld task whose hold was lifted, or is over, in order."""
    kept = select(_task.c.request_id, _task.c.target).where(
        _task.c.kind == TaskKind.OWN_DATA.value, _task.c.state == TaskState.WITHHELD.value
    )
    rows = session.execute(kept).all()
    holds = {row.target.removeprefix(hold_target("")) for row in rows}
    in_force = select(_hold.c.id).where(
        _hold.c.id.in_(sorted(holds)),
        _hold.c.state != HoldState.LIFTED.value,
        or_(_hold.c.until.is_(None), _hold.c.until > at),
    )
    standing = set(session.execute(in_force).scalars())
    return sorted(
        {row.request_id for row in rows if row.target.removeprefix(hold_target("")) not in standing}
    )


def files_kept_no_more(session: Session, *, at: datetime) -> list[str]:
    """The requests with a file or copy that a hold may keep no more, or no store any more."""
    query = select(_task.c.request_id).where(
        _task.c.kind.in_([TaskKind.FILE.value, TaskKind.RECIPIENT.value]),
        _task.c.state == TaskState.WITHHELD.value,
        or_(_task.c.ground == BY_HOLD, _task.c.until <= at),
    )
    return sorted(set(session.execute(query).scalars()))
