"""Takes an uploaded object apart: checks it, and leaves only what may be kept.

Rules (DESIGN §2, §5; CONTRACTS "Ledger object columns"):
1. An object is read as a stream of row groups, so memory does not grow with it.
2. `content` is hashed and dropped; digests are keyed; subject identifiers are normalised and become
   subject keys. The raw upload is deleted whatever happens.
3. What cannot be taken is refused as a whole, with column and row: nothing is stored.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from registry.errors import InvalidInputError, UnsupportedEncodingError
from registry.keys.digests import ContentDigests
from registry.keys.subject_columns import SubjectColumns
from registry.ledger.columns import DIGEST_BYTES, EXAMPLES, LONGEST_ID_BYTES, SUBJECTS

PARQUET_TYPES = {"application/vnd.apache.parquet", "application/x-parquet"}
ARROW_TYPES = {"application/vnd.apache.arrow.stream", "application/x-arrow-stream"}
NDJSON_TYPES = {"application/x-ndjson", "application/jsonl", "application/json-lines"}
_ROWS_AT_ONCE = 65_536
_LINES_AT_ONCE = 8_192
_SUBJECT = pa.struct([("scheme", pa.string()), ("value", pa.string())])
_RECORDED = [f for f in EXAMPLES if f.name not in ("address", "digest")]
KEPT_EXAMPLES = pa.schema([f for f in EXAMPLES if f.name != "address"])
KEPT_SUBJECTS = pa.schema(
    [
        pa.field("ordinal", pa.uint32(), nullable=False),
        *[f for f in SUBJECTS if f.name != "address"],
    ]
)
KEPT_PARENTS = pa.schema(
    [
        pa.field("example_id", pa.string(), nullable=False),
        pa.field("parent_ids", pa.list_(pa.string()), nullable=False),
        pa.field("role", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Pseudonymiser:
    """What turns identifiers and digests into keyed ones while one object is taken."""

    digests: ContentDigests
    subjects: SubjectColumns


@dataclass(slots=True)
class Taken:
    """What was kept of an examples object."""

    rows: int = 0
    subjects: int = 0
    columns: set[str] = field(default_factory=set)


def open_batches(path: Path, content_type: str) -> Iterator[pa.RecordBatch]:
    """The record batches of an upload, one after the other; of one without rows an empty one.

    What they hold is sound: offsets lie within their buffers, texts are UTF-8. Raises
    UnsupportedEncodingError for another content type, InvalidInputError for damaged bytes.
    """
    kind = content_type.partition(";")[0].strip().lower()
    with _reading():
        if kind in PARQUET_TYPES:
            with pq.ParquetFile(path) as file:
                yield from _sound(file.iter_batches(_ROWS_AT_ONCE), file.schema_arrow)
        elif kind in ARROW_TYPES:
            with pa.OSFile(str(path)) as source, pa.ipc.open_stream(source) as stream:
                yield from _sound(stream, stream.schema)
        elif kind in NDJSON_TYPES:
            yield from _ndjson_batches(path)
        else:
            raise UnsupportedEncodingError(
                f"An object of type {kind[:80]!r} is not read here.",
                remedy="Send Parquet, an Arrow IPC stream or NDJSON, and say so in Content-Type.",
                path="Content-Type",
            )


def _sound(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches, each looked through: what a stranger sends may point outside its buffers."""
    found = False
    for batch in batches:
        batch.validate(full=True)
        found = True
        yield batch
    if not found:
        yield pa.RecordBatch.from_pylist([], schema=schema)


