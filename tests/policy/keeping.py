"""What the tests of kept judgements share: a pipeline with all that is judged, and two judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from registry.ledger.opened import open_ledger
from registry.ledger.rowmap import RowMap
from registry.ledger.sweep import LedgerPlace, Sweep
from registry.policy.decide import Subject, find_subject
from registry.policy.evaluate import Sums
from registry.policy.judgements import Judgements
from registry.policy.policy_set import question_of
from registry.request import House
from tests.ledger.pipelines import NAMESPACE, Pipeline, mapped, written
from tests.policy.asking import collect, consent, examples

ROWS = 12
PEOPLE = [[row % 4] for row in range(ROWS)]
CONSENT = {"legalBasis": "consent", "license": "CC-BY-4.0", "personalData": "personal"}


def fill(pipeline: Pipeline) -> None:
    """A dataset of four people, one made from it with a map, one without; another with licences."""
    collect(pipeline, examples(ROWS, PEOPLE), **CONSENT)
    for number in range(4):
        consent(pipeline, number, "given")
    interests = {"legalBasis": "legitimate_interests", "license": "MIT"}
    collect(pipeline, examples(3, [[0], [1], [9]]), dataset="interests", **interests)
    collect(pipeline, examples(2, license=["MIT", None]), dataset="bare", license="MIT")
    keep = np.arange(0, ROWS, 2, dtype=np.uint32)
    maps = [mapped([("raw", "b1")], pipeline.upload_map(RowMap.take(keep, ROWS)))]
    pipeline.run("filter", reads=["raw"], writes=[written("filtered", "b1", maps=maps)])
    pipeline.run("mix", reads=["raw"], writes=[written("mixed", "b1", exampleCount=7)])
    pipeline.settle()


DATASETS = ("raw", "filtered", "mixed", "interests", "bare")


def judgements_of(house: House) -> Judgements:
    """Judgements that have kept nothing, over a ledger that remembers nothing."""
    place = LedgerPlace(house.settings.ledger, house.settings.storage_options)
    ledger = open_ledger(place, house.keyring)
    return Judgements(house.database, ledger, Sweep(place, "threads", ledger.store))


def subject_of(house: House, dataset: str) -> Subject:
    """The current version of a dataset."""
    with house.database.read() as session:
        return find_subject(session, NAMESPACE, dataset, None)


def sums_of(
    house: House, judgements: Judgements, dataset: str = "raw", at: datetime | None = None
) -> Sums:
    """What these judgements say of a dataset now, or at a moment."""
    policies = house.policies.current()
    question = question_of(policies, "model_training", at or house.clock(), region="eu-west-1")
    return judgements.sums(policies, question, subject_of(house, dataset))


def all_sums(house: House, judgements: Judgements, at: datetime | None = None) -> dict[str, Sums]:
    """The same of every dataset of `fill`."""
    return {dataset: sums_of(house, judgements, dataset, at) for dataset in DATASETS}


def batch_of(house: House, dataset: str = "raw") -> int:
    """The number of the first batch of a dataset."""
    with house.database.read() as session:
        query = text(
            "SELECT b.number FROM batch b JOIN dataset d ON d.id = b.dataset_id "
            "WHERE d.name = :name"
        )
        return int(session.execute(query, {"name": dataset}).scalars().first() or 0)


Write = Callable[[Session], object]


def write(house: House, work: Write) -> None:
    """Do something in a transaction of its own."""
    house.database.transact(lambda session: work(session) and None)


@contextmanager
def begun(house: House, work: Write) -> Iterator[None]:
    """Something is written, and committed only when the block ends."""
    with house.database.write() as session:
        work(session)
        session.flush()
        yield
