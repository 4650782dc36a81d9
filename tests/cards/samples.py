"""Facts to make cards of: a dataset and a model about which everything is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import SHARES, FactKind, Form
from registry.cards.values import (
    About,
    CardFacts,
    Evidence,
    EvidenceKind,
    Fact,
    Grade,
    Scalar,
    State,
    Table,
    Value,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RECORDED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ABOUT = About("dataset", "s3://lake", "speech/corpus", 3, "sha256:" + "3c" * 32)
MODEL = About("model", "registry://models", "whisper-eu", 2, "sha256:" + "7d" * 32)

Row = tuple[Scalar | None, ...]

_SHARES: Mapping[str, tuple[Row, ...]] = {
    "origin.kinds": (
        ("public", 60_000, 6_000_000, 1_500_000),
        ("crawled", 20_000, 2_400_000, 600_000),
        ("licensed", 9_000, 900_000, 225_000),
        ("third_party", 4_000, 400_000, 100_000),
        ("user_model", 3_000, 300_000, 75_000),
        ("synthetic", 2_500, 250_000, 60_000),
        ("other", 1_500, 150_000, 40_000),
    ),
    "rights.licenses": (
        ("CC-BY-4.0", 70_000, 7_000_000, 1_750_000),
        ("CC0-1.0", 20_000, 2_000_000, 500_000),
        ("LicenseRef-deal-7", 9_000, 900_000, 225_000),
        ("(not recorded)", 1_000, 500_000, 125_000),
    ),
    "rights.legal_bases": (
        ("consent", 72_000, 7_200_000, 1_800_000),
        ("legitimate_interests", 28_000, 3_200_000, 800_000),
    ),
    "annotation.labels": (("speech", 80_000, 8_000_000, 2_000_000), ("noise", 20_000, None, None)),
    "quantity.by_split": (
        ("train", 90_000, 9_360_000, 2_340_000),
        ("validation", 5_000, 520_000, 130_000),
        ("test", 5_000, 520_000, 130_000),
    ),
    "quantity.by_modality": (
        ("text", 80_000, 8_400_000, 2_600_000),
        ("audio", 15_000, 1_800_000, None),
        ("image", 5_000, 200_000, None),
    ),
    "quantity.by_language": (
        ("de", 50_000, 5_200_000, 1_300_000),
        ("en", 30_000, 3_100_000, 780_000),
        ("ar", 15_000, 1_600_000, 400_000),
        ("(not recorded)", 5_000, 500_000, 120_000),
    ),
    "personal.pii": (("email", 120, None, None), ("phone", 14, None, None)),
    "personal.classes": (("personal", 72_000, None, None), ("special", 400, None, None)),
}
_TABLES: Mapping[str, tuple[Row, ...]] = {
    "origin.sources": (
        ("lake/common-voice", "public", "https://voice.example/cv", "Common Voice", True,
         "CC0-1.0", 45_000, 0.45, "text", 4_500_000, 1_125_000),
        ("lake/parliament", "public", "https://parl.example/", "Parliament minutes", True,
         "CC-BY-4.0", 14_800, 0.148, "text", 1_480_000, 370_000),
        ("lake/small", "public", None, None, None,
         None, 200, 0.002, "text", 20_000, 5_000),
        ("lake/web", "crawled", "https://web.example/", None, None,
         None, 20_000, 0.2, "text", 2_400_000, 600_000),
        ("lake/deal-7", "licensed", None, "Deal 7", False,
         "LicenseRef-deal-7", 9_000, 0.09, "audio", 900_000, None),
        ("lake/broker", "third_party", None, "Broker set", True,
         None, 4_000, 0.04, "audio", 400_000, None),
        ("lake/chat", "user_model", None, "Chat logs", False,
         None, 3_000, 0.03, "text", 300_000, 75_000),
        ("lake/made", "synthetic", None, "Made voices", False,
         None, 2_500, 0.025, "audio", 250_000, None),
        ("lake/archive", "other", None, "Digitised tapes", False,
         None, 1_500, 0.015, "image", 150_000, None),
    ),
    "origin.domains": tuple(
        (f"site-{number:02}.example", "text", 1_000 - number, 100_000 - number * 1_000, None)
        for number in range(25)
    ),
    "origin.crawls": (
        ("7", "crawl", "ExampleBot/2.1", date(2025, 1, 3), date(2025, 11, 30)),
    ),
    "origin.services": (("lake/chat", "user_model", 3_000),),
    "system.systems": (
        ("sys-1", "whisper-eu", "2", "train", date(2026, 9, 1), "whisper-base"),
    ),
    "preparation.steps": (
        (1, "lake/clean", "clean", "r1", RECORDED, "git+abc123", "kept", 160_000, 130_000, 30_000),
        (2, "lake/dedup", "dedup", "r2", RECORDED, "git+abc124", "kept", 130_000, 104_000, 26_000),
        (3, "speech/corpus", "label", "r3", RECORDED, "git+abc125", "labelled",
         104_000, 100_000, 4_000),
    ),
    "preparation.filters": (
        ("clean", 160_000, 130_000, 30_000),
        ("dedup", 130_000, 104_000, 26_000),
    ),
    "retention.rules": (
        ("crawled-personal", "crawled, personal", "P2Y", "GDPR Art. 5(1)(e)"),
        ("contracts", "licensed", "P10Y", "contract"),
    ),
    "synthetic.generators": (("speak", "tts-large", "3", 2_500),),
}  # fmt: skip
_PLAIN: Mapping[str, Value] = {
    "identity.content_digest": ABOUT.content_digest,
    "identity.newer_version": 3,
    "identity.availability": "available",
    "system.market_date": date(2026, 9, 1),
    "system.keep_until": date(2036, 9, 1),
    "provider.size_class": "other",
    "origin.collected_from": date(2024, 2, 1),
    "origin.collected_until": date(2026, 1, 31),
    "quantity.examples": 100_000,
    "quantity.bytes": 10_400_000,
    "quantity.tokens": 2_600_000,
    "quantity.hours": 412,
    "statement.personal_data_none": False,
    "statement.labels_none": False,
}
#: What is a number in a table, by the name of its column; everything else is a text.
_COUNTED = (
    *("examples", "bytes", "tokens", "rows", "rows_in", "rows_out", "dropped", "files", "n"),
    *("batches", "accounts", "subjects", "requests", "nulls", "items", "count", "versions"),
)

_DATED = ("at", "market_date", "collected_from", "collected_until", "shared_at", "seen_at")


def dataset_facts() -> CardFacts:
    """A dataset of which every fact of the catalogue is known."""
    facts = {name: _fact(at, kind) for at, (name, kind) in enumerate(CATALOGUE.items())}
    return CardFacts(ABOUT, facts, NOON, origin="registry.example/log")


def model_facts() -> CardFacts:
    """Everything behind a model, of which every fact of the catalogue is known."""
    return replace(dataset_facts(), about=MODEL)


def mixed_facts() -> CardFacts:
    """A dataset of which some facts are missing, one in each way that a fact can be."""
    facts = dataset_facts()
    for name, state, note in (
        ("statement.sufficiency", State.NOT_RECORDED, None),
        ("statement.out_of_scope_use", State.NOT_RECORDED, None),
        ("statement.crawlers", State.NOT_RECORDED, None),
        ("provider.representative", State.NOT_APPLICABLE, "The provider is in the Union."),
        ("rights.conflicts", State.ZERO, None),
        ("rights.violations", State.ZERO, None),
        ("statement.labels_none", State.DECLARED_NONE, "by ana on 1 March 2026"),
        ("quality.duplicate_share", State.COMPUTING, None),
        ("personal.pii", State.NOT_SCANNED, "12 of 40 batches were not scanned."),
        ("statement.intended_use", State.CONTRADICTED, "ana and ben state different things."),
        ("origin.unresolved", State.BEYOND_SCOPE, None),
    ):
        facts = with_fact(facts, Fact(name, state, note=note))
    return facts


def without(facts: CardFacts, name: str) -> CardFacts:
    """The same facts, where this one was never recorded. KeyError for a name that is none."""
    return with_fact(facts, Fact(name, State.NOT_RECORDED, note=f"Nobody recorded {name}."))


def with_fact(facts: CardFacts, fact: Fact) -> CardFacts:
    """The same facts but this one. KeyError for a name that is none."""
    facts[fact.name]
    return replace(facts, facts={**facts.facts, fact.name: fact})


def with_value(facts: CardFacts, name: str, value: Value) -> CardFacts:
    """The same facts, where this one has another value."""
    return with_fact(facts, replace(facts[name], state=State.KNOWN, value=value))


def with_rows(facts: CardFacts, name: str, *rows: Row) -> CardFacts:
    """The same facts, where this table has these rows."""
    return with_value(facts, name, Table(CATALOGUE[name].columns, rows))


def _fact(at: int, kind: FactKind) -> Fact:
    value = _value(kind)
    stated = kind.statement is not None
    evidence = Evidence(EvidenceKind.STATEMENT if stated else EvidenceKind.EVENT, f"{at:04}", at)
    grade = Grade.DECLARED if stated else (Grade.MEASURED, Grade.ASSERTED, Grade.VERIFIED)[at % 3]
    return Fact(kind.name, State.KNOWN, value, grade, RECORDED, (evidence,), 1)


def _value(kind: FactKind) -> Value:
    if kind.name in _PLAIN:
        return _PLAIN[kind.name]
    match kind.form:
        case Form.TEXT:
            return f"{kind.title}, as it was recorded."
        case Form.COUNT:
            return 42
        case Form.SHARE:
            return 0.025
        case Form.FLAG:
            return True
        case Form.DAY:
            return date(2026, 2, 28)
        case Form.MOMENT:
            return RECORDED
        case Form.LIST:
            return ("fine_tuning", "evaluation")
        case Form.TABLE:
            return Table(kind.columns, _rows(kind))


def _rows(kind: FactKind) -> tuple[Row, ...]:
    if kind.columns == SHARES:
        return _SHARES[kind.name]
    return _TABLES.get(kind.name) or tuple(
        tuple(_cell(column, number) for column in kind.columns) for number in (1, 2)
    )


def _cell(column: str, number: int) -> Scalar:
    if column in _DATED:
        return date(2026, 3, number)
    if column in _COUNTED:
        return number * 1_000
    if column in ("value", "share"):
        return number / 4
    return f"{column.replace('_', ' ')} {number}"
