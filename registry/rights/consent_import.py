"""Takes consent events by the hundred thousand: columns in, rows and refusals out.

Rules:
1. A file is named by its digest and comes in chunks; a chunk and how far the file is are kept in
   one transaction: an import that breaks off goes on where it stopped, and keeps no event twice.
2. An event that cannot be taken is refused with its row and reason, and the others are kept.
3. Identifiers become subject keys column by column; nothing of them is kept or told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.errors import ConflictError, InvalidInputError
from registry.keys.identifiers import normal_forms, parse_scheme
from registry.keys.keyring import Keyring
from registry.keys.tables import Purpose
from registry.keys.versions import require_live
from registry.moments import to_micros
from registry.rights.consent import COLUMNS, TEXT_LIMIT
from registry.rights.purposes import Purposes
from registry.rights.statuses import ConsentStatus
from registry.rights.tables import ConsentEvent, ConsentImport
from registry.storage.bulk import append_rows
from registry.storage.columns import table_of

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 100_000
FIELDS = (
    "scheme",
    "value",
    "purpose",
    "status",
    "at",
    "expires_at",
    "notice",
    "evidence",
    "jurisdiction",
    "explicit",
    "controller",
)
_STATUSES = frozenset(map(str, ConsentStatus))
_TEXTS = ("notice", "evidence", "jurisdiction", "controller")
# The first and the last moment that Python has; Arrow reads years beyond them.
_FIRST = to_micros(datetime.min.replace(tzinfo=UTC))
_LAST = to_micros(datetime.max.replace(tzinfo=UTC))
_TRUTH = {"true": 1, "1": 1, "yes": 1, "false": 0, "0": 0, "no": 0}
_event, _import = table_of(ConsentEvent), table_of(ConsentImport)
_Column = list[Any]


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row (from 0 within its chunk) that was not taken, and why."""

    row: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file was taken: rows looked at, events kept and refused."""

    next_row: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chunk ready to be kept; `rows` are as the table has them."""

    size: int
    rows: list[tuple[Any, ...]]
    refused: tuple[RefusedRow, ...]
    key_version: int


def prepare_chunk(
    table: pa.Table, keyring: Keyring, purposes: Purposes, *, actor: str, now: datetime
) -> Prepared:
    """Check a chunk (`FIELDS`, texts; absent ones are null) and key its people (rules 2 and 3).

    Raises InvalidInputError for a column that is not known or no text, or too many rows. Cost: some
    microseconds a row.
    """
    from registry.keys.subject_columns import SubjectColumns

    columns = _columns(table)
    subjects = SubjectColumns(keyring)
    keyed = subjects.keys_of_pairs(_texts(columns["scheme"]), _texts(columns["value"]))
    refusals: dict[int, RefusedRow] = {}
    keys = keyed.keys.to_pylist()
    if keyed.keys.null_count:
        for row, key in enumerate(keys):
            if key is None:
                why = _why_not(columns["scheme"][row], columns["value"][row])
                refusals[row] = RefusedRow(row, "subject", why)
    _check_words(columns, purposes, refusals)
    starts = _moments(columns["at"], "at", refusals, needed=True)
    ends = _ends(columns["expires_at"], starts, refusals)
    explicit = _truths(columns["explicit"], refusals)
    made = zip(
        keys,
        repeat(keyed.key_version),
        columns["purpose"],
        columns["status"],
        starts,
        ends,
        repeat(to_micros(now)),
        *(columns[name] for name in ("notice", "evidence", "jurisdiction")),
        explicit,
        columns["controller"],
        repeat(actor),
        strict=False,
    )
    rows = list(made)
    if refusals:
        rows = [each for row, each in enumerate(rows) if row not in refusals]
    refused = tuple(refusals[row] for row in sorted(refusals))
    return Prepared(len(keys), rows, refused, keyed.key_version)


def keep_chunk(
    session: Session, file: str, first: int, chunk: Prepared, *, actor: str, now: datetime
) -> Progress:
    """Keep a prepared chunk that begins at row `first` of a file, once (rule 1).

    Raises ConflictError where the file stands elsewhere. Effects: rows, one entry in the journal;
    does not commit.
    """
    stands = _stand(session, file, actor, now)
    if first + chunk.size <= stands.next_row and chunk.size:
        return stands
    if first != stands.next_row:
        raise ConflictError(
            f"The import of {file} stands at row {stands.next_row}, and this begins at {first}.",
            remedy="Go on at the row it stands at.",
            path="first",
        )
    require_live(session, Purpose.SUBJECT, chunk.key_version)
    rows = chunk.rows
    append_rows(session, _event, COLUMNS, rows)
    after = Progress(
        first + chunk.size,
        stands.accepted + len(rows),
        stands.rejected + len(chunk.refused),
    )
    values = {
        "next_row": after.next_row,
        "accepted": after.accepted,
        "rejected": after.rejected,
        "updated_at": now,
    }
    session.execute(update(_import).where(_import.c.id == file).values(values))
    facts = {"file": file, "first": first, "events": len(rows), "refused": len(chunk.refused)}
    append_entries(session, [Entry(EntryKind.CONSENT_IMPORTED, actor, facts)], at=now)
    return after


def read_progress(session: Session, file: str) -> Progress:
    """How far a file was taken; nothing for one that was never begun."""
    columns = (_import.c.next_row, _import.c.accepted, _import.c.rejected)
    row = session.execute(select(*columns).where(_import.c.id == file)).one_or_none()
    return Progress(0, 0, 0) if row is None else Progress(*row)


