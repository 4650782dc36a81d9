"""Subject keys: as DESIGN writes them down, of one person under every live version, re-keyed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidInputError, KeyDestroyedError
from registry.keys import identifiers
from registry.keys.blocks import decrypt_blocks, encrypt_blocks
from registry.keys.hashing import KeyedHash
from registry.keys.identifiers import Normaliser, Scheme
from registry.keys.keyring import Key, Keyring
from registry.keys.subjects import (
    SUBJECT_KEY_BYTES,
    live_subject_keys,
    new_subject_key,
    subject_key,
    translator,
)
from registry.keys.tables import KeyState, Purpose
from registry.keys.versions import add_version
from registry.storage.database import Database
from tests.clock import START, FrozenClock
from tests.keys.conftest import MASTER, Recorder

secrets = st.binary(min_size=32, max_size=32)
schemes = st.sampled_from(Scheme)
Rotate = Callable[[], None]

# RFC 4231: test cases 1 to 4, 6 and 7 (key, data, HMAC-SHA-256).
RFC_4231 = [
    (
        b"\x0b" * 20,
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        b"\xaa" * 20,
        b"\xdd" * 50,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. "
        b"The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]

# FIPS 197, C.3, and NIST SP 800-38A, F.1.5 (AES-256 in ECB mode, four blocks).
FIPS_197 = (
    bytes(range(32)),
    "00112233445566778899aabbccddeeff",
    "8ea2b7ca516745bfeafc49904b496089",
)
SP_800_38A = (
    bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
    "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
    "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
)


@pytest.mark.parametrize(("key", "message", "expected"), RFC_4231)
def test_the_keyed_hash_is_hmac(key: bytes, message: bytes, expected: str) -> None:
    assert KeyedHash(key).digests([message]) == [bytes.fromhex(expected)]
    half = len(message) // 2
    assert KeyedHash(key, message[:half]).digests([message[half:]]) == [bytes.fromhex(expected)]


@given(st.binary(max_size=200), st.binary(max_size=80), st.lists(st.binary(max_size=200)))
def test_the_keyed_hash_is_hmac_for_any_message(
    key: bytes, prefix: bytes, messages: list[bytes]
) -> None:
    expected = [hmac.digest(key, prefix + each, hashlib.sha256) for each in messages]
    assert KeyedHash(key, prefix).digests(messages) == expected


@pytest.mark.parametrize(("key", "plain", "cipher"), [FIPS_197, SP_800_38A])
def test_the_published_blocks_of_aes(key: bytes, plain: str, cipher: str) -> None:
    assert encrypt_blocks(key, bytes.fromhex(plain)).hex() == cipher
    assert decrypt_blocks(key, bytes.fromhex(cipher)).hex() == plain


def test_a_subject_key_is_what_the_design_says() -> None:
    root, version_key = bytes(range(32)), bytes(range(32, 64))
    message = b"email\x1f1\x1fada@example.org"
    inner = hmac.digest(root, message, "sha256")[:16]
    made = subject_key(root, version_key, Scheme.EMAIL, 1, "ada@example.org")
    assert made == encrypt_blocks(version_key, inner)
    # Held for ever: another value here would lose every person that is recorded.
    assert made.hex() == "2bff171aa5fd295e22caf6d509d20a97"


@given(secrets, secrets, secrets, schemes, st.text(min_size=1, max_size=40))
def test_a_re_keyed_key_is_the_key_that_the_new_version_makes(
    root: bytes, old: bytes, new: bytes, scheme: Scheme, identifier: str
) -> None:
    def make(version_key: bytes) -> bytes:
        return subject_key(root, version_key, scheme, 1, identifier)

    translate = translator(key_of(1, old), key_of(2, new))
    assert translate(make(old)) == make(new)
    assert translate(make(old) * 3) == make(new) * 3
    assert translator(key_of(2, new), key_of(1, old))(make(new)) == make(old)


def key_of(version: int, secret: bytes | None) -> Key:
    return Key(
        id=str(version),
        purpose=Purpose.SUBJECT,
        version=version,
        state=KeyState.ACTIVE if secret else KeyState.DESTROYED,
        created_at=START,
        destroyed_at=None if secret else datetime(2026, 4, 1, tzinfo=UTC),
        public_key=None,
        secret=secret,
    )


def test_nothing_is_re_keyed_with_a_destroyed_key() -> None:
    with pytest.raises(KeyDestroyedError):
        translator(key_of(1, None), key_of(2, bytes(32)))


@given(
    secrets,
    secrets,
    st.lists(
        st.tuples(schemes, st.integers(1, 40), st.text(min_size=1, max_size=12)),
        min_size=2,
        unique=True,
    ),
)
def test_different_identifiers_schemes_and_normalisers_differ(
    root: bytes, version_key: bytes, named: list[tuple[Scheme, int, str]]
) -> None:
    assert len({subject_key(root, version_key, *each) for each in named}) == len(named)


@pytest.fixture
def rotate(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock, recorder: Recorder
) -> Rotate:
    def act() -> None:
        with database.write() as session:
            add_version(session, MASTER, Purpose.SUBJECT, now=frozen_clock(), record=recorder)
        keyring.refresh()

    return act


def test_a_person_is_found_under_every_live_version(keyring: Keyring, rotate: Rotate) -> None:
    made = [new_subject_key(keyring, Scheme.EMAIL, "Ada@example.org")]
    for _ in range(2):
        rotate()
        made.append(new_subject_key(keyring, Scheme.EMAIL, "ada@example.org "))
    assert [each.version for each in made] == [1, 2, 3]
    live = live_subject_keys(keyring, Scheme.EMAIL, "ADA@EXAMPLE.ORG")
    assert live == [each.key for each in reversed(made)]
    assert {len(each) for each in live} == {SUBJECT_KEY_BYTES}


def test_a_person_is_found_under_every_normaliser(
    keyring: Keyring, rotate: Rotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = new_subject_key(keyring, Scheme.EXTERNAL, "Ada")
    both = (*identifiers.NORMALISERS[Scheme.EXTERNAL], Normaliser(2, str.casefold))
    monkeypatch.setitem(identifiers.NORMALISERS, Scheme.EXTERNAL, both)
    newer = new_subject_key(keyring, Scheme.EXTERNAL, "Ada")
    assert live_subject_keys(keyring, Scheme.EXTERNAL, "Ada") == [newer.key, older.key]
    rotate()
    assert len(set(live_subject_keys(keyring, Scheme.EXTERNAL, "Ada"))) == 4


@pytest.mark.parametrize("ask", [new_subject_key, live_subject_keys])
def test_what_is_no_identifier_has_no_key(
    keyring: Keyring, ask: Callable[[Keyring, Scheme, str], object]
) -> None:
    with pytest.raises(InvalidInputError, match="scheme phone"):
        ask(keyring, Scheme.PHONE, "030 12345678")


def test_two_registries_have_nothing_in_common(
    database: Database, keyring: Keyring, frozen_clock: FrozenClock
) -> None:
    here = new_subject_key(keyring, Scheme.EMAIL, "ada@example.org")
    root = keyring.active(Purpose.ROOT).require_secret()
    elsewhere = subject_key(root, bytes(32), Scheme.EMAIL, 1, "ada@example.org")
    without_root = subject_key(
        bytes(32),
        keyring.active(Purpose.SUBJECT).require_secret(),
        Scheme.EMAIL,
        1,
        "ada@example.org",
    )
    assert len({here.key, elsewhere, without_root}) == 3
