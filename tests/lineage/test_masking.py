"""Secrets in events are masked before anything is kept, and the event stays what it was."""

from __future__ import annotations

import json

from registry.canonical import event_digest
from registry.lineage.door import admit
from registry.lineage.events import decode_json

SECRET = "s3cr3t-Pa55word"


def event_with_password() -> dict[str, object]:
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/s.json"}
    url = f"postgresql://etl:{SECRET}@db.example.org/lake"
    return {
        "eventType": "COMPLETE",
        "eventTime": "2026-03-01T09:30:00Z",
        "producer": "https://example.org/producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {
            "runId": "01890000-0000-7000-8000-000000000001",
            "facets": {
                "environmentVariables": {
                    **facet,
                    "environmentVariables": [{"name": "DB_PASSWORD", "value": SECRET}],
                }
            },
        },
        "job": {
            "namespace": "etl",
            "name": "load",
            "facets": {"sql": {**facet, "query": f"COPY t FROM '{url}'"}},
        },
    }


def test_a_secret_is_masked_in_what_is_kept_and_told_of_by_path() -> None:
    body = json.dumps(event_with_password()).encode()
    admitted = admit(body)
    assert SECRET.encode() not in admitted.event.body
    paths = {path for path, _ in admitted.redactions}
    assert paths == {w.path for w in admitted.event.warnings if w.code == "secret_masked"}
    assert any("sql" in path for path in paths)
    assert any("environmentVariables" in path for path in paths)


def test_identity_is_that_of_what_was_received() -> None:
    body = json.dumps(event_with_password()).encode()
    assert admit(body).event.digest == event_digest(decode_json(body))


def test_an_event_without_secrets_is_kept_byte_for_byte() -> None:
    content = event_with_password()
    content["run"] = {"runId": "01890000-0000-7000-8000-000000000001"}
    content["job"] = {"namespace": "etl", "name": "load"}
    body = json.dumps(content, indent=3).encode()
    admitted = admit(body)
    assert admitted.event.body == body
    assert admitted.redactions == ()


def test_an_identifier_of_a_person_is_kept_and_told_of_by_path_and_kind() -> None:
    content = event_with_password()
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/s.json"}
    content["job"] = {
        "namespace": "etl",
        "name": "load",
        "facets": {"documentation": {**facet, "description": "Ask ada@example.org"}},
    }
    admitted = admit(json.dumps(content).encode())
    found = [w for w in admitted.event.warnings if w.code == "identifier_present"]
    assert [(w.path, "email" in w.detail) for w in found] == [
        ("$.job.facets.documentation.description", True)
    ]
    assert b"ada@example.org" in admitted.event.body