def _ndjson_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The objects of an NDJSON file, some thousand lines at a time, with the keys they have."""
    decoder = msgspec.json.Decoder(dict[str, Any])
    with path.open("rb") as file:
        first = 0
        while lines := list(itertools.islice(file, _LINES_AT_ONCE)):
            rows: list[dict[str, Any]] = []
            for number, line in enumerate(lines, first + 1):
                try:
                    rows.append(decoder.decode(line))
                except msgspec.MsgspecError as error:
                    raise InvalidInputError(
                        f"Line {number} is no JSON object: {str(error)[:120].rstrip('.')}.",
                        remedy="Send one JSON object a line.",
                    ) from error
            first += len(lines)
            names = dict.fromkeys(name for row in rows for name in row)
            for row in rows:
                if isinstance(row.get("attributes"), dict):
                    row["attributes"] = [(k, str(v)) for k, v in row["attributes"].items()]
            arrays = [_json_column(name, [row.get(name) for row in rows]) for name in names]
            yield pa.record_batch(arrays, names=list(names))


def _json_column(name: str, values: list[Any]) -> pa.Array:
    kinds = {"attributes": pa.map_(pa.string(), pa.string()), "subjects": pa.list_(_SUBJECT)}
    return pa.array(values, kinds.get(name), from_pandas=False)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, TypeError, ValueError, OverflowError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise InvalidInputError(
            f"The object cannot be read: {first}.",
            remedy="Send it again, whole, with the Content-Type that it has.",
        ) from error


def take_examples(
    source: Path, content_type: str, target: Path, subjects: Path, keys: Pseudonymiser
) -> Taken:
    """Write what may be kept of an examples object to two Parquet files.

    `target` gets `KEPT_EXAMPLES` in ordinal order, `subjects` gets `KEPT_SUBJECTS`. Raises
    InvalidInputError naming column and row; UnsupportedEncodingError. Cost: one pass, memory of a
    few row groups and 8 bytes for each example id.
    """
    taken = Taken()
    seen = _SeenIds()
    with (
        pq.ParquetWriter(target, KEPT_EXAMPLES, compression="zstd") as rows_out,
        pq.ParquetWriter(subjects, KEPT_SUBJECTS, compression="zstd") as subjects_out,
    ):
        for batch in open_batches(source, content_type):
            _check_columns(batch.schema)
            taken.columns.update(batch.schema.names)
            seen.add(batch, taken.rows)
            rows_out.write_batch(_kept_rows(batch, taken.rows, keys))
            linked = _kept_subjects(batch, taken.rows, keys)
            if linked is not None:
                subjects_out.write_batch(linked)
                taken.subjects += linked.num_rows
            taken.rows += batch.num_rows
    if taken.rows >= 2**32:
        raise InvalidInputError(
            f"The object has {taken.rows} rows; a batch holds fewer than 4,294,967,296.",
            remedy="Split the batch.",
        )
    seen.check(source, content_type)
    return taken


def _check_columns(schema: pa.Schema) -> None:
    known = {f.name for f in _RECORDED} | {"digest", "content", "subjects"}
    unknown = sorted(set(schema.names) - known)
    if unknown or len(set(schema.names)) != len(schema.names):
        named = ", ".join(unknown) if unknown else "a column twice"
        raise InvalidInputError(
            f"The ledger keeps no such column: {named[:200]}.",
            remedy="Leave it out, or use `attributes`; docs/contracts.md lists the columns.",
        )
    if "digest" in schema.names and "content" in schema.names:
        raise InvalidInputError(
            "The object has both digest and content.",
            remedy="Send one of them: the digest is SHA-256 of the content.",
        )


def _kept_rows(batch: pa.RecordBatch, first: int, keys: Pseudonymiser) -> pa.RecordBatch:
    columns: list[pa.Array] = []
    for item in KEPT_EXAMPLES:
        if item.name == "digest":
            digests = pa.array(_digests(batch, first), pa.binary(DIGEST_BYTES))
            columns.append(keys.digests.keyed_column(digests))
        else:
            columns.append(_cast(batch, item))
    return pa.record_batch(columns, schema=KEPT_EXAMPLES)


def _cast(batch: pa.RecordBatch, item: pa.Field) -> pa.Array:
    index = batch.schema.get_field_index(item.name)
    if index < 0:
        return pa.nulls(batch.num_rows, item.type)
    try:
        return batch.column(index).cast(item.type)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInputError(
            f"The column {item.name} of type {batch.schema.field(index).type} "
            f"does not fit {item.type}.",
            remedy=f"Send {item.type}.",
            path=item.name,
        ) from error


def _digests(batch: pa.RecordBatch, first: int) -> list[bytes | None]:
    """SHA-256 of each example's content: as sent, or hashed here and the content forgotten."""
    if "content" in batch.schema.names:
        values = _cast(batch, pa.field("content", pa.large_binary())).to_pylist()
        return [None if value is None else hashlib.sha256(value).digest() for value in values]
    if "digest" not in batch.schema.names:
        return [None] * batch.num_rows
    return [
        None if value is None else _digest(value, first + row)
        for row, value in enumerate(batch.column("digest").to_pylist())
    ]


def _digest(value: Any, row: int) -> bytes:
    raw = value
    if isinstance(value, str):
        try:
            raw = bytes.fromhex(value.removeprefix("sha256:"))
        except ValueError:
            raw = b""
    if not isinstance(raw, bytes) or len(raw) != DIGEST_BYTES:
        raise InvalidInputError(
            f"The digest of row {row} is no SHA-256.",
            remedy='Send 32 bytes, or "sha256:" and 64 hex digits.',
            path="digest",
        )
    return raw


