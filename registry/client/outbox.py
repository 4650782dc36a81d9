"""Hands events and objects to the registry, now or later, so that no pipeline waits for it.

Rules:
1. While nothing waits, a payload goes straight to the registry. Where that cannot take it, or while
   others wait before it, it goes to the spool, and a thread of this process delivers in order.
2. What cannot be reached is tried again after 1, 2, 4 … 60 seconds.
3. A spool that is full, or a disk that fails, costs the newest payload and a warning; a payload the
   registry refuses for good is put aside with a warning. `strict` raises the error instead.
4. Without a spool nothing is kept: what the registry cannot take within `patience_seconds` is lost
   with an error in the log, or raises where `strict`.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from registry.canonical import digest_text
from registry.client.payload import CHUNK_BYTES, JSON, Payload, payload_of
from registry.client.spool import Delivery, Entry, Spool, Usage
from registry.errors import (
    ForbiddenError,
    OverloadedError,
    RegistryError,
    UnauthenticatedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from registry.client.http import HttpClient

ObjectKind = Literal["examples", "row_map", "parents"]
EVENTS = "/api/v1/lineage"
OBJECTS = "/api/v1/ledger/objects/"
LONGEST_PAUSE_SECONDS = 60.0
_PASSING = (UnavailableError, UnauthenticatedError, ForbiddenError)
_log = logging.getLogger("registry.client")


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a flush left: entries that wait, were refused for good, or never found room.

    `stopped_by` says why something still waits.
    """

    delivered: int
    waiting: int
    refused: tuple[Entry, ...]
    dropped: int
    stopped_by: RegistryError | None = None


