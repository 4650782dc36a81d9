"""Answers questions about a version: one decision, or the manifest of what may be used.

Rules:
1. An answer is an entry in the journal and a row, in one transaction, before it is given.
2. What the rules say, and what the project's mode makes of it, are both kept: `judged` and
   `decision`. In `observe` and `warn` only a person's no, a restriction, a suppression and a hold
   withhold (`decision.HARD`).
3. A version of which no batch is recorded cannot be decided: that is cannot_tell, never allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
import numpy as np
from sqlalchemy import insert, select
from sqlmodel import Session

from registry.actors.tables import Project
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.lookup import Named, find_dataset
from registry.catalog.tables import NameOwner
from registry.catalog.versions import current_numbers, find_version, membership
from registry.errors import NotFoundError
from registry.ids import fresh_id, uuid_text
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Sweep
from registry.policy.decision import (
    Mode,
    Outcome,
    Reason,
    Rule,
    combine,
    decide,
    outcome_of,
    withholding,
)
from registry.policy.evaluate import Judged, evaluate, reasons_of
from registry.policy.facts import Question
from registry.policy.gather import gather
from registry.policy.manifest import (
    Asked,
    ManifestFile,
    Part,
    digest_of,
    object_name,
    part_of,
    whole_part,
)
from registry.policy.masks import principal
from registry.policy.policy_set import PolicySet
from registry.policy.tables import Manifest, PolicyDecision
from registry.storage.columns import insert_unless_there, table_of
from registry.storage.database import Database

_owner, _project = table_of(NameOwner), table_of(Project)
_decision, _manifest = table_of(PolicyDecision), table_of(Manifest)


@dataclass(frozen=True, slots=True)
class Subject:
    """The version that is asked about, its batches, and how its project's policies act."""

    dataset: Named
    version: int
    members: tuple[int, ...]
    mode: Mode


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it was made. `judged`: what the rules say, whatever the mode."""

    id: str
    subject: Subject
    decision: Outcome
    judged: Outcome
    reasons: tuple[Reason, ...]
    policy: str
    examples: int


@dataclass(frozen=True, slots=True)
class Given:
    """A manifest as it was given. `withheld` and `observed`: examples by rule, each counted once;
    `observed` are those that enforcement would withhold and this project's mode does not. `erased`:
    examples that were erased, which are neither.
    """

    digest: str
    subject: Subject
    file: ManifestFile
    allowed: int
    withheld: Mapping[str, int]
    observed: Mapping[str, int]
    erased: int


def find_subject(session: Session, namespace: str, name: str, version: int | None) -> Subject:
    """The version that is meant, the current one for None. Raises NotFoundError."""
    dataset = find_dataset(session, namespace, name)
    if version is None:
        current = current_numbers(session, [dataset.id]).get(dataset.id)
        if current is None:
            raise NotFoundError(
                f"{namespace[:200]} {name[:200]} has no version yet.",
                remedy="A version is made when a run that wrote it completes.",
                path="dataset",
            )
        number = current
    else:
        number = find_version(session, dataset, version).number
    members = tuple(membership(session, dataset.id, number))
    return Subject(dataset, number, members, mode_of(session, dataset.id))


def mode_of(session: Session, dataset_id: bytes) -> Mode:
    """How the policies of the project that owns a dataset act; `enforce` where nobody owns it."""
    query = (
        select(_project.c.mode)
        .join(_owner, _owner.c.project_id == _project.c.id)
        .where(_owner.c.entity_id == dataset_id)
    )
    found = session.execute(query).scalar_one_or_none()
    return Mode.ENFORCE if found is None else Mode(found)


def judge(
    database: Database,
    ledger: Ledger,
    sweep: Sweep,
    policies: PolicySet,
    question: Question,
    subject: Subject,
) -> Judged:
    """Judge every example of a version by what is known now, whoever asks."""
    with database.read() as session:
        gathered = gather(session, ledger, policies, subject.members, question)
    return evaluate(ledger, sweep, policies, gathered, question)


def decided(
    subject: Subject, judged: Judged, policies: PolicySet, *, decision_id: str | None = None
) -> Decided:
    """The decision that some judgement comes to (rules 2 and 3). Pure."""
    counts = judged.counts()
    reasons = reasons_of(counts, judged.told)
    if not judged.members:
        fact = "no batch of it is recorded, so nobody knows what it holds"
        reasons = [Reason(Rule.LINEAGE, Outcome.CANNOT_TELL, fact, 0)]
    found = decide(reasons, policies.digest)
    bits = withholding(subject.mode)
    in_force = combine(outcome_of(mask & bits) for mask in counts)
    if not judged.members:
        in_force = Outcome.CANNOT_TELL
    says = combine(outcome_of(mask) for mask in counts) if counts else found.outcome
    total = sum(counts.values())
    made = decision_id or fresh_id()
    return Decided(made, subject, in_force, says, found.reasons, policies.digest, total)


def record_decision(
    session: Session, answer: Decided, question: Question, *, actor: str, now: datetime
) -> None:
    """Keep a decision (rule 1). Effects: one row, one entry in the journal; does not commit."""
    reasons = [
        {"rule": r.rule.value, "outcome": r.outcome.value, "fact": r.fact, "count": r.count}
        for r in answer.reasons
    ]
    session.execute(
        insert(_decision).values(
            id=answer.id,
            dataset_id=answer.subject.dataset.id,
            number=answer.subject.version,
            purpose=question.purpose,
            region=question.region,
            recipient=question.recipient,
            as_of=question.at,
            decision=answer.decision.value,
            judged=answer.judged.value,
            mode=answer.subject.mode.value,
            reasons=msgspec.json.encode(reasons).decode(),
            policy=answer.policy,
            asked_by=actor,
            asked_at=now,
        )
    )
    facts = {
        "decision": answer.id,
        "dataset": uuid_text(answer.subject.dataset.id),
        "version": answer.subject.version,
        "purpose": question.purpose,
        "outcome": answer.decision.value,
        "judged": answer.judged.value,
        "policy": answer.policy,
        "examples": answer.examples,
    }
    append_entries(session, [Entry(EntryKind.DECISION_MADE, actor, facts)], at=now)


def manifest_of(
    subject: Subject, judged: Judged, policies: PolicySet, question: Question
) -> tuple[Given, bytes]:
    """The manifest that some judgement comes to, with its bytes. Pure. Cost: one pass."""
    bits = withholding(subject.mode)
    parts = tuple(_part(number, judged, bits) for number in judged.members)
    asked = Asked(
        uuid_text(subject.dataset.id),
        subject.version,
        question.purpose,
        question.region,
        policies.digest,
        subject.mode.value,
    )
    file = ManifestFile(asked, parts)
    data = file.to_bytes()
    counts = judged.counts()
    allowed, withheld = principal(counts, bits)
    kept = {mask: count for mask, count in counts.items() if not mask & bits}
    _, observed = principal(kept, 0xFFFF_FFFF)
    given = Given(
        digest_of(data),
        subject,
        file,
        allowed,
        _by_rule(withheld),
        _by_rule(observed),
        judged.erased,
    )
    return given, data


def _part(number: int, judged: Judged, bits: int) -> Part:
    masks, rows = judged.masks[number], judged.rows[number] or 0
    holes = judged.holes.get(number)
    if isinstance(masks, int):
        if holes is None or masks & bits:
            return whole_part(number, rows, allowed=not masks & bits)
        return part_of(number, holes.is_left(rows))
    is_allowed = (masks & np.uint32(bits)) == 0
    return part_of(number, is_allowed if holes is None else is_allowed & holes.is_left(masks.size))


def _by_rule(counts: Mapping[tuple[Rule, Outcome], int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for (rule, _outcome), count in counts.items():
        if count:
            found[rule.value] = found.get(rule.value, 0) + count
    return found


def record_manifest(session: Session, given: Given, *, actor: str, now: datetime) -> None:
    """Keep a manifest's row (rule 1). Effects: a row unless it is there, one entry in the journal;
    does not commit.
    """
    asked = given.file.asked
    row = {
        "id": given.digest,
        "dataset_id": given.subject.dataset.id,
        "number": asked.version,
        "purpose": asked.purpose,
        "region": asked.region,
        "mode": asked.mode,
        "policy": asked.policy,
        "allowed": given.allowed,
        "withheld": msgspec.json.encode(dict(given.withheld)).decode(),
        "asked_by": actor,
        "asked_at": now,
    }
    insert_unless_there(session, _manifest, row)
    facts = {
        "manifest": given.digest,
        "dataset": asked.dataset,
        "version": asked.version,
        "purpose": asked.purpose,
        "policy": asked.policy,
        "mode": asked.mode,
        "allowed": given.allowed,
        "withheld": sum(given.withheld.values()),
        "erased": given.erased,
    }
    append_entries(session, [Entry(EntryKind.MANIFEST_GIVEN, actor, facts)], at=now)


def read_manifest(ledger: Ledger, digest: str) -> ManifestFile:
    """The bits of a manifest that was given. Raises NotFoundError."""
    return ManifestFile.from_bytes(ledger.objects.get(object_name(digest)))
