"""Routes for statements: what only a person can say of a dataset, and what of it holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session
from starlette.responses import Response

from registry.actors.accounts import Actor
from registry.api.answers import OneLine, RowId, wanted_page
from registry.cards.declared.statements import (
    StatementView,
    list_statements,
    read_statement,
    signed_statement,
)
from registry.cards.declared.stating import NewStatement, Signer, state, withdraw
from registry.catalog.lookup import find_dataset
from registry.catalog.paging import Cut
from registry.errors import InvalidInputError
from registry.keys.tables import Purpose
from registry.policy.actions import Action
from registry.request import CatalogSession, CurrentHouse, CurrentRightsEditor, House, see_as
from registry.wire.statements import StatementBody, StatementList, StatementShown, WithdrawalBody

router = APIRouter(prefix="/api/v1/statements", tags=["cards"])
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
VersionAsked = Annotated[int | None, Query(ge=1, lt=2**63)]


@router.post("", status_code=201, summary="State something")
def add(body: StatementBody, house: CurrentHouse, actor: CurrentRightsEditor) -> StatementShown:
    """Record what a person says; the same words again are the same statement."""
    said = NewStatement(
        kind=body.kind,
        text=body.text,
        value=body.value,
        version=body.version,
        expires_at=body.expires_at,
        attachment_sha256=body.attachment_sha256,
        supersedes=body.supersedes,
    )
    by = signer_of(house, actor)

    def work(session: Session) -> StatementShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        dataset = find_dataset(session, body.namespace, body.name)
        return statement_shown(house, state(session, dataset, said, by=by, now=house.clock()))

    return house.database.transact(work)


@router.get("", summary="List the statements")
def index(
    house: CurrentHouse,
    session: CatalogSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    namespace: OneLine = None,
    name: OneLine = None,
    version: VersionAsked = None,
    kind: OneLine = None,
) -> StatementList:
    """Statements, the last first, also superseded ones; of a dataset, version or kind, if given."""
    dataset = None
    if namespace is not None or name is not None:
        dataset = find_dataset(session, namespace or "", name or "").id
    elif version is not None:
        raise InvalidInputError(
            f"Version {version} of what?", remedy="Give namespace and name.", path="version"
        )
    page = list_statements(session, cut, dataset_id=dataset, version=version, kind=kind)
    return StatementList(
        statements=[statement_shown(house, each) for each in page.items],
        total=page.total,
        next=page.next,
    )


@router.get("/{statement_id}", summary="Read a statement")
def show(statement_id: RowId, house: CurrentHouse, session: CatalogSession) -> StatementShown:
    """One statement."""
    return statement_shown(house, read_statement(session, statement_id))


@router.get(
    "/{statement_id}/envelope",
    summary="Get a signed statement",
    response_class=Response,
    responses={200: {"content": {ENVELOPE: {}}, "description": "The envelope (DSSE)."}},
)
def envelope(statement_id: RowId, session: CatalogSession) -> Response:
    """A statement as it was signed; `registry card verify` holds it to a key."""
    return Response(signed_statement(session, statement_id), media_type=ENVELOPE)


@router.post("/{statement_id}/withdraw", status_code=201, summary="Withdraw a statement")
def take_back(
    statement_id: RowId, body: WithdrawalBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> StatementShown:
    """Take a statement back, with the reason; it stays, and so does the withdrawal."""
    by = signer_of(house, actor)

    def work(session: Session) -> StatementShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        made = withdraw(session, statement_id, reason=body.reason, by=by, now=house.clock())
        return statement_shown(house, made)

    return house.database.transact(work)


def signer_of(house: House, actor: Actor) -> Signer:
    """Who states, and the key that signs it."""
    secret = house.keyring.active(Purpose.SIGNING).require_secret()
    return Signer(actor.account_id, actor.name, secret)


def statement_shown(house: House, found: StatementView) -> StatementShown:
    """A statement, and whether it holds now."""
    return StatementShown(
        id=found.id,
        kind=found.kind,
        namespace=found.about.namespace,
        name=found.about.name,
        version=found.about.version,
        text=found.text,
        value=found.value,
        author=found.author,
        stated_at=found.stated_at,
        expires_at=found.expires_at,
        attachment_sha256=found.attachment_sha256,
        supersedes=found.supersedes,
        superseded_by=found.superseded_by,
        withdraws=found.withdraws,
        in_force=found.is_in_force(house.clock()),
        signature=found.signature,
        audit_index=found.audit_index,
    )
