"""A backup remembers what was erased after it; a registry that is restored from it does not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from registry.actors.tables import Role
from registry.app import close_house, create_app, ledger_place, open_house
from registry.backups.finish import Restored
from registry.backups.key_file import read_keys, write_key_file
from registry.backups.make import Made, Source, make_backup
from registry.backups.recorded import NewBackup
from registry.canonical import digest_text
from registry.cli.restoring import restore_into
from registry.client.http import HttpClient
from registry.client.inprocess import InProcessTransport
from registry.clock import system_clock
from registry.erasure.certificate.facts import Outcome
from registry.erasure.execution.again import doors_of
from registry.erasure.execution.records import ErasureRecord
from registry.erasure.execution.replay import read_key_ends, read_records, replay
from registry.errors import NotFoundError, SetupError
from registry.keys.tables import Purpose
from registry.ledger.remainders import Known
from registry.ledger.remains import find_remains, read_known
from registry.ledger.sweep import Store
from registry.lineage.erase_events import find_in_events
from registry.lineage.sought import Sought
from registry.request import House
from registry.rights.consent import ConsentSaid, record_consents
from registry.rights.suppression import read_suppressed
from registry.settings import Settings
from registry.storage.backup_tables import BackupKind
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.erasure.test_in_files import said_of
from tests.erasure.working import (
    approved,
    certificate_of,
    executed,
    finished,
    planned,
    show,
)
from tests.ledger.erasures import index_rows, raw, sets_of, work_off
from tests.ledger.pipelines import NAMESPACE, parquet, written
from tests.ledger.test_binding_faults import numbers, put, send
from tests.stores import settings_on

U1 = "u1@example.org"
# Rows 1, 5 and 9 of the batch are theirs.
THEIRS = [1, 5, 9]
TERMS = {
    "license": "CC-BY-4.0",
    "legalBasis": "consent",
    "personalData": "personal",
    "subjectCoverage": {"keyedBy": "author"},
}


@dataclass(frozen=True)
class Town:
    """A registry with one batch of four people, who all agreed; a kept event names one of them."""

    house: House
    admin: HttpClient
    token: str
    clock: FrozenClock
    folder: Path

    def backup(self, name: str = "backup") -> tuple[Path, Made]:
        """Make a backup of everything as it is, and record it."""
        house = self.house
        store = Store(ledger_place(house.settings))
        source = Source(house.database, store, house.keyring, house.clock)
        made = make_backup(source, self.folder / name)
        self.record(made.backup)
        return self.folder / name, made

    def record(self, made: NewBackup) -> None:
        """Record that a backup was written."""
        body = {
            "id": made.id,
            "kind": made.kind.value,
            "label": made.label,
            "made_at": made.made_at.isoformat(),
            "digest": digest_text(made.digest),
            "size_bytes": made.size_bytes,
        }
        self.admin.post("/api/v1/backups", body)

    def keys(self) -> Path:
        """Write a key file."""
        with self.house.database.read() as session:
            held = read_keys(session, now=self.house.clock())
        write_key_file(self.folder / "keys", held, self.house.keyring.master)
        return self.folder / "keys"

    def erase(self) -> str:
        """Carry out a request of one of the four; its id."""
        self.clock.advance(hours=1)
        made = planned(self.admin, U1)
        approved(self.house, made)
        executed(self.house, self.admin, made["id"])
        finished(self.house, self.clock)
        tasks = {each["target"]: each for each in show(self.admin, made["id"])["tasks"]}
        assert tasks["ledger"]["state"] == "verified", tasks["ledger"]
        return str(made["id"])

    def records(self) -> list[ErasureRecord]:
        """What is listed beside the ledger."""
        return read_records(self.house.ledger.objects, self.public_keys())

    def public_keys(self) -> set[bytes]:
        """What the list is signed with."""
        versions = self.house.keyring.versions(Purpose.SIGNING)
        return {key.public_key for key in versions if key.public_key}


@pytest.fixture
def town(
    house: House,
    connect: Callable[[str], HttpClient],
    make_token: TokenMaker,
    frozen_clock: FrozenClock,
    tmp_path: Path,
) -> Town:
    token = make_token(*Role)
    admin = connect(token)
    digest = put(admin, parquet(raw()), "examples")
    send(admin, "collect", written("raw", "raw", examples=digest, **TERMS), 1)
    send(admin, "asked", noted(f"from {U1}, by mail"), 2)
    said = [
        ConsentSaid(
            "email",
            f"u{each}@example.org",
            "model_training",
            "given",
            datetime(2026, 1, 1, tzinfo=UTC),
        )
        for each in range(4)
    ]
    with house.database.write() as session:
        purposes = house.policies.current().purposes
        now = house.clock()
        record_consents(session, house.keyring, purposes, said, actor="tests", now=now)
    work_off(house)
    return Town(house, admin, token, frozen_clock, tmp_path)


def noted(text: str) -> dict[str, Any]:
    """A dataset with a facet that says something of somebody."""
    facet = {"_producer": "https://example.org", "_schemaURL": "https://example.org/note.json"}
    facets = {"note": {**facet, "text": text, "about": {U1: "asked", "nobody": "else"}}}
    return {"namespace": NAMESPACE, "name": "notes", "facets": facets}


@pytest.fixture
def empty_place(house: House, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """An empty registry on another database of the same kind, with the same master key."""
    home = tmp_path / "restored"
    home.mkdir()
    secret = house.keyring.master.secret.hex()
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{home / 'registry.db'}"
        if not house.settings.embedded:
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.temporary_database())
        roots = house.settings.file_roots
        yield replace(settings_on(url, home), master_key=secret, file_roots=roots)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """As usual, and `lake` is a place where the registry may erase."""
    lake = str((tmp_path / "lake").resolve())
    return replace(settings_on(database_url, tmp_path / "home"), file_roots=(lake,))


@contextlib.contextmanager
def opened(town: Town, settings: Settings) -> Iterator[tuple[House, HttpClient, FrozenClock]]:
    """The restored registry, and a client with a token that the backup knows."""
    # A restore is by the real clock, and so is what it asked to be done.
    clock = FrozenClock(system_clock())
    house = open_house(settings, clock=clock)
    try:
        app = create_app(settings, clock=clock, house=house, background=False)
        transport = InProcessTransport(app, app.router.lifespan_context(app))
        yield house, HttpClient("http://restored.test", town.token, transport=transport), clock
        transport.close()
    finally:
        close_house(house)


def restored(
    town: Town,
    settings: Settings,
    file: Path,
    keys: Path,
    report: Callable[[str], None] = lambda _said: None,
) -> Restored:
    """Restore a backup with the list of the registry that was in use."""
    return restore_into(settings, file, [keys], town.house.ledger.objects, report=report)


def in_manifest(client: HttpClient) -> list[int]:
    """The rows of the batch that may be trained on."""
    body = {"dataset": {"namespace": NAMESPACE, "name": "raw"}, "purpose": "model_training"}
    answer = client.request("POST", "/api/v1/manifests", json=body)
    rows: list[int] = pa.ipc.open_stream(answer.content).read_all().column("ordinal").to_pylist()
    return rows


def known_of(house: House) -> Known:
    """What the ledger knows of the person's rows."""
    return read_known(house.ledger, sets_of(numbers(house), raw=THEIRS))


