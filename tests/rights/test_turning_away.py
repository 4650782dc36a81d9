"""What was erased does not come in again: the event is kept, the example is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from registry.audit.key_changes import recording_as
from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.keys.tables import Purpose
from registry.request import House
from registry.rights.restrictions import restricted_addresses
from registry.rights.suppression import Basis, suppress
from tests.ledger.pipelines import Pipeline, written
from tests.live import LiveServer

CONTENT = b"a text of some length that nobody else wrote"


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    """A pipeline on a served registry."""
    with server.client() as client:
        yield Pipeline(server, client)


def suppress_both(house: House) -> None:
    """Suppress the person ada, and one content."""
    ada = new_subject_key(house.keyring, Scheme.EXTERNAL, "ada")
    digest = house.ledger.digests.keyed(hashlib.sha256(CONTENT).digest())
    with house.database.write() as session:
        suppress(
            session,
            subject_keys=[(ada.key, ada.version)],
            digests=[digest],
            basis=Basis("gdpr", "erased on request"),
            actor="tester",
            now=house.clock(),
        )


def examples() -> pa.Table:
    """Five examples: the second is ada's, the fourth has the suppressed content."""
    people = ["bob", "ada", "eve", "bob", "eve"]
    return pa.table(
        {
            "example_id": [f"doc-{n}" for n in range(5)],
            "content": [b"text %d" % n if n != 3 else CONTENT for n in range(5)],
            "subjects": [[{"scheme": "external", "value": name}] for name in people],
        }
    )


def found(house: House) -> set[int]:
    """The ordinals of batch 1 that still have an id in the index."""
    rows = [
        (address, name)
        for part in house.ledger.index.scan_batch(1, ["address", "example_id"])
        for address, name in zip(
            part.column("address").to_pylist(), part.column("example_id").to_pylist(), strict=True
        )
    ]
    assert len(rows) == 5
    return {address & 0xFFFFFFFF for address, name in rows if name is not None}


def locate(pipeline: Pipeline, name: str) -> int:
    answer = pipeline.client.post(
        "/api/v1/subjects/locate", json={"subject": {"scheme": "external", "value": name}}
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["examples"])


def rotated(house: House) -> None:
    with house.database.write() as session:
        house.rotation.begin(session, Purpose.SUBJECT, record=recording_as("system"))
    house.keyring.refresh()


@pytest.mark.parametrize("between", [lambda house: None, rotated], ids=["plain", "rotating"])
def test_an_erased_record_does_not_come_in_again(
    pipeline: Pipeline, between: Callable[[House], None]
) -> None:
    house = pipeline.server.registry.house
    suppress_both(house)
    between(house)
    digest = pipeline.upload_examples(examples())
    answer = pipeline.run("collect", writes=[written("raw", "one", examples=digest)])
    assert not answer["quarantined"]
    pipeline.settle()
    assert found(house) == {0, 2, 4}
    assert (locate(pipeline, "ada"), locate(pipeline, "bob"), locate(pipeline, "eve")) == (0, 1, 2)
    with house.database.read() as session:
        marked = restricted_addresses(session, [1])[1].ordinals
    assert marked is not None
    assert marked.tolist() == [1, 3]
    (raised,) = pipeline.client.get("/api/v1/violations").json()["violations"]
    assert (raised["kind"], raised["batch"]) == ("suppressed_example_sent_again", 1)
    assert raised["facts"] == {"examples": 2}
