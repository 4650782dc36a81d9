"""Projects: the domains of access, their modes, and what names they claim.

Rules (DESIGN §4, "project"):
1. The project `default` is always there, claims everything, and takes no claims of its own.
2. A changed claim puts the task `catalog.names.reassign` into the queue in its own transaction:
   who owns the names that are known already is allotted anew by a worker.
3. `strict` cannot be taken back: it ends the habit that the first account holds every role.
4. Every change is an audit entry in the same transaction.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlmodel import Session

from registry.actors.bindings import count_access_change, take_roles
from registry.actors.claims import DEFAULT_PROJECT, Claim, Claims
from registry.actors.person_tables import LocalPassword
from registry.actors.tables import Account, Project, ProjectClaim, ProjectMode, Role
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.storage.columns import changed_rows, insert_unless_there, table_of
from registry.storage.queue import TaskKind, put_task

FIRST_ACCOUNT = "admin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CLAIM_LIMIT = 1000
CLAIMS_KEPT_SECONDS = 1.0
_project, _claim = table_of(Project), table_of(ProjectClaim)
_account, _password = table_of(Account), table_of(LocalPassword)


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim as it is shown; `id` is what removes it."""

    id: int
    namespace: str
    name_prefix: str


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A project with its claims, in the order they were made."""

    id: str
    name: str
    mode: ProjectMode
    strict: bool
    created_at: datetime
    claims: tuple[ClaimView, ...]


def create_project(
    session: Session,
    name: str,
    *,
    mode: ProjectMode = ProjectMode.ENFORCE,
    strict: bool = False,
    actor: str,
    now: datetime,
) -> ProjectView:
    """Make a project. Effects: one row, one entry; does not commit.

    Raises InvalidInputError for a name that cannot be used, ConflictError for one that is taken.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name[:40]!r} is no name for a project.",
            remedy="Give 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit.",
            path="name",
        )
    row = {"id": fresh_id(), "name": name, "mode": mode, "strict": int(strict), "created_at": now}
    if not insert_unless_there(session, _project, row):
        raise ConflictError(
            f"There is a project {name!r} already.",
            remedy=f"Choose another name, or change that one: registry project set {name}.",
            path="name",
        )
    count_access_change(session)  # a binding in every project holds in this one too
    facts = {"project": name, "mode": mode.value, "strict": strict}
    append_entries(session, [Entry(EntryKind.PROJECT_CREATED, actor, facts)], at=now)
    return show_project(session, name)


def list_projects(session: Session) -> list[ProjectView]:
    """Every project by name. Cost: two queries."""
    claims: dict[str, list[ClaimView]] = {}
    for row in session.execute(select(_claim).order_by(_claim.c.id)):
        view = ClaimView(row.id, row.namespace_glob, row.name_prefix)
        claims.setdefault(row.project_id, []).append(view)
    return [
        ProjectView(
            row.id,
            row.name,
            ProjectMode(row.mode),
            bool(row.strict),
            row.created_at,
            tuple(claims.get(row.id, ())),
        )
        for row in session.execute(select(_project).order_by(_project.c.name))
    ]


def show_project(session: Session, name: str) -> ProjectView:
    """One project by its name. Raises NotFoundError."""
    for view in list_projects(session):
        if view.name == name:
            return view
    raise missing_project(name)


def missing_project(name: str) -> NotFoundError:
    """The error for a project that is not there, or that the actor may not see."""
    return NotFoundError(
        f"There is no project {name[:100]!r}.", remedy="See: registry project list.", path="project"
    )


def change_project(
    session: Session,
    name: str,
    *,
    mode: ProjectMode | None = None,
    strict: bool | None = None,
    actor: str,
    now: datetime,
) -> ProjectView:
    """Set a project's mode, or make it strict (rule 3); None leaves a thing as it is.

    Raises NotFoundError, and ConflictError where strict would be taken back. Effects: one row, one
    entry that names what changed; nothing where nothing changes; does not commit.
    """
    before = show_project(session, name)
    if strict is False and before.strict:
        raise ConflictError(
            f"The project {name!r} is strict, and that cannot be taken back.",
            remedy="Give accounts the roles they need: registry token create NAME --role ROLE.",
            path="strict",
        )
    facts: dict[str, object] = {}
    if mode is not None and mode != before.mode:
        facts["mode"] = {"before": before.mode.value, "after": mode.value}
    if strict and not before.strict:
        facts["strict"] = True
        taken = [
            take_roles(session, account, but=[Role.ADMINISTRATOR], project_id=before.id)
            for account in (FIRST_ACCOUNT, *_local_people(session))
        ]
        facts["roles_taken"] = sorted({role for roles in taken for role in roles})
    if facts:
        session.execute(
            update(_project)
            .where(_project.c.id == before.id)
            .values(mode=mode or before.mode, strict=int(strict or before.strict))
        )
        entry = Entry(EntryKind.PROJECT_CHANGED, actor, {"project": name, **facts})
        append_entries(session, [entry], at=now)
    return show_project(session, name)


