"""What pages and PDFs are tested with and pip cannot install: Chromium, and Pango with a font.

`python -m tests.provision` installs what is missing, from Debian's packages where we are root. What
it cannot have it says, and the tests that need it fail; they are not skipped.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# WeasyPrint loads these; fontconfig comes with Pango.
LIBRARIES = ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")


class ProgramMissingError(RuntimeError):
    """Something is not on this machine; the message says what."""


@dataclass(frozen=True)
class Need:
    """A thing, whether it is here, and the Debian packages that bring it."""

    name: str
    is_here: Callable[[], bool]
    packages: tuple[str, ...]


def find_chromium() -> str | None:
    """The path of a Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def require_chromium() -> str:
    """Like `find_chromium`, but raises ProgramMissingError where there is none."""
    found = find_chromium()
    if found is None:
        raise ProgramMissingError("There is no Chromium. Run: python -m tests.provision")
    return found


NEEDS = (
    Need("Chromium", lambda: find_chromium() is not None, ("chromium",)),
    Need(
        "Pango",
        lambda: all(ctypes.util.find_library(name) for name in LIBRARIES),
        ("libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core"),
    ),
)


def install_missing() -> list[str]:
    """Install what is missing; gives a sentence about each thing that could not be had."""
    failed = []
    for need in NEEDS:
        if need.is_here():
            continue
        print(f"{need.name} is missing; installing {', '.join(need.packages)}.", flush=True)
        why = _install(need.packages)
        if not need.is_here():
            failed.append(f"{need.name} is not to be had: {why or 'installed, but not found'}.")
    return failed


def _install(packages: tuple[str, ...]) -> str | None:
    """The last words of apt-get where it failed, or None."""
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0:
        return "there is no apt-get, or we are not root"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    wanted = [apt, "install", "--quiet", "--yes", "--no-install-recommends", *packages]
    for command in ([apt, "update", "--quiet"], wanted):
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
            return " | ".join(done.stdout.strip().splitlines()[-2:]) or f"exit {done.returncode}"
    return None
