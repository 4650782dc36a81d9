"""One decision, by kept sums and anew, and the import of consent: through the product's own doors.

    python -m benchmarks.decisions                   300,000 consents, a version of 100,000 examples

With REGISTRY_BENCHMARK_POSTGRES set to an SQLAlchemy URL of an empty database, PostgreSQL too. A
decision is what `POST /api/v1/decisions` does once the request is understood: find the version,
look whether its sums still hold, decide, and record it durably.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.ingest import POSTGRES
from registry.policy.actions import Action
from registry.policy.decide import decided, find_subject, record_decision
from registry.policy.judgements import Judgements
from registry.policy.policy_set import question_of
from registry.request import House, reading_for
from registry.rights.consent import ConsentSaid, record_consents
from registry.rights.consent_import import CHUNK_ROWS, keep_chunk, prepare_chunk
from tests.ledger.pipelines import NAMESPACE, Pipeline
from tests.live import Registry, open_registry, served
from tests.policy.asking import collect, person
from tests.stores import migrate, settings_on

EXAMPLES, PEOPLE, CHUNKS, ROUNDS = 100_000, 50_000, 3, 200
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def measured(name: str, work: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Print the median and the 99th percentile of a call."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1e3)
    p99 = statistics.quantiles(times, n=100)[-1] if rounds > 1 else times[0]
    print(f"{name:52} p50 {statistics.median(times):9.2f} ms  p99 {p99:9.2f} ms", flush=True)


def chunk_of(number: int) -> pa.Table:
    """Consents as a file has them: other people in each chunk, another moment in each row."""
    first = number * CHUNK_ROWS
    who = range(first, first + CHUNK_ROWS)
    return pa.table(
        {
            "scheme": ["email"] * CHUNK_ROWS,
            "value": [person(each) for each in who],
            "purpose": ["model_training"] * CHUNK_ROWS,
            "status": ["given"] * CHUNK_ROWS,
            "at": [(BEGIN + timedelta(seconds=each)).isoformat() for each in who],
        }
    )


def import_consents(house: House) -> None:
    """Print how fast a file of consent is taken, read and sent already."""
    purposes = house.policies.current().purposes
    for number in range(CHUNKS):
        table = chunk_of(number)
        started = time.perf_counter()
        now = house.clock()
        chunk = prepare_chunk(table, house.keyring, purposes, actor="benchmark", now=now)
        first = number * CHUNK_ROWS
        house.database.transact(
            lambda s, chunk=chunk, first=first, now=now: keep_chunk(  # type: ignore[misc]  # bound now
                s, "sha256:benchmark", first, chunk, actor="benchmark", now=now
            )
        )
        rate = CHUNK_ROWS / (time.perf_counter() - started)
        print(f"{'consent events imported, checked and keyed':52} {rate:9,.0f}/s", flush=True)


def fill(registry: Registry) -> None:
    """A version of EXAMPLES examples of PEOPLE people who all agreed."""
    rows = np.arange(EXAMPLES)
    people = [[{"scheme": "email", "value": person(each)}] for each in (rows % PEOPLE).tolist()]
    ids = [f"ex-{row}" for row in rows.tolist()]
    with served(registry) as server, server.client() as client:
        pipeline = Pipeline(server, client)
        said = {"legalBasis": "consent", "license": "CC-BY-4.0", "personalData": "personal"}
        table = pa.table({"example_id": ids, "subjects": people})
        collect(pipeline, table, **said)  # type: ignore[arg-type]  # facts of the facet
        pipeline.settle()


def decide(registry: Registry, judgements: Judgements) -> None:
    """One decision, recorded."""
    house = registry.house
    actor = house.tokens.authenticate(registry.token)
    policies = house.policies.current()
    question = question_of(policies, "model_training", house.clock())
    with reading_for(house, actor, Action.ASK_DECISIONS) as session:
        subject = find_subject(session, NAMESPACE, "raw", None)
    answer = decided(subject, judgements.sums(policies, question, subject), policies)
    assert answer.decision.value == "allow", answer
    house.database.transact(
        lambda session: record_decision(
            session, answer, question, actor=actor.account_id, now=house.clock()
        )
    )


def run(url: str, home: Path) -> None:
    """All figures of one database."""
    migrate(url)
    with open_registry(settings_on(url, home)) as registry:
        house = registry.house
        import_consents(house)
        fill(registry)

        def anew() -> Judgements:
            return Judgements(house.database, house.ledger, house.sweep)

        measured("a decision, judged anew", lambda: decide(registry, anew()), rounds=5)
        measured("a decision from kept sums", lambda: decide(registry, house.judgements))
        now = house.clock()
        said = ConsentSaid("email", person(1), "model_training", "renewed", now)
        purposes = house.policies.current().purposes

        def after_consent() -> None:
            house.database.transact(
                lambda s: record_consents(
                    s, house.keyring, purposes, [said], actor="benchmark", now=now
                )
            )
            decide(registry, house.judgements)

        measured("a consent, and a decision after it", after_consent, rounds=5)


def main() -> None:
    """Print the figures of each database there is."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        print("SQLite")
        run(f"sqlite:///{home}/registry.db", home)
        if url := os.environ.get(POSTGRES):
            other = Path(folder) / "other"
            other.mkdir(mode=0o700)
            print("PostgreSQL")
            run(url, other)


if __name__ == "__main__":
    main()