def _kept_subjects(batch: pa.RecordBatch, first: int, keys: Pseudonymiser) -> pa.RecordBatch | None:
    if "subjects" not in batch.schema.names:
        return None
    lists = _cast(batch, pa.field("subjects", pa.list_(_SUBJECT)))
    links = pc.list_flatten(lists)
    if not len(links):
        return None
    ordinals = pc.list_parent_indices(lists).to_numpy().astype(np.uint32) + np.uint32(first)
    schemes, values = pc.struct_field(links, "scheme"), pc.struct_field(links, "value")
    lacking = pc.or_(pc.is_null(schemes), pc.is_null(values))
    if pc.any(lacking).as_py():
        row = ordinals[pc.index(lacking, True).as_py()]
        raise InvalidInputError(
            f"A subject of row {row} has no scheme or no value.",
            remedy="Send both, or leave the subject out.",
            path="subjects",
        )
    keyed = keys.subjects.keys_of_pairs(schemes, values)
    if keyed.refused:
        worst = keyed.refused[0]
        raise InvalidInputError(
            f"{worst.rows} subjects of scheme {worst.scheme[:40]!r} cannot be keyed, the first in "
            f"row {ordinals[worst.first_row]}: {worst.reason}",
            remedy=worst.remedy,
            path="subjects",
        )
    versions = np.full(len(keyed.keys), keyed.key_version, np.int32)
    return pa.record_batch(
        [pa.array(ordinals), keyed.keys, pa.array(versions)], schema=KEPT_SUBJECTS
    )


class _SeenIds:
    """Finds an example id that stands twice, in 8 bytes an id and a second look at the suspects."""

    def __init__(self) -> None:
        self._hashes: list[np.ndarray[Any, np.dtype[np.int64]]] = []

    def add(self, batch: pa.RecordBatch, first: int) -> None:
        """Remember the ids of a batch. Raises InvalidInputError for one that is too long."""
        if "example_id" not in batch.schema.names:
            return
        ids = _ids(batch)
        lengths = pc.binary_length(ids)
        longest = pc.max(lengths).as_py() or 0
        if longest > LONGEST_ID_BYTES:
            row = first + pc.index(lengths, longest).as_py()
            raise InvalidInputError(
                f"The example id of row {row} has {longest} bytes, over {LONGEST_ID_BYTES}.",
                remedy="Use a shorter id, such as a digest of this one.",
                path="example_id",
            )
        hashes = np.fromiter(map(hash, ids.drop_null().to_pylist()), np.int64)
        self._hashes.append(hashes)

    def check(self, source: Path, content_type: str) -> None:
        """Raise InvalidInputError where two rows have one id."""
        if not self._hashes:
            return
        hashes = np.concatenate(self._hashes)
        values, counts = np.unique(hashes, return_counts=True)
        suspects = set(values[counts > 1].tolist())
        if not suspects:
            return
        found: dict[str, int] = {}
        row = 0
        for batch in open_batches(source, content_type):
            for value in _ids(batch).to_pylist():
                if value is not None and hash(value) in suspects:
                    if value in found:
                        raise InvalidInputError(
                            f"The id {value[:80]!r} stands in rows {found[value]} and {row}.",
                            remedy="Give each example of a batch an id of its own.",
                            path="example_id",
                        )
                    found[value] = row
                row += 1


def _ids(batch: pa.RecordBatch) -> pa.Array:
    """The example ids as texts, whole numbers too. Raises InvalidInputError for another type."""
    return _cast(batch, pa.field("example_id", pa.large_string()))


def take_parents(source: Path, content_type: str, target: Path) -> int:
    """Write a parents object (`KEPT_PARENTS`) as Parquet; how many rows. Raises as above."""
    rows = 0
    with pq.ParquetWriter(target, KEPT_PARENTS, compression="zstd") as out:
        for batch in open_batches(source, content_type):
            for item in KEPT_PARENTS:
                if not item.nullable and item.name not in batch.schema.names:
                    raise InvalidInputError(
                        f"The column {item.name} is missing.",
                        remedy="Send example_id and parent_ids for each row.",
                        path=item.name,
                    )
            columns = [_cast(batch, item) for item in KEPT_PARENTS]
            for item, column in zip(KEPT_PARENTS, columns, strict=True):
                if column.null_count and not item.nullable:
                    raise InvalidInputError(
                        f"The column {item.name} has {column.null_count} nulls.",
                        remedy="Fill them: a row without parents has an empty list.",
                        path=item.name,
                    )
            out.write_batch(pa.record_batch(columns, schema=KEPT_PARENTS))
            rows += batch.num_rows
    return rows
