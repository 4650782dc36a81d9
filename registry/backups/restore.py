"""Restores a backup into an empty database: catalog and keys in one transaction, marked.

Rules (DESIGN §6; the governance page, cases 8 and 15):
1. The file, the keys and the list of erasures are looked at first; what is refused changes nothing.
2. Only an empty database and an empty ledger are filled. Catalog, keys and the mark `restoration`
   appear in one transaction, so that there is never a half of them.
3. The schema becomes that of the backup, and is then brought to this program's. A newer one than
   this program knows is refused.
4. The keys come from key files. Every version that was live when the backup was made must be in
   them, and every version that the list's newer records need. What the backup knows to be destroyed
   is destroyed. A record key that no file holds stays as the row of a destroyed one.
5. While the mark stands, nothing is served; `registry.backups.finish` ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import Table, inspect
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.backups.archive import Checked, check_archive, damaged, each_member
from registry.backups.key_file import (
    KeyFile,
    RecordRow,
    VersionRow,
    merged,
    read_facts,
    read_key_file,
    standing,
)
from registry.backups.make import CATALOG, MANIFEST_KIND, RECORD_KEYS
from registry.backups.rows import count_on, defer_references, read_table, table_names, write_part
from registry.canonical import digest_text
from registry.erasure.execution.records import ErasureRecord, newer_than, open_payload
from registry.erasure.execution.replay import check_list, read_records
from registry.errors import ConflictError, MasterKeyError, SchemaOutdatedError
from registry.ids import fresh_id
from registry.keys.master import MasterKey
from registry.keys.tables import KEY_VERSION, KEYRING, RECORD_KEY, KeyState, Purpose
from registry.moments import from_micros
from registry.storage.backup_tables import RESTORATION
from registry.storage.database import Database
from registry.storage.migrate import alembic_config, schema_revisions, shipped_revisions
from registry.storage.objects import Objects
from registry.storage.restoring import Unfinished, unfinished_restore

#: Records this much older than the backup are replayed too: clocks of several machines differ.
MARGIN = timedelta(days=1)
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a restore will do, when everything was looked at.

    `ended`: versions of keys, by id, that must be destroyed again, and when they were first.
    `erasures`: where the list lies; None where an administrator said that nothing was erased.
    """

    checked: Checked
    schema: str
    made_at: datetime
    keys: KeyFile
    ended: Mapping[str, datetime]
    erasures: Objects | None

    @property
    def public_keys(self) -> set[bytes]:
        """The public halves of every signing key that is known."""
        return {row.public_key for row in self.keys.versions if row.public_key is not None}

    @property
    def erasures_url(self) -> str | None:
        """Where the list lies, as the mark keeps it."""
        return None if self.erasures is None else self.erasures.place

    def newer_records(self) -> list[ErasureRecord]:
        """The records that must be replayed. Raises NotVerifiedError."""
        if self.erasures is None:
            return []
        check_list(self.erasures, self.public_keys)
        records = read_records(self.erasures, self.public_keys)
        return newer_than(records, self.made_at - MARGIN)


def prepare(
    path: Path, key_files: Sequence[Path], master: MasterKey, erasures: Objects | None
) -> Plan:
    """Look at everything (rule 1).

    Raises NotFoundError, NotVerifiedError for a file or a list that is damaged, SchemaOutdatedError
    for a newer schema, MasterKeyError for keys that are missing. Cost: reads the whole file.
    """
    if not key_files:
        raise MasterKeyError(
            "A backup holds no keys, and no key file was named.",
            remedy="Name one that was made with or after the backup: --keys FILE.",
        )
    checked = check_archive(path)
    keys, ended = merged([read_key_file(each, master) for each in key_files])
    public = {row.public_key for row in keys.versions if row.public_key is not None}
    open_payload(checked.signed, MANIFEST_KIND, public, name=str(path))
    manifest = checked.manifest
    try:
        schema, made_at = str(manifest["schema"]), from_micros(manifest["made_at"])
        facts = [read_facts(each) for each in manifest["keys"]]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, "its manifest says less than it must") from error
    known, head = shipped_revisions()
    if schema not in known:
        raise SchemaOutdatedError(
            f"The backup {path} has schema {schema}, and this program knows up to {head}.",
            remedy="A newer program made it: install that one, and restore with it.",
        )
    plan = Plan(checked, schema, made_at, _with_facts(keys, facts, path), ended, erasures)
    _require_keys_of_records(plan)
    return plan


