"""Which bytes a file has now, after erasures, and which examples it lacks.

Rules (DESIGN §1.5):
1. What was recorded of a file when its batch came stays as it is; what erasures made of it stands
   here, and counts.
2. What an erasure is about to leave is kept before the file is swapped (`note_intent`, committed by
   itself), and taken for done only with the erasure (`note_erased`).
3. Of a copy whose rows are known by their keys no digest is kept, for others may write to it, but
   which rows were about to leave it (`note_leaving`), and which were seen to be gone (`note_gone`).
   Several requests may be at that at once, and each moves only its own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import parse_digest
from registry.erasure.connectors.protocol import Executor, Ordinals, Target
from registry.erasure.targets.bindings import TargetView
from registry.erasure.targets.tables import FileState
from registry.ledger.holes import Holes
from registry.ledger.source_files import BatchFileNode
from registry.storage.columns import insert_unless_there, table_of

_state = table_of(FileState)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class FileKey:
    """A file of a batch, or the rows of a batch in a bound copy of its dataset."""

    dataset_id: bytes
    batch_number: int
    uri: str

    @property
    def order(self) -> tuple[int, str]:
        """What files are told in the order of."""
        return self.batch_number, self.uri


@dataclass(frozen=True, slots=True)
class FileNow:
    """A file after erasures. `next_sha256`: what an erasure that may have broken off was to leave,
    and `next_rows` the ordinals that it was taking out; `rows`: how many it has, where that is
    known.
    """

    sha256: bytes | None
    next_sha256: bytes | None
    holes: Holes
    rows: int | None
    next_rows: Holes = field(default_factory=Holes)


def read_states(session: Session, keys: Iterable[FileKey]) -> dict[FileKey, FileNow]:
    """The files that an erasure touched, or was about to."""
    found: dict[FileKey, FileNow] = {}
    by_batch: dict[tuple[bytes, int], set[str]] = {}
    for key in keys:
        by_batch.setdefault((key.dataset_id, key.batch_number), set()).add(key.uri)
    for (dataset_id, number), uris in sorted(by_batch.items()):
        mine = (_state.c.dataset_id == dataset_id) & (_state.c.batch_number == number)
        for row in session.execute(select(_state).where(mine)):
            if row.uri in uris:
                intended = Holes.from_bytes(row.next_holes) if row.next_holes else Holes()
                holes = Holes.from_bytes(row.holes)
                now = FileNow(row.sha256, row.next_sha256, holes, row.rows, intended)
                found[FileKey(dataset_id, number, row.uri)] = now
    return found


def states_of(session: Session, numbers: Iterable[int]) -> dict[FileKey, tuple[FileNow, datetime]]:
    """The files of batches that erasures touched, and when they last did."""
    wanted, found = sorted(set(numbers)), dict[FileKey, tuple[FileNow, datetime]]()
    for at in range(0, len(wanted), _AT_ONCE):
        some = _state.c.batch_number.in_(wanted[at : at + _AT_ONCE])
        for row in session.execute(select(_state).where(some)):
            now = FileNow(row.sha256, row.next_sha256, Holes.from_bytes(row.holes), row.rows)
            found[FileKey(bytes(row.dataset_id), row.batch_number, row.uri)] = now, row.changed_at
    return found


def put_state(session: Session, key: FileKey, now: FileNow, *, at: datetime) -> None:
    """Keep what an erasure that this database does not know of left of a file: holes only grow.

    Effects: does not commit.
    """
    _make(session, key, at)
    held = session.execute(select(_state.c.holes).where(_mine(key))).scalar_one()
    values = {
        "sha256": now.sha256,
        "next_sha256": None,
        "next_holes": None,
        "holes": (Holes.from_bytes(held) | now.holes).to_bytes(),
        "rows": now.rows,
        "changed_at": at,
    }
    session.execute(update(_state).where(_mine(key)).values(values))


def note_intent(
    session: Session, key: FileKey, sha256: bytes, rows: Ordinals, *, now: datetime
) -> None:
    """Keep the digest that a file is about to have, without `rows` (rule 2).

    Effects: does not commit.
    """
    _make(session, key, now)
    packed = Holes(rows).to_bytes()
    values = {"next_sha256": sha256, "next_holes": packed, "changed_at": now}
    session.execute(update(_state).where(_mine(key)).values(values))


def note_erased(
    session: Session,
    key: FileKey,
    rows: Ordinals,
    *,
    sha256: bytes | None,
    left: int | None,
    actor: str,
    now: datetime,
) -> None:
    """Keep that a file lacks these ordinals now, has this digest and `left` rows.

    Effects: one entry in the journal; does not commit.
    """
    _make(session, key, now)
    held = session.execute(select(_state.c.holes).where(_mine(key))).scalar_one()
    values = {
        "sha256": sha256,
        "next_sha256": None,
        "next_holes": None,
        "holes": (Holes.from_bytes(held) | Holes(rows)).to_bytes(),
        "rows": left,
        "changed_at": now,
    }
    session.execute(update(_state).where(_mine(key)).values(values))
    facts = {
        "dataset": key.dataset_id.hex(),
        "batch": key.batch_number,
        "erased": int(rows.size),
        "sha256": None if sha256 is None else sha256.hex(),
    }
    append_entries(session, [Entry(EntryKind.FILE_ERASED_IN, actor, facts)], at=now)


def copy_key(binding: TargetView, number: int) -> FileKey:
    """Under which name it is kept what left a bound copy of a batch's rows."""
    said = binding.said
    uri = said.uri if said.table is None else f"{said.uri}#{said.table}"
    return FileKey(binding.dataset_id, number, uri)


