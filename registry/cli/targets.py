"""`registry target …`: where copies of datasets lie, and who erases in them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import LimitOption, show_list, some
from registry.cli.output import JsonOption, moment_text, show_facts, show_json

group = typer.Typer(name="target", help="Where erasure must reach.", no_args_is_help=True)
PATH = "/api/v1/erasure-targets"
TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help="Id of the target.")]


@group.command()
def add(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME".')],
    uri: Annotated[str, typer.Argument(metavar="URI", help="Where the copy lies.")],
    executor: Annotated[
        str, typer.Option(help="files, huggingface, lance, sql, webhook or manual.")
    ],
    form: Annotated[str | None, typer.Option(help="Extension, such as jsonl.gz.")] = None,
    table: Annotated[str | None, typer.Option(help="Table of a database.")] = None,
    key_column: Annotated[str | None, typer.Option(help="Column with the example ids.")] = None,
    content_column: Annotated[str | None, typer.Option(help="Column with the contents.")] = None,
    by_key: Annotated[bool, typer.Option("--by-key", help="Find rows by their keys.")] = False,
    credential: Annotated[str | None, typer.Option(help="Name of a credential.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a copy of a dataset lies and who erases in it."""
    namespace, name = split_name(dataset)
    body = {
        "namespace": namespace,
        "name": name,
        "uri": uri,
        "executor": executor,
        "form": form,
        "table": table,
        "key_column": key_column,
        "content_column": content_column,
        "by_key": by_key,
        "credential": credential,
    }
    with connected() as client:
        _show(client.post(PATH, body), as_json)


@group.command("list")
def list_(
    dataset: Annotated[str | None, typer.Option(help='Only of this: "NAMESPACE NAME".')] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the targets of erasure."""
    namespace, name = (None, None) if dataset is None else split_name(dataset)
    with connected() as client:
        wanted = {"namespace": namespace, "name": name}
        found, total = some(client, PATH, "targets", limit, wanted)
    show_list(
        "targets",
        found,
        total,
        ["TARGET", "DATASET", "URI", "EXECUTOR", "KEY COLUMN", "CREDENTIAL"],
        (
            (
                each["id"],
                f"{each['namespace']} {each['name']}",
                each["uri"],
                each["executor"],
                each["key_column"],
                each["credential"],
            )
            for each in found
        ),
        as_json,
    )


@group.command()
def remove(target: TargetArgument, as_json: JsonOption = False) -> None:
    """End a target."""
    with connected() as client:
        ended = client.request("DELETE", f"{PATH}/{in_path(target)}").json()
    _show(ended, as_json)


@group.command()
def check(target: TargetArgument, as_json: JsonOption = False) -> None:
    """Look what would stand in the way of an erasure there; exit 1 where something does."""
    with connected() as client:
        found = client.post(f"{PATH}/{in_path(target)}/check")
    if as_json:
        show_json(found)
    else:
        names = ("reachable", "state", "reason", "detail", "remedy")
        show_facts([(name.capitalize(), found[name]) for name in names if found[name] is not None])
    if not found["reachable"]:
        raise typer.Exit(1)


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            (
                name.replace("_", " ").capitalize(),
                moment_text(value) if name.endswith("_at") else value,
            )
            for name, value in found.items()
            if value not in (None, False)
        ]
    )
