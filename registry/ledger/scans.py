"""What reading the rows of a batch for a person found: links in the index, and what was read.

Rules (DESIGN §1.10, §2; issue "Erasure, the hands", 4):
1. A row that names a person gets a link in the index as if it had come with it: a subject key,
   never the identifier. Whoever looks for the person finds it from then on.
2. Links are appended before the scan is noted, so a scan that was cut off is made again; a link
   that is there is not made twice. A row that was erased meanwhile gets none.
3. A scan says of a batch that it was read for these people and for nobody else. A row that only may
   name one of them is a candidate, which a person decides on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, delete, insert, select
from sqlmodel import Session

from registry.keys.keyring import Keyring
from registry.keys.subjects import SUBJECT_KEY_BYTES, translator
from registry.keys.tables import Purpose
from registry.keys.versions import require_live
from registry.ledger.addresses import pack
from registry.ledger.closure import Sets
from registry.ledger.columns import SUBJECTS
from registry.ledger.erasing import read_holes
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.ledger.tables import SubjectScan
from registry.storage.alone import Turns
from registry.storage.columns import table_of
from registry.storage.database import Database

Ordinals = npt.NDArray[np.uint32]
_scan = table_of(SubjectScan)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ScannedFor:
    """One identifier that a batch was read for: its place in the request, its key and the version
    that is under, and the rows that name it surely (`found`) or perhaps (`candidates`).
    """

    position: int
    key: bytes
    key_version: int
    found: Ordinals
    candidates: Ordinals


def append_links(
    ledger: Ledger, database: Database, turns: Turns, number: int, scanned: Iterable[ScannedFor]
) -> int:
    """Link rows of a bound batch to the people that they name (rules 1 and 2); how many new links.

    Raises StorageUnavailableError where another worker is at this batch; call it again then.
    Effects: rows of the index.
    """
    import pyarrow as pa

    made = 0
    with turns.alone(number):
        for each in scanned:
            with database.read() as session:
                holes = read_holes(session, [number]).get(number, Holes())
            rows = holes.present(each.found)
            rows = rows[~np.isin(rows, _linked(ledger, number, each))]
            if not rows.size:
                continue
            links = {
                "address": pa.array(pack(number, rows)),
                "subject_key": pa.array([each.key] * rows.size, pa.binary(SUBJECT_KEY_BYTES)),
                "key_version": pa.array(np.full(rows.size, each.key_version, np.int32)),
            }
            made += ledger.index.append_subjects(pa.table(links, schema=SUBJECTS))
            with database.read() as session:
                gone = read_holes(session, [number]).get(number, holes)
            if len(gone) != len(holes):
                ledger.index.erase(pack(number, gone.ordinals()))
    return made


def _linked(ledger: Ledger, number: int, each: ScannedFor) -> Ordinals:
    """Rows that have a link to the person, under any version."""
    there = ledger.index.subjects_of(pack(number, each.found))
    known = set(_under_live_versions(ledger.keyring, each.key, each.key_version))
    is_theirs = [key in known for key in there.column("subject_key").to_pylist()]
    found: Ordinals = there.column("address").to_numpy()[is_theirs].astype(np.uint32)
    return found


def _under_live_versions(keyring: Keyring, key: bytes, version: int) -> list[bytes]:
    old = keyring.of_version(Purpose.SUBJECT, version)
    return [
        key if live.version == version else translator(old, live)(key)
        for live in keyring.live(Purpose.SUBJECT)
    ]


def note_scan(
    session: Session,
    number: int,
    request_id: str,
    scanned: Iterable[ScannedFor],
    *,
    whole: bool,
    now: datetime,
) -> None:
    """Keep what a batch was read for (rule 3), in the place of what the request noted of it before.

    Raises KeyDestroyedError where a key's version is destroyed meanwhile: read it again. Effects:
    rows; does not commit.
    """
    mine = (_scan.c.number == number) & (_scan.c.request_id == request_id)
    session.execute(delete(_scan).where(mine))
    rows = [
        {
            "number": number,
            "request_id": request_id,
            "position": each.position,
            "subject_key": each.key,
            "key_version": each.key_version,
            "whole": int(whole),
            "candidates": Holes(each.candidates).to_bytes() if each.candidates.size else None,
            "scanned_at": now,
        }
        for each in scanned
    ]
    for version in sorted({int(str(row["key_version"])) for row in rows}):
        require_live(session, Purpose.SUBJECT, version)
    if rows:
        session.execute(insert(_scan), rows)


def scanned_for(session: Session, keyring: Keyring, keys: Collection[bytes]) -> set[int]:
    """The batches that were read whole for everybody of these.

    `keys`: each person's under every live version. Cost: in proportion to the scans for them.
    """
    asked = set(keys)
    people = len(asked) // max(1, len(keyring.live(Purpose.SUBJECT)))
    active = keyring.active(Purpose.SUBJECT)
    found: dict[int, set[bytes]] = {}
    for row in _of(session, asked):
        if row.whole:
            key, version = bytes(row.subject_key), row.key_version
            if version != active.version:
                old = keyring.of_version(Purpose.SUBJECT, version)
                key = translator(old, active)(key)
            found.setdefault(row.number, set()).add(key)
    return {number for number, known in found.items() if len(known) == people}


def scanned_for_any(session: Session, keys: Collection[bytes]) -> set[int]:
    """The batches that were read whole for one of these keys, which are all of one person."""
    return {row.number for row in _of(session, set(keys)) if row.whole}


def candidates_for(session: Session, keys: Collection[bytes]) -> Sets:
    """The rows that may name one of these people, and surely name none of them.

    `keys`: as `scanned_for`. Rows that were erased since are among them.
    """
    found: dict[int, Holes] = {}
    for row in _of(session, set(keys)):
        if row.candidates is not None:
            there = found.get(row.number, Holes())
            found[row.number] = there | Holes.from_bytes(bytes(row.candidates))
    return {number: each.ordinals() for number, each in sorted(found.items())}


def scanned_among(session: Session, numbers: Collection[int]) -> set[int]:
    """Those of these batches that somebody was looked for in."""
    wanted, found = sorted(set(numbers)), set[int]()
    for at in range(0, len(wanted), _AT_ONCE):
        some = _scan.c.number.in_(wanted[at : at + _AT_ONCE])
        found |= set(session.execute(select(_scan.c.number).where(some)).scalars())
    return found


def _of(session: Session, keys: set[bytes]) -> list[Row[Any]]:
    wanted, found = sorted(keys), list[Row[Any]]()
    for at in range(0, len(wanted), _AT_ONCE):
        some = _scan.c.subject_key.in_(wanted[at : at + _AT_ONCE])
        found += session.execute(select(_scan).where(some)).all()
    return found
