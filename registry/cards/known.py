"""What of a fact a format can write down: its value, its rows, its text. Pure.

Rules:
1. Only a fact that is KNOWN gives a value. Every other state gives None or no rows, and whoever
   asks says what the state means; nothing stands in for a value. A blank text is none.
2. At most `ROWS_HERE` rows of a table are given, and how many there are: no format holds more.
3. A cell that nobody recorded stays None, and in a sentence it reads `not recorded`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from registry.cards.values import CardFacts, Fact, Scalar, State, Table, Value
from registry.moments import rfc3339

NOTHING: Final = "not recorded"
ROWS_HERE: Final = 2_000
Row = Mapping[str, Scalar | None]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by column, in the order of the fact. `total`: how many there are, here or not."""

    rows: Sequence[Row]
    total: int

    @property
    def missing(self) -> int:
        """How many rows are not here."""
        return self.total - len(self.rows)


def fact_of(facts: CardFacts, name: str) -> Fact:
    """The fact of a name; NOT_RECORDED where facts were read before the name existed."""
    return facts.facts.get(name) or Fact(name, State.NOT_RECORDED)


def value_of(facts: CardFacts, name: str) -> Value | None:
    """The value of a known fact (rule 1)."""
    fact = fact_of(facts, name)
    value = fact.value if fact.state is State.KNOWN else None
    if isinstance(value, tuple):
        return tuple(text for text in value if text.strip())
    return None if isinstance(value, str) and not value.strip() else value


def text_of(facts: CardFacts, name: str) -> str | None:
    """The text of a known fact that holds one."""
    value = value_of(facts, name)
    return value if isinstance(value, str) else None


def count_of(facts: CardFacts, name: str) -> int | None:
    """The whole number of a known fact; 0 for one that was counted and is zero."""
    if fact_of(facts, name).state is State.ZERO:
        return 0
    value = value_of(facts, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment_text(facts: CardFacts, name: str) -> str | None:
    """The day or moment of a known fact, as RFC 3339."""
    value = value_of(facts, name)
    return said(value) if isinstance(value, date) else None


def list_of(facts: CardFacts, name: str) -> tuple[str, ...]:
    """The texts of a known fact that holds a list of them."""
    value = value_of(facts, name)
    return value if isinstance(value, tuple) else ()


def rows_of(facts: CardFacts, name: str, limit: int = ROWS_HERE) -> Rows:
    """The rows of a known fact that holds a table, the first `limit` of them (rule 2)."""
    value = value_of(facts, name)
    if not isinstance(value, Table):
        return Rows((), 0)
    chosen = [dict(zip(value.columns, row, strict=True)) for row in value.rows[:limit]]
    return Rows(chosen, value.count)


def cell_text(row: Row, column: str) -> str | None:
    """A cell as text where there is one; None for a blank one, or a column that is not there."""
    cell = row.get(column)
    return None if cell is None or not said(cell).strip() else said(cell)


def cell_count(row: Row, column: str) -> int | None:
    """A cell that is a whole number."""
    cell = row.get(column)
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else None


def said(cell: Scalar | None) -> str:
    """A cell in a sentence (rule 3): numbers plain, days and moments as RFC 3339."""
    match cell:
        case None:
            return NOTHING
        case bool():
            return "yes" if cell else "no"
        case datetime():
            return rfc3339(cell)
        case date():
            return cell.isoformat()
        case str() | int() | float():
            return str(cell)
