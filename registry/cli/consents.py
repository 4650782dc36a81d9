"""`registry consent …`: consent events by the file."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.connection import connected
from registry.cli.edge import Refused
from registry.cli.output import JsonOption, counted, note, say, show_json
from registry.cli.progress import shown_bar

group = typer.Typer(name="consent", help="What people consented to.", no_args_is_help=True)
PATH = "/api/v1/consents/imports"
ARROW = "application/vnd.apache.arrow.stream"
_SHOWN = 1_000


@group.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON or Parquet, by its ending.")],
    as_json: JsonOption = False,
) -> None:
    """Record the consent events of a file; an import that broke off goes on where it stopped."""
    from registry.cli.consent_file import file_digest, read_chunks

    digest = file_digest(file)
    rejections: list[dict[str, Any]] = []
    with connected() as client, shown_bar("0 events") as bar:
        stands = client.get(PATH, {"file": digest})
        skipped = stands["next_row"]
        if skipped:
            note(f"Going on after {skipped:,} rows ({stands['accepted']:,} events were taken).")
        size = file.stat().st_size
        # What the program is made of stays; looking through it again and again for rubbish, as a
        # million rows go by, would take a third of the time.
        gc.freeze()
        for chunk in read_chunks(file, skip=skipped):
            answer = client.request(
                "POST",
                PATH,
                content=chunk.arrow(),
                headers={"Content-Type": ARROW},
                params={"file": digest, "first": chunk.first},
            )
            stands = answer.json()
            for each in stands["refused"]:
                row = each["row"]
                reason = chunk.unreadable.get(row, each["reason"])
                number = chunk.numbers[row]
                bar.tell(f"Number {number}: {reason}")
                if len(rejections) < _SHOWN:
                    rejections.append({"number": number, "field": each["field"], "reason": reason})
            bar.advance(stands["next_row"], max(size // 100, stands["next_row"]), _words(stands))
    if as_json:
        show_json(
            {
                "file": digest,
                "accepted": stands["accepted"],
                "rejected": stands["rejected"],
                "skipped": skipped,
                "rejections": rejections,
            }
        )
    else:
        say(f"{_words(stands)}.")
    if stands["rejected"]:
        raise Refused


def _words(stands: dict[str, Any]) -> str:
    return (
        f"{counted(stands['accepted'], 'event', 'events')} taken, {stands['rejected']:,} rejected"
    )
