"""Answers the ledger's question which examples must not come in again, and records who was.

Rules (the governance page, case 9):
1. What is suppressed is read when a batch is bound, so an erasure after the upload counts.
2. An example that was turned away is restricted in its batch, so that no manifest names it, and a
   violation says that its producer sent it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.tables import NameOwner
from registry.catalog.version_tables import BatchNumber
from registry.clock import Clock
from registry.keys.keyring import Keyring
from registry.rights.ordinals import Ordinals
from registry.rights.restrictions import TURNED_AWAY, Marked, restrict_examples
from registry.rights.suppression import (
    Suppressed,
    any_suppressed,
    read_suppressed,
    under_active_version,
)
from registry.rights.violations import Breach, raise_violation
from registry.storage.columns import table_of
from registry.storage.database import Database

if TYPE_CHECKING:
    import pyarrow as pa

KIND = "suppressed_example_sent_again"
_number, _owner = table_of(BatchNumber), table_of(NameOwner)
Chosen = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SuppressedColumns:
    """What is suppressed, asked of whole columns."""

    known: Suppressed
    keyring: Keyring

    def people(self, keys: pa.Array, versions: pa.Array) -> Chosen:
        """Which of n subject keys are suppressed; those of older versions are translated."""
        found = np.zeros(len(keys), np.bool_)
        under = versions.to_numpy(zero_copy_only=False)
        for version in np.unique(under).tolist():
            at = np.flatnonzero(under == version)
            some: list[Any] = keys.take(_array(at)).to_pylist()
            now = under_active_version(self.keyring, {version: some})
            found[at] = [key in self.known.subject_keys for key in now]
        return found

    def contents(self, digests: pa.Array) -> Chosen:
        """Which of n keyed digests are suppressed."""
        if not self.known.digests:
            return np.zeros(len(digests), np.bool_)
        held = self.known.digests
        return np.fromiter((each in held for each in digests.to_pylist()), np.bool_, len(digests))


@dataclass(frozen=True, slots=True)
class SuppressionDoor:
    """Asks the suppression list, and records what was turned away."""

    database: Database
    keyring: Keyring
    clock: Clock

    def suppressed(self) -> SuppressedColumns | None:
        """What is suppressed now; None for nothing at all."""
        now = self.clock()
        with self.database.read() as session:
            if not any_suppressed(session, at=now):
                return None
            return SuppressedColumns(read_suppressed(session, self.keyring, at=now), self.keyring)

    def turned_away(self, session: Session, number: int, ordinals: Ordinals, now: datetime) -> None:
        """Restrict these examples and say so (rule 2).

        Effects: rows, entries in the journal; does not commit.
        """
        marked = Marked(number, ordinals)
        restrict_examples(session, [marked], reason=TURNED_AWAY, actor=SYSTEM, now=now)
        batch = session.execute(
            select(_number.c.dataset_id, _owner.c.project_id)
            .outerjoin(_owner, _owner.c.entity_id == _number.c.dataset_id)
            .where(_number.c.number == number)
        ).one_or_none()
        breach = Breach(
            kind=KIND,
            sameness=f"{KIND}/{number}",
            detail=f"{len(ordinals)} examples of batch {number} were erased before and sent again.",
            project_id=None if batch is None else batch.project_id,
            dataset_id=None if batch is None else batch.dataset_id,
            batch_number=number,
            facts={"examples": len(ordinals)},
        )
        raise_violation(session, breach, actor=SYSTEM, now=now)
        facts = {"batch": number, "examples": len(ordinals)}
        append_entries(session, [Entry(EntryKind.EXAMPLES_SUPPRESSED, SYSTEM, facts)], at=now)


def _array(places: npt.NDArray[np.int64]) -> pa.Array:
    import pyarrow as pa

    return pa.array(places)
