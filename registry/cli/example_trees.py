"""Shows answers about single examples: the way back as a tree, what became of one as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from registry.cli.output import clean, gap, moment_text, say, show_table, show_tree

if TYPE_CHECKING:
    from rich.tree import Tree

Answer = Mapping[str, Any]


def backward_tree(answer: Answer) -> Tree:
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
            _add_source(branch, source)
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


def show_sample(answer: Answer) -> None:
    """Print each drawn example as a tree, with what reading its file row again gave."""
    say(f"{len(answer['examples'])} of {answer['population']:,} examples, seed {answer['seed']}")
    for item in answer["examples"]:
        gap()
        show_tree(backward_tree(item["trace"]))
        say(f"  file row read again: {item['reread'].replace('_', ' ')}")


def _place(place: Answer) -> str:
    name = f"{place['namespace']} {place['dataset']}"
    return clean(f"{name}  batch {place['batch_name']}, example {place['ordinal']:,}")


def _add_source(branch: Tree, source: Answer) -> None:
    """Where the example entered: its id and licence, what it was read from, where its row lies."""
    said = [f"source {source['example_id'] or '(no id)'}", source["license"] or ""]
    below = branch.add(clean("  ".join(filter(None, said))))
    if source["source_uri"] or source["origin_uri"]:
        below.add(clean(f"came from {source['source_uri'] or source['origin_uri']}"))
    if source["file"]:
        below.add(clean(f"lies in {source['file']['uri']} row {source['file']['row']:,}"))


def show_forward(answer: Answer) -> None:
    """Print what became of an example: batches, versions and models."""
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
    show_notes(answer)


def show_notes(answer: Answer) -> None:
    """Print what an answer does not know or does not show."""
    for step in answer["unknown"]:
        say(f"Unknown: {step['job_namespace']} {step['job']}: {step['reason']}")
    if answer["also"]:
        say(f"{len(answer['also'])} more examples fit the question.")
    if answer.get("cut"):
        say("There are more steps than are shown.")
