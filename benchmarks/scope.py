"""What an erasure request is about: from the people to the frozen plan, through the whole ledger.

    python -m benchmarks.scope                    10^6 examples, under a minute
    python -m benchmarks.scope --rows 10000000    10^7
    python -m benchmarks.scope --large            10^8

The pipeline of `benchmarks.closure`: examples with id, digest and subject, filtered, shuffled,
labelled, split, packed, and a model. Measured is `find_scope` with its plan, for one person and for
a thousand, each with ten examples; and for one with a hundred, who is ten people's keys together.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.closure import BATCHES, Bench, opened, timed
from registry.erasure.plan.document import make_plan
from registry.erasure.rules import load_rules
from registry.erasure.scope.found import find_scope
from registry.erasure.scope.sets import size
from registry.keys.identifiers import Scheme
from registry.keys.subjects import live_subject_keys
from registry.workers.loop import Workers

ROUNDS = {1: 10, 10: 10, 1_000: 3}
RULES = load_rules()


def measure(bench: Bench, people: int) -> tuple[float, float, int, int]:
    """Seconds of the scope and of its plan, examples to erase, and the plan's bytes."""
    house = bench.house
    named = bench.rng.integers(0, bench.rows // 10, people).tolist()
    with house.database.read() as session:
        began = time.perf_counter()
        keys = [
            key
            for number in named
            for key in live_subject_keys(
                house.ledger.keyring, Scheme.EMAIL, f"person{number}@example.org"
            )
        ]
        scope = find_scope(
            session, house.ledger, keys, schemes=["email"], rules=RULES, at=house.clock()
        )
        found = time.perf_counter()
        plan = make_plan(scope)
        done = time.perf_counter()
    return found - began, done - found, size(scope.erase), len(plan.text)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="What an erasure request is about.")
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    rows = 10**8 if given.large else given.rows
    print(f"{rows:,} examples, {rows // 10:,} people, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as house:
        bench = Bench(house, Path(folder), rows)
        began = time.perf_counter()
        for batch in range(BATCHES):
            bench.record(batch)
        Workers(house, threads=1).work_off()
        bench.derive()
        Workers(house, threads=1).work_off()
        timed("recorded, derived and bound", rows, began)
        for people, rounds in ROUNDS.items():
            taken = sorted(measure(bench, people) for _ in range(rounds))
            for what, (scope, plan, erased, text) in (
                ("median", taken[len(taken) // 2]),
                ("worst", taken[-1]),
            ):
                print(
                    f"{people:>5} people, {what}: scope {scope * 1e3:9.1f} ms, "
                    f"plan {plan * 1e3:7.1f} ms, {erased:,} examples to erase, {text:,} bytes",
                    flush=True,
                )


if __name__ == "__main__":
    main()
