"""A registry in a process of its own, started as anybody starts one: `registry serve`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import registry
from registry.client.http import HttpClient
from registry.demo.home import DATA
from registry.errors import SetupError, UnavailableError
from registry.settings import Settings
from registry.storage.home import local_token
from registry.storage.homelock import serving_url

PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 20.0
_POLL_SECONDS = 0.05
_LOG = "serve.log"


@contextmanager
def served(home: Path) -> Iterator[HttpClient]:
    """Serve this home, an existing folder, while the block runs; gives a client of its first token.

    Raises SetupError, with the last line of its log, where the server does not come up.
    """
    # The log holds the home's first token, which is said once.
    with open(home / _LOG, "wb", opener=_private) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "registry", "serve", "--port", "0"],
            cwd=home,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for this process, which then has a last word with the server and stops it.
            start_new_session=True,
        )
        try:
            url = _wait_for_url(process, home)
            with HttpClient(url, local_token(Settings(home=home))) as client:
                _wait_for_answer(process, client, home)
                yield client
        finally:
            _stop(process)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _environment(home: Path) -> dict[str, str]:
    """This process's environment, without settings that are meant for another registry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    # The same code as this process runs, whatever else is installed.
    paths = [str(Path(registry.__file__).resolve().parent.parent), kept.get("PYTHONPATH", "")]
    return kept | {
        "REGISTRY_HOME": str(home.absolute()),
        # The server may read the demo's files again, to say whether they are still the same.
        "REGISTRY_FILE_ROOTS": str(home.absolute() / DATA),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def _wait_for_url(process: subprocess.Popen[bytes], home: Path) -> str:
    until = time.monotonic() + PATIENCE_SECONDS
    while (url := serving_url(home)) is None:
        _refuse_dead(process, home, until)
        time.sleep(_POLL_SECONDS)
    return url


def _wait_for_answer(process: subprocess.Popen[bytes], client: HttpClient, home: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            client.get("/healthz")
        except UnavailableError:
            _refuse_dead(process, home, until)
            time.sleep(_POLL_SECONDS)
        else:
            return


def _refuse_dead(process: subprocess.Popen[bytes], home: Path, until: float) -> None:
    """Raise SetupError where the server ended, or took too long."""
    if process.poll() is None and time.monotonic() < until:
        return
    log = home / _LOG
    said = log.read_text("utf-8", "replace").strip().splitlines()
    raise SetupError(
        f"The registry did not start: {said[-1] if said else 'it said nothing'}",
        remedy=f"Look into {log}.",
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
