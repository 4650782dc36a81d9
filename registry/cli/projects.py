"""`registry project …`: who owns which names, and how strict it is there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path
from registry.cli.output import (
    JsonOption,
    gap,
    moment_text,
    note,
    show_facts,
    show_json,
    show_table,
)

group = typer.Typer(
    name="project", help="Projects, their modes and what they claim.", no_args_is_help=True
)
claims = typer.Typer(name="claim", help="What a project claims.", no_args_is_help=True)
group.add_typer(claims)
PATH = "/api/v1/projects"
NameArgument = Annotated[str, typer.Argument(help="Name of the project.")]
ModeOption = Annotated[str | None, typer.Option(help="observe, warn or enforce.")]


@group.command()
def create(
    name: NameArgument,
    mode: Annotated[str, typer.Option(help="observe, warn or enforce.")] = "enforce",
    strict: Annotated[bool, typer.Option("--strict", help="For good.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a project."""
    with connected() as client:
        project = client.post(PATH, {"name": name, "mode": mode, "strict": strict})
    _show(project, as_json)


@group.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List every project."""
    with connected() as client:
        projects = client.get(PATH)
    if as_json:
        show_json(projects)
        return
    show_table(
        ["PROJECT", "MODE", "STRICT", "CLAIMS", "CREATED"],
        [
            (
                project["name"],
                project["mode"],
                project["strict"],
                _claims_text(project),
                moment_text(project["created_at"]),
            )
            for project in projects["projects"]
        ],
        empty="There are no projects.",
    )


@group.command()
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show a project and its claims."""
    with connected() as client:
        project = client.get(f"{PATH}/{in_path(name)}")
    _show(project, as_json)


@group.command("set")
def set_(
    name: NameArgument,
    mode: ModeOption = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End the first account's habit of every role; for good."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Change a project's mode, or make it strict."""
    if mode is None and not strict:
        raise typer.BadParameter("give --mode, --strict, or both")
    body = {"mode": mode, "strict": True if strict else None}
    with connected() as client:
        project = client.patch(f"{PATH}/{in_path(name)}", body)
    _show(project, as_json)


@claims.command()
def add(
    name: NameArgument,
    namespace: Annotated[str, typer.Argument(help="Namespace glob, such as s3://lake or s3://*.")],
    prefix: Annotated[str, typer.Option(help="Only names that begin so.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Let a project claim names; those that are known already are allotted anew."""
    body = {"namespace": namespace, "name_prefix": prefix}
    with connected() as client:
        project = client.post(f"{PATH}/{in_path(name)}/claims", body)
    _show(project, as_json)
    note("A worker allots the names that are known already anew.")


@claims.command()
def remove(
    name: NameArgument,
    claim: Annotated[int, typer.Argument(help="Its number in `registry project show`.")],
    as_json: JsonOption = False,
) -> None:
    """Take a claim back."""
    with connected() as client:
        project = client.delete(f"{PATH}/{in_path(name)}/claims/{claim}")
    _show(project, as_json)
    note("A worker allots the names that are known already anew.")


def _show(project: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(project)
        return
    show_facts(
        [
            ("Project", project["name"]),
            ("Mode", project["mode"]),
            ("Strict", project["strict"]),
            ("Created", moment_text(project["created_at"])),
        ]
    )
    if project["name"] == "default":
        note("It claims whatever no other project claims.")
        return
    gap()
    show_table(
        ["CLAIM", "NAMESPACE", "NAMES THAT BEGIN"],
        [(claim["id"], claim["namespace"], claim["name_prefix"]) for claim in project["claims"]],
        empty="It claims nothing yet.",
        right=["CLAIM"],
    )


def _claims_text(project: dict[str, Any]) -> str:
    if project["name"] == "default":
        return "everything else"
    return ", ".join(
        claim["namespace"] + (f" {claim['name_prefix']}*" if claim["name_prefix"] else "")
        for claim in project["claims"]
    )
