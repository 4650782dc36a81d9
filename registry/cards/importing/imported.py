"""What is taken from a file that somebody wrote elsewhere: statements by kind, and the rest. Pure.

Rules:
1. Several texts of one kind are one statement, in their order, each once.
2. A text that is too long for a statement is not cut: it is left, and its reader keeps it whole.
3. Nothing is taken that a database does not hold: NUL, and halves of letters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import Form
from registry.errors import InvalidInputError

TEXT_LIMIT: Final = 20_000


@dataclass(frozen=True, slots=True)
class ImportedStatement:
    """What a file says of one kind. `value`: of a kind that is a flag, whose text is empty.

    `source`: the places in the file, as `$.rai:dataBiases` or `## Uses`.
    """

    kind: str
    text: str
    source: str
    value: bool | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A text or flag of a file under the kind that it answers, and where it stands."""

    kind: str
    value: str | bool
    source: str


def joined(said: Iterable[Said]) -> tuple[list[ImportedStatement], list[Said]]:
    """One statement of each kind (rule 1), and what is left of it (rule 2).

    Raises InvalidInputError where a kind that is a flag has a text, or the other way round, and for
    a text that rule 3 forbids.
    """
    kinds: dict[str, list[Said]] = {}
    left: list[Said] = []
    for each in said:
        _require_form(each)
        taken = kinds.setdefault(each.kind, [])
        length = sum(len(str(other.value)) + 2 for other in taken)
        if isinstance(each.value, str) and length + len(each.value) > TEXT_LIMIT:
            left.append(each)
        else:
            taken.append(each)
    return [_statement(kind, parts) for kind, parts in kinds.items() if parts], left


def _statement(kind: str, parts: list[Said]) -> ImportedStatement:
    source = ", ".join(dict.fromkeys(part.source for part in parts))
    value = parts[-1].value
    if isinstance(value, bool):
        return ImportedStatement(kind, "", source, value)
    texts = dict.fromkeys(str(part.value) for part in parts)
    return ImportedStatement(kind, "\n\n".join(texts), source)


def _require_form(said: Said) -> None:
    is_flag = CATALOGUE[f"statement.{said.kind}"].form is Form.FLAG
    if is_flag != isinstance(said.value, bool):
        raise InvalidInputError(
            f"The statement {said.kind} is {'yes or no' if is_flag else 'a text'}, and the file "
            f"says {str(said.value)[:40]!r}.",
            remedy="Write true or false." if is_flag else "Write a text.",
            path=said.source,
        )
    if "\0" in str(said.value):
        raise InvalidInputError(
            "The text holds a NUL character.", remedy="Take it out.", path=said.source
        )


def require_whole(document: object) -> None:
    """Raise InvalidInputError where any text of a document holds half a letter (rule 3)."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            "A text holds a lone surrogate, which is half a letter.",
            remedy="Write the letter whole, or take it out.",
            path="$",
        ) from error
