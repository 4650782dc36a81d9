"""Finds datasets and jobs by a part of their name.

Rules (Marquez's search):
1. A name matches that holds the pattern anywhere; case does not count (SQLite: of ASCII letters).
2. `%` stands for any run of characters, `_` for one; a backslash before either takes it literally.
3. `before` and `after` are days, and compare with when an event last named the thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Select, func, literal, select, tuple_, union_all
from sqlmodel import Session

from registry.catalog.names import require_name
from registry.catalog.paging import Cut, Key, Page, cursor_moment, decode_cursor, page_of
from registry.catalog.scope import visible
from registry.catalog.tables import Dataset, Job
from registry.errors import InvalidInputError
from registry.moments import to_micros
from registry.storage.columns import table_of

_TABLES = {"DATASET": table_of(Dataset), "JOB": table_of(Job)}
_LISTING = "search"
MAX_LENGTH = 400
MAX_WILDCARDS = 8  # matching time multiplies with each


class SearchSort(StrEnum):
    """How results are ordered: by name, or the last updated first."""

    NAME = "name"
    UPDATED_AT = "updated_at"


class Found(NamedTuple):
    """A dataset or job that matched; `type` is DATASET or JOB."""

    type: str
    namespace: str
    name: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. `type` is DATASET, JOB or None for both; days are in UTC."""

    pattern: str
    type: str | None = None
    namespace: str | None = None
    before: date | None = None
    after: date | None = None
    sort: SearchSort = SearchSort.NAME


def search(session: Session, wanted: Wanted, cut: Cut) -> Page[Found]:
    """Datasets and jobs that match. Cost: reads every name of the namespace, or of the catalog.

    Raises InvalidInputError for a pattern that is too long or has too many wildcards.
    """
    types = [wanted.type] if wanted.type else ["DATASET", "JOB"]
    like = _like(wanted.pattern)
    matches = union_all(*(_matching(session, name, wanted, like) for name in types))
    found = matches.subquery("found")
    total = session.execute(select(func.count()).select_from(found)).scalar_one()
    query = _ordered(matches, wanted.sort, cut)
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    items = [Found(*row) for row in rows]
    return page_of(items, cut, total, _LISTING, lambda item: _key(item, wanted.sort))


def _matching(session: Session, kind: str, wanted: Wanted, like: str) -> Select[Any]:
    table = _TABLES[kind]
    query = select(
        literal(kind).label("type"), table.c.namespace, table.c.name, table.c.updated_at
    ).where(table.c.name.ilike(like, escape="\\"), visible(session, f"{table.name}.id"))
    if wanted.namespace is not None:
        require_name(wanted.namespace, path="namespace")
        query = query.where(table.c.namespace == wanted.namespace)
    if wanted.before is not None:
        query = query.where(table.c.updated_at < _midnight(wanted.before))
    if wanted.after is not None:
        query = query.where(table.c.updated_at > _midnight(wanted.after))
    return query


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _ordered(matches: CompoundSelect[Any], sort: SearchSort, cut: Cut) -> Select[Any]:
    found = matches.subquery("found")
    columns = found.c
    query = select(columns.type, columns.namespace, columns.name, columns.updated_at)
    names = (columns.name, columns.namespace, columns.type)
    match sort:
        case SearchSort.NAME:
            query = query.order_by(*names)
            if cut.cursor is not None:
                key = decode_cursor(_LISTING, cut.cursor, (str, str, str), path="cursor")
                query = query.where(tuple_(*names) > key)
        case SearchSort.UPDATED_AT:
            query = query.order_by(columns.updated_at.desc(), *names)
            if cut.cursor is not None:
                shape = (int, str, str, str)
                micros, *rest = decode_cursor(_LISTING, cut.cursor, shape, path="cursor")
                at = cursor_moment(micros, path="cursor")
                same = (columns.updated_at == at) & (tuple_(*names) > tuple(rest))
                query = query.where((columns.updated_at < at) | same)
    return query


def _key(item: Found, sort: SearchSort) -> Key:
    names = (item.name, item.namespace, item.type)
    return names if sort is SearchSort.NAME else (to_micros(item.updated_at), *names)


def _like(pattern: str) -> str:
    """The LIKE pattern (escape: backslash) for what was asked."""
    require_name(pattern, path="q")
    pattern = re.sub(r"%+", "%", pattern)
    parts = re.findall(r"\\[%_\\]|.", pattern, re.DOTALL)
    wildcards = sum(part in "%_" for part in parts)
    if not pattern.strip() or len(pattern) > MAX_LENGTH or wildcards > MAX_WILDCARDS:
        raise InvalidInputError(
            f"The pattern has {len(pattern)} characters and {wildcards} wildcards.",
            remedy=f"Give 1 to {MAX_LENGTH} characters with at most {MAX_WILDCARDS} of % and _.",
            path="q",
        )
    return "%" + "".join("\\\\" if part == "\\" else part for part in parts) + "%"
