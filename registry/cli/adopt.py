"""`registry adopt`: files that exist already become batches with ids, digests and subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.connection import connected, split_name, target_text
from registry.cli.output import JsonOption, counted, note, say, show_json
from registry.cli.progress import shown_bar

if TYPE_CHECKING:
    from registry.client.adopt import Adopted, Progress


class BatchBy(StrEnum):
    """What becomes a batch."""

    FILE = "file"
    FOLDER = "folder"


Url = Annotated[str, typer.Argument(metavar="URL", help="A folder, a file, or s3://….")]
Dataset = Annotated[str, typer.Option(help='"NAMESPACE NAME" of the dataset it becomes.')]
IdColumn = Annotated[str, typer.Option("--id", help="Column with the id of each row.")]
Subjects = Annotated[
    list[str] | None,
    typer.Option(metavar="SCHEME=COL", help="Column that names people: email=author_mail."),
]
Contents = Annotated[
    list[str] | None, typer.Option(help="Column to hash, so that a row is found by its text.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=COL", help="Another recorded column: label=class."),
]
Scanned = Annotated[
    list[str] | None, typer.Option(help="Column of texts to search for identifiers of people.")
]
License = Annotated[str | None, typer.Option("--license", help="SPDX expression.")]
Origin = Annotated[str | None, typer.Option(help="Kind of source: public, licensed ….")]
Again = Annotated[
    bool, typer.Option("--again", help="Take everything anew, in the place of what was there.")
]


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command("adopt")(adopt)


def adopt(
    url: Url,
    dataset: Dataset,
    id_column: IdColumn,
    subject: Subjects = None,
    content: Contents = None,
    column: Columns = None,
    scan_pii: Scanned = None,
    batch_by: Annotated[BatchBy, typer.Option(help="What becomes a batch.")] = BatchBy.FILE,
    license_: License = None,
    origin: Origin = None,
    again: Again = False,
    as_json: JsonOption = False,
) -> None:
    """Record existing Parquet, JSON Lines, CSV or Hugging Face files as batches of a dataset.

    What was adopted before is skipped; an adoption that stopped goes on where it was.
    """
    name = split_name(dataset)
    subjects, columns = _pairs(subject, "--subject"), _pairs(column, "--column")
    from registry.client.adopt import adopt as run_adoption
    from registry.client.outbox import Outbox
    from registry.client.registry import Registry

    with connected() as client, shown_bar("0 rows") as bar:
        outbox = Outbox(lambda: client, strict=True, address=target_text())

        def tell(progress: Progress) -> None:
            text = f"{progress.rows:,} rows, {progress.batches:,} of {progress.batches_total:,}"
            bar.advance(progress.bytes_done, progress.bytes_total, text)

        done = run_adoption(
            Registry(outbox=outbox),
            url,
            name,
            id_column=id_column,
            subject=subjects,
            content=content or (),
            columns=columns,
            scan_pii=scan_pii or (),
            batch_by=batch_by.value,
            again=again,
            progress=tell,
            license=license_,
            origin=origin,
        )
    if as_json:
        show_json(asdict(done))
    else:
        _show(done)


def _show(done: Adopted) -> None:
    batches = counted(done.batches, "batch", "batches")
    rows, files = counted(done.rows, "row", "rows"), counted(done.files, "file", "files")
    say(f"{batches} with {rows}, from {files}.")
    if done.skipped:
        note(f"Adopted before: {counted(done.skipped, 'batch', 'batches')}.")
    if done.ignored:
        others = counted(len(done.ignored), "file", "files")
        note(f"Of other kinds: {others}, such as {done.ignored[0]}.")


def _pairs(given: Sequence[str] | None, option: str) -> dict[str, str]:
    """`NAME=COL` options as a mapping. Raises typer.BadParameter (exit 2) without a `=`."""
    found = {}
    for text in given or ():
        name, equals, column = text.partition("=")
        if not (name and equals and column):
            raise typer.BadParameter(f"{text!r} is not written NAME=COLUMN.", param_hint=option)
        found[name] = column
    return found
