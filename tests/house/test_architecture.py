"""The architecture is a contract: pyproject.toml states it, import-linter keeps it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from importlinter import configuration
from importlinter.application import use_cases

from tests.house.tree import ROOT, project_file

ABOVE = {"__main__", "cli", "demo", "app", "client", "api", "web", "workers"}
# What a pipeline's process may load: the wire, the pure row maps, and small pure ground floor.
# Of the ledger, everything but the row maps is forbidden by name.
KNOWN_TO_CLIENT = {
    "wire",
    "ledger",
    "signing",
    "pii",
    "clock",
    "durations",
    "ids",
    "canonical",
    "moments",
    "errors",
}


def contracts() -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in project_file()["tool"]["importlinter"]["contracts"]}


def rooms_drawn() -> list[str]:
    """Every name in the drawing, from the top floor down."""
    return [name for layer in contracts()["layers"]["layers"] for name in re.findall(r"\w+", layer)]


def rooms_named(modules: list[str]) -> set[str]:
    """`registry.audit`, `*.rights` and `*.ledger.index` are of the rooms audit, rights, ledger."""
    return {name.split(".")[1] for name in modules if "." in name}


def test_every_contract_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configuration.configure()
    kept = use_cases.lint_imports(
        config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True
    )
    assert kept, capsys.readouterr().out


def test_all_five_contracts_stand() -> None:
    assert set(contracts()) == {"layers", "acyclic", "client", "pure", "http"}
    assert contracts()["layers"]["exhaustive"] is True


def test_http_is_kept_out_of_every_room_below_request() -> None:
    rooms = rooms_drawn()
    below = set(rooms[rooms.index("request") + 1 :])
    assert rooms_named(contracts()["http"]["source_modules"]) == below


def test_every_room_is_either_known_to_the_client_or_forbidden_to_it() -> None:
    forbidden = rooms_named(contracts()["client"]["forbidden_modules"])
    assert forbidden | KNOWN_TO_CLIENT == set(rooms_drawn()) - ABOVE
    assert forbidden & KNOWN_TO_CLIENT == {"ledger"}


@pytest.mark.parametrize(
    ("contract", "module", "offence", "complaint"),
    [
        ("layers", "errors.py", "import registry.ids", "registry.errors -> registry.ids"),
        ("layers", "manager.py", "", "not listed as layers"),
        ("acyclic", "catalog/a.py", "import registry.catalog.b", "No cycles are allowed"),
        ("client", "client/a.py", "import sqlalchemy", "registry.client.a -> sqlalchemy"),
        ("pure", "audit/merkle.py", "import registry.clock", "merkle -> registry.clock"),
        ("http", "storage/a.py", "import fastapi", "registry.storage.a -> fastapi"),
    ],
)
def test_an_offence_is_found(
    tmp_path: Path, contract: str, module: str, offence: str, complaint: str
) -> None:
    shutil.copytree(ROOT / "registry", tmp_path / "registry")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "registry/catalog/b.py").write_text("import registry.catalog.a\n")
    with (tmp_path / "registry" / module).open("a") as file:
        file.write(f"\n{offence}\n")
    (tmp_path / "registry/catalog/a.py").touch()
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache", "--contract", contract],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert complaint in " ".join(done.stdout.split())
