"""`registry statement …`: what only a person can say of a dataset or model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import LimitOption, show_list, some
from registry.cli.output import JsonOption, moment_text, say, show_facts, show_json

group = typer.Typer(name="statement", help="What only a person can state.", no_args_is_help=True)
PATH = "/api/v1/statements"
StatementArgument = Annotated[str, typer.Argument(metavar="STATEMENT", help="Id of the statement.")]
VersionOption = Annotated[int | None, typer.Option(min=1, help="Of this version alone.")]


@group.command()
def add(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME".')],
    kind: Annotated[str, typer.Option(help="What is spoken of; a wrong one lists them all.")],
    text: Annotated[str | None, typer.Option(help="What is said.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with what is said.")] = None,
    value: Annotated[
        bool | None, typer.Option("--yes/--no", help="Of the kinds that are yes or no.")
    ] = None,
    version: VersionOption = None,
    expires: Annotated[str | None, typer.Option(help="RFC 3339 time until which it holds.")] = None,
    attachment: Annotated[
        Path | None, typer.Option(help="A document that says more; only its digest is sent.")
    ] = None,
    supersedes: Annotated[
        str | None, typer.Option(help="Id of somebody else's statement that this one replaces.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """State something of a dataset, a model or a version; a new word replaces your old one."""
    if text is not None and file is not None:
        raise typer.BadParameter("Give the words once.", param_hint="--file")
    namespace, name = split_name(dataset)
    body = {
        "namespace": namespace,
        "name": name,
        "version": version,
        "kind": kind,
        "text": _words(file) if file is not None else text or "",
        "value": value,
        "expires_at": expires,
        "attachment_sha256": None if attachment is None else digest_of(attachment),
        "supersedes": supersedes,
    }
    with connected() as client:
        _show(client.post(PATH, body), as_json)


@group.command("list")
def list_(
    dataset: Annotated[str | None, typer.Option(help='Only of this: "NAMESPACE NAME".')] = None,
    version: VersionOption = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List statements, the last first, also those that hold no more."""
    namespace, name = (None, None) if dataset is None else split_name(dataset)
    wanted = {"namespace": namespace, "name": name, "version": version, "kind": kind}
    with connected() as client:
        found, total = some(client, PATH, "statements", limit, wanted)
    show_list(
        "statements",
        found,
        total,
        ["STATEMENT", "ABOUT", "KIND", "SAID", "BY", "STATED", "HOLDS"],
        (
            (
                each["id"],
                _about(each),
                each["kind"],
                _said(each),
                each["author"],
                moment_text(each["stated_at"]),
                each["in_force"],
            )
            for each in found
        ),
        as_json,
    )


@group.command()
def show(
    statement: StatementArgument,
    output: Annotated[Path | None, typer.Option(help="A file for the signed statement.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a statement, and write it to a file as it was signed."""
    with connected() as client:
        found = client.get(f"{PATH}/{in_path(statement)}")
        if output is not None:
            signed = client.request("GET", f"{PATH}/{in_path(statement)}/envelope").content
            output.write_bytes(signed)
    _show(found, as_json)
    if output is not None and not as_json:
        say(f"The signed statement is in {output}.")


@group.command()
def withdraw(
    statement: StatementArgument,
    reason: Annotated[str, typer.Option(help="Why it does not hold.")],
    as_json: JsonOption = False,
) -> None:
    """Take a statement back; it stays, and so does the withdrawal."""
    with connected() as client:
        made = client.post(f"{PATH}/{in_path(statement)}/withdraw", {"reason": reason})
    _show(made, as_json)


def digest_of(path: Path) -> str:
    """The digest of a file, `sha256:…`."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _words(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path} is not text.", param_hint="--file") from error


def _about(found: dict[str, Any]) -> str:
    version = "" if found["version"] is None else f" (version {found['version']})"
    return f"{found['namespace']} {found['name']}{version}"


def _said(found: dict[str, Any]) -> str:
    if found["withdraws"]:
        return f"(withdrawn) {found['text']}"
    flag = {None: "", True: "yes. ", False: "no. "}[found["value"]]
    return f"{flag}{found['text']}".strip()


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            ("Statement", found["id"]),
            ("About", _about(found)),
            ("Kind", found["kind"]),
            ("Said", _said(found)),
            ("By", found["author"]),
            ("Stated", moment_text(found["stated_at"])),
            ("Expires", moment_text(found["expires_at"])),
            ("Attachment", found["attachment_sha256"]),
            ("Supersedes", found["supersedes"]),
            ("Superseded by", found["superseded_by"]),
            ("Holds", found["in_force"]),
            ("Entry in the log", found["audit_index"]),
        ]
    )
