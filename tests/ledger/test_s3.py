"""A ledger in a bucket does what one in a folder does, and no credential is kept anywhere."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from registry.app import check_everything
from registry.errors import SettingsError
from registry.ledger.fetch import fetch
from registry.ledger.rowmap import RowMap
from registry.ledger.sweep import LedgerPlace, Store
from registry.settings import Settings
from registry.storage.objects import Objects
from tests.ledger import rows
from tests.ledger.pipelines import NAMESPACE, Pipeline, digest_of, mapped, parquet, written
from tests.ledger.test_tracing import ROWS, collect, raw_table, texts
from tests.live import open_registry, served
from tests.stores import dump_all

SECRET = "s3cret-of-nobody-else"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, s3_options: dict[str, str]) -> str:
    """Credentials in the environment alone; gives the endpoint."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anyone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return s3_options["aws_endpoint"]


@pytest.fixture
def on_s3(settings: Settings, credentials: str) -> Settings:
    """Settings of a registry whose ledger is a folder of a bucket."""
    return replace(
        settings,
        ledger_url=f"s3://lake/{uuid.uuid4().hex}/ledger",
        s3_endpoint=credentials,
        s3_region="us-east-1",
    )


@pytest.fixture
def pipeline(on_s3: Settings) -> Iterator[Pipeline]:
    with open_registry(on_s3) as opened, served(opened) as live, live.client() as client:
        yield Pipeline(live, client)


def test_upload_bind_trace_and_locate(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    collect(pipeline, subjectCoverage={"keyedBy": "author"})
    cut = pipeline.upload_map(RowMap.take([5, 80, 7], ROWS))
    pipeline.run(
        "cut", reads=["raw"], writes=[written("cut", "c", maps=[mapped([("raw", "b1")], cut)])]
    )
    parents = parquet(
        raw_table(2).select(["example_id"]).append_column("parent_ids", [[["ex-1"], []]])
    )
    assert pipeline.put(parents, "parents").status_code == 201
    named = [mapped([("raw", "b1")], digest_of(parents), "transformed")]
    pipeline.run("name", reads=["raw"], writes=[written("named", "n", maps=named)])
    pipeline.settle()
    back = pipeline.trace("cut", address={"batch": "c", "ordinal": 1})
    assert [source["example_id"] for source in back["sources"]] == ["ex-80"]
    back = pipeline.trace("named", address={"batch": "n", "ordinal": 0})
    assert [source["example_id"] for source in back["sources"]] == ["ex-1"]
    forward = pipeline.trace("raw", "forward", content=texts()[7])
    assert {r["dataset"]: r["count"] for r in forward["batches"]} == {"raw": 1, "cut": 1}
    asked = {"subject": {"scheme": "email", "value": "u3@example.org"}}
    located = pipeline.client.post("/api/v1/subjects/locate", json=asked).json()
    assert located["examples"] == len(range(3, ROWS, 7))
    verified = {"dataset": {"namespace": NAMESPACE, "name": "cut", "version": 1}}
    answer = pipeline.client.post("/api/v1/versions/verify", json=verified).json()
    assert [item["found"] for item in answer["checked"]] == ["identical"]
    house = pipeline.server.registry.house
    findings = check_everything(house.settings)
    assert [finding for finding in findings if finding.problems] == []
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert SECRET not in f"{dump_all(house.database)}{house.settings}{caplog.text}"
    assert not any(SECRET.encode() in content for content in kept)
    assert not (house.settings.home / "ledger").exists()


def test_sums_of_a_derived_batch_are_made_in_a_bucket(pipeline: Pipeline) -> None:
    collect(pipeline)
    odd = pipeline.upload_map(RowMap.take(range(1, ROWS, 2), ROWS))
    pipeline.run(
        "odd", reads=["raw"], writes=[written("odd", "o", maps=[mapped([("raw", "b1")], odd)])]
    )
    pipeline.settle()
    with pipeline.server.registry.house.database.read() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT value, examples FROM batch_sum WHERE dimension = 'license' "
            "AND number = (SELECT max(number) FROM batch_binding)"
        )
        assert [tuple(row) for row in rows] == [("MIT", ROWS // 2)]


def test_an_object_in_a_bucket_is_fetched_by_url(credentials: str, tmp_path: Path) -> None:
    data = parquet(raw_table())
    client = boto3.client("s3", endpoint_url=credentials, region_name="us-east-1")
    client.put_object(Bucket="lake", Key="drop/a.parquet", Body=data)
    client.close()
    options = {"aws_endpoint": credentials, "aws_region": "us-east-1", "allow_http": "true"}
    fetch(
        "s3://lake/drop/a.parquet",
        tmp_path / "got",
        digest=digest_of(data),
        roots=["s3://lake/drop"],
        limit_bytes=1 << 20,
        storage_options=options,
    )
    assert (tmp_path / "got").read_bytes() == data


def test_everything_may_come_from_the_environment(
    credentials: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", credentials)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = Store(LedgerPlace(f"s3://lake/{uuid.uuid4().hex}"))
    store.objects.put("a/b", b"some bytes")
    assert store.objects.get("a/b") == b"some bytes"
    store.index.append(rows.examples(1, 4))
    assert store.index.count(1) == 4


@pytest.mark.parametrize("url", ["nowhere://lake/a", "s3://"])
def test_what_is_no_place_for_a_ledger_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot lie at") as refused:
        Objects(url)
    assert "REGISTRY_LEDGER_URL" in refused.value.remedy
