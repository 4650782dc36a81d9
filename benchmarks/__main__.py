"""Every benchmark, one after the other: `make bench`; `make bench-large` runs those of 10^8 rows.

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

SMALL: dict[str, list[str]] = {
    "ingest": [],
    "graph": [],
    "pii": [],
    "keys": [],
    "access": [],
    "client": [],
    "ledger": [],
    "closure": [],
    "scope": [],
    "audit": [],
    "policy": [],
    "certificate": [],
    "decisions": [],
    "erase": [],
    "cards": ["--small"],
}
LARGE: dict[str, list[str]] = {
    "ledger": ["--rows", "100000000"],
    "closure": ["--rows", "100000000"],
    "scope": ["--large"],
    "audit": ["--large"],
    "erase": ["--large"],
    "cards": [],
}


def main() -> None:
    """Run the modules that are named, or all."""
    chosen = LARGE if "--large" in sys.argv else SMALL
    named = [name for name in sys.argv[1:] if not name.startswith("-")]
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores")
    for name in named or chosen:
        print(f"\n## {name}", flush=True)
        sys.argv = [name, *chosen.get(name, [])]
        with running_server() as server, server.temporary_database() as url:
            os.environ[POSTGRES] = url
            importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
