"""A dataset in two Parquet files, and copies of it elsewhere: lines, a data set, tables.

The copies have orders of their own, so that their rows are known by their keys alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.client.http import HttpClient
from registry.request import House
from registry.settings import Settings
from tests.clock import FrozenClock
from tests.erasure.town import KEYED, RIGHTS, email, examples, told
from tests.erasure.working import REQUESTS, approved, filed, finished, plan, show
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, parquet, written
from tests.ledger.test_binding_faults import put
from tests.stores import settings_on

TABLE = "Training rows"
VENDOR = "whsec_" + base64.b64encode(bytes(range(32))).decode()
COPIES = ("lines", "set", "lance", "sql")
NAMES = ("ann", "bob", "cay", "dan", "eve")
PEOPLE = tuple(random.Random(11).choices(NAMES, k=60))
Row = dict[str, Any]


@dataclass(frozen=True)
class Copied:
    """The dataset `raw` and its copies, in a folder `lake` and a database `warehouse`."""

    folder: Path
    warehouse: str
    house: House
    client: HttpClient
    clock: FrozenClock

    def rows(self) -> dict[str, list[Row]]:
        """Every row of every copy, in its order there; of a database sorted by key."""
        lines = (self.folder / "copy.jsonl").read_text("utf-8").splitlines()
        found = {
            name: pq.read_table(self.folder / f"{name}.parquet").to_pylist() for name in ("a", "b")
        }
        found["lines"] = [json.loads(line) for line in lines]
        found["set"] = [
            row
            for path in sorted((self.folder / "set").glob("data-*.arrow"))
            for row in pa.ipc.open_stream(pa.OSFile(str(path))).read_all().to_pylist()
        ]
        table = lance.dataset(str(self.folder / "table.lance")).to_table().to_pylist()
        found["lance"] = sorted(table, key=lambda row: str(row["example_id"]))
        found["sql"] = self.in_warehouse(f'SELECT * FROM "{TABLE}" ORDER BY example_id')
        return found

    def in_warehouse(self, statement: str) -> list[Row]:
        """The rows that a statement gives."""
        engine = sa.create_engine(self.warehouse, poolclass=NullPool)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def bind(self, executor: str, uri: str, **said: Any) -> str:
        """Bind a copy; its id."""
        known = {"namespace": NAMESPACE, "name": "raw", "uri": uri, "executor": executor}
        body = {**known, **said}
        return str(self.client.post("/api/v1/erasure-targets", body)["id"])

    def bind_all(self, *names: str) -> dict[str, str]:
        """Bind each of the copies, or those that are named, by key; their ids."""
        keyed = {"key_column": "example_id"}
        by_key = {"by_key": True, **keyed}
        how: dict[str, tuple[str, str, dict[str, Any]]] = {
            "lines": ("files", str(self.folder / "copy.jsonl"), by_key),
            "set": ("huggingface", str(self.folder / "set"), by_key),
            "lance": ("lance", str(self.folder / "table.lance"), keyed),
            "sql": ("sql", "sql:warehouse", {"table": TABLE, "credential": "warehouse", **keyed}),
        }
        return {
            name: self.bind(executor, uri, **said)
            for name, (executor, uri, said) in how.items()
            if not names or name in names
        }

    def begun(self, person: str, *decisions: dict[str, str]) -> str:
        """The case of a person, approved and taken up; nothing of it is done yet."""
        request_id = filed(self.client, email(person))
        approved(self.house, plan(self.client, request_id, *decisions))
        self.client.post(f"{REQUESTS}/{request_id}/execute", None)
        return request_id

    def erased(self, person: str) -> str:
        """The case of a person, carried out."""
        request_id = self.begun(person)
        self.go_on()
        return request_id

    def go_on(self) -> None:
        """Do what the queue has, and let the time pass that it waits for."""
        work_off(self.house)
        finished(self.house, self.clock, rounds=3)

    def tasks(self, request_id: str) -> dict[str, dict[str, Any]]:
        """The tasks of a case about files and copies, by the last part of their place."""
        return {
            task["target"].rpartition("/")[2].rpartition(" ")[2]: task
            for task in show(self.client, request_id)["tasks"]
            if task["kind"] == "file" or task["target"].startswith("copy:")
        }

    def names_kept(self) -> list[str]:
        """The objects in which rows of copies are named."""
        return list(self.house.ledger.objects.names("erasures/names"))


def counts(task: Mapping[str, Any]) -> tuple[Any, ...]:
    """The state of a task, and what was expected, found, erased and verified."""
    return tuple(task[name] for name in ("state", "expected", "found", "erased", "verified"))


def settings_of(
    database_url: str, home: Path, lake: Path, credentials: Path, *also: str
) -> Settings:
    """As usual, and the lake is a place where the registry may erase; so is loopback."""
    return replace(
        settings_on(database_url, home),
        file_roots=(str(lake), *also),
        credentials_file=str(credentials),
        private_networks=("127.0.0.0/8",),
    )


def write_credentials(path: Path, warehouse: str) -> None:
    """The credentials that the bindings name."""
    path.write_text(json.dumps({"warehouse": {"url": warehouse}, "vendor": {"secret": VENDOR}}))
    path.chmod(0o600)


def table_of(people: Sequence[str]) -> pa.Table:
    """The rows of the dataset: an id, a text and whose it is (`ann+bob`: both wrote it)."""
    rows = examples([person.split("+") for person in people])
    return rows.select(["example_id", "content"]).append_column("person", pa.array(people))


def copied(
    house: House, client: HttpClient, clock: FrozenClock, lake: Path, people: Sequence[str]
) -> Copied:
    """Write the files and the copies, and tell the registry of the dataset."""
    warehouse = json.loads(Path(house.settings.credentials_file).read_text())["warehouse"]["url"]
    rows = table_of(people)
    half = len(people) // 2
    files = []
    for name, part in (("a", rows.slice(0, half)), ("b", rows.slice(half))):
        path = lake / f"{name}.parquet"
        pq.write_table(part, path, row_group_size=8)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append({"uri": path.as_uri(), "sha256": f"sha256:{digest}", "rows": part.num_rows})
    chance = random.Random(7)
    for write in (_write_lines, _write_set, _write_lance):
        write(lake, rows.take(chance.sample(range(len(people)), len(people))))
    _write_sql(warehouse, rows)
    digest = put(client, parquet(examples([person.split("+") for person in people])), "examples")
    told(
        client, "collect", 1, written("raw", "raw", examples=digest, files=files, **RIGHTS, **KEYED)
    )
    work_off(house)
    clock.advance(hours=1)
    return Copied(lake, warehouse, house, client, clock)


def _write_lines(lake: Path, rows: pa.Table) -> None:
    lines = "".join(f"{json.dumps(row)}\n" for row in rows.to_pylist())
    (lake / "copy.jsonl").write_text(lines, "utf-8")


def _write_set(lake: Path, rows: pa.Table) -> None:
    import datasets

    datasets.disable_progress_bars()
    made = datasets.Dataset.from_dict(rows.to_pydict(), split="train")
    made.save_to_disk(str(lake / "set"), num_shards=3)


def _write_lance(lake: Path, rows: pa.Table) -> None:
    half = rows.num_rows // 2
    lance.write_dataset(rows.slice(0, half), str(lake / "table.lance"))
    lance.write_dataset(rows.slice(half), str(lake / "table.lance"), mode="append")


def _write_sql(url: str, rows: pa.Table) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f'CREATE TABLE "{TABLE}" (example_id TEXT, content TEXT, person TEXT)'
        )
        connection.execute(
            sa.text(f'INSERT INTO "{TABLE}" VALUES (:example_id, :content, :person)'),
            rows.to_pylist(),
        )
    engine.dispose()
