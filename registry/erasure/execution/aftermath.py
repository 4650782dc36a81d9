"""What an approved plan asks to be done, as tasks: one for each thing, named after it. Pure.

Rules (the governance page, "Erasure request", cases 1, 8, 18; DESIGN §1.10):
1. The approved document alone says what there is to do; what was decided later has no say.
2. Whatever keeps the request from being whole is a task too: what is held, what nobody searched,
   what nobody decided, where nobody knows the files, and backups until they end.
3. A model is due a quarter of a year after approval unless its owner says another day; everything
   else is due when the request is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.tasks import NewTask

Json = Mapping[str, Any]
LEDGER, EVENT_LOG, AUDIT_LOG = "ledger", "event_log", "audit_log"
MODEL_TIME = timedelta(days=90)
_UNDECIDED = "Nobody decided on these: plan again with a decision."
_WHY = {
    "packed_span": "Other examples are in these rows too, and nobody recorded which part of a row "
    f"was made of which example, so nothing can be cut out of them. {_UNDECIDED}",
    "may_be_named": f"What stands in these rows may be somebody else's too. {_UNDECIDED}",
}


@dataclass(frozen=True, slots=True)
class KnownBackup:
    """A backup that was made before the erasure, and goes by itself."""

    name: str
    until: datetime


def tasks_of(
    document: Json, *, backups: Iterable[KnownBackup], due_on: date, approved_on: date
) -> Iterator[NewTask]:
    """The tasks of a plan's document (rules 1 to 3)."""
    yield from _own_data(document, due_on)
    yield from _files(document, due_on)
    yield from _undecided(document, due_on)
    yield from _models(document, approved_on + MODEL_TIME)
    yield from _recipients(document, due_on)
    for batch in document["not_searched"]:
        yield NewTask(
            TaskKind.CONTENT_SCAN,
            f"batch:{batch['batch']}",
            batch_number=batch["batch"],
            due_on=due_on,
            detail=f"{batch['namespace']} {batch['name']}: {batch['why'].replace('_', ' ')}",
        )
    if document["erase"]["examples"]:
        yield from map(backup_task, backups)


def backup_task(backup: KnownBackup) -> NewTask:
    """The task that stands for what a backup holds until it ends (governance case 8)."""
    return NewTask(TaskKind.BACKUP, backup.name, TaskState.DEFERRED_BACKUP, until=backup.until)


def hold_target(hold_id: str) -> str:
    """How the task is called that stands for what a hold keeps."""
    return f"hold:{hold_id}"


def held_task(hold_id: str, *, ground: str, matter: str, examples: int) -> NewTask:
    """The task that stands for what a hold keeps (governance case 2)."""
    return NewTask(
        TaskKind.OWN_DATA,
        hold_target(hold_id),
        TaskState.WITHHELD,
        expected=examples,
        ground=ground,
        detail=matter,
    )


def _own_data(document: Json, due_on: date) -> Iterator[NewTask]:
    kept = sum(each["examples"] for each in document["withheld"])
    expected = max(0, document["erase"]["examples"] - kept)
    yield NewTask(TaskKind.OWN_DATA, LEDGER, expected=expected, due_on=due_on)
    yield NewTask(TaskKind.OWN_DATA, EVENT_LOG, due_on=due_on)
    yield NewTask(TaskKind.OWN_DATA, AUDIT_LOG, due_on=due_on)
    for each in document["withheld"]:
        yield held_task(
            each["hold"],
            ground=each["ground"],
            matter=each["matter"],
            examples=each["examples"],
        )


def file_target(file: Json) -> str:
    """How the task of a file is called: its batch, its place among the batch's files, its URI."""
    return f"{file['batch']}/{file['position']} {file['uri']}"


def _files(document: Json, due_on: date) -> Iterator[NewTask]:
    for file in document["files"]:
        if file["erase"] == 0:
            continue
        yield NewTask(
            TaskKind.FILE,
            file_target(file),
            batch_number=file["batch"],
            expected=file["erase"],
            due_on=due_on,
        )
    erased = {
        batch["batch"] for group in document["erase"]["by_dataset"] for batch in group["batches"]
    }
    for number in document["without_files"]:
        if number in erased:
            yield NewTask(
                TaskKind.MANUAL,
                f"batch:{number}",
                batch_number=number,
                due_on=due_on,
                detail="Nobody said in which files its rows lie: look, erase, and say where.",
            )


def _undecided(document: Json, due_on: date) -> Iterator[NewTask]:
    for group in document["review"]:
        yield NewTask(
            TaskKind.REVIEW,
            group["reason"],
            expected=group["examples"],
            due_on=due_on,
            detail=_WHY.get(group["reason"], _UNDECIDED),
        )
    for step in document["unknown_steps"]:
        if step["batch"] is None:
            wrote = f"{step['wrote']['namespace']} {step['wrote']['name']}"
            yield NewTask(
                TaskKind.REVIEW,
                f"run:{step['run']} {wrote}",
                due_on=due_on,
                detail=f"{step['job']} wrote it and said of no example what it was made of.",
            )


def _models(document: Json, due_on: date) -> Iterator[NewTask]:
    for model in document["models"]:
        yield NewTask(
            TaskKind.MODEL,
            f"{model['namespace']} {model['name']} {model['run']}",
            due_on=due_on,
            detail=f"{model['job']}: {model['state']} ({model['part']})",
        )


def _recipients(document: Json, due_on: date) -> Iterator[NewTask]:
    shares: dict[str, list[str]] = {}
    for each in document["recipients"]:
        what = f"{each['namespace']} {each['dataset']} {each['version']} at {each['shared_at']}"
        shares.setdefault(each["recipient"], []).append(what)
    for recipient, some in sorted(shares.items()):
        yield NewTask(TaskKind.RECIPIENT, recipient, due_on=due_on, detail="; ".join(some)[:2_000])
