"""Requests and tasks move along their tables, and an outcome follows from the tasks alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.erasure.lifecycle import (
    AT_WORK,
    BEFORE_EXECUTION,
    ENDED_WELL,
    FOLLOWS,
    RequestState,
    TaskKind,
    TaskStanding,
    TaskState,
    outcome_of,
    require_task_turn,
    require_turn,
)
from registry.errors import ConflictError

standings = st.builds(TaskStanding, st.sampled_from(TaskKind), st.sampled_from(TaskState))


def test_every_state_has_its_row_and_every_request_can_be_closed() -> None:
    closed = {RequestState.FULFILLED, RequestState.DENIED, RequestState.CANCELLED}
    assert set(FOLLOWS) == set(RequestState)
    for state in set(RequestState) - closed:
        reached, grown = {state}, True
        while grown:
            more = {to for each in reached for to in FOLLOWS[each]} - reached
            reached |= more
            grown = bool(more)
        assert reached & closed


def test_nothing_is_denied_or_cancelled_once_data_was_touched() -> None:
    for state in (RequestState.EXECUTING, RequestState.VERIFYING, RequestState.FULFILLED):
        assert state not in BEFORE_EXECUTION


@pytest.mark.parametrize("state", RequestState)
def test_a_turn_is_refused_with_what_would_be_possible(state: RequestState) -> None:
    for to in RequestState:
        if to in FOLLOWS[state]:
            require_turn(state, to, request_id="r")
        else:
            with pytest.raises(ConflictError, match=f"is {state.value} and cannot become"):
                require_turn(state, to, request_id="r")


def test_a_withheld_task_resumes_and_an_acknowledged_one_is_asked_for_more_or_stays() -> None:
    require_task_turn(TaskState.WITHHELD, TaskState.PENDING, task_id="t")
    require_task_turn(TaskState.ACKNOWLEDGED, TaskState.PENDING, task_id="t")
    with pytest.raises(ConflictError, match="is acknowledged and cannot become impossible"):
        require_task_turn(TaskState.ACKNOWLEDGED, TaskState.IMPOSSIBLE, task_id="t")


@given(st.lists(standings))
def test_fulfilled_means_that_every_task_ended_well(tasks: list[TaskStanding]) -> None:
    states = {task.state for task in tasks}
    outcome = outcome_of(tasks)
    assert (outcome is RequestState.FULFILLED) == (states <= ENDED_WELL)
    waits = TaskStanding(TaskKind.OWN_DATA, TaskState.PENDING) in tasks
    assert (outcome is RequestState.EXECUTING) == (bool(states & AT_WORK) or waits)
