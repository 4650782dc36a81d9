"""How good the data is, as measures, checks and labelling say; and which groups were looked at.

Rules:
1. `registry_quality` of the version's own dataset counts, and that of what the version was made of
   where it tells of labelling: labels are made before the data is put together.
2. Checks and statistics are what runs said that wrote the version or read just this one.
3. A measure of the examples that two splits share is called `split_overlap`; its slice is
   `first|second`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from registry.cards.fact_kinds import BEYOND
from registry.cards.facts.making import Basis, Row, known, not_recorded, table
from registry.cards.facts.origin import ROWS_LIMIT
from registry.cards.facts.rollup import Rollup, shares_fact
from registry.cards.facts.sight import Sight
from registry.cards.facts.world import Facets, World, facets_basis
from registry.cards.values import Fact, Grade, Scalar
from registry.catalog.facets import parse_facet
from registry.catalog.lookup import KeptFacet
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.wire.facets import QUALITY

OVERLAP = "split_overlap"
ASSERTIONS, METRICS = "dataQualityAssertions", "dataQualityMetrics"
_VERSION: tuple[TypedColumn, ...] = (("dataset", "bytes"), ("number", "int"))
_SAID = """
SELECT w.dataset, f.name, f.payload, f.wins FROM {rows} AS w
JOIN dataset_version v ON v.dataset_id = w.dataset AND v.number = w.number
JOIN scope_facet f ON f.scope_id = v.scope_id AND f.direction = 'output'
  AND f.dataset_id = w.dataset AND f.name IN ('dataQualityAssertions', 'dataQualityMetrics',
  'registry_quality')
UNION ALL
SELECT w.dataset, f.name, f.payload, f.wins FROM {rows} AS w
JOIN run_read r ON r.dataset_id = w.dataset AND r.number = w.number
JOIN scope_facet f ON f.scope_id = r.run_id AND f.direction = 'input'
  AND f.dataset_id = w.dataset AND f.name IN ('dataQualityAssertions', 'dataQualityMetrics')
