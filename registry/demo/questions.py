"""What the demo asks the registry about single examples, once the ledger has them all.

wait_until_bound(client, …)         the ledger works in the background; a pipeline never waits
example = ask_example(client, …)    one example of the training data: back, and forward
sample = ask_sample(client)         five more, drawn by a seed, each file row read again
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from registry.client.http import HttpClient
from registry.demo import datasets
from registry.demo.pipeline import Audience
from registry.demo.standard_library import Library
from registry.errors import ConflictError, UnavailableError

PATIENCE_SECONDS = 120.0
SAMPLED = 5
SEED = 1
LINES_SHOWN = 6
_POLL_SECONDS = 0.1
_OF_EXAMPLES = (
    datasets.RAW,
    datasets.CLEAN,
    datasets.UNIQUE,
    datasets.TRAIN,
    datasets.VALIDATION,
)


@dataclass(frozen=True, slots=True)
class SourceLines:
    """The first lines of the function that an example is, read where the registry says."""

    path: str
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OneExample:
    """The answers about one example: where it came from, the code there, what became of it."""

    backward: dict[str, Any]
    code: SourceLines
    forward: dict[str, Any]


def wait_until_bound(client: HttpClient, audience: Audience) -> None:
    """Wait until the ledger has bound every batch of examples.

    Raises ConflictError for a batch that cannot be bound, UnavailableError after two minutes.
    """
    audience.begin("bind", len(_OF_EXAMPLES))
    until = time.monotonic() + PATIENCE_SECONDS
    bound = examples = 0
    for dataset in _OF_EXAMPLES:
        found = _batches(client, dataset)
        while any(batch["state"] != "bound" for batch in found):
            _refuse_failed(dataset, found, until)
            time.sleep(_POLL_SECONDS)
            found = _batches(client, dataset)
        bound += len(found)
        examples += sum(batch["rows"] or 0 for batch in found)
        audience.advance()
    audience.end(f"{bound} batches, {examples:,} rows: each can be traced")


def _refuse_failed(dataset: tuple[str, str], found: list[dict[str, Any]], until: float) -> None:
    """Raise where a batch failed, or it took too long."""
    failed = [batch["batch_name"] for batch in found if batch["state"] == "failed"]
    if failed:
        raise ConflictError(
            f"Batch {failed[0]} of {' '.join(dataset)} could not be bound.",
            remedy="Look into the server's log in the demo's folder.",
        )
    if time.monotonic() > until:
        raise UnavailableError(
            f"The batches of {' '.join(dataset)} are not bound yet.",
            remedy="The machine may be busy: run the demo again.",
        )


def _batches(client: HttpClient, dataset: tuple[str, str]) -> list[dict[str, Any]]:
    """The batches of a dataset's only version, with their states."""
    found = client.post("/api/v1/versions/recipe", {"dataset": _asked(dataset)})
    return list(found["batches"])


def _asked(dataset: tuple[str, str]) -> dict[str, str]:
    return {"namespace": dataset[0], "name": dataset[1]}


def ask_example(client: HttpClient, library: Library) -> OneExample:
    """The first example that the model was trained on, back to its line and forward to the model.

    Raises ConflictError where the line is not there.
    """
    first = {"batch": "all", "ordinal": 0}
    question = {"dataset": _asked(datasets.TRAIN), "address": first}
    backward = client.post("/api/v1/trace", question)
    source = backward["sources"][0]
    entered = {"batch": source["batch"], "ordinal": source["ordinal"]}
    forward = client.post(
        "/api/v1/trace",
        {"dataset": _asked(datasets.RAW), "address": entered, "direction": "forward"},
    )
    return OneExample(backward, read_lines(library, source["source_uri"]), forward)


def read_lines(library: Library, uri: str) -> SourceLines:
    """The lines that `…/Lib/json/decoder.py#L332-L347` names, in the installed copy."""
    parts = urlsplit(uri)
    within = parts.path.partition("/Lib/")[2]
    first, _, last = parts.fragment.replace("L", "").partition("-")
    text = (library.folder / within).read_bytes().decode("utf-8", "replace")
    lines = text.replace("\r\n", "\n").split("\n")[int(first) - 1 : int(last)]
    if not lines:
        raise ConflictError(
            f"{within} has no line {first}, where an example came from.",
            remedy="Python's library changed meanwhile; run the demo again.",
        )
    return SourceLines(f"Lib/{within}", int(first), tuple(lines[:LINES_SHOWN]))


def ask_sample(client: HttpClient) -> dict[str, Any]:
    """Examples of the training data, drawn by a seed and each walked to its source."""
    question = {"dataset": _asked(datasets.TRAIN), "size": SAMPLED, "seed": SEED}
    return dict(client.post("/api/v1/samples", question))
