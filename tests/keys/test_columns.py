"""Columns of subject keys and digests: each row is what the one-row function gives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from registry.errors import InvalidInputError
from registry.keys.digests import ContentDigests, cmac_of_two_blocks, cmac_subkey
from registry.keys.identifiers import Scheme
from registry.keys.keyring import Keyring, seal_key
from registry.keys.subject_columns import SubjectColumns
from registry.keys.subjects import new_subject_key
from registry.keys.tables import KEY_VERSION, Purpose
from registry.storage.database import Database
from tests.keys.conftest import MASTER
from tests.stores import copy_sqlite

each_example_anew = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

PEOPLE = ["ada@example.org", " ADA@example.org", "bob@example.org", "nobody", "", None, "BOB@b.org"]


@pytest.fixture
def database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """SQLite alone: columns know nothing of the database behind the keyring."""
    opened = Database(copy_sqlite(sqlite_template, tmp_path))
    yield opened
    opened.close()


def one_by_one(keyring: Keyring, scheme: str | None, value: str | None) -> bytes | None:
    if value is None or scheme not in list(Scheme):
        return None
    try:
        return new_subject_key(keyring, Scheme(scheme), value).key
    except InvalidInputError:
        return None


@each_example_anew
@given(
    st.lists(
        st.sampled_from(PEOPLE) | st.none() | st.text(max_size=4).map(lambda t: f"{t}@b.org"),
        max_size=30,
    ),
    st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
    st.integers(0, 3),
    st.integers(1, 6),
)
def test_a_column_is_each_of_its_rows(
    keyring: Keyring, people: list[str | None], kind: pa.DataType, start: int, remembered: int
) -> None:
    """Slices, nulls, refusals, every text type, and a memory that is too small for them all."""
    people = [each for each in people if each is None or each.isprintable()]
    columns = SubjectColumns(keyring, remembered=remembered)
    for _ in range(2):
        column = pa.array(people, pa.string()).cast(kind).slice(start)
        keyed = columns.keys_of(Scheme.EMAIL, column)
        assert keyed.keys.type == pa.binary(16)
        expected = [one_by_one(keyring, "email", each) for each in people[start:]]
        assert keyed.keys.to_pylist() == expected
        refused = sum(each is not None for each in people[start:]) - sum(map(bool, expected))
        assert sum(each.rows for each in keyed.refused) == refused


def test_refusals_are_counted_by_reason_and_shown_by_row(keyring: Keyring) -> None:
    keyed = SubjectColumns(keyring).keys_of(Scheme.EMAIL, pa.array([*PEOPLE, "nobody", "no one"]))
    assert [(each.scheme, each.rows, each.first_row) for each in keyed.refused] == [
        ("email", 3, 3),
        ("email", 1, 4),
    ]
    assert [each.reason for each in keyed.refused] == [
        "it is not of the form name@domain",
        "it is empty",
    ]
    assert "nobody" not in str(keyed.refused)
    assert keyed.key_version == 1


@each_example_anew
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*Scheme, "e-mail", None]),
            st.sampled_from([*PEOPLE, "+49 30 12345678", "github/ada", "DE:12345678"]),
        ),
        max_size=30,
    )
)
def test_pairs_are_each_of_their_rows(
    keyring: Keyring, pairs: list[tuple[str | None, str | None]]
) -> None:
    schemes = pa.array([scheme and str(scheme) for scheme, _ in pairs], pa.string())
    values = pa.array([value for _, value in pairs], pa.string())
    keyed = SubjectColumns(keyring).keys_of_pairs(schemes, values)
    expected = [one_by_one(keyring, scheme, value) for scheme, value in pairs]
    assert keyed.keys.to_pylist() == expected
    held = sum(value is not None for _, value in pairs)
    assert sum(each.rows for each in keyed.refused) == held - sum(map(bool, expected))
    for each in keyed.refused:
        assert expected[each.first_row] is None
        assert (pairs[each.first_row][0] or "") == each.scheme


def test_an_unknown_scheme_is_refused_with_those_there_are(keyring: Keyring) -> None:
    schemes = pa.array(["email", "e-mail", "e-mail"])
    values = pa.array(["a@b.org", None, "c@d.org"])
    (refused,) = SubjectColumns(keyring).keys_of_pairs(schemes, values).refused
    assert (refused.scheme, refused.rows, refused.first_row) == ("e-mail", 1, 2)
    assert "email, phone" in refused.remedy


def test_a_column_of_numbers_is_no_column_of_identifiers(keyring: Keyring) -> None:
    with pytest.raises(InvalidInputError, match="int64"):
        SubjectColumns(keyring).keys_of(Scheme.EXTERNAL, pa.array([1, 2]))


def test_a_column_of_nothing_has_no_keys(keyring: Keyring) -> None:
    for column in (pa.array([], pa.string()), pa.nulls(3), pa.array([None], pa.string())):
        keyed = SubjectColumns(keyring).keys_of(Scheme.EMAIL, column)
        assert keyed.keys.null_count == len(keyed.keys) == len(column)
        assert keyed.refused == ()


digests = st.binary(min_size=32, max_size=32)

# NIST SP 800-38B, appendix D.3 (AES-256).
NIST_KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")


def test_the_published_subkey_of_cmac() -> None:
    assert cmac_subkey(NIST_KEY).hex() == "cad1ed03299eedac2e9a99808621502f"


@given(st.binary(min_size=32, max_size=32), st.lists(digests, min_size=1, max_size=5))
def test_two_blocks_are_chained_as_cmac_does(key: bytes, messages: list[bytes]) -> None:
    rows = np.frombuffer(b"".join(messages), np.uint8).reshape(-1, 32)
    made = cmac_of_two_blocks(key, cmac_subkey(key), rows[:, :16], rows[:, 16:])
    for message, tag in zip(messages, made, strict=True):
        theirs = CMAC(AES(key))
        theirs.update(message)
        assert tag.tobytes() == theirs.finalize()


@each_example_anew
@given(st.lists(digests | st.none(), max_size=20), st.integers(0, 3))
def test_a_column_of_digests_is_each_of_its_rows(
    keyring: Keyring, column: list[bytes | None], start: int
) -> None:
    keyed = ContentDigests(keyring)
    expected = [each and keyed.keyed(each) for each in column[start:]]
    for kind in (pa.binary(32), pa.binary()):
        made = keyed.keyed_column(pa.array(column, kind).slice(start))
        assert made.type == pa.binary(32)
        assert made.to_pylist() == expected


def test_a_column_larger_than_a_piece_is_keyed_whole(keyring: Keyring) -> None:
    count = (1 << 16) + 3
    hashed = [hashlib.sha256(b"%d" % each).digest() for each in range(count)]
    keyed = ContentDigests(keyring)
    made = keyed.keyed_column(pa.array(hashed, pa.binary(32)))
    assert len(set(made.to_pylist())) == count
    assert made[count - 1].as_py() == keyed.keyed(hashed[-1])


def test_equal_contents_meet_and_the_plain_digest_does_not_show(keyring: Keyring) -> None:
    digest = hashlib.sha256(b"a text that somebody suspects").digest()
    one, other = ContentDigests(keyring), ContentDigests(keyring)
    assert one.keyed(digest) == other.keyed(digest) != digest
    assert digest[:16] not in one.keyed(digest)


@pytest.mark.parametrize("column", [pa.array([b"short"]), pa.array(["text"]), pa.array([1])])
def test_what_is_no_column_of_digests_is_refused(keyring: Keyring, column: pa.Array) -> None:
    with pytest.raises(InvalidInputError, match="does not fit SHA-256"):
        ContentDigests(keyring).keyed_column(column)


def test_what_is_no_digest_is_refused(keyring: Keyring) -> None:
    with pytest.raises(InvalidInputError, match="5 bytes"):
        ContentDigests(keyring).keyed(b"short")


def test_the_keyed_digest_is_what_it_was(database: Database, keyring: Keyring) -> None:
    """Held for ever: another value here would part equal contents."""
    wrapped = seal_key(MASTER, Purpose.DIGEST, 1, bytes(range(32)))
    with database.write() as session:
        mine = KEY_VERSION.c.purpose == Purpose.DIGEST
        session.execute(update(KEY_VERSION).where(mine).values(wrapped=wrapped))
    known = "f32f34a246b06ee83f171f79f3d81c0b76506c1234199c89c4ad6367155eb3c9"
    assert ContentDigests(keyring).keyed(bytes(32)).hex() == known
