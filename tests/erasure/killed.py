"""A process that carries a plan out and kills itself (SIGKILL) where it is told to.

Arguments: JSON with `url`, `home`, `now`, `request`, and `at`, a word of the report to die at.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from registry.app import open_house
from registry.erasure.execution.carrying_out import carry_out
from tests.clock import FrozenClock
from tests.stores import settings_on


def main(said: dict[str, str]) -> None:
    """Carry the request's plan out, up to the report."""
    settings = settings_on(said["url"], Path(said["home"]))
    house = open_house(settings, clock=FrozenClock(datetime.fromisoformat(said["now"])))

    def report(progress: str) -> None:
        if said["at"] in progress:
            os.kill(os.getpid(), signal.SIGKILL)

    carry_out(replace(house.hands, report=report), said["request"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
