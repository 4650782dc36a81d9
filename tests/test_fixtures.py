"""The tools of the tests, tested: what every other test relies on without looking."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
import uvloop

from registry.storage.database import Database
from registry.storage.migrate import require_schema
from tests import conftest, postgres, provision
from tests.clock import FrozenClock
from tests.live import LiveServer
from tests.offline import NetworkError
from tests.postgres import Server
from tests.stores import WRITTEN_BY_EVENTS, dump_all

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = "192.0.2.1"  # RFC 5737: a documentation address that nobody has


def test_a_postgres_url_leads_to_an_empty_database_of_at_least_version_15(
    postgres_url: str,
) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        version = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
        assert sqlalchemy.inspect(connection).get_table_names() == []
        connection.exec_driver_sql("CREATE TABLE mark (n int)")
        connection.commit()
    engine.dispose()
    assert int(version) >= 150000


@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_one_test_writes_no_other_test_sees(postgres_url: str, turn: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mark (turn text)")
    engine.dispose()


def test_a_template_is_prepared_once_and_copied_whole(postgres_server: Server) -> None:
    prepared = []

    def prepare(url: str) -> None:
        prepared.append(url)
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE schema_of_ours (n int)")
        engine.dispose()

    name = f"template_of_{os.getpid()}"
    for _ in range(2):
        template = postgres_server.ensure_template(name, prepare)
        with postgres_server.temporary_database(template=template) as url:
            engine = sqlalchemy.create_engine(url)
            assert sqlalchemy.inspect(engine).get_table_names() == ["schema_of_ours"]
            engine.dispose()
    assert len(prepared) == 1


def test_a_template_whose_preparation_failed_is_prepared_anew(postgres_server: Server) -> None:
    def fail(url: str) -> None:
        raise RuntimeError("half way")

    name = f"broken_{os.getpid()}"
    with pytest.raises(RuntimeError, match="half way"):
        postgres_server.ensure_template(name, fail)
    prepared: list[str] = []
    postgres_server.ensure_template(name, prepared.append)
    assert len(prepared) == 1


def test_a_database_is_dropped_although_somebody_is_still_connected(
    postgres_server: Server,
) -> None:
    with postgres_server.temporary_database() as url:
        name = url.rpartition("/")[2]
        lingering = postgres_server.connect(name)
    with postgres_server.connect() as admin:
        query = "SELECT count(*) FROM pg_database WHERE datname = %s"
        assert admin.execute(query, [name]).fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError):
        lingering.execute("SELECT 1")
    lingering.close()


def test_a_database_has_the_schema_of_this_program_and_no_rows(database: Database) -> None:
    require_schema(database)
    rows = dump_all(database)
    assert {table.name for table in WRITTEN_BY_EVENTS} <= set(rows)
    assert [name for name, found in rows.items() if found] == []


def test_a_served_registry_takes_its_first_token_and_that_of_a_project(server: LiveServer) -> None:
    team = server.registry.make_project("team", "warehouse team_", "s3://team-*")
    for token, name, kept_apart in ((team, "team_job", False), (None, "team_job_2", True)):
        event = {
            "eventTime": "2026-03-01T09:30:00Z",
            "job": {"namespace": "warehouse", "name": name},
        }
        with server.client(token=token) as client:
            answer = client.post("/api/v1/lineage", json=event)
        assert answer.status_code == 201
        assert answer.json()["quarantined"] is kept_apart


def test_the_server_goes_when_the_run_is_killed() -> None:
    program = textwrap.dedent(
        """
        from tests.postgres import Keeper, ask_keeper
        keeper = Keeper()
        print(ask_keeper(keeper.port).port, flush=True)
        input()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        server = Server(postgres.HOST, int(run.stdout.readline()))
        with server.connect() as alive:
            assert alive.execute("SELECT 1").fetchone() == (1,)
            # The server ends this connection when it stops; until then the read waits.
            alive.execute("LISTEN nothing")
            run.send_signal(signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                list(alive.notifies(timeout=postgres.STOP_SECONDS))
    with pytest.raises(psycopg.OperationalError):
        server.connect()


def test_a_machine_without_postgres_fails_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "candidate_folders", lambda: iter(()))
    with pytest.raises(provision.ProvisionError, match=r"-m tests\.provision"):
        provision.require_installation()


def test_a_failed_installation_says_what_was_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "print('no route to the archive'); raise SystemExit(1)"]
    monkeypatch.setattr(provision, "candidate_folders", lambda: iter(()))
    monkeypatch.setattr(provision, "_installers", lambda: iter([("the package", [failing])]))
    assert provision.main() == 1
    assert "the package: no route to the archive" in capsys.readouterr().err


def test_a_server_that_is_too_old_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("postgres", "initdb"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "postgres (PostgreSQL) 14.23 (Debian)"\n')
        program.chmod(0o755)
    monkeypatch.setattr(provision, "candidate_folders", lambda: iter([tmp_path]))
    assert provision.read_major(tmp_path) == 14
    assert provision.find_installation() is None


def test_other_machines_are_out_of_reach() -> None:
    with socket.socket() as stranger, pytest.raises(NetworkError, match=ELSEWHERE):
        stranger.connect((ELSEWHERE, 80))
    with socket.socket(type=socket.SOCK_DGRAM) as stranger, pytest.raises(NetworkError):
        stranger.sendto(b"hello", (ELSEWHERE, 53))
    with pytest.raises(NetworkError, match=r"example\.org"):
        socket.getaddrinfo("example.org", 443)


def test_other_machines_are_out_of_reach_of_asyncio() -> None:
    async def leave() -> None:
        await asyncio.open_connection(ELSEWHERE, 80)

    with pytest.raises(NetworkError):
        asyncio.run(leave())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_within_reach(
    new_loop: Callable[[], asyncio.AbstractEventLoop], host: str
) -> None:
    async def converse() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, host, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello\n")
            echo = await reader.readline()
            writer.close()
            await writer.wait_closed()
            return echo

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(converse()) == b"hello\n"


def test_the_clock_stands_still_until_it_is_moved(frozen_clock: FrozenClock) -> None:
    assert frozen_clock() == frozen_clock() == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    frozen_clock.advance(days=1, seconds=5)
    assert frozen_clock() == datetime(2026, 3, 2, 9, 30, 5, tzinfo=UTC)


class TestGolden:
    """The fixture `golden`, on a folder of its own."""

    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setattr(conftest, "GOLDEN", tmp_path)
        return tmp_path

    def test_the_same_text_passes(self, golden: Callable[[str, str], None], folder: Path) -> None:
        (folder / "a.txt").write_text("one\n")
        golden("a.txt", "one\n")

    def test_another_text_fails_with_the_difference(
        self, golden: Callable[[str, str], None], folder: Path
    ) -> None:
        (folder / "a.txt").write_text("one\n")
        with pytest.raises(pytest.fail.Exception, match=r"-one\n\+two\n"):
            golden("a.txt", "two\n")

    def test_a_missing_file_fails_even_for_no_text(
        self, golden: Callable[[str, str], None]
    ) -> None:
        with pytest.raises(pytest.fail.Exception, match="make golden"):
            golden("absent.txt", "")

    def test_the_option_writes_the_file(
        self,
        golden: Callable[[str, str], None],
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        request: pytest.FixtureRequest,
    ) -> None:
        monkeypatch.setattr(request.config.option, "update_golden", True)
        golden("new/b.txt", "two\n")
        assert (folder / "new" / "b.txt").read_bytes() == b"two\n"
