"""The newest revision is read without Alembic, and is Alembic's."""

from __future__ import annotations

import subprocess
import sys

from alembic.script import ScriptDirectory

from registry.storage.migrate import alembic_config, shipped_revisions


def test_the_newest_revision_is_the_one_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    known = frozenset(item.revision for item in scripts.walk_revisions())
    assert shipped_revisions() == (known, scripts.get_current_head())


SLOW_TO_LOAD = {
    *("alembic", "httpx", "rich", "lance", "pandas"),
    *("authlib", "joserfc", "argon2", "jinja2", "httpx2"),
}


def test_a_start_loads_nothing_slow_that_it_may_never_need() -> None:
    code = f"import sys, registry.app\nassert not {SLOW_TO_LOAD} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
