"""Does a small thing again and again beside everything else, until told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from registry.errors import RegistryError

_log = logging.getLogger(__name__)


@contextmanager
def repeating(work: Callable[[], None], *, every_seconds: float) -> Iterator[None]:
    """Call `work` on a thread of its own every so often while the block runs.

    An error is logged, and the next turn comes as ever.
    """
    stop = threading.Event()

    def turn() -> None:
        while not stop.wait(every_seconds):
            try:
                work()
            except RegistryError as error:
                _log.warning("%s", error)
            except Exception as error:  # noqa: BLE001 - the edge: the thread must live on
                _log.error("%r failed", work, exc_info=error)

    thread = threading.Thread(target=turn, name="registry-repeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
