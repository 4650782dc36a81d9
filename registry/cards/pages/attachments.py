"""The tables of a card as files beside it. Pure.

Rules:
1. CSV as RFC 4180 has it: CRLF, a head, quotes doubled; UTF-8.
2. A text that a spreadsheet would take for a formula (it begins with =, +, -, @, or a tab or line
   end) gets an apostrophe before it (OWASP, CSV injection). Numbers stay numbers.
3. A cell that nobody recorded says `(not recorded)`: an empty one would read as none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from registry.cards.card import Card
from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.values import Scalar, State, Table
from registry.moments import rfc3339
from registry.render import visible

#: A longer table is cut on a page, and is attached.
INLINE_ROWS = 50
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a card. `name`: of the file, as the page says it; `rows`: without the head."""

    name: str
    data: bytes
    rows: int


def attachments(card: Card, *, over: int = INLINE_ROWS) -> tuple[Attachment, ...]:
    """The tables with more rows than `over`, each once, by name of the fact in order.

    Cost: about a second for a million cells.
    """
    tables = sorted(long_tables(card, over=over).items())
    return tuple(
        Attachment(f"{name}.csv", as_csv(table), len(table.rows)) for name, table in tables
    )


def long_tables(card: Card, *, over: int = INLINE_ROWS) -> Mapping[str, Table]:
    """The tables of the card that have more rows than this, by the name of their fact."""
    return {name: table for name, table in _tables(card) if len(table.rows) > over}


def as_csv(table: Table) -> bytes:
    """A table as CSV (rules 1 to 3)."""
    made = io.StringIO(newline="")
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows([csv_cell(cell) for cell in row] for row in table.rows)
    return made.getvalue().encode()


def csv_cell(value: Scalar | None) -> str:
    """A cell as text (rules 2 and 3)."""
    if value is None:
        return NOT_RECORDED
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        text = visible(value)
        return f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text
    return str(value)


def _tables(card: Card) -> Iterator[tuple[str, Table]]:
    for answer in card.answers:
        for cell in answer.cells:
            if isinstance(cell.fact.value, Table) and cell.fact.state is State.KNOWN:
                yield cell.kind.name, cell.fact.value
