"""What a certificate costs: proving its entry, signing, verifying, and showing it.

Budget: 100 ms from the facts to the file. Run it with `python -m benchmarks.certificate`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.audit import ACTOR, opened
from benchmarks.ingest import POSTGRES
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.notes import VerifierKey
from registry.audit.signing import current_origin
from registry.clock import system_clock
from registry.erasure.certificate.document import entry_facts, issue, verify
from registry.erasure.certificate.facts import Issuer
from registry.erasure.certificate.pages import as_html, as_pdf, page_of
from registry.keys.tables import Purpose
from tests.erasure.certified import FILE, OWN, PARTLY, proof_in

TARGETS, ROUNDS = (10, 1_000), 20


def median(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The middle of so many rounds, in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times)[len(times) // 2]


def run(name: str, url: str | None) -> None:
    """Every figure of one database."""
    print(name)
    with opened(url) as (database, log):
        log.catch_up()
        keys = [
            VerifierKey(None, key.public_key)
            for key in log.keyring.versions(Purpose.SIGNING)
            if key.public_key
        ]
        secret = log.keyring.active(Purpose.SIGNING).require_secret()
        with database.read() as session:
            origin = current_origin(session)
        assert origin is not None
        for count in TARGETS:
            files = (replace(FILE, name=f"s3://lake/part-{at:05}") for at in range(count - 1))
            facts = replace(PARTLY, issuer=Issuer(origin.name, None), targets=(OWN, *files))
            entry = Entry(EntryKind.CERTIFICATE_ISSUED, ACTOR, entry_facts(facts))
            with database.write() as session:
                append_entries(session, [entry], at=system_clock())
            log.catch_up()

            def build() -> bytes:
                with database.read() as session:
                    proof = proof_in(session, facts)  # noqa: B023 - called at once
                return issue(facts, proof, secret)  # noqa: B023 - called at once

            envelope = build()
            found = verify(envelope, keys)
            page = page_of(found, envelope, verified=True)
            figures = {
                "prove and sign": median(build),
                "verify": median(lambda: verify(envelope, keys)),  # noqa: B023 - called at once
                "page": median(lambda: as_html(page)),  # noqa: B023 - called at once
            }
            if count == TARGETS[0]:
                figures["PDF"] = median(lambda: as_pdf(page), 3)  # noqa: B023 - called at once
            for what, milliseconds in figures.items():
                what = f"certificate of {count:,} targets: {what}"
                print(f"{what:56} {milliseconds:8.2f} ms p50", flush=True)


def main() -> None:
    """Print every figure."""
    run("SQLite", None)
    if url := os.environ.get(POSTGRES):
        run("PostgreSQL", url)


if __name__ == "__main__":
    main()
