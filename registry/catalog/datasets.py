"""Reads datasets: what they are called, what their facets say, and what their fields came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlmodel import Session

from registry.catalog import flows
from registry.catalog.aliases import Aliases
from registry.catalog.columns import Transformation, read_transformation
from registry.catalog.facets import DatasetFacts, dataset_facts
from registry.catalog.lookup import (
    KeptFacet,
    Named,
    datasets_named,
    facets_kept,
    known_moment,
    payloads_of,
)
from registry.catalog.names import require_name
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
from registry.catalog.scope import visible
from registry.catalog.tables import Dataset
from registry.catalog.versions import current_numbers
from registry.storage.bulk import look_up
from registry.storage.columns import table_of, wins_parts

_dataset = table_of(Dataset)
_LISTING = "datasets"

_MODIFIED = """
    SELECT t.id, (SELECT max(v.completed_at) FROM dataset_version v WHERE v.dataset_id = t.id)
    FROM {ids} AS t"""
_ALIASES = """
    SELECT s.dataset_id, s.namespace, s.name FROM {ids} AS t
    JOIN symlink s ON s.dataset_id = t.id ORDER BY s.namespace, s.name"""
_WRITTEN = """
    SELECT w.dataset_id, s.first_at, w.wins FROM {ids} AS t
    JOIN job_dataset w ON w.dataset_id = t.id AND w.direction = 'output'
    LEFT JOIN scope_dataset s ON s.scope_id = w.scope_id AND s.direction = 'output'
         AND s.dataset_id = w.dataset_id"""


@dataclass(frozen=True, slots=True)
class FieldSource:
    """A field that another field came from."""

    dataset: Named
    field: str
    transformation: Transformation


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A dataset. `version` is the number of its current version, None where it has none."""

    dataset: Named
    created_at: datetime
    updated_at: datetime
    modified_at: datetime | None
    version: int | None
    facts: DatasetFacts
    facets: Mapping[str, KeptFacet]
    field_sources: Mapping[str, tuple[FieldSource, ...]]
    aliases: tuple[tuple[str, str], ...]
    deleted: bool


def list_datasets(session: Session, namespace: str, cut: Cut) -> Page[DatasetView]:
    """The datasets of a namespace, in the order of their names. Cost: ten queries."""
    require_name(namespace, path="namespace")
    mine = and_(_dataset.c.namespace == namespace, visible(session, "dataset.id"))
    columns = [_dataset.c[name] for name in ("id", "namespace", "name", "created_at", "updated_at")]
    query = select(*columns).where(mine).order_by(_dataset.c.name)
    if cut.cursor is not None:
        (name,) = decode_cursor(_LISTING, cut.cursor, (str,))
        query = query.where(_dataset.c.name > name)
    rows = session.execute(query.offset(cut.offset).limit(cut.limit + 1)).all()
    total = session.execute(select(func.count()).select_from(_dataset).where(mine)).scalar_one()
    page = page_of(rows, cut, total, _LISTING, lambda row: (row[2],))
    return page.map(_views(session, page.items))


def view_dataset(session: Session, dataset: Named) -> DatasetView:
    """One dataset that was found before."""
    columns = [_dataset.c[name] for name in ("id", "namespace", "name", "created_at", "updated_at")]
    rows = session.execute(select(*columns).where(_dataset.c.id == dataset.id)).all()
    return _views(session, rows)[0]


def _views(session: Session, rows: Sequence[Any]) -> list[DatasetView]:
    ids = [row[0] for row in rows]
    facets = facets_kept(session, "dataset", ids)
    modified = dict(tuple(row) for row in look_up(session, _MODIFIED, ids))
    current = current_numbers(session, ids)
    aliases: dict[bytes, list[tuple[str, str]]] = {}
    for key, namespace, name in look_up(session, _ALIASES, ids):
        aliases.setdefault(key, []).append((namespace, name))
    facts = {key: dataset_facts(payloads_of(facets.get(key, {}))) for key in ids}
    dropped = {
        key: facets[key]["lifecycleStateChange"].wins for key in ids if facts[key].is_dropped
    }
    gone = _still_dropped(session, dropped)
    sources = _field_sources(session, ids)
    return [
        DatasetView(
            Named(row[0], row[1], row[2]),
            row[3],
            row[4],
            known_moment(modified[row[0]]),
            current.get(row[0]),
            facts[row[0]],
            facets.get(row[0], {}),
            sources.get(row[0], {}),
            tuple(aliases.get(row[0], ())),
            row[0] in gone,
        )
        for row in rows
    ]


def _still_dropped(session: Session, dropped: Mapping[bytes, bytes]) -> set[bytes]:
    """Of the datasets that were dropped (by the order key of the event that said so), those that no
    run began to write after that.
    """
    gone = set(dropped)
    for key, first_at, wins in look_up(session, _WRITTEN, list(dropped)):
        written_at = wins_parts(wins)[0] if first_at is None else first_at
        if written_at > wins_parts(dropped[key])[0]:
            gone.discard(key)
    return gone


def _field_sources(
    session: Session, ids: Sequence[bytes]
) -> dict[bytes, dict[str, tuple[FieldSource, ...]]]:
    """For each dataset and field what it came from, where a field was named on both sides."""
    aliases = Aliases(session)
    aliases.learn(ids)
    members = {name: key for key in ids for name in aliases.members([key])}
    found = [
        flow
        for flow in flows.columns_into(session, list(members), None)
        if flow.target_field and flow.source_field
    ]
    names = datasets_named(session, {flow.source for flow in found})
    collected: dict[bytes, dict[str, dict[tuple[bytes, str], FieldSource]]] = {}
    for flow in sorted(found, key=lambda flow: flow[:4]):
        if flow.source in names:
            source = FieldSource(
                names[flow.source], flow.source_field, read_transformation(flow.transformations)
            )
            fields = collected.setdefault(members[flow.target], {})
            fields.setdefault(flow.target_field, {})[flow.source, flow.source_field] = source
    return {
        key: {name: tuple(sources.values()) for name, sources in fields.items()}
        for key, fields in collected.items()
    }
