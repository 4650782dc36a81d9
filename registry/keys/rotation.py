"""Rotates keys of a running registry: a new version at once, the old one's work moved after it.

Rules (DESIGN §2; governance cases, 15):
1. Rotating makes a new version, which is written under at once, and queues the task that moves what
   is under the old ones. Until it is done, look-ups take every live version.
2. The task goes on where it was stopped, and comes again while anything is left, because somebody
   may still have written under the old version in the second before they noticed.
3. Only destroying waits: until every place says that nothing is left under the version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlmodel import Session

from registry.clock import Clock
from registry.errors import ConflictError
from registry.keys.destruction import HoldsKeys, destroy_version
from registry.keys.holders import HoldsSubjectKeys, Progress, RecordKeys
from registry.keys.keyring import KEPT, Key, Keyring
from registry.keys.subjects import translator
from registry.keys.tables import NOT_IN_BACKUPS, KeyState, Purpose
from registry.keys.versions import Record, add_version
from registry.storage.database import Database
from registry.storage.queue import TaskKind, put_task
from registry.storage.residue import scrub_residue

#: The task that moves what is under the retiring versions of a purpose.
TASK_OF: dict[Purpose, TaskKind] = {
    Purpose.SUBJECT: TaskKind.SUBJECT_KEYS_ROTATE,
    Purpose.DATA: TaskKind.DATA_KEYS_ROTATE,
}
_AGAIN_AFTER = timedelta(minutes=1)
#: Told how far a task is, in words; raises to stop it.
Report = Callable[[str], None]


class Rotation:
    """The places that hold keys, and what is done to all of them together."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        subject_holders: Sequence[HoldsSubjectKeys] = (),
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._subject_holders = tuple(subject_holders)
        self._record_keys = RecordKeys(database, keyring)

    def begin(self, session: Session, purpose: Purpose, *, record: Record) -> int:
        """Make a new active version and queue the task (rule 1); its number.

        Raises ConflictError for a purpose with one version for ever. Effects: rows; does not
        commit. Processes notice within a second of the commit.
        """
        version = add_version(
            session, self._keyring.master, purpose, now=self._clock(), record=record
        )
        self.queue(session, purpose, delay=2 * KEPT)
        return version

    def queue(self, session: Session, purpose: Purpose, *, delay: timedelta = _AGAIN_AFTER) -> None:
        """Queue the task of a purpose, unless it waits already or the purpose needs none."""
        kind = TASK_OF.get(purpose)
        if kind is not None:
            put_task(session, kind, {}, now=self._clock(), dedupe_key=kind, delay=delay)

    def remaining(self, purpose: Purpose) -> dict[int, dict[str, int]]:
        """For every version but the active one: what is left where. Cost: counts every place.

        Something left under a *destroyed* version came with a restored backup, and nobody can find
        it by its person: say so, and count it as not searched.
        """
        return {
            key.version: {each.name: each.remaining(key.version) for each in self._holders(purpose)}
            for key in self._keyring.versions(purpose)
            if key.state is not KeyState.ACTIVE
        }

    def is_finished(self, purpose: Purpose) -> bool:
        """Whether nothing is left under retiring versions. Cost: counts every place."""
        self._keyring.refresh()
        return not any(
            each.remaining(old.version)
            for old in self._keyring.live(purpose)[1:]
            for each in self._holders(purpose)
        )

    def move(self, purpose: Purpose, report: Report) -> dict[str, int]:
        """Move what is under retiring versions to the active one; how much in each place.

        The work of the tasks; may stop and start again anywhere. Effects: commits chunk by chunk.
        """
        self._keyring.refresh()
        new, *retiring = self._keyring.live(purpose)
        moved = {each.name: 0 for each in self._holders(purpose)}
        for old in reversed(retiring):
            for name, move in self._moves(purpose):

                def progress(count: int, what: str = f"{name}: {old.name} to {new.name}") -> None:
                    report(f"{what}, {count} moved")

                moved[name] += move(old, new, progress)
        return moved

    def destroy(self, purpose: Purpose, version: int, *, record: Record) -> bool:
        """Destroy a retiring version under which nothing is left; whether its bytes are gone.

        False says that the database was too busy to scrub its own files: call it again. Raises as
        `registry.keys.destruction.destroy_version`; where something is left, the task is queued
        again. Effects: commits. Cost: counts every place while nobody else writes.
        """

        def destroy(session: Session) -> None:
            destroy_version(
                session,
                purpose,
                version,
                self._holders(purpose),
                now=self._clock(),
                record=record,
            )

        try:
            self._database.transact(destroy)
        except ConflictError:
            if self._is_retiring(purpose, version):
                now = timedelta()
                self._database.transact(lambda session: self.queue(session, purpose, delay=now))
            raise
        self._keyring.refresh()
        return scrub_residue(self._database, NOT_IN_BACKUPS)

    def _is_retiring(self, purpose: Purpose, version: int) -> bool:
        self._keyring.refresh()
        return version in [key.version for key in self._keyring.live(purpose)[1:]]

    def _holders(self, purpose: Purpose) -> Sequence[HoldsKeys]:
        match purpose:
            case Purpose.SUBJECT:
                return self._subject_holders
            case Purpose.DATA:
                return (self._record_keys,)
            case Purpose.SIGNING | Purpose.ROOT | Purpose.DIGEST:
                return ()

    def _moves(self, purpose: Purpose) -> Sequence[tuple[str, _Move]]:
        if purpose is Purpose.DATA:
            return [(self._record_keys.name, _rewrap(self._record_keys))]
        if purpose is Purpose.SUBJECT:
            return [(each.name, _rekey(each)) for each in self._subject_holders]
        return []


_Move = Callable[[Key, Key, Progress], int]


def _rekey(holder: HoldsSubjectKeys) -> _Move:
    def move(old: Key, new: Key, progress: Progress) -> int:
        return holder.rekey(old.version, new.version, translator(old, new), progress)

    return move


def _rewrap(holder: RecordKeys) -> _Move:
    def move(old: Key, new: Key, progress: Progress) -> int:
        return holder.rewrap(old.version, new.version, progress)

    return move