def test_a_restored_registry_serves_nobody_before_what_was_erased_since_is_erased_again(
    town: Town, empty_place: Settings
) -> None:
    known = known_of(town.house)
    assert (in_manifest(town.admin), len(known.example_ids)) == (list(range(12)), 3)
    (file, _made), keys = town.backup(), town.keys()
    request_id = town.erase()

    def break_off(said: str) -> None:
        if "erasures again" in said:
            raise SetupError("The machine stopped.", remedy="Start it.")

    with pytest.raises(SetupError, match="machine stopped"):
        restored(town, empty_place, file, keys, break_off)
    with pytest.raises(SetupError, match="is being restored"):
        open_house(empty_place)
    assert restored(town, empty_place, file, keys).records == len(town.records()) > 0
    with opened(town, empty_place) as (house, client, clock):
        left = [row for row in range(12) if row not in THEIRS]
        assert in_manifest(client) == left
        finished(house, clock)
        assert in_manifest(client) == left
        held = {row["example_id"] for row in index_rows(house).values()}
        assert held == {f"example-number-{row}" for row in left}
        sets = sets_of(numbers(house), raw=THEIRS)
        assert find_remains(house.ledger, house.database, sets, known=known).is_clean
        sought = Sought([("email", U1)], known.example_ids)
        found = find_in_events(house.database, sought)
        assert (found.parts, found.kept) == (0, ())
        with house.database.read() as session:
            suppressed = read_suppressed(session, house.keyring, at=house.clock())
        assert len(suppressed.subject_keys) == 1
        # The request came after the backup: nobody knows it here, and it was carried out.
        with pytest.raises(NotFoundError):
            show(client, request_id)
        again = put(client, parquet(raw().slice(0, 6)), "examples")
        send(client, "again", written("raw", "more", examples=again, **TERMS), 3)
        work_off(house)
        named = {row["example_id"] for row in index_rows(house).values()}
        assert not named & {f"example-number-{row}" for row in THEIRS}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
