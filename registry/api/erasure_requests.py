"""Routes for requests of people: file them, find out who asks, decide on them, read them.

A data owner files and works on a request, somebody else approves or refuses it, and an auditor
reads it; who is none of these in its project does not find it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select
from sqlmodel import Session
from starlette.requests import Request

from registry.actors.projects import missing_project
from registry.actors.tables import Project
from registry.api import erasure_answers as answers
from registry.api.answers import OneLine, RowId, wanted_page
from registry.api.erasure_steps import worked
from registry.catalog.paging import Cut
from registry.erasure.case.cases import read_case
from registry.erasure.case.identity import ask_information, take_answer, verify_identity
from registry.erasure.case.intake import Filing, day_of, file_request
from registry.erasure.case.post import read_letters
from registry.erasure.case.reading import Filter, list_cases, standing
from registry.erasure.case.shred import scrub_keys, shred_request
from registry.erasure.execution.replay import mirror_destroyed_keys, signer_of
from registry.erasure.lifecycle import Identity, Regime, RequestState, Right
from registry.policy.actions import Action
from registry.request import (
    CasesSession,
    CurrentCaseReader,
    CurrentDataOwner,
    CurrentHouse,
    place_of,
    refusal,
    see_as,
    see_cases,
)
from registry.storage.columns import table_of
from registry.wire.erasure import (
    AnswerBody,
    LetterList,
    LetterShown,
    MethodBody,
    NewRequest,
    QuestionBody,
    RequestDetail,
    RequestFiled,
    RequestList,
    RequestsStanding,
    Shredded,
)

router = APIRouter(prefix="/api/v1/erasure-requests", tags=["erasure"])
_project = table_of(Project)


@router.post("", status_code=201, summary="File a request of a person")
def file(
    body: NewRequest, house: CurrentHouse, actor: CurrentDataOwner, request: Request
) -> RequestFiled:
    """Take in what a person asks for; the same channel and reference twice is one request."""
    reach = house.access.reach(actor.account_id, Action.PROCESS_ERASURE)
    with house.database.read() as session:
        project_id = _project_of(session, body.project) if body.project else actor.project_id
    if project_id is None or (reach.projects is not None and project_id not in reach.projects):
        if body.project:
            raise missing_project(body.project)
        raise refusal(house, actor, Action.PROCESS_ERASURE, at=place_of(request))
    filing = filing_of(body)
    desk, now = house.desk, house.clock()
    taken = house.database.transact(
        lambda session: file_request(
            session, desk, filing, project_id=project_id, actor=actor.account_id, now=now
        )
    )
    return answers.filed(taken.case)


def filing_of(body: NewRequest) -> Filing:
    """What a body asks to file."""
    return Filing(
        right=Right(body.right),
        regime=Regime(body.regime),
        subjects=tuple((each.scheme, each.value) for each in body.subjects),
        channel=body.channel,
        identity=Identity(body.identity),
        reference=body.reference,
        received_at=body.received_at,
        region=body.region,
        purposes=tuple(body.purposes),
    )


def _project_of(session: Session, name: str) -> str | None:
    """The id of a project by its name."""
    found = session.execute(select(_project.c.id).where(_project.c.name == name)).scalar()
    return None if found is None else str(found)


@router.get("", summary="List the requests of people")
def index(
    house: CurrentHouse,
    session: CasesSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    state: Annotated[RequestState | None, Query(description="Only in this state.")] = None,
    right: Annotated[Right | None, Query(description="Only those that ask for this.")] = None,
    overdue: Annotated[bool | None, Query(description="Only those that are late, or not.")] = None,
    due_before: Annotated[
        date | None, Query(description="Only unanswered ones that are due before this day.")
    ] = None,
    project: OneLine = None,
) -> RequestList:
    """Requests, the last received first."""
    project_id = (_project_of(session, project) or "") if project else None
    today = day_of(house.clock())
    wanted = Filter(state, right, overdue, due_before, project_id)
    page = list_cases(session, cut, wanted, today=today)
    requests = answers.shown(session, list(page.items), today)
    return RequestList(requests=requests, total=page.total, next=page.next)


@router.get("/status", summary="Count the requests of people")
def status(house: CurrentHouse, session: CasesSession) -> RequestsStanding:
    """How many requests are in each state, late, or soon due."""
    soon = house.requests.rules.due_soon_days
    return answers.counts(standing(session, today=day_of(house.clock()), soon_days=soon))


@router.get("/{request_id}", summary="Read a request of a person")
def show(request_id: RowId, house: CurrentHouse, session: CasesSession) -> RequestDetail:
    """One request with its timeline, plan, tasks and certificates; never the identifiers."""
    case = read_case(session, request_id)
    return answers.detailed(session, case, day_of(house.clock()))


@router.post("/{request_id}/verify-identity", summary="Say who asks")
def verify(
    request_id: RowId, body: MethodBody, house: CurrentHouse, actor: CurrentDataOwner
) -> RequestDetail:
    """Record how the person was found to be who they say; their examples are restricted now."""
    desk, now, account = house.desk, house.clock(), actor.account_id
    return worked(
        house,
        actor,
        lambda session: verify_identity(
            session, desk, request_id, method=body.method, actor=account, now=now
        ),
    )


@router.post("/{request_id}/ask", summary="Ask the person for something")
def ask(
    request_id: RowId, body: QuestionBody, house: CurrentHouse, actor: CurrentDataOwner
) -> RequestDetail:
    """Record what the person was asked; the request waits for the answer."""
    desk, now, account = house.desk, house.clock(), actor.account_id
    return worked(
        house,
        actor,
        lambda session: ask_information(
            session, desk, request_id, question=body.question, actor=account, now=now
        ),
    )


@router.post("/{request_id}/answer", summary="Record what the person answered")
def answer(
    request_id: RowId, body: AnswerBody, house: CurrentHouse, actor: CurrentDataOwner
) -> RequestDetail:
    """Record the answer; the request goes on, or waits for the identity."""
    desk, now, account = house.desk, house.clock(), actor.account_id
    return worked(
        house,
        actor,
        lambda session: take_answer(
            session, desk, request_id, answer=body.answer, actor=account, now=now
        ),
    )


@router.get("/{request_id}/letters", summary="Read the letters to the person")
def letters(request_id: RowId, house: CurrentHouse, actor: CurrentCaseReader) -> LetterList:
    """The letters with their texts; that they were read is kept."""

    def work(session: Session) -> LetterList:
        see_cases(session, house, actor)
        case = read_case(session, request_id, held=True)
        found = read_letters(
            session, house.keyring, case, actor=actor.account_id, now=house.clock()
        )
        return LetterList(
            letters=[
                LetterShown(
                    id=view.id,
                    kind=view.kind.value,
                    made_by=view.made_by,
                    made_at=view.made_at,
                    text=text,
                )
                for view, text in found
            ]
        )

    return house.database.transact(work)


@router.post("/{request_id}/shred", summary="Destroy the key of a closed request")
def shred(request_id: RowId, house: CurrentHouse, actor: CurrentDataOwner) -> Shredded:
    """Make what the person gave unreadable for good, and prove it."""

    def work(session: Session) -> Shredded:
        see_as(session, house, actor, Action.PROCESS_ERASURE)
        made = shred_request(
            session, house.keyring, request_id, actor=actor.account_id, now=house.clock()
        )
        return Shredded(
            id=made.case.id, key_destroyed_at=made.destroyed_at, proof=made.proof, scrubbed=False
        )

    made = house.database.transact(work)
    mirror_destroyed_keys(house.database, house.ledger.objects, signer_of(house.keyring))
    made.scrubbed = scrub_keys(house.database)
    return made
