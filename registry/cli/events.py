"""`registry events …`: bring events in, and decide on those that wait."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.connection import connected, in_path, target_text
from registry.cli.edge import Refused
from registry.cli.event_file import ImportState, open_events
from registry.cli.output import (
    JsonOption,
    moment_text,
    note,
    say,
    show_facts,
    show_json,
    show_table,
)
from registry.cli.progress import shown_bar

if TYPE_CHECKING:
    from registry.cli.event_import import Outcome
    from registry.client.http import Parameters

group = typer.Typer(
    name="events", help="OpenLineage events: import, and quarantine.", no_args_is_help=True
)
quarantine = typer.Typer(
    name="quarantine", help="Events that are kept and not projected.", no_args_is_help=True
)
group.add_typer(quarantine)
PATH = "/api/v1/events/quarantine"
# The rest is counted: of a file that is all wrong the first lines say enough.
REJECTIONS_TOLD = 20
DigestArgument = Annotated[
    str, typer.Argument(metavar="EVENT", help="sha256:… from `registry events quarantine list`.")
]


@group.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="NDJSON or a JSON array, also .gz."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Send the events of a file; a rejected one is told and does not stop the rest.

    An import that stops goes on where it was when the same command runs again.
    """
    from registry.cli.event_import import Outcome, chunks, send_chunk

    state = ImportState(file, target_text())
    before = state.read()
    outcome = Outcome()
    if before is not None:
        note(f"Going on after number {before.done:,} ({before.taken:,} were taken before).")
        outcome = Outcome(before.taken, rejected=before.rejected, done=before.done)
    skipped, rejected_before = outcome.done, outcome.rejected
    with connected() as client, open_events(file) as events, shown_bar("0 events") as bar:
        for chunk in chunks(item for item in events if item.number > skipped):
            known = len(outcome.rejections)
            send_chunk(client, chunk, outcome)
            for rejection in outcome.rejections[known:REJECTIONS_TOLD]:
                where = f" (at {rejection.path})" if rejection.path else ""
                bar.tell(f"Number {rejection.number}: {rejection.reason}{where}")
            state.write(outcome.done, outcome.taken, outcome.rejected)
            bar.advance(events.position, events.size, outcome.words)
    state.clear()
    if as_json:
        show_json(
            {
                "taken": outcome.taken,
                "quarantined": outcome.quarantined,
                "rejected": outcome.rejected,
                "skipped": skipped,
                "rejections": [asdict(rejection) for rejection in outcome.rejections],
            }
        )
    else:
        told = min(len(outcome.rejections), REJECTIONS_TOLD)
        _say_outcome(outcome, untold=outcome.rejected - rejected_before - told)
    if outcome.rejected:
        raise Refused


def _say_outcome(outcome: Outcome, *, untold: int) -> None:
    say(f"{outcome.words}.")
    if untold:
        note(f"{untold:,} more were rejected; --json tells the first 1,000 of them.")
    if outcome.quarantined:
        note(f"{outcome.quarantined:,} wait: registry events quarantine list")


@quarantine.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the events that wait for a decision, the oldest first."""
    with connected() as client:
        size: Parameters = {"limit": min(limit, 100)}
        first = client.get(PATH, size)
        waiting = list(islice(client.pages(PATH, "events", size, first), limit))
    total = first["totalCount"]
    if as_json:
        show_json({"events": waiting, "totalCount": total})
        return
    show_table(
        ["EVENT", "RECEIVED", "REASON", "NAME", "PROJECT", "SENDER", "DETAIL"],
        [
            (
                event["event"],
                moment_text(event["receivedAt"]),
                event["reason"],
                f"{event['namespace']} {event['name']}",
                event["project"],
                event["sender"],
                event["detail"],
            )
            for event in waiting
        ],
        empty="No event is in quarantine.",
        whole=["EVENT", "RECEIVED", "REASON"],
    )
    if len(waiting) < total:
        note(f"{len(waiting):,} of {total:,}; more with --limit.")


@quarantine.command()
def release(event: DigestArgument, as_json: JsonOption = False) -> None:
    """Let an event into the catalog."""
    _decide(event, "release", as_json)


@quarantine.command()
def reject(event: DigestArgument, as_json: JsonOption = False) -> None:
    """Keep an event out of the catalog for good; it stays in the log."""
    _decide(event, "reject", as_json)


def _decide(event: str, verb: str, as_json: bool) -> None:
    with connected() as client:
        decided = client.post(f"{PATH}/{in_path(event)}/{verb}")
    if as_json:
        show_json(decided)
    else:
        show_facts([("Event", decided["event"]), ("State", decided["state"])])
    if decided["state"] == "quarantined":
        note("Something else still keeps it out: registry events quarantine list")
        raise Refused
