"""The address of an example: its batch and its ordinal in it, packed into 64 bits.

Rules:
1. An address is `batch << 32 | ordinal`; both are numbers from 0 to 2^32 - 1 (DESIGN §1.5). Sorted
   addresses are therefore sorted by batch, then by ordinal.
2. A batch is a half-open range of addresses; the range of the last batch ends at 2^64, which an
   address cannot reach, so ranges are given with both ends included.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from registry.ledger.positions import as_count, as_positions, as_whole_numbers, refused

Addresses: TypeAlias = npt.NDArray[np.uint64]

MOST = 2**32


def as_batch(value: object) -> int:
    """A batch number. Raises InvalidInputError unless it is a whole number below 2^32."""
    batch = as_count(value, "The batch number")
    if batch >= MOST:
        raise refused(f"The batch number {batch} is not below {MOST}.")
    return batch


def pack(batch: int, ordinals: object) -> Addresses:
    """The addresses of some ordinals of one batch, in their order; n uint64.

    Raises InvalidInputError for a batch or an ordinal outside 0 to 2^32 - 1.
    """
    rows = as_positions(ordinals, MOST, "ordinals").astype(np.uint64)
    return rows | np.uint64(as_batch(batch) << 32)


def unpack(addresses: Addresses) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """The batches and the ordinals of n addresses, each n uint32."""
    return (addresses >> np.uint64(32)).astype(np.uint32), addresses.astype(np.uint32)


def batch_range(batch: int) -> tuple[int, int]:
    """The first and the last address that the batch can have (rule 2)."""
    first = as_batch(batch) << 32
    return first, first + MOST - 1


def as_addresses(values: object) -> Addresses:
    """A set of addresses: sorted, unique, n uint64. Raises InvalidInputError for anything else."""
    array = as_whole_numbers(values, "addresses")
    if array.size and int(array.min()) < 0:
        raise refused(f"addresses holds {array.min()}, and no address is below 0.")
    unsorted: Addresses = array.astype(np.uint64, copy=False)
    if unsorted.size > 1 and not bool(np.all(unsorted[1:] > unsorted[:-1])):
        return np.unique(unsorted)
    return unsorted
