"""Tells recipients what was erased (GDPR Art. 19), and takes their acknowledgement.

Rules:
1. A notice carries a secret of 256 random bits; only its SHA-256 rests here. Whoever shows it has
   the notice, and needs no account.
2. A secret acknowledges once. Shown again it is refused, with when it was used.
3. The notice names addresses (batch, ordinal) of the version that was shared, never the person.
4. A recipient who cannot be reached is recorded as such, with why (governance case 18).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.tables import ErasurePlan, ErasureTask
from registry.erasure.targets.bindings import is_copy
from registry.erasure.tasks import TaskChange, TaskView, read_task, turn_task, worded
from registry.errors import ConflictError, NotFoundError
from registry.ids import token_digest
from registry.storage.columns import table_of

SECRET_PREFIX = "ack_"  # noqa: S105 - a prefix, no secret
_task, _plan = table_of(ErasureTask), table_of(ErasurePlan)


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that was made: the task as it stands now, and the secret, shown this once."""

    task: TaskView
    secret: str


def make_notice(session: Session, task: TaskView, *, actor: str, now: datetime) -> Notice:
    """Make the notice of a recipient's task; making it again replaces the secret.

    Raises ConflictError for a task of another kind, or one that is answered. Effects: one row;
    does not commit.
    """
    if task.kind is not TaskKind.RECIPIENT:
        raise ConflictError(
            f"The task {task.id} is about a {task.kind.value}, and has nobody to be told.",
            remedy="Notices are for the tasks of recipients.",
        )
    if is_copy(task.target):
        raise ConflictError(
            f"The task {task.id} is about a system, which is told by its webhook.",
            remedy="It is told while the plan is carried out; what failed is tried again by: "
            f"registry erasure execute {task.request_id}",
        )
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    change = TaskChange(acknowledgement=token_digest(secret))
    turned = turn_task(
        session, task, TaskState.AWAITING_RECIPIENT_ACK, change, actor=actor, now=now
    )
    return Notice(turned, secret)


def acknowledge(
    session: Session, secret: str, *, evidence: str, actor: str, now: datetime
) -> TaskView:
    """Take a recipient's word that they acted on a notice (rule 2).

    Raises NotFoundError for a secret that no notice has, ConflictError for one used before.
    Effects: one row; does not commit.
    """
    query = select(_task.c.id).where(_task.c.acknowledgement == token_digest(secret))
    found = session.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            "No notice has this acknowledgement.",
            remedy="Send the secret of the newest notice, whole.",
            path="secret",
        )
    task = read_task(session, found)
    if task.state is TaskState.ACKNOWLEDGED:
        raise ConflictError(
            f"This notice was acknowledged at {task.changed_at:%Y-%m-%dT%H:%M:%SZ} already.",
            remedy="Nothing is left to be done.",
        )
    change = TaskChange(evidence=worded(evidence, "evidence"))
    return turn_task(session, task, TaskState.ACKNOWLEDGED, change, actor=actor, now=now)


def notice_text(session: Session, notice: Notice, *, url: str | None) -> str:
    """The notice in words, to be sent by whatever way reaches the recipient (rule 3)."""
    task = notice.task
    plan = session.execute(select(_plan.c.document).where(_plan.c.id == task.plan_id)).scalar_one()
    document = msgspec.json.decode(plan)
    lines = [
        "Notice under Article 19 GDPR: personal data that you received was erased.",
        "",
        f"Our reference: {task.request_id}",
        "You received:",
    ]
    for each in document["recipients"]:
        if each["recipient"] == task.target:
            what = f"{each['namespace']} {each['dataset']}, version {each['version']}"
            lines.append(f"* {what}, on {each['shared_at']} (share {each['share']})")
    received = {
        (each["namespace"], each["dataset"])
        for each in document["recipients"]
        if each["recipient"] == task.target
    }
    lines += ["", "Of these, erase the examples (batch: how many):"]
    for group in document["erase"]["by_dataset"]:
        if (group["namespace"], group["name"]) not in received:
            continue
        for batch in group["batches"]:
            name = f"{group['namespace']} {group['name']} {batch['name']}"
            lines.append(f"* {name}: {batch['examples']} of batch {batch['batch']}")
    where = f"{url.rstrip('/')}/api/v1/erasure-acknowledgements" if url else "the registry"
    lines += [
        "",
        "Which rows they are: GET /api/v1/erasure-requests/REFERENCE/members, on request.",
        f"When it is done, send this secret to {where}, with what shows it:",
        notice.secret,
        "",
    ]
    return "\n".join(lines)
