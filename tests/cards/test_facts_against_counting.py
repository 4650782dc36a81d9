"""Facts that are added up say what counting one by one says."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.facts.batch_rows import BatchRow
from registry.cards.facts.lineage import ranges
from registry.cards.facts.making import Basis, basis
from registry.cards.facts.rollup import roll_up, shares_fact
from registry.cards.values import EVIDENCE_LIMIT, Evidence, EvidenceKind, State, Table
from registry.ledger.tables import BatchSum
from registry.storage.columns import table_of
from registry.storage.database import Database

_sum = table_of(BatchSum)
#: What one example has: its language (empty: not recorded), and its bytes (None: not recorded).
example = st.tuples(st.sampled_from(["en", "de", ""]), st.one_of(st.none(), st.integers(0, 9)))
batch = st.lists(example, max_size=6)
NOTHING = BatchRow._make([None] * len(BatchRow._fields))


def row(number: int, rows: int) -> BatchRow:
    """A bound batch."""
    return NOTHING._replace(number=number, state="bound", rows=rows, indexed=1)


def summed(number: int, examples: list[tuple[str, int | None]]) -> list[dict[str, object]]:
    """The sums that the worker makes of a batch: a number is known where all its rows know it."""
    groups = {("total", ""): examples}
    for language in {language for language, _ in examples}:
        groups["language", language] = [each for each in examples if each[0] == language]
    made = []
    for (dimension, value), some in groups.items():
        known = [number for _, number in some if number is not None]
        added = sum(known) if len(known) == len(some) else None
        said = {"dimension": dimension, "value": value, "examples": len(some), "bytes": added}
        made.append({"number": number, "tokens": None, **said})
    return made


@settings(max_examples=30)
@given(batches=st.lists(batch, max_size=5))
def test_shares_are_those_of_counting_every_example(
    shared_database: Database, batches: list[list[tuple[str, int | None]]]
) -> None:
    rows = [row(number, len(examples)) for number, examples in enumerate(batches, 1)]
    with shared_database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM batch_sum")
        for number, examples in enumerate(batches, 1):
            session.execute(insert(_sum), summed(number, examples))
    with shared_database.read() as session:
        rollup = roll_up(session, rows)
    fact = shares_fact("quantity.by_language", rollup, "language", Basis())
    every = [each for examples in batches for each in examples]
    counts = Counter(language for language, _ in every)
    if not batches or set(counts) == {""}:
        assert fact.state is State.NOT_RECORDED
        return
    assert isinstance(fact.value, Table)
    found = {each[0]: each[1] for each in fact.value.rows}
    assert found == {language or NOT_RECORDED: count for language, count in counts.items()}
    assert sum(each[1] for each in fact.value.rows) == len(every)  # type: ignore[misc]
    for value, _, bytes_, _ in fact.value.rows:
        mine = [n for language, n in every if (language or NOT_RECORDED) == value]
        known = [number for number in mine if number is not None]
        assert bytes_ == (sum(known) if len(known) == len(mine) else None)


@given(st.lists(st.integers(1, 40)))
def test_ranges_name_every_number_and_no_other(numbers: list[int]) -> None:
    found: set[int] = set()
    for part in filter(None, ranges(numbers).split(", ")):
        first, _, last = part.partition(" to ")
        found.update(range(int(first), int(last or first) + 1))
    assert found == set(numbers)


@given(st.sets(st.integers(0, 200)), st.sets(st.integers(0, 200)))
def test_two_bases_together_have_the_evidence_of_both(first: set[int], second: set[int]) -> None:
    def of(numbers: set[int]) -> Basis:
        return basis(Evidence(EvidenceKind.EVENT, f"{number:03}") for number in numbers)

    both, whole = of(first) | of(second), of(first | second)
    assert both.evidence == whole.evidence
    small = len(first) <= EVIDENCE_LIMIT and len(second) <= EVIDENCE_LIMIT
    assert both.total == whole.total if small else both.total >= whole.total
