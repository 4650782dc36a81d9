"""Lists what an erasure did beside the ledger, so that a restore does it again.

Rules (the governance page, case 8; `replay` rules 1 and 2):
1. A record is read from what is committed, and written again by every round of work on a case. It
   tells all that was done so far, and its moment is that of the newest of it; so a round that did
   nothing more writes the same record, which is one.
2. It names the redactions of an event whole, whoever made them: their order counts. So it does
   what erasures left of the files of its batches: a restored registry knows them by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
import numpy as np
from sqlalchemy import Row, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.tables import ENTRY
from registry.canonical import parse_digest
from registry.erasure.execution.hands import Hands, Work, read_planned
from registry.erasure.execution.records import ErasedBatch, ErasureRecord, FileLeft, RedactedPart
from registry.erasure.execution.replay import (
    digest_of_uri,
    read_marks,
    rows_of_case,
    signer_of,
    write_record,
)
from registry.erasure.plan.members import read_erase_set
from registry.erasure.scope.sets import Sets
from registry.erasure.targets.file_states import states_of
from registry.ledger.erasing import read_holes
from registry.ledger.holes import Holes
from registry.ledger.remainders import Known
from registry.lineage.erase_events import KIND
from registry.lineage.redact_again import redactions_of

_TOLD = (
    EntryKind.EXAMPLES_ERASED,
    EntryKind.LINEAGE_EVENTS_REDACTED,
    EntryKind.PAYLOAD_REDACTED,
)


def list_erasure(hands: Hands, work: Work) -> ErasureRecord | None:
    """Keep the record of what was committed for a case so far (rule 1); None for nothing.

    Effects: one object. Raises StorageUnavailableError: call it again. Cost: reads which entries of
    the journal are about redactions.
    """
    with hands.database.read() as session:
        record = _record_of(session, work)
    if record is not None:
        write_record(hands.ledger.objects, record, signer_of(hands.ledger.keyring))
    return record


def list_files(hands: Hands, request_id: str) -> ErasureRecord | None:
    """As `list_erasure`, after work on the files of a case."""
    with hands.database.read() as session:
        case, plan = read_planned(session, request_id)
        work = Work(case, plan, read_erase_set(session, plan.id), Known())
    return list_erasure(hands, work)


def _record_of(session: Session, work: Work) -> ErasureRecord | None:
    case = work.case.id
    batches = _batches(session, work.sets)
    suppressions, restrictions = rows_of_case(session, case)
    events, leaves, moments = _redacted(session, case)
    moments += [row.recorded_at for row in suppressions]
    moments += [row.recorded_at for row in restrictions]
    files, changed = _files(session, {each.number: each.mark for each in batches})
    moments += changed
    if not moments:
        return None
    return ErasureRecord(
        id=case,
        request_id=case,
        at=max(moments),
        plan=work.plan.digest,
        batches=tuple(batches),
        suppressions=suppressions,
        restrictions=restrictions,
        redactions=tuple(RedactedPart(e, p, KIND) for e, p in redactions_of(session, events)),
        entries=tuple(leaves),
        files=tuple(files),
    )


def _files(session: Session, marks: dict[int, str]) -> tuple[list[FileLeft], list[datetime]]:
    """What erasures left of the files of batches, and when."""
    found, moments = [], []
    states = states_of(session, marks)
    for key, (now, at) in sorted(states.items(), key=lambda each: each[0].order):
        if now.sha256 is not None:
            name, holes = digest_of_uri(key.uri), now.holes.to_bytes()
            mark = marks[key.batch_number]
            found.append(FileLeft(key.batch_number, mark, name, now.sha256, holes, now.rows))
            moments.append(at)
    return found, moments


def _batches(session: Session, sets: Sets) -> list[ErasedBatch]:
    """The rows that are really marked, by batches that are known."""
    holes, marks, found = read_holes(session, sets), read_marks(session, sets), []
    for number, ordinals in sorted(sets.items()):
        if number in holes and number in marks:
            gone = np.intersect1d(ordinals, holes[number].ordinals())
            if gone.size:
                found.append(ErasedBatch(number, marks[number], Holes(gone).to_bytes()))
    return found


def _redacted(session: Session, case: str) -> tuple[set[bytes], list[bytes], list[datetime]]:
    """Events and leaves of entries that were redacted under a case; when these, or rows, were."""
    events: set[bytes] = set()
    leaves: list[bytes] = []
    moments: list[datetime] = []
    for row in _entries(session):
        facts = msgspec.json.decode(row.payload)
        if facts.get("under") != case:
            continue
        moments.append(row.at)
        events |= {parse_digest(each, path="events") for each in facts.get("events", ())}
        leaves += [parse_digest(each, path="leaves") for each in facts.get("leaves", ())]
    return events, sorted(set(leaves)), moments


def _entries(session: Session) -> Iterator[Row[tuple[datetime, bytes]]]:
    query = (
        select(ENTRY.c.at, ENTRY.c.payload)
        .where(ENTRY.c.kind.in_([kind.value for kind in _TOLD]))
        .where(ENTRY.c.payload.is_not(None))
        .order_by(ENTRY.c.id)
    )
    yield from session.execute(query)
