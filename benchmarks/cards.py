"""How long the facts of a card take: a version of 10^8 examples in 10^4 batches, and all behind it.

    python -m benchmarks.cards [--small]

Ten source datasets of 1,000 batches each are cleaned batch by batch and put together; each batch
has a run of its own, 10^4 examples, and the sums that the worker would make of it. All of it is
written as rows, not through the door. Budget: JSON 100 ms, HTML 300 ms, in all. With
REGISTRY_BENCHMARK_POSTGRES set to an SQLAlchemy URL of an empty database, PostgreSQL too.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sqlmodel import Session

from benchmarks.graph import POSTGRES, measure
from registry.canonical import canonical_json
from registry.cards.facts.keeping import GroundKeeper
from registry.cards.facts.reading import read_facts
from registry.cards.facts.world import Parts
from registry.cards.values import CardFacts
from registry.catalog import tables as t
from registry.catalog import version_tables as v
from registry.catalog.names import dataset_id, job_id
from registry.ids import named_id
from registry.ledger import tables as ledger
from registry.ledger.sums import PAIR
from registry.storage.bulk import append_rows
from registry.storage.columns import table_of, wins_key
from tests.live import Registry, open_registry
from tests.stores import settings_on

NAMESPACE, SOURCES = "s3://lake", 10
BATCHES, SMALL, EXAMPLES, DOMAINS = 10_000, 1_000, 10_000, 100_000
BEGIN = 1_767_225_600_000_000
SHARES = {
    "split": ("train", "test"),
    "license": ("CC-BY-4.0", "CC-BY-SA-4.0", "MIT", ""),
    "language": ("en", "de", "fr", "pl", ""),
    "label": tuple(f"label-{each}" for each in range(8)),
    "pii": ("none", "email", "email,phone"),
    "collected_month": ("2026-01", "2026-02"),
}
"""What each batch has of each dimension, in equal parts."""


def fill(session: Session, batches: int) -> bytes:
    """Write the catalog; the id of the dataset whose version 1 is read."""
    corpus = dataset_id(NAMESPACE, "corpus")
    names = [f"source-{each}" for each in range(SOURCES)]
    columns: tuple[str, ...] = ("id", "namespace", "name", "created_at", "updated_at")
    rows = [(dataset_id(NAMESPACE, name), NAMESPACE, name, BEGIN, BEGIN) for name in names]
    rows.append((corpus, NAMESPACE, "corpus", BEGIN, BEGIN))
    append_rows(session, table_of(t.Dataset), columns, rows)
    jobs = [
        (job_id("pipelines", name), "pipelines", name, BEGIN, BEGIN) for name in (*names, "clean")
    ]
    append_rows(session, table_of(t.Job), columns, jobs)
    for is_clean in (False, True):
        for first in range(0, batches, 1_000):
            _batches(session, range(first, min(first + 1_000, batches)), batches, is_clean)
    members = [(corpus, 1, batches + each + 1, "added") for each in range(batches)]
    columns = ("dataset_id", "number", "batch_number", "change")
    append_rows(session, table_of(v.VersionBatch), columns, members)
    run = named_id("bench", "clean.0")
    version = (corpus, 1, 1, "append", run, BEGIN, BEGIN, 0)
    columns = (
        "dataset_id",
        "number",
        "line",
        "mode",
        "scope_id",
        "completed_at",
        "allotted_at",
        "late",
    )
    append_rows(session, table_of(v.DatasetVersion), columns, [version])
    return corpus


def _batches(session: Session, some: range, batches: int, is_clean: bool) -> None:
    """Some batches of the sources, or of the corpus that each is cleaned into."""
    chance = random.Random(some.start + is_clean)
    made: list[list[tuple[object, ...]]] = [[] for _ in range(8)]
    runs, rows, numbers, bound, sums, reads, maps, inputs = made
    for each in some:
        source = f"source-{each % SOURCES}"
        name, job = ("corpus", "clean") if is_clean else (source, source)
        number = each + 1 + (batches if is_clean else 0)
        key, run = dataset_id(NAMESPACE, name), named_id("bench", f"{job}.{each}")
        at = BEGIN + number * 1_000_000
        wins = wins_key(at, named_id("digest", f"{number}") * 2)
        runs.append(
            (run, job_id("pipelines", job), wins, "COMPLETED", b"\x03" + wins, at, at, at, at)
        )
        numbers.append((number, key, run, "batch"))
        said = (None,) * 8 if is_clean else _said(each)
        rows.append((key, run, "batch", wins, number, at, *said))
        bound.append((number, "bound", EXAMPLES, int(not is_clean), at))
        sums += _sums(number, dataset_id(NAMESPACE, source).hex(), chance)
        if is_clean:
            reads.append(
                (run, "input", dataset_id(NAMESPACE, source), job_id("pipelines", job), at, wins)
            )
            maps.append((number, 0, "kept", "none", EXAMPLES, EXAMPLES, 0))
            inputs.append((number, 0, 0, each + 1, 0, EXAMPLES))
    timed = ("created_at", "updated_at", "started_at", "ended_at")
    columns: tuple[str, ...] = ("id", "job_id", "owner_key", "state", "state_key", *timed)
    append_rows(session, table_of(t.Run), columns, runs)
    append_rows(
        session, table_of(v.BatchNumber), ("number", "dataset_id", "run_id", "name"), numbers
    )
    said_of: tuple[str, ...] = ("origin_kind", "origin_uri", "collected_from", "collected_until")
    said_of += ("license", "legal_basis", "purposes", "personal_data")
    columns = ("dataset_id", "run_id", "name", "wins", "number", "effective_at", *said_of)
    append_rows(session, table_of(v.Batch), columns, rows)
    append_rows(
        session,
        table_of(ledger.BatchBinding),
        ("number", "state", "rows", "indexed", "since"),
        bound,
    )
    columns = ("number", "dimension", "value", "examples", "bytes", "tokens")
    append_rows(session, table_of(ledger.BatchSum), columns, sums)
    columns = ("scope_id", "direction", "dataset_id", "job_id", "first_at", "wins")
    append_rows(session, table_of(t.ScopeDataset), columns, reads)
    columns = ("number", "position", "role", "object_name", "rows", "size", "unresolved")
    append_rows(session, table_of(ledger.MapBinding), columns, maps)
    columns = ("number", "position", "place", "input_number", "first", "rows")
    append_rows(session, table_of(ledger.MapInput), columns, inputs)


def _said(each: int) -> tuple[object, ...]:
    kinds = ("public", "crawled", "licensed", "first_party", "synthetic")
    kind, day = kinds[each % SOURCES % len(kinds)], 86_400_000_000
    uri = f"https://data.example.org/source-{each % SOURCES}"
    begun = BEGIN + each % 300 * day
    return kind, uri, begun, begun + day, "CC-BY-4.0", "consent", '["model_training"]', "none"


def _sums(number: int, source: str, chance: random.Random) -> Iterator[tuple[object, ...]]:
    """The sums of a batch, as the worker makes them."""

    def row(dimension: str, value: str, examples: int) -> tuple[object, ...]:
        return number, dimension, value, examples, 1_000 * examples, 250 * examples

    yield row("total", "", EXAMPLES)
    for dimension, values in SHARES.items():
        for value in values:
            yield row(dimension, value, EXAMPLES // len(values))
    yield row("modality", "text", EXAMPLES)
    yield row("source", source, EXAMPLES)
    yield row(f"modality{PAIR}source", f"text{PAIR}{source}", EXAMPLES)
    for domain in chance.sample(range(DOMAINS), 10):
        yield row("source_domain", f"www{domain}.example.org", EXAMPLES // 10)
        pair = f"text{PAIR}www{domain}.example.org"
        yield row(f"modality{PAIR}source_domain", pair, EXAMPLES // 10)


def run(name: str, registry: Registry, batches: int) -> None:
    """Every figure of one database."""
    house = registry.house
    began = time.perf_counter()
    corpus = house.database.transact(lambda session: fill(session, batches))
    print(f"{name}: {batches:,} batches made in {time.perf_counter() - began:.0f} s", flush=True)
    parts, keeper = Parts(house.ledger, house.policies.current()), GroundKeeper()

    def read(kept: GroundKeeper | None) -> CardFacts:
        with house.database.read() as session:
            return read_facts(session, parts, corpus, 1, now=house.clock(), keeper=kept)

    facts = read(keeper)
    assert facts["quantity.examples"].value == batches * EXAMPLES, facts["quantity.examples"]
    print(f"{len(canonical_json(facts.document())):,} bytes")
    figures: dict[str, Callable[[], object]] = {
        "facts, everything read anew": lambda: read(None),
        "facts, where no batch changed since": lambda: read(keeper),
        "their JSON and digest": lambda: replace(facts).digest,
    }
    for what, work in figures.items():
        middle, best = measure(work)
        print(f"{what:56} {middle:8.1f} ms p50 {best:8.1f} ms best", flush=True)


def main() -> None:
    """Print every figure."""
    batches = SMALL if "--small" in sys.argv else BATCHES
    urls = {"PostgreSQL": os.environ.get(POSTGRES), "SQLite": ""}
    for name, url in urls.items():
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            if url is None:
                continue
            with open_registry(settings_on(url, home)) as registry:
                run(name, registry, batches)


if __name__ == "__main__":
    main()
