"""Letters to the person: made with the step that they tell of, sealed, and read by few.

Rules:
1. A letter is written from facts of the case alone, so before the identity is verified it cannot
   tell whether there is data (case 11): it is the same either way.
2. It rests sealed under the request's record key; destroying that shreds the letters too.
3. Who writes the words is a parameter (`Render`); which words there are is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.erasure.case.cases import Case
from registry.erasure.case.request_rules import Justification, RequestRules
from registry.erasure.case.timeline import add_step
from registry.erasure.lifecycle import Regime, Right
from registry.erasure.tables import ErasureLetter
from registry.ids import fresh_id
from registry.keys.envelope import read_record_key
from registry.keys.keyring import Keyring
from registry.rights.purposes import Purposes
from registry.storage.columns import table_of

_letter = table_of(ErasureLetter)


class LetterKind(StrEnum):
    """What a letter says."""

    ACKNOWLEDGEMENT = "acknowledgement"
    EXTENSION = "extension"
    REFUSAL = "refusal"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """What a letter is written from; it holds nothing that was found in the data.

    `extended_from`: the end of the first period, in a letter that tells of a longer one. `code`: of
    the justification of a refusal.
    """

    kind: LetterKind
    request_id: str
    right: Right
    regime: Regime
    received_on: date
    due_on: date
    because: str
    written_on: date
    needs_identity: bool
    reasons: str | None = None
    extended_from: date | None = None
    code: str | None = None
    justification: Justification | None = None


Render = Callable[[LetterFacts], str]


@dataclass(frozen=True, slots=True)
class Desk:
    """What every step of a case needs besides its session: keys, rules, purposes, a writer."""

    keyring: Keyring
    rules: RequestRules
    purposes: Purposes
    render: Render


@dataclass(frozen=True, slots=True)
class LetterView:
    """A letter that was made; its text is `read_letter`'s."""

    id: str
    kind: LetterKind
    made_by: str
    made_at: datetime


def make_letter(
    session: Session,
    desk: Desk,
    case: Case,
    kind: LetterKind,
    *,
    actor: str,
    now: datetime,
    reasons: str | None = None,
    extended_from: date | None = None,
    justification: Justification | None = None,
) -> str:
    """Write a letter of a case and seal it (rule 2); its id.

    Raises KeyDestroyedError where the request's key was destroyed. Effects: one row, one step;
    does not commit.
    """
    facts = LetterFacts(
        kind=kind,
        request_id=case.id,
        right=case.right,
        regime=case.regime,
        received_on=case.received_at.date(),
        due_on=case.due_on,
        because=case.due_because,
        written_on=now.date(),
        needs_identity=not case.is_verified,
        reasons=reasons,
        extended_from=extended_from,
        code=case.justification,
        justification=justification,
    )
    text = desk.render(facts)
    return keep_letter(session, desk.keyring, case, kind, text, actor=actor, now=now)


def keep_letter(
    session: Session,
    keyring: Keyring,
    case: Case,
    kind: LetterKind,
    text: str,
    *,
    actor: str,
    now: datetime,
) -> str:
    """Seal a letter that is written (rule 2); its id. Raises and effects as `make_letter`."""
    letter_id = fresh_id()
    sealer = read_record_key(session, keyring, case.record_key)
    row = {
        "id": letter_id,
        "request_id": case.id,
        "kind": kind.value,
        "sealed": sealer.seal(text.encode(), context=_place(letter_id)),
        "made_by": actor,
        "made_at": now,
    }
    session.execute(insert(_letter).values(row))
    told = {"letter": letter_id, "kind": kind.value}
    add_step(session, case, EntryKind.ERASURE_LETTER_MADE, actor=actor, now=now, facts=told)
    return letter_id


def list_letters(session: Session, request_id: str) -> list[LetterView]:
    """The letters of a case, in order."""
    columns = (_letter.c.id, _letter.c.kind, _letter.c.made_by, _letter.c.made_at)
    query = select(*columns).where(_letter.c.request_id == request_id)
    return [
        LetterView(row.id, LetterKind(row.kind), row.made_by, row.made_at)
        for row in session.execute(query.order_by(_letter.c.made_at, _letter.c.id))
    ]


def read_letters(
    session: Session, keyring: Keyring, case: Case, *, actor: str, now: datetime
) -> list[tuple[LetterView, str]]:
    """The letters of a case with their texts, which are the person's data.

    Raises KeyDestroyedError, TamperedError. Effects: one step; does not commit.
    """
    sealer = read_record_key(session, keyring, case.record_key)
    query = select(_letter).where(_letter.c.request_id == case.id)
    found = [
        (
            LetterView(row.id, LetterKind(row.kind), row.made_by, row.made_at),
            sealer.open(row.sealed, context=_place(row.id)).decode(),
        )
        for row in session.execute(query.order_by(_letter.c.made_at, _letter.c.id))
    ]
    told = {"letters": len(found)}
    add_step(session, case, EntryKind.ERASURE_LETTER_READ, actor=actor, now=now, facts=told)
    return found


def _place(letter_id: str) -> str:
    return f"erasure-letter/{letter_id}"
