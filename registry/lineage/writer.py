"""Group commit: many requests, one writer, one transaction for each group.

Rules (DESIGN §1.2, §5):
1. Arrivals wait in a bounded queue; when it is full the caller gets OverloadedError at once.
2. The writer takes what waits, up to the group limit, and commits it in one transaction; a future
   is answered only after the commit.
3. A group that fails for a reason of its own (not the database's) is taken apart: each event in a
   savepoint, so that a bad one is quarantined alone, and kept.
4. A database that is locked, full or gone fails the group with StorageUnavailableError; the next
   group tries afresh.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from registry.actors.claims import Claims
from registry.clock import Clock
from registry.errors import OverloadedError, UnavailableError
from registry.lineage.events import Event
from registry.lineage.ingest import Arrival, Sender, ingest_group
from registry.lineage.reproject import settle_contested
from registry.moments import to_micros
from registry.storage.database import Database

_log = logging.getLogger(__name__)
ReadClaims = Callable[[Session], Claims]


@dataclass(slots=True)
class _Waiting:
    arrivals: list[Arrival]
    future: Future[list[Arrival]]


class EventWriter:
    """The one writer of the event log in this process; start it, submit to it, stop it."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        read_claims: ReadClaims,
        queue_limit: int = 20_000,
        group_limit: int = 500,
    ) -> None:
        self._database = database
        self._clock = clock
        self._read_claims = read_claims
        self._queue_limit = queue_limit
        self._group_limit = group_limit
        self._waiting: deque[_Waiting] = deque()
        self._waiting_events = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the writer's thread."""
        self._thread = threading.Thread(target=self._run, name="event-writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return self._waiting_events

    def submit(self, arrivals: list[Arrival]) -> Future[list[Arrival]]:
        """Queue arrivals that belong together; the future gives them back with their outcome.

        Raises OverloadedError when the queue is full (rule 1).
        """
        future: Future[list[Arrival]] = Future()
        with self._wake:
            if self._stopping or self._waiting_events + len(arrivals) > self._queue_limit:
                raise OverloadedError(
                    f"{self._waiting_events} events wait, and {self._queue_limit} may.",
                    remedy="Send them again after the time in Retry-After.",
                )
            self._waiting.append(_Waiting(arrivals, future))
            self._waiting_events += len(arrivals)
            self._wake.notify()
        return future

    def _run(self) -> None:
        while group := self._take():
            # Whoever went away meanwhile is not written for; from here on nobody can go away.
            staying = [w for w in group if w.future.set_running_or_notify_cancel()]
            try:
                self._write(staying)
            except Exception as error:  # noqa: BLE001 - the edge: the writer goes on
                _log.exception("a group of %d submissions was not written", len(staying))
                self._fail([w for w in staying if not w.future.done()], error)

    def _take(self) -> list[_Waiting]:
        """What waits, up to the group limit (at least one submission); empty when stopped."""
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            group: list[_Waiting] = []
            size = 0
            while self._waiting:
                following = len(self._waiting[0].arrivals)
                if group and size + following > self._group_limit:
                    break
                group.append(self._waiting.popleft())
                size += following
            self._waiting_events -= size
            return group

    def _write(self, group: list[_Waiting]) -> None:
        arrivals = [arrival for waiting in group for arrival in waiting.arrivals]
        if not arrivals:
            return
        try:
            self._commit(arrivals)
        except UnavailableError as error:
            self._fail(group, error)
        except Exception as error:  # noqa: BLE001 - the edge: one bad event must not end it
            _log.warning("a group of %d events failed as one: %s", len(arrivals), error)
            self._write_apart(group)
        else:
            for waiting in group:
                waiting.future.set_result(waiting.arrivals)

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        for waiting in group:
            waiting.future.set_exception(error)

    def _commit(self, arrivals: list[Arrival]) -> None:
        self._database.transact(lambda session: self._ingest(session, arrivals, self._clock()))

    def _ingest(self, session: Session, arrivals: list[Arrival], now: datetime) -> None:
        for arrival in arrivals:
            arrival.forget()
        claims = self._read_claims(session)
        contested = ingest_group(session, arrivals, claims, now=to_micros(now))
        if contested:
            actor = arrivals[0].sender.account_id
            settle_contested(session, contested, claims, at=now, actor=actor)

    def _write_apart(self, group: list[_Waiting]) -> None:
        """Rule 3: one event after the other, each in a transaction of its own."""
        for waiting in group:
            try:
                for arrival in waiting.arrivals:
                    self._write_one(arrival)
            except Exception as error:  # noqa: BLE001 - answered to the caller, not swallowed
                waiting.future.set_exception(error)
            else:
                waiting.future.set_result(waiting.arrivals)

    def _write_one(self, arrival: Arrival) -> None:
        try:
            self._commit([arrival])
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is kept
            _log.warning("event %s is quarantined: %s", arrival.event.digest.hex(), error)
            detail = f"Projecting it failed: {type(error).__name__}."
            self._database.transact(lambda session: self._keep_failed(session, arrival, detail))

    def _keep_failed(self, session: Session, arrival: Arrival, detail: str) -> None:
        arrival.forget()
        claims, now = self._read_claims(session), to_micros(self._clock())
        ingest_group(session, [arrival], claims, now=now, failed=detail)


def arrivals_of(events: list[Event], sender: Sender) -> list[Arrival]:
    """Arrivals of events that one sender sent."""
    return [Arrival(event, sender) for event in events]
