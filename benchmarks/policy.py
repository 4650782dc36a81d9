"""Trainable manifests: ten million examples of a million people, of whom 100,000 withdrew.

    python -m benchmarks.policy                    10^7 examples
    python -m benchmarks.policy --rows 1000000     fewer, for a look

Measured are the rule over all examples at once, with the addresses that come of it, the people read
from the index and looked up, and the Arrow stream with and without example ids.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa

from registry.ledger.addresses import pack
from registry.ledger.sweep import LedgerPlace, Store
from registry.policy.decision import Mode, withholding
from registry.policy.facts import BatchFacts, Standing, SubjectFacts
from registry.policy.manifest import Asked, ManifestFile, digest_of, part_of
from registry.policy.masks import CODE_OF, Masks, People, as_array, counted, masks_of_batch
from registry.policy.people import PersonStates, codes_of, scan_people
from registry.policy.policy_set import load_policies, question_of
from registry.policy.stream import stream
from registry.rights.licenses import Permission

Answer = TypeVar("Answer")
BATCH = 7
TRIES = 5


def measured(name: str, rows: int, work: Callable[[], Answer], tries: int = TRIES) -> Answer:
    """The best of some tries, as rows a second."""
    best, answer = float("inf"), None
    for _ in range(tries):
        started = time.perf_counter()
        answer = work()
        best = min(best, time.perf_counter() - started)
    print(f"{name:52} {best * 1000:9.1f} ms  {rows / best / 1e6:8.1f} M/s", flush=True)
    assert answer is not None
    return answer


def fill(store: Store, rows: int, people: int) -> bytes:
    """Examples with ids, one person each, in random order; every person's key."""
    chance = np.random.default_rng(1)
    keys = chance.bytes(16 * people)
    table = np.frombuffer(keys, "V16")
    for start in range(0, rows, 1 << 20):
        count = min(1 << 20, rows - start)
        addresses = pack(BATCH, np.arange(start, start + count))
        ids = pa.array(np.char.add("example-", np.arange(start, start + count).astype(str)))
        store.index.append(pa.table({"address": addresses, "example_id": ids}))
        who = np.ascontiguousarray(table[chance.integers(0, people, count)])
        column = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), count, [None, pa.py_buffer(who)]
        )
        versions = pa.array(np.ones(count, np.int32))
        store.index.append_subjects(
            pa.table({"address": addresses, "subject_key": column, "key_version": versions})
        )
    return keys


def main() -> None:
    """Print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    people = max(rows // 10, 1)
    policies = load_policies()
    question = question_of(policies, "model_training", datetime(2026, 1, 1, tzinfo=UTC))
    facts = BatchFacts(
        legal_basis="consent",
        license="MIT",
        grants={"ai_training": Permission.ALLOWED},
        has_subjects=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        store = Store(LedgerPlace(folder))
        keys = fill(store, rows, people)
        codes = np.full(people, CODE_OF[SubjectFacts(Standing.GIVEN)], np.uint8)
        codes[:: max(people // (rows // 100), 1)] = CODE_OF[SubjectFacts(Standing.ENDED)]
        states = PersonStates(keys, codes)
        found = measured(
            "people of a batch, read from the index", rows, lambda: scan_people(store, BATCH), 1
        )
        which = measured("their states, looked up", people, lambda: codes_of(found, states))
        who = People(found.places, which)

        def ruled() -> Masks:
            return masks_of_batch(policies, facts, rows, question, who)

        masks = measured("the rule, for every example", rows, ruled)
        bits = np.uint32(withholding(Mode.ENFORCE))
        array = as_array(masks, rows)

        def addresses() -> np.ndarray:
            judged = as_array(ruled(), rows)
            return np.flatnonzero((judged & bits) == 0)

        measured("the rule, and the addresses that are allowed", rows, addresses)
        measured("counts by reason", rows, lambda: counted(array, rows))
        asked = Asked("0" * 32, 1, "model_training", None, policies.digest, "enforce")

        def made() -> tuple[ManifestFile, str]:
            file = ManifestFile(asked, (part_of(BATCH, (array & bits) == 0),))
            return file, digest_of(file.to_bytes())

        file, _ = measured("manifest and digest", rows, made)
        allowed = file.parts[0].allowed
        measured("Arrow stream", allowed, lambda: sum(map(len, stream(file, b"{}", None))))
        measured(
            "Arrow stream with ids", allowed, lambda: sum(map(len, stream(file, b"{}", store))), 2
        )


if __name__ == "__main__":
    main()
