"""The tasks of a case: opened once for each thing, turned one step at a time, never deleted.

Rules:
1. A task is named by its request, kind and target, so opening it twice is opening it once.
2. A turn is checked against the state that the row has in this transaction (`lifecycle`), so of two
   workers one turns a task and the other is told.
3. A model's disposition, a recipient's answer and a person's work are recorded with who and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime

from sqlalchemy import select, update
from sqlmodel import Session

from registry.erasure.lifecycle import (
    AT_WORK,
    WORKABLE,
    Disposition,
    TaskKind,
    TaskStanding,
    TaskState,
    require_task_turn,
)
from registry.erasure.tables import ErasureTask
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.storage.columns import changed_rows, insert_unless_there, table_of

_task = table_of(ErasureTask)
TEXT_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class NewTask:
    """A thing to be done. `target` names it among the tasks of its kind."""

    kind: TaskKind
    target: str
    state: TaskState = TaskState.PENDING
    dataset_id: bytes | None = None
    batch_number: int | None = None
    expected: int | None = None
    until: datetime | None = None
    due_on: date | None = None
    ground: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as its row has it; counts are None where nothing was counted yet."""

    id: str
    request_id: str
    plan_id: str
    kind: TaskKind
    target: str
    dataset_id: bytes | None
    batch_number: int | None
    state: TaskState
    expected: int | None
    found: int | None
    erased: int | None
    verified: int | None
    until: datetime | None
    owner: str | None
    due_on: str | None
    disposition: str | None
    ground: str | None
    detail: str | None
    evidence: str | None
    attempts: int
    opened_at: datetime
    changed_at: datetime
    changed_by: str

    @property
    def standing(self) -> TaskStanding:
        """What an outcome is computed from."""
        return TaskStanding(self.kind, self.state)


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What a turn writes beside the state; None leaves a column as it is."""

    expected: int | None = None
    found: int | None = None
    erased: int | None = None
    verified: int | None = None
    until: datetime | None = None
    owner: str | None = None
    due_on: str | None = None
    disposition: str | None = None
    ground: str | None = None
    detail: str | None = None
    evidence: str | None = None
    acknowledgement: bytes | None = None


@dataclass(frozen=True, slots=True)
class Grown:
    """Of what an extended plan erases other examples: batches, datasets, and who was given them."""

    batches: frozenset[int]
    datasets: frozenset[bytes]
    recipients: frozenset[str]


_VIEW = tuple(_task.c[field.name] for field in fields(TaskView))


def open_tasks(
    session: Session,
    request_id: str,
    plan_id: str,
    tasks: Iterable[NewTask],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Open tasks; how many were not there yet (rule 1). Effects: rows; does not commit."""
    opened = 0
    for each in tasks:
        row = {
            "id": fresh_id(),
            "request_id": request_id,
            "plan_id": plan_id,
            "kind": each.kind.value,
            "target": each.target,
            "dataset_id": each.dataset_id,
            "batch_number": each.batch_number,
            "state": each.state.value,
            "expected": each.expected,
            "until": each.until,
            "due_on": None if each.due_on is None else each.due_on.isoformat(),
            "ground": each.ground,
            "detail": each.detail,
            "attempts": 0,
            "opened_at": now,
            "changed_at": now,
            "changed_by": actor,
        }
        opened += insert_unless_there(session, _task, row)
    return opened


def read_tasks(
    session: Session, request_id: str, *, kinds: Sequence[TaskKind] = tuple(TaskKind)
) -> list[TaskView]:
    """The tasks of a request, by kind and target."""
    mine = (_task.c.request_id == request_id) & _task.c.kind.in_([kind.value for kind in kinds])
    query = select(*_VIEW).where(mine).order_by(_task.c.kind, _task.c.target)
    return [_view(tuple(row)) for row in session.execute(query)]


def tasks_alike(session: Session, task: TaskView) -> list[TaskView]:
    """The tasks of other requests about the same thing that may be worked on, by request.

    Cost: in proportion to the tasks that may be.
    """
    states = [state.value for state in WORKABLE]
    same = (_task.c.kind == task.kind.value) & (_task.c.target == task.target)
    others = (_task.c.request_id != task.request_id) & _task.c.state.in_(states)
    query = select(*_VIEW).where(same, others).order_by(_task.c.request_id)
    return [_view(tuple(row)) for row in session.execute(query)]


