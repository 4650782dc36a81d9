"""The tables of a certificate, as words: the same for page, PDF and text.

A table that is empty is shown with a sentence that says so: nothing withheld is a statement too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from registry.erasure.certificate.facts import CertificateFacts
from registry.render import count, day, moment, words

NONE = "–"
GROUNDS: Mapping[str, str] = {
    "17_3_b": "legal obligation or public task (GDPR Art. 17(3)(b))",
    "17_3_c": "public health (GDPR Art. 17(3)(c))",
    "17_3_d": "archiving, research or statistics (GDPR Art. 17(3)(d))",
    "17_3_e": "legal claims (GDPR Art. 17(3)(e))",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head, and whether it holds numbers."""

    name: str
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A table: its heading, columns, rows of as many cells, and what is said if there is no row."""

    heading: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str


def sections_of(facts: CertificateFacts) -> Iterator[Section]:
    """Every table of a certificate, in order."""
    yield _section(
        "Timeline",
        "State, Since",
        ((words(each.state), moment(each.at)) for each in facts.timeline),
        "Nothing is recorded.",
    )
    yield _section(
        "Where it was looked, and what was done",
        "Place, Kind, #Expected, #Found, #Erased, #Verified gone, State",
        (
            (
                each.name,
                words(each.kind),
                *map(count, (each.expected, each.found, each.erased, each.verified)),
                words(each.state),
            )
            for each in facts.targets
        ),
        "There was no place to look into.",
    )
    yield from _left_sections(facts)
    yield from _others_sections(facts)


def _left_sections(facts: CertificateFacts) -> Iterator[Section]:
    """What stays, and for how long."""
    yield _section(
        "Withheld",
        "What, #Examples, Ground, Matter",
        (
            (each.name, count(each.examples), GROUNDS.get(each.ground, each.ground), each.matter)
            for each in facts.withheld
        ),
        "Nothing is withheld.",
    )
    yield _section(
        "Not searched for the person",
        "Dataset, Batch, #Examples in it",
        ((each.dataset, each.batch, count(each.examples)) for each in facts.not_searched),
        "Nothing was left unsearched.",
    )
    yield _section(
        "Still in backups",
        "Backup, Until",
        ((each.name, day(each.until)) for each in facts.backups),
        "No backup is known to hold it.",
    )


def _others_sections(facts: CertificateFacts) -> Iterator[Section]:
    """Who else is concerned: recipients, models, and the door."""
    yield _section(
        "Recipients",
        "Recipient, State, Since, Reason",
        (
            (each.id, words(each.state), moment(each.at) if each.at else NONE, each.reason or NONE)
            for each in facts.recipients
        ),
        "No recipient is recorded.",
    )
    yield _section(
        "Models that saw the data",
        "Model, Version, What is done, By whom, Until",
        (
            (
                each.name,
                each.version or NONE,
                words(each.disposition) if each.disposition else "not decided",
                each.owner or "nobody yet",
                day(each.due_on) if each.due_on else "not set",
            )
            for each in facts.models
        ),
        "No model is recorded that saw the data.",
    )
    yield _section(
        "Kept from coming back",
        "Suppression",
        ((each,) for each in facts.suppressions),
        "Nothing keeps the data from coming back.",
    )


def _section(heading: str, columns: str, rows: Iterable[tuple[str, ...]], empty: str) -> Section:
    """A section from column names between commas; `#` stands before those of numbers."""
    names = columns.split(", ")
    made = tuple(Column(name.removeprefix("#"), name.startswith("#")) for name in names)
    return Section(heading, made, tuple(rows), empty)
