"""Puts the identifiers of people beside the examples they belong to, as Arrow lists.

A subject travels as (scheme, value) and becomes a subject key on arrival; nothing keeps the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.errors import InvalidInputError

SCHEMES = ("email", "phone", "account", "national_id", "url", "external")
SUBJECT = pa.struct([pa.field("scheme", pa.string()), pa.field("value", pa.string())])
SUBJECTS = pa.list_(SUBJECT)

# Rows (n int64), schemes and values (n each).
Part = tuple[npt.NDArray[np.int64], Any, Any]


def subjects_of_columns(table: pa.Table, columns: Mapping[str, str]) -> list[Part]:
    """The subjects in columns: rows, schemes and values of each `{scheme: column}`.

    A column holds one value or a list of values for each row; missing and empty ones are none.
    Raises InvalidInputError for an unknown scheme, or a column that holds no texts or numbers.
    """
    return [_of_column(table.column(name), scheme, name) for scheme, name in columns.items()]


def subjects_of_lists(column: pa.ChunkedArray) -> list[Part]:
    """The subjects of a column that is list<struct<scheme, value>> already."""
    try:
        lists = column.combine_chunks().cast(SUBJECTS)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInputError(
            f"The column subjects of type {column.type} is no list of scheme and value.",
            remedy="Give list<struct<scheme: string, value: string>>, or say {scheme: column}.",
        ) from error
    values = pc.list_flatten(lists)
    _check_schemes(pc.unique(pc.struct_field(values, "scheme")).to_pylist())
    rows = np.asarray(pc.list_parent_indices(lists), dtype=np.int64)
    return [(rows, pc.struct_field(values, "scheme"), pc.struct_field(values, "value"))]


def subjects_found(found: Sequence[tuple[int, str, str]]) -> list[Part]:
    """The subjects that a scan found: (row, scheme, value)."""
    if not found:
        return []
    rows, schemes, values = zip(*found, strict=True)
    return [(np.array(rows, np.int64), pa.array(schemes), pa.array(values))]


def join_subjects(parts: Sequence[Part], rows: int) -> pa.Array:
    """One list for each of `rows` rows: the subjects of all parts, those of a row in order."""
    if not parts:
        return pa.array([[]] * rows, SUBJECTS)
    owners = np.concatenate([part[0] for part in parts])
    order = np.argsort(owners, kind="stable")
    schemes = pa.concat_arrays([part[1].cast(pa.string()) for part in parts])
    values = pa.concat_arrays([part[2].cast(pa.string()) for part in parts])
    pairs = pa.StructArray.from_arrays([schemes, values], fields=list(SUBJECT))
    counts = np.bincount(owners, minlength=rows)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pairs.take(pa.array(order)), type=SUBJECTS)


def _of_column(column: pa.ChunkedArray, scheme: str, name: str) -> Part:
    _check_schemes([scheme])
    array = column.combine_chunks()
    rows: Any = np.arange(len(array), dtype=np.int64)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        rows = np.asarray(pc.list_parent_indices(array), dtype=np.int64)
        array = pc.list_flatten(array)
    try:
        texts = array.cast(pa.string())
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInputError(
            f"The column {name} of type {column.type} holds no {scheme} of a person.",
            remedy="Name a column of texts or whole numbers, or of lists of them.",
        ) from error
    present = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(texts), ""), False)
    kept = texts.filter(present)
    return rows[present.to_numpy(zero_copy_only=False)], pa.repeat(scheme, len(kept)), kept


def _check_schemes(schemes: Sequence[str | None]) -> None:
    for scheme in schemes:
        if scheme not in SCHEMES:
            raise InvalidInputError(
                f"{scheme!r} is no subject scheme.", remedy=f"Use one of {', '.join(SCHEMES)}."
            )
