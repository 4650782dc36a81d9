"""Reads `registry_rowMaps`, our facet on which rows a batch was made from. Pure.

A facet of ours that breaks its schema is refused with the JSON path.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

from registry.canonical import exact_json
from registry.lineage.batch_facet import check_digest, convert_facet
from registry.lineage.events import DatasetRef
from registry.lineage.values import malformed, read_name
from registry.wire.facets import ROW_MAPS

MAPS_LIMIT = 1_000
INPUTS_LIMIT = 100_000


class InputRef(msgspec.Struct, rename="camel", frozen=True):
    """An input batch by its name, or all member batches of a version in membership order."""

    namespace: str
    name: str
    batch: str | None = None
    version: int | None = None


class InlineMap(msgspec.Struct, rename="camel", frozen=True):
    """A row map in place, as `RowMap`'s constructors take it."""

    form: Literal["range", "take", "lists"]
    size: int
    start: int | None = None
    stop: int | None = None
    parents: list[int] | None = None
    offsets: list[int] | None = None


class MapEntry(msgspec.Struct, rename="camel", frozen=True):
    """One map of a batch."""

    inputs: list[InputRef]
    map: str | InlineMap
    role: Literal[
        "kept",
        "transformed",
        "augmented",
        "labelled",
        "synthesised_from",
        "duplicate_of",
        "aggregated",
    ]
    score: float | None = None
    method: str | None = None


class RowMapsFacet(msgspec.Struct, rename="camel", frozen=True):
    """`registry_rowMaps`."""

    maps: list[MapEntry]


class MapRow(NamedTuple):
    """A map as the catalog keeps it; inputs and inline map are JSON."""

    position: int
    role: str
    score: float | None
    method: str | None
    inputs: str
    map_object: str | None
    inline: str | None


def read_row_maps(dataset: DatasetRef) -> list[MapRow] | None:
    """The row maps of an output, from its outputFacets or facets; None where there is no facet.

    Raises MalformedEventError with the JSON path.
    """
    for facets, key in ((dataset.io_facets, "outputFacets"), (dataset.facets, "facets")):
        facet = facets.get(ROW_MAPS)
        if facet is None:
            continue
        path = f"{dataset.path}.{key}.{ROW_MAPS}"
        parsed = convert_facet(facet, RowMapsFacet, path)
        if len(parsed.maps) > MAPS_LIMIT:
            raise malformed(
                f"A batch with {len(parsed.maps)} maps is over {MAPS_LIMIT}.",
                "Put the inputs of one step into one map.",
                f"{path}.maps",
            )
        return [
            _row(index, entry, f"{path}.maps[{index}]") for index, entry in enumerate(parsed.maps)
        ]
    return None


def _row(position: int, entry: MapEntry, path: str) -> MapRow:
    if not 0 < len(entry.inputs) <= INPUTS_LIMIT:
        raise malformed(
            f"A map has 1 to {INPUTS_LIMIT} inputs, and this one {len(entry.inputs)}.",
            "Name the batches, or the version, that were read.",
            f"{path}.inputs",
        )
    inputs: list[dict[str, Any]] = []
    for index, item in enumerate(entry.inputs):
        where = f"{path}.inputs[{index}]"
        named = read_name({"namespace": item.namespace, "name": item.name}, "dataset", where)
        if (item.batch is None) == (item.version is None):
            raise malformed(
                "An input names either a batch or a version.", "Name one of the two.", where
            )
        inputs.append({"dataset": named.id.hex(), "batch": item.batch, "version": item.version})
    map_object = entry.map if isinstance(entry.map, str) else None
    check_digest(map_object, f"{path}.map")
    inline = None if isinstance(entry.map, str) else exact_json(entry.map).decode()
    method = None if entry.method is None else entry.method.replace("\x00", "")[:512]
    return MapRow(
        position, entry.role, entry.score, method, exact_json(inputs).decode(), map_object, inline
    )