def _stand(session: Session, file: str, actor: str, now: datetime) -> Progress:
    """How far the file is, its row held until this transaction ends."""
    query = select(_import.c.next_row, _import.c.accepted, _import.c.rejected)
    found = session.execute(query.where(_import.c.id == file).with_for_update()).one_or_none()
    if found is not None:
        return Progress(*found)
    fresh = {
        "id": file,
        "next_row": 0,
        "accepted": 0,
        "rejected": 0,
        "recorded_by": actor,
        "started_at": now,
        "updated_at": now,
    }
    session.execute(insert(_import).values(fresh))
    return Progress(0, 0, 0)


def _columns(table: pa.Table) -> dict[str, _Column]:
    unknown = sorted(set(table.column_names) - set(FIELDS))
    if unknown or len(set(table.column_names)) != len(table.column_names):
        raise InvalidInputError(
            f"No column of consent events: {', '.join(unknown)[:200] or 'one stands twice'}.",
            remedy=f"Send: {', '.join(FIELDS)}.",
        )
    if table.num_rows > CHUNK_ROWS:
        raise InvalidInputError(
            f"A chunk of {table.num_rows} events is over {CHUNK_ROWS}.", remedy="Send less at once."
        )
    found: dict[str, _Column] = {}
    for name in FIELDS:
        if name not in table.column_names:
            found[name] = [None] * table.num_rows
            continue
        column = table.column(name)
        if not _is_text(column.type):
            raise InvalidInputError(
                f"The column {name} holds something other than text.",
                remedy="Send every column as text.",
                path=name,
            )
        values = column.to_pylist()
        found[name] = [value or None for value in values] if "" in values else values
    return found


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.null())


def _texts(values: _Column) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _why_not(scheme: str | None, value: str | None) -> str:
    """Why an identifier has no key, in words that do not hold it."""
    if scheme is None or value is None:
        return "the scheme or the identifier is missing"
    try:
        normal_forms(parse_scheme(scheme), value)
    except InvalidInputError as error:
        return error.detail
    return "it cannot be keyed"


def _check_words(
    columns: dict[str, _Column], purposes: Purposes, refusals: dict[int, RefusedRow]
) -> None:
    known = {"purpose": frozenset(purposes.entries), "status": _STATUSES}
    for name, words in known.items():
        for row in _rows_where(columns[name], lambda text, words=words: text not in words):  # type: ignore[misc]  # its default binds it
            text = columns[name][row]
            why = "is missing" if text is None else f"{text[:80]!r} is none that there is"
            refusals.setdefault(row, RefusedRow(row, name, f"the {name} {why}"))
    for name in _TEXTS:
        for row in _rows_where(columns[name], _is_too_much):
            why = f"it is over {TEXT_LIMIT} characters, or holds NUL"
            refusals.setdefault(row, RefusedRow(row, name, why))


def _rows_where(values: Sequence[Any], wrong: Callable[[Any], bool]) -> Iterator[int]:
    """The rows whose value is wrong; each distinct value is looked at once."""
    bad = {value for value in set(values) if wrong(value)}
    return (row for row, value in enumerate(values) if value in bad) if bad else iter(())


def _is_too_much(text: str | None) -> bool:
    return text is not None and (len(text) > TEXT_LIMIT or "\x00" in text)


def _moments(
    values: _Column, name: str, refusals: dict[int, RefusedRow], *, needed: bool
) -> list[int | None]:
    found = _all_micros(values)
    if None in found:
        for row, micros in enumerate(found):
            text = values[row]
            if micros is None and (needed or text is not None):
                why = "it is missing" if text is None else f"{text[:40]!r} is no time"
                refusals.setdefault(row, RefusedRow(row, name, why))
    return found


def _ends(
    values: _Column, starts: list[int | None], refusals: dict[int, RefusedRow]
) -> list[int | None]:
    """When each event ends; none does before it begins."""
    if not any(values):
        return values
    ends = _moments(values, "expires_at", refusals, needed=False)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start is not None and end is not None and end <= start:
            refusals.setdefault(row, RefusedRow(row, "expires_at", "it ends before it begins"))
    return ends


def _all_micros(values: _Column) -> list[int | None]:
    """`_micros` of each; at once where all are written as Arrow reads them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        moments = _texts(values).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        return [None if text is None else _micros(text) for text in values]
    span = pc.min_max(moments)
    if (
        moments.null_count < len(moments)
        and not _FIRST <= span["min"].as_py() <= span["max"].as_py() <= _LAST
    ):
        return [None if text is None else _micros(text) for text in values]
    read: list[int | None] = moments.to_pylist()
    return read


@lru_cache(maxsize=65_536)
def _micros(text: str) -> int | None:
    """A time in RFC 3339, or one without offset as UTC, as microseconds."""
    try:
        moment = datetime.fromisoformat(text)
        return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _truths(values: _Column, refusals: dict[int, RefusedRow]) -> list[int | None]:
    if not any(values):
        return values
    found: list[int | None] = []
    for row, text in enumerate(values):
        truth = None if text is None else _TRUTH.get(text.lower())
        if truth is None and text is not None:
            refusals.setdefault(row, RefusedRow(row, "explicit", "it is neither true nor false"))
        found.append(truth)
    return found
