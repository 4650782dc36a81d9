"""The route by which a card that was written elsewhere is taken in."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from registry.actors.accounts import Actor
from registry.api.bodies import read_body
from registry.api.cards import Text
from registry.api.statements import VersionAsked, signer_of, statement_shown
from registry.cards.importing.files import LIMIT_BYTES, import_file
from registry.cards.importing.taking_in import take_in
from registry.catalog.lookup import find_dataset
from registry.policy.actions import Action
from registry.request import CurrentHouse, CurrentRightsEditor, House, see_as
from registry.wire.cards import CardImportShown, LeftOutShown

router = APIRouter(prefix="/api/v1/cards/imports", tags=["cards"])


@router.post("", status_code=201, summary="Import a card")
async def take(
    request: Request,
    house: CurrentHouse,
    actor: CurrentRightsEditor,
    namespace: Text,
    name: Text,
    version: VersionAsked = None,
) -> CardImportShown:
    """Take what a Croissant file or a Hugging Face card (the body) says as your statements."""
    # A byte more than is read tells the reader of the file that it is too long.
    body = await read_body(request, limit_bytes=LIMIT_BYTES + 1)
    return await run_in_threadpool(_take, house, actor, namespace, name, version, body)


def _take(
    house: House, actor: Actor, namespace: str, name: str, version: int | None, body: bytes
) -> CardImportShown:
    file = import_file(body)
    by = signer_of(house, actor)

    def work(session: Session) -> CardImportShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        dataset = find_dataset(session, namespace, name)
        made = take_in(session, dataset, version, file, by=by, now=house.clock())
        return CardImportShown(
            id=made.id,
            form=file.form.value,
            file=file.digest,
            statements=[statement_shown(house, each) for each in made.statements],
            kept=list(made.kept),
            left_out=[LeftOutShown(place=each.place, reason=each.reason) for each in made.left_out],
        )

    return house.database.transact(work)
