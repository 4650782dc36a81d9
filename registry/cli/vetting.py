"""`registry vet`, `registry retention due`: what is there, held against the policies."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli.connection import connected, split_name
from registry.cli.edge import Refused
from registry.cli.examples import DatasetArgument, VersionOption
from registry.cli.listing import API
from registry.cli.output import JsonOption, gap, note, say, show_json, show_table

retention = typer.Typer(name="retention", help="How long what may be kept.", no_args_is_help=True)
_ASKED = {
    "clear_rights": "Clear rights to train?",
    "represents_population": "Represents the population?",
    "traceable": "Traceable for each example?",
}


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(vet)
    app.add_typer(retention)


def vet(
    dataset: DatasetArgument,
    version: VersionOption = None,
    purpose: Annotated[str, typer.Option(help="What for.")] = "model_training",
    as_json: JsonOption = False,
) -> None:
    """Is a version fit to be trained on? Exit 1 unless every answer is yes."""
    namespace, name = split_name(dataset)
    body = {"dataset": {"namespace": namespace, "name": name, "version": version}}
    with connected() as client:
        answer = client.post(f"{API}/vettings", body | {"purpose": purpose})
    if as_json:
        show_json(answer)
    else:
        say(f"{answer['namespace']} {answer['name']}, version {answer['version']}")
        show_table(
            ["QUESTION", "ANSWER", "EVIDENCE"],
            [
                (
                    _ASKED[each["question"]],
                    each["answer"].replace("_", " "),
                    "; ".join(each["evidence"]),
                )
                for each in answer["findings"]
            ],
            empty="",
        )
    if any(each["answer"] != "yes" for each in answer["findings"]):
        raise Refused


@retention.command("due")
def due(as_json: JsonOption = False) -> None:
    """What retention rules want gone now. A dry run: nothing is opened, nothing is erased."""
    with connected() as client:
        answer = client.get(f"{API}/retention/due")
    if as_json:
        show_json(answer)
        return
    show_table(
        ["DATASET", "BATCH", "EXAMPLES", "RULE", "ACTION", "DUE", "STATE"],
        [
            (
                item["dataset"],
                item["batch"],
                item["rows"],
                item["rule"],
                item["action"],
                item["due_at"][:10],
                item["state"],
            )
            for item in answer["due"]
        ],
        empty="Nothing is due.",
        right=["BATCH", "EXAMPLES"],
    )
    if answer["records"]:
        gap()
        show_table(
            ["LOG", "RULE", "BEFORE", "ROWS", "KEPT"],
            [
                (
                    each["log"].replace("_", " "),
                    each["rule"],
                    each["before"][:10],
                    each["due"],
                    each["kept"],
                )
                for each in answer["records"]
            ],
            empty="",
            right=["ROWS", "KEPT"],
        )
    for rule in answer["idle_rules"]:
        note(f"The rule {rule} is about no batch at all.")
