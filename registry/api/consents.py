"""Routes for consent: events in, one by one or by the file, and where a person's consent stands.

Identifiers travel in bodies, never in URLs, and are never kept (CONTRACTS).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from registry.api.bodies import read_body
from registry.canonical import digest_text, parse_digest
from registry.errors import InvalidInputError, UnsupportedEncodingError
from registry.ids import fresh_id
from registry.request import (
    CurrentHouse,
    CurrentRightsEditor,
    CurrentTracer,
    House,
    ReadSession,
)
from registry.rights.consent import (
    ConsentSaid,
    consent_of,
    person_events,
    record_consents,
)
from registry.rights.consent_import import (
    Prepared,
    Progress,
    keep_chunk,
    prepare_chunk,
    read_progress,
)
from registry.rights.consent_state import consent_at
from registry.rights.receipts import consent_receipt
from registry.wire.rights import (
    ConsentAsked,
    ConsentShown,
    ConsentsRecorded,
    ImportShown,
    NewConsent,
    ReceiptAsked,
    RefusedEvent,
)

router = APIRouter(prefix="/api/v1/consents", tags=["consent"])
ARROW = "application/vnd.apache.arrow.stream"
MANY = 10_000
_BODY = {
    "required": True,
    "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}},
}
FileName = Annotated[str, Query(description="sha256 of the whole file.", max_length=80)]


@router.post("", status_code=201, summary="Record consent events")
def record(
    body: NewConsent | Annotated[list[NewConsent], Field(max_length=MANY)],
    house: CurrentHouse,
    actor: CurrentRightsEditor,
) -> ConsentsRecorded:
    """Record one event or an array of them, all or none."""
    events = body if isinstance(body, list) else [body]
    said = [
        ConsentSaid(
            scheme=each.subject.scheme,
            value=each.subject.value,
            **each.model_dump(exclude={"subject"}),
        )
        for each in events
    ]
    purposes = house.policies.current().purposes
    recorded = house.database.transact(
        lambda session: record_consents(
            session,
            house.keyring,
            purposes,
            said,
            actor=actor.account_id,
            now=house.clock(),
        )
    )
    return ConsentsRecorded(recorded=recorded)


@router.post("/standing", summary="Where a person's consent stands")
def standing(
    asked: ConsentAsked, house: CurrentHouse, _actor: CurrentTracer, session: ReadSession
) -> ConsentShown:
    """Where a person's consent to a purpose stands, now or as of a moment."""
    found = consent_of(
        session,
        house.keyring,
        house.policies.current().purposes,
        (asked.subject.scheme, asked.subject.value),
        asked.purpose,
        as_of=asked.as_of or house.clock(),
        known_at=asked.known_at,
    )
    return ConsentShown(
        purpose=asked.purpose,
        status=None if found.status is None else found.status.value,
        permits=found.permits,
        since=found.since,
        expires_at=found.expires_at,
    )


@router.post("/receipts", summary="Issue a consent receipt")
def receipt(
    asked: ReceiptAsked, house: CurrentHouse, _actor: CurrentTracer, session: ReadSession
) -> dict[str, Any]:
    """What was recorded of a person, in the shape of ISO/IEC TS 27560."""
    purposes = house.policies.current().purposes
    events = person_events(session, house.keyring, (asked.subject.scheme, asked.subject.value))
    said, now = [event.said for event in events], house.clock()
    named = dict.fromkeys(event.purpose for event in events)
    stands = {name: consent_at(said, purposes, name, at=now) for name in named}
    return consent_receipt(fresh_id(), events, stands, purposes, issued_at=now)


@router.get("/imports", summary="How far an import is")
def progress(file: FileName, _actor: CurrentRightsEditor, session: ReadSession) -> ImportShown:
    """How far a file of consent events was taken, so that an import can go on."""
    named = digest_text(parse_digest(file, path="file"))
    return _shown(named, read_progress(session, named))


@router.post(
    "/imports",
    status_code=201,
    summary="Import consent events",
    openapi_extra={"requestBody": _BODY},
)
async def take(
    request: Request,
    house: CurrentHouse,
    actor: CurrentRightsEditor,
    file: FileName,
    first: Annotated[int, Query(ge=0, lt=2**53, description="Row of the file it begins with.")] = 0,
) -> ImportShown:
    """Take a chunk of a file (at most 100,000 events, as an Arrow stream of text columns)."""
    named = digest_text(parse_digest(file, path="file"))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != ARROW:
        raise UnsupportedEncodingError(
            f"A chunk of type {kind[:80]!r} is not read here.",
            remedy=f"Send an Arrow IPC stream as {ARROW}; `registry consent import` does.",
            path="Content-Type",
        )
    body = await read_body(request, limit_bytes=house.settings.object_limit_bytes)
    return await run_in_threadpool(_take, house, actor.account_id, named, first, body)


def _take(house: House, actor: str, file: str, first: int, body: bytes) -> ImportShown:
    chunk = _prepare(house, actor, body)
    kept = house.database.transact(
        lambda session: keep_chunk(session, file, first, chunk, actor=actor, now=house.clock())
    )
    shown = _shown(file, kept)
    shown.refused = [
        RefusedEvent(row=each.row, field=each.field, reason=each.reason) for each in chunk.refused
    ]
    return shown


def _prepare(house: House, actor: str, body: bytes) -> Prepared:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as stream:
            table = stream.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidInputError(
            "The body is no whole Arrow stream.", remedy="Send it again, complete."
        ) from error
    purposes = house.policies.current().purposes
    return prepare_chunk(table, house.keyring, purposes, actor=actor, now=house.clock())


def _shown(file: str, progress: Progress) -> ImportShown:
    return ImportShown(
        file=file,
        next_row=progress.next_row,
        accepted=progress.accepted,
        rejected=progress.rejected,
    )
