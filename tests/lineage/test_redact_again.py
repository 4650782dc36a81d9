"""Parts of events are taken away again by their paths: what was recorded, and never less."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.lineage.redact_again import BESIDE, take_away
from registry.lineage.sought import ERASED, Sought
from registry.pii.walk import json_path, path_steps

WHO = "ada@example.org"
EVENT: dict[str, Any] = {
    "eventTime": "2026-02-01T00:00:00Z",
    "job": {"namespace": "n", "name": "j", "facets": {"sql": {"query": f"select '{WHO}'"}}},
    "run": {
        "runId": "r",
        "facets": {
            "note": {
                "by": {WHO: "asked", "bob": "else"},
                "list": ["plain", f"to {WHO}", {"it's": WHO}],
                "a b": {"*": WHO},
            }
        },
    },
}


def after(*paths: str) -> dict[str, Any]:
    """The event without these parts."""
    event = copy.deepcopy(EVENT)
    for path in paths:
        take_away(event, path)
    return event


def test_what_an_erasure_recorded_is_all_that_is_needed_to_do_it_again() -> None:
    erased = copy.deepcopy(EVENT)
    outcome = Sought([("email", WHO)]).take_out(erased)
    again = after(*outcome.replaced)
    assert WHO not in str(again)
    note = again["run"]["facets"]["note"]
    assert note["list"] == ["plain", ERASED, {"it's": ERASED}]
    assert note["a b"] == {"*": ERASED}
    # Which key it was nobody knows any more: both lose their names, and keep their values.
    assert note["by"] == {ERASED: "asked", f"(2) {ERASED}": "else"}
    assert (again["job"]["name"], again["run"]["runId"]) == ("j", "r")


def test_a_key_of_which_a_part_was_replaced_is_found_by_the_rest() -> None:
    event = {"run": {"facets": {"note": {f"asked {WHO}": "a", "bob": "b"}}}}
    take_away(event, f"$.run.facets.note['asked {ERASED}']")
    assert event == {"run": {"facets": {"note": {f"asked {ERASED}": "a", "bob": "b"}}}}


@pytest.mark.parametrize(
    "path",
    ["$.run.facets.note.list[9]", "$.run.facets.note.list[1", "$.run.facets.note.list.gone.x"],
)
def test_where_a_path_leads_nowhere_all_under_its_last_place_goes(path: str) -> None:
    again = after(path)
    note = again["run"]["facets"]["note"]
    if path_steps(path) is None:
        assert note["by"] == {WHO: ERASED, "bob": ERASED}
    assert note["list"] == [ERASED, ERASED, {"it's": ERASED}]
    assert again["run"]["runId"] == "r"


@pytest.mark.parametrize("path", [BESIDE, "$.job.name", "$.eventTime", "$.run.runId"])
def test_names_stay(path: str) -> None:
    assert after(path) == EVENT


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(0, 10**6)), max_size=6))
def test_a_path_leads_back_to_its_steps(steps: list[str | int]) -> None:
    assert path_steps(json_path(steps)) == steps


@pytest.mark.parametrize("path", ["", "run", "$.run['a", "$.run[-1]", "$run"])
def test_what_is_no_path_has_no_steps(path: str) -> None:
    assert path_steps(path) is None
