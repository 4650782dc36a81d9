"""`registry restrictions …`, `registry suppressions …`: what must not be used, or come back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import API, LimitOption, show_list, some
from registry.cli.output import JsonOption, moment_text, show_facts, show_json

restrictions = typer.Typer(
    name="restrictions", help="Data that is kept and not used.", no_args_is_help=True
)
suppressions = typer.Typer(
    name="suppressions", help="What must not come in again.", no_args_is_help=True
)
RESTRICTIONS, SUPPRESSIONS = f"{API}/restrictions", f"{API}/suppressions"
ReasonOption = Annotated[str, typer.Option(help="Why.")]
InForceOption = Annotated[
    bool | None, typer.Option("--in-force/--ended", help="Only those in force, or no more.")
]
CaseOption = Annotated[str | None, typer.Option(help="Only those of this case.")]


@restrictions.command("list")
def list_restrictions(
    in_force: InForceOption = None,
    case: CaseOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the restrictions, the newest first."""
    with connected() as client:
        found, total = some(client, RESTRICTIONS, "restrictions", limit, _wanted(in_force, case))
    show_list(
        "restrictions",
        found,
        total,
        ["RESTRICTION", "IN FORCE", "WHAT", "REASON", "CASE", "PLACED", "LIFTED"],
        (
            (
                each["id"],
                each["in_force"],
                _what(each),
                each["reason"],
                each["case"],
                moment_text(each["recorded_at"]),
                moment_text(each["lifted_at"]),
            )
            for each in found
        ),
        as_json,
    )


@restrictions.command("place")
def place(
    reason: ReasonOption,
    dataset: Annotated[str | None, typer.Option(help='"NAMESPACE NAME".')] = None,
    batch: Annotated[str | None, typer.Option(help="The batch, by name or number.")] = None,
    ordinal: Annotated[
        list[int] | None, typer.Option(help="Only this example of the batch; may be repeated.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="A person, as SCHEME=VALUE.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Restrict examples of a batch, a batch, or a person's data."""
    items: list[dict[str, Any]] = []
    if dataset is not None or batch is not None:
        if dataset is None or batch is None:
            raise typer.BadParameter("give --dataset and --batch together")
        namespace, name = split_name(dataset)
        number = int(batch) if batch.isascii() and batch.isdigit() else batch
        of_batch = {"namespace": namespace, "name": name, "batch": number}
        items += [{**of_batch, "ordinal": each} for each in ordinal or ()] or [of_batch]
    if subject is not None:
        scheme, mark, value = subject.partition("=")
        if not mark:
            raise typer.BadParameter("write --subject SCHEME=VALUE")
        items.append({"subject": {"scheme": scheme, "value": value}})
    if not items:
        raise typer.BadParameter("give --dataset and --batch, or --subject")
    with connected() as client:
        made = client.post(RESTRICTIONS, {"items": items, "reason": reason})
    if as_json:
        show_json(made)
        return
    for each in made["restrictions"]:
        _show_restriction(each)


@restrictions.command("lift")
def lift_restriction(
    restriction: Annotated[str, typer.Argument(metavar="RESTRICTION", help="Its id.")],
    reason: ReasonOption,
    as_json: JsonOption = False,
) -> None:
    """Lift a restriction; one of a case ends with the case."""
    with connected() as client:
        ended = client.post(f"{RESTRICTIONS}/{in_path(restriction)}/lift", {"reason": reason})
    if as_json:
        show_json(ended)
    else:
        _show_restriction(ended)


@suppressions.command("list")
def list_suppressions(
    in_force: InForceOption = None,
    case: CaseOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List what must not come in again, the newest first; not who or what it is."""
    with connected() as client:
        found, total = some(client, SUPPRESSIONS, "suppressions", limit, _wanted(in_force, case))
    show_list(
        "suppressions",
        found,
        total,
        ["SUPPRESSION", "IN FORCE", "KIND", "REGIME", "BASIS", "CASE", "ADDED", "ENDS", "LIFTED"],
        (
            (
                each["id"],
                each["in_force"],
                each["kind"],
                each["regime"],
                each["basis"],
                each["case"],
                moment_text(each["recorded_at"]),
                moment_text(each["until"]),
                moment_text(each["lifted_at"]),
            )
            for each in found
        ),
        as_json,
    )


@suppressions.command("lift")
def lift_suppression(
    suppression: Annotated[str, typer.Argument(metavar="SUPPRESSION", help="Its id.")],
    reason: ReasonOption,
    as_json: JsonOption = False,
) -> None:
    """Let something come in again, because of new consent, say."""
    with connected() as client:
        ended = client.post(f"{SUPPRESSIONS}/{in_path(suppression)}/lift", {"reason": reason})
    if as_json:
        show_json(ended)
        return
    show_facts(
        [
            ("Suppression", ended["id"]),
            ("Kind", ended["kind"]),
            ("Basis", f"{ended['regime']}: {ended['basis']}"),
            ("Added", moment_text(ended["recorded_at"])),
            ("Lifted", moment_text(ended["lifted_at"])),
            ("Why", ended["lift_reason"]),
        ]
    )


def _wanted(in_force: bool | None, case: str | None) -> dict[str, str | None]:
    return {"in_force": None if in_force is None else str(in_force).lower(), "case": case}


def _show_restriction(found: dict[str, Any]) -> None:
    show_facts(
        [
            ("Restriction", found["id"]),
            ("What", _what(found)),
            ("Reason", found["reason"]),
            ("Case", found["case"]),
            ("Placed", moment_text(found["recorded_at"])),
            ("Lifted", moment_text(found["lifted_at"])),
            ("Why lifted", found["lift_reason"]),
        ]
    )


def _what(found: dict[str, Any]) -> str:
    if found["batch"] is None:
        return "a person's data"
    name = " ".join(part for part in (found["namespace"], found["name"]) if part)
    some = "" if found["examples"] is None else f", {found['examples']} examples"
    return f"{name} batch {found['batch']}{some}".strip()
