"""What secrets and identifiers cost: at the door for each event, in a pipeline for each text.

Budgets: 5 µs to pass an event of 3 kB that holds no secret; 80,000 texts of 200 characters a
second. Run it with `python -m benchmarks.pii`; figures are the best of several rounds, one thread.
"""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from registry.pii.columns import scan_column
from registry.pii.flags import flag_identifiers, may_hold_identifiers
from registry.pii.identifiers import find_identifiers
from registry.pii.secrets import mask_secrets, may_hold_secrets

ROUNDS = 7
TEXTS = 100_000
EVENT_BYTES = 3_000
SENTENCE = """
the model reads each record once and keeps what the filter lets through while a second pass counts
how many examples of every source remain after removal of near duplicates in 2026
"""
WORDS = SENTENCE.split()
IDENTIFIERS = (
    "jane.doe@example.org",
    "+49 30 1234567",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "192.0.2.17",
    "86095742719",
)
NUMBERS = ("1729156674", "2026-03-01T09:30:00Z", "450,000-2000", "0.4111111111111111", "v1.2.3.4")


def spark_event() -> dict[str, Any]:
    """A COMPLETE event of about 3 kB as Spark's integration sends it, without a secret."""
    producer = "https://github.com/OpenLineage/OpenLineage/tree/1.40.0/integration/spark"
    facet = {"_producer": producer, "_schemaURL": "https://openlineage.io/spec/facets/1-1-1/X.json"}
    fields = [{"name": f"column_{number}", "type": "string"} for number in range(12)]
    source = {"namespace": "s3://lake", "name": "raw/users"}
    lineage = {f"column_{n}": {"inputFields": [{**source, "field": f"c_{n}"}]} for n in range(11)}
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-01T09:30:00.123Z",
        "producer": producer,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": "01908224-8410-79a2-8de6-4466554400ab",
            "facets": {"processing_engine": {**facet, "name": "spark", "version": "3.5.1"}},
        },
        "job": {
            "namespace": "default",
            "name": "curate.users",
            "facets": {"sql": {**facet, "query": "SELECT column_1 FROM users WHERE column_2 > 12"}},
        },
        "inputs": [{**source, "facets": {"schema": {**facet, "fields": fields}}}],
        "outputs": [
            {
                "namespace": "s3://lake",
                "name": "curated/users",
                "facets": {"columnLineage": {**facet, "fields": lineage}},
            }
        ],
    }


def texts(pieces: tuple[str, ...], share: float) -> list[str]:
    """Seeded texts of about 200 characters; that share of them has one of the pieces."""
    choose = random.Random(1)
    made = []
    for _ in range(TEXTS):
        words = choose.choices(WORDS, k=38)
        if choose.random() < share:
            words[choose.randrange(len(words))] = choose.choice(pieces)
        made.append(" ".join(words)[:210])
    return made


def best_seconds(work: Callable[[], object], *, repeats: int = 1) -> float:
    """The seconds of one call in the fastest round."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        rounds.append((time.perf_counter() - began) / repeats)
    return min(rounds)


def report_events() -> None:
    """Print what an event costs at the door."""
    event = spark_event()
    body = json.dumps(event).encode()[:EVENT_BYTES]
    secret = spark_event()
    secret["job"]["facets"]["sql"]["query"] += " AND password = 'hunter2'"
    for name, work in (
        (f"may_hold_secrets, {len(body)} bytes without", lambda: may_hold_secrets(body)),
        (f"may_hold_identifiers, {len(body)} bytes without", lambda: may_hold_identifiers(body)),
        ("mask_secrets, an event with one (copied first)", lambda: mask_secrets(_copy(secret))),
        ("the copy alone", lambda: _copy(secret)),
        ("flag_identifiers, an event without", lambda: flag_identifiers(event)),
    ):
        print(f"{name:56} {best_seconds(work, repeats=500) * 1e6:10.1f} µs/event")


def _copy(event: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(event)


def report_texts() -> None:
    """Print how many texts a second are scanned."""
    for name, made in (
        ("clean", texts((), 0.0)),
        ("5 % with an identifier", texts(IDENTIFIERS, 0.05)),
        ("all with an identifier", texts(IDENTIFIERS, 1.0)),
        ("all with digits that are none", texts(NUMBERS, 1.0)),
    ):
        column = pa.array(made)
        length = sum(map(len, made)) / len(made)
        one_by_one = best_seconds(lambda made=made: [find_identifiers(text) for text in made])
        at_once = best_seconds(lambda column=column: scan_column(column))
        of_list = best_seconds(lambda made=made: scan_column(made))
        print(f"{TEXTS:,} texts of {length:.0f} characters, {name}")
        for way, seconds in (
            ("find_identifiers, one by one", one_by_one),
            ("scan_column, Arrow", at_once),
            ("scan_column, list", of_list),
        ):
            print(f"  {way:54} {TEXTS / seconds:10,.0f} texts/s")


if __name__ == "__main__":
    report_events()
    report_texts()
