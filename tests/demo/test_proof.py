"""The event that made a model is proved to be in the log, by what the registry cannot make up."""

from __future__ import annotations

import base64

import pytest

from registry.audit.merkle import verify_inclusion
from registry.client.http import HttpClient
from registry.demo.proof import prove_model
from registry.errors import NotFoundError
from tests.lineage.making import dataset, facet, run_event

MODEL = "classifier"


def send(admin: HttpClient, kind: str, minute: float, **said: object) -> str:
    event = run_event(kind, run=7, minute=minute, job=("demo", "train"), **said)
    return str(admin.post("/api/v1/lineage", event)["event"])


def test_the_event_that_made_a_model_is_proved(admin: HttpClient) -> None:
    model = dataset(MODEL, facets={"custom": facet(loss=0.10, steps=2**60)})
    send(admin, "START", 0)
    send(admin, "RUNNING", 1, outputs=[model])
    made = send(admin, "COMPLETE", 2, outputs=[model])
    send(admin, "OTHER", 3)
    proof = prove_model(admin, model["namespace"], MODEL)
    assert proof.event == made
    assert proof.origin.startswith("lineage-registry/")
    leaf, root, *hashes = (base64.b64decode(e) for e in (proof.leaf, proof.root, *proof.hashes))
    verify_inclusion(leaf, proof.index, proof.size, hashes, root)


def test_a_model_that_nobody_made_has_no_proof(admin: HttpClient) -> None:
    with pytest.raises(NotFoundError, match="No event says"):
        prove_model(admin, "s3://lake", MODEL)