def note_leaving(session: Session, key: FileKey, rows: Ordinals, *, now: datetime) -> None:
    """Keep that rows are about to leave a keyed copy (rule 3). Effects: does not commit."""
    _make(session, key, now)
    leaving = _leaving(session, key) | Holes(rows)
    values = {"next_holes": leaving.to_bytes(), "changed_at": now}
    session.execute(update(_state).where(_mine(key)).values(values))


def note_gone(session: Session, key: FileKey, rows: Ordinals, *, actor: str, now: datetime) -> None:
    """Keep that rows were seen to be gone from a keyed copy (rule 3).

    Effects: one entry in the journal; does not commit.
    """
    others = Holes(Holes(rows).present(_leaving(session, key).ordinals()))
    note_erased(session, key, rows, sha256=None, left=None, actor=actor, now=now)
    values = {"next_holes": others.to_bytes() if len(others) else None}
    session.execute(update(_state).where(_mine(key)).values(values))


def _leaving(session: Session, key: FileKey) -> Holes:
    packed = session.execute(select(_state.c.next_holes).where(_mine(key))).scalar_one_or_none()
    return Holes.from_bytes(packed) if packed else Holes()


def drop_intent(session: Session, key: FileKey, *, now: datetime) -> None:
    """Forget what a file was about to be: it was not swapped. Effects: does not commit."""
    values = {"next_sha256": None, "next_holes": None, "changed_at": now}
    session.execute(update(_state).where(_mine(key)).values(values))


def file_target(
    file: BatchFileNode,
    now: FileNow | None,
    binding: TargetView | None,
    *,
    keys: Mapping[int, str] | None = None,
    digests: Mapping[int, bytes] | None = None,
    digest_of: Callable[[bytes], bytes] = bytes,
) -> Target:
    """The target that a file of a batch is: as it was recorded, and as it is now (rule 1).

    `file.first` must be known. `keys` and `digests` of ordinals, as far as they are known; a
    binding says in which columns they stand, `digest_of` makes such a digest of a SHA-256.
    """
    recorded = None if file.sha256 is None else parse_digest(file.sha256)
    said = None if binding is None else binding.said
    return Target(
        uri=file.uri,
        executor=Executor.FILES if said is None else said.executor,
        form=None if said is None else said.form,
        sha256=recorded if now is None or now.sha256 is None else now.sha256,
        intended=None if now is None else now.next_sha256,
        first=file.first or 0,
        rows=file.rows,
        holes=Holes() if now is None else now.holes,
        key_column=None if said is None else said.key_column,
        keys=keys or {},
        content_column=None if said is None else said.content_column,
        digests=digests or {},
        digest_of=digest_of,
        credential=None if said is None else said.credential,
    )


def copy_target(binding: TargetView) -> Target:
    """The target that a bound copy of a whole dataset is, by its binding alone."""
    said = binding.said
    return Target(
        uri=said.uri,
        executor=said.executor,
        form=said.form,
        key_column=said.key_column,
        content_column=said.content_column,
        by_key=said.by_key,
        table=said.table,
        credential=said.credential,
    )


def _make(session: Session, key: FileKey, now: datetime) -> None:
    row = {
        "dataset_id": key.dataset_id,
        "batch_number": key.batch_number,
        "uri": key.uri,
        "holes": Holes().to_bytes(),
        "changed_at": now,
    }
    insert_unless_there(session, _state, row)


def _mine(key: FileKey) -> ColumnElement[bool]:
    return (
        (_state.c.dataset_id == key.dataset_id)
        & (_state.c.batch_number == key.batch_number)
        & (_state.c.uri == key.uri)
    )
