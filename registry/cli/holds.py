"""`registry hold …`: duties to keep, placed by one person and lifted by two."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import LimitOption, show_list, some
from registry.cli.output import JsonOption, moment_text, note, show_facts, show_json

group = typer.Typer(name="hold", help="Duties to keep data.", no_args_is_help=True)
PATH = "/api/v1/holds"
HoldArgument = Annotated[str, typer.Argument(metavar="HOLD", help="Id of the hold.")]


@group.command()
def place(
    matter: Annotated[str, typer.Option(help="The matter it is for.")],
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why it is needed.")],
    ground: Annotated[str, typer.Option(help="17_3_b, 17_3_c, 17_3_d or 17_3_e of the GDPR.")],
    dataset: Annotated[str | None, typer.Option(help='"NAMESPACE NAME".')] = None,
    version: Annotated[int | None, typer.Option(help="Only this version.")] = None,
    batch: Annotated[str | None, typer.Option(help="Only this batch, by name or number.")] = None,
    ordinal: Annotated[int | None, typer.Option(help="Only this example of the batch.")] = None,
    subject: Annotated[str | None, typer.Option(help="A person, as SCHEME=VALUE.")] = None,
    until: Annotated[str | None, typer.Option(help="RFC 3339 time at which it ends.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Place a hold on a dataset, a part of one, or a person's data."""
    item: dict[str, Any] = {"version": version, "ordinal": ordinal}
    if dataset is not None:
        item["namespace"], item["name"] = split_name(dataset)
    if batch is not None:
        item["batch"] = int(batch) if batch.isascii() and batch.isdigit() else batch
    if subject is not None:
        scheme, mark, value = subject.partition("=")
        if not mark:
            raise typer.BadParameter("write --subject SCHEME=VALUE")
        item["subject"] = {"scheme": scheme, "value": value}
    body = {
        "items": [{name: value for name, value in item.items() if value is not None}],
        "matter": matter,
        "owner": owner,
        "reason": reason,
        "ground": ground,
        "until": until,
    }
    with connected() as client:
        _show(client.post(PATH, body), as_json)


@group.command()
def lift(
    hold: HoldArgument,
    reason: Annotated[str | None, typer.Option(help="Ask to lift it, and why.")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Grant what was asked.")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="Leave it in force.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask to lift a hold, or answer as the second person."""
    if (reason is not None) + approve + refuse != 1:
        raise typer.BadParameter("give one of --reason, --approve and --refuse")
    path = f"{PATH}/{in_path(hold)}/lift"
    with connected() as client:
        if reason is not None:
            shown = client.post(path, {"reason": reason})
        else:
            shown = client.post(f"{path}/{'approve' if approve else 'refuse'}")
    _show(shown, as_json)
    if shown["state"] == "lift_asked":
        note("It holds until a second person says: registry hold lift HOLD --approve")


@group.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="active, lift_asked or lifted.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the holds, the newest first."""
    with connected() as client:
        holds, total = some(client, PATH, "holds", limit, {"state": state})
    show_list(
        "holds",
        holds,
        total,
        ["HOLD", "STATE", "HOLDS", "MATTER", "OWNER", "GROUND", "ITEMS", "PLACED", "ENDS"],
        (
            (
                each["id"],
                each["state"],
                each["holds"],
                each["matter"],
                each["owner"],
                each["ground"],
                _items(each),
                moment_text(each["placed_at"]),
                moment_text(each["until"]),
            )
            for each in holds
        ),
        as_json,
    )


def _show(hold: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(hold)
        return
    show_facts(
        [
            ("Hold", hold["id"]),
            ("State", hold["state"]),
            ("Items", _items(hold)),
            ("Matter", hold["matter"]),
            ("Owner", hold["owner"]),
            ("Reason", hold["reason"]),
            ("Ground", hold["ground"]),
            ("Placed", moment_text(hold["placed_at"])),
            ("Ends", moment_text(hold["until"])),
            ("Why lift", hold["lift_reason"]),
            ("Lifted", moment_text(hold["lifted_at"])),
        ]
    )


def _items(hold: dict[str, Any]) -> list[str]:
    return [_item(item) for item in hold["items"]]


def _item(item: dict[str, Any]) -> str:
    name = " ".join(part for part in (item["namespace"], item["name"]) if part)
    numbers = {"version": item["version"], "batch": item["batch"], "ordinal": item["ordinal"]}
    return " ".join(
        [item["kind"], *([name] if name else [])]
        + [f"{label} {number}" for label, number in numbers.items() if number is not None]
    )
