"""Walks lineage from field to field, as far as producers said it.

Rules:
1. A field comes from the fields that a job or DatasetEvent named for it, and from those named for
   the whole dataset (filters, joins, groupings: ColumnLineageDatasetFacet `dataset`).
2. A source whose field nobody named stands as its dataset, and the walk ends there.
3. The walk keeps the rules of `registry.catalog.graph`: what is current, names, depth and size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from sqlmodel import Session

from registry.catalog import flows
from registry.catalog.aliases import Aliases
from registry.catalog.facets import parse_facet
from registry.catalog.flows import ColumnFlow, Past
from registry.catalog.graph import DEFAULT_DEPTH, DEFAULT_SIZE, CutBy
from registry.catalog.lookup import facets_kept

#: (dataset id, field); an empty field stands for one we do not know.
Column: TypeAlias = "tuple[bytes, str]"


@dataclass(frozen=True, slots=True)
class Transformation:
    """How a field was made from another; what nobody said is None."""

    description: str | None
    type: str | None


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """The fields of a graph, and for each the fields it came from."""

    columns: frozenset[Column]
    sources: dict[Column, dict[Column, Transformation]]
    cut: CutBy | None


class _ColumnWalk:
    def __init__(self, session: Session, past: Past | None, size: int) -> None:
        self._session, self._past, self._size = session, past, size
        self._aliases = Aliases(session)
        self.columns: set[Column] = set()
        self.sources: dict[Column, dict[Column, Transformation]] = {}
        self._seen: dict[bool, set[Column]] = {True: set(), False: set()}
        self.full = False

    def learn(self, datasets: Iterable[bytes]) -> None:
        self._aliases.learn(datasets)

    def canonical(self, dataset: bytes) -> bytes:
        return self._aliases.canonical.get(dataset, dataset)

    def begin(self, columns: Iterable[Column]) -> set[Column]:
        start = set(sorted(columns)[: self._size])
        self.columns |= start
        self._seen = {True: set(start), False: set(start)}
        return start

    def pairs(self, front: set[Column], *, up: bool) -> Iterator[tuple[Column, Column, ColumnFlow]]:
        """(target, source, flow) of each flow into or out of the fields in front."""
        datasets = self._aliases.members({dataset for dataset, _ in front})
        ask = flows.columns_into if up else flows.columns_out_of
        found = ask(self._session, datasets, self._past)
        self.learn({end for flow in found for end in (flow.target, flow.source)})
        wide = {self.canonical(flow.target) for flow in found if not flow.target_field}
        fields = _by_dataset(front if up else self.fields_of(wide))
        for flow in sorted(found, key=lambda flow: flow[:4]):
            target, source = self.canonical(flow.target), self.canonical(flow.source)
            origin = (source, flow.source_field)
            ends = [flow.target_field] if flow.target_field else sorted(fields.get(target, ()))
            for end in ends:
                near = (target, end) if up else origin
                if near in front and origin != (target, end):
                    yield (target, end), origin, flow

    def fields_of(self, datasets: Iterable[bytes]) -> set[Column]:
        """Every field of these datasets that a schema or a flow names. Cost: three queries."""
        datasets = set(datasets)
        if not datasets:
            return set()
        names = self._aliases.members(datasets)
        found = {
            (self.canonical(dataset), field)
            for dataset, facets in facets_kept(self._session, "dataset", names).items()
            if "schema" in facets
            for field in _schema_names(facets["schema"].payload)
        }
        into = flows.columns_into(self._session, names, self._past)
        out = flows.columns_out_of(self._session, names, self._past)
        found |= {(self.canonical(flow.target), flow.target_field) for flow in into}
        found |= {(self.canonical(flow.source), flow.source_field) for flow in out}
        return {column for column in found if column[1]}

    def step(self, front: set[Column], *, up: bool) -> set[Column]:
        """Take in the flows of the fields in front; give the fields that were new."""
        reached = set()
        for target, source, flow in self.pairs(front, up=up):
            far = source if up else target
            if far not in self.columns and len(self.columns) >= self._size:
                self.full = True
                continue
            if far not in self._seen[up] and far[1]:
                reached.add(far)
            self._seen[up].add(far)
            self.columns.add(far)
            self.sources.setdefault(target, {}).setdefault(
                source, read_transformation(flow.transformations)
            )
        return reached

    def leads_on(self, front: set[Column], *, up: bool) -> bool:
        found = self.pairs(front, up=up)
        return any(source not in self.sources.get(target, {}) for target, source, _ in found)


def walk_columns(
    session: Session,
    *,
    datasets: Iterable[bytes],
    field: str = "",
    depth: int = DEFAULT_DEPTH,
    downstream: bool = False,
    size: int = DEFAULT_SIZE,
    past: Past | None = None,
) -> ColumnShape:
    """Where a field came from, or every field of these datasets where none is named.

    With `downstream` also what it went into. Cost: a few queries a level.
    """
    walk = _ColumnWalk(session, past, size)
    walk.learn(datasets)
    canonical = {walk.canonical(dataset) for dataset in datasets}
    named = {(dataset, field) for dataset in canonical}
    start = walk.begin(named if field else walk.fields_of(canonical))
    fronts = {True: start, False: start} if downstream else {True: start}
    for _ in range(depth):
        for up, front in fronts.items():
            if front and not walk.full:
                fronts[up] = walk.step(front, up=up)
    cut = CutBy.SIZE if walk.full else None
    if cut is None and any(front and walk.leads_on(front, up=up) for up, front in fronts.items()):
        cut = CutBy.DEPTH
    return ColumnShape(frozenset(walk.columns), walk.sources, cut)


def _by_dataset(columns: Iterable[Column]) -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = {}
    for dataset, field in columns:
        found.setdefault(dataset, set()).add(field)
    return found


def _schema_names(payload: str) -> list[str]:
    fields = parse_facet(payload).get("fields")
    names = (
        [item.get("name") for item in fields if isinstance(item, dict)]
        if (isinstance(fields, list))
        else []
    )
    return [name for name in names if isinstance(name, str)]


def read_transformation(payload: str | None) -> Transformation:
    """The first description, and the first type (the finer subtype if it is given), in a list."""
    try:
        items = msgspec.json.decode(payload) if payload else []
    except msgspec.MsgspecError:
        items = []
    known = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    about = _first(known, "description", "transformationDescription")
    return Transformation(about, _first(known, "subtype", "type", "transformationType"))


def _first(items: list[dict[str, object]], *keys: str) -> str | None:
    values = (item.get(key) for key in keys for item in items)
    return next((value for value in values if isinstance(value, str) and value), None)
