"""Routes for the register: processing activities, recipients, and what was shared with whom."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from sqlmodel import Session

from registry.api.answers import OneLine, wanted_page
from registry.catalog.lookup import find_dataset
from registry.catalog.paging import Cut
from registry.errors import InvalidInputError
from registry.policy.actions import Action
from registry.request import (
    CatalogSession,
    CurrentHouse,
    CurrentReader,
    CurrentRightsEditor,
    ReadSession,
    see_as,
)
from registry.rights.register import (
    NewShare,
    Revised,
    list_activities,
    list_recipients,
    list_shares,
    put_activity,
    put_recipient,
    read_activity,
    read_recipient,
    record_share,
)
from registry.wire.register import (
    ActivityBody,
    ActivityList,
    ActivityShown,
    RecipientBody,
    RecipientList,
    RecipientShown,
    ShareBody,
    ShareList,
    ShareMade,
    ShareShown,
)

router = APIRouter(prefix="/api/v1/register", tags=["register"])
EntryId = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", description="A short name of your own.")
]


@router.get("/activities", summary="List the processing activities")
def activities(_actor: CurrentReader, session: ReadSession) -> ActivityList:
    """The newest revision of every processing activity."""
    return ActivityList(activities=[_activity(each) for each in list_activities(session)])


@router.get("/activities/{entry_id}", summary="Read a processing activity")
def show_activity(entry_id: EntryId, _actor: CurrentReader, session: ReadSession) -> ActivityShown:
    """One processing activity."""
    return _activity(read_activity(session, entry_id))


@router.put("/activities/{entry_id}", summary="Change a processing activity")
def change_activity(
    entry_id: EntryId, body: ActivityBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> ActivityShown:
    """Add a revision, the first one too; what is left out stays."""
    for purpose in body.purposes or ():
        house.policies.current().purposes.require(purpose, path="purposes")
    said = body.model_dump(exclude_unset=True)
    made = house.database.transact(
        lambda session: put_activity(
            session, entry_id, said, actor=actor.account_id, now=house.clock()
        )
    )
    return _activity(made)


@router.get("/recipients", summary="List the recipients")
def recipients(_actor: CurrentReader, session: ReadSession) -> RecipientList:
    """The newest revision of every recipient."""
    return RecipientList(recipients=[_recipient(each) for each in list_recipients(session)])


@router.get("/recipients/{entry_id}", summary="Read a recipient")
def show_recipient(
    entry_id: EntryId, _actor: CurrentReader, session: ReadSession
) -> RecipientShown:
    """One recipient."""
    return _recipient(read_recipient(session, entry_id))


@router.put("/recipients/{entry_id}", summary="Change a recipient")
def change_recipient(
    entry_id: EntryId, body: RecipientBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> RecipientShown:
    """Add a revision, the first one too; what is left out stays."""
    said = body.model_dump(exclude_unset=True)
    if said.get("kind", "") is None:
        raise InvalidInputError(
            "A recipient is of some kind.", remedy="Name it, or leave it out.", path="kind"
        )
    made = house.database.transact(
        lambda session: put_recipient(
            session, entry_id, said, actor=actor.account_id, now=house.clock()
        )
    )
    return _recipient(made)


@router.post("/shares", status_code=201, summary="Record a share")
def share(body: ShareBody, house: CurrentHouse, actor: CurrentRightsEditor) -> ShareMade:
    """Record that a version went to a recipient, when, and under what terms."""
    if body.purpose is not None:
        house.policies.current().purposes.require(body.purpose)
    now = house.clock()

    def work(session: Session) -> str:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        new = NewShare(
            number=body.version,
            recipient_id=body.recipient,
            shared_at=body.shared_at or now,
            activity_id=body.activity,
            purpose=body.purpose,
            terms=body.terms,
            terms_sha256=body.terms_sha256,
        )
        dataset = find_dataset(session, body.namespace, body.name)
        return record_share(session, dataset, new, actor=actor.account_id, now=now)

    return ShareMade(id=house.database.transact(work))


@router.get("/shares", summary="List the shares")
def shares(
    session: CatalogSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    namespace: OneLine = None,
    name: OneLine = None,
    recipient: OneLine = None,
) -> ShareList:
    """Shares, the last recorded first; of a dataset, or with a recipient."""
    named = namespace is not None and name is not None
    dataset = find_dataset(session, namespace or "", name or "").id if named else None
    page = list_shares(session, cut, dataset_id=dataset, recipient_id=recipient)
    shown = [
        ShareShown(
            id=each.id,
            namespace=each.namespace,
            name=each.name,
            version=each.number,
            recipient=each.recipient_id,
            recipient_name=each.recipient,
            activity=each.activity_id,
            purpose=each.purpose,
            terms=each.terms,
            terms_sha256=each.terms_sha256,
            shared_at=each.shared_at,
            recorded_by=each.recorded_by,
            recorded_at=each.recorded_at,
        )
        for each in page.items
    ]
    return ShareList(shares=shown, total=page.total, next=page.next)


def _activity(found: Revised) -> ActivityShown:
    return ActivityShown.model_validate({**_revision(found), **found.said})


def _recipient(found: Revised) -> RecipientShown:
    return RecipientShown.model_validate({**_revision(found), **found.said})


def _revision(found: Revised) -> dict[str, object]:
    names = ("id", "revision", "retired", "changed_by", "changed_at")
    return {name: getattr(found, name) for name in names}
