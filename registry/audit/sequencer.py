"""Gives entries their places in the tree, signs the tree, and keeps what was signed elsewhere too.

Rules:
1. Whatever has no place yet (`leaf_index IS NULL`) gets one, in the order of ids, in a transaction
   that holds the log's turn: never "everything after the last id", which would pass over entries
   whose transaction ended late. Entries from before there was a tree are taken in the same way.
2. Places and tiles are one transaction, the signed checkpoint is the next, keeping it outside is
   the third step. Ending between any two leaves work for the next round and nothing else.
3. A round that finds nothing to do costs one look-up. The first round of a process always compares
   what is kept outside with the database, so that a restored one is noticed at the start.
"""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from registry.audit.kept import KeptCheckpoints, block_of
from registry.audit.merkle import leaf_hash
from registry.audit.signing import Signed, latest_checkpoint, sign_tree
from registry.audit.tables import ENTRY
from registry.audit.tree import append_leaves, take_turn, tree_size
from registry.clock import Clock
from registry.errors import TamperedError
from registry.keys.keyring import Keyring
from registry.keys.tables import Purpose
from registry.storage.database import Database
from registry.storage.objects import Objects

ENTRIES_AT_ONCE = 2_000
_ORIGINS_AT_ONCE = 3


class AuditLog:
    """The sequencer of one registry; any number of processes may have one. Thread-safe.

    `actor` is the account id that entries of the log itself carry.
    """

    def __init__(
        self, database: Database, objects: Objects, keyring: Keyring, clock: Clock, *, actor: str
    ) -> None:
        self._database = database
        self.keyring = keyring
        self.clock = clock
        self._actor = actor
        self._round = threading.Lock()
        self._is_settled = False
        self.kept = KeptCheckpoints(objects)

    def turn(self) -> None:
        """One round, as a server does every second; nothing where another round is running.

        Raises StorageUnavailableError where database or ledger do not take the work; what is left
        is done in a later round. Effects: commits.
        """
        if not self._round.acquire(blocking=False):
            return
        try:
            self._work(at_once=True)
        finally:
            self._round.release()

    def catch_up(self) -> Signed:
        """Give every entry that is committed now its place, and sign; the checkpoint over them.

        Raises as `turn`. Effects: commits.
        """
        with self._round:
            self._is_settled = False
            signed = self._work(at_once=False)
        if signed is None:
            raise AssertionError("a round that is not settled signs")
        return signed

    def _work(self, *, at_once: bool) -> Signed | None:
        if self._sequence(at_once=at_once) == 0 and self._is_settled:
            return None
        self._is_settled = False
        signed = self._sign(at_once=at_once)
        self._is_settled = True
        return signed

    def _sequence(self, *, at_once: bool) -> int:
        """Give every waiting entry its place (rule 1); how many those were."""
        placed = 0
        while self._is_waiting():
            count = self._database.transact(place_some, at_once=at_once)
            placed += count
            if count == 0:
                break
        return placed

    def _is_waiting(self) -> bool:
        with self._database.read() as session:
            return session.execute(_waiting.limit(1)).first() is not None

    def _sign(self, *, at_once: bool) -> Signed:
        for _ in range(_ORIGINS_AT_ONCE):
            with self._database.read() as session:
                known = latest_checkpoint(session)
            place = (0, 0) if known is None else (known.number, block_of(known.size))
            kept = self.kept.newest(known=place)
            keys = self.keyring.versions(Purpose.SIGNING)
            active = self.keyring.active(Purpose.SIGNING)
            ordered = [active, *(key for key in keys if key is not active)]
            now = self.clock()
            signed = self._database.transact(
                lambda session: sign_tree(session, kept, ordered, actor=self._actor, now=now),  # noqa: B023 - called at once
                at_once=at_once,
            )
            if signed is not None:
                if kept is None or kept.note != signed.note:
                    self.kept.keep(signed.number, signed.size, signed.note)
                return signed
            self._sequence(at_once=at_once)
        raise AssertionError("a new origin fits everything that is kept")


def place_some(session: Session) -> int:
    """Give some waiting entries, the oldest, their places; how many. Effects: does not commit.

    Raises TamperedError where the stored tree does not fit the places that are given already.
    """
    take_turn(session)
    size = tree_size(session)
    rows = session.execute(_waiting.limit(ENTRIES_AT_ONCE)).all()
    if not rows:
        return 0
    last = session.execute(select(func.max(ENTRY.c.leaf_index))).scalar_one()
    if last is not None and last >= size:
        raise TamperedError(
            f"The stored tree of the audit log has {size} entries, and place {last} is taken.",
            remedy="Rows of the table audit_tile were changed; registry audit verify says more.",
        )
    _place(session, [row.id for row in rows], size)
    append_leaves(session, size, [leaf_hash(row.leaf_data) for row in rows])
    return len(rows)


def _place(session: Session, ids: list[int], first: int) -> None:
    """Number these entries from `first` on, in one statement on PostgreSQL."""
    connection = session.connection()
    places = list(range(first, first + len(ids)))
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        update = "UPDATE audit_entry SET leaf_index = ? WHERE id = ?"
        driver.executemany(update, zip(places, ids, strict=True))
        return
    connection.exec_driver_sql(
        "UPDATE audit_entry SET leaf_index = wanted.place "
        "FROM unnest(%s::bigint[], %s::bigint[]) AS wanted(place, of) WHERE id = wanted.of",
        (places, ids),
    )


_waiting = select(ENTRY.c.id, ENTRY.c.leaf_data).where(ENTRY.c.leaf_index.is_(None))
_waiting = _waiting.order_by(ENTRY.c.id)
