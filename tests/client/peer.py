"""A registry's place on the network, taken by a program that only writes down what it is sent.

It stands for the other end of the wire, not for code of ours: it speaks HTTP on a loopback port,
refuses an object whose SHA-256 is not the one in its path, and can be told to be down or to refuse.
Where it matters what the registry makes of things, tests use the registry itself.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HOST = "127.0.0.1"
OBJECTS = "/api/v1/ledger/objects/"


@dataclass
class Peer:
    """What came, in the order it came.

    `answer` is the status of all answers from now on, None for ours; `answers` those of the next.
    `arrivals` are ("event", eventType) and (object kind, "sha256:…").
    """

    port: int
    events: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    arrivals: list[tuple[str, str]] = field(default_factory=list)
    answer: int | None = None
    answers: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def outputs(self) -> list[dict[str, Any]]:
        """Every output that has a batch, in the order it was said."""
        return [
            output
            for event in self.events
            for output in event.get("outputs", ())
            if "registry_batch" in output.get("outputFacets", {})
        ]

    def batch(self) -> dict[str, Any]:
        """`registry_batch` of the one batch that was said."""
        (output,) = self.outputs()
        found: dict[str, Any] = output["outputFacets"]["registry_batch"]
        return found

    def maps(self) -> list[dict[str, Any]]:
        """`registry_rowMaps` of the one batch that was said."""
        (output,) = self.outputs()
        found: list[dict[str, Any]] = output["outputFacets"]["registry_rowMaps"]["maps"]
        return found


@contextmanager
def listening(peer: Peer | None = None) -> Iterator[Peer]:
    """A peer that listens; a peer that went down listens again where it did."""
    server = ThreadingHTTPServer((HOST, 0 if peer is None else peer.port), _Handler)
    server.peer = peer or Peer(server.server_address[1])  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.peer  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go in two writes: the second shall not wait until the first is acknowledged.
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""

    @property
    def peer(self) -> Peer:
        return self.server.peer  # type: ignore[attr-defined, no-any-return]

    def do_POST(self) -> None:
        body = self._body()
        if self._refused():
            return
        event = json.loads(body)
        with self.peer.lock:
            self.peer.events.append(event)
            self.peer.arrivals.append(("event", event["eventType"]))
        self._say(201, {"event": "", "duplicate": False, "quarantined": False, "warnings": []})

    def do_PUT(self) -> None:
        body = self._body()
        if self._refused():
            return
        parts = urlsplit(self.path)
        named = unquote(parts.path.removeprefix(OBJECTS))
        kind = parse_qs(parts.query)["kind"][0]
        if named != "sha256:" + hashlib.sha256(body).hexdigest():
            self._say(422, {"code": "invalid_input", "detail": "Wrong digest.", "remedy": "."})
            return
        with self.peer.lock:
            self.peer.objects[named] = body
            self.peer.kinds[named] = kind
            self.peer.arrivals.append((kind, named))
        self._say(201, {"object": named, "rows": 0})

    def _body(self) -> bytes:
        self.peer.tokens.add(self.headers.get("Authorization"))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _refused(self) -> bool:
        status = self.peer.answers.pop(0) if self.peer.answers else self.peer.answer
        if status is None:
            return False
        code = {401: "unauthenticated", 403: "forbidden", 422: "invalid_input"}.get(status)
        self._say(status, {"code": code or "unavailable", "detail": "No.", "remedy": "Wait."})
        return True

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
