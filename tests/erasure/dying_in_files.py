"""A process that works on the files of a case and kills itself (SIGKILL) where it is told to.

Arguments: JSON with `url`, `home`, `lake`, `now`, `request`, and `at`, a word of the report; also
`credentials`, a file of them. With `work` "contents" it reads batches for the people of the case.
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
from registry.erasure.execution.in_contents import scan_contents
from registry.erasure.execution.in_files import erase_in_files
from tests.clock import FrozenClock
from tests.stores import settings_on


def main(said: dict[str, str]) -> None:
    """Mark and wipe what the plan says, then work on the files, up to the report."""
    settings = replace(
        settings_on(said["url"], Path(said["home"])),
        file_roots=(said["lake"],),
        credentials_file=said.get("credentials", ""),
    )
    house = open_house(settings, clock=FrozenClock(datetime.fromisoformat(said["now"])))

    def report(progress: str) -> None:
        if said["at"] in progress:
            os.kill(os.getpid(), signal.SIGKILL)

    carry_out(house.hands, said["request"])
    hands = replace(house.hands, report=report)
    if said.get("work") == "contents":
        erase_in_files(house.hands, said["request"])
        scan_contents(hands, said["request"])
        return
    erase_in_files(hands, said["request"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
