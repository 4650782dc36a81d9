"""A person asks for single examples by command, and reads the answer as text or JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from registry.ledger.rowmap import RowMap
from tests.cli.conftest import Run
from tests.ledger.pipelines import NAMESPACE, Pipeline, digest_of, mapped, model, written
from tests.live import LiveServer

RAW, ODD = f"{NAMESPACE} raw", f"{NAMESPACE} odd"


@pytest.fixture
def told(server: LiveServer, bare_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Commands against a server that was told of a small pipeline."""
    path = tmp_path / "raw.jsonl"
    path.write_text("".join(f'{{"text": "t{row}"}}\n' for row in range(10)))
    table = pa.table(
        {
            "example_id": [f"ex-{row}" if row != 7 else "doc:7" for row in range(10)],
            "content": [f"t{row}" for row in range(10)],
            "subjects": [
                [{"scheme": "email", "value": f"u{row % 2}@example.org"}] for row in range(10)
            ],
        }
    )
    files = [{"uri": str(path), "sha256": digest_of(path.read_bytes()), "rows": 10}]
    with server.client() as client:
        pipeline = Pipeline(server, client)
        examples = pipeline.upload_examples(table)
        pipeline.run("collect", writes=[written("raw", "b", examples=examples, files=files)])
        odd = RowMap.take(np.arange(1, 10, 2, dtype=np.uint32), 10)
        maps = [mapped([("raw", "b")], pipeline.upload_map(odd))]
        pipeline.run("odd", reads=["raw"], writes=[written("odd", "o", maps=maps)])
        pipeline.run("train", reads=["odd"], writes=[model("classifier")])
        pipeline.settle()
    monkeypatch.setenv("REGISTRY_URL", server.url)
    monkeypatch.setenv("REGISTRY_TOKEN", server.registry.token)
    return bare_run


def test_an_example_is_shown_with_its_way_back(told: Run) -> None:
    answer = told("trace", ODD, "o:2")
    assert answer.code == 0, answer.err
    assert "kept by tests odd" in answer.out
    assert "source ex-5" in answer.out
    assert "raw.jsonl row 5" in answer.out


def test_what_became_of_an_example_is_shown(told: Run) -> None:
    answer = told("trace", RAW, "ex-3", "--forward")
    assert "classifier" in answer.out
    assert told("trace", RAW, "ex-3", "--forward", "--json").json["models"][0]["state"] == "saw"


def test_a_sample_and_a_person_are_shown(told: Run) -> None:
    assert "2 of 5 examples, seed 1" in told("sample", ODD, "--size", "2", "--seed", "1").out
    assert "5 examples of this person" in told("locate", "email", "u1@example.org").out


def test_a_version_that_cannot_be_read_again_is_not_verified(told: Run) -> None:
    answer = told("version", "verify", RAW)
    assert answer.code == 1
    assert "Not verified: 0 of 1 file and map of 1 batch were read again" in answer.out
    assert "not readable" in answer.out
    assert "REGISTRY_FILE_ROOTS" in answer.err


def test_an_id_with_a_colon_is_told_from_an_address(told: Run) -> None:
    assert "source doc:7" in told("trace", RAW, "doc:7").out
    assert "source ex-2" in told("trace", RAW, "b:2").out
    unknown = told("trace", RAW, "nobatch:2")
    assert (unknown.code, "no batch 'nobatch'" in unknown.err) == (1, True)
    assert "digest" in told("trace", RAW, "sha256:12").err


def test_an_example_that_is_not_there_is_refused_in_two_lines(told: Run) -> None:
    answer = told("trace", RAW, "nobody")
    assert answer.code == 1
    assert "holds no such example" in answer.err
    assert "Remedy:" in answer.err
