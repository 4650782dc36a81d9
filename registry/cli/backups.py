"""`registry backup`, `restore`, `backups`, and `registry keys backup`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected
from registry.cli.home import existing_database, held_home, require_registry
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
from registry.cli.restoring import list_of, master_key, restore_into
from registry.durations import parse_duration
from registry.settings import load_settings

if TYPE_CHECKING:
    from registry.backups.make import Source
    from registry.backups.recorded import NewBackup
    from registry.client.http import HttpClient
    from registry.keys.master import MasterKey

PATH = "/api/v1/backups"
LabelOption = Annotated[str | None, typer.Option(help="What to call it in lists.")]


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)
    app.command("backups")(list_)


def backup(
    file: Annotated[Path, typer.Argument(help="A new file to write to.")],
    keys: Annotated[
        Path | None, typer.Option(help="A new file for the sealed keys; keep it elsewhere.")
    ] = None,
    label: LabelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write catalog and ledger, without keys, into one file. Beside a server, too."""
    from registry.backups.archive import refuse_existing
    from registry.backups.make import make_backup

    for path in (file, keys):
        if path is not None:
            refuse_existing(path)
    with _source() as (client, source, master), shown_bar("backing up") as bar:
        made = make_backup(source, file, label=label, report=lambda said: bar.advance(0, 0, said))
        recorded = _record(client, made.backup, file)
        sealed = None
        if keys is not None:
            sealed = _record(client, _write_keys(keys, source, master, label), keys)
    facts = {"rows": made.rows, "objects": made.objects, "examples": made.examples}
    if as_json:
        show_json({**recorded, **facts, "keys": sealed})
        return
    _show(file, recorded)
    show_facts([(name.capitalize(), f"{count:,}") for name, count in facts.items()])
    if sealed is None:
        note("It holds no keys, and is of no use without: registry keys backup FILE.")


def backup_keys(
    file: Annotated[Path, typer.Argument(help="A new file to write to.")],
    label: LabelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the keys, sealed under the master key, into a file. Beside a server, too."""
    with _source() as (client, source, master):
        recorded = _record(client, _write_keys(file, source, master, label), file)
    if as_json:
        show_json(recorded)
        return
    _show(file, recorded)
    note("Keep it apart from the backups and from the master key, without which nobody reads it.")


def list_(as_json: JsonOption = False) -> None:
    """List the backups that were made, and until when each is kept."""
    with connected() as client:
        found = client.get(PATH)
    if as_json:
        show_json(found)
        return
    show_table(
        ["KIND", "MADE", "KEPT UNTIL", "LABEL", "DIGEST"],
        [
            (
                each["kind"],
                moment_text(each["made_at"]),
                moment_text(each["expires_at"]),
                each["label"],
                each["digest"],
            )
            for each in found["backups"]
        ],
        empty="No backup was made.",
    )


def restore(
    file: Annotated[Path, typer.Argument(help="What `registry backup` wrote.")],
    keys: Annotated[
        list[Path] | None, typer.Option(help="A file of sealed keys; may be given several times.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="An empty home; else the setting's.")] = None,
    erasures: Annotated[
        str | None, typer.Option(help="Folder or URL of the ledger that was in use until now.")
    ] = None,
    no_erasures_since: Annotated[
        bool, typer.Option("--no-erasures-since", help="Say that nothing was erased since.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup into an empty registry, and erase again what was erased since."""
    from registry.backups.archive import require_archive

    if erasures is not None and no_erasures_since:
        raise typer.BadParameter("Give --erasures or --no-erasures-since, not both.")
    require_archive(file)
    settings = load_settings(home=home)
    with held_home(settings, "registry restore"), shown_bar("restoring") as bar:
        place = list_of(settings, erasures, nothing_since=no_erasures_since)
        done = restore_into(
            settings, file, keys or [], place, report=lambda said: bar.advance(0, 0, said)
        )
    counts = {
        "objects": done.objects,
        "examples": done.examples,
        "erasures": done.records,
        "keys": done.keys,
    }
    if as_json:
        show_json({**counts, "scrubbed": done.scrubbed})
        return
    show_facts([(name.capitalize(), f"{count:,}") for name, count in counts.items()])
    say("Restored. What was erased since is erased again.")
    if settings.embedded and not settings.token and not (settings.home / "admin-token").exists():
        note("Put the old admin-token into the home, or set REGISTRY_TOKEN: tokens are not in it.")


@contextmanager
def _source() -> Iterator[tuple[HttpClient, Source, MasterKey]]:
    """What is backed up, for an administrator: whoever is none is refused by the first call."""
    from registry.app import ledger_place
    from registry.backups.make import Source
    from registry.clock import system_clock
    from registry.keys.keyring import Keyring
    from registry.ledger.sweep import Store

    settings = load_settings()
    require_registry(settings)
    with connected() as client:
        client.get(PATH)
        parse_duration(settings.backup_retention, path="REGISTRY_BACKUP_RETENTION")
        master = master_key(settings)
        with existing_database(settings) as database:
            keyring = Keyring(database, master, system_clock)
            yield (
                client,
                Source(database, Store(ledger_place(settings)), keyring, system_clock),
                master,
            )


def _write_keys(path: Path, source: Source, master: MasterKey, label: str | None) -> NewBackup:
    from registry.backups.key_file import read_keys, write_key_file
    from registry.backups.recorded import NewBackup
    from registry.ids import fresh_id
    from registry.storage.backup_tables import BackupKind

    made_at = source.clock()
    with source.database.read() as session:
        held = read_keys(session, now=made_at)
    written = write_key_file(path, held, master)
    return NewBackup(
        fresh_id(), BackupKind.KEYS, label, made_at, written.digest, written.size_bytes
    )


def _record(client: HttpClient, made: NewBackup, file: Path) -> dict[str, Any]:
    """Record a file that was written; one that cannot be recorded goes, as no case would know it.

    Raises what the call raises.
    """
    from registry.canonical import digest_text

    body = {
        "id": made.id,
        "kind": made.kind.value,
        "label": made.label,
        "made_at": made.made_at.isoformat(),
        "digest": digest_text(made.digest),
        "size_bytes": made.size_bytes,
    }
    try:
        recorded: dict[str, Any] = client.post(PATH, body)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return recorded


def _show(file: Path, recorded: dict[str, Any]) -> None:
    show_facts(
        [
            ("File", str(file)),
            ("Digest", recorded["digest"]),
            ("Bytes", f"{recorded['size_bytes']:,}"),
            ("Kept until", moment_text(recorded["expires_at"])),
        ]
    )
