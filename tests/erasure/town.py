"""A small town of data: people, a copy, a model and a recipient; and what happens to it by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import select

from registry.catalog.version_tables import Batch
from registry.client.http import HttpClient
from registry.ledger.rowmap import Role
from registry.request import House
from registry.rights.consent import ConsentSaid, record_consents
from registry.storage.columns import table_of
from tests.erasure.working import REQUESTS, approved, executed, plan, show
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, mapped, model, parquet, written
from tests.ledger.test_binding_faults import put

# Who each example of `raw` belongs to; `clean` is a copy of it.
PEOPLE = [["ann"], ["bob"], ["ann", "bob"], ["cay"], ["ann"], []]
RIGHTS = {"legalBasis": "consent", "license": "CC-BY-4.0", "personalData": "personal"}
KEYED = {"subjectCoverage": {"keyedBy": "author"}}
_batch = table_of(Batch)


def email(person: str) -> str:
    return f"{person}.of.the.town@example.org"


def text(row: int) -> str:
    return f"the text of the example number {row}, long enough that only one person wrote it so"


def examples(people: Sequence[Sequence[str]] = PEOPLE, first: int = 0) -> pa.Table:
    """Examples with ids, texts and people."""
    subject = pa.list_(pa.struct([("scheme", pa.string()), ("value", pa.string())]))
    named = [[{"scheme": "email", "value": email(each)} for each in some] for some in people]
    return pa.table(
        {
            "example_id": [f"example-number-{first + row}" for row in range(len(people))],
            "content": [text(first + row) for row in range(len(people))],
            "bytes": pa.array([len(text(first + row)) for row in range(len(people))], pa.int64()),
            "subjects": pa.array(named, subject),
        }
    )


def told(
    client: HttpClient, job: str, minute: int, *outputs: dict[str, Any], reads: Sequence[str] = ()
) -> None:
    """A run that reads some datasets and writes some outputs."""
    client.post(
        "/api/v1/lineage",
        {
            "eventType": "COMPLETE",
            "eventTime": f"2026-02-01T{minute // 60:02}:{minute % 60:02}:00Z",
            "producer": "https://example.org/tests",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": f"0190a0f0-0000-7000-8000-00000000{minute:04}"},
            "job": {"namespace": "tests", "name": job},
            "inputs": [{"namespace": NAMESPACE, "name": name} for name in reads],
            "outputs": list(outputs),
        },
    )


def built(house: House, client: HttpClient) -> dict[str, int]:
    """Tell the town's story: raw → clean → net, and raw is given to acme; the batches' numbers."""
    digest = put(client, parquet(examples()), "examples")
    told(client, "collect", 1, written("raw", "raw", examples=digest, **RIGHTS, **KEYED))
    same = {"form": "range", "first": 0, "count": len(PEOPLE), "size": len(PEOPLE)}
    maps = [mapped([("raw", "raw")], same, Role.KEPT.value)]
    told(client, "clean", 2, written("clean", "clean", maps=maps), reads=["raw"])
    told(client, "train", 3, model("net"), reads=["clean"])
    for person in ("ann", "bob", "cay"):
        consent(house, person, "given")
    acme = {"name": "Acme Ltd.", "kind": "recipient"}
    client.request("PUT", "/api/v1/register/recipients/acme", json=acme)
    work_off(house)
    shared = {"namespace": NAMESPACE, "name": "raw", "version": 1, "recipient": "acme"}
    client.post("/api/v1/register/shares", shared)
    with house.database.read() as session:
        return {row.name: row.number for row in session.execute(select(_batch))}


def consent(house: House, person: str, status: str) -> None:
    """Record a consent event of a person."""
    at = datetime(2026, 1, 1 if status == "given" else 2, tzinfo=UTC)
    event = ConsentSaid("email", email(person), "model_training", status, at)
    purposes = house.policies.current().purposes
    house.database.transact(
        lambda session: record_consents(
            session, house.keyring, purposes, [event], actor="tests", now=house.clock()
        )
    )


def trainable(client: HttpClient, dataset: str = "clean") -> int:
    """How many examples a manifest for training would hold."""
    asked = {"dataset": {"namespace": NAMESPACE, "name": dataset}, "purpose": "model_training"}
    headers = {"Accept": "application/json"}
    answer = client.request("POST", "/api/v1/manifests", json=asked, headers=headers)
    return int(answer.json()["allowed"])


def held(client: HttpClient, batch: str, ordinal: int, matter: str) -> str:
    """Place a hold on one example of a dataset that has one batch of its name; the hold's id."""
    item = {"namespace": NAMESPACE, "name": batch, "batch": batch, "ordinal": ordinal}
    body = {
        "items": [item],
        "matter": matter,
        "owner": "legal",
        "reason": "asked by the court",
        "ground": "17_3_e",
    }
    return str(client.post("/api/v1/holds", body)["id"])


def lifted(asks: HttpClient, grants: HttpClient, hold: str) -> None:
    """Lift a hold, by two people."""
    asks.post(f"/api/v1/holds/{hold}/lift", {"reason": "the matter is closed"})
    grants.post(f"/api/v1/holds/{hold}/lift/approve", None)


def tasks(client: HttpClient, request_id: str) -> dict[str, dict[str, Any]]:
    """The tasks of a request by kind and target's first word."""
    return {
        f"{each['kind']} {each['target'].split()[0]}": each
        for each in show(client, request_id)["tasks"]
    }


def carried_out(house: House, client: HttpClient, request_id: str, *decisions: Any) -> None:
    """Plan, approve and carry out."""
    made = plan(client, request_id, *decisions)
    approved(house, made)
    executed(house, client, made["id"])


def done_by_people(house: House, client: HttpClient, request_id: str) -> None:
    """End all tasks that wait for people, as they should."""
    for task in show(client, request_id)["tasks"]:
        path = f"{REQUESTS}/{request_id}/tasks/{task['id']}"
        if task["kind"] == "manual" and task["state"] == "pending":
            client.post(f"{path}/record", {"state": "verified", "evidence": "ticket 17"})
        if task["kind"] == "model" and task["state"] == "pending":
            said = {"disposition": "retrain", "owner": "modelling", "due_on": "2026-05-01"}
            client.post(f"{path}/dispose", {**said, "reason": "it saw them"})
        if task["kind"] == "recipient" and task["state"] == "pending":
            secret = client.post(f"{path}/notice", None)["secret"]
            body = {"secret": secret, "evidence": "their ticket 9"}
            client.post("/api/v1/erasure-acknowledgements", body)
    work_off(house)


def keep(reason: str) -> dict[str, str]:
    """The decision to keep what is reviewed for a reason."""
    return {
        "reason": reason,
        "decision": "keep",
        "why": "ThirdPartyRightsImpaired: it is another's",
    }
