"""Reads `registry_batch`, our facet on what a run wrote to a dataset. Pure.

Rules:
1. A facet of ours that breaks its schema is refused with the JSON path: its sender wrote it for us
   and can mend it.
2. Unknown fields are kept, because the facet is kept as received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, TypeVar

import msgspec

from registry.canonical import exact_json
from registry.lineage.events import DatasetRef
from registry.lineage.values import Warn, malformed, read_time
from registry.wire.facets import BATCH

T = TypeVar("T")
NAME_LIMIT = 512
EXAMPLES_LIMIT = 2**32


class SourceKind(StrEnum):
    """Where examples come from; the AI Act template's sections 2.1 to 2.6 map onto these."""

    FIRST_PARTY = "first_party"
    LICENSED = "licensed"
    THIRD_PARTY = "third_party"
    PUBLIC = "public"
    CRAWLED = "crawled"
    HUMAN_GENERATED = "human_generated"
    SYNTHETIC = "synthetic"
    USER_MODEL = "user_model"
    USER_SERVICE = "user_service"
    OTHER = "other"


class _Facet(msgspec.Struct, rename="camel", frozen=True):
    """Base: camelCase on the wire; unknown fields stay in the kept facet."""


class Origin(_Facet, frozen=True):
    """`registry_batch.origin`."""

    kind: SourceKind | None = None
    uri: str | None = None
    description: str | None = None
    collected_from: str | None = None
    collected_until: str | None = None


class FileEntry(_Facet, frozen=True):
    """One element of `registry_batch.files`."""

    uri: str
    sha256: str | None = None
    rows: int | None = None


class ObjectAt(_Facet, frozen=True):
    """`registry_batch.examples` where the object lies at a URL."""

    url: str
    sha256: str


class SubjectCoverage(_Facet, frozen=True):
    """`registry_batch.subjectCoverage`."""

    keyed_by: str | None = None
    scanned_for: list[str] | None = None


class BatchFacet(_Facet, frozen=True):
    """`registry_batch`: the examples that one run wrote to one dataset."""

    batch: str
    mode: Literal["append", "overwrite", "replace_partition"] | None = None
    partition: str | None = None
    origin: Origin | None = None
    license: str | None = None
    legal_basis: str | None = None
    special_category_condition: str | None = None
    purposes: list[str] | None = None
    region: str | None = None
    classification: Literal["public", "internal", "confidential", "restricted"] | None = None
    personal_data: Literal["none", "pseudonymised", "personal", "special", "unknown"] | None = None
    example_count: int | None = None
    examples: str | ObjectAt | None = None
    files: list[FileEntry] | None = None
    subject_coverage: SubjectCoverage | None = None


def read_batch(dataset: DatasetRef) -> BatchFacet | None:
    """The `registry_batch` of a dataset, from its outputFacets or facets.

    Raises MalformedEventError with the JSON path where it breaks its schema (rule 1).
    """
    for key, facets in dataset.facets_by_key():
        facet = facets.get(BATCH)
        if facet is not None:
            path = f"{dataset.path}.{key}.{BATCH}"
            if b"\\u0000" in exact_json(facet) and _holds_nul(facet):
                raise malformed("The facet holds a NUL character.", "Remove it.", path)
            batch = convert_facet(facet, BatchFacet, path)
            _check_batch(batch, path)
            _check_files(batch.files or (), path)
            return batch
    return None


def convert_facet(facet: Mapping[str, Any], kind: type[T], path: str) -> T:
    """A facet as a value of `kind`. Raises MalformedEventError with the JSON path."""
    try:
        return msgspec.convert(facet, kind, strict=True)
    except msgspec.ValidationError as error:
        detail, _, where = str(error).partition(" - at `$")
        raise malformed(
            f"{detail}.",
            "Correct the facet; its schema is in the package under registry/lineage/schemas.",
            path + where.rstrip("`"),
        ) from error


def _check_batch(batch: BatchFacet, path: str) -> None:
    if not batch.batch or len(batch.batch) > NAME_LIMIT:
        raise malformed(
            f"The batch name is empty or over {NAME_LIMIT} characters.",
            "Name the batch within its run and dataset.",
            f"{path}.batch",
        )
    if batch.partition is not None and len(batch.partition) > NAME_LIMIT:
        raise malformed(
            f"The partition has {len(batch.partition)} characters, and {NAME_LIMIT} may be.",
            "Shorten the name of the partition.",
            f"{path}.partition",
        )
    count = batch.example_count
    if count is not None and not 0 <= count < EXAMPLES_LIMIT:
        raise malformed(
            f"exampleCount is {count}; a batch holds 0 to {EXAMPLES_LIMIT - 1} examples.",
            "Split the batch.",
            f"{path}.exampleCount",
        )
    if batch.origin is not None:
        for key, text in (
            ("collectedFrom", batch.origin.collected_from),
            ("collectedUntil", batch.origin.collected_until),
        ):
            batch_micros(text, f"{path}.origin.{key}", [])
    if batch.mode == "replace_partition" and not batch.partition:
        raise malformed(
            "The mode is replace_partition, and no partition is named.",
            "Name the partition that the batch replaces.",
            f"{path}.partition",
        )
    digest = batch.examples.sha256 if isinstance(batch.examples, ObjectAt) else batch.examples
    check_digest(digest, f"{path}.examples")


def _check_files(files: Sequence[FileEntry], path: str) -> None:
    rows = 0
    for index, entry in enumerate(files):
        check_digest(entry.sha256, f"{path}.files[{index}].sha256")
        if not entry.uri or (entry.rows is not None and entry.rows < 0):
            raise malformed(
                "A file needs a uri, and its rows are zero or more.",
                "Correct the file entry.",
                f"{path}.files[{index}]",
            )
        rows += entry.rows or 0
        if rows >= EXAMPLES_LIMIT:
            raise malformed(
                f"With this file the batch has {rows} rows, and {EXAMPLES_LIMIT - 1} may be.",
                "Split the batch.",
                f"{path}.files[{index}].rows",
            )


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\x00" in value
        case dict():
            return any(_holds_nul(item) for pair in value.items() for item in pair)
        case list():
            return any(map(_holds_nul, value))
        case _:
            return False


def check_digest(text: str | None, path: str) -> None:
    """Raise MalformedEventError unless the text is `sha256:` and 64 hex digits, or None."""
    if text is None:
        return
    hexadecimal = text.removeprefix("sha256:")
    if len(text) != 71 or len(hexadecimal) != 64 or set(hexadecimal) - set("0123456789abcdef"):
        raise malformed(
            f"{text[:80]!r} is no SHA-256 digest.",
            'Write "sha256:" and 64 lower-case hex digits.',
            path,
        )


def batch_micros(text: str | None, path: str, warnings: list[Warn]) -> int | None:
    """A time within `registry_batch` in microseconds, or None."""
    return None if text is None else read_time(text, path, warnings)
