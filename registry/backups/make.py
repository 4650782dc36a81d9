"""Makes a backup of catalog and ledger, without keys, beside whoever works on them.

Rules (DESIGN §6; the governance page, cases 8 and 15):
1. The catalog is one consistent snapshot; the ledger is copied after it (`ledger_copy`, rule 1).
   The backup shows the moment before the snapshot began, so that whatever was erased later is newer
   than it.
2. Of keys it holds which there were, never the keys. They have a file of their own (`key_file`).
3. Before anything is copied the list beside the ledger is made complete, so that a restore finds
   what is newer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import Connection, select, text
from sqlmodel import Session

from registry import __version__
from registry.backups.archive import FORMAT, HEAD, ArchiveWriter, new_archive
from registry.backups.key_file import VersionRow, without_keys
from registry.backups.ledger_copy import copy_index, copy_objects
from registry.backups.recorded import NewBackup
from registry.backups.rows import read_parts, read_table, snapshot, table_names
from registry.clock import Clock
from registry.erasure.execution.records import sign_payload
from registry.erasure.execution.replay import begin_list, mirror_destroyed_keys, signer_of
from registry.ids import fresh_id
from registry.keys.keyring import Keyring
from registry.keys.tables import KEY_VERSION, RECORD_KEY
from registry.ledger.sweep import Store
from registry.ledger.tables import BatchBinding, BindingState
from registry.moments import to_micros
from registry.storage.backup_tables import BackupKind
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.migrate import require_schema

CATALOG, RECORD_KEYS = "catalog/", "keys/record_key.arrow"
MANIFEST_KIND = "backup-manifest"
Report = Callable[[str], None]
_binding = table_of(BatchBinding)
_RECORD_KEY_FACTS = pa.schema(
    [
        ("id", pa.string()),
        ("wrapped_by", pa.string()),
        ("created_at", pa.int64()),
        ("destroyed_at", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up."""

    database: Database
    store: Store
    keyring: Keyring
    clock: Clock


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written, and how much is in it."""

    backup: NewBackup
    rows: int
    objects: int
    examples: int


def make_backup(
    source: Source, path: Path, *, label: str | None = None, report: Report = lambda _said: None
) -> Made:
    """Write a backup to a new file.

    Raises ConflictError where there is such a file, SchemaOutdatedError, StorageUnavailableError,
    OSError for a disk that is full. Then there is no file. Cost: reads everything once.
    """
    require_schema(source.database)
    signer, objects = signer_of(source.keyring), source.store.objects
    begin_list(objects, signer, now=source.clock())
    mirror_destroyed_keys(source.database, objects, signer)
    identity, made_at = fresh_id(), source.clock()
    with new_archive(path) as (archive, done):
        head = {"format": FORMAT, "id": identity, "made_at": to_micros(made_at)}
        archive.add(HEAD, msgspec.json.encode(head))
        with snapshot(source.database) as connection:
            facts = _copy_catalog(archive, connection, report)
            bound = _bound_batches(connection)
        counts = copy_index(archive, source.store, bound, report)
        copied = copy_objects(archive, objects, report)
        manifest = {
            **head,
            **facts,
            "label": label,
            "program": __version__,
            "index": counts,
            "members": archive.members,
        }
        archive.close(sign_payload(MANIFEST_KIND, manifest, signer))
    (written,) = done
    backup = NewBackup(
        identity, BackupKind.DATA, label, made_at, written.digest, written.size_bytes
    )
    return Made(backup, sum(facts["tables"].values()), copied, counts["examples"])


def _copy_catalog(archive: ArchiveWriter, connection: Connection, report: Report) -> dict[str, Any]:
    """Write every table, and which keys there are; what the manifest says of them."""
    tables: dict[str, int] = {}
    for name in table_names(connection):
        tables[name] = 0
        for place, part in enumerate(read_parts(connection, read_table(connection, name))):
            archive.add(f"{CATALOG}{name}/{place:08d}.arrow", part.content)
            tables[name] += part.rows
            report(f"{tables[name]:,} rows of {name}")
    schema = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    session = Session(connection)
    archive.add(RECORD_KEYS, _record_key_facts(session))
    versions = [VersionRow(**row) for row in session.execute(select(KEY_VERSION)).mappings()]
    return {"schema": schema, "tables": tables, "keys": [without_keys(row) for row in versions]}


def _record_key_facts(session: Session) -> bytes:
    columns = [RECORD_KEY.c[name] for name in _RECORD_KEY_FACTS.names]
    rows = [
        {
            "id": row.id,
            "wrapped_by": row.wrapped_by,
            "created_at": to_micros(row.created_at),
            "destroyed_at": _micros(row.destroyed_at),
        }
        for row in session.execute(select(*columns))
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _RECORD_KEY_FACTS) as writer:
        writer.write_table(pa.Table.from_pylist(rows, _RECORD_KEY_FACTS))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _bound_batches(connection: Connection) -> set[int]:
    query = select(_binding.c.number).where(_binding.c.state == BindingState.BOUND.value)
    return set(connection.execute(query).scalars())
