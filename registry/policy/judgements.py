"""Judges versions, and answers from sums it has kept where nothing they follow from has changed.

Rules (decision 0012):
1. What is kept follows from: the version, the question, the digest of the policies, the tokens of
   every watched table (`watched`), the live versions of the subject key, and the versions of the
   index's tables. These are read before the facts, so that what changes meanwhile makes the answer
   old and never the other way round.
2. It holds from the moment it was judged for until the next one at which a recorded fact begins or
   ends by itself: consent, holds, suppressions, retention.
3. Where a table is not watched after all, or a retention rule counts from the last use, nothing is
   kept: then every answer is judged anew.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlmodel import Session

from registry.catalog.versions import membership
from registry.keys.tables import Purpose
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Sweep
from registry.policy.decide import Subject
from registry.policy.evaluate import Judged, Sums, evaluate
from registry.policy.facts import Question
from registry.policy.forms import Trigger
from registry.policy.gather import Gathered, gather
from registry.policy.kept import Kept, Span
from registry.policy.people import PersonStates, earliest, read_people
from registry.policy.policy_set import PolicySet
from registry.policy.retention import due_of
from registry.policy.watched import WATCHED
from registry.rights.holds import next_hold_end
from registry.rights.suppression import next_suppression_end
from registry.storage.database import Database
from registry.storage.revisions import Revision, Tokens, missing_triggers, read_revision

_log = logging.getLogger(__name__)
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_SUMS_BYTES = 16 << 20
_PEOPLE_BYTES = 128 << 20
_BYTES_A_REASON, _BYTES_A_COUNT = 300, 200


@dataclass(frozen=True, slots=True)
class _Mark:
    """All that an answer follows from beside its question and the policies (rule 1)."""

    revision: Revision
    keys: tuple[int, ...]
    index: tuple[int, int] | None

    @property
    def people(self) -> tuple[Tokens, tuple[int, ...]]:
        """As much of it as the states of persons follow from."""
        return self.revision.people, self.keys


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was read for a question, under which mark (None: it must not be kept), until when."""

    gathered: Gathered
    mark: _Mark | None
    until: datetime | None


class Judgements:
    """Judgements of one registry, in one process. Thread-safe."""

    def __init__(self, database: Database, ledger: Ledger, sweep: Sweep) -> None:
        """Nothing is read yet."""
        self._database = database
        self._ledger = ledger
        self._sweep = sweep
        self._sums: Kept[Sums] = Kept(_SUMS_BYTES)
        self._people: Kept[PersonStates] = Kept(_PEOPLE_BYTES)
        self._is_watched = False

    def judge(self, policies: PolicySet, question: Question, subject: Subject) -> Judged:
        """Judge every example of a version by what is known now, whoever asks."""
        with self._database.read() as session:
            facts = self._read(session, self._mark(session, policies), policies, question, subject)
        return evaluate(self._ledger, self._sweep, policies, facts.gathered, question)

    def sums(self, policies: PolicySet, question: Question, subject: Subject) -> Sums:
        """What `judge` comes to in numbers. Cost: one query where it is kept (rule 1)."""
        asked = (subject.dataset.id, subject.version, *_asked(policies, question))
        with self._database.read() as session:
            mark = self._mark(session, policies)
            found = None if mark is None else self._sums.get(asked, question.at, mark)
            if found is not None:
                return found
            facts = self._read(session, mark, policies, question, subject)
        judged = evaluate(self._ledger, self._sweep, policies, facts.gathered, question)
        made = judged.sums()
        # Who opened the index only now cannot say which version of it was read.
        is_exact = mark is not None and (mark.index is not None or self._index() is None)
        if mark is not None and is_exact:
            size = _BYTES_A_COUNT * len(made.counts) + _BYTES_A_REASON * (1 + len(made.told))
            self._sums.put(asked, mark, Span(question.at, facts.until), made, size)
        return made

    def _mark(self, session: Session, policies: PolicySet) -> _Mark | None:
        """What answers of this moment are kept under; None where none may be (rule 3)."""
        if any(rule.trigger is Trigger.LAST_USED for rule in policies.retention.rules):
            return None
        revision = read_revision(session)
        if revision is None or not self._all_watched(session):
            return None
        live = self._ledger.keyring.live(Purpose.SUBJECT)
        return _Mark(revision, tuple(key.version for key in live), self._index())

    def _index(self) -> tuple[int, int] | None:
        if self._sweep.engine == "ray":
            # The index is read elsewhere, so that this process must open it to know its version.
            _ = self._ledger.store.index
        return self._ledger.store.index_versions()

    def _all_watched(self, session: Session) -> bool:
        """Whether every table is watched; asked until it is so once."""
        if not self._is_watched:
            missing = missing_triggers(session, WATCHED)
            if missing:
                _log.warning("no answer is kept: the database lacks %s", ", ".join(missing))
            self._is_watched = not missing
        return self._is_watched

    def _read(
        self,
        session: Session,
        mark: _Mark | None,
        policies: PolicySet,
        question: Question,
        subject: Subject,
    ) -> _Facts:
        """The facts, and until when they stay as they are by themselves (rule 2)."""
        members = membership(session, subject.dataset.id, subject.version)
        gathered = gather(session, self._ledger, policies, members, question, people=False)
        until = earliest(
            next_hold_end(session, at=question.at),
            next_suppression_end(session, at=question.at),
            *(_due_after(policies, gathered, question.at)),
        )
        if any(batch.facts.has_subjects for batch in gathered.batches.values()):
            people = self._states(session, mark, policies, question)
            gathered = replace(gathered, people=people)
            until = earliest(until, people.changes_at)
        return _Facts(gathered, mark, until)

    def _states(
        self, session: Session, mark: _Mark | None, policies: PolicySet, question: Question
    ) -> PersonStates:
        """The state of everybody, for this purpose."""
        asked = _asked(policies, question)
        found = None if mark is None else self._people.get(asked, question.at, mark.people)
        if found is not None:
            return found
        made = read_people(session, self._ledger.keyring, policies, question)
        if mark is not None:
            span = Span(question.at, made.changes_at)
            size = len(made.keys) + made.codes.nbytes
            self._people.put(asked, mark.people, span, made, size)
        return made


def _asked(policies: PolicySet, question: Question) -> tuple[Hashable, ...]:
    """The question without its moment, and by which policies.

    A question of the past keeps it: what was recorded or lifted since counts as of each moment.
    """
    return policies.digest, question if question.is_past else replace(question, at=_ANY_TIME)


def _due_after(policies: PolicySet, gathered: Gathered, at: datetime) -> list[datetime]:
    """When batches become due for disposal after a moment."""
    dues = [due_of(policies.retention, batch.facts) for batch in gathered.batches.values()]
    return [due.at for due in dues if due is not None and due.at is not None and due.at > at]
