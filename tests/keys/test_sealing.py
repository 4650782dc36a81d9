"""Sealing: opens with the same key and place only, and never twice with one nonce."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.keys.sealing import KEY_BYTES, NONCE_BYTES, SealBrokenError, seal, unseal

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES)

# NIST's GCM test vectors (The Galois/Counter Mode of Operation, appendix B), test cases 14 and 16.
PUBLISHED = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "00000000000000000000000000000000",
        "",
        "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    ),
    (
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
]


@pytest.mark.parametrize(("key", "nonce", "plaintext", "place", "sealed"), PUBLISHED)
def test_the_published_vectors_open(
    key: str, nonce: str, plaintext: str, place: str, sealed: str
) -> None:
    opened = unseal(bytes.fromhex(key), bytes.fromhex(nonce + sealed), bytes.fromhex(place))
    assert opened == bytes.fromhex(plaintext)


@given(keys, st.binary(max_size=200), st.binary(max_size=40))
def test_what_was_sealed_opens(key: bytes, plaintext: bytes, place: bytes) -> None:
    assert unseal(key, seal(key, plaintext, place), place) == plaintext


@given(keys, st.binary(max_size=60), st.data())
def test_any_changed_bit_is_noticed(key: bytes, plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(key, plaintext, b"place"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBrokenError):
        unseal(key, bytes(sealed), b"place")


@given(keys, keys, st.binary(max_size=8), st.binary(max_size=8))
def test_another_key_or_place_opens_nothing(
    key: bytes, other: bytes, place: bytes, elsewhere: bytes
) -> None:
    sealed = seal(key, b"ada", place)
    for wrong_key, wrong_place in [(other, place), (key, elsewhere)]:
        if (wrong_key, wrong_place) != (key, place):
            with pytest.raises(SealBrokenError):
                unseal(wrong_key, sealed, wrong_place)


@pytest.mark.parametrize("length", [0, 1, 27])
def test_too_few_bytes_open_nothing(length: int) -> None:
    with pytest.raises(SealBrokenError):
        unseal(bytes(KEY_BYTES), bytes(length), b"")


def test_no_two_seals_share_a_nonce() -> None:
    key = bytes(range(KEY_BYTES))
    nonces = {seal(key, b"the same", b"place")[:NONCE_BYTES] for _ in range(20_000)}
    assert len(nonces) == 20_000
