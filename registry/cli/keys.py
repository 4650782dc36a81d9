"""`registry keys …`: which keys there are, new ones, the end of old ones, and the public halves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.backups import backup_keys
from registry.cli.home import existing_database, held_home
from registry.cli.output import JsonOption, counted, note, say, show_json, show_table
from registry.cli.progress import shown_bar
from registry.errors import ConflictError, NotFoundError
from registry.settings import load_settings

if TYPE_CHECKING:
    from registry.keys.listing import KeyFacts
    from registry.keys.tables import Purpose
    from registry.keys.versions import Record
    from registry.request import House

group = typer.Typer(name="keys", help="List, rotate and destroy keys.", no_args_is_help=True)
group.command("backup")(backup_keys)


class Rotated(StrEnum):
    """The purposes whose keys rotate."""

    SUBJECT = "subject"
    SIGNING = "signing"
    DATA = "data"


PurposeOption = Annotated[Rotated, typer.Option("--purpose", help="What the key is for.")]


@group.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List every version of every key, destroyed ones too; never the keys. Beside a server, too."""
    keys, _ = _listed()
    if as_json:
        show_json({"keys": [_facts(key) for key in keys]})
        return
    show_table(
        ["PURPOSE", "VERSION", "STATE", "MADE", "DESTROYED"],
        [
            (
                key.purpose,
                key.version,
                key.state,
                f"{key.created_at:%Y-%m-%d %H:%M}",
                None if key.destroyed_at is None else f"{key.destroyed_at:%Y-%m-%d %H:%M}",
            )
            for key in keys
        ],
        empty="There are no keys: start the registry once.",
        right=["VERSION"],
        whole=["PURPOSE", "STATE", "MADE", "DESTROYED"],
    )


@group.command()
def rotate(purpose: PurposeOption, as_json: JsonOption = False) -> None:
    """Make a new version of a key, used at once; a task moves what the old one holds."""
    from registry.keys.tables import Purpose

    chosen = Purpose(purpose.value)
    with _alone("registry keys rotate") as (house, record):
        version = house.database.transact(
            lambda session: house.rotation.begin(session, chosen, record=record)
        )
    if as_json:
        show_json({"purpose": chosen.value, "version": version})
        return
    say(f"The key {chosen}/{version} is the one that is written under now.")
    if chosen is not Purpose.SIGNING:
        note("A worker moves what is under the old version; then: registry keys destroy.")
    else:
        note("Give the new public key to those who verify: registry keys export-public.")


@group.command()
def destroy(
    purpose: PurposeOption,
    version: Annotated[
        int | None, typer.Option(min=1, help="Which version; without it all that are retiring.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy old versions of a key for good, once nothing is held under them."""
    from registry.erasure.execution.replay import mirror_destroyed_keys, signer_of
    from registry.keys.tables import Purpose

    chosen = Purpose(purpose.value)
    with _alone("registry keys destroy") as (house, record):
        wanted = [version] if version is not None else _retiring(house, chosen)
        with shown_bar("moving") as bar:
            # A home that is held alone has no worker beside it.
            house.rotation.move(chosen, lambda said: bar.advance(0, 0, said))
        scrubbed = [house.rotation.destroy(chosen, each, record=record) for each in wanted]
        mirror_destroyed_keys(house.database, house.ledger.objects, signer_of(house.keyring))
    if as_json:
        show_json({"purpose": chosen.value, "destroyed": wanted, "scrubbed": all(scrubbed)})
        return
    names = ", ".join(f"{chosen}/{each}" for each in wanted)
    say(f"Destroyed: {names}. What is sealed under it can never be read again.")
    if not all(scrubbed):
        note("The database was busy, and its files may still hold the bytes: run it again.")


@group.command("export-public")
def export_public(
    output: Annotated[Path | None, typer.Option(help="A file to write to; else stdout.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Give the public halves of the signing keys: a KEYFILE for whoever verifies."""
    from registry.audit.notes import pem_block, vkey_line
    from registry.keys.tables import Purpose

    keys, origin = _listed()
    signing = [(k, k.public_key) for k in keys if k.purpose is Purpose.SIGNING and k.public_key]
    if not signing:
        raise NotFoundError("There are no signing keys yet.", remedy="Start the registry once.")
    shown = [
        {
            **_facts(key),
            "vkey": None if origin is None else vkey_line(origin, public),
            "pem": pem_block(public),
        }
        for key, public in signing
    ]
    parts = []
    for key in shown:
        parts.append(f"# signing/{key['version']}, {key['state']}, made {key['created_at']}\n")
        parts += [f"{key['vkey']}\n"] if key["vkey"] else []
        parts.append(str(key["pem"]))
    if output is not None:
        output.write_text("".join(parts), "utf-8")
    if as_json:
        show_json({"origin": origin, "keys": shown})
    elif output is None:
        typer.echo("".join(parts), nl=False)
    else:
        say(f"Wrote {counted(len(shown), 'public key', 'public keys')} to {output}.")


def _listed() -> tuple[list[KeyFacts], str | None]:
    """Every version of every key, and the log's origin."""
    from registry.audit.signing import current_origin
    from registry.keys.listing import list_keys
    from registry.storage.migrate import require_schema

    with existing_database(load_settings()) as database:
        require_schema(database)
        with database.read() as session:
            origin = current_origin(session)
            return list_keys(session), None if origin is None else origin.name


def _retiring(house: House, purpose: Purpose) -> list[int]:
    """The versions to destroy, oldest first. Raises ConflictError where there is none."""
    retiring = [key.version for key in house.keyring.live(purpose)[1:]]
    if not retiring:
        raise ConflictError(
            f"No version of the key {purpose} is retiring.",
            remedy=f"Rotate first: registry keys rotate --purpose {purpose}",
        )
    return sorted(retiring)


@contextmanager
def _alone(command: str) -> Iterator[tuple[House, Record]]:
    """The house, held alone where it is embedded, and the journal, for an administrator."""
    from registry.app import close_house, open_house
    from registry.audit.key_changes import recording_as
    from registry.policy.actions import Action
    from registry.request import require_here
    from registry.storage.home import local_token

    settings = load_settings()
    with held_home(settings, command):
        house = open_house(settings)
        try:
            actor = house.tokens.authenticate(local_token(settings))
            require_here(house, actor, Action.ADMINISTER, at=command)
            yield house, recording_as(actor.account_id)
        finally:
            close_house(house)


def _facts(key: KeyFacts) -> dict[str, Any]:
    ended = key.destroyed_at
    return {
        "purpose": key.purpose.value,
        "version": key.version,
        "state": key.state.value,
        "created_at": key.created_at.isoformat(),
        "destroyed_at": None if ended is None else ended.isoformat(),
    }
