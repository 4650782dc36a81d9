"""Writes the lineage of fields as JSON, in Marquez's shape."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from registry.api.graph_answers import truncation
from registry.catalog.columns import Column, ColumnShape, Transformation
from registry.catalog.facets import dataset_facts
from registry.catalog.lookup import Named, datasets_named, facets_kept, payloads_of
from registry.catalog.names import dataset_node, field_node
from registry.catalog.scope import hides_any
from registry.wire.lineage import (
    ColumnData,
    ColumnInput,
    ColumnLineageAnswer,
    ColumnNodeAnswer,
    EdgeAnswer,
)


def column_answer(
    session: Session, shape: ColumnShape, *, depth: int, size: int
) -> ColumnLineageAnswer:
    """A graph of fields, sorted by node id; fields of datasets without a name are left out.

    Cost: two queries.
    """
    ids = sorted({dataset for dataset, _ in shape.columns})
    names = datasets_named(session, ids)
    types = _field_types(session, ids)
    fed: dict[Column, list[Column]] = {}
    for target, sources in shape.sources.items():
        for source in sources:
            fed.setdefault(source, []).append(target)
    nodes = [
        _node(column, names, types, shape, fed)
        for column in sorted(shape.columns)
        if column[0] in names
    ]
    nodes.sort(key=lambda node: node["id"])
    return {
        "graph": nodes,
        "truncated": truncation(shape.cut, depth=depth, size=size),
        "beyondScope": hides_any(session, ids),
    }


def _field_types(session: Session, ids: list[bytes]) -> dict[Column, str | None]:
    facets = facets_kept(session, "dataset", ids)
    return {
        (key, field.name): field.type
        for key, kept in facets.items()
        for field in dataset_facts(payloads_of(kept)).fields
    }


def _node(
    column: Column,
    names: Mapping[bytes, Named],
    types: Mapping[Column, str | None],
    shape: ColumnShape,
    fed: Mapping[Column, list[Column]],
) -> ColumnNodeAnswer:
    near = _text(column, names)
    sources = {key: how for key, how in shape.sources.get(column, {}).items() if key[0] in names}
    targets = [key for key in fed.get(column, ()) if key[0] in names]
    into: list[EdgeAnswer] = [
        {"origin": near, "destination": far} for far in sorted(_text(key, names) for key in sources)
    ]
    out: list[EdgeAnswer] = [
        {"origin": near, "destination": far} for far in sorted(_text(key, names) for key in targets)
    ]
    return {
        "id": near,
        "type": "DATASET_FIELD" if column[1] else "DATASET",
        "data": _data(column, names, types, sources),
        "inEdges": into,
        "outEdges": out,
    }


def _text(column: Column, names: Mapping[bytes, Named]) -> str:
    dataset, field = names[column[0]], column[1]
    if not field:
        return dataset_node(dataset.namespace, dataset.name)
    return field_node(dataset.namespace, dataset.name, field)


def _data(
    column: Column,
    names: Mapping[bytes, Named],
    types: Mapping[Column, str | None],
    sources: Mapping[Column, Transformation],
) -> ColumnData:
    dataset = names[column[0]]
    first = next(iter(sources.values()), Transformation(None, None))
    return {
        "namespace": dataset.namespace,
        "dataset": dataset.name,
        "datasetVersion": None,
        "field": column[1],
        "fieldType": types.get(column),
        "transformationDescription": first.description,
        "transformationType": first.type,
        "inputFields": [_input(names[key[0]], key[1], how) for key, how in sources.items()],
    }


def _input(dataset: Named, field: str, how: Transformation) -> ColumnInput:
    return {
        "namespace": dataset.namespace,
        "dataset": dataset.name,
        "datasetVersion": None,
        "field": field,
        "transformationDescription": how.description,
        "transformationType": how.type,
    }
