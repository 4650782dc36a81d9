"""The tree against RFC 6962's published strings and roots, and against every way to be wrong."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.audit.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from registry.errors import InvalidInputError, NotVerifiedError

# The strings and roots that the authors of RFC 6962 test their own implementation with.
PUBLISHED_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
PUBLISHED_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (index, size, hashes): RFC 6962 §2.1.3 draws such paths; these are of the published leaves.
PUBLISHED_PATHS = [
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]
LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(300)]


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162 §2.1.3.1, word for word."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_growth(first: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 9162 §2.1.4.1, word for word."""
    if first == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if first <= k:
        return [*naive_growth(first, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_growth(first - k, leaves[k:], False), naive_root(leaves[:k])]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root_hash([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_roots(size: int) -> None:
    leaves = [leaf_hash(data) for data in PUBLISHED_LEAVES[:size]]
    assert root_hash(leaves).hex() == PUBLISHED_ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "hashes"), PUBLISHED_PATHS)
def test_the_published_paths(index: int, size: int, hashes: list[str]) -> None:
    leaves = [leaf_hash(data) for data in PUBLISHED_LEAVES]
    proof = inclusion_proof(leaves, index, size)
    assert [each.hex() for each in proof] == hashes
    root = bytes.fromhex(PUBLISHED_ROOTS[size - 1])
    verify_inclusion(leaves[index], index, size, proof, root)


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 255, 256, 257, 299])
def test_roots_are_those_of_the_definition(size: int) -> None:
    assert root_hash(LEAVES[:size]) == naive_root(LEAVES[:size])


def test_every_inclusion_proof_of_every_size_holds() -> None:
    for size in range(1, len(LEAVES) + 1):
        root = root_hash(LEAVES[:size])
        for index in range(0, size, 1 if size < 80 else 7):
            proof = inclusion_proof(LEAVES, index, size)
            verify_inclusion(LEAVES[index], index, size, proof, root)
            if size < 40:
                assert proof == naive_path(index, LEAVES[:size])


def test_consistency_holds_between_all_pairs() -> None:
    roots = [root_hash(LEAVES[:size]) for size in range(140)]
    for second in range(1, 140):
        for first in range(1, second + 1):
            proof = consistency_proof(LEAVES, first, second)
            verify_consistency(first, second, proof, roots[first], roots[second])
            if second < 40:
                assert proof == naive_growth(first, LEAVES[:second])


@given(st.data())
def test_any_change_of_an_inclusion_proof_is_found(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    root, proof = root_hash(LEAVES[:size]), inclusion_proof(LEAVES, index, size)
    leaf = LEAVES[index]
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    other_index = data.draw(st.integers(-1, size + 1).filter(lambda one: one != index))
    changed = flip(proof[at], bit)
    wrong = [
        (leaf, index, size, [*proof[:at], changed, *proof[at + 1 :]], root),
        (flip(leaf, bit), index, size, proof, root),
        (leaf, index, size, proof, flip(root, bit)),
        (leaf, other_index, size, proof, root),
        (leaf, index, size, [*proof, root], root),
        (leaf, index, size, proof[:-1], root),
        (leaf, index, size, proof[1:], root),
        (leaf, index, size, [*proof[:at], proof[at][:31], *proof[at + 1 :]], root),
    ]
    for case in wrong:
        with pytest.raises(NotVerifiedError):
            verify_inclusion(*case)


@given(st.integers(1, 300), st.data())
def test_an_inclusion_proof_is_of_one_size(size: int, data: st.DataObject) -> None:
    """With another size the same hashes lead to the same root only where the path is the same."""
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(LEAVES, index, size), root_hash(LEAVES[:size])
    for other in range(max(1, size - 3), size + 4):
        true_path = other > 0 and index < other
        same = true_path and shape(index, other) == shape(index, size)
        if same:
            continue
        with pytest.raises(NotVerifiedError):
            verify_inclusion(LEAVES[index], index, other, proof, root)


def shape(index: int, size: int) -> list[bool]:
    """On which side each sibling of the path stands, from the leaf up."""
    sides: list[bool] = []
    start, stop = 0, size
    while stop - start > 1:
        k = 1
        while 2 * k < stop - start:
            k *= 2
        left = index < start + k
        sides.append(left)
        start, stop = (start, start + k) if left else (start + k, stop)
    return sides[::-1]


@given(st.data())
def test_any_change_of_a_consistency_proof_is_found(data: st.DataObject) -> None:
    second = data.draw(st.integers(3, 300))
    first = data.draw(st.integers(1, second - 1))
    old, new = root_hash(LEAVES[:first]), root_hash(LEAVES[:second])
    proof = consistency_proof(LEAVES, first, second)
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    wrong = [
        (first, second, [*proof[:at], flip(proof[at], bit), *proof[at + 1 :]], old, new),
        (first, second, proof, flip(old, bit), new),
        (first, second, proof, old, flip(new, bit)),
        (first, second, [*proof, new], old, new),
        (first, second, proof[:-1], old, new),
        (second, first, proof, old, new),
        (0, second, proof, old, new),
        (-1, second, proof, old, new),
    ]
    for case in wrong:
        with pytest.raises(NotVerifiedError):
            verify_consistency(*case)


def test_consistency_from_nothing_is_refused() -> None:
    assert consistency_proof(LEAVES, 0, 5) == []
    with pytest.raises(NotVerifiedError, match="nothing shows"):
        verify_consistency(0, 5, [], EMPTY_ROOT, root_hash(LEAVES[:5]))


def test_equal_trees_need_no_hashes_and_equal_roots() -> None:
    root = root_hash(LEAVES[:5])
    verify_consistency(5, 5, [], root, root)
    with pytest.raises(NotVerifiedError, match="different roots"):
        verify_consistency(5, 5, [], root, EMPTY_ROOT)
    with pytest.raises(NotVerifiedError, match="too many"):
        verify_consistency(5, 5, [root], root, root)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: inclusion_proof(LEAVES, 5, 5),
        lambda: inclusion_proof(LEAVES, -1, 5),
        lambda: inclusion_proof(LEAVES, 0, 301),
        lambda: inclusion_proof(LEAVES, 0, 0),
        lambda: consistency_proof(LEAVES, 6, 5),
        lambda: consistency_proof(LEAVES, -1, 5),
        lambda: consistency_proof(LEAVES, 5, 301),
    ],
)
def test_a_proof_of_what_is_not_there_is_not_made(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(InvalidInputError):
        ask()


def flip(value: bytes, bit: int) -> bytes:
    """The value with one bit changed."""
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
