"""Targets over HTTP and by command: bound, listed, checked and ended, by who may and sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.actors.tables import Role
from registry.catalog.lookup import find_dataset
from registry.client.http import HttpClient
from registry.erasure.connectors.credentials import Credentials
from registry.erasure.connectors.opening import Connectors, connectors_of
from registry.erasure.connectors.protocol import Executor, Target, Watch
from registry.erasure.connectors.trouble import Reason, StoppedError
from registry.erasure.targets.bindings import read_target, target_for_file, targets_of
from registry.erasure.targets.file_states import (
    FileKey,
    copy_target,
    file_target,
    note_erased,
    note_intent,
    read_states,
)
from registry.errors import RegistryError
from registry.ledger.holes import Holes
from registry.ledger.source_files import BatchFileNode
from registry.request import House
from tests.conftest import TokenMaker
from tests.connectors.copies import ROWS, ordinals, parquet, sha256, table
from tests.lineage.making import run_event

PATH = "/api/v1/erasure-targets"
DATASET = {"namespace": "s3://lake", "name": "raw"}


@pytest.fixture
def client(admin: HttpClient) -> HttpClient:
    """Everybody, where there is a dataset."""
    event = run_event(outputs=[{"namespace": "s3://lake", "name": "raw"}])
    admin.post("/api/v1/lineage", event)
    return admin


def bind(client: HttpClient, uri: str, executor: str = "files", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.post(PATH, {**DATASET, "uri": uri, "executor": executor, **more})
    return found


def test_a_target_is_bound_listed_and_ended(client: HttpClient) -> None:
    made = bind(client, "/lake/raw", key_column="id")
    assert (made["executor"], made["key_column"], made["by_key"]) == ("files", "id", False)
    bind(client, "sql://warehouse", "sql", table="rows", key_column="id", credential="warehouse")
    listed = client.get(PATH, DATASET)
    assert (listed["totalCount"], [each["uri"] for each in listed["targets"]]) == (
        2,
        ["/lake/raw", "sql://warehouse"],
    )
    first = client.get(PATH, {"limit": 1})
    assert (
        client.get(PATH, {"limit": 1, "after": first["next"]})["targets"] == listed["targets"][1:]
    )
    ended = client.request("DELETE", f"{PATH}/{made['id']}").json()
    assert ended["ended_at"] is not None
    assert client.get(PATH)["totalCount"] == 1
    with pytest.raises(RegistryError, match="was removed at"):
        client.request("DELETE", f"{PATH}/{made['id']}")
    bind(client, "/lake/raw", key_column="id")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an executor that is none": ({"executor": "ftp"}, "is no executor"),
    "files at an address of the web": ({"uri": "https://a.example/x"}, "cannot lie at"),
    "a user in the address": ({"uri": "s3://user:word@lake/x"}, "holds a user"),
    "a query in the address": ({"uri": "s3://lake/x?versionId=1"}, "holds a user, a query"),
    "no address": ({"uri": " "}, "lies somewhere"),
    "a path that begins nowhere": ({"uri": "lake/raw"}, "does not say from where"),
    "a form that is none": ({"form": "docx"}, "is no form"),
    "rows by a key that is not named": ({"by_key": True}, "needs its key column"),
    "a table of files": ({"table": "rows"}, "has no table"),
    "a database without a table": (
        {"executor": "sql", "uri": "sql://w", "key_column": "id", "credential": "w"},
        "needs its table",
    ),
    "a database without a credential": (
        {"executor": "sql", "uri": "sql://w", "key_column": "id", "table": "rows"},
        "needs its credential",
    ),
    "a webhook without a credential": (
        {"executor": "webhook", "uri": "https://a.example/x"},
        "needs its credential",
    ),
    "a person's task with a credential": (
        {"executor": "manual", "uri": "the tape in the safe", "credential": "w"},
        "has no credential",
    ),
}


@pytest.mark.parametrize(("said", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(said: dict[str, Any], words: str, client: HttpClient) -> None:
    with pytest.raises(RegistryError, match=words) as refused:
        client.post(PATH, {**DATASET, "uri": "/lake/raw", "executor": "files", **said})
    assert refused.value.remedy
    assert "word" not in str(refused.value.detail)


def test_a_copy_is_bound_once(client: HttpClient) -> None:
    bind(client, "/lake/raw")
    with pytest.raises(RegistryError, match="is bound to"):
        bind(client, "/lake/raw")
    with pytest.raises(RegistryError, match="no dataset"):
        client.post(PATH, {**DATASET, "name": "none", "uri": "/x", "executor": "files"})


def test_only_who_processes_erasure_sees_targets(
    client: HttpClient, connect: Callable[[str], HttpClient], make_token: TokenMaker
) -> None:
    made = bind(client, "/lake/raw")
    owner = connect(make_token(Role.DATA_OWNER, name="owner"))
    assert owner.get(PATH)["totalCount"] == 1
    steward = connect(make_token(Role.STEWARD, name="steward"))
    with pytest.raises(RegistryError, match="may not do"):
        steward.get(PATH)
    client.post("/api/v1/projects", {"name": "speech"})
    stranger = connect(make_token(Role.DATA_OWNER, name="stranger", project="speech"))
    assert stranger.get(PATH)["totalCount"] == 0
    for ask in (
        lambda: stranger.post(f"{PATH}/{made['id']}/check"),
        lambda: stranger.request("DELETE", f"{PATH}/{made['id']}"),
        lambda: stranger.get(PATH, DATASET),
    ):
        with pytest.raises(RegistryError) as refused:
            ask()
        assert refused.value.code == "not_found"


def test_a_check_says_what_stands_in_the_way(client: HttpClient) -> None:
    made = bind(client, "/lake/raw")
    found = client.post(f"{PATH}/{made['id']}/check")
    assert (found["reachable"], found["reason"], found["state"]) == (
        False,
        "outside_roots",
        "failed_final",
    )
    assert "REGISTRY_FILE_ROOTS" in found["remedy"]
    assert found["detail"].startswith("/lake/raw does not lie")


@pytest.fixture
def connectors(tmp_path: Path) -> Connectors:
    path = tmp_path / "credentials.toml"
    path.write_text(f'[warehouse]\nurl = "sqlite:///{tmp_path / "warehouse.db"}"\n[empty]\n')
    path.chmod(0o600)
    return Connectors((str(tmp_path / "lake"),), Credentials(str(path)))


def test_checks_of_every_executor(connectors: Connectors, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    (lake / "a.parquet").write_bytes(parquet(table()))
    (lake / "empty").mkdir()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'warehouse.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE rows (id TEXT)")
    engine.dispose()
    database = Target(
        uri="sql://warehouse",
        executor=Executor.SQL,
        table="rows",
        key_column="id",
        credential="warehouse",
    )
    checks: list[tuple[Target, Reason | None]] = [
        (Target(uri=str(lake / "a.parquet")), None),
        (Target(uri=str(lake)), None),
        (Target(uri=str(lake / "empty")), Reason.GONE),
        (Target(uri=str(lake / "none")), Reason.GONE),
        (Target(uri="/elsewhere"), Reason.OUTSIDE_ROOTS),
        (Target(uri="s3://elsewhere/x"), Reason.OUTSIDE_ROOTS),
        (Target(uri=str(lake / "none.lance"), executor=Executor.LANCE), Reason.GONE),
        (database, None),
        (replace(database, table="others"), Reason.GONE),
        (replace(database, key_column="uid"), Reason.KEY_COLUMN_MISSING),
        (replace(database, credential="none"), Reason.CREDENTIAL_MISSING),
        (replace(database, credential="empty"), Reason.CREDENTIAL_MISSING),
        (replace(database, credential=None), Reason.CREDENTIAL_MISSING),
        (Target(uri="https://a.example/hook", executor=Executor.WEBHOOK), None),
        (Target(uri="the tape in the safe", executor=Executor.MANUAL), None),
    ]
    for target, reason in checks:
        found = connectors.check(target)
        assert (found and found.reason) == reason, (target, found)
    (lake / "a.parquet").chmod(0o444)
    found = connectors.check(Target(uri=str(lake / "a.parquet")))
    assert found is not None
    assert found.reason is Reason.READ_ONLY


@pytest.mark.parametrize(
    ("name", "content", "mode", "words"),
    [
        ("c.toml", '[w]\nurl = "s3cret"\n', 0o640, "may be read by others"),
        ("c.toml", "[w\nurl = s3cret", 0o600, "cannot be read"),
        ("c.json", '{"w": {"url": "s3cret"', 0o600, "cannot be read"),
        ("c.json", '{"w": {"url": 7, "b": "s3cret"}}', 0o600, "no credential 'w'"),
        ("c.json", '["s3cret"]', 0o600, "no credential 'w'"),
        (None, "", 0o600, "cannot be read"),
    ],
)
def test_credentials_that_cannot_be_used(
    name: str | None, content: str, mode: int, words: str, tmp_path: Path
) -> None:
    path = tmp_path / (name or "none.toml")
    if name is not None:
        path.write_text(content)
        path.chmod(mode)
    with pytest.raises(StoppedError, match=words) as stopped:
        Credentials(str(path)).get("w")
    assert stopped.value.trouble.reason is Reason.CREDENTIAL_MISSING
    assert "s3cret" not in str(stopped.value)
    assert "s3cret" not in repr(stopped.value.__cause__)


def test_a_credential_shows_no_value(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"w": {"url": "s3cret"}}))
    path.chmod(0o600)
    found = Credentials(str(path)).get("w")
    assert found.require("url") == "s3cret"
    assert "s3cret" not in repr(found)
    with pytest.raises(StoppedError, match="no value 'key'"):
        found.require("key")


def test_files_after_erasures(house: House, client: HttpClient, tmp_path: Path) -> None:
    """What was recorded, and what erasures made of it, give the target of the next erasure."""
    lake = tmp_path / "lake"
    lake.mkdir()
    path = lake / "part.parquet"
    path.write_bytes(parquet(table()))
    bind(client, str(lake), key_column="id")
    wide = bind(client, "/")
    settings = replace(house.settings, file_roots=(str(lake),))
    file = BatchFileNode(str(path), f"sha256:{sha256(path.read_bytes()).hex()}", ROWS, 0)
    with house.database.read() as session:
        dataset = find_dataset(session, "s3://lake", "raw")
        bound = targets_of(session, [dataset.id])[dataset.id]
        assert read_target(session, wide["id"]).said.uri == "/"
    binding = target_for_file(bound, str(path))
    assert binding is not None
    assert binding.said.uri == str(lake)
    assert target_for_file(bound, f"{lake}-2/part.parquet") is not binding
    key = FileKey(dataset.id, 7, str(path))
    for rows in (ordinals(0, 60), ordinals(1, 61)):
        with house.database.read() as session:
            now = read_states(session, [key]).get(key)
        target = file_target(file, now, binding)
        target = replace(target, keys={row: f"ex-{row}" for row in rows.tolist()})

        def keep(intent: Any, rows: Any = rows) -> None:
            with house.database.write() as session:
                note_intent(session, key, intent.sha256, rows, now=house.clock())

        done = connectors_of(settings).of(target).erase(target, rows, Watch(intend=keep))
        assert done.erased == 2
        with house.database.read() as session:
            assert read_states(session, [key])[key].next_sha256 == done.sha256
        with house.database.write() as session:
            note_erased(
                session,
                key,
                rows,
                sha256=done.sha256,
                left=done.rows,
                actor="somebody",
                now=house.clock(),
            )
    with house.database.read() as session:
        now = read_states(session, [key])[key]
    assert (now.holes, now.rows, now.next_sha256) == (Holes([0, 1, 60, 61]), ROWS - 4, None)
    assert now.sha256 == sha256(path.read_bytes())
    left = pq.read_table(path).column("number").to_pylist()
    assert left == [row for row in range(ROWS) if row not in (0, 1, 60, 61)]
    copy = copy_target(binding)
    assert (copy.sha256, copy.holes, copy.by_key) == (None, Holes(), False)
