"""`registry trace`, `sample`, `locate`, `version verify`: questions about single examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected, split_name
from registry.cli.edge import Refused
from registry.cli.example_trees import backward_tree, show_forward, show_notes, show_sample
from registry.cli.listing import API
from registry.cli.output import (
    JsonOption,
    counted,
    gap,
    note,
    say,
    show_json,
    show_table,
    show_tree,
)
from registry.errors import NotFoundError

if TYPE_CHECKING:
    from registry.client.http import HttpClient

DatasetArgument = Annotated[str, typer.Argument(help='"NAMESPACE NAME" of the dataset.')]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="A version; without it the current one.")
]


def install(app: typer.Typer, version: typer.Typer) -> None:
    """Add the commands."""
    app.command()(trace)
    app.command()(sample)
    app.command()(locate)
    version.command("verify")(verify)


def trace(
    dataset: DatasetArgument,
    example: Annotated[
        str, typer.Argument(help="Example id, sha256:… of its content, or BATCH:ORDINAL.")
    ],
    forward: Annotated[
        bool, typer.Option("--forward", help="What became of it, not where it came from.")
    ] = False,
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Walk one example back to its sources, or forward to all that holds it."""
    direction = "forward" if forward else "backward"
    body = {"dataset": _dataset(dataset, version), "direction": direction}
    with connected() as client:
        answer = _traced(client, body, example)
    if as_json:
        show_json(answer)
    elif forward:
        show_forward(answer)
    else:
        show_tree(backward_tree(answer))
        show_notes(answer)


def sample(
    dataset: DatasetArgument,
    size: Annotated[int, typer.Option(min=1, max=1000, help="How many examples to draw.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same.")] = 0,
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw examples of a version by a seed, walk each to its source, and read that again."""
    body = {"dataset": _dataset(dataset, version), "size": size, "seed": seed}
    with connected() as client:
        answer = client.post(f"{API}/samples", body)
    if as_json:
        show_json(answer)
        return
    show_sample(answer)


def locate(
    scheme: Annotated[
        str, typer.Argument(help="email, phone, account, national_id, url, external")
    ],
    value: Annotated[str, typer.Argument(help="The person's identifier; it is not stored.")],
    as_json: JsonOption = False,
) -> None:
    """Count a person's examples by batch, and say where nobody could look."""
    with connected() as client:
        answer = client.post(
            f"{API}/subjects/locate", {"subject": {"scheme": scheme, "value": value}}
        )
    if as_json:
        show_json(answer)
        return
    say(f"{counted(answer['examples'], 'example', 'examples')} of this person.")
    show_table(
        ["DATASET", "BATCH", "EXAMPLES"],
        [
            (f"{row['namespace']} {row['dataset']}", row["batch_name"], row["count"])
            for row in answer["by_dataset"]
        ],
        empty="No batch that could be searched holds one.",
    )
    unsearched = [row for row in answer["coverage"] if row["searched"] == "not_searched"]
    if unsearched:
        gap()
        say(f"Not searched for a person: {counted(len(unsearched), 'batch', 'batches')}.")
        show_table(
            ["DATASET", "BATCH"],
            [
                (f"{row['namespace']} {row['dataset']}", row["batch_name"])
                for row in unsearched[:20]
            ],
            empty="",
        )


def verify(
    dataset: DatasetArgument, version: VersionOption = None, as_json: JsonOption = False
) -> None:
    """Read the files and maps of a version again; exit 1 unless all are identical."""
    with connected() as client:
        answer = client.post(f"{API}/versions/verify", {"dataset": _dataset(dataset, version)})
    if as_json:
        show_json(answer)
    else:
        _show_verification(answer)
    if answer["verdict"] != "identical":
        raise Refused


def _show_verification(answer: dict[str, Any]) -> None:
    odd = [item for item in answer["checked"] if item["found"] != "identical"]
    checked = len(answer["checked"])
    batches = counted(answer["batches"], "batch", "batches")
    verdict = answer["verdict"].replace("_", " ").capitalize()
    if checked:
        same = f"{checked - len(odd):,} of {counted(checked, 'file and map', 'files and maps')}"
        say(f"{verdict}: {same} of {batches} were read again and are as recorded.")
    else:
        say(f"{verdict}: no file or map of {batches} is recorded.")
    if odd:
        show_table(
            ["FOUND", "BATCH", "WHAT"],
            [
                (item["found"].replace("_", " "), item["batch_name"], item["what"])
                for item in odd[:50]
            ],
            empty="",
        )
    if any(item["found"] == "not_readable" for item in odd):
        note("The server reads only what is below one of its REGISTRY_FILE_ROOTS.")
    if answer["unbound"]:
        note(f"Not bound: {counted(len(answer['unbound']), 'batch', 'batches')}.")


def _dataset(text: str, version: int | None) -> dict[str, Any]:
    namespace, name = split_name(text)
    return {"namespace": namespace, "name": name, "version": version}


def _traced(client: HttpClient, body: dict[str, Any], example: str) -> dict[str, Any]:
    """The answer; what reads as BATCH:ORDINAL and is none may be an id with a colon."""
    named = _named(example)
    try:
        return dict(client.post(f"{API}/trace", {**body, **named}))
    except NotFoundError as error:
        if "address" not in named:
            raise
        try:
            return dict(client.post(f"{API}/trace", {**body, "example_id": example}))
        except NotFoundError:
            raise error from None


def _named(example: str) -> dict[str, Any]:
    """What was typed: a digest, a batch and ordinal, or else an example id."""
    if example.startswith("sha256:"):
        return {"digest": example}
    batch, colon, ordinal = example.rpartition(":")
    if colon and batch and ordinal.isascii() and ordinal.isdigit():
        return {"address": {"batch": batch, "ordinal": int(ordinal)}}
    return {"example_id": example}
