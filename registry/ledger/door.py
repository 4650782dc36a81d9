"""What the ledger asks before examples enter: which of them must not come in again.

Rules (the governance page, case 9; DESIGN §3):
1. An example is turned away for what it is: its content is suppressed, or one of its subjects is.
2. It keeps its ordinal, or maps and files would count wrongly, and loses everything else: no id, no
   digest, no subject of it enters the index. The event that named it is kept.
3. Who answers stands beside this room and is handed in; what was turned away is told to them in the
   transaction that binds the batch.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from sqlmodel import Session

from registry.storage.objects import Objects

Ordinals = npt.NDArray[np.uint32]
Chosen = npt.NDArray[np.bool_]
NOBODY = np.empty(0, np.uint32)


class Suppressed(Protocol):
    """What must not come in, at one moment."""

    def people(self, keys: pa.Array, versions: pa.Array) -> Chosen:
        """Which of n subject keys (with the version each is under) are suppressed."""

    def contents(self, digests: pa.Array) -> Chosen:
        """Which of n keyed digests are suppressed; a null is not."""


class Door(Protocol):
    """Who is asked, and told."""

    def suppressed(self) -> Suppressed | None:
        """What is suppressed now; None for nothing at all."""

    def turned_away(self, session: Session, number: int, ordinals: Ordinals, now: datetime) -> None:
        """These examples of a batch lost what they were. Does not commit."""


class OpenDoor:
    """Turns nobody away."""

    def suppressed(self) -> None:
        """Nothing is suppressed."""

    def turned_away(self, session: Session, number: int, ordinals: Ordinals, now: datetime) -> None:
        """Nobody is told."""


def find_suppressed(objects: Objects, examples: str, subjects: str, door: Door) -> Ordinals:
    """The ordinals of an examples object that must not come in, sorted; mostly none. `examples` and
    `subjects` name its two files.

    Cost: nothing where nothing is suppressed, else one pass over two columns.
    """
    suppressed = door.suppressed()
    if suppressed is None:
        return NOBODY
    found: list[Ordinals] = []
    source = objects.open(subjects)
    with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
        for batch in file.iter_batches(65_536):
            away = suppressed.people(batch.column("subject_key"), batch.column("key_version"))
            found.append(batch.column("ordinal").to_numpy()[away])
    first = 0
    source = objects.open(examples)
    with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
        for batch in file.iter_batches(65_536, columns=["digest"]):
            away = suppressed.contents(batch.column("digest"))
            found.append(np.flatnonzero(away).astype(np.uint32) + np.uint32(first))
            first += batch.num_rows
    return np.unique(np.concatenate(found)) if found else NOBODY


def without(batch: pa.RecordBatch, ordinals: Ordinals, away: Ordinals) -> pa.RecordBatch:
    """A batch of rows or links, of which those of ordinals in `away` lost all but their address
    (rule 2). `ordinals`: those of its rows.
    """
    gone = np.isin(ordinals, away)
    if not gone.any():
        return batch
    if "subject_key" in batch.schema.names:
        return batch.filter(pa.array(~gone))
    kept = pa.array(np.arange(len(gone)), mask=gone)
    columns = [
        column if name == "address" else column.take(kept)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.record_batch(columns, schema=batch.schema)
