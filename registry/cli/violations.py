"""`registry violations …`: what happened although a policy dislikes it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path
from registry.cli.listing import LimitOption, show_list, some
from registry.cli.output import JsonOption, moment_text, show_facts, show_json

group = typer.Typer(
    name="violations", help="What a policy dislikes and happened.", no_args_is_help=True
)
PATH = "/api/v1/violations"
IdArgument = Annotated[str, typer.Argument(metavar="VIOLATION", help="Id of the violation.")]


@group.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="open, acknowledged, resolved or accepted.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the violations, the newest first."""
    wanted = {"state": state, "kind": kind, "project": project}
    with connected() as client:
        found, total = some(client, PATH, "violations", limit, wanted)
    show_list(
        "violations",
        found,
        total,
        ["VIOLATION", "STATE", "KIND", "PROJECT", "DATASET", "TIMES", "SEEN", "DETAIL"],
        (
            (
                each["id"],
                each["state"],
                each["kind"],
                each["project"],
                _dataset(each),
                each["times"],
                moment_text(each["seen_at"]),
                each["detail"],
            )
            for each in found
        ),
        as_json,
    )


@group.command()
def feed(
    atom: Annotated[bool, typer.Option("--atom", help="Atom instead of JSON Feed.")] = False,
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Write the violations as a feed, the newest first: JSON Feed, or Atom."""
    if atom and as_json:
        raise typer.BadParameter("give one of --atom and --json")
    asked = {"state": state, "kind": kind, "project": project, "limit": str(limit)}
    params = {name: value for name, value in asked.items() if value is not None}
    accept = "application/atom+xml" if atom else "application/feed+json"
    with connected() as client:
        answer = client.request("GET", f"{PATH}/feed", params=params, headers={"Accept": accept})
    typer.echo(answer.text)


@group.command()
def show(violation: IdArgument, as_json: JsonOption = False) -> None:
    """Show a violation."""
    with connected() as client:
        _show(client.get(f"{PATH}/{in_path(violation)}"), as_json)


@group.command()
def acknowledge(violation: IdArgument, as_json: JsonOption = False) -> None:
    """Say that it was seen."""
    with connected() as client:
        _show(client.post(f"{PATH}/{in_path(violation)}/acknowledge"), as_json)


@group.command()
def resolve(
    violation: IdArgument,
    why: Annotated[str, typer.Option(help="How it was mended.")],
    as_json: JsonOption = False,
) -> None:
    """Say that it was mended, and how."""
    with connected() as client:
        _show(client.post(f"{PATH}/{in_path(violation)}/resolve", {"why": why}), as_json)


@group.command()
def accept(
    violation: IdArgument,
    why: Annotated[str, typer.Option(help="Why it is lived with.")],
    until: Annotated[str, typer.Option(help="RFC 3339 time until when.")],
    as_json: JsonOption = False,
) -> None:
    """Live with it until a date, for a reason."""
    body = {"why": why, "until": until}
    with connected() as client:
        _show(client.post(f"{PATH}/{in_path(violation)}/accept", body), as_json)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            ("Violation", found["id"]),
            ("Kind", found["kind"]),
            ("State", found["state"]),
            ("What", found["detail"]),
            ("Project", found["project"]),
            ("Dataset", _dataset(found)),
            ("Rule", found["rule"]),
            ("Times", found["times"]),
            ("Raised", moment_text(found["raised_at"])),
            ("Seen", moment_text(found["seen_at"])),
            ("Why", found["why"]),
            ("Until", moment_text(found["until"])),
        ]
    )


def _dataset(found: dict[str, Any]) -> str | None:
    name = " ".join(part for part in (found["namespace"], found["dataset"]) if part)
    if not name:
        return None
    return f"{name} version {found['version']}" if found["version"] else name
