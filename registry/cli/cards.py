"""`registry card …`: the documents of a version, what they lack, and publishing them.

Rule: `registry card DATASET …` is `registry card show DATASET …`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from registry.cli.connection import connected, in_path, split_name
from registry.cli.edge import Refused
from registry.cli.output import (
    JsonOption,
    counted,
    moment_text,
    note,
    say,
    show_facts,
    show_json,
    show_table,
)
from registry.errors import InvalidInputError

if TYPE_CHECKING:
    from registry.client.http import HttpClient, Parameters

PATH = "/api/v1/cards"
SHOW = "show"
_BINARY = ("pdf", "bundle")


class CardGroup(TyperGroup):
    """Commands on cards; what names none is what `show` is given (the rule above)."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments begin with, else `show`."""
        if args and args[0] not in self.commands:
            args = [SHOW, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let options that come first be those of `show`."""
        own = {*ctx.help_option_names}
        if args and args[0].startswith("-") and args[0] not in own:
            args = [SHOW, *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    name="card",
    cls=CardGroup,
    no_args_is_help=True,
    help="Cards of datasets and models. `card DATASET` is `card show DATASET`.",
)
RevisionArgument = Annotated[
    str, typer.Argument(metavar="REVISION", help="Id of a published card.")
]
VersionOption = Annotated[int | None, typer.Option(min=1, help="The current one, else.")]
KindOption = Annotated[str, typer.Option(help="dataset, article-10 or training-summary.")]
OutputOption = Annotated[Path | None, typer.Option(help="A file to write it to.")]


@group.command(SHOW)
def show(
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help='"NAMESPACE NAME".')
    ] = None,
    model: Annotated[str | None, typer.Option(help='A model: "NAMESPACE NAME".')] = None,
    version: VersionOption = None,
    kind: KindOption = "dataset",
    format_: Annotated[
        str,
        typer.Option("--format", help="html, md, pdf, json, croissant, huggingface or bundle."),
    ] = "md",
    output: OutputOption = None,
    gaps: Annotated[bool, typer.Option("--gaps", help="List what is missing instead.")] = False,
    fail_on_gaps: Annotated[
        bool, typer.Option("--fail-on-gaps", help="Exit 1 where something is missing.")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish it: signed, numbered, never changed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give the card of a version of a dataset, or of everything behind a model."""
    if (dataset is None) == (model is None):
        raise typer.BadParameter("Name a dataset, or a model with --model.")
    if gaps and (publish or output is not None):
        raise typer.BadParameter("Gaps are listed, and nothing else.", param_hint="--gaps")
    namespace, name = split_name(model or dataset or "")
    asked: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "version": version,
        "kind": kind,
    }
    with connected() as client:
        if publish:
            made = client.post(PATH, {**asked, "publish": True})
            if output is not None:
                path = f"{PATH}/revisions/{in_path(made['id'])}"
                _write(client, path, {"format": format_}, format_, output)
            _show_revision(made, as_json)
        elif gaps:
            _show_gaps(client.get(f"{PATH}/gaps", asked), as_json)
        else:
            wanted = "json" if as_json else format_
            _write(client, PATH, {**asked, "format": wanted}, wanted, output)
        if fail_on_gaps and client.get(f"{PATH}/gaps", asked)["gaps"]:
            raise Refused