def read_task(session: Session, task_id: str, *, request_id: str | None = None) -> TaskView:
    """A task, of that request where one is named. Raises NotFoundError."""
    query = select(*_VIEW).where(_task.c.id == task_id)
    if request_id is not None:
        query = query.where(_task.c.request_id == request_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no task {task_id[:80]!r} in this request.",
            remedy="See its tasks: registry erasure show REQUEST.",
            path="task",
        )
    return _view(tuple(row))


def turn_task(
    session: Session,
    task: TaskView,
    to: TaskState,
    change: TaskChange | None = None,
    *,
    actor: str,
    now: datetime,
) -> TaskView:
    """Bring a task into a state. Raises ConflictError where it may not come there from its state,
    or is in another one by now (rule 2). Effects: one row; does not commit.
    """
    if to is not task.state:
        require_task_turn(task.state, to, task_id=task.id)
    told = change or TaskChange()
    values: dict[str, object] = {
        name: value
        for name in (field.name for field in fields(TaskChange))
        if (value := getattr(told, name)) is not None
    }
    values |= {"state": to.value, "changed_at": now, "changed_by": actor}
    if to is TaskState.RUNNING:
        values["attempts"] = _task.c.attempts + 1
    mine = (_task.c.id == task.id) & (_task.c.state == task.state.value)
    if not changed_rows(session, update(_task).where(mine).values(values)):
        there = read_task(session, task.id)
        raise ConflictError(
            f"The task {task.id} became {there.state.value} meanwhile; it was {task.state.value}.",
            remedy="Look at it again.",
        )
    return read_task(session, task.id)


def reopen_stopped(session: Session, request_id: str, *, actor: str, now: datetime) -> None:
    """Have files and copies worked on again that were changed outside, or failed, and batches read
    that could not be, as somebody asks for it. Effects: rows; does not commit.
    """
    kinds = [TaskKind.FILE, TaskKind.RECIPIENT, TaskKind.CONTENT_SCAN]
    for task in read_tasks(session, request_id, kinds=kinds):
        if task.state in _STOPPED:
            turn_task(session, task, TaskState.PENDING, actor=actor, now=now)


