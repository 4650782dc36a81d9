"""Whether the server lives, whether it can work, and how it is doing.

`/healthz` and `/readyz` need no token; `/metrics` and `/openapi.json` need one.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, PlainTextResponse

from registry.api.metrics import CONTENT_TYPE, exposition, read_metrics
from registry.request import CurrentActor, CurrentHouse, CurrentMember, ReadSession
from registry.storage.migrate import require_schema

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="See whether the process answers")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="See whether the server can work")
def readyz(house: CurrentHouse) -> dict[str, str]:
    """The database answers, and its schema is this program's; 503 otherwise."""
    require_schema(house.database)
    return {"status": "ready"}


@router.get("/metrics", response_class=PlainTextResponse, summary="Read the metrics")
def metrics(house: CurrentHouse, _actor: CurrentMember, session: ReadSession) -> Response:
    """Prometheus text: tasks and events by state, and the gauges of this process."""
    found = read_metrics(session, house.gauges, now=house.clock())
    return Response(exposition(found), media_type=CONTENT_TYPE)


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _actor: CurrentActor) -> JSONResponse:
    """What this server speaks, as OpenAPI 3.1."""
    described: dict[str, Any] = request.app.openapi()
    return JSONResponse(described)
