"""People who appear inside a text are found where the text is; the text stays there."""

from __future__ import annotations

import io
from typing import Any

import pyarrow.parquet as pq
import pytest

from registry.client import Registry
from registry.client.events import without_identifiers
from registry.client.examples import record_examples
from registry.errors import InvalidInputError
from registry.pii.identifiers import IdentifierKind
from tests.client.peer import Peer

ROWS = {
    "question": [
        "Write to bob@example.org, or call +49 30 901820.",
        "How many apples?",
        None,
        "Pay with card 4111 1111 1111 1111 (bob@example.org).",
    ],
    "note": ["", "From jane@example.com", "10.20.30.40 is the server's address", None],
    "user": ["u1", None, "u3", None],
}
FOUND = [
    [("account", "u1"), ("email", "bob@example.org"), ("phone", "+4930901820")],
    [("email", "jane@example.com")],
    [("account", "u3")],
    [("account", "card/4111111111111111"), ("email", "bob@example.org")],
]
KINDS = [["email", "phone"], ["email"], ["ip_address"], ["email", "payment_card"]]


def test_kinds_and_identifiers_are_recorded_and_the_text_is_not(peer: Peer, sdk: Registry) -> None:
    with sdk.run("jobs scan") as run:
        run.write("lake raw", ROWS, subjects={"account": "user"}, scan_pii=["question", "note"])
    batch = peer.batch()
    assert batch["subjectCoverage"] == {
        "keyedBy": "user",
        "scannedFor": [kind.value for kind in IdentifierKind],
    }
    sent: Any = peer.objects[batch["examples"]]
    examples = pq.read_table(io.BytesIO(sent))
    assert examples.column_names == ["subjects", "pii"]
    assert examples["pii"].to_pylist() == KINDS
    assert [
        sorted((each["scheme"], each["value"]) for each in subjects)
        for subjects in examples["subjects"].to_pylist()
    ] == [sorted(each) for each in FOUND]
    for word in (b"apples", b"Write to", b"server's"):
        assert word not in sent + repr(peer.events).encode()


def test_a_person_named_in_two_columns_is_one_subject() -> None:
    found = record_examples({"a": ["x@example.org"], "b": ["x@example.org"]}, scan_pii=["a", "b"])
    assert found is not None
    assert found.table["subjects"].to_pylist() == [[{"scheme": "email", "value": "x@example.org"}]]


def test_texts_without_anybody_are_recorded_as_searched() -> None:
    found = record_examples({"text": ["a", "b"]}, scan_pii=["text"])
    assert found is not None
    assert found.table.to_pydict() == {"subjects": [[], []], "pii": [[], []]}
    assert "email" in found.coverage["scannedFor"]


def test_kinds_that_are_given_stay() -> None:
    found = record_examples({"text": ["x@example.org"], "pii": [["name"]]}, scan_pii=["text"])
    assert found is not None
    assert found.table["pii"].to_pylist() == [["name"]]


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        ("missing", "no column missing"),
        ("lists", "The column lists cannot be scanned"),
    ],
)
def test_a_column_that_cannot_be_scanned_is_refused(column: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        record_examples({"lists": [["text"]]}, scan_pii=[column])


def test_an_error_message_names_no_people(peer: Peer, sdk: Registry) -> None:
    def step() -> None:
        with sdk.run("jobs scan"):
            raise ValueError("no account for bob@example.org or +49 30 901820")

    with pytest.raises(ValueError, match="bob"):
        step()
    message = peer.events[-1]["run"]["facets"]["errorMessage"]["message"]
    assert message == "ValueError: no account for [email] or [phone]"
    assert without_identifiers("nothing") == "nothing"
