"""Looks for identifiers of people in texts, in the pipeline itself, so that no text travels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from registry.client.subjects import Part, subjects_found
from registry.errors import InvalidInputError
from registry.pii.columns import ColumnScan, scan_column
from registry.pii.identifiers import IdentifierKind, subject_of

_TEXT = pa.string()


def scan(table: pa.Table, columns: Sequence[str]) -> tuple[pa.Array, list[Part], list[str]]:
    """What the texts of these columns hold.

    Gives the kinds found in each row (list<string>, sorted), the subjects found, and the kinds
    that were looked for. Raises InvalidInputError, naming the column, for one without texts.
    """
    kinds: dict[int, set[str]] = {}
    found: dict[tuple[int, str, str], None] = {}
    for name in columns:
        for row, hits in _scanned(table, name).found.items():
            kinds.setdefault(row, set()).update(hit.kind.value for hit in hits)
            for subject in filter(None, map(subject_of, hits)):
                found[(row, *subject)] = None
    counts = np.zeros(table.num_rows + 1, np.int32)
    for row, names in kinds.items():
        counts[row + 1] = len(names)
    flat = [name for _, names in sorted(kinds.items()) for name in sorted(names)]
    lists = pa.ListArray.from_arrays(pa.array(counts.cumsum(dtype=np.int32)), pa.array(flat, _TEXT))
    return lists, subjects_found(list(found)), [kind.value for kind in IdentifierKind]


def _scanned(table: pa.Table, name: str) -> ColumnScan:
    try:
        return scan_column(table.column(name))
    except InvalidInputError as error:
        raise InvalidInputError(
            f"The column {name} cannot be scanned. {error.detail}", remedy=error.remedy
        ) from error
