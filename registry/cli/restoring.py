"""Puts together what a restore needs: an empty registry, its keys, and the list of erasures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import MasterKeyError, NotFoundError, SetupError
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.backups.finish import Restored
    from registry.erasure.execution.replay import Doors
    from registry.keys.master import MasterKey
    from registry.request import House
    from registry.storage.objects import Objects


def restore_into(
    settings: Settings,
    file: Path,
    keys: Sequence[Path],
    erasures: Objects | None,
    *,
    doors: Callable[[House], Doors] | None = None,
    report: Callable[[str], None] = lambda _said: None,
) -> Restored:
    """Restore a backup into the empty registry of these settings, which the caller holds alone.

    `erasures`: the list that counts (`list_of`); `doors`: how the restored house erases, unless as
    it always does. Raises the
    errors of `registry.backups.restore.prepare`, `begin` and `registry.backups.finish.finish`.
    """
    from registry.app import close_house, ledger_place, open_house
    from registry.backups.finish import Target, finish
    from registry.backups.restore import begin, prepare
    from registry.clock import system_clock
    from registry.erasure.execution.again import doors_of
    from registry.storage.database import Database
    from registry.storage.objects import Objects

    plan = prepare(file, keys, master_key(settings), erasures)
    where = ledger_place(settings)
    database = Database(settings.database, lock_timeout_seconds=settings.lock_timeout_seconds)
    try:
        ledger = Objects(where.url, where.storage_options)
        mark = begin(database, ledger, plan, now=system_clock(), report=report)
    finally:
        database.close()
    house = open_house(settings, restoring=True)
    try:
        target = Target(
            house.database, house.ledger.store, house.keyring, house.rotation, house.clock
        )
        own = doors_of(house.database, house.ledger, house.turns, house.clock)
        return finish(target, plan, mark, own if doors is None else doors(house), report)
    finally:
        close_house(house)


def list_of(settings: Settings, given: str | None, *, nothing_since: bool) -> Objects | None:
    """The list of erasures that counts; None where it was said that nothing was erased.

    Raises SetupError where nobody said, NotFoundError for a folder that is not there.
    """
    from registry.app import ledger_place
    from registry.erasure.execution.replay import has_list
    from registry.storage.objects import Objects, local_folder, options_for

    if nothing_since:
        return None
    if given is not None:
        folder = local_folder(given)
        if folder is not None and not folder.is_dir():
            raise NotFoundError(
                f"There is no folder {folder}.", remedy="Name the folder of the ledger in use."
            )
        return Objects(given, options_for(given, dict(settings.storage_options)))
    where = ledger_place(settings)
    own = Objects(where.url, where.storage_options)
    if has_list(own):
        return own
    raise SetupError(
        f"There is no list of erasures at {where.url}, so what was erased since is unknown.",
        remedy="Name the ledger that was in use (--erasures PLACE); if it is lost, and nothing was "
        "erased after the backup, say so: --no-erasures-since.",
    )


def master_key(settings: Settings) -> MasterKey:
    """The master key of these settings. Raises MasterKeyError where there is none."""
    from registry.keys.master import MASTER_KEY_FILE, read_master_key

    master = read_master_key(settings)
    if master is None:
        raise MasterKeyError(
            f"There is no master key at {settings.home / MASTER_KEY_FILE}.",
            remedy="Put the registry's master key there (mode 0600), or set REGISTRY_MASTER_KEY.",
        )
    return master
