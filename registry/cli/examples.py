"""`registry trace`, `sample`, `locate`, `version verify`: questions about single examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected, split_name
from registry.cli.edge import Refused
from registry.cli.listing import API
from registry.cli.output import (
    JsonOption,
    clean,
    gap,
    moment_text,
    say,
    show_json,
    show_table,
    show_tree,
)

if TYPE_CHECKING:
    from rich.tree import Tree

Answer = Mapping[str, Any]
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
        _show_forward(answer)
    else:
        show_tree(_backward_tree(answer))
        _show_notes(answer)


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
    say(f"{len(answer['examples'])} of {answer['population']:,} examples, seed {answer['seed']}")
    for item in answer["examples"]:
        gap()
        show_tree(_backward_tree(item["trace"]))
        say(f"  file row read again: {item['reread'].replace('_', ' ')}")


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


def _backward_tree(answer: Answer) -> Tree:
    """The example at the root, below it what it was made from, down to its sources."""
    from rich.tree import Tree

    sources = {(s["batch"], s["ordinal"]): s for s in answer["sources"]}
    steps: dict[tuple[int, int], list[Answer]] = {}
    for step in answer["steps"]:
        steps.setdefault((step["to"]["batch"], step["to"]["ordinal"]), []).append(step)
    root = Tree(_place(answer["example"]))
    waiting = [(root, (answer["example"]["batch"], answer["example"]["ordinal"]))]
    while waiting:
        branch, address = waiting.pop()
        source = sources.get(address)
        if source is not None:
            branch.add(_source(source))
        for step in steps.get(address, ()):
            when = moment_text(step["at"]) or ""
            job = branch.add(
                clean(f"{step['role']} by {step['job_namespace']} {step['job']}  {when}")
            )
            for parent in step["from"][:20]:
                below = job.add(_place(parent))
                waiting.append((below, (parent["batch"], parent["ordinal"])))
            if len(step["from"]) > 20:
                job.add(f"and {len(step['from']) - 20} more")
    return root


def _place(place: Answer) -> str:
    name = f"{place['namespace']} {place['dataset']}"
    return clean(f"{name}  batch {place['batch_name']}, example {place['ordinal']:,}")


def _source(source: Answer) -> str:
    said = [f"source {source['example_id'] or '(no id)'}"]
    if source["source_uri"] or source["origin_uri"]:
        said.append(str(source["source_uri"] or source["origin_uri"]))
    if source["license"]:
        said.append(str(source["license"]))
    if source["file"]:
        said.append(f"{source['file']['uri']} row {source['file']['row']:,}")
    return clean("  ".join(said))


def _show_forward(answer: Answer) -> None:
    say(_place(answer["example"]))
    show_table(
        ["IN DATASET", "BATCH", "EXAMPLES"],
        [
            (f"{row['namespace']} {row['dataset']}", row["batch_name"], row["count"])
            for row in answer["batches"]
        ],
        empty="",
    )
    gap()
    show_table(
        ["VERSION OF", "VERSION", "STATE"],
        [
            (f"{row['namespace']} {row['dataset']}", row["version"], row["state"])
            for row in answer["versions"]
        ],
        empty="No version holds it.",
    )
    gap()
    show_table(
        ["MODEL", "RUN", "STATE"],
        [
            (f"{row['namespace']} {row['name']}", row["run"], row["state"])
            for row in answer["models"]
        ],
        empty="No model read a version of these datasets.",
    )
    _show_notes(answer)


def _show_notes(answer: Answer) -> None:
    for step in answer["unknown"]:
        say(f"Unknown: {step['job_namespace']} {step['job']}: {step['reason']}")
    if answer["also"]:
        say(f"{len(answer['also'])} more examples fit the question.")
    if answer.get("cut"):
        say("There are more steps than are shown.")
