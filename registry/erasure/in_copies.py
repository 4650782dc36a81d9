"""Bound copies of datasets that a plan erases from: a task for each, so that none is forgotten.

Rules:
1. A binding that covers a file of the plan is erased through that file. Any other is a copy with an
   order of its own, or outside the registry's reach, and its task is for a person, with evidence.
2. Bindings that hold when the plan is taken up count. One that is made later is none of its tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlmodel import Session

from registry.erasure.lifecycle import TaskKind
from registry.erasure.targets import target_for_file, targets_of
from registry.erasure.tasks import NewTask, TaskView
from registry.ids import named_id

_COPY = "copy:"


def copy_tasks(session: Session, document: Mapping[str, Any], *, due_on: date) -> list[NewTask]:
    """The tasks of the bound copies of what a plan's document erases from (rules 1 and 2)."""
    datasets = {
        named_id("dataset", group["namespace"], group["name"])
        for group in document["erase"]["by_dataset"]
    }
    uris = [file["uri"] for file in document["files"]]
    opened = []
    for dataset_id, targets in sorted(targets_of(session, datasets).items()):
        covering = {found.id for uri in uris if (found := target_for_file(targets, uri))}
        opened += [
            NewTask(
                TaskKind.FILE,
                f"{_COPY}{each.id} {each.said.uri}",
                dataset_id=dataset_id,
                due_on=due_on,
                detail=f"A copy by {each.said.executor.value}: erase there, look again, and record "
                "that with evidence.",
            )
            for each in targets
            if each.id not in covering
        ]
    return opened


def is_copy(task: TaskView) -> bool:
    """Whether a task stands for a bound copy."""
    return task.target.startswith(_COPY)
