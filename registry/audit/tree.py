"""The stored tree of the audit log: what is read from its tiles, and how it grows.

Whoever makes it grow holds `take_turn` in the same transaction, so that there is one order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from sqlalchemy import false, or_, select, text
from sqlmodel import Session

from registry.audit.merkle import HASH_BYTES, Range, consistency_ranges, inclusion_ranges
from registry.audit.tables import TILE
from registry.audit.tiles import WIDTH, ReadTile, Tree, grow, places_of
from registry.errors import InvalidInputError, TamperedError
from registry.storage.bulk import Merge, merge_rows

Answer = TypeVar("Answer")
# Of this program alone: "audit" in ASCII.
_LOCK = 0x6175646974
_AT_ONCE = 500
_LONGER = Merge((("hashes", "new.hashes"),))


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That a leaf is in a tree: hashes from the leaf up, and the root they lead to."""

    leaf_hash: bytes
    index: int
    size: int
    hashes: list[bytes]
    root: bytes


@dataclass(frozen=True, slots=True)
class Consistency:
    """That a tree grew out of an earlier one: hashes, and both roots."""

    first: int
    second: int
    hashes: list[bytes]
    first_root: bytes
    second_root: bytes


def take_turn(session: Session) -> None:
    """Be the only one who changes tree, origins and checkpoints until this transaction ends.

    On SQLite a write transaction is alone already; PostgreSQL has an advisory lock for it.
    """
    if session.connection().dialect.name != "sqlite":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def tree_size(session: Session) -> int:
    """How many leaves the stored tree has. Cost: one look-up."""
    last = select(TILE.c.number, TILE.c.hashes).where(TILE.c.level == 0)
    row = session.execute(last.order_by(TILE.c.number.desc()).limit(1)).one_or_none()
    return 0 if row is None else row.number * WIDTH + len(row.hashes) // HASH_BYTES


def read_tile(session: Session) -> ReadTile:
    """What gives the bytes of a tile, empty where there is none."""

    def read(level: int, number: int) -> bytes:
        query = select(TILE.c.hashes).where(TILE.c.level == level, TILE.c.number == number)
        return bytes(session.execute(query).scalar_one_or_none() or b"")

    return read


def append_leaves(session: Session, size: int, leaf_hashes: Sequence[bytes]) -> int:
    """Let the tree of `size` grow by leaves; its new size. Effects: tiles; does not commit.

    Raises TamperedError where tiles do not hold what they must.
    """
    try:
        growth = grow(read_tile(session), size, leaf_hashes)
    except LookupError as error:
        raise _broken(error) from error
    rows = [(level, number, tile) for (level, number), tile in sorted(growth.tiles.items())]
    merge_rows(session, TILE, ("level", "number", "hashes"), rows, _LONGER)
    return growth.size


def root_at(session: Session, size: int) -> bytes:
    """The root over the first `size` leaves of the stored tree.

    Raises TamperedError where tiles lack what they must hold.
    """
    return _asked(lambda tree: tree.root(size), session, [(0, size)])


def prove_inclusion(session: Session, index: int, size: int) -> Inclusion:
    """The proof that leaf `index` is in the tree of `size`. Cost: about six tiles at 10^7 leaves.

    Raises InvalidInputError for what is not there, TamperedError as `root_at`.
    """
    _require_size(session, size)
    (found,) = _inclusions(session, [index], size)
    return found


def prove_inclusions(session: Session, indexes: Sequence[int], size: int) -> Iterator[Inclusion]:
    """The proofs that these leaves are in the tree of `size`, in the order given.

    Raises as `prove_inclusion`, if any is asked for. Cost: one query for 500 of them, and half a
    millisecond each.
    """
    if indexes:
        _require_size(session, size)
    for at in range(0, len(indexes), _AT_ONCE):
        yield from _inclusions(session, indexes[at : at + _AT_ONCE], size)


def _inclusions(session: Session, indexes: Sequence[int], size: int) -> list[Inclusion]:
    ranges = {index: inclusion_ranges(index, size) for index in indexes}

    def ask(tree: Tree) -> list[Inclusion]:
        root = tree.root(size)
        return [
            Inclusion(tree.leaf(at), at, size, [tree.hash_of(each) for each in ranges[at]], root)
            for at in indexes
        ]

    needed = [(index, index + 1) for index in indexes] + [(0, size)]
    return _asked(ask, session, [*needed, *(each for some in ranges.values() for each in some)])


def prove_consistency(session: Session, first: int, second: int) -> Consistency:
    """The proof that the tree of `second` grew out of that of `first`. Raises as above."""
    _require_size(session, second)
    ranges = consistency_ranges(first, second)
    if first == 0:
        raise InvalidInputError(
            "Nothing can be proved of an empty tree.",
            remedy="Give the size of a checkpoint that you hold.",
            path="first",
        )
    return _asked(
        lambda tree: Consistency(
            first,
            second,
            [tree.hash_of(each) for each in ranges],
            tree.root(first),
            tree.root(second),
        ),
        session,
        [*ranges, (0, first), (0, second)],
    )


def _asked(ask: Callable[[Tree], Answer], session: Session, ranges: Sequence[Range]) -> Answer:
    """Ask a tree whose tiles for these ranges are read in one query."""
    places = sorted(set().union(*map(places_of, ranges)))
    # SQLite finds pairs in a list only by reading every row; one level at a time has the index.
    wanted = [
        (TILE.c.level == level) & TILE.c.number.in_([number for _, number in some])
        for level, some in groupby(places, key=lambda place: place[0])
    ]
    query = select(TILE.c.level, TILE.c.number, TILE.c.hashes).where(or_(false(), *wanted))
    tiles = {(row.level, row.number): bytes(row.hashes) for row in session.execute(query)}
    try:
        return ask(Tree(lambda level, number: tiles.get((level, number), b"")))
    except LookupError as error:
        raise _broken(error) from error


def _broken(error: LookupError) -> TamperedError:
    return TamperedError(
        f"The stored tree of the audit log is broken: {error}.",
        remedy="Rows of the table audit_tile were changed; registry audit verify says more.",
    )


def _require_size(session: Session, size: int) -> None:
    held = tree_size(session)
    if not 0 < size <= held:
        raise InvalidInputError(
            f"The log has {held} entries, and a tree of {size} was asked for.",
            remedy="Ask for the size of a checkpoint: GET /api/v1/audit/checkpoint.",
            path="size",
        )
