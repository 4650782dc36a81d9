"""Makes facts of what was read: a value with who vouches for it, or why there is none. Pure.

Rules (DESIGN §1.8):
1. A count of nothing is the state ZERO: somebody looked. A table without rows is ZERO as well, and
   whoever makes it where nobody looked says NOT_RECORDED instead.
2. A value that rests on several things has the weakest of their grades: what producers asserted
   does not become measured by being added up.
3. A fact is as of the last of the things it rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite

from registry.canonical import MAX_SAFE_INTEGER
from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import FactKind, Form
from registry.cards.values import (
    EVIDENCE_LIMIT,
    Evidence,
    Fact,
    Grade,
    Scalar,
    State,
    Table,
    Value,
    evidence_of,
)

Row = tuple[Scalar | None, ...]
_WEAKEST_FIRST = (Grade.DECLARED, Grade.ASSERTED, Grade.VERIFIED, Grade.MEASURED)


@dataclass(frozen=True, slots=True)
class Basis:
    """What a fact rests on: evidence, sorted, at most `EVIDENCE_LIMIT` of `total`; since when
    (rule 3).
    """

    evidence: tuple[Evidence, ...] = ()
    total: int = 0
    as_of: datetime | None = None

    def __or__(self, other: Basis) -> Basis:
        """Both together. The total counts what stands in both cut lists twice."""
        if not self.total or not other.total:
            kept = self if self.total else other
            return Basis(kept.evidence, kept.total, latest(self.as_of, other.as_of))
        merged, known = evidence_of([*self.evidence, *other.evidence])
        whole = len(self.evidence) == self.total and len(other.evidence) == other.total
        doubled = len(self.evidence) + len(other.evidence) - known
        total = known if whole else self.total + other.total - doubled
        return Basis(merged, total, latest(self.as_of, other.as_of))


NOTHING = Basis()


def basis(evidence: Iterable[Evidence], as_of: datetime | None = None) -> Basis:
    """A basis of these things."""
    kept, total = evidence_of(list(evidence))
    return Basis(kept, total, as_of)


def sorted_basis(evidence: Sequence[Evidence], total: int, as_of: datetime | None) -> Basis:
    """A basis of things that are sorted and distinct; `total` of them in all."""
    return Basis(tuple(evidence[:EVIDENCE_LIMIT]), total, as_of)


def latest(*moments: datetime | None) -> datetime | None:
    """The last of these moments; None where there is none."""
    return max((moment for moment in moments if moment is not None), default=None)


def earliest(*moments: datetime | None) -> datetime | None:
    """The first of these moments; None where there is none."""
    return min((moment for moment in moments if moment is not None), default=None)


def weakest(grades: Iterable[Grade]) -> Grade:
    """The grade of what rests on all of these (rule 2); MEASURED for none."""
    found = set(grades)
    return next((grade for grade in _WEAKEST_FIRST if grade in found), Grade.MEASURED)


def known(
    name: str, value: Value, grade: Grade, on: Basis = NOTHING, note: str | None = None
) -> Fact:
    """A fact with a value; ZERO for a count of nothing and for a table without rows (rule 1)."""
    value = _carried(value)
    state = State.ZERO if _is_nothing(CATALOGUE[name], value) else State.KNOWN
    return Fact(name, state, value, grade, on.as_of, on.evidence, on.total, note)


def _carried(value: Value) -> Value:
    """The value as canonical JSON can carry it (RFC 8785 §3.2.2): doubles, and whole texts."""
    if isinstance(value, Table):
        return replace(value, rows=tuple(tuple(map(_cell, row)) for row in value.rows))
    if isinstance(value, tuple):
        return tuple(map(_text, value))
    carried = _cell(value)
    return value if carried is None else carried


def _text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _cell(cell: Scalar | None) -> Scalar | None:
    if isinstance(cell, str):
        return _text(cell)
    if isinstance(cell, int) and abs(cell) > MAX_SAFE_INTEGER:
        return float(cell)
    if isinstance(cell, float) and not isfinite(cell):
        return None
    return cell


def _is_nothing(kind: FactKind, value: Value) -> bool:
    if isinstance(value, Table):
        return not value.count
    if isinstance(value, tuple):
        return not value
    return kind.form in (Form.COUNT, Form.SHARE) and value == 0


def missing(name: str, state: State, note: str | None = None, on: Basis = NOTHING) -> Fact:
    """A fact without a value, and why."""
    return Fact(name, state, None, None, on.as_of, on.evidence, on.total, note)


def not_recorded(name: str, note: str | None = None, on: Basis = NOTHING) -> Fact:
    """Nobody recorded it."""
    return missing(name, State.NOT_RECORDED, note, on)


def known_or_not(
    name: str, value: Value | None, grade: Grade, on: Basis = NOTHING, note: str | None = None
) -> Fact:
    """A fact with a value, or not recorded where that is None."""
    return not_recorded(name) if value is None else known(name, value, grade, on, note)


def table(
    name: str,
    rows: Sequence[Row],
    grade: Grade,
    on: Basis = NOTHING,
    *,
    total: int | None = None,
    note: str | None = None,
) -> Fact:
    """A fact of rows under the columns that the catalogue names.

    `total`: how many there are, where not all are given. Raises ValueError for a row that does not
    fit the columns.
    """
    columns = CATALOGUE[name].columns
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{name}: a row of {len(row)} cells under {len(columns)} columns")
    cut = None if total is None or total == len(rows) else total
    return known(name, Table(columns, tuple(rows), cut), grade, on, note)
