"""Clients that send events without a pause, try again what failed, and remember the answers."""

from __future__ import annotations

import http.client
import threading
from collections import deque
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

ONE, MANY = "/api/v1/lineage", "/api/v1/lineage/batch"
CONNECTIONS = 8
WAIT_SECONDS = 60.0
PAUSE_SECONDS = 0.02


class Load:
    """Sends each group of bodies until it is answered 2xx, or until it is told to stop.

    A group of one goes to /lineage, a larger one to /lineage/batch. `on_answer` is called with the
    number of events answered 2xx, by the thread that got the answer.
    """

    def __init__(
        self,
        url: str,
        token: str,
        groups: Iterable[list[bytes]],
        *,
        on_answer: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._waiting = deque(groups)
        self._on_answer = on_answer
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send_all) for _ in range(CONNECTIONS)]
        self.taken: set[bytes] = set()
        self.refusals: list[tuple[int, str | None, bytes]] = []

    def start(self) -> Load:
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Send no more; wait for the answers that are under way."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait until everything was taken, or until it was told to stop."""
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
            if thread.is_alive():
                raise TimeoutError(f"{len(self.taken)} taken, {self.refusals[-3:]}")

    def wait_for(self, what: Callable[[Load], bool]) -> None:
        """Wait until something holds of what was answered."""
        with self._changed:
            if not self._changed.wait_for(lambda: what(self), timeout=WAIT_SECONDS):
                raise TimeoutError(f"{len(self.taken)} taken, {self.refusals[-3:]}")

    def _send_all(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=WAIT_SECONDS)
        while not self._stopping.is_set():
            try:
                group = self._waiting.popleft()
            except IndexError:
                break
            try:
                taken = self._send(connection, group)
            except (OSError, http.client.HTTPException):
                # The server is gone, perhaps in the middle of an answer: nobody knows.
                connection.close()
                taken = False
            if not taken:
                self._waiting.append(group)
                self._stopping.wait(PAUSE_SECONDS)
        connection.close()

    def _send(self, connection: http.client.HTTPConnection, group: list[bytes]) -> bool:
        path, body = (ONE, group[0]) if len(group) == 1 else (MANY, b"[" + b",".join(group) + b"]")
        connection.request("POST", path, body, self._headers)
        response = connection.getresponse()
        answer = response.read()
        taken = response.status in (201, 204)
        with self._changed:
            if taken:
                self.taken.update(group)
            else:
                self.refusals.append((response.status, response.headers["Retry-After"], answer))
            count = len(self.taken)
            self._changed.notify_all()
        if taken:
            self._on_answer(count)
        return taken
