"""`registry trace`, `sample`, `locate`, `version verify`: questions about single examples."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, split_name
from registry.cli.edge import Refused
from registry.cli.example_trees import backward_tree, show_forward, show_notes, show_sample
from registry.cli.listing import API
from registry.cli.output import (
    JsonOption,
    gap,
    say,
    show_json,
    show_table,
    show_tree,
)

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
    body = {"dataset": _dataset(dataset, version), "direction": direction, **_named(example)}
    with connected() as client:
        answer = client.post(f"{API}/trace", body)
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
    say(f"{answer['examples']:,} examples of this person.")
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
        say(f"{len(unsearched)} batches could not be searched for a person:")
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
        odd = [item for item in answer["checked"] if item["found"] != "identical"]
        same = len(answer["checked"]) - len(odd)
        say(f"{answer['verdict'].replace('_', ' ')}: {same} of {len(answer['checked'])} files and")
        say(f"maps of {answer['batches']} batches were read and are identical.")
        if odd:
            show_table(
                ["FOUND", "BATCH", "WHAT"],
                [(item["found"], item["batch_name"], item["what"]) for item in odd[:50]],
                empty="",
            )
    if answer["verdict"] != "identical":
        raise Refused


def _dataset(text: str, version: int | None) -> dict[str, Any]:
    namespace, name = split_name(text)
    return {"namespace": namespace, "name": name, "version": version}


def _named(example: str) -> dict[str, Any]:
    """What was typed: a digest, a batch and ordinal, or else an example id."""
    if example.startswith("sha256:") and len(example) == 71:
        return {"digest": example}
    batch, colon, ordinal = example.rpartition(":")
    if colon and batch and ordinal.isascii() and ordinal.isdigit():
        return {"address": {"batch": batch, "ordinal": int(ordinal)}}
    return {"example_id": example}
