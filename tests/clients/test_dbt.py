"""A real dbt project on DuckDB, run by `dbt-ol`: models, tests and columns are in the catalog."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.dbt_environment import require_programs
from tests.live import LiveServer

PROJECT = Path(__file__).parent / "dbt"
DUCK = "duckdb%3A%2F%2Fshop.duckdb"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, in which dbt may write."""
    return Path(shutil.copytree(PROJECT, tmp_path / "shop"))


def build(project: Path, server: LiveServer) -> None:
    """`dbt-ol build`, with what it needs of the environment and nothing that calls home."""
    programs = require_programs()
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.defpath}",
        "HOME": str(project),
        "OPENLINEAGE_URL": server.url,
        "OPENLINEAGE_API_KEY": server.registry.token,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    done = subprocess.run(
        [programs / "dbt-ol", "build", "--profiles-dir", ".", "--no-version-check"],
        check=False,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_dbt_project_lands(server: LiveServer, project: Path) -> None:
    build(project, server)
    assert {seen.status for seen in server.witness.seen} == {201}
    with server.client() as client:

        def get(path: str) -> Any:
            response = client.get(f"/api/v1/{path}")
            assert response.status_code == 200, response.text
            return response.json()

        assert get("events/quarantine")["totalCount"] == 0
        jobs = {job["name"]: job for job in get("namespaces/dbt/jobs?limit=100")["jobs"]}
        assert jobs.keys() >= {
            "dbt-run-shop",
            "shop.main.shop.orders.build.run",
            "shop.main.shop.customers.build.run",
        }
        assert {job["latestRun"]["state"] for job in jobs.values()} == {"COMPLETED"}
        orders = get(f"namespaces/{DUCK}/datasets/shop.main.orders")
        assert orders["description"] == "Orders that cost more than three."
        graph = get(f"lineage?nodeId=dataset:{DUCK}:shop.main.customers&depth=10")["graph"]
        assert {"shop.main.raw_orders", "shop.main.orders", "shop.main.customers"} <= {
            node["data"]["name"] for node in graph if node["type"] == "DATASET"
        }
        columns = get(f"column-lineage?nodeId=dataset:{DUCK}:shop.main.customers&depth=10")
        assert "shop.main.orders" in str(columns["graph"])
        run = jobs["shop.main.shop.orders.build.run"]["latestRun"]
        parent = jobs["dbt-run-shop"]["latestRun"]
        assert get(f"jobs/runs/{run['id']}")["parentRun"]["runId"] == parent["id"]
