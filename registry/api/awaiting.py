"""Awaits the writer's futures on the event loop, waking it once for a group and not for an event.

`asyncio.wrap_future` writes to the loop's self-pipe for every future; a group of five hundred
events would wake it five hundred times, each time taking the interpreter lock from the writer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any


class Answers:
    """The futures that one event loop waits for; one object for each loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._is_woken = False

    def wait_for(self, future: Future[Any]) -> asyncio.Future[Any]:
        """What to await. Cancelling it cancels `future`, if nobody works on it yet."""
        waiter: asyncio.Future[Any] = self._loop.create_future()
        future.add_done_callback(lambda done: self._note(waiter, done))
        waiter.add_done_callback(lambda done: future.cancel() if done.cancelled() else None)
        return waiter

    def _note(self, waiter: asyncio.Future[Any], done: Future[Any]) -> None:
        """Called by whoever answers, in any thread."""
        self._ready.append((waiter, done))
        if not self._is_woken and not self._loop.is_closed():
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        # Cleared before the look, so that what is appended during it wakes the loop again.
        self._is_woken = False
        while self._ready:
            waiter, done = self._ready.popleft()
            if waiter.done():
                continue
            if done.cancelled():
                waiter.cancel()
            elif (error := done.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())
