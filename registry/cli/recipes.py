"""Shows what is needed to make a version again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.cli.output import gap, show_table

Recipe = Mapping[str, Any]


def recipe_facts(recipe: Recipe) -> list[tuple[str, object]]:
    """Code, commit, parameters and seed as facts; None where nobody said."""
    code = recipe["code"] or {}
    where = " ".join(filter(None, [code.get("url"), code.get("path")]))
    commit = code.get("commit")
    if commit and code.get("changed"):
        commit = f"{commit}, with changes that are in no commit"
    parameters = [f"{key} = {value}" for key, value in recipe["parameters"].items()]
    return [
        ("Code", where or None),
        ("Code version", commit),
        ("Parameters", parameters or None),
        ("Seed", recipe["seed"]),
    ]


def files_text(files: Sequence[Mapping[str, Any]]) -> str | None:
    """The digest of the one file, shortened, or how many there are; `--json` has them all."""
    if len(files) == 1 and files[0]["sha256"]:
        return f"{files[0]['sha256'][: len('sha256:') + 12]}…"
    return str(len(files)) if files else None


def show_recipe(recipe: Recipe) -> None:
    """Print the versions that were read, where the run read any."""
    if not recipe["inputs"]:
        return
    gap()
    show_table(
        ["READ", "VERSION", "ITS STORE'S ID"],
        [
            (
                f"{item['namespace']} {item['dataset']}",
                "not known" if item["version"] is None else item["version"],
                item["external_version"],
            )
            for item in recipe["inputs"]
        ],
        empty="",
    )
