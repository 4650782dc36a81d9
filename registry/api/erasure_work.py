"""Routes for the work on a request: plan it, explain it, carry it out, and end its tasks.

Planning and carrying out is the data owner's; approving between the two is somebody else's. A
recipient acknowledges a notice by its secret, and needs no token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from registry.actors.accounts import SYSTEM, Actor
from registry.api import erasure_answers as answers
from registry.api.answers import RowId
from registry.api.bodies import read_body
from registry.api.erasure_steps import worked
from registry.audit.events import EntryKind
from registry.erasure.case.approve import PlanView
from registry.erasure.case.cases import Case, read_case, require_open
from registry.erasure.case.identifiers import open_identifiers, reject_identifiers
from registry.erasure.case.in_queue import ask_to_conclude
from registry.erasure.case.intake import day_of
from registry.erasure.case.timeline import add_step
from registry.erasure.connectors.notices import LONGEST_BYTES
from registry.erasure.execution.carrying_out import begin
from registry.erasure.execution.hands import read_planned
from registry.erasure.execution.in_backups import known_backups
from registry.erasure.execution.in_systems import Message, take_answer
from registry.erasure.execution.notices import acknowledge, make_notice, notice_text
from registry.erasure.lifecycle import TaskState
from registry.erasure.outcome.certifying import sealed_certificate
from registry.erasure.plan.deciding import Decision
from registry.erasure.plan.explaining import explain_example
from registry.erasure.plan.members import ranges_of, read_erase_set
from registry.erasure.plan.planning import plan_case
from registry.erasure.tasks import TaskView, dispose_model, read_task, record_work
from registry.policy.actions import Action
from registry.request import (
    CasesSession,
    CurrentDataOwner,
    CurrentHouse,
    House,
    see_as,
)
from registry.wire.erasure import RequestDetail, TaskShown
from registry.wire.erasure_work import (
    Acknowledged,
    AcknowledgementBody,
    AddressBody,
    ChainShown,
    DispositionBody,
    LinkShown,
    MembersShown,
    NoticeMade,
    PlanBody,
    PlanMade,
    RecordBody,
)

router = APIRouter(prefix="/api/v1", tags=["erasure"])
_REQUEST = "/erasure-requests/{request_id}"
_TASK = _REQUEST + "/tasks/{task_id}"
Change = Callable[[Session, TaskView, datetime], TaskView]


@router.post(_REQUEST + "/plan", summary="Plan a request")
def plan(
    request_id: RowId, house: CurrentHouse, actor: CurrentDataOwner, body: PlanBody | None = None
) -> PlanMade:
    """Work out what the request is about, and freeze it: the approval names its digest."""
    decisions = [] if body is None else body.decisions
    case, made = plan_case(
        house.database,
        house.ledger,
        house.requests.erasure,
        request_id,
        decisions=[Decision(each.reason, each.decision, each.why) for each in decisions],
        actor=actor.account_id,
        now=house.clock(),
        confine=lambda session: see_as(session, house, actor, Action.PROCESS_ERASURE),
    )
    return _planned(case, made)


def _planned(case: Case, made: PlanView) -> PlanMade:
    document = made.document
    known: dict[str, Any] = {
        name: document[name] for name in PlanMade.model_fields if name in document
    }
    known |= {"id": case.id, "state": case.state.value, "plan": made.digest}
    return PlanMade(**known, revision=made.revision)


@router.post(_REQUEST + "/explain", summary="Explain why an example is in a plan")
def explain(
    request_id: RowId, body: AddressBody, house: CurrentHouse, session: CasesSession
) -> ChainShown:
    """The chain of reasons from the person's own example to this one."""
    case = read_case(session, request_id)
    chain = explain_example(
        session, house.ledger, house.requests.erasure, case, body.batch, body.ordinal
    )
    links = [LinkShown(**link) for link in chain]
    return ChainShown(batch=body.batch, ordinal=body.ordinal, chain=links)


@router.get(_REQUEST + "/members", summary="List the examples of a plan")
def members(
    request_id: RowId, session: CasesSession, batch: Annotated[int, Query(ge=1, lt=2**32)]
) -> MembersShown:
    """Which rows of a batch the newest plan erases, as ranges with both ends included."""
    _, made = read_planned(session, request_id)
    ordinals = read_erase_set(session, made.id, batch=batch).get(batch)
    ranges = [] if ordinals is None else ranges_of(ordinals)
    return MembersShown(batch=batch, ranges=ranges)


@router.post(_REQUEST + "/execute", status_code=202, summary="Carry out an approved plan")
def execute(request_id: RowId, house: CurrentHouse, actor: CurrentDataOwner) -> RequestDetail:
    """Open the plan's tasks and begin with the registry's own data; asked again, go on with it."""
    now = house.clock()
    return worked(
        house,
        actor,
        lambda session: begin(
            session,
            request_id,
            backups=known_backups(session, now=now),
            today=day_of(now),
            actor=actor.account_id,
            now=now,
        ),
    )