"""


@dataclass(frozen=True, slots=True)
class _Facet:
    """A facet with the dataset it is about."""

    dataset: str
    name: str
    said: Mapping[str, object]
    kept: KeptFacet


def quality_facts(
    session: Session, world: World, kept: Facets, rollup: Rollup, sight: Sight
) -> Iterator[Fact]:
    """The facts named `quality.…` but for duplicates, `bias.…` and `annotation.…`."""
    facets = _facets(session, world, kept)
    metrics = [each for each in facets if each.name == QUALITY]
    rows = [row for each in metrics for row in _metrics(each)]
    on = _on(metrics)
    yield _listed("quality.metrics", [row for row in rows if row[3] is None], on)
    yield _listed("bias.slices", [r for r in rows if r[3] is not None and r[1] != OVERLAP], on)
    shared = [r for r in rows if r[1] == OVERLAP and isinstance(r[3], str) and "|" in r[3]]
    overlap: list[Row] = [(*str(row[3]).split("|", 1), row[2]) for row in shared]
    note = "Nobody compared the digests of its splits."
    yield _listed("quality.split_overlap", overlap, on, note)
    checks = [each for each in facets if each.name == ASSERTIONS]
    yield _listed("quality.assertions", [r for c in checks for r in _checks(c)], _on(checks))
    columns = [each for each in facets if each.name == METRICS]
    missing_rows = [row for each in columns for row in _missing(each)]
    yield _listed("quality.missing", missing_rows, _on(columns))
    statistics = [row for each in columns for row in _statistics(each)]
    yield _listed("quality.statistics", statistics, _on(columns))
    yield from _annotation(world, kept, metrics, sight)
    yield shares_fact("annotation.labels", rollup, "label", world.of_sums)


def _listed(name: str, rows: Iterable[Row], on: Basis, note: str | None = None) -> Fact:
    found = sorted(dict.fromkeys(rows), key=lambda row: tuple(map(_order, row)))
    if not found:
        return not_recorded(name, note)
    return table(name, found[:ROWS_LIMIT], Grade.ASSERTED, on, total=len(found))


def _order(cell: Scalar | None) -> tuple[int, str]:
    return (0, "") if cell is None else (1, str(cell))


def _facets(session: Session, world: World, said: Facets) -> list[_Facet]:
    """What is said of the quality of the versions (rule 2), and of their datasets."""
    names = {
        dataset.id: f"{dataset.namespace} {dataset.name}" for dataset, _ in world.target.versions
    }
    kept: dict[tuple[bytes, str, str], KeptFacet] = {}
    wanted = [(dataset.id, number) for dataset, number in world.target.versions]
    for key, name, payload, wins in select_by_rows(session, _SAID, _VERSION, wanted):
        kept[bytes(key), name, payload] = KeptFacet(payload, bytes(wins))
    for key in names:
        for name, facet in said.of.get(key, {}).items():
            if name in (QUALITY, ASSERTIONS, METRICS):
                kept.setdefault((key, name, facet.payload), facet)
    found = [
        _Facet(names[key], name, parse_facet(facet.payload), facet)
        for (key, name, _), facet in sorted(kept.items())
    ]
    return [each for each in found if each.said]


def _on(facets: Iterable[_Facet]) -> Basis:
    return facets_basis(each.kept for each in facets)


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield each


def _number(value: object) -> float | int | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return value if plain and value == value else None  # type: ignore[return-value]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _metrics(facet: _Facet) -> Iterator[Row]:
    for each in _objects(facet.said.get("metrics")):
        name, value = _text(each.get("name")), _number(each.get("value"))
        if name is not None:
            slice_ = each.get("slice")
            shown = slice_ if isinstance(slice_, str) or slice_ is None else _slice(slice_)
            n = _number(each.get("n"))
            yield facet.dataset, name, value, shown, n, _text(each.get("method"))


def _slice(value: object) -> str | None:
    """A slice that is an object of attributes, as text."""
    if not isinstance(value, dict):
        return None
    return ", ".join(f"{key}={value[key]}" for key in sorted(value)) or None


def _checks(facet: _Facet) -> Iterator[Row]:
    for each in _objects(facet.said.get("assertions")):
        success = each.get("success")
        name = _text(each.get("assertion")) or _text(each.get("name"))
        if name is not None:
            passed = success if isinstance(success, bool) else None
            yield facet.dataset, name, _text(each.get("column")), passed


def _columns(facet: _Facet) -> Iterator[tuple[str, Mapping[str, Any]]]:
    columns = facet.said.get("columnMetrics")
    for name, said in sorted(columns.items()) if isinstance(columns, dict) else ():
        if isinstance(said, dict):
            yield name, said


def _missing(facet: _Facet) -> Iterator[Row]:
    rows = _number(facet.said.get("rowCount"))
    for name, said in _columns(facet):
        nulls = _number(said.get("nullCount"))
        if nulls is not None:
            share = nulls / rows if rows else None
            yield facet.dataset, name, nulls, rows, share


def _statistics(facet: _Facet) -> Iterator[Row]:
    for name, said in _columns(facet):
        low, high = _number(said.get("min")), _number(said.get("max"))
        count, total = _number(said.get("count")), _number(said.get("sum"))
        mean = total / count if total is not None and count else None
        distinct = _number(said.get("distinctCount"))
        if any(each is not None for each in (distinct, low, high, mean)):
            yield facet.dataset, name, distinct, low, high, mean


def _annotation(world: World, kept: Facets, own: Iterable[_Facet], sight: Sight) -> Iterator[Fact]:
    """How labelling was done (rule 1)."""
    said = list(own)
    names = {key: world.dataset_name(rows[0]) for key, rows in world.by_dataset.items()}
    told = {each.kept.wins for each in said}
    for key, facets in sorted(kept.of.items()):
        facet = facets.get(QUALITY)
        if facet is not None and facet.wins not in told:
            name = names.get(key, "") if sight.sees(key) else BEYOND
            said.append(_Facet(name, QUALITY, parse_facet(facet.payload), facet))
    labelled = [each for each in said if isinstance(each.said.get("annotation"), dict)]
    on = _on(labelled)
    agreement: list[Row] = []
    texts: dict[str, set[str]] = {"guideline": set(), "labelsPerItem": set(), "workforce": set()}
    for each in labelled:
        annotation: Any = each.said["annotation"]
        for name, found in texts.items():
            value = annotation.get(name)
            if isinstance(value, str | int | float) and str(value):
                found.add(str(value))
        agreed = annotation.get("agreement")
        measured = [agreed] if isinstance(agreed, dict) else list(_objects(agreed))
        for one in measured:
            if _text(one.get("measure")):
                agreement.append((each.dataset, one["measure"], _number(one.get("value"))))
    for name, fact in (
        ("guideline", "annotation.guideline"),
        ("labelsPerItem", "annotation.labels_per_item"),
        ("workforce", "annotation.workforce"),
    ):
        value = "; ".join(sorted(texts[name]))
        yield known(fact, value, Grade.ASSERTED, on) if value else not_recorded(fact)
    yield _listed("annotation.agreement", agreement, on)
