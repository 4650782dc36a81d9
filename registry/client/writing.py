"""Prepares what a run says of a batch it wrote, checks it, and sends what travels beside the event.

Rules:
1. Everything is checked before anything is sent: columns, ids, files, maps, and that their numbers
   of rows agree.
2. A range and a map of at most 1,000 parents go into the event; larger ones, and the examples, are
   objects, named in the event by their SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from registry.client.derivation import (
    Compiled,
    Derivation,
    Given,
    as_derivations,
    compile_derivation,
    inline_map,
)
from registry.client.events import output_dataset
from registry.client.examples import ColumnChoice, Recorded, record_examples
from registry.client.facets import PRODUCER, BatchFacet
from registry.client.files import FileAt, FileLike, describe_files
from registry.client.payload import PARQUET, parquet_payload, payload_of
from registry.client.sources import Name, Source
from registry.client.tables import is_of, row_count
from registry.errors import InvalidInputError

if TYPE_CHECKING:
    from openlineage.client.event_v2 import OutputDataset

    from registry.client.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a table is recorded: see `record_examples`."""

    columns: ColumnChoice | None = None
    subjects: Mapping[str, str] | None = None
    scan_pii: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a pipeline says of the batch it wrote, besides the examples; see `Run.write`."""

    dataset: Name
    batch: str
    terms: Mapping[str, Any]
    choice: Choice
    rows: int | None = None
    files: FileLike | Iterable[FileLike] = ()
    external_version: str | None = None
    facets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that was checked and not sent yet. `rows` is None where nobody knows."""

    rows: int | None
    recorded: Recorded | None
    maps: list[Compiled]
    files: list[FileAt]
    fields: list[tuple[str, str]]

    @property
    def sources(self) -> list[Source]:
        """Everything that the rows came from."""
        return [source for each in self.maps for source in each.derivation.sources]

    @property
    def ids(self) -> Any:
        """The example ids in order, or None where not every row has one."""
        if self.recorded is None or "example_id" not in self.recorded.table.column_names:
            return None
        ids = self.recorded.table.column("example_id")
        return None if ids.null_count else ids


def derivations(examples: Any, given: Given | None, role: str | None) -> list[Derivation]:
    """The derivations given; where none are (None), what a tracked dataset knows of its rows.

    Raises InvalidInputError for what stands for no source, and where track of rows was lost.
    """
    if given is not None:
        return as_derivations(given, role)
    if not is_of(examples, "registry.client.huggingface", "TrackedDataset"):
        return []
    from registry.client import huggingface

    return huggingface.derivations(examples, role)


def prepare(examples: Any, asked: Asked, derived: Sequence[Derivation]) -> Prepared:
    """Check and gather what is known of a batch (rule 1). Raises InvalidInputError."""
    recorded, rows = None, asked.rows
    if examples is not None:
        counted = row_count(examples)
        if rows is not None and rows != counted:
            raise _disagree(f"rows says {rows}", f"the table has {counted}")
        rows, choice = counted, asked.choice
        recorded = record_examples(
            examples, columns=choice.columns, subjects=choice.subjects, scan_pii=choice.scan_pii
        )
    files = describe_files(asked.files)
    if files and all(item.rows is not None for item in files):
        in_files = sum(item.rows or 0 for item in files)
        if rows is not None and rows != in_files:
            raise _disagree(f"the batch has {rows} rows", f"its files hold {in_files}")
        rows = in_files
    maps = []
    for derivation in derived:
        compiled = compile_derivation(derivation, rows)
        rows = compiled.outputs
        maps.append(compiled)
    prepared = Prepared(rows, recorded, maps, files, _fields(examples))
    if any(each.map is None for each in maps) and prepared.ids is None:
        raise InvalidInputError(
            "derived_from gives example ids of the inputs, and the rows written have none.",
            remedy="Give examples with example_id, or run.read(…, ids=…) to resolve them here.",
            path="derived_from",
        )
    return prepared


def send(prepared: Prepared, asked: Asked, outbox: Outbox) -> OutputDataset:
    """Hand the objects over (rule 2); give the output that the event names them in."""
    examples = coverage = None
    if prepared.recorded is not None:
        coverage = prepared.recorded.coverage
        if prepared.recorded.table.num_columns:
            with parquet_payload([prepared.recorded.table]) as payload:
                examples = outbox.send_object(payload, "examples")
    maps = [_send_map(compiled, prepared, outbox) for compiled in prepared.maps]
    return output_dataset(
        asked.dataset,
        batch=batch_facet(asked, prepared.rows, prepared.files, examples, coverage),
        maps=maps,
        fields=prepared.fields,
        external_version=asked.external_version,
        facets=asked.facets,
    )


def batch_facet(
    asked: Asked,
    rows: int | None,
    files: Sequence[FileAt],
    examples: str | None,
    coverage: Mapping[str, Any] | None,
) -> BatchFacet:
    """`registry_batch` of what was asked; `examples` names the examples object."""
    return BatchFacet(
        batch=asked.batch,
        exampleCount=rows,
        examples=examples,
        files=[item.as_entry() for item in files] or None,
        subjectCoverage=dict(coverage) if coverage else None,
        producer=PRODUCER,
        **asked.terms,
    )


def _send_map(compiled: Compiled, prepared: Prepared, outbox: Outbox) -> dict[str, Any]:
    derivation = compiled.derivation
    if compiled.map is None:
        ids = pa.table({"example_id": prepared.ids, "parent_ids": compiled.parent_ids})
        with parquet_payload([ids]) as payload:
            where: Any = outbox.send_object(payload, "parents")
    else:
        where = inline_map(compiled.map)
        if where is None:
            with payload_of(compiled.map.to_bytes(), PARQUET) as payload:
                where = outbox.send_object(payload, "row_map")
    told = {
        "inputs": [source.as_input() for source in derivation.sources],
        "map": where,
        "role": str(compiled.role),
        "score": derivation.score,
        "method": derivation.method,
    }
    return {key: value for key, value in told.items() if value is not None}


def _fields(examples: Any) -> list[tuple[str, str]]:
    """Names and types of the columns where the table says them without being converted."""
    schema = None
    if is_of(examples, "pyarrow", "Table", "RecordBatch"):
        schema = examples.schema
    elif is_of(examples, "datasets", "Dataset"):
        schema = examples.features.arrow_schema
    elif is_of(examples, "pandas", "DataFrame"):
        return [(str(name), str(kind)) for name, kind in examples.dtypes.items()]
    elif is_of(examples, "polars", "DataFrame"):
        return [(str(name), str(kind)) for name, kind in examples.schema.items()]
    return [] if schema is None else [(each.name, str(each.type)) for each in schema]


def _disagree(one: str, other: str) -> InvalidInputError:
    return InvalidInputError(
        f"{one[0].upper()}{one[1:]}, but {other}.",
        remedy="Write what belongs together, or leave out what is not of this batch.",
    )
