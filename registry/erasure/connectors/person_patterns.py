"""How a person's identifiers may stand in a text: loosely, to find lines, and exactly, to be sure.

Rules (issue "Erasure, the hands", 4; the identifiers' normal forms):
1. A loose expression (RE2) matches wherever an exact one does; only what it matches is looked at.
2. *Normalised*: the normal form, or another writing of it (case, marks between digits, + or 00).
   *Pattern*: a part that others may share: a number without its country, a name without its
   provider. Both stand alone, not inside a longer word or number.
3. Texts are compared in NFKC. An exact identifier of fewer than four characters is not searched
   for: it would be found everywhere; that is said (`Person.unsearchable`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from registry.keys.identifiers import Scheme, normal_forms, parse_scheme

SHORTEST = 4
_MARKS = r"[\s().\-/_]*"
_WORD = r"[^\W_]"


class How(StrEnum):
    """How surely a text names the person (rule 2)."""

    NORMALISED = "normalised"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class _Form:
    position: int
    how: How
    exact: re.Pattern[str]
    loose: str


@dataclass(frozen=True, slots=True)
class Person:
    """What is looked for. `loose`: one expression for RE2; `unsearchable`: positions (rule 3)."""

    forms: tuple[_Form, ...]
    loose: str
    unsearchable: tuple[int, ...]

    def in_text(self, text: str) -> list[tuple[int, How]]:
        """The positions of the identifiers in a text, each once, the surer way."""
        plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
        found: dict[int, How] = {}
        for form in self.forms:
            if found.get(form.position) is not How.NORMALISED and form.exact.search(plain):
                found[form.position] = form.how
        return sorted(found.items())


def person_of(identifiers: Iterable[tuple[str, str]]) -> Person:
    """What to look for, given (scheme, value) in the order of a request.

    Raises InvalidInputError for what is no identifier of its scheme.
    """
    forms: list[_Form] = []
    unsearchable = []
    for position, (scheme, value) in enumerate(identifiers):
        kind = parse_scheme(scheme)
        made = list(dict.fromkeys(_made(kind, [form for _, form in normal_forms(kind, value)])))
        if not made:
            unsearchable.append(position)
        forms += [
            _Form(position, how, re.compile(exact, re.IGNORECASE), loose)
            for how, exact, loose in made
        ]
    loose = "|".join(dict.fromkeys(form.loose for form in forms))
    return Person(tuple(forms), f"(?i:{loose})" if loose else "", tuple(unsearchable))


def _made(scheme: Scheme, values: Sequence[str]) -> list[tuple[How, str, str]]:
    """(how, exact expression, loose one) of the normal forms of one identifier."""
    found = []
    for value in values:
        match scheme:
            case Scheme.EMAIL:
                end = rf"(?!{_WORD}|[_-]{_WORD}|\.{_WORD})"
                found.append(_literal(How.NORMALISED, value, r"(?<![\w.%+'-])", end))
            case Scheme.PHONE:
                found += _phone(value.removeprefix("+"))
            case Scheme.NATIONAL_ID:
                spread = _MARKS.join(map(re.escape, value.partition(":")[2]))
                found.append((How.NORMALISED, rf"(?<!{_WORD}){spread}(?!{_WORD})", spread))
            case Scheme.URL:
                address = value.partition("://")[2].rstrip("/") or value
                found.append(_literal(How.NORMALISED, address, r"(?<![\w.-])", r"/?(?![\w/-])"))
            case Scheme.ACCOUNT:
                found.append(_literal(How.NORMALISED, value))
                found.append(_literal(How.PATTERN, value.partition("/")[2]))
            case Scheme.EXTERNAL:
                found.append(_literal(How.NORMALISED, value))
    return [each for each in found if len(each[2].replace("\\", "")) >= SHORTEST]


def _literal(
    how: How, value: str, before: str = r"(?<!\w)", after: str = r"(?!\w)"
) -> tuple[How, str, str]:
    plain = unicodedata.normalize("NFKC", value)
    return how, f"{before}{re.escape(plain)}{after}", re.escape(plain)


def _phone(digits: str) -> list[tuple[How, str, str]]:
    """In international writing, and as it is dialled within its country."""
    found = []
    for code in range(1, 4):
        country, national = digits[:code], digits[code:]
        if len(national) < 6:
            continue
        number = _MARKS.join(national)
        dialled = rf"(?:\+|00){_MARKS}{_MARKS.join(country)}{_MARKS}(?:\(0\){_MARKS})?{number}"
        found.append((How.NORMALISED, rf"(?<!\d){dialled}(?!\d)", number))
        found.append((How.PATTERN, rf"(?<![\d+])0{_MARKS}{number}(?!\d)", number))
    whole = _MARKS.join(digits)
    found.append((How.NORMALISED, rf"(?<!\d){whole}(?!\d)", whole))
    return found
