"""What a reader of the catalog may see, kept with the session that reads for them.

Rules (DESIGN §1.11):
1. A session that nobody confined sees everything: that is the system itself.
2. A confined session sees the names that its projects own (`name_owner`), and single names beside
   them (the lineage that an auditor was engaged for). A run is seen with its job, a version and a
   batch with their dataset, an event with what it is about.
3. A name out of sight is left out of lists, searches and counts, and where it is asked for itself
   it is not found: by the same words as one that does not exist.
4. Lineage is walked over everything, and shown as far as it is in sight.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, and_, text, true
from sqlmodel import Session

from registry.storage.bulk import select_by_ids

_KEY = "catalog_scope"


@dataclass(frozen=True, slots=True)
class Scope:
    """Ids of projects (None: all of them), and ids of datasets and jobs beside them."""

    projects: frozenset[str] | None
    entities: frozenset[bytes] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is out of sight."""
        return self.projects is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in sight."""
        return self.projects is not None and not self.projects and not self.entities

    def covers(self, project_id: str) -> bool:
        """Whether everything of that project is in sight."""
        return self.projects is None or project_id in self.projects


EVERYTHING = Scope(None)


def confine(session: Session, scope: Scope) -> None:
    """Let the session see no more than the scope, from now on."""
    session.info[_KEY] = scope


def scope_of(session: Session) -> Scope:
    """What the session sees (rule 1)."""
    scope = session.info.get(_KEY, EVERYTHING)
    if not isinstance(scope, Scope):
        raise TypeError(f"{scope!r} is no scope")
    return scope


def visible_sql(session: Session, id_sql: str) -> str:
    """A condition, in SQL, that the dataset or job with this id is in sight.

    `id_sql`: our own words for a column. `scope_parameters` gives what it binds. Cost: one look-up
    by primary key a row.
    """
    scope = scope_of(session)
    if scope.is_everything:
        return "1 = 1"
    if session.connection().dialect.name == "sqlite":
        projects = "IN (SELECT value FROM json_each(:scope_projects))"
        entities = f"{id_sql} IN (SELECT registry_unhex(value) FROM json_each(:scope_entities))"  # noqa: S608
    else:
        projects = "= ANY(CAST(:scope_projects AS text[]))"
        entities = f"{id_sql} = ANY(CAST(:scope_entities AS bytea[]))"
    owned = (
        f"EXISTS (SELECT 1 FROM name_owner seen WHERE seen.entity_id = {id_sql} "  # noqa: S608 - our own words
        f"AND seen.project_id {projects})"
    )
    return f"({owned} OR {entities})" if scope.entities else owned


def scope_parameters(session: Session) -> dict[str, object]:
    """What `visible_sql` binds in a query of `registry.storage.bulk`."""
    scope = scope_of(session)
    if scope.projects is None:
        return {}
    projects: object = sorted(scope.projects)
    entities: object = sorted(scope.entities)
    if session.connection().dialect.name == "sqlite":
        projects = msgspec.json.encode(projects).decode()
        entities = msgspec.json.encode([entity.hex() for entity in scope.entities]).decode()
    bound = {"scope_projects": projects}
    return bound | ({"scope_entities": entities} if scope.entities else {})


def visible(session: Session, id_sql: str) -> ColumnElement[bool]:
    """As `visible_sql`, for queries of SQLAlchemy; it brings its parameters along."""
    return visible_text(session, visible_sql(session, id_sql))


def visible_text(session: Session, condition: str) -> ColumnElement[bool]:
    """A condition that was put together from `visible_sql`, with what it binds."""
    used = {
        name: value for name, value in scope_parameters(session).items() if f":{name}" in condition
    }
    return and_(true(), text(f"({condition})").bindparams(**used))


def in_sight(session: Session, ids: Iterable[bytes]) -> set[bytes]:
    """Those of these datasets and jobs that the session sees. Cost: at most one query."""
    wanted = set(ids)
    if scope_of(session).is_everything:
        return wanted
    sql = f"SELECT t.id FROM {{ids}} AS t WHERE {visible_sql(session, 't.id')}"  # noqa: S608 - our own words
    rows = select_by_ids(session, sql, sorted(wanted), **scope_parameters(session))
    return {bytes(row[0]) for row in rows}


def hides_any(session: Session, ids: Collection[bytes]) -> bool:
    """Whether the session does not see one of these datasets and jobs."""
    return len(in_sight(session, ids)) < len(set(ids))
