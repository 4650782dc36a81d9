"""Facts of a card: one digest for what it says, whatever the moment at which it was read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import STATEMENT_KINDS, Form
from registry.cards.values import (
    EVIDENCE_LIMIT,
    About,
    CardFacts,
    Evidence,
    EvidenceKind,
    Fact,
    Grade,
    State,
    Table,
    evidence_of,
)

_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _facts(*facts: Fact) -> CardFacts:
    about = About("dataset", "s3://lake", "corpus", 3, "sha256:" + "0" * 64)
    return CardFacts(about, {fact.name: fact for fact in facts}, _NOON)


def test_two_readings_of_unchanged_facts_have_one_digest() -> None:
    fact = Fact("quantity.examples", State.KNOWN, 12, Grade.MEASURED, _NOON)
    later = replace(_facts(fact), as_of=datetime(2027, 1, 1, tzinfo=UTC))
    assert later.digest == _facts(fact).digest


def test_every_part_of_a_fact_is_in_the_digest() -> None:
    fact = Fact("quantity.examples", State.KNOWN, 12, Grade.MEASURED, _NOON)
    seen = {_facts(fact).digest}
    for changed in (
        replace(fact, value=13),
        replace(fact, grade=Grade.ASSERTED),
        replace(fact, state=State.ZERO),
        replace(fact, as_of=datetime(2026, 11, 21, tzinfo=UTC)),
        replace(fact, note="Counted by hand."),
        replace(fact, evidence=(Evidence(EvidenceKind.BATCH, "7"),)),
    ):
        seen.add(_facts(changed).digest)
    assert len(seen) == 7


def test_a_table_keeps_missing_cells_apart_from_empty_ones() -> None:
    table = Table(("value", "since"), (("", None), ("a", date(2026, 1, 2))), total=9)
    fact = Fact("origin.batches", State.KNOWN, table, Grade.ASSERTED)
    read = json.loads(json.dumps(_facts(fact).document()))["facts"]["origin.batches"]["value"]
    assert read == {
        "columns": ["value", "since"],
        "rows": [["", None], ["a", "2026-01-02"]],
        "total": 9,
    }


def test_evidence_is_sorted_counted_once_and_capped() -> None:
    many = [Evidence(EvidenceKind.EVENT, f"{i:04}") for i in range(EVIDENCE_LIMIT + 5)]
    kept, total = evidence_of([*reversed(many), many[0]])
    assert (len(kept), total) == (EVIDENCE_LIMIT, EVIDENCE_LIMIT + 5)
    assert list(kept) == many[:EVIDENCE_LIMIT]


def test_every_table_of_the_catalogue_names_its_columns_and_everything_names_a_supplier() -> None:
    for kind in CATALOGUE.values():
        assert bool(kind.columns) == (kind.form is Form.TABLE), kind.name
        assert kind.supplied_by, kind.name
    assert len(STATEMENT_KINDS) == len(set(STATEMENT_KINDS))
