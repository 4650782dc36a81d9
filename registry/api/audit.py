"""Routes of the audit log: its checkpoint, its entries, and proofs about both.

Reading entries is an entry itself, because their payloads hold pseudonyms of persons.
"""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query
from sqlmodel import Session
from starlette.responses import PlainTextResponse, Response

from registry.audit.events import EntryKind
from registry.audit.reading import PAGE, PlacedEntry, read_entries
from registry.audit.signing import Signed, latest_checkpoint
from registry.audit.tree import prove_consistency, prove_inclusion, tree_size
from registry.errors import NotFoundError
from registry.ledger.read_entries import record_read
from registry.request import CurrentAuditor, CurrentHouse, ReadSession
from registry.wire.audit import ConsistencyProof, EntryList, EntryShown, InclusionProof

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
Number = Annotated[int, Query(ge=0, le=2**53 - 1)]
MaybeNumber = Annotated[int | None, Query(ge=0, le=2**53 - 1)]


@router.get("/checkpoint", response_class=PlainTextResponse, summary="Read the checkpoint")
def checkpoint(_actor: CurrentAuditor, session: ReadSession) -> Response:
    """The newest signed checkpoint (C2SP tlog-checkpoint), as text. 404 before the first."""
    return _note(_require_checkpoint(session))


@router.post("/checkpoint", response_class=PlainTextResponse, summary="Sign a checkpoint now")
def sign(house: CurrentHouse, _actor: CurrentAuditor) -> Response:
    """Give every entry that waits its place, and sign; a server does so every second by itself."""
    return _note(house.audit.catch_up())


@router.get("/entries", summary="Read entries")
def entries(
    house: CurrentHouse, actor: CurrentAuditor, start: Number = 0, end: MaybeNumber = None
) -> EntryList:
    """The entries from place `start` to `end`, both included, at most 1,000 (RFC 6962 §4.6)."""
    with house.database.read() as session:
        found = read_entries(session, start, start + PAGE - 1 if end is None else end)
        size = tree_size(session)
    facts = {"start": start, "count": len(found)}
    kind = EntryKind.ENTRIES_READ
    record_read(house.database, kind, actor.account_id, facts, clock=house.clock)
    return EntryList(entries=[_shown(entry) for entry in found], size=size)


@router.get("/proofs/inclusion", summary="Prove that an entry is in the log")
def inclusion(
    _actor: CurrentAuditor, session: ReadSession, index: Number, size: MaybeNumber = None
) -> InclusionProof:
    """The proof that entry `index` is in the tree of `size`, that of the checkpoint by default."""
    proof = prove_inclusion(session, index, _size_or_signed(session, size))
    return InclusionProof(
        leaf_hash=_base64(proof.leaf_hash),
        index=proof.index,
        size=proof.size,
        hashes=[_base64(each) for each in proof.hashes],
        root=_base64(proof.root),
    )


@router.get("/proofs/consistency", summary="Prove that the log only grew")
def consistency(
    _actor: CurrentAuditor, session: ReadSession, first: Number, second: MaybeNumber = None
) -> ConsistencyProof:
    """The proof that the tree of `second` (the checkpoint's) grew out of that of `first`."""
    proof = prove_consistency(session, first, _size_or_signed(session, second))
    return ConsistencyProof(
        first=proof.first,
        second=proof.second,
        hashes=[_base64(each) for each in proof.hashes],
        first_root=_base64(proof.first_root),
        second_root=_base64(proof.second_root),
    )


def _require_checkpoint(session: Session) -> Signed:
    signed = latest_checkpoint(session)
    if signed is None:
        raise NotFoundError(
            "No checkpoint of the audit log was signed yet.",
            remedy="A server signs one within seconds; POST /api/v1/audit/checkpoint does it now.",
        )
    return signed


def _size_or_signed(session: Session, size: int | None) -> int:
    return _require_checkpoint(session).size if size is None else size


def _note(signed: Signed) -> Response:
    return Response(signed.note, media_type="text/plain; charset=utf-8")


def _shown(entry: PlacedEntry) -> EntryShown:
    return EntryShown(
        index=entry.index,
        at=entry.at,
        kind=entry.kind,
        actor=entry.actor,
        payload=entry.payload,
        document=entry.document,
        salt=None if entry.salt is None else _base64(entry.salt),
        leaf_data=_base64(entry.leaf_data),
        leaf_hash=_base64(entry.leaf_hash),
    )


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
