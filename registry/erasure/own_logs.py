"""Takes a case's people out of the registry's two logs: kept events and the payloads of entries.

Rules (DESIGN §1.1, §1.9; the governance page, case 17):
1. Both logs stay whole: an event keeps its digest, an entry its leaf. What is replaced is recorded.
2. What is sought is looked for again afterwards; what is still there, such as a name that others
   depend on, is told and not called gone.
"""

from __future__ import annotations

from registry.actors.accounts import SYSTEM
from registry.audit.redaction import redact_mentions
from registry.erasure.hands import Hands, Work
from registry.erasure.identifiers import open_identifiers
from registry.ledger.read_entries import marks_of
from registry.lineage.erase_events import erase_events
from registry.lineage.sought import Sought

# Shorter ids of examples are ordinary words and numbers, and would be found in anybody's texts.
TELLING_ID = 8


def sought_of(hands: Hands, work: Work) -> Sought:
    """What is looked for: the identifiers of the people, and the ids of what is erased.

    Raises KeyDestroyedError where the request's key is gone.
    """
    with hands.database.read() as session:
        people = open_identifiers(session, hands.ledger.keyring, work.case)
    ids = [each for each in work.known.example_ids if len(each) >= TELLING_ID]
    return Sought([(each.scheme.value, each.value) for each in people], ids)


def wipe_journal(hands: Hands, work: Work) -> int:
    """Take the payloads of entries away that name them; how many. What the erasure wrote itself
    stays, or nobody could show that it was done. Effects: commits.
    """
    with hands.database.read() as session:
        people = open_identifiers(session, hands.ledger.keyring, work.case)
    named = [(each.scheme.value, each.value) for each in people]
    marks = marks_of(hands.ledger.digests, named, work.known.example_ids)
    return redact_mentions(
        hands.database,
        marks,
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
