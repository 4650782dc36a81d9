"""What the closure of a person's examples asks, whoever answers: the ledger, or a test's memory.

Rules:
1. A world holds bound batches up to a limit; what arrived later is not in it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from registry.erasure.scope.sets import Addresses, Sets
from registry.ledger.batches import MapNode
from registry.ledger.closure import OpensMaps


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch as the closure sees it. `rows` None: nobody counted them."""

    number: int
    rows: int | None
    maps: tuple[MapNode, ...]
    is_model: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """Examples with a recorded digest: n addresses (uint64), n digests (S32), n bytes (int64, -1
    where nobody said, or said it of data that was collected later).
    """

    addresses: Addresses
    digests: npt.NDArray[np.bytes_]
    sizes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class Output:
    """A dataset that a run wrote, of which no batch is known."""

    run_id: bytes
    dataset_id: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """A run that read something, and one thing that it wrote without a map from it.

    It read `batches` (numbers) or `outputs`; it wrote the batch `target`, or `output` where none is
    known, or the model `output`. `saw`: it surely read one of the batches; else that is unknown.
    """

    batches: tuple[int, ...]
    outputs: tuple[Output, ...]
    run_id: bytes
    job: str
    dataset_id: bytes
    target: int | None
    output: Output
    is_model: bool
    saw: tuple[int, ...]


class World(OpensMaps, Protocol):
    """Everything the closure asks; answers are about bound batches up to a limit alone."""

    def batches(self, numbers: Collection[int]) -> Mapping[int, Seen]:
        """Those of these batches that count."""

    def outputs(self, numbers: Collection[int]) -> Mapping[int, list[int]]:
        """For each batch, those that a map leads to from it."""

    def contents_of(self, sets: Sets) -> Contents:
        """Those of these examples that have a digest."""

    def same_contents(
        self, digests: npt.NDArray[np.bytes_]
    ) -> tuple[npt.NDArray[np.int64], Addresses]:
        """All examples with one of these digests that count for the request: the place of the
        digest in `digests`, and the address; n each.
        """

    def of_others(self, sets: Sets) -> Sets:
        """Those of these examples at which a person stands who did not ask."""

    def steps_after(self, numbers: Collection[int], outputs: Collection[Output]) -> list[Step]:
        """The steps without a map of runs that read one of these, or may have."""
