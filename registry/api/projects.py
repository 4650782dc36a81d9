"""Routes for projects and what they claim; changes are an administrator's."""

from __future__ import annotations

from fastapi import APIRouter

from registry.actors.projects import (
    ProjectView,
    add_claim,
    change_project,
    create_project,
    list_projects,
    missing_project,
    remove_claim,
    show_project,
)
from registry.actors.tables import ProjectMode
from registry.api.tokens import chosen
from registry.catalog.scope import scope_of
from registry.request import CatalogSession, CurrentAdministrator, CurrentHouse
from registry.wire.actors import (
    ClaimShown,
    NewClaim,
    NewProject,
    ProjectChange,
    ProjectList,
    ProjectShown,
)

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])


@router.post("", status_code=201, summary="Make a project")
def create(body: NewProject, house: CurrentHouse, actor: CurrentAdministrator) -> ProjectShown:
    """Make a project."""
    mode = chosen(ProjectMode, body.mode, path="mode")
    view = house.database.transact(
        lambda session: create_project(
            session,
            body.name,
            mode=mode,
            strict=body.strict,
            actor=actor.account_id,
            now=house.clock(),
        )
    )
    return _shown(view)


@router.get("", summary="List the projects")
def index(session: CatalogSession) -> ProjectList:
    """The projects that the actor may read, by name, with their claims."""
    scope = scope_of(session)
    seen = [view for view in list_projects(session) if scope.covers(view.id)]
    return ProjectList(projects=[_shown(view) for view in seen])


@router.get("/{project}", summary="Read a project")
def show(project: str, session: CatalogSession) -> ProjectShown:
    """One project."""
    view = show_project(session, project)
    if not scope_of(session).covers(view.id):
        raise missing_project(project)
    return _shown(view)


@router.patch("/{project}", summary="Change a project")
def change(
    project: str, body: ProjectChange, house: CurrentHouse, actor: CurrentAdministrator
) -> ProjectShown:
    """Set a project's mode, or make it strict."""
    mode = None if body.mode is None else chosen(ProjectMode, body.mode, path="mode")
    view = house.database.transact(
        lambda session: change_project(
            session,
            project,
            mode=mode,
            strict=body.strict,
            actor=actor.account_id,
            now=house.clock(),
        )
    )
    house.tokens.clear()
    house.access.refresh()
    return _shown(view)


@router.post("/{project}/claims", status_code=201, summary="Claim names for a project")
def claim(
    project: str, body: NewClaim, house: CurrentHouse, actor: CurrentAdministrator
) -> ProjectShown:
    """Claim names for a project; a task allots the names that are known already anew."""
    view = house.database.transact(
        lambda session: add_claim(
            session,
            project,
            body.namespace,
            name_prefix=body.name_prefix,
            actor=actor.account_id,
            now=house.clock(),
        )
    )
    return _shown(view)


@router.delete("/{project}/claims/{claim_id}", summary="Take a claim back")
def disclaim(
    project: str, claim_id: int, house: CurrentHouse, actor: CurrentAdministrator
) -> ProjectShown:
    """Take a claim back; a task allots the names that are known already anew."""
    view = house.database.transact(
        lambda session: remove_claim(
            session, project, claim_id, actor=actor.account_id, now=house.clock()
        )
    )
    return _shown(view)


def _shown(view: ProjectView) -> ProjectShown:
    return ProjectShown(
        name=view.name,
        mode=view.mode,
        strict=view.strict,
        created_at=view.created_at,
        claims=[
            ClaimShown(id=item.id, namespace=item.namespace, name_prefix=item.name_prefix)
            for item in view.claims
        ],
    )
