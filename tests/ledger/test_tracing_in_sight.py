"""Traces are computed over everything and shown as far as the asker may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from registry.actors.tables import Role
from registry.ledger.rowmap import RowMap
from tests.ledger.pipelines import NAMESPACE, Pipeline, mapped, model, written
from tests.live import LiveServer

ROWS = 20


@dataclass
class Lake:
    """`raw` and `model` are of the project `other`; `clean` between them is of `speech`."""

    server: LiveServer
    speech: Pipeline
    other: Pipeline

    def ask(self, token: str, path: str, body: dict[str, Any]) -> httpx.Response:
        with self.server.client(token=token) as client:
            return client.post(f"/api/v1/{path}", json=body)

    def auditor(self, project: str) -> str:
        return self.server.registry.make_token(project, role=Role.AUDITOR)


@pytest.fixture
def lake(server: LiveServer) -> Iterator[Lake]:
    tokens = {
        name: server.registry.make_project(name, *(f"{NAMESPACE} {prefix}" for prefix in prefixes))
        for name, prefixes in (("speech", ["clean"]), ("other", ["raw", "model"]))
    }
    with (
        server.client(token=tokens["speech"]) as speech,
        server.client(token=tokens["other"]) as other,
    ):
        lake = Lake(server, Pipeline(server, speech), Pipeline(server, other, minute=100))
        fill(lake)
        yield lake


def fill(lake: Lake) -> None:
    """Rows of `raw`, every second of them in `clean`, and a model that read those."""
    subjects = [[{"scheme": "email", "value": "u@example.org"}]] * ROWS
    table = pa.table({"example_id": [f"ex-{n}" for n in range(ROWS)], "subjects": subjects})
    digest = lake.other.upload_examples(table)
    lake.other.minute = 0
    lake.other.run("collect", writes=[written("raw", "b1", examples=digest)])
    kept = RowMap.take(np.arange(0, ROWS, 2, dtype=np.uint32), ROWS)
    maps = [mapped([("raw", "b1")], lake.speech.upload_map(kept))]
    lake.speech.minute = 1
    lake.speech.run("refine", reads=["raw"], writes=[written("clean", "b1", maps=maps)])
    lake.other.minute = 2
    lake.other.run("train", reads=["clean"], writes=[model("model")])
    lake.other.settle()


def test_a_trace_ends_where_sight_ends_and_says_so(lake: Lake) -> None:
    asked = {
        "dataset": {"namespace": NAMESPACE, "name": "clean"},
        "address": {"batch": "b1", "ordinal": 3},
    }
    seen = lake.ask(lake.auditor("speech"), "trace", asked).json()
    assert seen["beyond_scope"] is True
    assert (seen["sources"], [step["from"] for step in seen["steps"]]) == ([], [[]])
    assert "raw" not in str(seen)
    whole = lake.ask(lake.server.registry.token, "trace", asked).json()
    assert whole["beyond_scope"] is False
    assert [source["example_id"] for source in whole["sources"]] == ["ex-6"]


def test_what_became_of_an_example_is_shown_where_one_may_look(lake: Lake) -> None:
    asked = {
        "dataset": {"namespace": NAMESPACE, "name": "clean"},
        "address": {"batch": "b1", "ordinal": 3},
        "direction": "forward",
    }
    seen = lake.ask(lake.auditor("speech"), "trace", asked).json()
    assert [one["dataset"] for one in seen["batches"]] == ["clean"]
    assert (seen["models"], seen["beyond_scope"]) == ([], True)
    whole = lake.ask(lake.server.registry.token, "trace", asked).json()
    assert [one["name"] for one in whole["models"]] == ["model"]
    assert whole["beyond_scope"] is False


def test_an_example_of_another_project_is_not_found(lake: Lake) -> None:
    token = lake.auditor("speech")
    for name, status in (("raw", 404), ("nothing", 404), ("clean", 200)):
        body = {"dataset": {"namespace": NAMESPACE, "name": name}, "example_id": "ex-6"}
        assert lake.ask(token, "trace", body).status_code == status
        sample = {"dataset": {"namespace": NAMESPACE, "name": name}, "size": 1, "seed": 1}
        assert lake.ask(token, "samples", sample).status_code == status


def test_a_person_is_counted_where_one_may_look(lake: Lake) -> None:
    asked = {"subject": {"scheme": "email", "value": "u@example.org"}}
    seen = lake.ask(lake.auditor("speech"), "subjects/locate", asked).json()
    assert (seen["examples"], seen["by_dataset"], seen["beyond_scope"]) == (0, [], True)
    found = lake.ask(lake.auditor("other"), "subjects/locate", asked).json()
    assert (found["examples"], found["beyond_scope"]) == (ROWS, False)


@pytest.mark.parametrize("role", [Role.PIPELINE, Role.VIEWER, Role.ADMINISTRATOR])
def test_personal_facts_are_not_for_every_role(lake: Lake, role: Role) -> None:
    token = lake.server.registry.make_token("speech", role=role)
    body = {"dataset": {"namespace": NAMESPACE, "name": "clean"}, "example_id": "ex-6"}
    assert lake.ask(token, "trace", body).status_code == 403
