"""Answers who a session is without asking the database each time.

Rules:
1. An answer is kept for at most one second, so an ended session is refused within one second in
   every process. Only live sessions are kept.
2. Keys are digests; the secret of a session is never kept.
3. When a session was last used is written once a minute and never within a request; until then
   this process remembers it, so that nobody idles who does not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from registry.actors.accounts import Actor
from registry.actors.sessions import (
    LiveSession,
    SessionLimits,
    no_session,
    note_session_uses,
    read_session,
)
from registry.clock import Clock
from registry.ids import token_digest
from registry.storage.database import Database

KEEP = timedelta(seconds=1)
LIMIT = 10_000


class SessionCache:
    """Authenticates session cookies. Thread-safe; holds at most `limit` answers."""

    def __init__(
        self, database: Database, clock: Clock, limits: SessionLimits, *, limit: int = LIMIT
    ) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[datetime, Actor]] = OrderedDict()
        self._used: dict[str, datetime] = {}

    def authenticate(self, secret: str) -> Actor:
        """The actor of a session. Raises UnauthenticatedError.

        Cost: nothing where the answer is fresh, else three indexed look-ups.
        """
        digest, now = token_digest(secret), self._clock()
        with self._lock:
            found = self._known.get(digest)
            # A clock that was set back must not keep an answer alive.
            if found is not None and timedelta() <= now - found[0] < KEEP:
                return found[1]
        with self._database.read() as session:
            live = read_session(session, secret, now=now)
        actor = live.actor
        with self._lock:
            self._refuse_idle(live, now)
            self._used[actor.token_id] = now
            self._known[digest] = (now, actor)
            self._known.move_to_end(digest)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        return actor

    def _refuse_idle(self, live: LiveSession, now: datetime) -> None:
        seen = max(live.seen_at, self._used.get(live.actor.token_id, live.seen_at))
        if now - seen >= self._limits.idle:
            raise no_session()

    def clear(self) -> None:
        """Forget every answer, so that this process sees a change at once."""
        with self._lock:
            self._known.clear()

    def write_uses(self) -> None:
        """Write when sessions were last used. Effects: commits one transaction, if any was used."""
        with self._lock:
            used = dict(self._used)
        if not used:
            return
        self._database.transact(lambda session: note_session_uses(session, used))
        with self._lock:
            for session_id, at in used.items():
                if self._used.get(session_id) == at:
                    del self._used[session_id]
