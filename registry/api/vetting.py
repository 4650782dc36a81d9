"""Routes that look at what is there: vetting a version, what is due, and judging now.

Judging and the retention sweep also come by themselves (`workers.tasks`); these are for who does
not want to wait, and change nothing that those would not.
"""

from __future__ import annotations

from fastapi import APIRouter
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.scope import in_sight
from registry.catalog.versions import membership
from registry.ids import uuid_text
from registry.policy.actions import Action
from registry.policy.alerting import put_alerts
from registry.policy.decide import decided, find_subject, record_decision
from registry.policy.disposal import find_due
from registry.policy.evaluate import evaluate
from registry.policy.gather import gather
from registry.policy.judge import judge_lineage, raise_found
from registry.policy.policy_set import question_of
from registry.policy.record_logs import due_records
from registry.policy.vet import (
    population_finding,
    rights_finding,
    slices_of,
    traceable_finding,
)
from registry.request import (
    CurrentAsker,
    CurrentHouse,
    CurrentReleaser,
    CurrentRightsEditor,
    reading_for,
)
from registry.wire.policy import (
    DueListShown,
    DueShown,
    FindingShown,
    JudgedShown,
    RecordsDueShown,
    VetAsked,
    VetShown,
)

router = APIRouter(prefix="/api/v1", tags=["policy"])


@router.post("/vettings")
def vet(asked: VetAsked, house: CurrentHouse, actor: CurrentAsker) -> VetShown:
    """Clear rights to train? Represents its population? Traceable for each example?"""
    policies = house.policies.current()
    question = question_of(policies, asked.purpose, house.clock())
    version = asked.dataset.version if asked.version is None else asked.version
    with reading_for(house, actor, Action.ASK_DECISIONS) as session:
        subject = find_subject(session, asked.dataset.namespace, asked.dataset.name, version)
    with house.database.read() as session:
        members = membership(session, subject.dataset.id, subject.version)
        gathered = gather(session, house.ledger, policies, members, question)
        slices = slices_of(session, members)
    judged = evaluate(house.ledger, house.sweep, policies, gathered, question)
    answer = decided(subject, judged.sums(), policies)
    told = tuple(
        f"{r.rule}: {r.fact} ({r.count})" for r in answer.reasons if r.outcome is answer.judged
    )
    findings = [
        rights_finding(answer.judged, told),
        population_finding(policies.vet, subject.dataset.namespace, subject.dataset.name, slices),
        traceable_finding(gathered),
    ]

    def record(session: Session) -> None:
        now = house.clock()
        record_decision(session, answer, question, actor=actor.account_id, now=now)
        facts = {
            "dataset": uuid_text(subject.dataset.id),
            "version": subject.version,
            "decision": answer.id,
            "answers": {finding.question: finding.answer.value for finding in findings},
        }
        entry = Entry(EntryKind.DATASET_VETTED, actor.account_id, facts)
        append_entries(session, [entry], at=now)

    house.database.transact(record)
    return VetShown(
        namespace=subject.dataset.namespace,
        name=subject.dataset.name,
        version=subject.version,
        decision=answer.id,
        policy=policies.digest,
        findings=[
            FindingShown.model_validate(
                {"question": f.question, "answer": f.answer.value, "evidence": list(f.evidence)}
            )
            for f in findings
        ],
    )


@router.get("/retention/due")
def due(house: CurrentHouse, actor: CurrentRightsEditor) -> DueListShown:
    """What retention rules want gone now, of batches and of the registry's own logs.

    A dry run: nothing is opened, nothing is erased.
    """
    policies = house.policies.current()
    with reading_for(house, actor, Action.EDIT_RIGHTS) as session:
        found = find_due(session, house.ledger, policies, now=house.clock())
        seen = in_sight(session, {item.dataset_id for item in found.items})
        records = due_records(session, policies.retention, now=house.clock())
    return DueListShown(
        policy=policies.digest,
        due=[
            DueShown.model_validate(
                {
                    "dataset": item.dataset,
                    "batch": item.batch,
                    "rows": item.rows,
                    "rule": item.rule,
                    "action": item.action,
                    "legal_basis": item.legal_basis,
                    "due_at": item.due_at,
                    "state": item.state.value,
                }
            )
            for item in found.items
            if item.dataset_id in seen
        ],
        idle_rules=list(found.idle_rules),
        records=[
            RecordsDueShown.model_validate(
                {
                    "log": each.log.value,
                    "rule": each.rule,
                    "before": each.before,
                    "due": each.due,
                    "kept": each.kept,
                }
            )
            for each in records
        ],
    )


@router.post("/violations/judge")
def judge(house: CurrentHouse, actor: CurrentReleaser) -> JudgedShown:
    """Judge the lineage that came since the last round, now."""
    policies = house.policies.current()
    found = judge_lineage(house.database, house.ledger, house.sweep, policies, now=house.clock())

    def keep(session: Session) -> list[str]:
        now = house.clock()
        raised = raise_found(session, found, actor=actor.account_id, now=now)
        put_alerts(session, house.settings, raised, now=now)
        return raised

    return JudgedShown(events=found.events, raised=house.database.transact(keep))
