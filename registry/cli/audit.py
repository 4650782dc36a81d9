"""`registry audit …`: what the log says, and whether it is what was recorded."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected
from registry.cli.edge import Refused
from registry.cli.home import existing_database
from registry.cli.listing import API
from registry.cli.output import JsonOption, note, say, show_facts, show_json, show_table
from registry.cli.progress import shown_bar
from registry.errors import ConflictError, InvalidInputError, NotVerifiedError
from registry.settings import Settings, load_settings

if TYPE_CHECKING:
    from registry.audit.check import LogReport
    from registry.client.http import HttpClient

group = typer.Typer(
    name="audit", help="Verify, export and prove the audit log.", no_args_is_help=True
)
PAGE = 1_000
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A bundle: the whole log.")]


@group.command()
def verify(
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that you kept, to hold the log to as well.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute the log from the raw rows of the database; exit 1 where something was changed."""
    settings = load_settings()
    if settings.url:
        raise ConflictError(
            f"This reads the rows of the database, and REGISTRY_URL names the server "
            f"{settings.url}.",
            remedy="Run it where the database is; or here: registry audit export FILE, then "
            "registry audit verify-bundle FILE --key KEYFILE.",
        )
    brought = None if checkpoint is None else _read_text(checkpoint)
    report = _checked(settings, brought)
    if as_json:
        show_json(_report_facts(report))
    else:
        _show_report(report)
    if report.findings:
        raise Refused


@group.command()
def export(file: FileArgument, as_json: JsonOption = False) -> None:
    """Write the whole log into a file that verifies with a public key and nothing else."""
    from registry.audit.bundle import bundle_lines
    from registry.audit.checkpoint import read_checkpoint

    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with connected() as client:
        signed = client.request("POST", f"{API}/audit/checkpoint").text
        head = read_checkpoint(signed)
        try:
            with draft.open("w", encoding="utf-8") as out, shown_bar("exporting") as bar:
                for number, line in enumerate(bundle_lines(signed, _entries(client, head.size))):
                    out.write(line)
                    if number % PAGE == 0:
                        bar.advance(number, head.size, f"{number:,} of {head.size:,} entries")
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    if as_json:
        show_json({"file": str(file), "origin": head.origin, "entries": head.size})
        return
    say(f"{head.size:,} entries of {head.origin} are in {file}.")
    note(f"Verify it anywhere: registry audit verify-bundle {file} --key KEYFILE")


