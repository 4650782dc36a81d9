"""Whoever looks at an example or for a person leaves an entry, and no identifier anywhere."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import select

from registry.actors.tables import Role
from registry.audit.tables import AuditEntry
from registry.ledger.read_entries import dataset_mark, subject_mark
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.ledger.pipelines import NAMESPACE, Pipeline, written
from tests.live import LiveServer

PERSON, STRANGER = "ada.lovelace@example.org", "nobody.known@example.org"
EXAMPLE, CONTENT = "case-of-ada-lovelace", "Ada was here, on a day nobody should read of."
RAW = {"namespace": NAMESPACE, "name": "raw"}


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    table = pa.table(
        {
            "example_id": [EXAMPLE, "other-1", "other-2"],
            "content": [CONTENT, "b", "c"],
            "subjects": [[{"scheme": "email", "value": PERSON}], [], []],
        }
    )
    token = server.registry.make_token(role=Role.AUDITOR)
    with server.client() as client, server.client(token=token) as auditor:
        sending = Pipeline(server, client)
        said = written(
            "raw",
            "b1",
            examples=sending.upload_examples(table),
            subjectCoverage={"keyedBy": "mail"},
        )
        sending.run("collect", writes=[said])
        sending.run("empty", writes=[written("empty", "b2", exampleCount=2)])
        sending.settle()
        yield Pipeline(server, auditor)


def ask(pipeline: Pipeline, path: str, **asked: Any) -> int:
    return pipeline.client.post(f"/api/v1/{path}", json=asked).status_code


def entries(database: Database) -> list[tuple[str, dict[str, Any]]]:
    """The entries of reads, in order, each with its facts."""
    entry = table_of(AuditEntry)
    query = select(entry.c.kind, entry.c.payload).where(entry.c.kind.startswith("ledger."))
    with database.read() as session:
        rows = session.execute(query.order_by(entry.c.id)).all()
    return [(row.kind, json.loads(row.payload)) for row in rows]


def test_every_read_leaves_an_entry_that_says_what_was_looked_at(pipeline: Pipeline) -> None:
    house = pipeline.server.registry.house
    digest = "sha256:" + hashlib.sha256(CONTENT.encode()).hexdigest()
    assert ask(pipeline, "trace", dataset=RAW, example_id=EXAMPLE) == 200
    assert ask(pipeline, "trace", dataset=RAW, digest=digest, direction="forward") == 200
    assert ask(pipeline, "trace", dataset=RAW, content=CONTENT) == 200
    assert ask(pipeline, "trace", dataset=RAW, address={"batch": "b1", "ordinal": 1}) == 200
    assert ask(pipeline, "trace", dataset=RAW, example_id="not-there") == 404
    assert ask(pipeline, "samples", dataset=RAW, size=2, seed=2**62) == 200
    for person in (PERSON, STRANGER):
        subject = {"scheme": "email", "value": person}
        assert ask(pipeline, "subjects/locate", subject=subject) == 200
    told = entries(house.database)
    kinds = ["example.traced"] * 5 + ["sample.drawn"] + ["subject.located"] * 2
    assert [kind for kind, _ in told] == [f"ledger.{kind}" for kind in kinds]
    facts = [each for _, each in told]
    assert [each["by"] for each in facts[:5]] == [
        "example_id",
        "digest",
        "content",
        "address",
        "example_id",
    ]
    assert [each["found"] for each in facts[:5]] == [1, 1, 1, 1, 0]
    assert [each["ordinal"] for each in facts[:4]] == [0, 0, 0, 1]
    assert facts[1]["direction"] == "forward"
    assert {each["dataset"] for each in facts[:6]} == {dataset_mark(NAMESPACE, "raw")}
    assert (facts[5]["drawn"], facts[5]["population"], facts[5]["seed"]) == (2, 3, str(2**62))
    digests = house.ledger.digests
    mark = subject_mark(digests, "email", " ADA.Lovelace@example.org ")
    assert facts[6]["subject"] == mark != facts[7]["subject"]
    assert [(each["examples"], each["not_searched"]) for each in facts[6:]] == [(1, 1), (0, 1)]


def test_who_looked_is_in_the_entry(pipeline: Pipeline) -> None:
    assert ask(pipeline, "samples", dataset=RAW) == 200
    database = pipeline.server.registry.house.database
    entry = table_of(AuditEntry)
    with database.read() as session:
        query = select(entry.c.actor).where(entry.c.kind == "ledger.sample.drawn")
        actor = session.execute(query).scalar_one()
        account = session.connection().exec_driver_sql("SELECT name, id FROM account").fetchall()
    assert {row[1]: row[0] for row in account}[actor] == f"default-{Role.AUDITOR}"


def test_what_is_refused_before_anything_is_read_leaves_none(pipeline: Pipeline) -> None:
    subject = {"scheme": "shoe_size", "value": "43"}
    assert ask(pipeline, "subjects/locate", subject=subject) == 422
    assert ask(pipeline, "trace", dataset=RAW) == 422
    assert entries(pipeline.server.registry.house.database) == []


def test_no_identifier_is_in_an_entry_an_address_or_a_log(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    house = pipeline.server.registry.house
    with caplog.at_level(logging.DEBUG):
        ask(pipeline, "trace", dataset=RAW, example_id=EXAMPLE)
        ask(pipeline, "trace", dataset=RAW, content=CONTENT)
        ask(pipeline, "trace", dataset=RAW, example_id=f"{PERSON}-unknown")
        ask(pipeline, "samples", dataset=RAW, size=3)
        for person in (PERSON, STRANGER, "not an address"):
            ask(pipeline, "subjects/locate", subject={"scheme": "email", "value": person})
    with house.database.read() as session:
        rows = session.connection().exec_driver_sql("SELECT payload FROM audit_entry").fetchall()
    kept = b"\n".join(bytes(row[0]) for row in rows).decode()
    seen = pipeline.server.witness.seen
    asked = "\n".join(f"{one.path} {one.headers.get('referer', '')}" for one in seen)
    digest = hashlib.sha256(CONTENT.encode()).hexdigest()
    plain = hashlib.sha256(PERSON.encode()).hexdigest()
    for text in (kept, asked, caplog.text):
        for identifier in (PERSON, STRANGER, EXAMPLE, CONTENT, digest, plain, "ada.lovelace"):
            assert identifier.lower() not in text.lower()