def _with_facts(keys: KeyFile, facts: Sequence[VersionRow], path: Path) -> KeyFile:
    """The keys, with what the backup knows of them (rule 4). Raises MasterKeyError."""
    held = {row.id: row for row in keys.versions}
    missing = [
        row.name
        for row in facts
        if row.state != KeyState.DESTROYED
        and not (row.purpose == Purpose.SIGNING and row.state == KeyState.RETIRING)
        and (row.id not in held or held[row.id].wrapped is None)
    ]
    if missing:
        raise MasterKeyError(
            f"The key files do not hold {', '.join(missing)}, which the backup {path} needs.",
            remedy="Name a key file that was made with the backup, too (--keys, several times).",
        )
    for row in facts:
        if row.state == KeyState.DESTROYED or row.id not in held:
            held[row.id] = replace(row, state=KeyState.DESTROYED.value)
    rows = [
        row if row.wrapped or row.destroyed_at else replace(row, destroyed_at=keys.made_at)
        for row in held.values()
    ]
    return replace(keys, versions=tuple(standing(rows)))


def _require_keys_of_records(plan: Plan) -> None:
    held = {row.id for row in plan.keys.versions if row.wrapped is not None}
    lost = [r for r in plan.newer_records() if not r.key_ids() <= held]
    if lost:
        raise MasterKeyError(
            f"{len(lost)} erasures since the backup, the first of {lost[0].at:%Y-%m-%d %H:%M} UTC, "
            "are recorded under subject keys that no key file holds.",
            remedy="Name a key file that was made after that day, too: --keys FILE, several times.",
        )


def begin(
    database: Database, ledger: Objects, plan: Plan, *, now: datetime, report: Report
) -> Unfinished:
    """Fill an empty database, or find the restore of the same file that was broken off.

    Raises ConflictError for a database or a ledger that holds something, NotVerifiedError for rows
    that do not fit. Effects: commits once.
    """
    found = _require_room(database, ledger, plan)
    if found is not None:
        return found
    with database.write() as session:
        defer_references(session)
        _migrate(session, plan.schema)
        _write_keys(session, plan)
        _fill(session, plan, report)
        _migrate(session, "head")
        mark = Unfinished(
            id=fresh_id(),
            backup_id=str(plan.checked.manifest["id"]),
            archive_digest=plan.checked.digest,
            made_at=plan.made_at,
            began_at=now,
            erasures=plan.erasures_url,
        )
        row = {name: getattr(mark, name) for name in Unfinished.__slots__}
        session.execute(RESTORATION.insert().values(row))
        facts = {"backup": mark.backup_id, "digest": digest_text(mark.archive_digest)}
        append_entries(session, [Entry(EntryKind.RESTORE_BEGUN, SYSTEM, facts)], at=now)
    return mark


def _require_room(database: Database, ledger: Objects, plan: Plan) -> Unfinished | None:
    """The restore to go on with; None for room for a new one (rule 2)."""
    revision, head = schema_revisions(database)
    with database.read() as session:
        tables = inspect(session.connection()).get_table_names()
        found = unfinished_restore(session) if revision == head else None
    if found is not None:
        _require_same(found, plan)
        return found
    if tables:
        raise ConflictError(
            f"The database holds {len(tables)} tables, and a backup is restored into an empty one.",
            remedy="Choose another home (--home) or database (REGISTRY_DATABASE_URL).",
        )
    kept = ("erasures/", "audit/checkpoints/")
    other = next((name for name in ledger.names("") if not name.startswith(kept)), None)
    if other is not None:
        raise ConflictError(
            f"The ledger at {ledger.url} holds {other}, and a backup needs an empty one.",
            remedy="Set REGISTRY_LEDGER_URL to another place, and name this one with --erasures.",
        )
    return None


