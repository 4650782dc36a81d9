"""`registry jobs|runs …`: what works on the data."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.listing import API, LimitOption, NamespaceArgument, job_text, show_list, some
from registry.cli.output import JsonOption, gap, moment_text, show_facts, show_json, show_table

jobs = typer.Typer(name="jobs", help="Jobs.", no_args_is_help=True)
runs = typer.Typer(name="runs", help="Runs of jobs.", no_args_is_help=True)

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help='"NAMESPACE NAME", split at the first space.')
]


@jobs.command("list")
def list_jobs(
    namespace: NamespaceArgument = None, limit: LimitOption = 100, as_json: JsonOption = False
) -> None:
    """List jobs by namespace and name, with their latest run."""
    with connected() as client:
        path = f"{API}/jobs" if namespace is None else f"{API}/namespaces/{in_path(namespace)}/jobs"
        items, total = some(client, path, "jobs", limit)
    rows = (
        (
            item["namespace"],
            item["name"],
            (item.get("latestRun") or {}).get("state"),
            moment_text(item.get("updatedAt")),
        )
        for item in items
    )
    show_list("jobs", items, total, ["NAMESPACE", "NAME", "LATEST RUN", "UPDATED"], rows, as_json)


@jobs.command("show")
def show_job(job: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job: what it reads and writes, and its latest run."""
    namespace, name = split_name(job)
    with connected() as client:
        found = client.get(f"{API}/namespaces/{in_path(namespace)}/jobs/{in_path(name)}")
    if as_json:
        show_json(found)
        return
    latest = found.get("latestRun") or {}
    show_facts(
        [
            ("Job", f"{found['namespace']} {found['name']}"),
            ("Description", found.get("description")),
            ("Location", found.get("location")),
            ("Created", moment_text(found.get("createdAt"))),
            ("Updated", moment_text(found.get("updatedAt"))),
            ("Latest run", latest.get("id")),
            ("State", latest.get("state")),
            ("Facets", sorted(found.get("facets") or {}) or None),
        ]
    )
    ends = [("reads", item) for item in found.get("inputs") or []]
    ends += [("writes", item) for item in found.get("outputs") or []]
    gap()
    show_table(
        ["", "NAMESPACE", "NAME"],
        [(way, item["namespace"], item["name"]) for way, item in ends],
        empty="It reads and writes nothing that we know.",
    )


@runs.command("list")
def list_runs(job: JobArgument, limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """List the runs of a job, the latest first."""
    namespace, name = split_name(job)
    path = f"{API}/namespaces/{in_path(namespace)}/jobs/{in_path(name)}/runs"
    with connected() as client:
        items, total = some(client, path, "runs", limit)
    rows = (
        (
            item["id"],
            item.get("state"),
            moment_text(item.get("startedAt")),
            moment_text(item.get("endedAt")),
            _duration_text(item.get("durationMs")),
        )
        for item in items
    )
    columns = ["RUN", "STATE", "STARTED", "ENDED", "TOOK"]
    show_list("runs", items, total, columns, rows, as_json)


@runs.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id.")],
    as_json: JsonOption = False,
) -> None:
    """Show a run: its state, and what it read and wrote."""
    with connected() as client:
        found = client.get(f"{API}/jobs/runs/{in_path(run)}")
    if as_json:
        show_json(found)
        return
    show_facts(
        [
            ("Run", found["id"]),
            ("Job", job_text(found)),
            ("State", found.get("state")),
            ("Started", moment_text(found.get("startedAt"))),
            ("Ended", moment_text(found.get("endedAt"))),
            ("Took", _duration_text(found.get("durationMs"))),
            ("Part of", (found["parentRun"] or {}).get("runId")),
            ("Producer's id", found["producerRunId"]),
            ("Facets", sorted(found.get("facets") or {}) or None),
        ]
    )
    ends = [("read", item) for item in found["inputDatasetVersions"]]
    ends += [("wrote", item) for item in found["outputDatasetVersions"]]
    gap()
    names = [(way, item["datasetVersionId"]) for way, item in ends]
    show_table(
        ["", "NAMESPACE", "NAME", "VERSION"],
        [(way, item["namespace"], item["name"], item["number"]) for way, item in names],
        empty="It read and wrote nothing that we know.",
        right=["VERSION"],
    )


def _duration_text(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
