"""The route where a ticket system files requests of people: a signed webhook, without a token.

Rules:
1. A ticket is signed as Standard Webhooks has it, with REGISTRY_TICKET_SECRET; what is not, is
   stale, or comes while no secret is set gets one and the same refusal.
2. The signature stands for the account that REGISTRY_TICKET_ACCOUNT names, which must be a data
   owner of REGISTRY_TICKET_PROJECT: a ticket may no more than its account.
3. The same ticket twice is one request: by its reference, else by `webhook-id`.
"""

from __future__ import annotations

import logging

from fastapi import APIRouter
from pydantic import ValidationError
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from registry.actors.bindings import account_id_of, project_id_of
from registry.api import erasure_answers as answers
from registry.api.bodies import read_body
from registry.erasure.case.intake import Filing, file_request
from registry.erasure.lifecycle import Identity, Regime, Right
from registry.errors import InvalidInputError, NotFoundError, SettingsError, UnauthenticatedError
from registry.policy.actions import Action
from registry.request import CurrentHouse, House
from registry.signing import is_signed
from registry.wire.erasure import Ticket, TicketTaken

router = APIRouter(prefix="/api/v1/erasure-requests", tags=["erasure"])
CHANNEL = "ticket"
_LIMIT_BYTES = 1 << 20
_BODY = {"content": {"application/json": {"schema": Ticket.model_json_schema()}}, "required": True}
_log = logging.getLogger(__name__)


@router.post(
    "/tickets",
    status_code=201,
    summary="File a request from a ticket system",
    openapi_extra={"requestBody": _BODY},
)
async def ticket(request: Request, house: CurrentHouse) -> TicketTaken:
    """Take a signed ticket in as a request of a person."""
    limit = min(_LIMIT_BYTES, house.settings.body_limit_bytes)
    body = await read_body(request, limit_bytes=limit)
    message_id = request.headers.get("webhook-id", "")
    signed = is_signed(
        house.settings.ticket_secret,
        message_id,
        request.headers.get("webhook-timestamp", ""),
        request.headers.get("webhook-signature", ""),
        body,
        now=house.clock(),
    )
    if not signed:
        raise UnauthenticatedError(
            "The ticket is not signed with this registry's secret, or was signed long ago.",
            remedy="Sign it as Standard Webhooks says, with REGISTRY_TICKET_SECRET, and send it at "
            "once.",
            path="webhook-signature",
        )
    return await run_in_threadpool(_take, house, message_id, body)


def _take(house: House, message_id: str, body: bytes) -> TicketTaken:
    data = _read(body).data
    reference = data.reference or message_id
    filing = Filing(
        right=Right(data.right),
        regime=Regime(data.regime),
        subjects=tuple((each.scheme, each.value) for each in data.subjects),
        channel=CHANNEL,
        identity=Identity(data.identity),
        reference=reference,
        received_at=data.received_at,
        region=data.region,
        purposes=tuple(data.purposes),
    )
    with house.database.read() as session:
        account, project = _acting(session, house)
    desk, now = house.desk, house.clock()
    taken = house.database.transact(
        lambda session: file_request(
            session, desk, filing, project_id=project, actor=account, now=now
        )
    )
    return TicketTaken(**answers.filed(taken.case).model_dump(), reference=reference)


def _read(body: bytes) -> Ticket:
    try:
        return Ticket.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(
            f"{where or 'The ticket'}: {first['msg']}.",
            remedy="Correct the ticket; docs/erasure.md has its form.",
            path=where or None,
        ) from None


def _acting(session: Session, house: House) -> tuple[str, str]:
    """The account and the project of tickets, by id (rule 2). Raises SettingsError."""
    name, project = house.settings.ticket_account, house.settings.ticket_project
    try:
        account_id, project_id = account_id_of(session, name), project_id_of(session, project)
    except NotFoundError as error:
        raise _misset(name, project, error.detail) from error
    if not house.access.allows(account_id, project_id, Action.PROCESS_ERASURE):
        raise _misset(name, project, "It is no data owner there.")
    return account_id, project_id


def _misset(account: str, project: str, why: str) -> SettingsError:
    error = SettingsError(
        f"Tickets cannot be filed as {account!r} in {project!r}. {why}",
        remedy=f"Say: registry token create {account} --role data_owner --project {project}; or "
        "set REGISTRY_TICKET_ACCOUNT and REGISTRY_TICKET_PROJECT.",
    )
    _log.warning("%s", error)
    return error
