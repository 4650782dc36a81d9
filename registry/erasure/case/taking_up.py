"""What follows at once when it is known that the person asks: one request each, and restriction.

Rules:
1. One active request per set of people, right and regime in a project; the first *verified* one is
   canonical, later ones are its duplicates and are answered with it. An unverified one is neither
   (the governance page, cases 11 and 12).
2. From here on the person's examples are in no manifest (GDPR Art. 18; DESIGN §6), but where they
   only ask what there is (access).
3. An objection is recorded as consent `objected` for the purposes that were named, else for all.
4. A right that removes nothing has tasks instead of a plan: done at once, but for the copy that a
   person must hand over.
5. When the canonical request ends without an answer, its first duplicate takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.erasure.case.cases import UNANSWERED, Case, case_of, change_case, read_case
from registry.erasure.case.identifiers import (
    KeptKey,
    kept_keys,
    open_identifiers,
    people_of,
    under_every_version,
)
from registry.erasure.case.in_queue import ask_to_conclude
from registry.erasure.case.post import Desk, LetterKind, keep_letter
from registry.erasure.case.timeline import add_step, read_steps
from registry.erasure.lifecycle import Identity, RequestState, Right, TaskKind, TaskState
from registry.erasure.tables import ErasureIdentifier, ErasureRequest, ErasureTask
from registry.ids import fresh_id
from registry.rights.consent import ConsentSaid, record_consents
from registry.rights.restrictions import restrict_subject
from registry.rights.statuses import ConsentStatus
from registry.storage.columns import table_of

_request, _identifier = table_of(ErasureRequest), table_of(ErasureIdentifier)
_task = table_of(ErasureTask)


def take_up(session: Session, desk: Desk, case: Case, *, actor: str, now: datetime) -> Case:
    """Go on with a case that is `received` and verified (rules 1 to 4); the caller has its turn.

    Effects: rows, steps, entries in the journal; does not commit.
    """
    keys = kept_keys(session, case.id, held=True)
    canonical = find_canonical(session, desk, case, keys)
    if canonical is not None:
        made = change_case(session, case, state=RequestState.DUPLICATE, canonical_id=canonical.id)
        facts = {"canonical": canonical.id}
        kind = EntryKind.ERASURE_DUPLICATE_FOUND
        add_step(session, made, kind, actor=actor, now=now, facts=facts)
        return made
    if case.right is not Right.ACCESS:
        reason = f"asked for by the person ({case.right.value})"
        for each in keys:
            restrict_subject(
                session,
                each.key,
                each.version,
                reason=reason,
                case_id=case.id,
                actor=actor,
                now=now,
            )
    if case.right is Right.OBJECTION:
        _record_objection(session, desk, case, actor, now)
    _open_tasks(session, case, actor, now)
    return case


def find_canonical(session: Session, desk: Desk, case: Case, keys: list[KeptKey]) -> Case | None:
    """The verified active request of the same people, right and regime, or None (rule 1).

    Cost: grows with the requests that name one of the people.
    """
    people = people_of(desk.keyring, keys)
    query = (
        select(_request)
        .join(_identifier, _identifier.c.request_id == _request.c.id)
        .where(
            _identifier.c.subject_key.in_(under_every_version(desk.keyring, people)),
            _request.c.id != case.id,
            _request.c.project_id == case.project_id,
            _request.c.right == case.right.value,
            _request.c.regime == case.regime.value,
            _request.c.state.in_([each.value for each in UNANSWERED]),
            _request.c.identity != Identity.TO_VERIFY.value,
        )
        .order_by(_request.c.verified_at, _request.c.id)
    )
    looked_at: set[str] = set()
    for row in session.execute(query).all():
        if row.id in looked_at:
            continue
        looked_at.add(row.id)
        if people_of(desk.keyring, kept_keys(session, row.id)) == people:
            return case_of(row)
    return None


def resume_duplicates(
    session: Session, desk: Desk, canonical: Case, *, actor: str, now: datetime
) -> list[str]:
    """Let the first duplicate of a request that ended take its place (rule 5); the ids of all.

    The caller has its turn. Effects: as `take_up`; does not commit.
    """
    waiting = _duplicates_of(session, canonical.id)
    # The first is taken up and is canonical from here on; the others find it.
    for each in waiting:
        _resume(session, desk, each, actor, now)
    return [each.id for each in waiting]


def _resume(session: Session, desk: Desk, duplicate: Case, actor: str, now: datetime) -> None:
    resumed = change_case(session, duplicate, state=RequestState.RECEIVED, canonical_id=None)
    kind = EntryKind.ERASURE_DUPLICATE_RESUMED
    facts = {"canonical": duplicate.canonical_id}
    add_step(session, resumed, kind, actor=actor, now=now, facts=facts)
    take_up(session, desk, resumed, actor=actor, now=now)


def settle_duplicates(
    session: Session,
    desk: Desk,
    canonical: Case,
    *,
    known_until: datetime,
    letter: Callable[[], str],
    actor: str,
    now: datetime,
) -> None:
    """Answer the duplicates of a request that was concluded.

    Those that came before its plan was frozen (`known_until`) are answered with it; a later one
    goes on by itself, because a plan never reaches data that was collected after it. `letter`
    writes what the canonical one is told. The caller has its turn. Effects: rows, steps, letters;
    does not commit.
    """
    for each in _duplicates_of(session, canonical.id):
        if each.received_at > known_until:
            _resume(session, desk, each, actor, now)
            continue
        closed = change_case(session, each, closed_at=now, closed_by=actor)
        told = {"canonical": canonical.id, "outcome": canonical.state.value}
        kind = EntryKind.ERASURE_CONCLUDED
        add_step(session, closed, kind, actor=actor, now=now, facts=told)
        text = letter().replace(canonical.id, closed.id)
        keep_letter(
            session, desk.keyring, closed, LetterKind.COMPLETION, text, actor=actor, now=now
        )


def _duplicates_of(session: Session, canonical_id: str) -> list[Case]:
    mine = (_request.c.canonical_id == canonical_id) & _request.c.closed_at.is_(None)
    duplicate = _request.c.state == RequestState.DUPLICATE.value
    query = select(_request.c.id).where(mine, duplicate)
    ids = session.execute(query.order_by(_request.c.verified_at, _request.c.id)).scalars().all()
    return [read_case(session, each, held=True) for each in ids]


def _record_objection(session: Session, desk: Desk, case: Case, actor: str, now: datetime) -> None:
    filed = read_steps(session, case.id)[0]
    named = filed.detail.get("purposes")
    purposes = [str(each) for each in named] if isinstance(named, list) and named else []
    said = [
        ConsentSaid(
            scheme=each.scheme.value,
            value=each.value,
            purpose=purpose,
            status=ConsentStatus.OBJECTED.value,
            at=case.received_at,
            evidence=f"erasure-request/{case.id}",
        )
        for each in open_identifiers(session, desk.keyring, case)
        for purpose in purposes or desk.purposes.entries
    ]
    record_consents(session, desk.keyring, desk.purposes, said, actor=actor, now=now)


def _open_tasks(session: Session, case: Case, actor: str, now: datetime) -> None:
    """The tasks of a right that removes nothing (rule 4). They belong to no plan."""
    wanted = _task_of(case.right)
    if wanted is None:
        return
    kind, target, state, detail = wanted
    row = {
        "id": fresh_id(),
        "request_id": case.id,
        "plan_id": "",
        "kind": kind.value,
        "target": target,
        "state": state.value,
        "due_on": case.due_on.isoformat() if state is TaskState.PENDING else None,
        "detail": detail,
        "attempts": 0,
        "opened_at": now,
        "changed_at": now,
        "changed_by": actor,
    }
    session.execute(insert(_task).values(row))
    facts = {"task": str(row["id"]), "kind": kind.value, "to": state.value}
    add_step(session, case, EntryKind.ERASURE_TASK_CHANGED, actor=actor, now=now, facts=facts)
    ask_to_conclude(session, case.id, now=now)


def _task_of(right: Right) -> tuple[TaskKind, str, TaskState, str] | None:
    """Kind, target, state and detail of the one task of a right; None where a plan has them."""
    match right:
        case Right.ERASURE:
            return None
        case Right.RESTRICTION:
            words = "Every manifest leaves the person's examples out (GDPR Art. 18)."
            return TaskKind.OWN_DATA, "restriction", TaskState.VERIFIED, words
        case Right.OBJECTION:
            words = "The objection is recorded, and every manifest obeys it (GDPR Art. 21)."
            return TaskKind.OWN_DATA, "objection", TaskState.VERIFIED, words
        case Right.ACCESS:
            words = "Give the person a copy of their data; `registry locate` says where it is."
            return TaskKind.MANUAL, "copy", TaskState.PENDING, words
