"""Reads a Croissant file or a Hugging Face card that exists, and takes statements from it. Pure.

Rules:
1. What somebody wrote elsewhere is *declared* here: each text becomes a statement of the kind that
   it answers, with the place it came from. Several texts of one kind are one statement.
2. What has no kind, or is too long for a statement, is kept whole in `rest`: nothing is lost, and
   nothing is guessed. Facts that the registry measures itself are never taken from a file.
3. A file that this registry wrote says its statements with their kinds; those are taken, and its
   sentences about measured facts are not.
4. Whatever is wrong is told with its place in the file: size, encoding, JSON or YAML, types.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from registry.canonical import digest_text
from registry.cards.fact_kinds import STATEMENT_KINDS
from registry.cards.importing.croissant import read_croissant
from registry.cards.importing.huggingface import read_huggingface
from registry.cards.importing.imported import ImportedStatement
from registry.errors import BodyTooLargeError, InvalidInputError

LIMIT_BYTES: Final = 4 * 2**20


class ImportForm(StrEnum):
    """What a file is."""

    CROISSANT = "croissant"
    HUGGINGFACE = "huggingface"


_READERS: Final = {
    ImportForm.CROISSANT: read_croissant,
    ImportForm.HUGGINGFACE: read_huggingface,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read. `rest`: JSON values that became no statement. `digest`: of the file."""

    form: ImportForm
    digest: str
    statements: tuple[ImportedStatement, ...]
    rest: Mapping[str, object]


def import_file(data: bytes) -> Imported:
    """Statements and rest of a file, by order of their kinds.

    Raises BodyTooLargeError, InvalidInputError with the place (rule 4). Cost: up to a second for
    the largest file.
    """
    text = _decoded(data)
    form = _form_of(text)
    found, rest = _READERS[form](text)
    ordered = sorted(found, key=lambda each: STATEMENT_KINDS.index(each.kind))
    digest = digest_text(hashlib.sha256(data).digest())
    return Imported(form, digest, tuple(ordered), rest)


def _decoded(data: bytes) -> str:
    if len(data) > LIMIT_BYTES:
        raise BodyTooLargeError(
            f"The file has {len(data)} bytes, and {LIMIT_BYTES} may be.",
            remedy="Import the metadata alone: leave out embedded records and examples.",
            path="$",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"The file is no UTF-8: byte {error.start} is no part of a letter.",
            remedy="Save it as UTF-8.",
            path="$",
        ) from error


def _form_of(text: str) -> ImportForm:
    if text.lstrip()[:1] in ("{", "["):
        return ImportForm.CROISSANT
    if text.startswith("---"):
        return ImportForm.HUGGINGFACE
    raise InvalidInputError(
        "The file is neither Croissant (JSON) nor a Hugging Face card (a front matter between two "
        "lines of ---, then Markdown).",
        remedy="Give the file croissant.json, or the dataset's README.md.",
        path="$",
    )
