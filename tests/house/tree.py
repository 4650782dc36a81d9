"""The project's own files, as the house rules look at them."""

from __future__ import annotations

import functools
import subprocess
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Every file git knows or would take up (not ignored), relative to the root, sorted."""
    listing = subprocess.run(
        # A checkout that belongs to another user is still ours to read.
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = {Path(name) for name in listing.stdout.split("\0") if name}
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def package_modules() -> list[Path]:
    """Every Python file of the package, relative to the root."""
    return [path for path in tracked_files() if path.parts[0] == "registry" and _is_python(path)]


def written_modules() -> list[Path]:
    """Every Python file a person writes: all but the migrations, which a tool lays out."""
    versions = Path("alembic/versions")
    return [path for path in tracked_files() if _is_python(path) and versions not in path.parents]


def _is_python(path: Path) -> bool:
    return path.suffix == ".py"


def read(path: Path) -> str:
    """The text of a file named relative to the root."""
    return (ROOT / path).read_text("utf-8")


def project_file() -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads(read(Path("pyproject.toml")))
