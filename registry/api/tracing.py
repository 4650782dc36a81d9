"""Routes that walk single examples: trace, samples, and where a person's examples are.

Identifiers travel in bodies, never in URLs (CONTRACTS), so that no log keeps them.
"""

from __future__ import annotations

from fastapi import APIRouter

from registry.api.trace_answers import answer_backward, answer_forward, answer_located
from registry.canonical import parse_digest
from registry.errors import InvalidInputError
from registry.ledger.find import Question, find_addresses
from registry.ledger.locate import locate_subject
from registry.ledger.sample import draw_sample
from registry.ledger.trace import trace_back, trace_forward
from registry.request import CurrentActor, CurrentHouse, ReadSession
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
    asked: TraceAsked, house: CurrentHouse, _actor: CurrentActor, session: ReadSession
) -> BackwardShown | ForwardShown:
    """Walk one example back to its sources, or forward to all that holds it."""
    ledger = house.ledger
    question = _question(asked)
    found = find_addresses(session, ledger, question)
    number, ordinal = found[0]
    if asked.direction == "backward":
        backward = trace_back(session, ledger.graph, number, ordinal)
        return answer_backward(session, ledger, backward, also=found[1:])
    forward = trace_forward(session, ledger.graph, number, ordinal)
    return answer_forward(session, ledger, forward, also=found[1:])


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
def samples(
    asked: SampleAsked, house: CurrentHouse, _actor: CurrentActor, session: ReadSession
) -> SampleShown:
    """Draw examples of a version by a seed, and walk each back to its source."""
    version = asked.dataset.version if asked.version is None else asked.version
    sample = draw_sample(
        session,
        house.ledger,
        asked.dataset.namespace,
        asked.dataset.name,
        version=version,
        size=asked.size,
        seed=asked.seed,
        file_roots=house.settings.file_roots,
    )
    examples = [
        SampledExample(
            trace=answer_backward(session, house.ledger, item.trace, also=[]), reread=item.reread
        )
        for item in sample.items
    ]
    return SampleShown(examples=examples, seed=asked.seed, population=sample.population)


@router.post("/subjects/locate")
def locate(
    asked: LocateAsked, house: CurrentHouse, _actor: CurrentActor, session: ReadSession
) -> LocatedShown:
    """Count a person's examples by batch, and say which batches could not be searched."""
    subject = asked.subject
    located = locate_subject(session, house.ledger, subject.scheme, subject.value)
    return answer_located(session, house.ledger, located)
