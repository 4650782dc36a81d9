"""The route for objects that travel beside an event: examples, row maps, parents.

Rules (DESIGN §5; CONTRACTS):
1. The body is streamed to disk with its SHA-256, which must be the one in the path; no more than
   the limit is taken, and the raw upload is deleted whatever happens.
2. The object belongs to the account and project that sent it; the same one twice is one.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from registry.api.bodies import too_large
from registry.canonical import digest_text, parse_digest
from registry.errors import InvalidInputError
from registry.ledger.record import StoredObject, store_object
from registry.ledger.tables import ObjectKind
from registry.request import CurrentHouse, CurrentWriter
from registry.storage.temporary import writing_temporary
from registry.wire.ledger import ObjectStored

router = APIRouter(prefix="/api/v1/ledger", tags=["ledger"])
_BODY = {
    "required": True,
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in (
            "application/vnd.apache.parquet",
            "application/vnd.apache.arrow.stream",
            "application/x-ndjson",
        )
    },
}


@router.put("/objects/{sha256}", status_code=201, openapi_extra={"requestBody": _BODY})
async def put_object(
    sha256: str,
    request: Request,
    house: CurrentHouse,
    actor: CurrentWriter,
    kind: Annotated[ObjectKind, Query(description="What the object holds.")],
) -> ObjectStored:
    """Keep an object for events that name it; its identifiers become pseudonyms on arrival."""
    expected = sha256.removeprefix("sha256:")
    parse_digest(f"sha256:{expected}", path="sha256")
    with tempfile.TemporaryDirectory(prefix="registry-upload-") as folder:
        path = Path(folder) / "body"
        found = await _receive(request, path, limit_bytes=house.settings.object_limit_bytes)
        if found.hex() != expected:
            raise InvalidInputError(
                f"The body has the digest {digest_text(found)}, and the path says {expected}.",
                remedy="Send the whole object under the SHA-256 of its bytes.",
                path="sha256",
            )
        if not path.stat().st_size:
            raise InvalidInputError(
                "The body is empty.", remedy="Send the bytes of the object; one without rows too."
            )

        def keep() -> StoredObject:
            return store_object(
                house.ledger,
                house.database,
                path,
                digest=f"sha256:{expected}",
                kind=kind,
                content_type=request.headers.get("content-type", ""),
                account_id=actor.account_id,
                project_id=actor.project_id,
                now=house.clock(),
            )

        stored = await run_in_threadpool(keep)
    return ObjectStored(object=f"sha256:{expected}", rows=stored.rows)


async def _receive(request: Request, path: Path, *, limit_bytes: int) -> bytes:
    """Stream the body to a file; its SHA-256. Raises BodyTooLargeError."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise too_large(limit_bytes)
    hasher, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        async for part in request.stream():
            size += len(part)
            if size > limit_bytes:
                raise too_large(limit_bytes)
            hasher.update(part)
            with writing_temporary():
                file.write(part)
    return hasher.digest()
