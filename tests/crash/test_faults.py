"""A database that is held, full or gone: 503 with Retry-After, nothing half, and no restart."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from registry.settings import Settings
from tests.crash.conftest import Site, check_whole, groups_of_events
from tests.crash.load import Load
from tests.lineage.making import encoded, facet, run_event
from tests.live import LiveServer, open_registry, served
from tests.postgres import Restartable, restartable_server
from tests.stores import copy_sqlite, dump_all, held, migrate, settings_on

ONE = "/api/v1/lineage"


def posting(url: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60.0)


def check_unavailable(response: httpx.Response, words: str) -> None:
    """Hold an answer to what a client needs that shall come back: 503, when, and why."""
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == "2"
    problem = response.json()
    assert problem["code"] == "storage_unavailable"
    assert words in problem["detail"]
    assert problem["remedy"].startswith("Try again")


def is_unavailable(refusal: tuple[int, str | None, bytes]) -> bool:
    status, retry_after, answer = refusal
    return (status, retry_after) == (503, "2") and (
        json.loads(answer)["code"] == "storage_unavailable"
    )


def test_a_database_that_another_process_holds(site: Site) -> None:
    serving = site.serve()
    with posting(serving.url, site.token) as client:
        assert client.post(ONE, json=run_event(run=1)).status_code == 201
        with held(site.settings.database):
            words = "locked" if site.settings.embedded else "lock timeout"
            check_unavailable(client.post(ONE, json=run_event(run=2)), words)
            check_unavailable(client.post(f"{ONE}/batch", json=[run_event(run=3)]), words)
            # What only reads goes on.
            assert client.get("/readyz").status_code == 200
            assert client.get("/api/v1/namespaces").status_code == 200
        taken = [run_event(run=2), run_event(run=3)]
        assert [client.post(ONE, json=one).status_code for one in taken] == [201, 201]
    serving.end()
    check_whole(site.settings, {encoded(one) for one in taken})


@pytest.fixture
def embedded(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Settings of an embedded registry."""
    url = copy_sqlite(sqlite_template, tmp_path / "home")
    return settings_on(url, tmp_path / "home")


def large(run: int) -> dict[str, object]:
    """An event that needs some room."""
    return run_event(run=run, run_facets={"custom": facet(text=f"{run} " * 20_000)})


def test_a_disk_that_is_full(embedded: Settings, make_site: Callable[[Settings], Site]) -> None:
    site = make_site(embedded)
    serving = site.serve()
    pid = serving.process.popen.pid
    taken = []
    with posting(serving.url, site.token) as client:
        assert client.post(ONE, json=run_event(run=1)).status_code == 201
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        # No file may grow beyond a megabyte: the kernel refuses the write as it does on a full
        # disk (EFBIG, where that says ENOSPC).
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (2**20, hard))
        answers = [(one, client.post(ONE, json=one)) for one in map(large, range(2, 40))]
        taken = [encoded(one) for one, answer in answers if answer.status_code == 201]
        refused = [(one, answer) for one, answer in answers if answer.status_code != 201]
        assert refused
        for _, answer in refused:
            check_unavailable(answer, "disk")
        assert client.get("/api/v1/namespaces").status_code == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        for one, _ in refused:
            assert client.post(ONE, json=one).status_code == 201
            taken.append(encoded(one))
    serving.end()
    check_whole(embedded, set(taken))


@pytest.fixture
def server(embedded: Settings) -> Iterator[LiveServer]:
    with open_registry(embedded) as registry, served(registry) as live:
        yield live


def test_a_database_that_may_not_grow(server: LiveServer) -> None:
    house = server.registry.house

    def limit(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
        # As many pages as there are: SQLite then says that the database or disk is full.
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    def unlimit(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
        connection.execute("PRAGMA max_page_count = 4294967294")  # type: ignore[attr-defined]

    with server.client() as client:
        assert client.post(ONE, json=large(1)).status_code == 201
        before = dump_all(house.database)
        event.listen(house.database.engine, "checkout", limit)
        for _ in range(3):
            check_unavailable(client.post(ONE, json=large(2)), "full")
        event.remove(house.database.engine, "checkout", limit)
        event.listen(house.database.engine, "checkout", unlimit)
        assert dump_all(house.database) == before
        assert client.post(ONE, json=large(2)).status_code == 201
    check_whole(house.settings, {encoded(large(1)), encoded(large(2))})


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Restartable]:
    """A PostgreSQL that nobody else uses, so that it may be stopped."""
    with restartable_server() as restartable:
        yield restartable


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "crash"])
def test_postgresql_that_goes_and_comes_back_under_load(
    own_postgres: Restartable,
    make_site: Callable[[Settings], Site],
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    template = own_postgres.server.ensure_template("migrated", migrate)
    with own_postgres.server.temporary_database(template=template) as url:
        settings = settings_on(url, tmp_path / "home")
        settings.home.mkdir()
        site = make_site(settings)
        serving = site.serve()
        groups = groups_of_events(3_000)
        load = Load(serving.url, site.token, groups).start()
        load.wait_for(lambda load: len(load.taken) >= 50)
        own_postgres.stop(how)
        load.wait_for(lambda load: len(load.refusals) >= 20)
        with posting(serving.url, site.token) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 503
        own_postgres.start()
        reached = len(load.taken)
        load.wait_for(lambda load: len(load.taken) >= reached + 50)
        load.stop()
        with posting(serving.url, site.token) as client:
            assert client.get("/readyz").status_code == 200
        serving.end()
        assert all(map(is_unavailable, load.refusals)), load.refusals[:3]
        check_whole(settings, load.taken)
