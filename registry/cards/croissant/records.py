"""The files, records, fields and splits of a version as Croissant has them. Pure.

Rules (Croissant 1.1, "Resources", "RecordSets", "Splits"):
1. A place where files lie is a FileSet: how many files there are is known, their names are not
   part of a card. Of their encoding nothing is recorded, so it is `application/octet-stream`.
2. A field needs a type of Croissant. One whose recorded type has none, or that has none recorded,
   is named under `reg:untypedField` and is no Field.
3. A split whose name is a common one says which split it is; every other keeps its name alone.
4. Ids are ours: the recorded names, percent-encoded, numbered where they repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.known import Row, cell_count, cell_text, rows_of
from registry.cards.values import CardFacts

ANY_BYTES: Final = "application/octet-stream"
EVERY_FILE: Final = "**"
_ALL_FILES = "files"
_RECORDS = "examples"
_SPLITS = "splits"
_TYPES: Final = (
    ("sc:Boolean", r"bool(ean)?"),
    ("sc:Integer", r"u?int(eger)?(8|16|32|64)?|(big|small|tiny|medium)int|long|short|serial"),
    ("sc:Float", r"float(16|32|64)?|double( precision)?|half_?float|real|decimal.*|numeric.*"),
    ("sc:Date", r"date(32|64)?(\[.*\])?"),
    ("sc:DateTime", r"timestamp.*|datetime.*"),
    ("sc:Time", r"time(32|64)?(\[.*\])?( with.*)?"),
    ("sc:Text", r"(large_)?(string|utf8)(_view)?|text|(var)?char.*|character varying.*|uuid|json"),
    ("sc:URL", r"ur[il]"),
    ("sc:ImageObject", r"image"),
    ("sc:AudioObject", r"audio"),
    ("sc:VideoObject", r"video"),
)
_ARRAY = re.compile(r"(?:(?:large_)?list|array|sequence)<(?:item: |element: )?(.+)>|(.+)\[\]", re.S)
_SPLIT_OF: Final = {
    "train": "cr:TrainingSplit",
    "training": "cr:TrainingSplit",
    "validation": "cr:ValidationSplit",
    "valid": "cr:ValidationSplit",
    "val": "cr:ValidationSplit",
    "dev": "cr:ValidationSplit",
    "test": "cr:TestSplit",
    "testing": "cr:TestSplit",
}


def distribution_of(facts: CardFacts) -> list[dict[str, object]]:
    """The value of `distribution` (rule 1); empty where nobody recorded where it lies."""
    rows = rows_of(facts, "identity.storage").rows
    places = [_place(row, f"{_ALL_FILES}/{at + 1}") for at, row in enumerate(rows)]
    if len(places) < 2:
        return places
    everything: dict[str, object] = {
        "@type": "cr:FileSet",
        "@id": _ALL_FILES,
        "name": "Every file of the version",
        "containedIn": [{"@id": place["@id"]} for place in places],
        "encodingFormat": ANY_BYTES,
        "includes": EVERY_FILE,
    }
    return [*places, everything]


def _place(row: Row, identifier: str) -> dict[str, object]:
    where = [text for name in ("scheme", "region") if (text := cell_text(row, name))]
    made: dict[str, object] = {
        "@type": "cr:FileSet",
        "@id": identifier,
        "name": ", ".join(where) or "place not recorded",
        "encodingFormat": ANY_BYTES,
        "includes": EVERY_FILE,
    }
    for column, term in (
        ("scheme", "reg:scheme"),
        ("region", "reg:region"),
    ):
        if (text := cell_text(row, column)) is not None:
            made[term] = text
    for column, term in (("files", "reg:files"), ("examples", "reg:examples")):
        if (count := cell_count(row, column)) is not None:
            made[term] = count
    return made


def record_sets_of(facts: CardFacts) -> list[dict[str, object]]:
    """The value of `recordSet`: the examples by their fields, and the splits."""
    splits = _splits(facts)
    records = _records(facts, has_splits=splits is not None)
    return [each for each in (records, splits) if each is not None]


def _records(facts: CardFacts, *, has_splits: bool) -> dict[str, object] | None:
    rows = rows_of(facts, "identity.schema")
    places = rows_of(facts, "identity.storage").rows
    source = None
    if places:
        source = f"{_ALL_FILES}/1" if len(places) == 1 else _ALL_FILES
    names = _identifiers([cell_text(row, "field") or "" for row in rows.rows], _RECORDS)
    fields: list[dict[str, object]] = []
    untyped: list[dict[str, object]] = []
    for row, identifier in zip(rows.rows, names, strict=True):
        typed = _field(row, identifier, source)
        if typed is None:
            untyped.append(_untyped(row))
        else:
            if has_splits and cell_text(row, "field") == "split":
                typed["references"] = {"field": {"@id": f"{_SPLITS}/name"}}
            fields.append(typed)
    if not fields:
        return None
    made: dict[str, object] = {"@type": "cr:RecordSet", "@id": _RECORDS, "name": _RECORDS}
    made["field"] = fields
    if untyped:
        made["reg:untypedField"] = untyped
    return made


def _field(row: Row, identifier: str, source: str | None) -> dict[str, object] | None:
    name, recorded = cell_text(row, "field"), cell_text(row, "type")
    found = None if recorded is None else data_type(recorded)
    if name is None or recorded is None or found is None:
        return None
    kind, is_array = found
    made: dict[str, object] = {"@type": "cr:Field", "@id": identifier, "name": name}
    description = cell_text(row, "description")
    if description is not None:
        made["description"] = description
    made["dataType"] = kind
    if is_array:
        made["isArray"] = True
    if source is not None:
        made["source"] = {"fileSet": {"@id": source}, "extract": {"column": name}}
    made["reg:type"] = recorded
    return made


def _untyped(row: Row) -> dict[str, object]:
    terms = (("field", "name"), ("type", "reg:type"), ("description", "description"))
    return {term: text for column, term in terms if (text := cell_text(row, column)) is not None}


def data_type(recorded: str) -> tuple[str, bool] | None:
    """The type of Croissant for a recorded one, and whether it is a list of them."""
    text = recorded.strip().lower()
    array = _ARRAY.fullmatch(text)
    inner = text if array is None else (array[1] or array[2]).strip()
    for kind, pattern in _TYPES:
        if re.fullmatch(pattern, inner, re.S):
            return kind, array is not None
    return None


def _splits(facts: CardFacts) -> dict[str, object] | None:
    rows = [
        row
        for row in rows_of(facts, "quantity.by_split").rows
        if cell_text(row, "value") not in (None, NOT_RECORDED)
    ]
    if not rows:
        return None
    names = [cell_text(row, "value") or "" for row in rows]
    kinds = [_SPLIT_OF.get(name.lower()) for name in names]
    fields = [_column("name", "sc:Text")]
    if all(kinds):
        fields.append(_column("url", "sc:URL", "cr:Split"))
    counts = [cell_count(row, "examples") for row in rows]
    if None not in counts:
        fields.append(_column("examples", "sc:Integer"))
    columns = (names, kinds if all(kinds) else None, counts if None not in counts else None)
    data = _data([str(field["@id"]) for field in fields], [each for each in columns if each])
    return {
        "@type": "cr:RecordSet",
        "@id": _SPLITS,
        "name": _SPLITS,
        "dataType": "cr:Split",
        "key": {"@id": f"{_SPLITS}/name"},
        "field": fields,
        "data": data,
    }


def _data(fields: Sequence[str], columns: Sequence[Sequence[object]]) -> list[dict[str, object]]:
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(name: str, *kinds: str) -> dict[str, object]:
    kind = kinds[0] if len(kinds) == 1 else list(kinds)
    return {"@type": "cr:Field", "@id": f"{_SPLITS}/{name}", "name": name, "dataType": kind}


def _identifiers(names: Sequence[str], within: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name in names:
        base = f"{within}/{quote(name, safe='', errors='replace')}"
        seen[base] = seen.get(base, 0) + 1
        yield base if seen[base] == 1 else f"{base}~{seen[base]}"
