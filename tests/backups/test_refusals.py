"""What a restore refuses leaves everything as it was, and says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import inspect

from alembic import command
from registry.app import open_house
from registry.backups.archive import check_archive, each_member, new_archive
from registry.backups.make import CATALOG, MANIFEST_KIND
from registry.cli.restoring import list_of, master_key
from registry.erasure.execution.records import sign_payload
from registry.erasure.execution.replay import signer_of
from registry.errors import (
    ConflictError,
    MasterKeyError,
    NotFoundError,
    NotVerifiedError,
    SchemaOutdatedError,
    SettingsError,
    SetupError,
)
from registry.settings import Settings
from registry.storage.database import Database
from registry.storage.migrate import alembic_config, shipped_revisions
from registry.storage.objects import Objects
from tests.backups.conftest import Place, Town, is_empty
from tests.stores import settings_on

EARLY = "0009"
Rewrite = Callable[[str, bytes], bytes | None]


def as_it_is(_member: str, content: bytes) -> bytes:
    """No other bytes."""
    return content


def rewritten(town: Town, file: Path, name: str, rewrite: Rewrite = as_it_is, **said: Any) -> Path:
    """A backup with other members, whose manifest says something else; signed as it should be."""
    checked = check_archive(file)
    with new_archive(town.folder / name) as (archive, _done):
        for member, _size, part in each_member(checked):
            content = rewrite(member, part.read())
            if content is not None:
                archive.add(member, content)
        manifest = {**checked.manifest, **said, "members": archive.members}
        archive.close(sign_payload(MANIFEST_KIND, manifest, signer_of(town.house.keyring)))
    return town.folder / name


def test_a_cut_backup_is_named_and_changes_nothing(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    content = file.read_bytes()
    cut = town.folder / "cut"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(NotVerifiedError, match="cut is damaged"):
        place.restore(cut, keys, erasures=town.ledger)
    assert is_empty(place.settings)


def test_a_newer_schema_is_refused_with_both_revisions(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    newer = rewritten(town, file, "newer", schema="9999")
    with pytest.raises(SchemaOutdatedError, match="9999") as refused:
        place.restore(newer, keys, erasures=town.ledger)
    assert shipped_revisions()[1] in refused.value.detail
    assert "newer program" in refused.value.remedy
    assert is_empty(place.settings)


def test_an_older_schema_is_brought_to_this_one(town: Town, place: Place, tmp_path: Path) -> None:
    (file, _made), keys = town.backup(), town.keys()
    early = Database(f"sqlite:///{tmp_path / 'early.db'}")
    with early.write() as session:
        command.upgrade(alembic_config(session.connection()), EARLY)
    with early.read() as session:
        found = inspect(session.connection())
        columns = {n: [c["name"] for c in found.get_columns(n)] for n in found.get_table_names()}
    early.close()

    def earlier(member: str, content: bytes) -> bytes | None:
        """The rows as the early schema had them."""
        if not member.startswith(CATALOG):
            return content
        names = columns.get(member.split("/")[1])
        if names is None:
            return None
        with pa.ipc.open_stream(content) as reader:
            rows = reader.read_all().select(names)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        made: bytes = sink.getvalue().to_pybytes()
        return made

    tables = {n: c for n, c in check_archive(file).manifest["tables"].items() if n in columns}
    older = rewritten(town, file, "older", earlier, schema=EARLY, tables=tables)
    place.restore(older, keys, erasures=town.ledger)
    with place.opened() as house:
        assert house.ledger.index.count() == 5


def test_a_manifest_that_somebody_else_signed_is_refused(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    checked = check_archive(file)
    with new_archive(town.folder / "forged") as (archive, _done):
        for member, _size, part in each_member(checked):
            archive.add(member, part.read())
        archive.close({**checked.signed, "payload": {**checked.manifest, "label": "mine"}})
    with pytest.raises(NotVerifiedError, match="signature is wrong"):
        place.restore(town.folder / "forged", keys, erasures=town.ledger)
    assert is_empty(place.settings)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"tables": {"account": 999}}, "other numbers of rows"),
        ({"keys": [{"id": 1}]}, "says less than it must"),
        ({"made_at": "yesterday"}, "says less than it must"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    town: Town, place: Place, said: dict[str, Any], why: str
) -> None:
    (file, _made), keys = town.backup(), town.keys()
    with pytest.raises(NotVerifiedError, match=why):
        place.restore(rewritten(town, file, "odd", **said), keys, erasures=town.ledger)
    assert is_empty(place.settings)


def test_rows_that_are_none_are_refused_whole(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()

    def spoilt(member: str, content: bytes) -> bytes:
        return b"no rows" if member.startswith(f"{CATALOG}batch_number/") else content

    with pytest.raises(NotVerifiedError, match="cannot be taken"):
        place.restore(rewritten(town, file, "odd", spoilt), keys, erasures=town.ledger)
    assert is_empty(place.settings)


def test_a_registry_that_holds_something_is_left_alone(town: Town) -> None:
    (file, _made), keys = town.backup(), town.keys()
    with pytest.raises(ConflictError, match="into an empty one"):
        Place(town.house.settings).restore(file, keys, erasures=town.ledger)
    assert town.house.ledger.index.count() == 5


def test_a_ledger_that_holds_something_is_left_alone(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    Objects(place.settings.ledger).put("objects/1/examples.parquet", b"somebody's")
    with pytest.raises(ConflictError, match="objects/1/examples"):
        place.restore(file, keys, erasures=town.ledger)


def test_another_backup_does_not_finish_a_restore(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    other, _ = town.backup("other")

    def never(_house: object) -> Any:
        raise SetupError("Stopped.", remedy="Go on.")

    with pytest.raises(SetupError, match="Stopped"):
        place.restore(file, keys, erasures=town.ledger, doors=never)
    with pytest.raises(ConflictError, match="is another"):
        place.restore(other, keys, erasures=town.ledger)
    with pytest.raises(SetupError, match="is being restored"):
        open_house(place.settings)
    place.restore(file, keys, erasures=town.ledger)
    with place.opened() as house:
        assert house.ledger.index.count() == 5


def test_nothing_is_restored_without_a_word_about_erasures(town: Town, place: Place) -> None:
    with pytest.raises(SetupError, match="no list of erasures"):
        list_of(place.settings, None, nothing_since=False)
    assert list_of(place.settings, None, nothing_since=True) is None
    with pytest.raises(NotFoundError, match="no folder"):
        list_of(place.settings, str(town.folder / "mistyped"), nothing_since=False)
    assert not (town.folder / "mistyped").exists()


def test_a_place_without_a_list_is_refused(town: Town, place: Place, tmp_path: Path) -> None:
    (file, _made), keys = town.backup(), town.keys()
    (tmp_path / "nothing").mkdir()
    with pytest.raises(NotFoundError, match="no list of erasures"):
        place.restore(file, keys, erasures=Objects(str(tmp_path / "nothing")))
    assert is_empty(place.settings)


def test_the_list_that_survived_in_the_ledger_counts_by_itself(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    survivor = Objects(place.settings.ledger)
    for name in town.ledger.names("erasures"):
        survivor.put(name, town.ledger.get(name))
    found = list_of(place.settings, None, nothing_since=False)
    assert found is not None
    place.restore(file, keys, erasures=found)
    with place.opened() as house:
        assert house.ledger.index.count() == 5


def test_who_says_that_nothing_was_erased_is_believed(town: Town, place: Place) -> None:
    (file, _made), keys = town.backup(), town.keys()
    place.restore(file, keys, erasures=None)
    with place.opened() as house:
        assert house.ledger.index.count() == 5


def test_a_home_without_a_master_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError, match=r"master\.key"):
        master_key(settings_on(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path))
    with pytest.raises(SettingsError):
        master_key(Settings(home=tmp_path, database_url="postgresql+psycopg://nobody@nowhere/x"))
