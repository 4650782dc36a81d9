"""Takes a card that was written elsewhere in: its texts as statements, the rest as it is.

Rules:
1. What a file says becomes statements of whoever imports it, with the file's digest beside each: a
   text without an author is nobody's word. Their own word on the same is superseded, and another
   person's stands beside it, as with any statement (`registry.cards.declared.stating`).
2. A text that holds an identifier of a person is left out, and that is told; so is a value of the
   rest. Nothing of them is kept, nor told.
3. Everything is one transaction. The same file of the same version is taken in once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.cards.declared.entries import write_entry
from registry.cards.declared.impersonal import require_impersonal
from registry.cards.declared.statements import StatementView
from registry.cards.declared.stating import NewStatement, Signer, state
from registry.cards.declared.tables import CardImport
from registry.cards.importing.files import Imported
from registry.cards.importing.imported import ImportedStatement
from registry.catalog.lookup import Named
from registry.errors import InvalidInputError
from registry.ids import named_id, uuid_text
from registry.storage.columns import insert_unless_there, table_of

_row = table_of(CardImport)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a file that was not taken: where it stands, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came of a file. `kept`: the places of what became no statement and is kept as it is."""

    id: str
    statements: tuple[StatementView, ...]
    kept: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def take_in(
    session: Session,
    dataset: Named,
    version: int | None,
    file: Imported,
    *,
    by: Signer,
    now: datetime,
) -> TakenIn:
    """Make statements of what a file says (rules 1 to 3).

    Raises as `state`. Effects: rows and entries; does not commit.
    """
    made: list[StatementView] = []
    left: list[LeftOut] = []
    for each in file.statements:
        said = _said(each, version, file.digest)
        try:
            require_impersonal(said.text, path=each.source)
        except InvalidInputError as error:
            left.append(LeftOut(each.source, error.detail))
            continue
        made.append(state(session, dataset, said, by=by, now=now))
    rest: dict[str, object] = {}
    for place, value in file.rest.items():
        if any(_is_personal(text) for text in _texts({place: value})):
            left.append(LeftOut(place, "It holds an identifier of a person."))
        else:
            rest[place] = value
    key = _keep(session, dataset, version, file, rest, by=by, now=now)
    return TakenIn(key, tuple(made), tuple(rest), tuple(left))


def _said(each: ImportedStatement, version: int | None, digest: str) -> NewStatement:
    return NewStatement(each.kind, each.text, each.value, version=version, attachment_sha256=digest)


def _keep(
    session: Session,
    dataset: Named,
    version: int | None,
    file: Imported,
    rest: Mapping[str, object],
    *,
    by: Signer,
    now: datetime,
) -> str:
    """Keep the rest of a file, once (rule 3); its id."""
    named = named_id("card import", dataset.id.hex(), str(version), file.digest, by.account_id)
    key = uuid_text(named)
    row = {
        "id": key,
        "dataset_id": dataset.id,
        "number": version,
        "form": file.form.value,
        "file_sha256": file.digest,
        "rest": msgspec.json.encode(rest).decode(),
        "imported_by": by.account_id,
        "imported_at": now,
        "entry_id": 0,
    }
    if insert_unless_there(session, _row, row):
        facts = {"import": key, "form": file.form.value, "file": file.digest}
        entry = write_entry(session, EntryKind.CARD_IMPORTED, facts, actor=by.account_id, now=now)
        session.execute(update(_row).where(_row.c.id == key).values(entry_id=entry))
    return key


def _is_personal(text: str) -> bool:
    try:
        require_impersonal(text, path="$")
    except InvalidInputError:
        return True
    return False


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, names of members among them; without recursion."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            yield from (str(name) for name in each)
            waiting.extend(each.values())
        elif isinstance(each, list | tuple):
            waiting.extend(each)
