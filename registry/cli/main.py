"""The command `registry`: one module per group of commands, each loading what it needs when run."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from registry import __version__
from registry.cli import (
    access,
    adopt,
    ai_systems,
    audit,
    backups,
    cards,
    certificate,
    consents,
    database,
    datasets,
    demo,
    duties,
    erasure,
    erasure_work,
    events,
    examples,
    holds,
    jobs,
    keys,
    lineage,
    policy,
    projects,
    register,
    rights,
    serving,
    statements,
    targets,
    tokens,
    vetting,
    violations,
)
from registry.cli.edge import EdgeGroup


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lineage-registry {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="registry",
    help="Where training data came from, whether it may be used, whether it is gone: with proof.",
    cls=EdgeGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
serving.install(app)
demo.install(app)
app.add_typer(database.group)
backups.install(app)
tokens.install(app)
app.add_typer(projects.group)
app.add_typer(access.bindings)
app.add_typer(access.access)
app.add_typer(events.group)
app.add_typer(audit.group)
app.add_typer(certificate.group)
app.add_typer(keys.group)
adopt.install(app)
for group in (datasets.namespaces, datasets.datasets, datasets.version, jobs.jobs, jobs.runs):
    app.add_typer(group)
lineage.install(app)
examples.install(app, datasets.version)
policy.install(app)
vetting.install(app)
erasure.group.add_typer(erasure_work.tasks)
for group in (
    rights.group,
    consents.group,
    register.group,
    register.shares,
    cards.group,
    statements.group,
    ai_systems.group,
    holds.group,
    erasure.group,
    duties.restrictions,
    duties.suppressions,
    violations.group,
    targets.group,
):
    app.add_typer(group)


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """The entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What the terminal cannot show, and half a surrogate pair from an event, is escaped.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="registry")
