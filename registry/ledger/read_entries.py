"""Journal entries of reads of single examples and of people: who looked at whom.

Rules:
1. A read that was answered, and one that found nothing, each leave one entry, which is durable
   before the answer goes out. Asking is what is recorded, whatever came of it.
2. An entry holds ids of datasets, addresses, counts and keyed digests; never an example id, a
   content, a digest of one, or an identifier of a person. Whoever asks later "who looked me up?"
   is keyed the same way: `subject_mark`.
3. Marks are made under the key of content digests, which never rotates, each for one use: a mark
   of a person is no subject key and cannot be matched with one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import digest_text
from registry.clock import Clock
from registry.ids import named_id, uuid_text
from registry.keys.digests import ContentDigests
from registry.keys.identifiers import normal_forms, parse_scheme
from registry.ledger.find import Question
from registry.ledger.locate import Located
from registry.ledger.trace import Address
from registry.storage.database import Database


def dataset_mark(namespace: str, name: str) -> str:
    """The id of a dataset, which an entry names it by; a name may hold a person's."""
    return uuid_text(named_id("dataset", namespace, name))


def subject_mark(digests: ContentDigests, scheme: str, value: str) -> str:
    """The keyed digest that entries name a person by (rules 2 and 3).

    Raises InvalidInputError for an unknown scheme or what is no such identifier.
    """
    known = parse_scheme(scheme, path="subject.scheme")
    _, form = normal_forms(known, value, path="subject.value")[0]
    return _mark(digests, "subject", known.value, form.encode())


def marks_of(
    digests: ContentDigests, identifiers: Iterable[tuple[str, str]], example_ids: Iterable[str]
) -> set[str]:
    """What entries name these people, as (scheme, value), and examples by; to find them again.

    Raises InvalidInputError as `subject_mark`.
    """
    people = {subject_mark(digests, scheme, value) for scheme, value in identifiers}
    return people | {_mark(digests, "example", "example_id", each.encode()) for each in example_ids}


def _mark(digests: ContentDigests, use: str, kind: str, value: bytes) -> str:
    plain = hashlib.sha256(b"\x1f".join((b"audit", use.encode(), kind.encode(), value))).digest()
    return digest_text(digests.keyed(plain))


def trace_facts(
    digests: ContentDigests, question: Question, direction: str, found: list[Address]
) -> dict[str, object]:
    """What is recorded of a trace; `found` is empty where there was no such example."""
    facts: dict[str, object] = {
        "dataset": dataset_mark(question.namespace, question.name),
        "direction": direction,
        "found": len(found),
    }
    if found:
        facts["batch"], facts["ordinal"] = found[0]
    for kind, value in (
        ("example_id", None if question.example_id is None else question.example_id.encode()),
        ("digest", question.digest),
        ("content", question.content),
    ):
        if value is not None:
            facts |= {"by": kind, "asked": _mark(digests, "example", kind, value)}
    return {"by": "address", **facts}


def sample_facts(
    namespace: str, name: str, *, version: int | None, seed: int, drawn: int, population: int
) -> dict[str, object]:
    """What is recorded of a sample. The seed is text: JSON carries no integer of 63 bits."""
    facts: dict[str, object] = {
        "dataset": dataset_mark(namespace, name),
        "seed": str(seed),
        "drawn": drawn,
        "population": population,
    }
    return facts if version is None else {**facts, "version": version}


def locate_facts(
    digests: ContentDigests, scheme: str, value: str, located: Located
) -> dict[str, object]:
    """What is recorded of looking for a person. Raises InvalidInputError as `subject_mark`."""
    return {
        "scheme": scheme,
        "subject": subject_mark(digests, scheme, value),
        "examples": sum(int(ordinals.size) for ordinals in located.examples.values()),
        "batches": len(located.examples),
        "not_searched": sum(how == "not_searched" for how in located.coverage.values()),
    }


def record_read(
    database: Database, kind: EntryKind, actor: str, facts: Mapping[str, object], *, clock: Clock
) -> None:
    """Append the entry of a read in a transaction of its own. Effects: one entry; commits.

    Raises StorageUnavailableError where it cannot be kept: then nothing must be answered.
    """

    def append(session: Session) -> None:
        append_entries(session, [Entry(kind, actor, facts)], at=clock())

    database.transact(append)
