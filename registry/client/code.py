"""Says which code runs, so that what it made can be made again: repository, commit, script.

Rules:
1. The checkout is that of the program that was started, else of the working folder.
2. A user name or password in the address of the repository does not travel.
3. A checkout with changes that are in no commit says so: its commit alone would not make it again.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

GIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CodeLocation:
    """A script in a commit of a git repository.

    `changed`: with changes that are in no commit; None where git did not say in time.
    """

    url: str
    commit: str
    branch: str | None
    path: str | None
    changed: bool | None


def locate_code() -> CodeLocation | None:
    """The code of this program (rule 1); None where it lies in no git checkout, or git is missing.

    Cost: five calls of git, some milliseconds each.
    """
    script = _script()
    folder = script.parent if script is not None else Path.cwd()
    root_text = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "HEAD")
    if not root_text or not commit:
        return None
    root = Path(root_text)
    remote = _git(folder, "config", "--get", "remote.origin.url")
    branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    path = None
    if script is not None and script.is_relative_to(root):
        path = script.relative_to(root).as_posix()
    return CodeLocation(
        url=without_secret(remote) if remote else root.as_uri(),
        commit=commit,
        branch=branch if branch and branch != "HEAD" else None,
        path=path,
        changed=None if changes is None else bool(changes),
    )


def without_secret(url: str) -> str:
    """The address without user name and password (rule 2); `git@host:path` stays."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc or parts.scheme == "ssh":
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _script() -> Path | None:
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(name).resolve() if name else None


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
