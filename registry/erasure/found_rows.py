"""Reads rows of the example index at many addresses, scattered or dense.

Rules:
1. Scattered addresses are asked for by number; a batch of which much is wanted is read through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.erasure.sets import Sets, as_addresses

if TYPE_CHECKING:
    import pyarrow as pa

    from registry.ledger.index import ExampleIndex


def rows_at(index: ExampleIndex, sets: Sets, columns: Sequence[str]) -> pa.Table:
    """The examples of a set, sorted by address; those not there are left out."""
    return index.rows(as_addresses(sets), columns)


def subjects_at(index: ExampleIndex, sets: Sets) -> pa.Table:
    """The subject keys at the examples of a set, sorted by address."""
    return index.subjects_of(as_addresses(sets))
