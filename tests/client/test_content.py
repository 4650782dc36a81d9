"""The digest of a content is one that everybody can make again."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.canonical import canonical_json
from registry.client.content import hash_content
from registry.errors import InvalidInputError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


def digests(table: pa.Table, *columns: str) -> list[tuple[bytes | None, int | None]]:
    found, lengths = hash_content(table, columns)
    assert found.type == pa.binary(32)
    assert lengths.type == pa.int64()
    return list(zip(found.to_pylist(), lengths.to_pylist(), strict=True))


def expected(content: bytes | None) -> tuple[bytes | None, int | None]:
    return (None, None) if content is None else (hashlib.sha256(content).digest(), len(content))


@given(
    st.lists(st.none() | TEXTS, max_size=30),
    st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]),
    st.integers(0, 3),
)
def test_one_column_of_texts(texts: list[str | None], kind: pa.DataType, cut: int) -> None:
    table = pa.table({"text": pa.array(texts, kind)}).slice(cut)
    assert digests(table, "text") == [
        expected(None if text is None else text.encode()) for text in texts[cut:]
    ]


def test_several_chunks_bytes_and_repeated_values() -> None:
    chunked = pa.chunked_array([["a", None], [], ["ü"]])
    assert digests(pa.table({"text": chunked}), "text") == [
        expected(b"a"),
        expected(None),
        expected("ü".encode()),
    ]
    column = pa.array([b"\xff\x00", b""])
    assert digests(pa.table({"raw": column}), "raw") == [expected(b"\xff\x00"), expected(b"")]
    column = pa.array(["x", "y", "x"]).dictionary_encode()
    assert digests(pa.table({"text": column}), "text") == [expected(t) for t in (b"x", b"y", b"x")]


@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | TEXTS), max_size=20))
def test_several_texts_are_one_rfc_8785_object(rows: list[tuple[str | None, str | None]]) -> None:
    columns = {
        "question": pa.array([row[0] for row in rows], pa.string()),
        "answer": pa.array([row[1] for row in rows], pa.string()),
    }
    assert digests(pa.table(columns), "question", "answer") == [
        expected(
            None if row == (None, None) else canonical_json({"question": row[0], "answer": row[1]})
        )
        for row in rows
    ]


VALUES = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(TEXTS, VALUES.map(float), st.lists(TEXTS, max_size=3)), max_size=10))
def test_columns_of_any_kind_are_one_rfc_8785_object(rows: list[tuple[Any, ...]]) -> None:
    names = ("text", "number", "list")
    kinds = (pa.string(), pa.float64(), pa.list_(pa.string()))
    table = pa.table({n: pa.array([row[i] for row in rows], kinds[i]) for i, n in enumerate(names)})
    assert digests(table, *names) == [
        expected(canonical_json(dict(zip(names, row, strict=True)))) for row in rows
    ]


def test_numbers_alone_are_no_content() -> None:
    with pytest.raises(InvalidInputError, match="The column n of type int64 is no text"):
        hash_content(pa.table({"n": [1, 2]}), ["n"])
