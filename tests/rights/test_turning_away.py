"""What was erased does not come in again: the event is kept, the example is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
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


def rows_in_files(house: House) -> tuple[list[list[str | None]], list[list[int]]]:
    """The ids in each object's examples, and the ordinals in each object's links."""
    folder = house.ledger.objects.folder
    assert folder is not None
    paths = sorted((folder / "objects").rglob("*.parquet"))
    ids = [pq.read_table(p).column("example_id").to_pylist() for p in paths if "examples" in p.name]
    links = [pq.read_table(p).column("ordinal").to_pylist() for p in paths if "subjects" in p.name]
    return sorted(ids, key=str), sorted(links)


WHOLE: list[str | None] = [f"doc-{n}" for n in range(5)]
LEFT = ["doc-0", None, "doc-2", None, "doc-4"]


def collect(pipeline: Pipeline, batch: str, digest: str) -> None:
    pipeline.run(f"collect {batch}", writes=[written("raw", batch, examples=digest)])
    pipeline.settle()


def test_the_object_is_written_again_without_what_was_turned_away(pipeline: Pipeline) -> None:
    house = pipeline.server.registry.house
    suppress_both(house)
    digest = pipeline.upload_examples(examples())
    for number, batch in enumerate(("one", "two"), 1):
        collect(pipeline, batch, digest)
        # Another batch of the same object has the same holes.
        assert rows_in_files(house) == ([LEFT], [[0, 2, 4]])
        with house.database.read() as session:
            marked = restricted_addresses(session, [number])[number].ordinals
        assert marked is not None
        assert marked.tolist() == [1, 3]
    trace = pipeline.trace("raw", address={"batch": 1, "ordinal": 4})
    assert trace["sources"][0]["example_id"] == "doc-4"
    for each in pipeline.client.get("/api/v1/suppressions").json()["suppressions"]:
        path = f"/api/v1/suppressions/{each['id']}/lift"
        assert pipeline.client.post(path, json={"reason": "new consent"}).status_code == 200
    # What is sent again after the lift comes in whole.
    assert pipeline.upload_examples(examples()) == digest
    collect(pipeline, "three", digest)
    with house.database.read() as session:
        assert sorted(restricted_addresses(session, [1, 2, 3])) == [1, 2]
    assert rows_in_files(house) == (sorted([LEFT, WHOLE], key=str), [[0, 1, 2, 3, 4], [0, 2, 4]])
    assert locate(pipeline, "ada") == 1


def test_an_object_that_another_batch_is_bound_to_stays_beside_the_new_one(
    pipeline: Pipeline,
) -> None:
    house = pipeline.server.registry.house
    digest = pipeline.upload_examples(examples())
    collect(pipeline, "one", digest)
    suppress_both(house)
    collect(pipeline, "two", digest)
    assert rows_in_files(house) == (sorted([LEFT, WHOLE], key=str), [[0, 1, 2, 3, 4], [0, 2, 4]])
