"""The front door: OpenLineage events in, one at a time or as a batch.

Rules (DESIGN §5):
1. An event is answered 2xx only when it is durable, and projected or quarantined.
2. `POST /api/v1/lineage` takes one event: 201. `POST /api/v1/lineage/batch` takes a bare array:
   204 when there is nothing to say, else 200 with the report; a bad event does not stop the rest.
3. Clients whose base URL lost its path arrive too: `/lineage`, `/v1/lineage`, `/`.
4. The sender's token needs a role that may write (403 without); what it writes of another project
   is quarantined.
5. Overload is 503 with Retry-After; 429 is never used.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.actors.accounts import Actor
from registry.api.awaiting import Answers
from registry.api.bodies import read_body
from registry.api.problems import problem_of
from registry.canonical import digest_text
from registry.errors import RegistryError, UnavailableError
from registry.ledger.record import store_object
from registry.ledger.tables import ObjectKind
from registry.lineage.door import Admitted, admit
from registry.lineage.events import split_batch
from registry.lineage.ingest import Arrival, Sender
from registry.lineage.inline_examples import CONTENT_TYPE, InlineExamples
from registry.lineage.tables import EventState
from registry.policy.actions import Action
from registry.request import House, bearer_token, require_here

_json = msgspec.json.Encoder()
_EVENT_SCHEMA = {
    "type": "object",
    "description": "An OpenLineage RunEvent, JobEvent or DatasetEvent (OpenLineage 2-0-2).",
}
_BODY = {"required": True, "content": {"application/json": {"schema": _EVENT_SCHEMA}}}
_BATCH_BODY = {
    "required": True,
    "content": {"application/json": {"schema": {"type": "array", "items": _EVENT_SCHEMA}}},
}
router = APIRouter(tags=["lineage"])


@dataclass(frozen=True, slots=True)
class _Failure:
    """One event of a batch that was not taken."""

    index: int
    error: RegistryError


async def post_event(request: Request) -> Response:
    """Take one OpenLineage event; 201 when it is durable, and projected or quarantined."""
    house: House = request.app.state.house
    answers: Answers = request.app.state.answers
    sender = _sender(await _writer(request, house))
    body = await read_body(request, limit_bytes=house.settings.body_limit_bytes)
    arrival = await _arrive(house, admit(body), sender)
    await answers.wait_for(house.events.submit([arrival]))
    return Response(_json.encode(_answer(arrival)), 201, media_type="application/json")


async def post_batch(request: Request) -> Response:
    """Take a bare JSON array of OpenLineage events; each stands or fails alone."""
    house: House = request.app.state.house
    sender = _sender(await _writer(request, house))
    body = await read_body(request, limit_bytes=house.settings.body_limit_bytes)
    arrivals: dict[int, Arrival] = {}
    failures: list[_Failure] = []
    parts = split_batch(body)
    for index, part in enumerate(parts):
        try:
            arrivals[index] = await _arrive(house, admit(part), sender)
        except RegistryError as error:
            failures.append(_Failure(index, error))
        if index % 64 == 63:
            # Let other requests through while a large batch is read.
            await asyncio.sleep(0)
    await _submit_chunks(house, request.app.state.answers, arrivals, failures)
    if parts and len(failures) == len(parts):
        unavailable = [f.error for f in failures if isinstance(f.error, UnavailableError)]
        if len(unavailable) == len(parts):
            raise unavailable[0]
    quarantined = [i for i, a in arrivals.items() if a.state is EventState.QUARANTINED]
    if not failures and not quarantined:
        return Response(status_code=204)
    report = _report(len(parts), failures, quarantined, arrivals)
    return Response(_json.encode(report), 200, media_type="application/json")


async def _submit_chunks(
    house: House, answers: Answers, arrivals: dict[int, Arrival], failures: list[_Failure]
) -> None:
    """Submit a batch in groups; what a group that fails held is reported as not taken."""
    indexes = list(arrivals)
    size = house.settings.group_limit
    waiting = []
    for start in range(0, len(indexes), size):
        chunk = indexes[start : start + size]
        try:
            future = house.events.submit([arrivals[index] for index in chunk])
        except UnavailableError as error:
            failures += [_Failure(index, error) for index in chunk]
            continue
        waiting.append((chunk, answers.wait_for(future)))
    for chunk, awaited in waiting:
        try:
            await awaited
        except RegistryError as error:
            failures += [_Failure(index, error) for index in chunk]


async def _writer(request: Request, house: House) -> Actor:
    """Who sends. Raises UnauthenticatedError, and ForbiddenError for one who may not write."""
    token = bearer_token(request)
    actor = house.tokens.cached(token)
    if actor is None:
        actor = await run_in_threadpool(house.tokens.authenticate, token)
    if not house.access.known(actor.account_id, actor.project_id, Action.WRITE_LINEAGE):
        at = f"POST {request.url.path}"
        await run_in_threadpool(require_here, house, actor, Action.WRITE_LINEAGE, at=at)
    return actor


def _sender(actor: Actor) -> Sender:
    return Sender(actor.account_id, actor.project_id)


async def _arrive(house: House, admitted: Admitted, sender: Sender) -> Arrival:
    """The event as it is queued; what it carried of examples is in the ledger before."""
    if admitted.examples:
        await run_in_threadpool(_keep_examples, house, admitted.examples, sender)
    return Arrival(admitted.event, sender, list(admitted.redactions))


def _keep_examples(house: House, examples: tuple[InlineExamples, ...], sender: Sender) -> None:
    for moved in examples:
        with tempfile.NamedTemporaryFile(prefix="registry-inline-") as file:
            file.write(moved.ndjson)
            file.flush()
            store_object(
                house.ledger,
                house.database,
                Path(file.name),
                digest=moved.digest,
                kind=ObjectKind.EXAMPLES,
                content_type=CONTENT_TYPE,
                account_id=sender.account_id,
                project_id=sender.project_id,
                now=house.clock(),
            )


def _answer(arrival: Arrival) -> dict[str, Any]:
    return {
        "event": digest_text(arrival.event.digest),
        "duplicate": arrival.duplicate,
        "quarantined": arrival.state is not EventState.PROJECTED,
        "warnings": [
            {"code": w.code, "path": w.path, "detail": w.detail}
            for w in dict.fromkeys(arrival.event.warnings)
        ],
    }


def _report(
    received: int,
    failures: list[_Failure],
    quarantined: list[int],
    arrivals: dict[int, Arrival],
) -> dict[str, Any]:
    failures.sort(key=lambda failure: failure.index)
    retriable = sum(isinstance(f.error, UnavailableError) for f in failures)
    status = "success" if not failures else "partial_success"
    if len(failures) == received:
        status = "failure"
    return {
        "status": status,
        "summary": {
            "received": received,
            "successful": received - len(failures),
            "failed": len(failures),
            "retriable": retriable,
            "non_retriable": len(failures) - retriable,
        },
        "failed_events": [
            {
                "index": f.index,
                "reason": f"{f.error.detail} {f.error.remedy}",
                "retriable": isinstance(f.error, UnavailableError),
                "code": f.error.code,
                "path": f.error.path,
            }
            for f in failures
        ],
        "quarantined_events": [
            {
                "index": index,
                "event": digest_text(arrivals[index].event.digest),
                "reason": arrivals[index].reason,
                "detail": arrivals[index].detail,
            }
            for index in quarantined
        ],
    }


class ShortCut:
    """Takes events past routing and dependencies, which cost more than the event itself.

    The same handlers stand in the router, for the description of the API.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a POST of events; hand everything else on."""
        handler = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = _SHORT_CUTS.get(scope["path"])
        if handler is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await handler(Request(scope, receive))
        except RegistryError as error:
            response = problem_of(error)
        except ClientDisconnect:
            return  # Nobody is left to answer, and nothing was taken.
        await response(scope, receive, send)


_SHORT_CUTS: dict[str, Callable[[Request], Awaitable[Response]]] = {}


def _open(
    paths: tuple[str, ...], endpoint: Callable[[Request], Awaitable[Response]], body: dict[str, Any]
) -> None:
    for path in paths:
        _SHORT_CUTS[path] = endpoint
        router.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            response_class=Response,
            response_model=None,
            include_in_schema=path == paths[0],
            openapi_extra={"requestBody": body},
            status_code=201,
        )


_open(("/api/v1/lineage", "/v1/lineage", "/lineage", "/"), post_event, _BODY)
_open(
    ("/api/v1/lineage/batch", "/v1/lineage/batch", "/lineage/batch"),
    post_batch,
    _BATCH_BODY,
)