class Outbox:
    """The way to one registry. Threads may share it; a forked process goes on by itself."""

    def __init__(
        self,
        connect: Callable[[], HttpClient] | None,
        spool: Spool | None = None,
        *,
        strict: bool = False,
        patience_seconds: float = 0.0,
        address: str = "",
    ) -> None:
        """`connect` makes the client when it is first needed; without it nothing is sent.

        `address` tells which registry it is; it may be none that could be called.
        """
        self.address = address
        self._connect = connect
        self._patience = patience_seconds
        self._spool = spool
        self._strict = strict
        self._begin()
        if spool is not None and not spool.is_empty():
            self._wake()

    def _begin(self) -> None:
        """The state of one process: after a fork neither thread nor connection is there."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._client: HttpClient | None = None
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._pause = 0.0
        self._not_before = 0.0

    def direct(self, patience_seconds: float) -> Outbox:
        """Another way to the same registry, without a spool: what is handed over has arrived.

        It raises what the registry refuses, and what it cannot take for so long.
        """
        return Outbox(
            self._connect, strict=True, patience_seconds=patience_seconds, address=self.address
        )

    def send_event(self, body: bytes) -> None:
        """Hand over the JSON of one OpenLineage event (rules 1, 3 and 4)."""
        self._hand_over(payload_of(body, JSON), "")

    def send_object(self, payload: Payload, kind: ObjectKind) -> str:
        """Hand over an object of the ledger; gives the `sha256:…` that an event names it by."""
        self._hand_over(payload, kind)
        return digest_text(payload.digest)

    def flush(self, *, timeout_seconds: float = 30.0) -> Flushed:
        """Deliver what waits, and say what is left. Raises nothing that `Flushed` can say.

        Waits so long at most for another process that delivers; one large entry may take longer.
        """
        if self._spool is None:
            return Flushed(0, 0, (), 0)
        self._of_this_process()
        until = time.monotonic() + timeout_seconds
        done = self._spool.deliver(self._send, patience_seconds=timeout_seconds)
        delivered = done.delivered
        while isinstance(done.stopped_by, UnavailableError) and time.monotonic() < until:
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
            done = self._spool.deliver(self._send, patience_seconds=timeout_seconds)
            delivered += done.delivered
        self._remember(done)
        usage = self._spool.usage()
        refused = tuple(self._spool.refused())
        return Flushed(delivered, usage.waiting, refused, usage.dropped, done.stopped_by)

    def close(self, *, timeout_seconds: float = 5.0) -> None:
        """Try once more to deliver what waits, then end the thread and the connections."""
        self._of_this_process()
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)
        if self._spool is not None and not self._spool.is_empty():
            done = self._spool.deliver(self._send, patience_seconds=timeout_seconds)
            usage = self._spool.usage()
            if usage.waiting:
                _log.warning("%s", _waits(self._spool, usage, done.stopped_by))
        if self._client is not None:
            self._client.close()
        self._begin()

    def _hand_over(self, payload: Payload, kind: str) -> None:
        if self._connect is None:
            return
        self._of_this_process()
        if self._spool is None:
            try:
                self._send_patiently(payload, kind)
            except RegistryError as error:
                if self._strict:
                    raise
                _log.error("%s is lost. %s", _named(payload, kind), error)
            return
        if time.monotonic() >= self._not_before and self._spool.is_empty():
            try:
                self._send(_entry(payload, kind), _rewound(payload))
                self._pause = 0.0
                return
            except _PASSING as error:
                if self._strict and not isinstance(error, UnavailableError):
                    raise
                self._back_off(error)
                _log.warning("%s It is kept in %s and sent later.", error, self._spool.folder)
            except RegistryError as error:
                if self._strict:
                    raise
                _log.error("The registry refused %s: %s", _named(payload, kind), error)
                self._spool.put_aside(payload, kind, f"{error.detail} {error.remedy}")
                return
        self._keep(self._spool, payload, kind)

    def _send_patiently(self, payload: Payload, kind: str) -> None:
        until, pause = time.monotonic() + self._patience, 0.25
        while True:
            try:
                self._send(_entry(payload, kind), _rewound(payload))
                return
            except UnavailableError:
                if time.monotonic() + pause > until:
                    raise
            time.sleep(pause)
            pause = min(8.0, 2 * pause)

    def _keep(self, spool: Spool, payload: Payload, kind: str) -> None:
        try:
            spool.append(payload, kind)
        except OverloadedError as error:
            if self._strict:
                raise
            _log.error("%s is lost. %s", _named(payload, kind), error)
        except OSError as error:
            if self._strict:
                raise
            _log.error(
                "%s is lost: %s cannot be written: %s", _named(payload, kind), spool.folder, error
            )
        else:
            self._wake()

    def _send(self, entry: Entry, body: BinaryIO) -> None:
        """One request. Raises the registry's error."""
        client = self._connected()
        headers = {"Content-Type": entry.content_type}
        if not entry.object_kind:
            client.request("POST", EVENTS, content=body.read(), headers=headers)
            return
        headers["Content-Length"] = str(entry.size)
        chunks = iter(lambda: body.read(CHUNK_BYTES), b"")
        client.request(
            "PUT",
            f"{OBJECTS}sha256:{entry.digest}",
            content=chunks,
            headers=headers,
            params={"kind": entry.object_kind},
        )

    def _connected(self) -> HttpClient:
        with self._lock:
            if self._client is None:
                assert self._connect is not None
                self._client = self._connect()
            return self._client

    def _back_off(self, error: BaseException) -> None:
        asked = error.retry_after_seconds if isinstance(error, UnavailableError) else 0
        self._pause = max(asked, min(LONGEST_PAUSE_SECONDS, max(1.0, 2 * self._pause)))
        self._not_before = time.monotonic() + self._pause

    def _remember(self, done: Delivery) -> None:
        if done.stopped_by is not None:
            self._back_off(done.stopped_by)
        elif not done.busy:
            self._pause = self._not_before = 0.0

    def _wake(self) -> None:
        """See to it that the thread of rule 1 runs."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._deliver_until_empty, name="registry-spool", daemon=True
                )
                self._thread.start()

    def _deliver_until_empty(self) -> None:
        spool, stop = self._spool, self._stop
        assert spool is not None
        while not stop.wait(max(0.05, self._not_before - time.monotonic())):
            try:
                done = spool.deliver(self._send)
            except OSError as error:
                _log.error("The spool %s cannot be read: %s", spool.folder, error)
                return
            self._remember(done)
            if done.refused:
                _log.error(
                    "The registry refused %d entries; see %s/refused.", done.refused, spool.folder
                )
            with self._lock:
                if done.stopped_by is None and not done.busy and spool.is_empty():
                    # Who appends from here on finds no thread, and starts one.
                    self._thread = None
                    return

    def _of_this_process(self) -> None:
        if self._process != os.getpid():
            self._begin()


def _entry(payload: Payload, kind: str) -> Entry:
    return Entry(payload.digest.hex(), payload.size, payload.content_type, kind)


def _rewound(payload: Payload) -> BinaryIO:
    payload.file.seek(io.SEEK_SET)
    return payload.file


def _named(payload: Payload, kind: str) -> str:
    return f"{kind or 'event'} {digest_text(payload.digest)}"


def _waits(spool: Spool, usage: Usage, error: RegistryError | None) -> str:
    why = f": {error}" if error is not None else "; another process delivers."
    return f"{usage.waiting} entries wait in {spool.folder}{why}"
