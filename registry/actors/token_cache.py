"""Answers who a token is without asking the database each time.

Rules:
1. An answer is kept for at most one second, so a revoked or expired token is refused within one
   second in every process. Only valid tokens are kept: a new one works at once.
2. Keys are digests; a secret is never kept.
3. When a token was last used is written at most once a minute, and never within a request, so
   that reading does not wait for a writer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from registry.actors.accounts import Actor, authenticate, note_token_uses
from registry.clock import Clock
from registry.errors import StorageUnavailableError
from registry.ids import token_digest
from registry.storage.database import Database

KEEP = timedelta(seconds=1)
LIMIT = 10_000


class TokenCache:
    """Authenticates bearer tokens. Thread-safe; holds at most `limit` answers."""

    def __init__(self, database: Database, clock: Clock, *, limit: int = LIMIT) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[datetime, Actor]] = OrderedDict()
        self._used: dict[str, datetime] = {}

    def cached(self, token: str) -> Actor | None:
        """The actor, where the answer is fresh; never touches the database."""
        digest = token_digest(token)
        now = self._clock()
        with self._lock:
            found = self._known.get(digest)
            # A clock that was set back must not keep an answer alive.
            if found is None or not timedelta() <= now - found[0] < KEEP:
                return None
            return found[1]

    def authenticate(self, token: str) -> Actor:
        """The actor that a token stands for. Raises UnauthenticatedError.

        Cost: nothing where the answer is fresh, else three indexed look-ups.
        """
        actor = self.cached(token)
        if actor is not None:
            return actor
        now = self._clock()
        with self._database.read() as session:
            actor = authenticate(session, token, now=now)
        digest = token_digest(token)
        with self._lock:
            self._known[digest] = (now, actor)
            self._known.move_to_end(digest)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
            self._used[actor.token_id] = now
        return actor

    def clear(self) -> None:
        """Forget every answer, so that this process sees a change of tokens or roles at once."""
        with self._lock:
            self._known.clear()

    def write_uses(self) -> None:
        """Write when tokens were last used. Effects: commits one transaction, if any was used."""
        with self._lock:
            used, self._used = self._used, {}
        if not used:
            return
        try:
            self._database.transact(lambda session: note_token_uses(session, used))
        except StorageUnavailableError:
            with self._lock:
                self._used = used | self._used
            raise
