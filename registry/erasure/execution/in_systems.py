"""Tells other systems to erase in the copies they hold, and takes their signed word that they did.

Rules (issue "Erasure, the hands"; standardwebhooks.com):
1. A notice names the examples by their ids, and goes out in no transaction. One that was cut off is
   sent again under the same message id, so that it is one notice.
2. Nobody looks into another system: its task is *acknowledged* at best, never *verified*.
3. An answer is believed as `connectors.notices` has it. It is kept whole, sealed under the key of
   the request, so that its signature can be shown later. An answer that says less or more than was
   asked for is kept as well, and the task fails: then it is for a person.
4. An answer may come before the notice is noted as sent; it counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import numpy as np
from sqlalchemy import func, insert, select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.erasure.case.cases import Case, read_case
from registry.erasure.case.identifiers import open_identifiers, reject_identifiers
from registry.erasure.connectors.notices import (
    Acknowledgement,
    Notice,
    read_acknowledgement,
    send_notice,
)
from registry.erasure.connectors.trouble import StoppedError, Trouble
from registry.erasure.execution.hands import Hands, read_planned
from registry.erasure.execution.taking_out import NOTHING, kept_by_hold, stop
from registry.erasure.lifecycle import TaskKind, TaskState
from registry.erasure.plan.members import read_erase_set
from registry.erasure.targets.bindings import TargetView, is_copy, read_bound
from registry.erasure.targets.file_states import copy_key, note_gone, read_states
from registry.erasure.targets.tables import SystemAnswer
from registry.erasure.tasks import TaskChange, TaskView, read_task, turn_task
from registry.errors import ConflictError, NotFoundError, UnavailableError
from registry.keys.envelope import read_record_key
from registry.keys.keyring import Keyring
from registry.storage.columns import table_of

_answer = table_of(SystemAnswer)
# An answer may come early, late, or correct one that was no good.
_OPEN = frozenset(
    {
        TaskState.RUNNING,
        TaskState.AWAITING_RECIPIENT_ACK,
        TaskState.FAILED_RETRYABLE,
        TaskState.FAILED_FINAL,
    }
)


@dataclass(frozen=True, slots=True)
class Telling:
    """What a system is told now: the `examples` to erase. `part` tells this notice from others of
    the task, None for one that asks for the whole of the plan and is the first.
    """

    request_id: str
    task_id: str
    examples: Sequence[str]
    due_on: str | None
    part: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came in: headers with small letters, and the body."""

    headers: Mapping[str, str]
    body: bytes


class _Kept(msgspec.Struct):
    message_id: str
    timestamp: str
    signature: str
    body: bytes


def tell_system(
    hands: Hands,
    binding: TargetView,
    begin: Callable[[Session], Telling | None],
    *,
    is_last: bool,
) -> None:
    """Send the notice of a copy in another system (rule 1). `begin` says in its transaction what it
    is told, or that nothing may be said now. Effects: commits; a message goes out.
    """
    telling = hands.database.transact(begin)
    if telling is None:
        return
    stopped: Trouble | None = None
    hands.report("notice begun")
    try:
        _send(hands, binding, telling)
    except StoppedError as error:
        stopped = error.trouble
    hands.report("notice sent")

    def work(session: Session) -> None:
        read_case(session, telling.request_id, held=True)
        now, task = hands.clock(), read_task(session, telling.task_id)
        if task.state is not TaskState.RUNNING:
            return  # It was answered already (rule 4).
        if stopped is not None:
            stop(session, task, stopped, now, is_last=is_last)
            return
        change = TaskChange(detail=f"Told to erase {len(telling.examples)} rows; no answer yet.")
        turn_task(session, task, TaskState.AWAITING_RECIPIENT_ACK, change, actor=SYSTEM, now=now)

    hands.database.transact(work)


