"""Judges lineage after the fact and raises violations: of batches, of what waits, and of runs.

Rules (DESIGN §1.6):
1. Nothing is refused here: what happened is recorded already. A violation is raised once for the
   same thing (`rights.violations` rule 2), so judging again is harmless.
2. New events are taken in the order of their arrival. The mark moves only past events that came
   more than a minute ago, because transactions may end in another order than they began.
3. A source batch without an origin or a licence, data out of its region, an upload that nobody
   sent for a day, an event in quarantine, data past its retention, and a run that wrote under half
   of the median of the five before it are violations of their own.
4. A run whose batches, or whose inputs, became known in full later is judged again
   (`policy.judge_again`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlmodel import Session

from registry.canonical import digest_text
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Sweep
from registry.moments import to_micros
from registry.policy.decision import Outcome
from registry.policy.disposal import DueList
from registry.policy.facts import Question
from registry.policy.gather import BatchRead, gather
from registry.policy.judge_again import Again, forget, runs_again
from registry.policy.judge_runs import judge_reading, readings_of
from registry.policy.policy_set import PolicySet
from registry.policy.residency import judge_residency
from registry.policy.retention import Disposal
from registry.policy.steps import Steps
from registry.policy.tables import JudgeMark
from registry.rights.violations import Breach, raise_violation
from registry.storage.bulk import select_by_ids
from registry.storage.columns import table_of
from registry.storage.database import Database

JUDGE = "lineage"
EVENTS_AT_ONCE = 2_000
PENDING_LIMIT = timedelta(days=1)
LEAST_SHARE = 0.5
_MARGIN = timedelta(minutes=1)
_mark = table_of(JudgeMark)
_NEW = text("""
    SELECT id, scope_id, received_at FROM lineage_event
    WHERE id > :after AND state = 'projected' ORDER BY id LIMIT :limit""")
_QUARANTINED = text("""
    SELECT digest, project_id, reason, name FROM lineage_event
    WHERE state = 'quarantined' ORDER BY id DESC LIMIT :limit""")
_PENDING = text("""
    SELECT k.number, b.dataset_id, o.project_id, k.detail FROM batch_binding k
    JOIN batch b ON b.number = k.number LEFT JOIN name_owner o ON o.entity_id = b.dataset_id
    WHERE k.state = 'pending' AND k.since < :before ORDER BY k.number LIMIT :limit""")
_BATCHES = "SELECT b.number FROM {ids} AS t JOIN batch b ON b.run_id = t.id ORDER BY b.number"
_OWNERS = "SELECT o.entity_id, o.project_id FROM {ids} AS t JOIN name_owner o ON o.entity_id = t.id"
# What a run wrote, and what the five runs of its job before it wrote to the same dataset.
_OUTPUTS = """
SELECT r.id, b.dataset_id, sum(COALESCE(k.rows, b.example_count)) AS n
FROM {ids} AS t JOIN run r ON r.id = t.id AND r.state = 'COMPLETED'
JOIN batch b ON b.run_id = r.id LEFT JOIN batch_binding k ON k.number = b.number
GROUP BY r.id, b.dataset_id
"""
_BEFORE = text("""
    SELECT sum(COALESCE(k.rows, b.example_count)) AS n, p.created_at
    FROM run r JOIN run p ON p.job_id = r.job_id AND p.state = 'COMPLETED'
      AND (p.created_at < r.created_at OR (p.created_at = r.created_at AND p.id < r.id))
    JOIN batch b ON b.run_id = p.id AND b.dataset_id = :dataset
    LEFT JOIN batch_binding k ON k.number = b.number
    WHERE r.id = :run GROUP BY p.id, p.created_at ORDER BY p.created_at DESC LIMIT 5""")


@dataclass(frozen=True, slots=True)
class Found:
    """What one round found. `events`: how many were looked at; `more`: whether others wait.

    `again`: the runs among them that were judged before.
    """

    events: int
    breaches: tuple[Breach, ...]
    mark: int
    more: bool
    again: Again


def judge_lineage(
    database: Database, ledger: Ledger, sweep: Sweep, policies: PolicySet, *, now: datetime
) -> Found:
    """Look at what came since the mark, at what waits, and again at what became known (rules 2 to
    4). Writes nothing.
    """
    with database.read() as session:
        after = session.execute(
            select(_mark.c.event_id).where(_mark.c.judge == JUDGE)
        ).scalar_one_or_none()
        rows = session.execute(_NEW, {"after": after or 0, "limit": EVENTS_AT_ONCE}).all()
        again = runs_again(session)
        fresh = {bytes(row[1]) for row in rows}
        runs = sorted(fresh | again.writers)
        breaches = [
            *_batches(session, ledger, policies, runs, now),
            *_shrunk(session, runs),
            *_waiting(session, now),
        ]
        for reading in readings_of(session, sorted({*runs, *again.readers})):
            breaches += judge_reading(session, ledger, sweep, policies, reading)
    old = [row[0] for row in rows if row[2] < to_micros(now - _MARGIN)]
    mark = max(old, default=after or 0)
    more = again.more or (len(rows) == EVENTS_AT_ONCE and bool(old))
    return Found(len(rows), tuple(breaches), mark, more, again)


def raise_found(session: Session, found: Found, *, actor: str, now: datetime) -> list[str]:
    """Raise what was found and move the mark; the ids of violations that are new or open again.

    Effects: one entry in the journal for each; does not commit.
    """
    raised = [raise_violation(session, each, actor=actor, now=now) for each in found.breaches]
    forget(session, found.again)
    mine = _mark.c.judge == JUDGE
    if session.execute(select(_mark.c.judge).where(mine)).first() is None:
        session.execute(insert(_mark).values(judge=JUDGE, event_id=found.mark))
    else:
        session.execute(update(_mark).where(mine).values(event_id=found.mark))
    return [each for each in raised if each is not None]


def retention_breaches(due: DueList, policies: PolicySet) -> Iterator[Breach]:
    """Data past its retention that nothing keeps."""
    for item in due.items:
        if item.state is Disposal.ELIGIBLE:
            yield Breach(
                kind="past_retention",
                sameness=f"past_retention:{item.rule}:{item.batch}",
                detail=f"{item.rule} let batch {item.batch} of {item.dataset[:300]} stay until "
                f"{item.due_at:%Y-%m-%d}.",
                dataset_id=item.dataset_id,
                batch_number=item.batch,
                rule="retention",
                policy=policies.digest,
                facts={"action": item.action},
            )


def _batches(
    session: Session, ledger: Ledger, policies: PolicySet, runs: list[bytes], now: datetime
) -> Iterator[Breach]:
    numbers = [row[0] for row in select_by_ids(session, _BATCHES, runs)]
    if not numbers:
        return
    gathered = gather(session, ledger, policies, numbers, Question("", now), people=False)
    datasets = sorted({gathered.batches[n].dataset_id for n in numbers if n in gathered.batches})
    owners = {bytes(key): owner for key, owner in select_by_ids(session, _OWNERS, datasets)}
    for number in numbers:
        batch = gathered.batches.get(number)
        if batch is None:
            continue
        found = [*_unsourced(batch), *_moved(policies, batch, gathered.batches, gathered.steps)]
        for kind, detail in found:
            yield Breach(
                kind=kind,
                sameness=f"{kind}:{number}",
                detail=f"Batch {number} of {batch.facts.dataset[:300]}: {detail}.",
                project_id=owners.get(batch.dataset_id),
                dataset_id=batch.dataset_id,
                batch_number=number,
                policy=policies.digest,
            )


def _unsourced(batch: BatchRead) -> Iterator[tuple[str, str]]:
    facts = batch.facts
    if facts.derived:
        return
    if facts.origin_kind is None:
        yield "origin_missing", "nobody recorded where it came from"
    known = facts.license is not None or facts.contract is not None
    # Examples may each have a licence of their own, which the sums show.
    if not known and not batch.own_licenses and facts.origin_kind != "first_party":
        yield "license_missing", "nobody recorded a licence"


def _moved(
    policies: PolicySet, batch: BatchRead, batches: Any, steps: Steps
) -> Iterator[tuple[str, str]]:
    """Whether it rests where it may, and came from where it might leave."""
    region = batch.facts.region
    if region is None:
        return
    own = judge_residency(
        policies.residency, classification=batch.facts.classification, rests=region, goes=None
    )
    if own.outcome is Outcome.DENY:
        yield "out_of_region", own.fact
        return
    for number in steps.sources(batch.number):
        source = batches.get(number)
        if source is None or source.facts.classification is None or source.facts.region == region:
            continue
        went = judge_residency(
            policies.residency,
            classification=source.facts.classification,
            rests=None,
            goes=region,
        )
        if went.outcome is Outcome.DENY:
            yield "out_of_region", f"it was made of {source.facts.classification} data; {went.fact}"
            return


def _shrunk(session: Session, runs: list[bytes]) -> Iterator[Breach]:
    for run, dataset, count in select_by_ids(session, _OUTPUTS, runs):
        bound = {"run": bytes(run), "dataset": bytes(dataset)}
        before = [int(row[0]) for row in session.execute(_BEFORE, bound) if row[0] is not None]
        if count is None or len(before) < 5 or count >= LEAST_SHARE * median(before):
            continue
        yield Breach(
            kind="output_dropped",
            sameness=f"output_dropped:{bytes(run).hex()}:{bytes(dataset).hex()}",
            detail=f"A run wrote {int(count)} examples; the median of the five before it is "
            f"{int(median(before))}.",
            dataset_id=bytes(dataset),
            run_id=bytes(run),
        )


def _waiting(session: Session, now: datetime) -> Iterator[Breach]:
    limits = {"before": to_micros(now - PENDING_LIMIT), "limit": 1_000}
    for number, dataset, project, detail in session.execute(_PENDING, limits):
        yield Breach(
            kind="object_missing",
            sameness=f"object_missing:{number}",
            detail=f"Batch {number} waits for over a day: {(detail or 'an object')[:200]}.",
            project_id=project,
            dataset_id=bytes(dataset),
            batch_number=number,
        )
    for digest, project, reason, _name in session.execute(_QUARANTINED, {"limit": 1_000}):
        named = digest_text(bytes(digest))
        yield Breach(
            kind="event_quarantined",
            sameness=f"event_quarantined:{named}",
            detail=f"Event {named} is in quarantine: {reason or 'no reason is kept'}.",
            project_id=project,
            facts={"event": named},
        )
