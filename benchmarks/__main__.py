"""Every benchmark, one after the other: `make bench`; `--large` adds those that take minutes.

PostgreSQL is started for the run, as the tests do it. Figures go into `benchmarks/README.md` with
the machine they were measured on.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys

from benchmarks.ingest import POSTGRES
from tests.postgres import running_server

SMALL = ("ingest", "graph", "pii", "client")
LARGE: tuple[str, ...] = ()


def main() -> None:
    """Run the modules that are named, or all."""
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")] or list(SMALL)
    if "--large" in sys.argv:
        wanted += LARGE
    cores = os.cpu_count()
    print(f"Python {platform.python_version()} on {platform.machine()}, {cores} cores")
    sys.argv = sys.argv[:1]
    for name in wanted:
        print(f"\n## {name}", flush=True)
        with running_server() as server, server.temporary_database() as url:
            os.environ[POSTGRES] = url
            importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
