"""Of a table what is recorded travels, in the form of the contract, and nothing else."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from registry.client.examples import RECORDED, Recorded, record_examples
from registry.errors import InvalidInputError

TEXTS = ["one", "two", "three"]
ROWS = {"id": [7, 8, 9], "text": TEXTS, "mail": ["a@x.de", None, " "], "secret": ["s", "s", "s"]}
TABLES: dict[str, Any] = {
    "mapping": ROWS,
    "mapping of arrays": {name: np.array(column) for name, column in ROWS.items() if name != "mail"}
    | {"mail": pa.array(ROWS["mail"])},
    "arrow table": pa.table(ROWS),
    "arrow batch": pa.RecordBatch.from_pydict(ROWS),
    "pandas": pd.DataFrame(ROWS, index=[5, 5, 5]),
    "pandas, texts as categories": pd.DataFrame(ROWS).astype({"text": "category"}),
    "polars": pl.DataFrame(ROWS),
    "rows": [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)],
    "hugging face": datasets.Dataset.from_dict(ROWS),
    "hugging face, selected": datasets.Dataset.from_dict(
        {name: [*column, *column] for name, column in ROWS.items()}
    ).select([3, 1, 5]),
}
CHOICE: dict[str, Any] = {
    "columns": {"example_id": "id", "content": "text"},
    "subjects": {"email": "mail"},
}


def recorded(value: Any, **choice: Any) -> Recorded:
    found = record_examples(value, **choice)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_every_library_give_the_same_object(kind: str) -> None:
    found = recorded(TABLES[kind], **CHOICE)
    assert found.table.to_pydict() == {
        "example_id": ["7", "8", "9"],
        "digest": [hashlib.sha256(text.encode()).digest() for text in TEXTS],
        "subjects": [[{"scheme": "email", "value": "a@x.de"}], [], []],
        "bytes": [3, 3, 5],
    }
    assert found.coverage == {"keyedBy": "mail"}
    for field in found.table.schema:
        assert field.type == RECORDED[field.name]


def test_a_structured_array_is_a_table() -> None:
    rows = np.array([(1, 0.5), (2, 0.25)], dtype=[("example_id", "i8"), ("confidence", "f4")])
    assert recorded(rows).table.to_pydict() == {
        "example_id": ["1", "2"],
        "confidence": [0.5, 0.25],
    }


def test_columns_under_the_names_of_the_contract_are_taken_unless_left_out() -> None:
    table = {"language": ["de"], "label": [3], "tokens": [17], "content": ["x"], "other": ["y"]}
    found = recorded(table, columns={"label": None, "source_uri": "other"})
    assert found.table.column_names == ["digest", "source_uri", "language", "bytes", "tokens"]
    assert recorded({"label": [True, None]}).table["label"].to_pylist() == ["true", None]


def test_a_table_without_anything_recorded_is_none() -> None:
    assert record_examples({"text": TEXTS}) is None
    assert record_examples({"label": [1]}, columns={"label": None}) is None


def test_a_digest_and_a_length_that_are_given_stay() -> None:
    given = {"digest": [bytes(32)], "bytes": [9], "content": ["x"]}
    assert recorded(given).table.to_pydict() == {"digest": [bytes(32)], "bytes": [9]}


def test_moments_are_utc() -> None:
    naive = pa.array([datetime(2026, 3, 1, 9, 30)])
    moment = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert recorded({"collected_at": naive}).table["collected_at"].to_pylist() == [moment]
    assert recorded({"collected_at": [moment]}).table["collected_at"].to_pylist() == [moment]


def test_attributes_are_texts_by_name() -> None:
    table = {"topic": ["a", None], "level": [1, 2]}
    found = recorded(table, columns={"attributes": ["topic", "level"]})
    assert found.table["attributes"].to_pylist() == [
        [("topic", "a"), ("level", "1")],
        [("level", "2")],
    ]
    given = pa.array([[("k", "v")], []], pa.map_(pa.string(), pa.string()))
    assert recorded({"attributes": given}).table["attributes"].to_pylist() == [[("k", "v")], []]


def test_subjects_of_all_columns_stand_beside_the_example() -> None:
    table = pa.table(
        {
            "subjects": [[{"scheme": "external", "value": "p1"}], [], None],
            "mails": [["a@x.de", "b@x.de"], None, [None, "c@x.de"]],
            "user": [1, 2, None],
        }
    )
    found = recorded(table, subjects={"email": "mails", "account": "user"})
    assert [
        [(each["scheme"], each["value"]) for each in subjects]
        for subjects in found.table["subjects"].to_pylist()
    ] == [
        [("external", "p1"), ("email", "a@x.de"), ("email", "b@x.de"), ("account", "1")],
        [("account", "2")],
        [("email", "c@x.de")],
    ]
    assert found.coverage == {"keyedBy": "subjects, mails, user"}


@pytest.mark.parametrize(
    ("table", "choice", "complaint"),
    [
        ({"a": [1]}, {"columns": {"example_id": "b"}}, "no column b; it has a"),
        ({"a": [1]}, {"subjects": {"email": "b"}}, "no column b"),
        ({"a": [1]}, {"columns": {"exampleid": "a"}}, "'exampleid' is no column"),
        ({"a": [1]}, {"columns": {"label": ["a", "a"]}}, "label is to come from 2 columns"),
        ({"a": ["x"]}, {"subjects": {"name": "a"}}, "'name' is no subject scheme"),
        ({"a": [{"x": 1}]}, {"subjects": {"email": "a"}}, "a of type struct<x: int64> holds no"),
        ({"subjects": ["p1"]}, {}, "subjects of type string is no list"),
        ({"subjects": [[{"scheme": "x", "value": "y"}]]}, {}, "'x' is no subject scheme"),
        ({"tokens": ["many"]}, {}, "tokens of type string does not fit tokens, which is int64"),
        ({"tokens": [1.5]}, {}, "tokens of type double does not fit"),
        ({"language": [1.5]}, {}, "language of type double does not fit language"),
        ({"digest": [b"short"]}, {}, "digest of type binary does not fit"),
        ({"example_id": ["a", "b", "a"]}, {}, "id 'a' stands for 2 rows"),
        (5, {}, "builtins.int is no table"),
        ("text", {}, "builtins.str is no table"),
        (pl.LazyFrame({"a": [1]}), {}, "LazyFrame has no rows"),
        (datasets.DatasetDict(), {}, "DatasetDict is several datasets"),
        (
            datasets.Dataset.from_dict({"a": [1]}).to_iterable_dataset(),
            {},
            "streaming dataset has no rows",
        ),
        ({"language": ["a"], "label": ["b", "c"]}, {}, "cannot be taken as Arrow"),
    ],
)
def test_what_does_not_fit_is_named(table: Any, choice: Any, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        record_examples(table, **choice)
