"""Routes for AI systems and models: who provides them, and which versions they use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from sqlmodel import Session

from registry.cards.declared.systems import (
    AiSystemView,
    BaseModel,
    kept_until,
    list_systems,
    put_system,
    put_use,
    read_system,
)
from registry.cards.declared.tables import UseRole
from registry.catalog.lookup import find_dataset
from registry.errors import InvalidInputError
from registry.policy.actions import Action
from registry.request import CatalogSession, CurrentHouse, CurrentRightsEditor, see_as
from registry.wire.statements import (
    AiSystemBody,
    AiSystemList,
    AiSystemShown,
    BaseModelBody,
    SystemUseBody,
    SystemUseShown,
)

router = APIRouter(prefix="/api/v1/ai-systems", tags=["cards"])
SystemId = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", description="A short name of your own.")
]


@router.get("", summary="List the AI systems")
def index(session: CatalogSession) -> AiSystemList:
    """The newest revision of every AI system and model."""
    return AiSystemList(systems=[_shown(each) for each in list_systems(session)])


@router.get("/{system_id}", summary="Read an AI system")
def show(system_id: SystemId, session: CatalogSession) -> AiSystemShown:
    """One AI system or model."""
    return _shown(read_system(session, system_id))


@router.put("/{system_id}", summary="Change an AI system")
def change(
    system_id: SystemId, body: AiSystemBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> AiSystemShown:
    """Add a revision, the first one too; what is left out stays."""
    said = body.model_dump(exclude_unset=True)
    if body.base_models is not None:
        said["base_models"] = [BaseModel(each.name, each.uri) for each in body.base_models]

    def work(session: Session) -> AiSystemShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        made = put_system(session, system_id, said, actor=actor.account_id, now=house.clock())
        return _shown(made)

    return house.database.transact(work)


@router.post("/{system_id}/uses", summary="Record what an AI system uses")
def use(
    system_id: SystemId, body: SystemUseBody, house: CurrentHouse, actor: CurrentRightsEditor
) -> AiSystemShown:
    """Record that it uses a version of a dataset, or of a model; or that this was wrong."""
    role = _role(body.role)

    def work(session: Session) -> AiSystemShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        made = put_use(
            session,
            system_id,
            find_dataset(session, body.namespace, body.name),
            body.version,
            role,
            ended=body.ended,
            actor=actor.account_id,
            now=house.clock(),
        )
        return _shown(made)

    return house.database.transact(work)


def _role(text: str) -> UseRole:
    try:
        return UseRole(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text[:40]!r} is no role of a dataset in a system.",
            remedy=f"Choose one of: {', '.join(UseRole)}.",
            path="role",
        ) from error


def _shown(found: AiSystemView) -> AiSystemShown:
    same = [
        name
        for name in AiSystemShown.model_fields
        if name not in ("keep_until", "uses", "base_models")
    ]
    models = found.base_models
    return AiSystemShown(
        **{name: getattr(found, name) for name in same},
        keep_until=kept_until([found]),
        base_models=None
        if models is None
        else [BaseModelBody(name=each.name, uri=each.uri) for each in models],
        uses=[
            SystemUseShown(
                namespace=each.namespace, name=each.name, version=each.version, role=each.role
            )
            for each in found.uses
        ],
    )
