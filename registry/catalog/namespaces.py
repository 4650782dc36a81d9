"""Lists the namespaces that jobs and datasets stand in."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from registry.catalog.names import require_name
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
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
    """Namespaces in the order of their names."""
    table = _namespace
    query = select(table.c.name, table.c.created_at, table.c.updated_at).order_by(table.c.name)
    if cut.cursor is not None:
        (name,) = decode_cursor(_LISTING, cut.cursor, (str,))
        query = query.where(table.c.name > name)
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(table)).scalar_one()
    return page_of([NamespaceView(*row) for row in rows], cut, total, _LISTING, lambda v: (v.name,))


def find_namespace(session: Session, name: str) -> NamespaceView:
    """One namespace. Raises NotFoundError."""
    require_name(name, path="namespace")
    table = _namespace
    query = select(table.c.name, table.c.created_at, table.c.updated_at).where(table.c.name == name)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no namespace {name[:200]!r}.",
            remedy="GET /api/v1/namespaces lists them; in a path / is written %2F.",
            path="namespace",
        )
    return NamespaceView(*row)
