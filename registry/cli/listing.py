"""Reads lists page by page and shows them: what every command about the catalog shares."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.output import note, show_json, show_table

if TYPE_CHECKING:
    from registry.client.http import HttpClient, Parameters

API = "/api/v1"
PAGE = 500
# Columns of numbers, and those that are never folded.
NUMBERS = {"VERSION", "EXAMPLES", "FILES", "BATCH"}
WHOLE = {"RUN", "STATE", "STARTED", "ENDED", "UPDATED", "TOOK", "LATEST RUN", "KIND", "MODE"}

LimitOption = Annotated[int, typer.Option(min=1, help="At most so many.")]
NamespaceArgument = Annotated[
    str | None, typer.Argument(metavar="[NAMESPACE]", help="Only this namespace.")
]


def some(
    client: HttpClient, path: str, key: str, limit: int, params: Parameters | None = None
) -> tuple[list[dict[str, Any]], int]:
    """The first items of a list, and how many there are in all."""
    wanted: Parameters = {**(params or {}), "limit": min(limit, PAGE)}
    first = client.get(path, wanted)
    items = list(islice(client.pages(path, key, wanted, first), limit))
    return items, int(first["totalCount"])


def show_list(
    key: str,
    items: list[dict[str, Any]],
    total: int,
    columns: list[str],
    rows: Iterable[tuple[object, ...]],
    as_json: bool,
) -> None:
    """Show a list as a table, and say where there is more of it."""
    if as_json:
        show_json({key: items, "totalCount": total})
        return
    show_table(
        columns,
        list(rows),
        empty=f"There are no {key}.",
        right=[name for name in columns if name in NUMBERS],
        whole=[name for name in columns if name in WHOLE],
    )
    if len(items) < total:
        note(f"{len(items):,} of {total:,}; more with --limit.")


def job_text(run: dict[str, Any] | None) -> str | None:
    """The job of a run, by name."""
    job = (run or {}).get("jobVersion")
    return f"{job['namespace']} {job['name']}" if job else None
