"""Routes that say what may be used: decisions, why, and manifests.

Rules:
1. Each answer is recorded before it is given (`policy.decide` rule 1), in a transaction of its own:
   judging holds no lock that writers wait for.
2. Who may ask about a dataset is decided in its project; of another there is nothing to be found.
   What is asked is judged over everything, also over sources that the actor does not see.
3. A manifest comes as an Arrow stream, or as JSON counts for `Accept: application/json`.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from registry.actors.accounts import Actor
from registry.policy.actions import Action
from registry.policy.decide import (
    Decided,
    Given,
    Subject,
    decided,
    find_subject,
    judge,
    manifest_of,
    record_decision,
    record_manifest,
)
from registry.policy.decision import Rule, outcome_of
from registry.policy.evaluate import Judged, reasons_of
from registry.policy.facts import Question
from registry.policy.manifest import object_name
from registry.policy.policy_set import PolicySet, question_of
from registry.policy.stream import MEDIA_TYPE, about_of, stream
from registry.request import CurrentAsker, CurrentHouse, CurrentReader, House, reading_for
from registry.wire.policy import (
    BatchExplained,
    DecisionAsked,
    DecisionShown,
    Explained,
    ManifestAsked,
    ManifestBatch,
    ManifestShown,
    PolicyShown,
    ReasonShown,
)

router = APIRouter(prefix="/api/v1", tags=["policy"])
MANIFEST_HEADER = "Registry-Manifest"


@router.get("/policies")
def policies(house: CurrentHouse, _actor: CurrentReader) -> PolicyShown:
    """Which policies are in force: their digest, the purposes and the rules."""
    found = house.policies.current()
    return PolicyShown(
        policy=found.digest, purposes=list(found.purposes.entries), rules=[r.value for r in Rule]
    )


@router.post("/decisions")
def decisions(asked: DecisionAsked, house: CurrentHouse, actor: CurrentAsker) -> DecisionShown:
    """May this version be used for this purpose?"""
    answer, _judged = _decide(asked, house, actor)
    return _shown(answer)


@router.post("/decisions/explain")
def explain(asked: DecisionAsked, house: CurrentHouse, actor: CurrentAsker) -> Explained:
    """The same with what is said of each batch of the version."""
    answer, judged = _decide(asked, house, actor)
    return Explained(
        decision=_shown(answer), batches=[_explained(judged, n) for n in judged.members]
    )


def _decide(asked: DecisionAsked, house: House, actor: Actor) -> tuple[Decided, Judged]:
    found = house.policies.current()
    question = question_of(
        found,
        asked.purpose,
        asked.as_of or house.clock(),
        region=asked.region,
        recipient=asked.recipient,
    )
    subject = _find(asked, house, actor)
    judged = _judge(house, found, question, subject)
    answer = decided(subject, judged, found)
    house.database.transact(
        lambda session: record_decision(
            session, answer, question, actor=actor.account_id, now=house.clock()
        )
    )
    return answer, judged


def _find(asked: DecisionAsked | ManifestAsked, house: House, actor: Actor) -> Subject:
    """The version that is meant, if the actor may ask about it. Raises NotFoundError."""
    version = asked.dataset.version if asked.version is None else asked.version
    with reading_for(house, actor, Action.ASK_DECISIONS) as session:
        return find_subject(session, asked.dataset.namespace, asked.dataset.name, version)


def _judge(house: House, found: PolicySet, question: Question, subject: Subject) -> Judged:
    return judge(house.database, house.ledger, house.sweep, found, question, subject)


def _shown(answer: Decided) -> DecisionShown:
    return DecisionShown(
        id=answer.id,
        decision=answer.decision.value,
        judged=answer.judged.value,
        mode=answer.subject.mode.value,
        reasons=[
            ReasonShown(rule=r.rule.value, outcome=r.outcome.value, fact=r.fact, count=r.count)
            for r in answer.reasons
        ],
        policy=answer.policy,
        namespace=answer.subject.dataset.namespace,
        name=answer.subject.dataset.name,
        version=answer.subject.version,
        examples=answer.examples,
    )


def _explained(judged: Judged, number: int) -> BatchExplained:
    masks, rows = judged.masks[number], judged.rows[number]
    counts = judged.counts_of(number) or {masks if isinstance(masks, int) else 0: 0}
    worst = 0
    for mask in counts:
        worst |= mask
    return BatchExplained(
        batch=number,
        rows=rows,
        outcome=outcome_of(worst).value,
        reasons=[
            ReasonShown(rule=r.rule.value, outcome=r.outcome.value, fact=r.fact, count=r.count)
            for r in reasons_of(counts, judged.told_of(number))
        ],
    )


@router.post(
    "/manifests",
    response_model=ManifestShown,
    responses={200: {"content": {MEDIA_TYPE: {}}}},
)
def manifests(
    asked: ManifestAsked, request: Request, house: CurrentHouse, actor: CurrentAsker
) -> Response:
    """Exactly the examples of a version that may be used for this purpose (rule 3)."""
    found = house.policies.current()
    question = question_of(found, asked.purpose, house.clock(), region=asked.region)
    subject = _find(asked, house, actor)
    judged = _judge(house, found, question, subject)
    given, data = manifest_of(subject, judged, found, question)
    house.ledger.objects.put(object_name(given.digest), data)
    house.database.transact(
        lambda session: record_manifest(session, given, actor=actor.account_id, now=house.clock())
    )
    shown = _shown_manifest(given)
    headers = {MANIFEST_HEADER: given.digest}
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(shown.model_dump(), headers=headers)
    ids = house.ledger.store if asked.with_ids else None
    body = stream(given.file, about_of(shown.model_dump()), ids)
    return StreamingResponse(body, media_type=MEDIA_TYPE, headers=headers)


def _shown_manifest(given: Given) -> ManifestShown:
    asked, subject = given.file.asked, given.subject
    return ManifestShown(
        manifest=given.digest,
        allowed=given.allowed,
        withheld=dict(given.withheld),
        observed=dict(given.observed),
        erased=given.erased,
        mode=subject.mode.value,
        policy=asked.policy,
        namespace=subject.dataset.namespace,
        name=subject.dataset.name,
        version=subject.version,
        purpose=asked.purpose,
        region=asked.region,
        batches=[
            ManifestBatch(batch=part.batch, rows=part.rows, allowed=part.allowed)
            for part in given.file.parts
        ],
    )