def reopen_grown(
    session: Session,
    request_id: str,
    tasks: Iterable[NewTask],
    grown: Grown,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Have those of these tasks done again that an extended plan has more of.

    What the registry itself holds is counted by the marks, and is not among them; a recipient that
    cannot be reached stays so. Effects: rows; does not commit.
    """
    wanted = {(each.kind, each.target): each for each in tasks}
    kinds = [TaskKind.FILE, TaskKind.MANUAL, TaskKind.REVIEW, TaskKind.RECIPIENT]
    for task in read_tasks(session, request_id, kinds=kinds):
        new = wanted.get((task.kind, task.target))
        if new is None or task.state is TaskState.IMPOSSIBLE:
            continue
        is_more = new.expected != task.expected or task.dataset_id in grown.datasets
        is_more |= task.kind is TaskKind.MANUAL and task.batch_number in grown.batches
        is_more |= task.target in grown.recipients
        if is_more and task.state is TaskState.ERASED:
            task = turn_task(session, task, TaskState.RUNNING, actor=actor, now=now)
        if is_more:
            change = TaskChange(expected=new.expected, detail=new.detail)
            turn_task(session, task, TaskState.PENDING, change, actor=actor, now=now)


_STOPPED = (TaskState.CHANGED_OUTSIDE, TaskState.FAILED_FINAL, TaskState.NOT_SEARCHED)


def dispose_model(
    session: Session,
    task: TaskView,
    *,
    disposition: str,
    owner: str,
    due_on: str,
    reason: str,
    actor: str,
    now: datetime,
) -> TaskView:
    """Record what is done about a model, by whom and until when (governance case 1).

    Raises InvalidInputError, ConflictError. Effects: one row; does not commit.
    """
    _require_kind(task, TaskKind.MODEL)
    if disposition not in list(Disposition):
        raise InvalidInputError(
            f"{disposition[:40]!r} is no disposition of a model.",
            remedy=f"Choose one of: {', '.join(Disposition)}.",
            path="disposition",
        )
    change = TaskChange(
        disposition=disposition,
        owner=worded(owner, "owner"),
        due_on=_day(due_on),
        detail=worded(reason, "reason"),
    )
    return turn_task(session, task, TaskState.DISPOSED, change, actor=actor, now=now)


_BY_A_PERSON = "Recorded by a person, with evidence."
#: What a person may say of a task of each kind.
_RECORDED = {
    TaskKind.MANUAL: frozenset({TaskState.VERIFIED, TaskState.NOT_PRESENT}),
    TaskKind.FILE: frozenset({TaskState.VERIFIED, TaskState.NOT_PRESENT}),
    TaskKind.CONTENT_SCAN: frozenset({TaskState.VERIFIED, TaskState.NOT_PRESENT}),
    TaskKind.BACKUP: frozenset({TaskState.VERIFIED, TaskState.NOT_PRESENT}),
    # Looked at, and none of them is to go; what is to go needs a new plan and its approval.
    TaskKind.REVIEW: frozenset({TaskState.NOT_PRESENT}),
    TaskKind.RECIPIENT: frozenset({TaskState.ACKNOWLEDGED, TaskState.IMPOSSIBLE}),
}


def record_work(
    session: Session,
    task: TaskView,
    to: TaskState,
    *,
    evidence: str,
    note: str | None,
    actor: str,
    now: datetime,
) -> TaskView:
    """Record that a person did what only a person can do, with evidence, or found nothing there.

    For manual tasks, scans and backups, and for files that the registry does not reach; what is
    reviewed may be recorded as kept, a recipient's as impossible, with why.
    Raises InvalidInputError, ConflictError. Effects: one row; does not commit.
    """
    allowed = _RECORDED.get(task.kind, frozenset())
    if to not in allowed:
        may = ", ".join(sorted(each.value for each in allowed)) or "nothing: the registry does it"
        raise InvalidInputError(
            f"A person cannot say that a task of kind {task.kind.value} is {to.value}.",
            remedy=f"What a person may record here: {may}.",
            path="state",
        )
    if task.state is to:
        raise ConflictError(
            f"The task {task.id} is {to.value} since {task.changed_at:%Y-%m-%dT%H:%M:%SZ}.",
            remedy="What was recorded stays; nothing is left to be done.",
        )
    # What was in the way before is no word about what the person did.
    told = TaskChange(evidence=worded(evidence, "evidence"), detail=note or _BY_A_PERSON)
    if task.kind is TaskKind.REVIEW:
        told = replace(told, expected=0)
    if task.kind in (TaskKind.FILE, TaskKind.CONTENT_SCAN) and task.state in AT_WORK:
        raise ConflictError(
            f"The registry is working on {task.target}, which is {task.state.value}.",
            remedy="Wait until it has ended, then look at the task again.",
        )
    if task.kind is TaskKind.FILE:
        count = task.expected if to is TaskState.VERIFIED else 0
        told = replace(told, found=count, erased=count, verified=count)
    if task.state in _STOPPED:
        task = turn_task(session, task, TaskState.PENDING, actor=actor, now=now)
    return turn_task(session, task, to, told, actor=actor, now=now)


def worded(text: str, name: str) -> str:
    """The text, trimmed. Raises InvalidInputError where it says nothing or is too long."""
    text = text.strip()
    if not 0 < len(text) <= TEXT_LIMIT:
        raise InvalidInputError(
            f"The {name} has {len(text)} characters.",
            remedy=f"Give 1 to {TEXT_LIMIT} characters.",
            path=name,
        )
    return text


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise InvalidInputError(
            f"{text[:40]!r} is no date.", remedy="Write YYYY-MM-DD.", path="due_on"
        ) from error


def _require_kind(task: TaskView, kind: TaskKind) -> None:
    if task.kind is not kind:
        raise ConflictError(
            f"The task {task.id} is about a {task.kind.value}, and this is for a {kind.value}.",
            remedy="See the tasks of the request.",
        )


def _view(row: tuple[object, ...]) -> TaskView:
    said = dict(zip((field.name for field in fields(TaskView)), row, strict=True))
    said["kind"], said["state"] = TaskKind(str(said["kind"])), TaskState(str(said["state"]))
    return TaskView(**said)  # type: ignore[arg-type]