def _local_people(session: Session) -> list[str]:
    """The names of those who log in here by password: the local administrator, if any."""
    query = select(_account.c.name).join(_password, _password.c.account_id == _account.c.id)
    return [str(name) for name in session.execute(query.order_by(_account.c.name)).scalars()]


def add_claim(
    session: Session,
    project: str,
    namespace: str,
    *,
    name_prefix: str = "",
    actor: str,
    now: datetime,
) -> ProjectView:
    """Let a project claim a namespace glob, and in it names that begin with a prefix.

    Raises NotFoundError; InvalidInputError for text that cannot be a claim; ConflictError for
    `default` (rule 1) and for a claim that is there. Effects: one row, one entry, one task (rule
    2); does not commit.
    """
    view = show_project(session, project)
    if project == DEFAULT_PROJECT:
        raise ConflictError(
            f"The project {DEFAULT_PROJECT!r} claims everything already.",
            remedy="Add the claim to another project: registry project create NAME.",
            path="project",
        )
    for label, text in (("namespace", namespace), ("name_prefix", name_prefix)):
        _check_claim_text(label, text)
    row = {"project_id": view.id, "namespace_glob": namespace, "name_prefix": name_prefix}
    if not insert_unless_there(session, _claim, row):
        raise ConflictError(
            f"The project {project!r} claims {namespace!r} with prefix {name_prefix!r} already.",
            remedy="Nothing is left to do.",
        )
    facts = {"project": project, "namespace": namespace, "name_prefix": name_prefix}
    _note_claim(session, EntryKind.PROJECT_CLAIM_ADDED, facts, actor=actor, now=now)
    return show_project(session, project)


def _check_claim_text(label: str, text: str) -> None:
    printable = text.isprintable() and len(text) <= _CLAIM_LIMIT
    if printable and (text or label == "name_prefix"):
        return
    raise InvalidInputError(
        f"{text[:40]!r} is no {label.replace('_', ' ')} for a claim.",
        remedy=f"Give up to {_CLAIM_LIMIT} printable characters, such as s3://lake or s3://team-*.",
        path=label,
    )


def remove_claim(
    session: Session, project: str, claim_id: int, *, actor: str, now: datetime
) -> ProjectView:
    """Take a claim from a project. Raises NotFoundError.

    Effects: one row less, one entry, one task (rule 2); does not commit.
    """
    view = show_project(session, project)
    found = next((claim for claim in view.claims if claim.id == claim_id), None)
    if found is None or changed_rows(session, delete(_claim).where(_claim.c.id == claim_id)) != 1:
        raise NotFoundError(
            f"The project {project!r} has no claim {claim_id}.",
            remedy=f"See: registry project show {project}.",
            path="claim",
        )
    facts = {"project": project, "namespace": found.namespace, "name_prefix": found.name_prefix}
    _note_claim(session, EntryKind.PROJECT_CLAIM_REMOVED, facts, actor=actor, now=now)
    return show_project(session, project)


def _note_claim(
    session: Session, kind: EntryKind, facts: Mapping[str, object], *, actor: str, now: datetime
) -> None:
    append_entries(session, [Entry(kind, actor, facts)], at=now)
    name = TaskKind.NAMES_REASSIGN
    put_task(session, name, {"actor": actor}, now=now, dedupe_key=name)


def load_claims(session: Session) -> Claims:
    """All claims as they stand. Raises NotFoundError where nobody made the default project yet."""
    projects: Sequence[ProjectView] = list_projects(session)
    default = next((item.id for item in projects if item.name == DEFAULT_PROJECT), None)
    if default is None:
        raise NotFoundError(
            f"There is no project {DEFAULT_PROJECT!r}.", remedy="Run: registry db upgrade"
        )
    claims = (
        Claim(project.id, project.name, claim.namespace, claim.name_prefix)
        for project in projects
        for claim in project.claims
    )
    return Claims(claims, default_project_id=default)


class ClaimsReader:
    """Reads claims for one caller after the other; an answer is kept for at most one second.

    `Claims` remembers who owns a name, so the same object is given while nothing changed.
    """

    def __init__(self) -> None:
        self._seen: tuple[ProjectView, ...] = ()
        self._claims: Claims | None = None
        self._read_at = 0.0

    def read(self, session: Session) -> Claims:
        """All claims, at most a second old. Raises NotFoundError as `load_claims`."""
        now = time.monotonic()
        if self._claims is not None and now - self._read_at < CLAIMS_KEPT_SECONDS:
            return self._claims
        projects = tuple(list_projects(session))
        if self._claims is None or projects != self._seen:
            self._claims, self._seen = load_claims(session), projects
        self._read_at = now
        return self._claims
