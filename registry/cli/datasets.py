"""`registry namespaces|datasets|version …`: the data, and what it held when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import (
    API,
    PAGE,
    LimitOption,
    NamespaceArgument,
    job_text,
    show_list,
    some,
)
from registry.cli.output import (
    JsonOption,
    gap,
    moment_text,
    note,
    show_facts,
    show_json,
    show_table,
)
from registry.cli.recipes import files_text, recipe_facts, show_recipe

if TYPE_CHECKING:
    from registry.client.http import HttpClient

VERSIONS_SHOWN = 10
namespaces = typer.Typer(name="namespaces", help="Stores and groups of jobs.", no_args_is_help=True)
datasets = typer.Typer(name="datasets", help="Datasets and models.", no_args_is_help=True)
version = typer.Typer(name="version", help="Versions of datasets.", no_args_is_help=True)

DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME", split at the first space.')
]


@namespaces.command("list")
def list_namespaces(limit: LimitOption = 1000, as_json: JsonOption = False) -> None:
    """List the namespaces by name."""
    with connected() as client:
        items, total = some(client, f"{API}/namespaces", "namespaces", limit)
    rows = ((item["name"], moment_text(item.get("updatedAt"))) for item in items)
    show_list("namespaces", items, total, ["NAMESPACE", "UPDATED"], rows, as_json)


@namespaces.command("show")
def show_namespace(
    namespace: Annotated[str, typer.Argument(help="Its name.")], as_json: JsonOption = False
) -> None:
    """Show a namespace."""
    with connected() as client:
        found = client.get(f"{API}/namespaces/{in_path(namespace)}")
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            ("Namespace", found["name"]),
            ("Created", moment_text(found.get("createdAt"))),
            ("Updated", moment_text(found.get("updatedAt"))),
        ]
    )


def _all_datasets(client: HttpClient, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The datasets of each namespace in turn."""
    found: list[dict[str, Any]] = []
    total_of_all = 0
    for each in client.pages(f"{API}/namespaces", "namespaces", {"limit": PAGE}):
        path = f"{API}/namespaces/{in_path(each['name'])}/datasets"
        items, total = some(client, path, "datasets", max(1, limit - len(found)))
        found += items[: limit - len(found)]
        total_of_all += total
    return found, total_of_all


@datasets.command("list")
def list_datasets(
    namespace: NamespaceArgument = None, limit: LimitOption = 100, as_json: JsonOption = False
) -> None:
    """List datasets by namespace and name."""
    with connected() as client:
        if namespace is None:
            items, total = _all_datasets(client, limit)
        else:
            path = f"{API}/namespaces/{in_path(namespace)}/datasets"
            items, total = some(client, path, "datasets", limit)
    rows = (
        (
            item["namespace"],
            item["name"],
            str(item.get("datasetType") or "").lower(),
            item.get("currentVersionNumber"),
            moment_text(item.get("updatedAt")),
        )
        for item in items
    )
    columns = ["NAMESPACE", "NAME", "KIND", "VERSION", "UPDATED"]
    show_list("datasets", items, total, columns, rows, as_json)


@datasets.command("show")
def show_dataset(dataset: DatasetArgument, as_json: JsonOption = False) -> None:
    """Show a dataset: its fields and its versions."""
    namespace, name = split_name(dataset)
    path = f"{API}/namespaces/{in_path(namespace)}/datasets/{in_path(name)}"
    with connected() as client:
        found = client.get(path)
        if as_json:
            show_json(found)
            return
        versions, total = some(client, f"{path}/versions", "versions", VERSIONS_SHOWN)
    show_facts(
        [
            ("Dataset", f"{found['namespace']} {found['name']}"),
            ("Kind", str(found.get("datasetType") or "").lower() or None),
            ("Description", found.get("description")),
            ("Also named", [f"{a['namespace']} {a['name']}" for a in found["aliases"]] or None),
            ("Tags", found.get("tags") or None),
            ("Created", moment_text(found.get("createdAt"))),
            ("Updated", moment_text(found.get("updatedAt"))),
            ("Facets", sorted(found.get("facets") or {}) or None),
        ]
    )
    fields = found.get("fields") or []
    if fields:
        gap()
        show_table(
            ["FIELD", "TYPE", "DESCRIPTION"],
            [(item["name"], item.get("type"), item.get("description")) for item in fields],
            empty="",
        )
    gap()
    _show_versions(versions, total)


def _show_versions(versions: list[dict[str, Any]], total: int) -> None:
    show_table(
        ["VERSION", "MODE", "COMPLETED", "BY JOB"],
        [
            (
                item["number"],
                item["mode"],
                moment_text(item["completedAt"]),
                job_text(item["createdByRun"]),
            )
            for item in versions
        ],
        empty="It has no versions yet.",
        right=["VERSION"],
        whole=["MODE", "COMPLETED"],
    )
    if len(versions) < total:
        note(f"The last {len(versions):,} of {total:,} versions.")


@version.command("show")
def show_version(
    dataset: DatasetArgument,
    version: Annotated[int, typer.Option(min=1, help="Its number, from 1.")],
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show a version of a dataset: how it came about, what would make it again, its batches."""
    namespace, name = split_name(dataset)
    path = f"{API}/namespaces/{in_path(namespace)}/datasets/{in_path(name)}"
    with connected() as client:
        found = client.get(f"{path}/versions/{version}")
        asked = {"namespace": found["namespace"], "name": found["name"], "version": version}
        recipe = client.post(f"{API}/versions/recipe", {"dataset": asked})
        if as_json:
            show_json({**found, "recipe": recipe})
            return
        batches, total = some(client, f"{path}/batches", "batches", limit, {"version": version})
    show_facts(_version_facts(found, recipe))
    show_recipe(recipe)
    gap()
    states = {batch["batch"]: batch["state"] for batch in recipe["batches"]}
    rows_known = {batch["batch"]: batch["rows"] for batch in recipe["batches"]}
    rows = (
        (
            item["number"],
            item["name"],
            rows_known.get(item["number"])
            if item["exampleCount"] is None
            else item["exampleCount"],
            item["license"],
            item["origin"]["kind"],
            files_text(item["files"]),
            states.get(item["number"]) or "not looked at",
        )
        for item in batches
    )
    columns = ["BATCH", "NAME", "EXAMPLES", "LICENCE", "ORIGIN", "FILES", "LEDGER"]
    show_list("batches", batches, total, columns, rows, as_json=False)


def _version_facts(found: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[tuple[str, object]]:
    run = found["createdByRun"]
    return [
        ("Dataset", f"{found['namespace']} {found['name']}"),
        ("Version", found["number"]),
        ("Mode", found["mode"]),
        ("Base", found["base"]),
        ("Its store's id", found["externalId"]),
        ("Completed", moment_text(found["completedAt"])),
        ("Known since", moment_text(found["allottedAt"])),
        ("Because", "a batch came late" if found["late"] else None),
        ("By job", job_text(run)),
        ("Run", run["id"] if run else None),
        *recipe_facts(recipe),
        ("Batches", found["batchCount"]),
    ]
