"""Events over HTTP, there and back."""

from __future__ import annotations

from starlette.testclient import TestClient

from registry.wire import catalog as wire
from tests.api.asking import API, get


def test_an_event_comes_back_byte_for_byte(shared: TestClient) -> None:
    body = (
        b'{ "eventTime":"2026-01-01T00:00:00Z", "eventType":"COMPLETE",'
        b' "run":{"runId":"0195c1e2-7d5b-7c3e-9a53-0f6f3a9c2b11"},'
        b' "job":{"namespace":"lineage","name":"j"}, "producer":"https://x.example",'
        b' "big":9007199254740993 }'
    )
    sent = shared.post(f"{API}/lineage", content=body)
    assert sent.status_code == 201, sent.text
    for path in ("/events", "/events/lineage", "/events?namespace=lineage"):
        answer = shared.get(API + path)
        assert body in answer.content
        assert answer.json()["totalCount"] == 1
    assert get(shared, "/events/nowhere", wire.EventList)["totalCount"] == 0
    assert get(shared, "/events", after="2026-01-01T00:00:01Z")["events"] == []
    assert len(get(shared, "/events", before="2030-01-01T00:00:00+00:00", after="")["events"]) == 1