@router.post(_TASK + "/dispose", summary="Record what is done about a model")
def dispose(
    request_id: RowId,
    task_id: RowId,
    body: DispositionBody,
    house: CurrentHouse,
    actor: CurrentDataOwner,
) -> TaskShown:
    """Record what is done about a model that saw the data, whose duty that is, and until when."""

    def change(session: Session, task: TaskView, now: datetime) -> TaskView:
        return dispose_model(
            session,
            task,
            disposition=body.disposition,
            owner=body.owner,
            due_on=body.due_on.isoformat(),
            reason=body.reason,
            actor=actor.account_id,
            now=now,
        )

    words = {"reason": body.reason, "owner": body.owner}
    return _shown(_changed(house, actor, request_id, task_id, words, change))


@router.post(_TASK + "/record", summary="Record what a person did")
def record(
    request_id: RowId,
    task_id: RowId,
    body: RecordBody,
    house: CurrentHouse,
    actor: CurrentDataOwner,
) -> TaskShown:
    """Record with evidence what only a person can do, or that a recipient cannot be told."""

    def change(session: Session, task: TaskView, now: datetime) -> TaskView:
        return record_work(
            session,
            task,
            TaskState(body.state),
            evidence=body.evidence,
            note=body.note,
            actor=actor.account_id,
            now=now,
        )

    words = {"evidence": body.evidence, "note": body.note}
    return _shown(_changed(house, actor, request_id, task_id, words, change))


@router.post(_TASK + "/notice", summary="Make the notice to a recipient")
def notice(
    request_id: RowId, task_id: RowId, house: CurrentHouse, actor: CurrentDataOwner
) -> NoticeMade:
    """Make the notice that a recipient is told with; making it again replaces its secret."""
    made: dict[str, Any] = {}

    def change(session: Session, task: TaskView, now: datetime) -> TaskView:
        told = make_notice(session, task, actor=actor.account_id, now=now)
        made["secret"] = told.secret
        made["text"] = notice_text(session, told, url=house.settings.public_url)
        return told.task

    task = _changed(house, actor, request_id, task_id, {}, change)
    return NoticeMade(task=_shown(task), secret=made["secret"], text=made["text"])


def _changed(
    house: House,
    actor: Actor,
    request_id: str,
    task_id: str,
    words: Mapping[str, str | None],
    change: Change,
) -> TaskView:
    """Change a task of a case in the actor's sight, and have the outcome stated anew."""

    def work(session: Session) -> TaskView:
        see_as(session, house, actor, Action.PROCESS_ERASURE)
        case = read_case(session, request_id, held=True)
        require_open(case)
        if case.key_destroyed_at is None:
            reject_identifiers(open_identifiers(session, house.keyring, case), words)
        task = read_task(session, task_id, request_id=case.id)
        return tell_change(
            session, case, change(session, task, house.clock()), actor.account_id, house.clock()
        )

    return house.database.transact(work)


def tell_change(
    session: Session, case: Case, task: TaskView, actor: str, now: datetime
) -> TaskView:
    """Tell of a task that changed, and have the outcome stated anew. Does not commit."""
    facts = {"task": task.id, "kind": task.kind.value, "to": task.state.value}
    add_step(session, case, EntryKind.ERASURE_TASK_CHANGED, actor=actor, now=now, facts=facts)
    ask_to_conclude(session, case.id, now=now)
    return task


def _shown(task: TaskView) -> TaskShown:
    return answers.task_shown(task)


@router.post("/erasure-acknowledgements", summary="Acknowledge a notice")
def take_acknowledgement(body: AcknowledgementBody, house: CurrentHouse) -> Acknowledged:
    """A recipient's word that they acted on a notice; its secret is all that is needed, once."""

    def work(session: Session) -> TaskView:
        now = house.clock()
        task = acknowledge(session, body.secret, evidence=body.evidence, actor=SYSTEM, now=now)
        case = read_case(session, task.request_id, held=True)
        return tell_change(session, case, task, SYSTEM, now)

    task = house.database.transact(work)
    return Acknowledged(task=task.id, state=task.state.value)


@router.post("/erasure-acknowledgements/{task_id}", summary="Answer a notice of erasure")
async def take_system_answer(task_id: RowId, request: Request, house: CurrentHouse) -> Acknowledged:
    """The signed answer of another system that was told to erase; its signature is all it needs."""
    limit = min(LONGEST_BYTES, house.settings.body_limit_bytes)
    body = await read_body(request, limit_bytes=limit)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message = Message({name: request.headers.get(name, "") for name in names}, body)
    return await run_in_threadpool(_answered, house, task_id, message)


def _answered(house: House, task_id: str, message: Message) -> Acknowledged:
    def work(session: Session) -> TaskView:
        now = house.clock()
        case, before, task = take_answer(session, house.hands, task_id, message, now=now)
        return task if before == task else tell_change(session, case, task, SYSTEM, now)

    task = house.database.transact(work)
    return Acknowledged(task=task.id, state=task.state.value)


@router.get(_REQUEST + "/certificate", summary="Read the certificate of a request")
def certificate(
    request_id: RowId,
    house: CurrentHouse,
    session: CasesSession,
    number: Annotated[int | None, Query(ge=1, lt=2**63, description="Else the newest.")] = None,
) -> Response:
    """The signed certificate: a DSSE envelope around an in-toto statement."""
    case = read_case(session, request_id)
    found = sealed_certificate(house.database, house.audit, case.id, number=number)
    return Response(found.envelope, media_type="application/vnd.in-toto+dsse")
