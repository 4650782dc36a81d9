"""`registry register …` and `registry share …`: what is processed, and who was given what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import LimitOption, show_list, some
from registry.cli.output import JsonOption, moment_text, show_facts, show_json, show_table

group = typer.Typer(
    name="register", help="Processing activities and recipients.", no_args_is_help=True
)
shares = typer.Typer(name="share", help="Which version went to whom.", no_args_is_help=True)
PATH = "/api/v1/register"


class Kind(StrEnum):
    """What the register holds."""

    ACTIVITIES = "activities"
    RECIPIENTS = "recipients"


_LISTS = {"purposes", "subject_categories", "data_categories", "recipients", "transfers"}
KindArgument = Annotated[Kind, typer.Argument(metavar="KIND", help="activities or recipients.")]
EntryArgument = Annotated[str, typer.Argument(metavar="ID", help="A short name of your own.")]


@group.command("list")
def list_(kind: KindArgument, as_json: JsonOption = False) -> None:
    """List what the register holds of a kind."""
    with connected() as client:
        found = client.get(f"{PATH}/{kind}")
    if as_json:
        show_json(found)
        return
    show_table(
        ["ID", "NAME", "REVISION", "RETIRED", "CHANGED"],
        [
            (e["id"], e["name"], e["revision"], e["retired"], moment_text(e["changed_at"]))
            for e in found[kind]
        ],
        empty=f"There are no {kind}.",
        right=["REVISION"],
    )


@group.command()
def show(kind: KindArgument, entry: EntryArgument, as_json: JsonOption = False) -> None:
    """Show an entry of the register."""
    with connected() as client:
        _show(client.get(f"{PATH}/{kind}/{in_path(entry)}"), as_json)


@group.command("set")
def set_(
    kind: KindArgument,
    entry: EntryArgument,
    facts: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE...", help="A list: give it several times.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Add a revision of an entry; what is left out stays as it was."""
    body: dict[str, Any] = {}
    for fact in facts:
        name, mark, value = fact.partition("=")
        if not mark:
            raise typer.BadParameter(f"{fact!r} is no FIELD=VALUE")
        if kind is Kind.ACTIVITIES and name in _LISTS:
            body.setdefault(name, []).append(value)
        elif name == "retired":
            body[name] = value == "true"
        else:
            body[name] = value or None
    with connected() as client:
        made = client.request("PUT", f"{PATH}/{kind}/{in_path(entry)}", json=body).json()
    _show(made, as_json)


@shares.command()
def add(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME".')],
    version: Annotated[int, typer.Option(min=1, help="Which version went.")],
    to: Annotated[str, typer.Option(help="Id of the recipient.")],
    at: Annotated[str | None, typer.Option(help="RFC 3339 time; now if left out.")] = None,
    activity: Annotated[str | None, typer.Option(help="Id of the processing activity.")] = None,
    purpose: Annotated[str | None, typer.Option(help="For which purpose.")] = None,
    terms: Annotated[str | None, typer.Option(help="Under what terms.")] = None,
    terms_digest: Annotated[str | None, typer.Option(help="Digest of their text.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record that a version went to a recipient."""
    namespace, name = split_name(dataset)
    body = {
        "namespace": namespace,
        "name": name,
        "version": version,
        "recipient": to,
        "shared_at": at,
        "activity": activity,
        "purpose": purpose,
        "terms": terms,
        "terms_sha256": terms_digest,
    }
    with connected() as client:
        made = client.post(f"{PATH}/shares", body)
    if as_json:
        show_json(made)
    else:
        show_facts([("Share", made["id"])])


@shares.command("list")
def list_shares(
    dataset: Annotated[str | None, typer.Option(help='Only of this: "NAMESPACE NAME".')] = None,
    to: Annotated[str | None, typer.Option(help="Only with this recipient.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List what was shared, the last recorded first."""
    namespace, name = (None, None) if dataset is None else split_name(dataset)
    wanted = {"namespace": namespace, "name": name, "recipient": to}
    with connected() as client:
        found, total = some(client, f"{PATH}/shares", "shares", limit, wanted)
    show_list(
        "shares",
        found,
        total,
        ["SHARED", "DATASET", "VERSION", "RECIPIENT", "PURPOSE", "TERMS"],
        (
            (
                moment_text(each["shared_at"]),
                f"{each['namespace']} {each['name']}",
                each["version"],
                each["recipient_name"] or each["recipient"],
                each["purpose"],
                each["terms"],
            )
            for each in found
        ),
        as_json,
    )


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            (
                name.replace("_", " ").capitalize(),
                moment_text(value) if name == "changed_at" else value,
            )
            for name, value in found.items()
            if value not in (None, [])
        ]
    )
