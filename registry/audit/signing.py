"""Signs what the log holds, or opens a new origin where it must not sign under the old one.

Rules:
1. Before anything is signed, the tree is held to the newest checkpoint that is kept outside the
   database, and to the newest within it: the tree must be at least as large, and have that root at
   that size. A database that was restored, cut short or rewritten does not.
2. Then a new origin is opened, by an entry that says what did not fit. What was signed under the
   old one stays true of the log that it was signed of; nothing is signed under its name again.
3. An origin is `lineage-registry/ID`, and from the second on `lineage-registry/ID/NUMBER`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlmodel import Session

from registry.audit.checkpoint import Checkpoint, open_checkpoint, read_checkpoint, sign_checkpoint
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.kept import KeptCheckpoint, block_of
from registry.audit.notes import VerifierKey
from registry.audit.tables import CHECKPOINT, ORIGIN
from registry.audit.tree import root_at, take_turn, tree_size
from registry.canonical import digest_text
from registry.errors import InvalidInputError, NotVerifiedError
from registry.ids import fresh_id
from registry.keys.keyring import Key
from registry.moments import to_micros
from registry.storage.bulk import Merge, merge_rows

_NEWER = Merge(
    tuple((name, f"new.{name}") for name in ("size", "root", "note", "at")), "new.size > old.size"
)
_COLUMNS = ("origin", "block", "size", "root", "note", "at")


class Misfit(StrEnum):
    """Why an origin was opened."""

    FIRST = "first"  # there was none
    FOREIGN = "foreign"  # what is kept outside is of a log that this database does not know
    UNSIGNED = "unsigned"  # what is kept carries no signature of this registry
    BEHIND = "behind"  # the log is shorter than what was signed
    FORKED = "forked"  # the log has another root at the size that was signed


@dataclass(frozen=True, slots=True)
class Origin:
    """The name under which checkpoints are signed now."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed checkpoint of the origin with that number."""

    number: int
    size: int
    root: bytes
    note: str


def current_origin(session: Session) -> Origin | None:
    """The origin in use; None before the first."""
    query = select(ORIGIN.c.number, ORIGIN.c.name).order_by(ORIGIN.c.number.desc()).limit(1)
    row = session.execute(query).one_or_none()
    return None if row is None else Origin(row.number, row.name)


def latest_checkpoint(session: Session) -> Signed | None:
    """The newest signed checkpoint of the origin in use; None where nothing is signed under it."""
    origin = current_origin(session)
    if origin is None:
        return None
    query = select(CHECKPOINT).where(CHECKPOINT.c.origin == origin.number)
    row = session.execute(query.order_by(CHECKPOINT.c.block.desc()).limit(1)).one_or_none()
    return None if row is None else Signed(row.origin, row.size, row.root, row.note)


def sign_tree(
    session: Session,
    kept: KeptCheckpoint | None,
    keys: Sequence[Key],
    *,
    actor: str,
    now: datetime,
) -> Signed | None:
    """Sign the tree as it stands, unless that is done. None: a new origin was opened instead.

    `keys`: every version of the signing key, the active one first. `actor` (an account id) opens
    origins; after None, the entry about that must get its place first. Effects: rows; does not
    commit.
    """
    take_turn(session)
    size = tree_size(session)
    origin, last = current_origin(session), latest_checkpoint(session)
    if origin is None:
        _open_origin(session, None, Misfit.FIRST, kept, actor, now)
        return None
    within = None if last is None else KeptCheckpoint(last.number, block_of(last.size), last.note)
    for each in (kept, within):
        misfit = None if each is None else _misfit(session, origin, each, size, keys)
        if misfit is not None:
            _open_origin(session, origin, misfit, each, actor, now)
            return None
    if last is not None and last.size == size:
        return last
    root = root_at(session, size)
    note = sign_checkpoint(Checkpoint(origin.name, size, root), keys[0].require_secret())
    row = (origin.number, block_of(size), size, root, note, to_micros(now))
    merge_rows(session, CHECKPOINT, _COLUMNS, [row], _NEWER)
    return Signed(origin.number, size, root, note)


def _misfit(
    session: Session, origin: Origin, kept: KeptCheckpoint, size: int, keys: Sequence[Key]
) -> Misfit | None:
    """Why the log cannot go on from a checkpoint under this origin (rule 1); None where it can."""
    if kept.number < origin.number:
        return None  # what led to this origin
    if kept.number > origin.number:
        return Misfit.FOREIGN
    try:
        held = [VerifierKey(None, key.public_key) for key in keys if key.public_key]
        checkpoint = open_checkpoint(kept.note, held)
    except (InvalidInputError, NotVerifiedError):
        return Misfit.UNSIGNED
    if checkpoint.origin != origin.name:
        return Misfit.FOREIGN
    if checkpoint.size > size:
        return Misfit.BEHIND
    if root_at(session, checkpoint.size) != checkpoint.root:
        return Misfit.FORKED
    return None


def _open_origin(
    session: Session,
    before: Origin | None,
    misfit: Misfit,
    kept: KeptCheckpoint | None,
    actor: str,
    now: datetime,
) -> None:
    first = session.execute(select(ORIGIN.c.name).order_by(ORIGIN.c.number).limit(1)).scalar()
    number = 1 + max(before.number if before else 0, kept.number if kept else 0)
    if misfit is Misfit.FIRST and kept is not None:
        misfit = Misfit.FOREIGN
    name = f"{first}/{number}" if first else f"lineage-registry/{fresh_id()}"
    row = {"number": number, "name": name, "reason": misfit, "opened_at": now}
    session.execute(ORIGIN.insert().values(row))
    facts: dict[str, object] = {"number": number, "origin": name, "reason": misfit.value}
    size = facts["size"] = tree_size(session)
    if size:
        facts["root"] = digest_text(root_at(session, size))
    if kept is not None:
        facts["kept"] = _facts_of(kept)
    append_entries(session, [Entry(EntryKind.ORIGIN_OPENED, actor, facts)], at=now)


def _facts_of(kept: KeptCheckpoint) -> dict[str, object]:
    try:
        checkpoint = read_checkpoint(kept.note)
    except InvalidInputError:
        return {"number": kept.number, "readable": False}
    root = digest_text(checkpoint.root)
    return {
        "number": kept.number,
        "origin": checkpoint.origin[:200],
        # A forged size may be beyond what canonical JSON carries.
        "size": str(checkpoint.size),
        "root": root,
    }
