"""Thrift's compact protocol: what is read is written back the same, and damage is refused."""

from __future__ import annotations

import contextlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.erasure.connectors.parquet_footer import Footer, NotFaithfulError, footer_span
from registry.erasure.connectors.thrift import (
    BINARY,
    DOUBLE,
    I8,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    STRUCT,
    TRUE,
    Field,
    Items,
    Pairs,
    read_struct,
    write_struct,
)
from tests.connectors.copies import parquet, table

NUMBERS = st.integers(-(2**63), 2**63 - 1)
LEAVES = st.one_of(
    st.builds(lambda n: Field(I64, n), NUMBERS),
    st.builds(lambda n: Field(I32, n), st.integers(-(2**31), 2**31 - 1)),
    st.builds(lambda n: Field(I16, n), st.integers(-(2**15), 2**15 - 1)),
    st.builds(lambda n: Field(I8, n), st.integers(0, 255)),
    st.builds(lambda b: Field(BINARY, b), st.binary(max_size=40)),
    st.builds(lambda b: Field(DOUBLE, b), st.binary(min_size=8, max_size=8)),
    st.builds(lambda n: Field(LIST, Items(I64, n)), st.lists(NUMBERS, max_size=20)),
    st.builds(lambda n: Field(LIST, Items(TRUE, n)), st.lists(st.booleans(), max_size=20)),
    st.builds(
        lambda p: Field(MAP, Pairs(BINARY, I32, p) if p else Pairs(0, 0, [])),
        st.lists(st.tuples(st.binary(max_size=5), st.integers(0, 9)), max_size=5),
    ),
)
STRUCTS = st.recursive(
    st.dictionaries(st.integers(1, 300), LEAVES, max_size=6),
    lambda inner: st.dictionaries(
        st.integers(1, 40), st.builds(lambda fields: Field(STRUCT, fields), inner), max_size=3
    ),
    max_leaves=6,
)


@given(fields=STRUCTS)
def test_what_is_written_is_read_back(fields: dict[int, Field]) -> None:
    content = write_struct(fields)
    found, end = read_struct(content)
    assert (found, end) == (fields, len(content))


@given(cut=st.integers(0, 400), at=st.integers(0, 400), byte=st.integers(0, 255))
def test_damage_is_refused_or_read_and_never_worse(cut: int, at: int, byte: int) -> None:
    content = bytearray(_footer_bytes())
    content[at] = byte
    for damaged in (bytes(content), bytes(content[: len(content) - cut])):
        with contextlib.suppress(ValueError):
            read_struct(damaged)


def _footer_bytes() -> bytes:
    content = parquet(table(10))
    span = footer_span(content[-8:], len(content))
    return content[span.start : span.start + span.size]


def test_a_footer_is_written_back_as_it_was() -> None:
    data = _footer_bytes()
    footer = Footer.parse(data)
    assert footer.to_bytes(footer.groups) == data + len(data).to_bytes(4, "little") + b"PAR1"


def test_booleans_keep_their_value() -> None:
    found, _ = read_struct(write_struct({1: Field(TRUE, True), 2: Field(TRUE, False)}))
    assert (found[1].value, found[2].value) == (True, False)


@pytest.mark.parametrize("tail", [b"", b"PAR1", b"\x00\x00\x00\x00PARX", b"\xff\xff\xff\x7fPAR1"])
def test_an_end_that_is_none_is_refused(tail: bytes) -> None:
    with pytest.raises(ValueError, match="does not end as"):
        footer_span(tail, 100)


def test_an_encrypted_file_is_not_carried() -> None:
    with pytest.raises(NotFaithfulError, match="encrypted"):
        footer_span(b"\x10\x00\x00\x00PARE", 100)


def test_columns_in_other_files_are_not_carried() -> None:
    sink = io.BytesIO()
    metadata: list[pq.FileMetaData] = []
    pq.write_table(pa.table({"a": [1]}), sink, metadata_collector=metadata)
    metadata[0].set_file_path("elsewhere.parquet")
    summary = io.BytesIO()
    metadata[0].write_metadata_file(summary)
    content = summary.getvalue()
    span = footer_span(content[-8:], len(content))
    with pytest.raises(NotFaithfulError, match="other files"):
        Footer.parse(content[span.start : span.start + span.size])
