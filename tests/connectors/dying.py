"""A process that erases and is killed at a step: `python -m tests.connectors.dying FOLDER STEP`."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.folder import FolderPlace
from registry.erasure.connectors.protocol import Intent, Progress, Watch
from tests.connectors.copies import ordinals, target_of

NAME, KEPT = "part.parquet", "intended.json"
GONE = (0, 61, 62, 499)


def main(folder: Path, step: str) -> None:
    """Erase, and die at the first word of the step; `full`: no file may grow any more."""

    def die(progress: Progress) -> None:
        if progress.step.value == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def intend(intent: Intent) -> None:
        (folder / KEPT).write_text(json.dumps(intent.sha256.hex()))

    if step == "full":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    files = FileConnector(FolderPlace([str(folder)]))
    done = files.erase(target_of(folder / NAME), ordinals(*GONE), Watch(die, intend))
    sys.stdout.write(f"{done.state} {done.trouble and done.trouble.reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