@group.command()
def revisions(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME".')],
    version: Annotated[int | None, typer.Option(min=1, help="Only of this version.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the published cards of a dataset, and which of them facts have overtaken."""
    namespace, name = split_name(dataset)
    asked = {"namespace": namespace, "name": name, "version": version, "kind": kind}
    with connected() as client:
        found = client.get(f"{PATH}/revisions", asked)
    if as_json:
        show_json(found)
        return
    show_table(
        ["CARD", "KIND", "VERSION", "REVISION", "PUBLISHED", "BY", "OVERTAKEN"],
        [
            (
                each["id"],
                each["kind"],
                each["version"],
                each["revision"],
                moment_text(each["published_at"]),
                each["published_by"],
                each["overtaken"],
            )
            for each in found["revisions"]
        ],
        empty="No card of it is published.",
        right=["VERSION", "REVISION"],
    )


@group.command()
def revision(
    card: RevisionArgument,
    format_: Annotated[
        str | None, typer.Option("--format", help="Give the card itself, as `card show` does.")
    ] = None,
    signed: Annotated[
        bool, typer.Option("--signed", help="Give it as it was signed, for `card verify`.")
    ] = False,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a published card is, or give it: made from what was signed."""
    path = f"{PATH}/revisions/{in_path(card)}"
    with connected() as client:
        if signed:
            _write(client, f"{path}/envelope", {}, "json", output)
        elif format_ is not None:
            _write(client, path, {"format": format_}, format_, output)
        else:
            _show_revision(client.get(path), as_json)


@group.command()
def diff(
    card: RevisionArgument,
    against: Annotated[
        str | None, typer.Option(help="Another revision, or now; else the one before.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which facts changed between two published cards, or since one."""
    with connected() as client:
        found = client.get(f"{PATH}/revisions/{in_path(card)}/diff", {"against": against})
    if as_json:
        show_json(found)
        return
    after = "now" if found["after"] is None else f"revision {found['after']}"
    say(
        f"From revision {found['before']} to {after}: "
        f"{counted(len(found['facts']), 'fact', 'facts')} changed."
    )
    for sentence in found["changes"]:
        say(f"  {sentence}")


@group.command()
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A bundle, a signed card or statement.")
    ],
    key: Annotated[
        Path, typer.Option(metavar="KEYFILE", help="PEM or verifier key lines of who signed it.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Verify a card with a public key and nothing else. Exit 1 where it fails."""
    from registry.audit.notes import read_keys
    from registry.cards.verifying import verify_file

    try:
        keys = read_keys(key.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{key} is not text.", remedy="Give the keys as the registry wrote them."
        ) from error
    found = verify_file(file.read_bytes(), keys)
    if as_json:
        show_json({"verified": True, **found})
        return
    show_facts([(name.replace("_", " ").capitalize(), value) for name, value in found.items()])
    say("It verifies: this was signed, and nothing of it was changed.")


@group.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Croissant, or a card of the Hugging Face Hub.")
    ],
    dataset: Annotated[str, typer.Option(help='What it is of: "NAMESPACE NAME".')],
    version: Annotated[int | None, typer.Option(min=1, help="Of this version alone.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Take what a card that was written elsewhere says as statements of yours."""
    namespace, name = split_name(dataset)
    asked = {"namespace": namespace, "name": name, "version": version}
    with connected() as client:
        found = client.request(
            "POST", f"{PATH}/imports", params=asked, content=file.read_bytes()
        ).json()
    if as_json:
        show_json(found)
        return
    show_table(
        ["STATEMENT", "KIND", "SAID"],
        [(each["id"], each["kind"], each["text"]) for each in found["statements"]],
        empty="It says nothing that a statement is made of.",
    )
    for each in found["left_out"]:
        note(f"Left out {each['place']}: {each['reason']}")
    if found["kept"]:
        places = counted(len(found["kept"]), "place", "places")
        note(f"Kept as it is, from {places}: {', '.join(found['kept'])}.")


def _write(
    client: HttpClient, path: str, asked: Parameters, format_: str, output: Path | None
) -> None:
    """Write a document to a file, or to stdout where that is text."""
    if output is None and format_ in _BINARY:
        raise typer.BadParameter(f"{format_} is written to a file.", param_hint="--output")
    body = client.request("GET", path, params=asked).content
    if output is None:
        text = body.decode()
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    output.write_bytes(body)
    note(f"It is in {output}.")


def _show_gaps(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_table(
        ["QUESTION", "CLAUSE", "ASKS", "MISSING", "SUPPLIED BY", "BLOCKS"],
        [
            (
                each["id"],
                each["clause"],
                each["question"],
                ", ".join(f"{one['title']} ({one['words']})" for one in each["missing"]),
                "; ".join(dict.fromkeys(one["supplied_by"] for one in each["missing"])),
                each["blocks"],
            )
            for each in found["gaps"]
        ],
        empty="Nothing is missing.",
    )
    blocking = f", {found['blocking']} of them forbid publishing" if found["blocking"] else ""
    note(
        f"{found['answered']} of {found['asked']} questions are answered; "
        f"{counted(len(found['gaps']), 'gap', 'gaps')}{blocking}."
    )


def _show_revision(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    about = f"{found['namespace']} {found['name']} (version {found['version']})"
    show_facts(
        [
            ("Card", found["id"]),
            ("Of", about),
            ("Kind", found["kind"]),
            ("Revision", found["revision"]),
            ("Published", moment_text(found["published_at"])),
            ("By", found["published_by"]),
            ("Digest", found["digest"]),
            ("Before it", found["previous"]),
            ("Keep until", found["keep_until"] or "the clock of no system has begun"),
            ("Latest", found["is_latest"]),
            ("Overtaken by facts", found["overtaken"]),
            ("Entry in the log", found["audit_index"]),
        ]
    )
