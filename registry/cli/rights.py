"""`registry rights …`: where data comes from, what it may be used for, and who looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected, split_name
from registry.cli.listing import LimitOption, show_list, some
from registry.cli.output import JsonOption, gap, show_facts, show_json, show_table

if TYPE_CHECKING:
    from registry.client.http import Parameters

group = typer.Typer(name="rights", help="Sources, licences and terms.", no_args_is_help=True)
PATH = "/api/v1/rights"
DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME".')]
VersionOption = Annotated[int | None, typer.Option(min=1, help="The current one if left out.")]
USES = ("ai_training", "commercial_use", "redistribution", "derivatives")


def _asked(dataset: str, version: int | None) -> Parameters:
    namespace, name = split_name(dataset)
    return {"namespace": namespace, "name": name, "version": version}


@group.command()
def sources(
    dataset: DatasetArgument,
    version: VersionOption = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List where each batch of a version comes from, and on what terms."""
    with connected() as client:
        found, total = some(client, f"{PATH}/sources", "sources", limit, _asked(dataset, version))
    show_list(
        "sources",
        found,
        total,
        ["BATCH", "NAME", "KIND", "ORIGIN", "LICENCE", "GRADE", "TRAINING", "OPT-OUT"],
        (
            (
                each["batch"],
                each["name"],
                each["origin_kind"],
                each["origin_uri"],
                each["license"],
                each["facts"]["license"]["grade"],
                each["terms"]["ai_training"],
                [
                    f"{signal['protocol']} {'reserved' if signal['reserved'] else 'open'}"
                    for signal in each["opt_out"]
                ],
            )
            for each in found
        ),
        as_json,
    )


@group.command()
def terms(
    dataset: DatasetArgument, version: VersionOption = None, as_json: JsonOption = False
) -> None:
    """Show what a version may be used for, by everything it was made from."""
    with connected() as client:
        found = client.get(f"{PATH}/terms", _asked(dataset, version))
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            ("Dataset", f"{found['namespace']} {found['name']} version {found['version']}"),
            *((use.replace("_", " ").capitalize(), found["terms"][use]) for use in USES),
            ("Conditions", found["terms"]["conditions"] or None),
            ("Opt-out", "a source reserved its rights" if found["reserved"] else None),
        ]
    )
    gap()
    show_table(
        ["BATCH", "TRAINING", "COMMERCIAL", "REDISTRIBUTION", "DERIVATIVES", "NOT KNOWN"],
        [
            (each["batch"], *(each["terms"][use] for use in USES), each["unknown"])
            for each in found["batches"]
        ],
        empty="It has no batches.",
        right=["BATCH"],
    )


@group.command()
def verify(
    dataset: DatasetArgument,
    batch: Annotated[str, typer.Option(help="Its name or number.")],
    fact: Annotated[str, typer.Option(help="license, terms, contract, origin or legal_basis.")],
    evidence: Annotated[str, typer.Option(help="sha256 of what proves it.")],
    value: Annotated[str | None, typer.Option(help="What it is, if not as recorded.")] = None,
    note: Annotated[str | None, typer.Option(help="A few words.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a recorded fact of a batch is, after looking at what proves it."""
    namespace, name = split_name(dataset)
    body: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "batch": int(batch) if batch.isascii() and batch.isdigit() else batch,
        "fact": fact,
        "evidence": evidence,
        "value": value,
        "note": note,
    }
    with connected() as client:
        made = client.post(f"{PATH}/verifications", body)
    if as_json:
        show_json(made)
    else:
        show_facts([("Batch", made["batch"]), (made["fact"].capitalize(), made["value"])])
