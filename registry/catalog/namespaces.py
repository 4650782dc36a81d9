"""Lists the namespaces that jobs and datasets stand in."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, true
from sqlmodel import Session

from registry.catalog.names import require_name
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
from registry.catalog.scope import scope_of, visible_sql, visible_text
from registry.catalog.tables import Namespace
from registry.errors import NotFoundError
from registry.storage.columns import table_of

_namespace = table_of(Namespace)
_LISTING = "namespaces"


class NamespaceView(NamedTuple):
    """A namespace, and when an event first and last named it."""

    name: str
    created_at: datetime
    updated_at: datetime


def list_namespaces(session: Session, cut: Cut) -> Page[NamespaceView]:
    """Namespaces that hold something in sight, in the order of their names.

    Cost: for a confined session, reads over names in a namespace until one is in sight.
    """
    table, seen = _namespace, _seen(session)
    query = select(table.c.name, table.c.created_at, table.c.updated_at).where(seen)
    query = query.order_by(table.c.name)
    if cut.cursor is not None:
        (name,) = decode_cursor(_LISTING, cut.cursor, (str,))
        query = query.where(table.c.name > name)
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(table).where(seen)).scalar_one()
    return page_of([NamespaceView(*row) for row in rows], cut, total, _LISTING, lambda v: (v.name,))


def _seen(session: Session) -> ColumnElement[bool]:
    """The condition that something in the namespace is in sight."""
    if scope_of(session).is_everything:
        return true()
    held = " OR ".join(
        f"EXISTS (SELECT 1 FROM {kind} x WHERE x.namespace = namespace.name "  # noqa: S608 - our own words
        f"AND {visible_sql(session, 'x.id')})"
        for kind in ("dataset", "job")
    )
    return visible_text(session, held)


def find_namespace(session: Session, name: str) -> NamespaceView:
    """One namespace. Raises NotFoundError."""
    require_name(name, path="namespace")
    table = _namespace
    query = select(table.c.name, table.c.created_at, table.c.updated_at).where(table.c.name == name)
    row = session.execute(query.where(_seen(session))).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no namespace {name[:200]!r}.",
            remedy="GET /api/v1/namespaces lists them; in a path / is written %2F.",
            path="namespace",
        )
    return NamespaceView(*row)
