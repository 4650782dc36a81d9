"""An old event loses its raw and personal texts, and nothing that the catalog is made of."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from registry.lineage.old_texts import REMOVED, Removal, remove_old_texts
from tests.lineage.making import dataset, facet, run_event

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))


def event(**facets: Any) -> dict[str, Any]:
    return run_event(run_facets=facets)


@pytest.mark.parametrize(
    ("name", "said", "left"),
    [
        ("sql", {"query": "SELECT 1"}, {"query": REMOVED}),
        (
            "sourceCode",
            {"language": "python", "sourceCode": "x = 1"},
            {"language": "python", "sourceCode": REMOVED},
        ),
        (
            "errorMessage",
            {"message": "no", "programmingLanguage": "Java", "stackTrace": "at x"},
            {"message": REMOVED, "programmingLanguage": "Java", "stackTrace": REMOVED},
        ),
        (
            "environmentVariables",
            {"environmentVariables": [{"name": "HOME", "value": "/home/ann"}]},
            {"environmentVariables": [{"name": "HOME", "value": REMOVED}]},
        ),
        (
            "extractionError",
            {"errors": [{"errorMessage": "x", "stackTrace": "y", "taskNumber": 3}]},
            {"errors": [{"errorMessage": REMOVED, "stackTrace": REMOVED, "taskNumber": 3}]},
        ),
        (
            "documentation",
            {"description": "Ask ann@example.org"},
            {"description": REMOVED},
        ),
        ("documentation", {"description": "Daily."}, {"description": "Daily."}),
        (
            "custom",
            {"deep": [{"who": ["ann@example.org", "nobody"]}]},
            {"deep": [{"who": [REMOVED, "nobody"]}]},
        ),
    ],
)
def test_raw_and_personal_texts_of_a_facet_go(
    name: str, said: dict[str, Any], left: dict[str, Any]
) -> None:
    one = copy.deepcopy(event(**{name: facet(**said)}))
    removals = remove_old_texts(one)
    assert one["run"]["facets"][name] == facet(**left)
    assert bool(removals) == (said != left)


def test_what_the_catalog_reads_stays_whoever_it_names() -> None:
    personal = {"namespace": "s3://lake", "name": "ann@example.org"}
    one = run_event(
        job=("etl", "for ann@example.org"),
        inputs=[dataset("ann@example.org")],
        outputs=[
            dataset(
                "out",
                facets={
                    "symlinks": facet(identifiers=[{**personal, "type": "TABLE"}]),
                    "columnLineage": facet(
                        fields={"a": {"inputFields": [{**personal, "field": "b"}]}}
                    ),
                    "registry_rights": facet(contract="ann@example.org"),
                },
            )
        ],
    )
    before = copy.deepcopy(one)
    assert remove_old_texts(one) == []
    assert one == before


def test_a_text_in_which_a_secret_was_masked_goes() -> None:
    one = event(spark=facet(conf="login ***"))
    path = "$.run.facets.spark.conf"
    assert remove_old_texts(one) == []
    assert remove_old_texts(one, {path}) == [Removal(path, "secret")]


def test_what_went_is_told_without_the_value_and_only_once() -> None:
    one = event(custom=facet(**{"ann@example.org": "ann@example.org", "by": "bob@example.org"}))
    removals = remove_old_texts(one)
    assert sorted(path for path, _ in removals) == [
        "$.run.facets.custom.by",
        "$.run.facets.custom[*]",
    ]
    assert {kind for _, kind in removals} == {"email"}
    assert remove_old_texts(one) == []


@pytest.mark.parametrize("part", ["run", "job", "dataset", "inputs", "outputs"])
@pytest.mark.parametrize("odd", [None, 7, "text", [], [1], {"facets": 3}, {"facets": {"a": 1}}])
def test_odd_shapes_are_passed_over(part: str, odd: object) -> None:
    assert remove_old_texts({part: odd}) == []


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_second_time_nothing_is_left_in_real_events(path: Path) -> None:
    said = json.loads(path.read_bytes())
    for one in said if isinstance(said, list) else [said]:
        remove_old_texts(one)
        before = copy.deepcopy(one)
        assert remove_old_texts(one) == []
        assert one == before
