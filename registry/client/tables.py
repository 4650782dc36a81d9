"""Takes in tables and columns of the libraries that pipelines use, as Arrow.

Rules:
1. numpy, pandas, polars, Arrow, Hugging Face `datasets` and plain Python are taken; none of them is
   imported here unless the value is one of theirs, because then it is loaded already.
2. Only the columns that are asked for are touched, and the order of rows is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from registry.errors import InvalidInputError

_KINDS = (
    "an Arrow table, a pandas or polars DataFrame, a Hugging Face Dataset, a mapping of columns, "
    "a list of dictionaries, or a structured numpy array"
)


def is_of(value: object, module: str, *names: str) -> bool:
    """Whether `value` is of one of these classes of a library that may not be loaded."""
    loaded = sys.modules.get(module)
    kinds = tuple(filter(None, (getattr(loaded, name, None) for name in names)))
    return bool(kinds) and isinstance(value, kinds)


def column_names(value: Any) -> list[str]:
    """The columns of a table. Raises InvalidInputError for what is no table."""
    if is_of(value, "datasets", "Dataset") or is_of(value, "pyarrow", "Table"):
        return [str(name) for name in value.column_names]
    if is_of(value, "pyarrow", "RecordBatch"):
        return [str(name) for name in value.schema.names]
    if is_of(value, "pandas", "DataFrame") or is_of(value, "polars", "DataFrame"):
        return [str(name) for name in value.columns]
    if isinstance(value, Mapping) and not is_of(value, "datasets", "DatasetDict"):
        return [str(name) for name in value]
    if _is_structured(value):
        return [str(name) for name in value.dtype.names]
    if _is_rows(value):
        return list(dict.fromkeys(str(name) for row in value for name in row))
    raise _no_table(value)


def row_count(value: Any) -> int:
    """The rows of a table. Raises InvalidInputError for what is no table."""
    if is_of(value, "pyarrow", "Table", "RecordBatch") or is_of(value, "datasets", "Dataset"):
        return int(value.num_rows)
    if is_of(value, "pandas", "DataFrame") or is_of(value, "polars", "DataFrame"):
        return len(value)
    if _is_structured(value) or _is_rows(value):
        return len(value)
    if isinstance(value, Mapping) and not is_of(value, "datasets", "DatasetDict"):
        return max((len(column) for column in value.values()), default=0)
    raise _no_table(value)


def as_table(value: Any, columns: Collection[str]) -> Any:
    """These columns of a table, as a pyarrow Table. Raises InvalidInputError for what is none.

    `columns` must be there (`column_names`). Cost: that of converting them; Arrow is not copied.
    """
    import pyarrow as pa

    wanted = [name for name in column_names(value) if name in columns]
    try:
        if is_of(value, "datasets", "Dataset"):
            return _of_huggingface(value, wanted)
        if isinstance(value, pa.Table):
            return value.select(wanted)
        if isinstance(value, pa.RecordBatch):
            return pa.Table.from_batches([value]).select(wanted)
        if is_of(value, "pandas", "DataFrame"):
            return pa.Table.from_pandas(value[wanted], preserve_index=False)
        if is_of(value, "polars", "DataFrame"):
            return value.select(wanted).to_arrow()
        if isinstance(value, Mapping):
            return pa.table({name: as_array(value[name], name) for name in wanted})
        if _is_structured(value):
            return pa.table({name: pa.array(value[name]) for name in wanted})
        return pa.table({name: [row.get(name) for row in value] for name in wanted})
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidInputError(
            f"The table of {row_count(value)} rows cannot be taken as Arrow: {error}.",
            remedy="Give columns of one length and one type each.",
        ) from error


def as_array(value: Any, what: str) -> Any:
    """A column as a pyarrow Array. Raises InvalidInputError, naming `what`, for what is none."""
    import pyarrow as pa

    try:
        if isinstance(value, pa.ChunkedArray):
            return value.combine_chunks()
        if isinstance(value, pa.Array):
            return value
        if is_of(value, "polars", "Series"):
            return as_array(value.to_arrow(), what)
        if is_of(value, "pandas", "Series", "Index"):
            return as_array(pa.Array.from_pandas(value), what)
        if isinstance(value, str | bytes | Mapping):
            raise TypeError(f"it is {type(value).__name__}")
        found = pa.array(value if _is_sized(value) else list(value))
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidInputError(
            f"{what} cannot be taken as a column: {error}.",
            remedy="Give a numpy array, an Arrow array, a pandas or polars series, or a list.",
        ) from error


def _of_huggingface(value: Any, wanted: list[str]) -> Any:
    import pyarrow as pa

    if not wanted:
        return pa.table({})
    chosen = value.select_columns(wanted).with_format("arrow")
    found = chosen[:]
    # Features such as ClassLabel leave their description in the metadata; only values are wanted.
    return found.replace_schema_metadata(None)


def _is_sized(value: object) -> bool:
    return isinstance(value, Sequence) or hasattr(value, "__array__")


def _is_structured(value: Any) -> bool:
    return is_of(value, "numpy", "ndarray") and value.dtype.names is not None and value.ndim == 1


def _is_rows(value: Any) -> bool:
    return isinstance(value, Sequence) and all(isinstance(row, Mapping) for row in value)


def _no_table(value: object) -> InvalidInputError:
    if is_of(value, "polars", "LazyFrame"):
        return InvalidInputError(
            "A polars LazyFrame has no rows yet.", remedy="Call collect() on it first."
        )
    if is_of(value, "datasets", "IterableDataset", "IterableDatasetDict"):
        return InvalidInputError(
            "A streaming dataset has no rows to count, and its steps are not captured.",
            remedy="Load it without streaming=True, or give the rows that were written.",
        )
    if is_of(value, "datasets", "DatasetDict"):
        return InvalidInputError(
            "A DatasetDict is several datasets.", remedy="Write each of its splits by itself."
        )
    return InvalidInputError(
        f"{type(value).__module__}.{type(value).__qualname__} is no table that is known here.",
        remedy=f"Give {_KINDS}.",
    )
