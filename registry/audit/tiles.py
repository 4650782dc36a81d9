"""The tree in tiles: which hashes rest where, how tiles grow, and roots out of them.

A tile holds up to 256 hashes of one level; level 0 are leaf hashes, and each full tile's root is
one hash of the level above. So a tree of n leaves is n/256 tiles and a few more, an append touches
the last tile of each level, and any proof at 10^7 leaves reads about six tiles.

Rules (c2sp.org/tlog-tiles has the same shape):
1. Tile (level, number) holds the nodes number·256 … of tree height 8·level. Only complete subtrees
   have a node, so a hash that is there never changes, and tiles only grow.
2. The size of the tree is what level 0 holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from registry.audit.merkle import EMPTY_ROOT, HASH_BYTES, Range, node_hash, root_hash, split

HEIGHT = 8
WIDTH = 1 << HEIGHT
#: (level, number)
Place = tuple[int, int]
#: The bytes of a tile, empty where there is none.
ReadTile = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Growth:
    """A tree after an append: its size, and every tile that is new or longer."""

    size: int
    tiles: dict[Place, bytes]


def grow(read: ReadTile, size: int, leaf_hashes: Iterable[bytes]) -> Growth:
    """Append leaves to the tree of `size`. Reads the last tile of each level at most.

    Raises LookupError where one of these does not hold what a tree of that size has there.
    """
    tiles: dict[Place, bytes] = {}
    added = list(leaf_hashes)
    level, held = 0, size
    grown = size + len(added)
    while added:
        number, begun = divmod(held, WIDTH)
        last = read(level, number)
        if len(last) != begun * HASH_BYTES:
            raise LookupError(f"tile {level}/{number} does not hold {begun} hashes")
        line = last + b"".join(added)
        roots = []
        while line:
            tile, line = line[: WIDTH * HASH_BYTES], line[WIDTH * HASH_BYTES :]
            tiles[level, number] = tile
            if len(tile) == WIDTH * HASH_BYTES:
                roots.append(root_hash(hashes_of(tile)))
            number += 1
        level, held, added = level + 1, held // WIDTH, roots
    return Growth(grown, tiles)


def hashes_of(tile: bytes) -> list[bytes]:
    """The hashes of a tile, in order."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def places_of(leaves: Range) -> set[Place]:
    """The tiles that the root of a subtree is made of (`Tree.hash_of`)."""
    start, stop = leaves
    count = stop - start
    if count <= 0:
        return set()
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        level, number, _ = _lies(height, start >> height)
        return {(level, number)}
    middle = start + split(count)
    return places_of((start, middle)) | places_of((middle, stop))


def _lies(height: int, index: int) -> tuple[int, int, int]:
    """Level and number of the tile that a node is made of, and the first hash of it there."""
    level, within = divmod(height, HEIGHT)
    number, at = divmod(index << within, WIDTH)
    return level, number, at


class Tree:
    """Reads roots and nodes from tiles, each tile once."""

    def __init__(self, read: ReadTile) -> None:
        self._read = read
        self._tiles: dict[Place, bytes] = {}

    def leaf(self, index: int) -> bytes:
        """The hash of a leaf that is there."""
        return self._node(0, index)

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves, which are there."""
        return self.hash_of((0, size)) if size else EMPTY_ROOT

    def hash_of(self, leaves: Range) -> bytes:
        """The root of a subtree of the tree of some size: a range as proofs ask for it."""
        start, stop = leaves
        count = stop - start
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self._node(height, start >> height)
        middle = start + split(count)
        return node_hash(self.hash_of((start, middle)), self.hash_of((middle, stop)))

    def _node(self, height: int, index: int) -> bytes:
        level, number, at = _lies(height, index)
        width = HASH_BYTES << height % HEIGHT
        found = self._tile(level, number)[at * HASH_BYTES :][:width]
        if len(found) != width:
            raise LookupError(f"tile {level}/{number} lacks node {index} of height {height}")
        return root_hash(hashes_of(found))

    def _tile(self, level: int, number: int) -> bytes:
        place = level, number
        if place not in self._tiles:
            self._tiles[place] = self._read(level, number)
        return self._tiles[place]