def _send(hands: Hands, binding: TargetView, telling: Telling) -> None:
    path = f"/api/v1/erasure-acknowledgements/{telling.task_id}"
    send_notice(
        binding.said.uri,
        Notice(
            telling.task_id,
            binding.namespace,
            binding.name,
            telling.examples,
            telling.due_on,
            answer_to=None if hands.url is None else hands.url.rstrip("/") + path,
            part=telling.part,
        ),
        hands.connectors.credentials.get(str(binding.said.credential)),
        roots=hands.connectors.file_roots,
        networks=hands.connectors.networks,
        now=hands.clock(),
    )


def part_of(session: Session, task: TaskView, examples: Sequence[str], *, kept: int) -> str | None:
    """What tells a notice from others of its task: which examples it names, where a hold keeps some
    of the plan, and how many answers there were before it.
    """
    query = select(func.count()).select_from(_answer).where(_answer.c.task_id == task.id)
    answers = session.execute(query).scalar_one()
    names = hashlib.sha256("\n".join(examples).encode()).hexdigest()[:16] if kept else ""
    return "_".join(filter(None, (names, str(answers or "")))) or None


def take_answer(
    session: Session, hands: Hands, task_id: str, message: Message, *, now: datetime
) -> tuple[Case, TaskView, TaskView]:
    """Take the signed answer of another system about a task (rules 2 to 4): its case, and the task
    before and after. The same message again changes nothing.

    Raises NotFoundError for a task that waits for no system, NotVerifiedError for a signature that
    is wrong or old, InvalidInputError for a body that is none, ConflictError for an answer to
    another task or a task that ended, UnavailableError where the key cannot be read. Effects: rows;
    does not commit.
    """
    task = _task_of(session, task_id)
    case = read_case(session, task.request_id, held=True)
    task = read_task(session, task_id)
    binding = read_bound(session, task.target)
    found = _believed(session, hands, task, binding, message, now)
    if _task_answered_by(session, found.digest) == task.id:
        return case, task, task
    if task.state not in _OPEN or task.found is None:
        raise ConflictError(
            f"The task {task.id} is {task.state.value}, and waits for no answer.",
            remedy="Nothing needs to be done.",
        )
    if case.key_destroyed_at is None:
        words = {"data.evidence": found.evidence}
        reject_identifiers(open_identifiers(session, hands.ledger.keyring, case), words)
    _keep(session, hands.ledger.keyring, case, task, found, message, now)
    after = _turned(session, task, found, now)
    if after.state is not TaskState.FAILED_FINAL:
        _note_gone(session, case, binding, now)
    return case, task, after


def read_answers(session: Session, keyring: Keyring, case: Case, task: TaskView) -> list[Message]:
    """The answers of a task as they were signed, in their order (rule 3). Raises
    KeyDestroyedError.
    """
    query = select(_answer.c.digest, _answer.c.sealed).where(_answer.c.task_id == task.id)
    sealer = read_record_key(session, keyring, case.record_key)
    found = []
    for row in session.execute(query.order_by(_answer.c.received_at, _answer.c.digest)):
        opened = sealer.open(row.sealed, context=_context(bytes(row.digest)))
        kept = msgspec.msgpack.decode(opened, type=_Kept)
        headers = {
            "webhook-id": kept.message_id,
            "webhook-timestamp": kept.timestamp,
            "webhook-signature": kept.signature,
        }
        found.append(Message(headers, kept.body))
    return found


def _task_of(session: Session, task_id: str) -> TaskView:
    task: TaskView | None
    try:
        task = read_task(session, task_id)
    except NotFoundError:
        task = None
    if task is None or task.kind is not TaskKind.RECIPIENT or not is_copy(task.target):
        raise NotFoundError(
            "No system was told of such a task.",
            remedy="Send the answer to the address, and with the task, of the notice.",
            path="task",
        )
    return task


def _believed(
    session: Session,
    hands: Hands,
    task: TaskView,
    binding: TargetView,
    message: Message,
    now: datetime,
) -> Acknowledgement:
    try:
        return read_acknowledgement(
            message.headers,
            message.body,
            hands.connectors.credentials.get(str(binding.said.credential)),
            task=task.id,
            known=_ended_by(session, task),
            elsewhere=lambda digest: _task_answered_by(session, digest) not in (None, task.id),
            now=now,
        )
    except StoppedError as error:
        raise UnavailableError(
            "The key of this target cannot be read now, so nothing signed by it can be believed.",
            remedy="Send it again later; who runs the registry must look at its credentials.",
        ) from error


