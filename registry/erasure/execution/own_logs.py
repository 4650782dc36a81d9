"""Takes a case's people out of the registry's two logs: kept events and the payloads of entries.

Rules (DESIGN §1.1, §1.9; the governance page, case 17):
1. Both logs stay whole: an event keeps its digest, an entry its leaf. What is replaced is recorded.
2. What is sought is looked for again afterwards; what is still there, such as a name that others
   depend on, is told and not called gone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.audit.events import EntryKind
from registry.audit.redaction import find_mentions, redact_mentions
from registry.audit.tables import ENTRY
from registry.erasure.case.identifiers import open_identifiers
from registry.erasure.execution.aftermath import AUDIT_LOG, EVENT_LOG
from registry.erasure.execution.hands import Hands, Work
from registry.ledger.read_entries import marks_of
from registry.lineage.erase_events import erase_events, find_in_events
from registry.lineage.sought import Sought

# Shorter ids of examples are ordinary words and numbers, and would be found in anybody's texts.
TELLING_ID = 8
LOGS = frozenset({EVENT_LOG, AUDIT_LOG})


def sought_of(hands: Hands, work: Work) -> Sought:
    """What is looked for: the identifiers of the people, and the ids of what is erased.

    Raises KeyDestroyedError where the request's key is gone.
    """
    with hands.database.read() as session:
        people = open_identifiers(session, hands.ledger.keyring, work.case)
    ids = [each for each in work.known.example_ids if len(each) >= TELLING_ID]
    return Sought([(each.scheme.value, each.value) for each in people], ids)


@dataclass(frozen=True, slots=True)
class Left:
    """Where something is still there, in words that name nobody. `goes`: whether another round may
    take it away.
    """

    places: tuple[str, ...]
    goes: bool = True


def find_in_logs(hands: Hands, work: Work) -> dict[str, Left]:
    """Look for them again in both logs (rule 2), by the log's task. Cost: reads both whole."""
    events = find_in_events(hands.database, sought_of(hands, work), report=hands.report)
    names = [f"{each.event} {each.path}, a name that stays" for each in events.kept]
    parts = [f"{events.parts} parts of events"] if events.parts else []
    pages = find_mentions(
        hands.database, _marks(hands, work), under=work.case.id, report=hands.report
    )
    entries = sum(map(len, pages))
    return {
        EVENT_LOG: Left((*parts, *names), goes=bool(parts)),
        AUDIT_LOG: Left((f"{entries} entries",) if entries else (), goes=bool(entries)),
    }


def count_wiped(session: Session, request_id: str) -> dict[str, int]:
    """In how many events something was replaced for a request, and how many entries lost their
    payload, whoever did it and in however many rounds; by the log's task.
    """
    counted = {
        EVENT_LOG: (EntryKind.LINEAGE_EVENTS_REDACTED, "events"),
        AUDIT_LOG: (EntryKind.PAYLOAD_REDACTED, "leaves"),
    }
    found = {}
    for target, (kind, member) in counted.items():
        query = select(ENTRY.c.payload).where(
            ENTRY.c.kind == kind.value, ENTRY.c.payload.is_not(None)
        )
        said = [msgspec.json.decode(bytes(each)) for each in session.execute(query).scalars()]
        mine = [each[member] for each in said if each.get("under") == request_id]
        found[target] = len({name for names in mine for name in names})
    return found


def _marks(hands: Hands, work: Work) -> Collection[str]:
    """What entries say of the people and of what is erased."""
    with hands.database.read() as session:
        people = open_identifiers(session, hands.ledger.keyring, work.case)
    named = [(each.scheme.value, each.value) for each in people]
    return marks_of(hands.ledger.digests, named, work.known.example_ids)


def wipe_journal(hands: Hands, work: Work) -> int:
    """Take the payloads of entries away that name them; how many. What the erasure wrote itself
    stays, or nobody could show that it was done. Effects: commits.
    """
    return redact_mentions(
        hands.database,
        _marks(hands, work),
        under=work.case.id,
        actor=SYSTEM,
        now=hands.clock(),
        report=hands.report,
    )


def wipe_event_log(hands: Hands, work: Work) -> int:
    """Take them out of the kept events; in how many something was replaced. Effects: commits."""
    erased = erase_events(
        hands.database,
        sought_of(hands, work),
        under=work.case.id,
        actor=SYSTEM,
        now=hands.clock(),
        report=hands.report,
    )
    return erased.events
