"""Routes that walk single examples: trace, samples, and where a person's examples are.

Rules:
1. Identifiers travel in bodies, never in URLs (CONTRACTS), so that no log keeps them.
2. Each read leaves an entry in the journal before it is answered (`ledger.read_entries`), in a
   transaction of its own: a long walk holds no lock that writers wait for.
"""

from __future__ import annotations

from fastapi import APIRouter
from sqlmodel import Session

from registry.actors.accounts import Actor
from registry.api.trace_answers import answer_backward, answer_forward, answer_located
from registry.audit.events import EntryKind
from registry.canonical import parse_digest
from registry.errors import InvalidInputError
from registry.ledger.find import Question, find_addresses
from registry.ledger.locate import locate_subject
from registry.ledger.opened import Ledger
from registry.ledger.read_entries import locate_facts, record_read, sample_facts, trace_facts
from registry.ledger.sample import draw_sample
from registry.ledger.trace import Address, trace_back, trace_forward
from registry.policy.actions import Action
from registry.request import CurrentHouse, CurrentTracer, House, reading_for
from registry.wire.ledger import (
    BackwardShown,
    DatasetAsked,
    ForwardShown,
    LocateAsked,
    LocatedShown,
    SampleAsked,
    SampledExample,
    SampleShown,
    TraceAsked,
)

router = APIRouter(prefix="/api/v1", tags=["ledger"])


@router.post("/trace")
def trace(
    asked: TraceAsked, house: CurrentHouse, actor: CurrentTracer
) -> BackwardShown | ForwardShown:
    """Walk one example back to its sources, or forward to all that holds it."""
    ledger = house.ledger
    question = _question(asked)
    found: list[Address] = []
    try:
        with reading_for(house, actor, Action.TRACE_EXAMPLES) as session:
            found = find_addresses(session, ledger, question)
            answer = _walked(session, ledger, found, asked.direction)
    finally:
        facts = trace_facts(ledger.digests, question, asked.direction, found)
        _record(house, actor, EntryKind.EXAMPLE_TRACED, facts)
    return answer


def _walked(
    session: Session, ledger: Ledger, found: list[Address], direction: str
) -> BackwardShown | ForwardShown:
    number, ordinal = found[0]
    if direction == "backward":
        backward = trace_back(session, ledger.graph, number, ordinal)
        return answer_backward(session, ledger, backward, also=found[1:])
    forward = trace_forward(session, ledger.graph, number, ordinal)
    return answer_forward(session, ledger, forward, also=found[1:])


def _record(house: House, actor: Actor, kind: EntryKind, facts: dict[str, object]) -> None:
    record_read(house.database, kind, actor.account_id, facts, clock=house.clock)


def _question(asked: TraceAsked) -> Question:
    given = [
        name
        for name in ("example_id", "digest", "content", "address")
        if getattr(asked, name) is not None
    ]
    if len(given) != 1:
        raise InvalidInputError(
            f"The question names {' and '.join(given) or 'no example'}; one is needed.",
            remedy="Give one of example_id, digest, content and address.",
        )
    dataset: DatasetAsked = asked.dataset
    return Question(
        dataset.namespace,
        dataset.name,
        dataset.version,
        example_id=asked.example_id,
        digest=None if asked.digest is None else parse_digest(asked.digest, path="digest"),
        content=None if asked.content is None else asked.content.encode(),
        address=None if asked.address is None else (asked.address.batch, asked.address.ordinal),
    )


@router.post("/samples")
def samples(asked: SampleAsked, house: CurrentHouse, actor: CurrentTracer) -> SampleShown:
    """Draw examples of a version by a seed, and walk each back to its source."""
    dataset = asked.dataset
    version = dataset.version if asked.version is None else asked.version
    with reading_for(house, actor, Action.TRACE_EXAMPLES) as session:
        sample = draw_sample(
            session,
            house.ledger,
            dataset.namespace,
            dataset.name,
            version=version,
            size=asked.size,
            seed=asked.seed,
            file_roots=house.settings.file_roots,
        )
        examples = [
            SampledExample(
                trace=answer_backward(session, house.ledger, item.trace, also=[]),
                reread=item.reread,
            )
            for item in sample.items
        ]
    facts = sample_facts(
        dataset.namespace,
        dataset.name,
        version=version,
        seed=asked.seed,
        drawn=len(examples),
        population=sample.population,
    )
    _record(house, actor, EntryKind.SAMPLE_DRAWN, facts)
    return SampleShown(examples=examples, seed=asked.seed, population=sample.population)


@router.post("/subjects/locate")
def locate(asked: LocateAsked, house: CurrentHouse, actor: CurrentTracer) -> LocatedShown:
    """Count a person's examples by batch, and say which batches could not be searched."""
    ledger, subject = house.ledger, asked.subject
    with reading_for(house, actor, Action.TRACE_EXAMPLES) as session:
        located = locate_subject(session, ledger, subject.scheme, subject.value)
        answer = answer_located(session, ledger, located)
    facts = locate_facts(ledger.digests, subject.scheme, subject.value, located)
    _record(house, actor, EntryKind.SUBJECT_LOCATED, facts)
    return answer
