"""Reads a card's JSON back into the card, so that a published one can be shown in every form. Pure.

Rules:
1. What was published is what is shown: words, questions and gaps come from the file, none is asked
   or worded anew.
2. Moments and days are texts in JSON; a fact's form and a column's name tell which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from registry.cards.card import (
    Answer,
    AnswerState,
    Card,
    Cell,
    Clause,
    FieldKind,
    Gap,
    Kind,
    Missing,
    Reading,
    Revision,
    Section,
)
from registry.cards.fact_kinds import FactKind, Form
from registry.cards.questions.summary_names import kind_of
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
from registry.errors import NotVerifiedError

#: Columns of moments or days, as the catalogue has them.
_DATED: Final = frozenset(
    {
        *("at", "collected_from", "collected_until", "seen_at", "market_date", "shared_at"),
        *("until", "first", "last", "oldest"),
    }
)


def card_from(document: Mapping[str, Any]) -> Card:
    """The card whose JSON this is. Raises NotVerifiedError where it is none."""
    try:
        facts = {name: fact_from(name, each) for name, each in document["facts"].items()}
        kinds = {name: _kind(name, each) for name, each in document["facts"].items()}
        about = document["about"]
        return Card(
            kind=Kind(document["kind"]),
            title=document["title"],
            intro=document["intro"],
            facts=CardFacts(
                About(
                    about["kind"],
                    about["namespace"],
                    about["name"],
                    about["version"],
                    about["contentDigest"],
                ),
                facts,
                datetime.fromisoformat(document["asOf"]),
                document["auditLog"],
                document["extra"],
            ),
            sections=tuple(_section(each, facts, kinds) for each in document["sections"]),
            gaps=tuple(_gap(each) for each in document["gaps"]),
            revision=_revision(document["revision"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotVerifiedError(
            f"This is no card of ours: {type(error).__name__} at {str(error)[:80]}.",
            remedy="Give the file as the registry wrote it.",
        ) from error


def fact_from(name: str, document: Mapping[str, Any]) -> Fact:
    """One fact of a card's JSON. Raises KeyError, TypeError or ValueError for something else."""
    form = Form(document["form"]) if "form" in document else Form.TEXT
    evidence = document.get("evidence", ())
    as_of, grade = document.get("asOf"), document.get("grade")
    return Fact(
        name=name,
        state=State(document["state"]),
        value=_value(document.get("value"), form),
        grade=None if grade is None else Grade(grade),
        as_of=None if as_of is None else datetime.fromisoformat(as_of),
        evidence=tuple(
            Evidence(EvidenceKind(each["kind"]), each["id"], each.get("auditIndex"))
            for each in evidence
        ),
        evidence_total=document.get("evidenceTotal", 0),
        note=document.get("note"),
    )


def _value(value: Any, form: Form) -> Value | None:
    if value is None:
        return None
    match form:
        case Form.TABLE:
            return _table(value)
        case Form.LIST:
            return tuple(value)
        case Form.DAY:
            return date.fromisoformat(value)
        case Form.MOMENT:
            return datetime.fromisoformat(value)
        case Form.TEXT | Form.COUNT | Form.SHARE | Form.FLAG:
            found: Scalar = value
            return found


def _table(value: Mapping[str, Any]) -> Table:
    columns = tuple(value["columns"])
    rows = [
        tuple(_cell(cell, column) for cell, column in zip(row, columns, strict=True))
        for row in value["rows"]
    ]
    total = value["total"]
    return Table(columns, tuple(rows), None if total == len(rows) else total)


def _cell(cell: Any, column: str) -> Scalar | None:
    found: Scalar | None = cell
    if column in _DATED and isinstance(cell, str):
        try:
            return datetime.fromisoformat(cell) if "T" in cell else date.fromisoformat(cell)
        except ValueError:
            return found
    return found


def _kind(name: str, document: Mapping[str, Any]) -> FactKind:
    """The kind as it was when the card was published."""
    known = kind_of(name)
    if "form" not in document:
        return known or FactKind(name, name, Form.TEXT)
    value = document.get("value")
    columns = tuple(value["columns"]) if isinstance(value, dict) else ()
    return FactKind(
        name,
        document["title"],
        Form(document["form"]),
        columns or (() if known is None else known.columns),
        None if known is None else known.statement,
        document["suppliedBy"],
    )


def _section(
    document: Mapping[str, Any], facts: Mapping[str, Fact], kinds: Mapping[str, FactKind]
) -> Section:
    answers = tuple(_answer(each, facts, kinds) for each in document["answers"])
    return Section(document["number"], document["title"], answers, document["isAnnex"])


def _answer(
    document: Mapping[str, Any], facts: Mapping[str, Fact], kinds: Mapping[str, FactKind]
) -> Answer:
    field = document.get("field")
    cells = [
        Cell(kinds[each["fact"]], facts[each["fact"]], each["words"], each["isNeeded"])
        for each in document["cells"]
    ]
    return Answer(
        id=document["id"],
        question=document["question"],
        clause=_clause(document["clause"]),
        state=AnswerState(document["state"]),
        cells=tuple(cells),
        absence=document["absence"],
        asks=tuple(document["asks"]),
        note=document["note"],
        is_red=document["isRed"],
        is_optional=document["isOptional"],
        blocks=document["blocks"],
        field=None if field is None else FieldKind(field),
    )


def _clause(document: Mapping[str, Any]) -> Clause:
    return Clause(
        document["text"],
        document["appliesTo"],
        document["appliesFrom"],
        Reading(document["reading"]),
    )


def _gap(document: Mapping[str, Any]) -> Gap:
    return Gap(
        document["id"],
        document["question"],
        _clause(document["clause"]),
        document["absence"],
        tuple(map(_missing, _list(document["missing"]))),
        document["isRed"],
        document["blocks"],
    )


def _missing(document: Mapping[str, Any]) -> Missing:
    return Missing(
        document["fact"],
        document["title"],
        State(document["state"]),
        document["words"],
        document["suppliedBy"],
    )


def _list(value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise TypeError(f"{type(value).__name__} is no list")
    return value


def _revision(document: Mapping[str, Any] | None) -> Revision | None:
    if document is None:
        return None
    return Revision(
        document["number"],
        document["digest"],
        datetime.fromisoformat(document["publishedAt"]),
        document["publishedBy"],
        document["previous"],
        document["signedBy"],
        tuple(document["changes"]),
        document["isOvertaken"],
    )
