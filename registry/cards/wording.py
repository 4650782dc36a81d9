"""Facts in words: why a value is missing, and values as people write them. Pure.

Rules (DESIGN §1.8):
1. No wording is empty: a blank would read as *none*.
2. *Not recorded*, *not scanned*, *none (counted)* and *declared none* never read alike.
3. What was recorded stands as it was recorded, but for characters that nobody sees: those that
   control a terminal or turn the direction of what follows are shown by their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from registry.cards.fact_kinds import BEYOND, FactKind, Form
from registry.cards.values import Evidence, Fact, Grade, Scalar, State, Table
from registry.render import day, moment
from registry.render import visible as visible

_STATES: Final[Mapping[State, str]] = {
    State.ZERO: "None (counted)",
    State.DECLARED_NONE: "Declared: none",
    State.NOT_RECORDED: "Not recorded",
    State.NOT_APPLICABLE: "Does not apply",
    State.COMPUTING: "Being counted",
    State.NOT_SCANNED: "Not scanned (nobody looked)",
    State.CONTRADICTED: "Statements contradict each other",
    State.BEYOND_SCOPE: "Withheld: part of this lies beyond your scope",
}
#: What each state means, for a legend.
STATE_MEANINGS: Final[Mapping[State, str]] = {
    State.ZERO: "it was counted, and there are none",
    State.DECLARED_NONE: "somebody answerable stated that there is none",
    State.NOT_RECORDED: "nobody recorded it, which does not mean that there is none",
    State.NOT_APPLICABLE: "the question does not arise, for the reason given",
    State.COMPUTING: "it is still being counted",
    State.NOT_SCANNED: "nobody looked, which does not mean that there is nothing to find",
    State.CONTRADICTED: "statements in force say different things",
    State.BEYOND_SCOPE: "it rests on something that the reader may not see",
}
GRADE_MEANINGS: Final[Mapping[Grade, str]] = {
    Grade.MEASURED: "this registry measured or computed it",
    Grade.ASSERTED: "whoever produced the data said so",
    Grade.VERIFIED: "a person checked it",
    Grade.DECLARED: "a person stated it, under their name",
}
#: Columns whose whole numbers are names and not counts.
_NUMBERED = frozenset({"position", "version", "model_version", "batch", "id", "at"})


def state_words(state: State) -> str:
    """A state other than KNOWN in words; KeyError for KNOWN, which its value speaks for."""
    return _STATES[state]


def words_of(fact: Fact, kind: FactKind) -> str:
    """The state or value of a fact (rules 1 and 2); of a table, how many rows it has."""
    if fact.state is not State.KNOWN:
        said = _STATES[fact.state]
        if fact.note and fact.state is State.DECLARED_NONE:
            return f"{said} ({_as_part(fact.note)})"
        if fact.note and fact.state is State.NOT_APPLICABLE:
            return f"{said}: {visible(fact.note)}"
        return said
    if isinstance(fact.value, Table):
        rows = fact.value.count
        return "1 row" if rows == 1 else f"{rows:,} rows" if rows else _STATES[State.ZERO]
    if isinstance(fact.value, tuple):
        return ", ".join(cell_words(each) for each in fact.value) or _STATES[State.ZERO]
    if fact.value is None:
        return _STATES[State.NOT_RECORDED]
    return scalar_words(fact.value, is_share=kind.form is Form.SHARE)


def supplier_words(fact: Fact, kind: FactKind) -> str:
    """Who can supply a fact that is missing, in a sentence."""
    by = kind.supplied_by
    if fact.state is State.COMPUTING:
        return "The registry is counting it."
    if fact.state is State.BEYOND_SCOPE:
        return "Somebody who may see all of it can ask."
    if fact.state is State.CONTRADICTED:
        return f"Settled by {by}."
    if by == "computed":
        return "The registry computes it."
    return f"It is {by}." if by.startswith("computed") else f"Supplied by {by}."


def cell_words(value: Scalar | None, column: str = "") -> str:
    """A cell of a table: `not recorded` for None (rule 1)."""
    if value is None:
        return "not recorded"
    if isinstance(value, int) and not isinstance(value, bool) and column in _NUMBERED:
        return str(value)
    return scalar_words(value, is_share=column == "share")


def row_words(columns: Sequence[str], row: Sequence[Scalar | None]) -> list[str]:
    """The cells of a row; what is missing beside a withheld name is withheld, not unrecorded."""
    empty = "withheld" if BEYOND in row else cell_words(None)
    pairs = zip(columns, row, strict=True)
    return [empty if cell is None else cell_words(cell, column) for column, cell in pairs]


def scalar_words(value: Scalar, *, is_share: bool = False) -> str:
    """A value as people write it: `48,210`, `2.5 %`, `yes`, `1 March 2026`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return day(value)
    if isinstance(value, str):
        return visible(value) if value.strip() else "(empty text)"
    if is_share:
        return percent(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def percent(share: float) -> str:
    """`45 %`, `2.5 %`; `under 0.01 %` for what rounding would make nothing of."""
    if 0 < share < 0.0001:
        return "under 0.01 %"
    text = f"{share * 100:.2f}".rstrip("0").rstrip(".")
    return f"{text} %"


def column_words(column: str) -> str:
    """The name of a column as a heading: `collected from`."""
    return column.replace("_", " ")


def evidence_words(evidence: Evidence) -> str:
    """`batch 7 (audit entry 41)`."""
    entry = f" (audit entry {evidence.audit_index})" if evidence.audit_index is not None else ""
    return f"{evidence.kind.value.replace('_', ' ')} {visible(evidence.id)}{entry}"


def _as_part(sentence: str) -> str:
    return visible(sentence).rstrip(".")