def _ended_by(session: Session, task: TaskView) -> bytes | None:
    """The message that ended a task."""
    if task.state is not TaskState.ACKNOWLEDGED:
        return None
    query = select(_answer.c.digest).where(_answer.c.task_id == task.id)
    newest = query.order_by(_answer.c.received_at.desc(), _answer.c.digest).limit(1)
    found = session.execute(newest).scalar_one_or_none()
    return None if found is None else bytes(found)


def _task_answered_by(session: Session, digest: bytes) -> str | None:
    query = select(_answer.c.task_id).where(_answer.c.digest == digest)
    found: str | None = session.execute(query).scalar_one_or_none()
    return found


def _keep(
    session: Session,
    keyring: Keyring,
    case: Case,
    task: TaskView,
    found: Acknowledgement,
    message: Message,
    now: datetime,
) -> None:
    """Keep an answer as it was signed (rule 3)."""
    kept = _Kept(
        message.headers["webhook-id"],
        message.headers["webhook-timestamp"],
        message.headers["webhook-signature"],
        message.body,
    )
    sealer = read_record_key(session, keyring, case.record_key)
    row = {
        "digest": found.digest,
        "task_id": task.id,
        "outcome": found.outcome,
        "sealed": sealer.seal(msgspec.msgpack.encode(kept), context=_context(found.digest)),
        "received_at": now,
    }
    session.execute(insert(_answer).values(row))


def _context(digest: bytes) -> str:
    return f"erasures/answer/{digest.hex()}"


def _turned(session: Session, task: TaskView, found: Acknowledgement, now: datetime) -> TaskView:
    """Bring a task to where an answer leaves it (rules 2 and 3)."""
    asked = task.found or 0
    kept = max(0, (task.expected or 0) - asked)
    erased = asked if found.erased is None else found.erased
    to = TaskState.ACKNOWLEDGED
    said = TaskChange(erased=erased, detail="It says that it erased them; nobody looked.")
    match found.outcome:
        case "erased":
            pass
        case "not_present":
            said = TaskChange(erased=0, detail="It says that it has none of them; nobody looked.")
        case _:
            to = TaskState.FAILED_FINAL
            said = TaskChange(detail="It says that it cannot erase them. Record what comes of it.")
    if found.outcome == "erased" and erased != asked:
        to = TaskState.FAILED_FINAL
        detail = f"It says that it erased {erased} rows, and was told of {asked}. Ask there."
        said = TaskChange(erased=erased, detail=detail)
    if to is TaskState.ACKNOWLEDGED and kept:
        to, said = TaskState.WITHHELD, replace(kept_by_hold(kept), erased=said.erased)
    words = f"; {found.evidence}" if found.evidence else ""
    said = replace(
        said, evidence=f"signed answer sha256:{found.digest.hex()}: {found.outcome}{words}"
    )
    if task.state is TaskState.FAILED_FINAL:
        task = turn_task(session, task, TaskState.RUNNING, actor=SYSTEM, now=now)
    return turn_task(session, task, to, said, actor=SYSTEM, now=now)


def _note_gone(session: Session, case: Case, binding: TargetView, now: datetime) -> None:
    """Keep which rows a system says are gone, for requests that come after this one."""
    _, plan = read_planned(session, case.id)
    planned = read_erase_set(session, plan.id)
    keys = {number: copy_key(binding, number) for number in planned}
    states = read_states(session, keys.values())
    for number, rows in planned.items():
        state = states.get(keys[number])
        told = NOTHING if state is None else state.next_rows.ordinals()
        gone = np.intersect1d(rows, told, assume_unique=True)
        if gone.size:
            note_gone(session, keys[number], gone, actor=SYSTEM, now=now)
