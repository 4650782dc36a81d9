"""The Merkle tree of the audit log: hashes, roots, proofs, and who checks them.

Rules (RFC 6962 §2.1, RFC 9162 §2.1):
1. A leaf is SHA-256(0x00 ‖ data), an inner node SHA-256(0x01 ‖ left ‖ right), so that no node can
   pass for a leaf. The root of no leaves is SHA-256 of nothing.
2. The left child of n > 1 leaves holds the largest power of two smaller than n.
3. A proof is checked against hashes the checker already trusts; one hash too many or too few, one
   changed bit, another index or another size is NotVerifiedError. Verifiers return None.
4. Nothing is proved of an empty tree: a consistency proof from size 0 is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from registry.errors import InvalidInputError, NotVerifiedError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
#: The leaves from the first number up to, and without, the second.
Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf with this data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children's hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count: int) -> int:
    """The largest power of two smaller than `count`, which is above 1 (rule 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def root_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over all these leaves, in order; `EMPTY_ROOT` for none. Cost: one hash a leaf."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    # Pairing from the left, and taking an odd last node up as it is, is the same tree as rule 2.
    while len(level) > 1:
        paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Which subtrees' roots prove that leaf `index` is in the tree of `size`, from the leaf up.

    Raises InvalidInputError for an index outside the tree.
    """
    if not 0 <= index < size:
        raise InvalidInputError(
            f"There is no leaf {index} in a tree of {size}.",
            remedy="Ask for an index from 0 up to the size, which is not itself one.",
            path="index",
        )
    found: list[Range] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + split(stop - start)
        if index < middle:
            found.append((middle, stop))
            stop = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Which subtrees' roots prove that the tree of `first` grew into that of `second`.

    None are needed from size 0 or between equal sizes. Raises InvalidInputError where `first` is
    negative or greater than `second`.
    """
    if not 0 <= first <= second:
        raise InvalidInputError(
            f"A tree of {first} does not grow into one of {second}.",
            remedy="Give the smaller size first.",
            path="first",
        )
    if first in (0, second):
        return []
    found: list[Range] = []
    start, stop = 0, second
    # The subtree that is complete in both trees ends where the first one ends.
    while stop != first:
        middle = start + split(stop - start)
        if first <= middle:
            found.append((middle, stop))
            stop = middle
        else:
            found.append((start, middle))
            start = middle
    if start:
        found.append((start, stop))
    return found[::-1]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """The proof that leaf `index` is in the tree over the first `size` leaves (RFC 9162 §2.1.3.1).

    Raises InvalidInputError for an index outside the tree, or a size beyond the leaves.
    """
    hash_of = _hash_of(leaf_hashes, size)
    return [hash_of(*each) for each in inclusion_ranges(index, size)]


def consistency_proof(leaf_hashes: Sequence[bytes], first: int, second: int) -> list[bytes]:
    """The proof that the first `first` leaves begin the first `second` (RFC 9162 §2.1.4.1).

    Empty from size 0, of which nothing can be proved, and between equal sizes. Raises
    InvalidInputError for sizes in the wrong order or beyond the leaves.
    """
    hash_of = _hash_of(leaf_hashes, second)
    return [hash_of(*each) for each in consistency_ranges(first, second)]


def _hash_of(leaf_hashes: Sequence[bytes], size: int) -> Callable[[int, int], bytes]:
    if size > len(leaf_hashes):
        raise InvalidInputError(
            f"There are {len(leaf_hashes)} leaves, and a tree of {size} was asked for.",
            remedy="Ask for a smaller tree.",
            path="size",
        )
    return lambda start, stop: root_hash(leaf_hashes[start:stop])


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Hold a proof to a root (RFC 9162 §2.1.3.2). Raises NotVerifiedError (rule 3)."""
    _require_hashes(leaf_hash, root, *proof)
    if not 0 <= index < size:
        raise _refused(f"leaf {index} is not in a tree of {size}")
    node, last, reached = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise _refused(f"{len(proof)} hashes are too many for leaf {index} of {size}")
        if node & 1 or node == last:
            reached = node_hash(sibling, reached)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _refused(f"{len(proof)} hashes are too few for leaf {index} of {size}")
    if reached != root:
        raise _refused(f"leaf {index} of {size} leads to {reached.hex()}, not to {root.hex()}")


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> None:
    """Hold a proof to two roots (RFC 9162 §2.1.4.2). Raises NotVerifiedError (rules 3 and 4)."""
    _require_hashes(first_root, second_root, *proof)
    if not 0 < first <= second:
        raise _refused(f"nothing shows that a tree of {first} grew into one of {second}")
    if first == second:
        if proof:
            raise _refused(f"{len(proof)} hashes are too many between equal trees")
        if first_root != second_root:
            raise _refused(f"two trees of {first} have different roots")
        return
    # A first tree that is a power of two is a node of the second, and needs no hash of its own.
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        raise _refused(f"0 hashes are too few from {first} to {second}")
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise _refused(f"{len(proof)} hashes are too many from {first} to {second}")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _refused(f"{len(proof)} hashes are too few from {first} to {second}")
    if old != first_root:
        raise _refused(f"the tree of {first} leads to {old.hex()}, not to {first_root.hex()}")
    if new != second_root:
        raise _refused(f"the tree of {second} leads to {new.hex()}, not to {second_root.hex()}")


def _require_hashes(*hashes: bytes) -> None:
    for each in hashes:
        if not isinstance(each, bytes) or len(each) != HASH_BYTES:
            raise _refused(f"every hash has {HASH_BYTES} bytes, and one has not")


def _refused(why: str) -> NotVerifiedError:
    return NotVerifiedError(
        f"The proof does not hold: {why}.",
        remedy="Ask for it again; if it still does not hold, keep both, and tell an auditor.",
    )
