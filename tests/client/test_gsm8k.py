"""GSM8K through the Hugging Face integration: every final example to its line, and forward again.

A real server, a pipeline of three runs, and brute force beside it: each row carries the number of
the line it came from, in a column that the SDK never looks at. Without the data set beside the
checkout, rows of its form stand in for it.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import datasets
import httpx
import numpy as np
import pytest

from registry.client import Registry
from registry.ledger.batches import BatchGraph
from registry.ledger.closure import push_back, push_forward, single
from registry.ledger.source_files import files_of, place_of
from registry.settings import Settings
from tests.house.tree import ROOT
from tests.ledger.pipelines import Pipeline
from tests.live import LiveServer

# Of datasets' own use of a newer pyarrow.
pytestmark = pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")
GSM8K = ROOT.parent / "shared" / "data" / "gsm8k" / "train.jsonl"
LAKE = "file://lake"
FINAL = f"{LAKE} gsm8k/steps"
OVER_HTTP = 12


@dataclass(frozen=True)
class Prepared:
    """The registry after the pipeline, and the truth: for each final row the line it came from."""

    server: LiveServer
    client: httpx.Client
    file: Path
    lines: list[bytes]
    truth: np.ndarray[Any, np.dtype[np.int64]]

    def ask(self, path: str, **asked: Any) -> Any:
        answer = self.client.post(f"/api/v1/{path}", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trace(self, dataset: str, direction: str, **named: Any) -> Any:
        named["dataset"] = {"namespace": LAKE, "name": dataset}
        return self.ask("trace", direction=direction, **named)


def problems(folder: Path) -> Path:
    """GSM8K's training file in a folder of the test's own, or one of the same form."""
    file = folder / "train.jsonl"
    if GSM8K.exists():
        file.write_bytes(GSM8K.read_bytes())
    else:
        lines = (json.dumps(each) + "\n" for each in made_up_problems(2_000))
        file.write_text("".join(lines), encoding="utf-8")
    return file


def made_up_problems(count: int) -> Iterator[dict[str, str]]:
    """Questions of several lengths, with answers of one to seven lines, some of them equal."""
    chance = random.Random(5)
    words = [f"{chance.choice('bcdfglmprst')}{chance.choice('aeiou')}{n:x}" for n in range(500)]
    for number in range(count):
        question = f"{number}: " + " ".join(chance.choices(words, k=chance.randrange(15, 60)))
        lines = [" ".join(chance.choices(words, k=5)) for _ in range(chance.randrange(1, 7))]
        yield {"question": question, "answer": "\n".join([*lines, f"#### {number % 50}"])}


def explode(rows: Any) -> dict[str, list[Any]]:
    """A row for each line of an answer; nobody says which row it came from."""
    pairs = [
        (number, step)
        for number, answer in zip(rows["line"], rows["answer"], strict=True)
        for step in answer.split("\n")
    ]
    return {"line": [number for number, _ in pairs], "step": [step for _, step in pairs]}


def run_pipeline(sdk: Registry, file: Path) -> list[int]:
    """Collect, prepare, train: three runs. The line that each final row carries."""
    rows = datasets.Dataset.from_list(
        [
            {"line": number, **json.loads(line)}
            for number, line in enumerate(file.read_bytes().splitlines())
        ]
    )
    with sdk.run("gsm8k collect", code=False) as run:
        raw = run.write(
            f"{LAKE} gsm8k/raw",
            rows.add_column("id", [f"gsm8k-{number}" for number in range(len(rows))]),
            columns={"example_id": "id", "content": "question"},
            files=file,
            license="MIT",
            origin="public",
        )
    with sdk.run("gsm8k split", code=False, seed=1) as run:
        long = run.track(rows, raw).filter(lambda row: len(row["question"]) > 150)
        parts = long.shuffle(seed=7).train_test_split(test_size=0.2, seed=1)
        train = run.write(f"{LAKE} gsm8k/train", parts["train"])
        test = run.write(f"{LAKE} gsm8k/test", parts["test"])
    with sdk.run("gsm8k steps", code=False) as run:
        # One to many, found out by the SDK; one to one; then both together, in another order.
        steps = run.track(parts["train"].with_format(None), train).map(
            explode, batched=True, remove_columns=["question", "answer"]
        )
        whole = run.track(parts["test"], test).map(
            lambda row: {"step": row["answer"]}, remove_columns=["question", "answer"]
        )
        final = datasets.concatenate_datasets([steps, whole]).sort("step")
        written = run.write(FINAL, final)
    with sdk.run("gsm8k train", code=False, purpose="model_training") as run:
        run.read(written)
        run.write_model(f"{LAKE} models/solver", version="1")
    return [int(number) for number in final["line"][:]]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """The server may read the file again."""
    return replace(settings, file_roots=(str(tmp_path / "lake"),))


@pytest.fixture
def prepared(server: LiveServer, tmp_path: Path) -> Iterator[Prepared]:
    folder = tmp_path / "lake"
    folder.mkdir()
    file = problems(folder)
    token = server.registry.make_token()
    with (
        Registry(server.url, token, spool=tmp_path / "spool", strict=True) as sdk,
        server.client() as client,
    ):
        carried = run_pipeline(sdk, file)
        sdk.flush()
        Pipeline(server, client).settle()
        lines = file.read_bytes().splitlines()
        yield Prepared(server, client, file, lines, np.array(carried, np.int64))


def test_every_final_example_leads_to_its_line_and_forward_again(prepared: Prepared) -> None:
    everything_in_the_ledger(prepared)
    some_over_http(prepared)


def everything_in_the_ledger(prepared: Prepared) -> None:
    """All final examples and all lines, by the functions that the routes use."""
    house, truth = prepared.server.registry.house, prepared.truth
    graph: BatchGraph = house.ledger.graph
    raw, final = number_of(prepared, "gsm8k/raw"), number_of(prepared, "gsm8k/steps")
    with house.database.read() as session:
        places = files_of(session, [raw])[raw]
        for ordinal, line in enumerate(truth.tolist()):
            back = push_back(session, graph, single(final, ordinal))
            assert not back.unknown
            assert back.reached[raw].tolist() == [line], ordinal
            place = place_of(places, line)
            assert place is not None
            assert (place[0].uri, place[1]) == (prepared.file.as_uri(), line)
        for line in range(len(prepared.lines)):
            forward = push_forward(session, graph, single(raw, line))
            found = forward.reached.get(final, np.empty(0, np.uint32))
            assert found.tolist() == np.flatnonzero(truth == line).tolist(), line


def some_over_http(prepared: Prepared) -> None:
    """A seeded few as a person asks for them, and what an auditor's sample says of the file."""
    chance = np.random.default_rng(11)
    for ordinal in chance.choice(prepared.truth.size, OVER_HTTP, replace=False).tolist():
        line = int(prepared.truth[ordinal])
        address = {"batch": number_of(prepared, "gsm8k/steps"), "ordinal": ordinal}
        answer = prepared.trace("gsm8k/steps", "backward", address=address)
        (source,) = answer["sources"]
        assert source["example_id"] == f"gsm8k-{line}"
        assert source["license"] == "MIT"
        assert source["file"] == {
            "uri": prepared.file.as_uri(),
            "row": line,
            "sha256": "sha256:" + hashlib.sha256(prepared.file.read_bytes()).hexdigest(),
        }
        assert {step["role"] for step in answer["steps"]} == {"kept", "transformed"}
        assert not answer["unknown"]
        forward = prepared.trace("gsm8k/raw", "forward", example_id=source["example_id"])
        counts = {each["dataset"]: each["count"] for each in forward["batches"]}
        assert counts["gsm8k/steps"] == int((prepared.truth == line).sum())
        assert [model["state"] for model in forward["models"]] == ["saw"]
    dataset = {"namespace": LAKE, "name": "gsm8k/steps"}
    sample = prepared.ask("samples", dataset=dataset, size=OVER_HTTP, seed=3)
    assert sample["population"] == prepared.truth.size
    assert {each["reread"] for each in sample["examples"]} == {"identical"}


def number_of(prepared: Prepared, dataset: str) -> int:
    """The number of the only batch of a dataset."""
    path = f"/api/v1/namespaces/{quote(LAKE, safe='')}/datasets/{quote(dataset, safe='')}/batches"
    (batch,) = prepared.client.get(path).json()["batches"]
    return int(batch["number"])
