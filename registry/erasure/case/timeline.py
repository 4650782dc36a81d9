"""What happened in each case, in order: a row for the case, and the same in the audit journal.

Rules:
1. A step and its entry are kept with the change that they tell of, or not at all.
2. Facts are ids, dates, counts and digests; they stand in both. Words of people stand in the step
   alone, because people write names into words, and an entry of the journal stays for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import canonical_json
from registry.erasure.case.cases import Case
from registry.erasure.tables import ErasureStep
from registry.storage.columns import table_of

_step = table_of(ErasureStep)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened; `state` is the one that the request was in afterwards."""

    kind: EntryKind
    state: str
    actor: str
    at: datetime
    detail: Mapping[str, object]


def add_step(
    session: Session,
    case: Case,
    kind: EntryKind,
    *,
    actor: str,
    now: datetime,
    facts: Mapping[str, object] | None = None,
    words: Mapping[str, str] | None = None,
) -> None:
    """Tell of a step; `case` is as it stands after it (rule 2).

    Effects: one row, one entry in the journal; does not commit.
    """
    known = dict(facts or {})
    row = {
        "request_id": case.id,
        "kind": kind.value,
        "state": case.state.value,
        "actor": actor,
        "at": now,
        "detail": canonical_json({**known, **(words or {})}).decode(),
    }
    session.execute(insert(_step).values(row))
    told = {**known, "request": case.id, "state": case.state.value}
    append_entries(session, [Entry(kind, actor, told)], at=now)


def read_steps(session: Session, request_id: str) -> list[Step]:
    """Everything that happened in a case, in order."""
    query = select(_step).where(_step.c.request_id == request_id).order_by(_step.c.id)
    return [
        Step(EntryKind(row.kind), row.state, row.actor, row.at, msgspec.json.decode(row.detail))
        for row in session.execute(query)
    ]
