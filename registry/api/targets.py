"""Routes for targets of erasure: where copies of datasets lie, and who erases in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlmodel import Session

from registry.api.answers import OneLine, RowId, wanted_page
from registry.catalog.lookup import find_dataset
from registry.catalog.paging import Cut
from registry.erasure.connectors.opening import connectors_of
from registry.erasure.connectors.protocol import Executor
from registry.erasure.targets.bindings import (
    NewTarget,
    TargetView,
    add_target,
    end_target,
    list_targets,
    read_target,
)
from registry.erasure.targets.file_states import copy_target
from registry.errors import InvalidInputError
from registry.policy.actions import Action
from registry.request import CurrentDataOwner, CurrentHouse, reading_for, see_as
from registry.wire.targets import NewTargetBody, TargetChecked, TargetList, TargetShown

router = APIRouter(prefix="/api/v1/erasure-targets", tags=["erasure"])
_ACTION = Action.PROCESS_ERASURE


@router.post("", status_code=201, summary="Bind a copy of a dataset")
def add(body: NewTargetBody, house: CurrentHouse, actor: CurrentDataOwner) -> TargetShown:
    """Say where a copy of a dataset lies, who erases in it, and how its rows are known."""
    new = NewTarget(
        uri=body.uri,
        executor=_executor(body.executor),
        form=body.form,
        table=body.table,
        key_column=body.key_column,
        content_column=body.content_column,
        by_key=body.by_key,
        credential=body.credential,
    )

    def work(session: Session) -> TargetShown:
        see_as(session, house, actor, _ACTION)
        dataset = find_dataset(session, body.namespace, body.name)
        made = add_target(
            session,
            dataset,
            new,
            project_id=actor.project_id,
            actor=actor.account_id,
            now=house.clock(),
        )
        return _shown(made)

    return house.database.transact(work)


@router.get("", summary="List the targets")
def index(
    house: CurrentHouse,
    actor: CurrentDataOwner,
    cut: Annotated[Cut, Depends(wanted_page)],
    namespace: OneLine = None,
    name: OneLine = None,
) -> TargetList:
    """The bindings that hold, in the order they were made; of one dataset, if given."""
    with reading_for(house, actor, _ACTION) as session:
        named = namespace is not None and name is not None
        dataset = find_dataset(session, namespace or "", name or "").id if named else None
        page = list_targets(session, cut, dataset_id=dataset)
    return TargetList(
        targets=[_shown(each) for each in page.items], total=page.total, next=page.next
    )


@router.delete("/{target_id}", summary="End a target")
def remove(target_id: RowId, house: CurrentHouse, actor: CurrentDataOwner) -> TargetShown:
    """End a binding; its row stays, so that a case can say by whom it was erased."""

    def work(session: Session) -> TargetShown:
        see_as(session, house, actor, _ACTION)
        return _shown(end_target(session, target_id, actor=actor.account_id, now=house.clock()))

    return house.database.transact(work)


@router.post("/{target_id}/check", summary="Check a target")
def check(target_id: RowId, house: CurrentHouse, actor: CurrentDataOwner) -> TargetChecked:
    """Look what would stand in the way of an erasure there. Changes nothing."""
    with reading_for(house, actor, _ACTION) as session:
        found = read_target(session, target_id)
    trouble = connectors_of(house.settings).check(copy_target(found))
    return TargetChecked(
        id=found.id,
        reachable=trouble is None,
        state=None if trouble is None else trouble.state.value,
        reason=None if trouble is None else trouble.reason.value,
        detail=None if trouble is None else trouble.detail,
        remedy=None if trouble is None else trouble.remedy,
    )


def _executor(text: str) -> Executor:
    try:
        return Executor(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text[:40]!r} is no executor.",
            remedy=f"Choose one of: {', '.join(Executor)}.",
            path="executor",
        ) from error


def _shown(found: TargetView) -> TargetShown:
    said = found.said
    return TargetShown(
        id=found.id,
        namespace=found.namespace,
        name=found.name,
        uri=said.uri,
        executor=said.executor.value,
        form=said.form,
        table=said.table,
        key_column=said.key_column,
        content_column=said.content_column,
        by_key=said.by_key,
        credential=said.credential,
        made_by=found.made_by,
        made_at=found.made_at,
        ended_at=found.ended_at,
    )