@group.command("verify-bundle")
def verify_bundle(
    file: FileArgument,
    key: Annotated[
        Path, typer.Option(metavar="KEYFILE", help="PEM or verifier key lines of the log.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Verify an exported log with its public key; needs no registry. Exit 1 where it fails."""
    from registry.audit.bundle import verify_bundle as verify_lines
    from registry.audit.notes import read_keys

    keys = read_keys(_read_text(key))
    try:
        with file.open(encoding="utf-8") as lines:
            report = verify_lines(lines, keys)
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{file} is not text.", remedy="Give an exported bundle."
        ) from error
    head = report.checkpoint
    if as_json:
        facts = {"verified": True, "origin": head.origin, "entries": head.size}
        show_json({**facts, "root": _base64(head.root), "redacted": report.redacted})
        return
    say(f"All {head.size:,} entries of {head.origin} verify, {report.redacted:,} of them redacted.")
    show_facts([("Root", _base64(head.root))])


@group.command()
def checkpoint(
    output: Annotated[Path | None, typer.Option(help="A file to write it to.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a checkpoint over everything up to now, and show it; keep it in other hands."""
    from registry.audit.checkpoint import read_checkpoint

    with connected() as client:
        signed = client.request("POST", f"{API}/audit/checkpoint").text
    if output is not None:
        output.write_text(signed, "utf-8")
    if as_json:
        head = read_checkpoint(signed)
        facts = {"origin": head.origin, "size": head.size, "root": _base64(head.root)}
        show_json({**facts, "checkpoint": signed})
    else:
        typer.echo(signed, nl=False)


@group.command()
def proof(
    index: Annotated[int, typer.Argument(min=0, help="The place of an entry in the log, from 0.")],
    as_json: JsonOption = False,
) -> None:
    """Prove that an entry is in the log: its hashes lead to the root that was signed."""
    from registry.audit.checkpoint import read_checkpoint
    from registry.audit.merkle import verify_inclusion

    with connected() as client:
        signed = client.request("POST", f"{API}/audit/checkpoint").text
        head = read_checkpoint(signed)
        asked = {"index": index, "size": head.size}
        answer = client.get(f"{API}/audit/proofs/inclusion", asked)
        (entry,) = client.get(f"{API}/audit/entries", {"start": index, "end": index})["entries"]
    hashes = [base64.b64decode(each) for each in answer["hashes"]]
    leaf = base64.b64decode(answer["leaf_hash"])
    verify_inclusion(leaf, index, head.size, hashes, head.root)
    if as_json:
        show_json({**answer, "entry": entry, "checkpoint": signed})
        return
    show_facts(
        [
            ("Entry", f"{index:,} of {head.size:,}: {entry['kind']}"),
            ("Leaf", answer["leaf_hash"]),
            *((f"Hash {number}", each) for number, each in enumerate(answer["hashes"], start=1)),
            ("Root", answer["root"]),
            ("Origin", head.origin),
        ]
    )
    say("The hashes lead from the leaf to the root that is in the signed checkpoint.")


def _checked(settings: Settings, brought: str | None) -> LogReport:
    """The log's check. Checkpoints outside are read first, so that none is newer than the rows."""
    from registry.app import ledger_place
    from registry.audit.check import check_log
    from registry.audit.kept import KeptCheckpoints
    from registry.audit.notes import VerifierKey
    from registry.keys.listing import list_keys
    from registry.keys.tables import Purpose
    from registry.storage.migrate import require_schema
    from registry.storage.objects import Objects

    with existing_database(settings) as database:
        require_schema(database)
        place = ledger_place(settings)
        kept = list(KeptCheckpoints(Objects(place.url, place.storage_options)).all())
        with database.read() as session:
            listed = list_keys(session, Purpose.SIGNING)
        keys = [VerifierKey(None, key.public_key) for key in listed if key.public_key]
        with database.read() as session, shown_bar("verifying the log") as bar:

            def count(done: int, total: int) -> None:
                bar.advance(done, total, f"{done:,} of {total:,} entries")

            return check_log(session, keys, kept, brought=brought, progress=count)


def _report_facts(report: LogReport) -> dict[str, Any]:
    return {
        "verified": not report.findings,
        "origin": report.origin,
        "entries": report.entries,
        "pending": report.pending,
        "redacted": report.redacted,
        "checkpoints": report.checkpoints,
        "root": _base64(report.root),
        "findings": [{"index": each.index, "detail": each.detail} for each in report.findings],
        "notices": report.notices,
    }


def _show_report(report: LogReport) -> None:
    show_facts(
        [
            ("Origin", report.origin),
            ("Entries", report.entries),
            ("Without a place yet", report.pending),
            ("Redacted", report.redacted),
            ("Checkpoints held against them", report.checkpoints),
            ("Root", _base64(report.root)),
        ]
    )
    for text in report.notices:
        note(text)
    if not report.findings:
        say("The log is what was recorded.")
        return
    show_table(
        ["ENTRY", "FOUND"],
        [(finding.index, finding.detail) for finding in report.findings],
        empty="",
        whole=["ENTRY"],
    )


def _entries(client: HttpClient, size: int) -> Iterator[dict[str, Any]]:
    """Every entry of the log up to a size, page by page. Raises NotVerifiedError for a gap."""
    start = 0
    while start < size:
        asked = {"start": start, "end": size - 1}
        page = client.get(f"{API}/audit/entries", asked)["entries"]
        if not page or page[0]["index"] != start:
            raise NotVerifiedError(
                f"The log was signed over {size} entries, and entry {start} is not there.",
                remedy="Say `registry audit verify` where the database is.",
            )
        yield from page
        start = page[-1]["index"] + 1


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{path} is not text.", remedy="Give the file as the registry wrote it."
        ) from error


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
