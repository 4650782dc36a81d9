"""Makes the examples object of a batch: what is recorded of each example, and nothing else.

Rules (CONTRACTS, "Ledger object columns"):
1. Row order is ordinal order. Columns under the names of the contract are taken; `columns` names
   others for them, or None to leave one out. No other column travels.
2. Content is hashed here (`content`); texts are scanned here (`scan_pii`): kinds travel, and the
   identifiers found travel as subjects; the text never does.
3. Ids are unique in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from registry.client import subjects as people
from registry.client.content import DIGEST_BYTES, hash_content
from registry.client.tables import as_table, column_names
from registry.errors import InvalidInputError

_TEXT = pa.string()
RECORDED: Mapping[str, pa.DataType] = {
    "example_id": _TEXT,
    "digest": pa.binary(DIGEST_BYTES),
    "subjects": people.SUBJECTS,
    "split": _TEXT,
    "source_uri": _TEXT,
    "license": _TEXT,
    "language": _TEXT,
    "modality": _TEXT,
    "bytes": pa.int64(),
    "tokens": pa.int64(),
    "duration_seconds": pa.float64(),
    "pii": pa.list_(_TEXT),
    "collected_at": pa.timestamp("us", "UTC"),
    "label": _TEXT,
    "annotator": _TEXT,
    "confidence": pa.float64(),
    "attributes": pa.map_(_TEXT, _TEXT),
}
CONTENT = "content"
ColumnChoice = Mapping[str, "str | Sequence[str] | None"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded of a table's examples; `coverage` is the facet's `subjectCoverage`."""

    table: pa.Table
    coverage: dict[str, Any] = field(default_factory=dict)


def record_examples(
    value: Any,
    *,
    columns: ColumnChoice | None = None,
    subjects: Mapping[str, str] | None = None,
    scan_pii: Sequence[str] = (),
) -> Recorded | None:
    """The examples object's table of a table of any kind; None where nothing of it is recorded.

    `columns`: {recorded column: the table's column}, several for `content` and `attributes`, None
    to leave out. `subjects`: {scheme: column}. `scan_pii`: columns of texts.
    Raises InvalidInputError, naming the column, for one that is missing or does not fit, and for
    ids that are not unique.
    """
    present = column_names(value)
    chosen = _choose(present, columns or {})
    keyed = dict(subjects or {})
    named = {name for names in chosen.values() for name in names}
    named.update(keyed.values(), scan_pii)
    missing = sorted(named - set(present))
    if missing:
        raise InvalidInputError(
            f"The table has no column {missing[0]}; it has {', '.join(present) or 'none'}.",
            remedy="Correct the name.",
        )
    if not named:
        return None
    table = as_table(value, named)
    found = _take_columns(table, chosen)
    coverage = _add_people(found, table, keyed, scan_pii)
    recorded = pa.table({name: found[name] for name in RECORDED if name in found})
    _check_ids(recorded)
    return Recorded(recorded, coverage)


def _choose(present: Sequence[str], columns: ColumnChoice) -> dict[str, list[str]]:
    """For each recorded column, and `content`, the columns it comes from (rule 1)."""
    known = (*RECORDED, CONTENT)
    unknown = sorted(set(columns) - set(known))
    if unknown:
        raise InvalidInputError(
            f"{unknown[0]!r} is no column of the examples object.",
            remedy=f"Use {', '.join(known)}; anything else can go into attributes.",
        )
    chosen = {name: [name] for name in known if name in present and name not in columns}
    for name, source in columns.items():
        if source is not None:
            chosen[name] = [source] if isinstance(source, str) else list(source)
            if not chosen[name] or (len(chosen[name]) > 1 and name not in (CONTENT, "attributes")):
                raise InvalidInputError(
                    f"{name} is to come from {len(chosen[name])} columns.",
                    remedy="Name one column.",
                )
    return chosen


def _take_columns(table: pa.Table, chosen: Mapping[str, list[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, sources in chosen.items():
        if name == "attributes":
            found[name] = _attributes(table, sources)
        elif name not in ("subjects", CONTENT):
            found[name] = _cast(table.column(sources[0]), name, sources[0])
    if CONTENT in chosen:
        digests, lengths = hash_content(table, chosen[CONTENT])
        found.setdefault("digest", digests)
        found.setdefault("bytes", lengths)
    if "subjects" in chosen:
        parts = people.subjects_of_lists(table.column(chosen["subjects"][0]))
        found["subjects"] = people.join_subjects(parts, table.num_rows)
    return found


def _add_people(
    found: dict[str, Any], table: pa.Table, keyed: Mapping[str, str], scanned: Sequence[str]
) -> dict[str, Any]:
    """Add subjects and kinds of identifiers to the columns; give the coverage."""
    coverage: dict[str, Any] = {}
    parts: list[people.Part] = []
    if "subjects" in found:
        parts += people.subjects_of_lists(pa.chunked_array([found["subjects"]]))
        coverage["keyedBy"] = "subjects"
    if keyed:
        parts += people.subjects_of_columns(table, keyed)
        named = ", ".join(keyed.values())
        coverage["keyedBy"] = f"subjects, {named}" if "keyedBy" in coverage else named
    if scanned:
        from registry.client.personal import scan

        kinds, hits, looked_for = scan(table, scanned)
        parts += hits
        coverage["scannedFor"] = looked_for
        found.setdefault("pii", kinds)
    if parts or scanned:
        found["subjects"] = people.join_subjects(parts, table.num_rows)
    return coverage


def _cast(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    kind = RECORDED[name]
    given = column.type
    if pa.types.is_dictionary(given):
        column = column.cast(given.value_type)
    try:
        if pa.types.is_string(kind) and not _is_textual(column.type):
            raise ValueError("it holds neither texts nor whole numbers")
        if pa.types.is_timestamp(kind) and _is_naive(column.type):
            # A moment without a zone is taken as UTC, as it is at the door for events.
            return column.cast(pa.timestamp("us")).cast(kind)
        return column.cast(kind)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInputError(
            f"The column {source} of type {given} does not fit {name}, which is {kind}: {error}.",
            remedy=f"Give {kind}, or leave it out with columns={{{name!r}: None}}.",
        ) from error


def _is_textual(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )


def _is_naive(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz is None)


def _attributes(table: pa.Table, sources: Sequence[str]) -> Any:
    """One map of texts for each row: a column of maps as it is, else columns by their names."""
    first = table.column(sources[0])
    if len(sources) == 1 and pa.types.is_map(first.type):
        return _cast(first, "attributes", sources[0])
    texts = [table.column(name).cast(_TEXT).to_pylist() for name in sources]
    rows = [
        [(name, text) for name, text in zip(sources, row, strict=True) if text is not None]
        for row in zip(*texts, strict=True)
    ]
    return pa.array(rows, RECORDED["attributes"])


def _check_ids(table: pa.Table) -> None:
    """Rule 3. Cost: one hash of each id."""
    if "example_id" not in table.column_names:
        return
    ids = table.column("example_id").drop_null()
    if pc.count_distinct(ids).as_py() == len(ids):
        return
    counted = pc.value_counts(ids)
    twice = counted.filter(pc.greater(pc.struct_field(counted, "counts"), 1))[0].as_py()
    raise InvalidInputError(
        f"The example id {twice['values']!r} stands for {twice['counts']} rows of the batch.",
        remedy="Give each example of a batch an id of its own, or leave the ids out.",
    )