def _require_same(found: Unfinished, plan: Plan) -> None:
    """Raise ConflictError unless the restore that broke off was this one."""
    if found.archive_digest != plan.checked.digest:
        raise ConflictError(
            f"This database is being restored from the backup {found.backup_id}, and "
            f"{plan.checked.path} is another.",
            remedy="Finish with the first file, or choose an empty home.",
        )
    if found.erasures != plan.erasures_url:
        raise ConflictError(
            f"This restore began with the list of erasures at {found.erasures or 'no place'}, and "
            f"{plan.erasures_url or 'none'} is another.",
            remedy="Give the same --erasures or --no-erasures-since, or choose an empty home.",
        )


def _migrate(session: Session, revision: str) -> None:
    from alembic import command

    command.upgrade(alembic_config(session.connection()), revision)


def _write_keys(session: Session, plan: Plan) -> None:
    keys = plan.keys
    head = {
        "id": 1,
        "check_value": keys.check_value,
        "revision": keys.revision + 1,
        "created_at": keys.created_at,
    }
    session.execute(KEYRING.insert().values(head))
    versions = [{n: getattr(row, n) for n in VersionRow.__slots__} for row in keys.versions]
    session.execute(KEY_VERSION.insert(), versions)
    records = [_row_of(record) for record in _record_rows(plan)]
    if records:
        session.execute(RECORD_KEY.insert(), records)


def _record_rows(plan: Plan) -> list[RecordRow]:
    """The record keys of the files, and the rows of those that only the backup knows (rule 4)."""
    held = {record.id: record for record in plan.keys.records}
    for name, _size, file in each_member(plan.checked):
        if name != RECORD_KEYS:
            continue
        with pa.ipc.open_stream(file.read()) as reader:
            for fact in reader.read_all().to_pylist():
                ended = fact["destroyed_at"]
                if ended is None and fact["id"] in held:
                    continue
                held[fact["id"]] = RecordRow(
                    id=fact["id"],
                    wrapped_by=fact["wrapped_by"],
                    wrapped=None,
                    created_at=from_micros(fact["created_at"]),
                    destroyed_at=plan.keys.made_at if ended is None else from_micros(ended),
                )
        break
    return list(held.values())


def _row_of(record: RecordRow) -> dict[str, Any]:
    return {name: getattr(record, name) for name in RecordRow.__slots__}


def _fill(session: Session, plan: Plan, report: Report) -> None:
    """Insert every row of the catalog. Raises NotVerifiedError where they do not fit."""
    path, said = plan.checked.path, plan.checked.manifest["tables"]
    connection = session.connection()
    tables: dict[str, Table] = {n: read_table(connection, n) for n in table_names(connection)}
    counts = dict.fromkeys(tables, 0)
    for name, _size, file in each_member(plan.checked):
        if name == RECORD_KEYS:
            break  # the catalog lies before it
        if not name.startswith(CATALOG):
            continue
        table = name.removeprefix(CATALOG).partition("/")[0]
        if table not in tables:
            raise damaged(path, f"its schema {plan.schema} has no table {table}")
        try:
            counts[table] += write_part(session, tables[table], file.read())
        except (pa.ArrowException, msgspec.MsgspecError, ValueError) as error:
            raise damaged(path, f"the rows in {name} cannot be taken") from error
        report(f"{counts[table]:,} rows of {table}")
    if counts != {name: said.get(name, 0) for name in counts}:
        raise damaged(path, "it holds other numbers of rows than its manifest says")
    count_on(session, list(tables.values()))
