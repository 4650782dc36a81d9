"""The environment in which the tests run a real dbt: its own, because its pins would disturb ours.

Rules:
1. It lies in `.venv-dbt` beside the checkout's own files and is made from a lock with hashes,
   `tests/clients/dbt/requirements.lock`.
2. A lock or an interpreter that changed makes it anew.
3. `python -m tests.provision` makes it. A run without it fails; it is not skipped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv-dbt"
LOCK = ROOT / "tests" / "clients" / "dbt" / "requirements.lock"
_STAMP = ENVIRONMENT / ".made-from"


class DbtMissingError(RuntimeError):
    """There is no environment with dbt, or it could not be made; the message says why."""


def find_programs() -> Path | None:
    """The folder with `dbt` and `dbt-ol`, or None where the environment is missing or old."""
    programs = ENVIRONMENT / "bin"
    current = _STAMP.is_file() and _STAMP.read_text("ascii") == _source()
    return programs if current and os.access(programs / "dbt-ol", os.X_OK) else None


def require_programs() -> Path:
    """Like `find_programs`, but raises DbtMissingError where there is none."""
    found = find_programs()
    if found is None:
        raise DbtMissingError(
            f"There is no dbt in {ENVIRONMENT}. Run: {sys.executable} -m tests.provision"
        )
    return found


def make_programs() -> Path:
    """Make the environment and give the folder of its programs. Raises DbtMissingError."""
    print(f"dbt is missing; making {ENVIRONMENT.name} for it.", flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    python = str(ENVIRONMENT / "bin" / "python")
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    install = ["--quiet", "--require-hashes", "--requirement", str(LOCK)]
    if uv:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT))
        _run(uv, "pip", "install", "--python", python, *install)
    else:
        _run(sys.executable, "-m", "venv", str(ENVIRONMENT))
        _run(python, "-m", "pip", "install", *install)
    _STAMP.write_text(_source(), "ascii")
    return require_programs()


def _source() -> str:
    """What the environment is made from: the lock, and the interpreter's version."""
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {sys.version_info[:2]}"


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        last_words = " | ".join(done.stderr.strip().splitlines()[-5:])
        raise DbtMissingError(f"The environment for dbt could not be made: {last_words}")
