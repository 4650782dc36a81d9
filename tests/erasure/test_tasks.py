"""Tasks are opened once, turned one at a time, and ended with who and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from registry.erasure.execution.notices import acknowledge, make_notice
from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.tasks import (
    NewTask,
    TaskChange,
    TaskView,
    dispose_model,
    open_tasks,
    read_task,
    read_tasks,
    record_work,
    turn_task,
)
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.storage.database import Database
from tests.erasure.case_rows import NOW, insert_plan, insert_request

ME = "owner"
LATER = NOW + timedelta(hours=3)


def opened(database: Database, *tasks: NewTask) -> list[TaskView]:
    with database.write() as session:
        request = insert_request(session)
        plan = insert_plan(session, request)
        assert open_tasks(session, request, plan, tasks, actor=ME, now=NOW) == len(tasks)
        assert open_tasks(session, request, plan, tasks, actor=ME, now=LATER) == 0
        return read_tasks(session, request)


def turned(database: Database, task: TaskView, to: TaskState, **said: object) -> TaskView:
    change = TaskChange(**said)  # type: ignore[arg-type]
    return database.transact(
        lambda session: turn_task(session, task, to, change, actor=ME, now=LATER)
    )


def test_opening_twice_is_opening_once(database: Database) -> None:
    tasks = opened(database, NewTask(TaskKind.OWN_DATA, "ledger", expected=7))
    assert [(task.target, task.state, task.expected) for task in tasks] == [
        ("ledger", TaskState.PENDING, 7)
    ]


def test_a_turn_counts_attempts_and_keeps_what_it_does_not_say(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.OWN_DATA, "ledger", expected=7))
    running = turned(database, task, TaskState.RUNNING)
    erased = turned(database, running, TaskState.ERASED, found=7, erased=7)
    verified = turned(database, erased, TaskState.VERIFIED, verified=7)
    assert (verified.attempts, verified.expected, verified.found, verified.verified) == (1, 7, 7, 7)
    assert verified.changed_at == LATER


def test_of_two_workers_one_turns_a_task_and_the_other_is_told(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.FILE, "file:///a"))
    turned(database, task, TaskState.RUNNING)
    with pytest.raises(ConflictError, match="became running meanwhile; it was pending"):
        turned(database, task, TaskState.RUNNING)


def test_a_task_of_another_request_is_not_found(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.FILE, "file:///a"))
    with database.read() as session, pytest.raises(NotFoundError):
        read_task(session, task.id, request_id="another")


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"disposition": "forget"}, "disposition"),
        ({"due_on": "soon"}, "due_on"),
        ({"owner": " "}, "owner"),
        ({"reason": ""}, "reason"),
    ],
)
def test_a_disposition_needs_its_words(database: Database, said: dict[str, str], path: str) -> None:
    (task,) = opened(database, NewTask(TaskKind.MODEL, "models tagger"))
    words = {"disposition": "retrain", "owner": "ml", "due_on": "2026-06-01", "reason": "saw it"}
    with database.write() as session, pytest.raises(InvalidInputError) as refused:
        dispose_model(session, task, **(words | said), actor=ME, now=LATER)  # type: ignore[arg-type]
    assert refused.value.path == path


def test_a_model_is_disposed_of_with_owner_and_date(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.MODEL, "models tagger"))
    with database.write() as session:
        done = dispose_model(
            session,
            task,
            disposition="retrain",
            owner="ml",
            due_on="2026-06-01",
            reason="It saw eight of them.",
            actor=ME,
            now=LATER,
        )
    assert (done.state, done.owner, done.due_on) == (TaskState.DISPOSED, "ml", "2026-06-01")


def test_a_person_cannot_say_that_the_ledger_is_empty(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.OWN_DATA, "ledger"))
    with database.write() as session, pytest.raises(InvalidInputError, match="the registry does"):
        record_work(
            session, task, TaskState.VERIFIED, evidence="I looked", note=None, actor=ME, now=LATER
        )


def answered(database: Database, secret: str) -> TaskView:
    words = "deleted by job 12"
    answer: Callable[..., TaskView] = acknowledge
    return database.transact(
        lambda session: answer(session, secret, evidence=words, actor="recipient", now=LATER)
    )


def test_a_notice_is_acknowledged_once_and_a_replay_is_refused(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.RECIPIENT, "recipient-1"))
    with database.write() as session:
        notice = make_notice(session, task, actor=ME, now=NOW)
    assert notice.task.state is TaskState.AWAITING_RECIPIENT_ACK
    assert answered(database, notice.secret).state is TaskState.ACKNOWLEDGED
    with pytest.raises(ConflictError, match="was acknowledged at 2026-03-02T12:30:00Z already"):
        answered(database, notice.secret)


def test_a_newer_notice_replaces_the_older_secret(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.RECIPIENT, "recipient-1"))
    with database.write() as session:
        first = make_notice(session, task, actor=ME, now=NOW)
        second = make_notice(session, first.task, actor=ME, now=NOW)
    with pytest.raises(NotFoundError):
        answered(database, first.secret)
    assert answered(database, second.secret).evidence == "deleted by job 12"


def test_who_cannot_be_reached_is_recorded_with_why(database: Database) -> None:
    (task,) = opened(database, NewTask(TaskKind.RECIPIENT, "recipient-1"))
    with database.write() as session:
        done = record_work(
            session,
            task,
            TaskState.IMPOSSIBLE,
            evidence="The company was dissolved; register extract 4.",
            note=None,
            actor=ME,
            now=LATER,
        )
    assert done.state is TaskState.IMPOSSIBLE


def test_what_is_reviewed_may_be_kept_with_why_and_then_nothing_is_expected(
    database: Database,
) -> None:
    (task,) = opened(database, NewTask(TaskKind.REVIEW, "aggregate", expected=3))
    with database.write() as session:
        done = record_work(
            session,
            task,
            TaskState.NOT_PRESENT,
            evidence="A mean over thousands of people.",
            note=None,
            actor=ME,
            now=LATER,
        )
    assert (done.state, done.expected) == (TaskState.NOT_PRESENT, 0)
