"""States what the tasks of a case have come to, with a certificate for each outcome.

Rules (DESIGN §1.10; the governance page, "Erasure request"):
1. The outcome is computed from the tasks. It is stated anew whenever one of them ended, and then
   has a certificate of its own number; what was stated before stays.
2. The first outcome is told to the person by a letter, and so is the one that ends the case.
3. A case that is fulfilled lets go of its evidence and its restrictions, as nothing is left that
   they are about; what keeps the data from coming back are the suppressions. In part, they stay.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.erasure.cases import Case, change_case, take_turn
from registry.erasure.certificate import contradictions
from registry.erasure.certificate_facts import CertificateFacts, Issuer
from registry.erasure.certified import facts_of
from registry.erasure.certifying import last_facts, number_certificate
from registry.erasure.hands import Hands, read_planned
from registry.erasure.lifecycle import RequestState, outcome_of
from registry.erasure.post import LetterKind, make_letter
from registry.erasure.taking_up import settle_duplicates
from registry.erasure.tasks import TaskView, read_tasks
from registry.erasure.timeline import add_step
from registry.rights.restrictions import lift_restrictions_of, release_evidence
from registry.rights.tables import Suppression
from registry.storage.columns import table_of

_suppression = table_of(Suppression)


def conclude(hands: Hands, request_id: str, *, actor: str) -> RequestState:
    """State the outcome of a case that is carried out, if it is a new one (rule 1).

    Gives the state that the case is in afterwards. Raises NotFoundError, ConflictError. Effects:
    commits; a certificate that is not sealed yet, letters, steps.
    """
    issuer = Issuer(_origin(hands), hands.url)
    return hands.database.transact(
        lambda session: _conclude(session, hands, request_id, issuer, actor, hands.clock())
    )