def test_a_file_that_was_rewritten_after_the_backup_is_known_by_the_list(
    town: Town, empty_place: Settings, tmp_path: Path, listed: bool
) -> None:
    path = tmp_path / "lake" / "rows.jsonl"
    path.parent.mkdir()
    path.write_text("".join(f'{{"row": {row}}}\n' for row in range(12)), "utf-8")
    digest = put(town.admin, parquet(raw()), "examples")
    said = {**TERMS, "examples": digest, "files": [said_of(path, 12)]}
    send(town.admin, "file", written("raw", "filed", **said), 3)
    work_off(town.house)
    (file, _made), keys = town.backup(), town.keys()
    town.erase()
    rows = [json.loads(line)["row"] for line in path.read_text("utf-8").splitlines()]
    assert rows == [row for row in range(12) if row not in THEIRS]
    objects = town.house.ledger.objects
    if not listed:
        for name in objects.names("erasures/records"):
            if b'"files":[{' in objects.get(name):
                objects.delete(name)
    restored(town, empty_place, file, keys)
    with opened(town, empty_place) as (house, client, clock):
        made = planned(client, "u2@example.org")
        approved(house, made)
        executed(house, client, made["id"])
        finished(house, clock)
        (task,) = [t for t in show(client, made["id"])["tasks"] if t["kind"] == "file"]
        left = [json.loads(line)["row"] for line in path.read_text("utf-8").splitlines()]
        if listed:
            assert (task["state"], left) == ("verified", [0, 3, 4, 7, 8, 11])
        else:
            assert (task["state"], left) == ("changed_outside", rows)
            assert "registry erasure task record" in task["detail"]


def test_replayed_twice_is_replayed_once(town: Town, empty_place: Settings) -> None:
    (file, _made), keys = town.backup(), town.keys()
    town.erase()
    records = town.records()
    # Marked, and then with what was redacted; further rounds did nothing more.
    assert sorted(bool(each.redactions) for each in records) == [False, True]
    assert records[0].batches == records[1].batches
    restored(town, empty_place, file, keys)
    with opened(town, empty_place) as (house, client, _clock):
        before = client.get("/api/v1/events")
        doors = doors_of(house.database, house.ledger, house.turns, house.clock)
        done = replay(house.database, records, doors, actor="tests", now=house.clock())
        assert (done.records, done.examples) == (2, 6)
        assert client.get("/api/v1/events") == before


def test_a_certificate_names_the_backups_and_is_written_anew_when_they_end(town: Town) -> None:
    _file, made = town.backup()
    town.clock.advance(hours=1)
    request_id = town.erase()
    name = f"{digest_text(made.backup.digest)} of 2026-03-01"
    certificate = certificate_of(town.house, town.admin, request_id)
    assert [(each.name, each.until.isoformat()) for each in certificate.facts.backups] == [
        (name, "2026-05-30")
    ]
    # Nobody said in which file the rows lie: a person looked.
    task = next(t for t in show(town.admin, request_id)["tasks"] if t["kind"] == "manual")
    path = f"/api/v1/erasure-requests/{request_id}/tasks/{task['id']}/record"
    town.admin.post(path, {"state": "verified", "evidence": "looked into the folder"})
    work_off(town.house)
    states = {t["kind"]: t["state"] for t in show(town.admin, request_id)["tasks"]}
    assert states["backup"] == "deferred_backup"
    assert show(town.admin, request_id)["state"] == "partially_fulfilled", states
    town.clock.advance(days=89)
    wake(town)
    assert show(town.admin, request_id)["state"] == "partially_fulfilled"
    town.clock.advance(days=2)
    wake(town)
    assert show(town.admin, request_id)["state"] == "fulfilled"
    last = certificate_of(town.house, town.admin, request_id)
    assert (last.facts.outcome, last.facts.backups) == (Outcome.FULFILLED, ())


def test_a_backup_that_was_made_while_an_erasure_ran_is_named_too(town: Town) -> None:
    made = planned(town.admin, U1)
    approved(town.house, made)
    town.admin.post(f"/api/v1/erasure-requests/{made['id']}/execute", None)
    _file, between = town.backup()
    keys = replace(between.backup, id="keys-1", kind=BackupKind.KEYS)
    town.record(keys)
    finished(town.house, town.clock)
    _late, _after = town.backup("late")
    town.admin.post(f"/api/v1/erasure-requests/{made['id']}/execute", None)
    work_off(town.house)
    tasks = [t["target"] for t in show(town.admin, made["id"])["tasks"] if t["kind"] == "backup"]
    assert tasks == [f"{digest_text(between.backup.digest)} of 2026-03-01"]


def test_a_request_that_was_shredded_is_listed_beside_the_ledger(town: Town) -> None:
    made = planned(town.admin, "nobody@example.org")
    approved(town.house, made)
    executed(town.house, town.admin, made["id"])
    assert show(town.admin, made["id"])["state"] == "fulfilled"
    town.admin.post(f"/api/v1/erasure-requests/{made['id']}/shred", None)
    ends = read_key_ends(town.house.ledger.objects, town.public_keys())
    assert [end.name.partition("/")[0] for end in ends] == ["record"]


def wake(town: Town) -> None:
    """Do what is due again and again."""
    Workers(town.house, threads=1).schedule()
    work_off(town.house)
