"""A registry that is served gives entries their places by itself, and signs."""

from __future__ import annotations

import threading
import time

from registry.audit.checkpoint import open_checkpoint
from registry.audit.notes import VerifierKey
from registry.keys.tables import Purpose
from tests.lineage.making import run_event
from tests.live import LiveServer

PATIENCE_SECONDS = 60


def test_an_event_gets_its_place_and_a_signature_without_being_asked(server: LiveServer) -> None:
    with server.client() as client:
        event = client.post("/api/v1/lineage", json=run_event(run=1)).json()["event"]
        until = time.monotonic() + PATIENCE_SECONDS
        place = None
        while place is None:
            assert time.monotonic() < until, "the event got no place in time"
            threading.Event().wait(0.05)
            entries = client.get("/api/v1/audit/entries").json()["entries"]
            places = [e["index"] for e in entries if (e["payload"] or {}).get("event") == event]
            place = places[0] if places else None
        size = 0
        while size <= place:
            assert time.monotonic() < until, "the place was not signed in time"
            threading.Event().wait(0.05)
            note = client.get("/api/v1/audit/checkpoint")
            if note.status_code == 200:
                key = server.registry.house.keyring.active(Purpose.SIGNING)
                assert key.public_key is not None
                size = open_checkpoint(note.text, [VerifierKey(None, key.public_key)]).size
