"""The states of a request and of its tasks, and which may follow which. Pure.

Rules (the governance page, "Erasure request"; DESIGN §1.10):
1. A request moves along `FOLLOWS` and no other way. There is no state "expired": *extended* and
   *overdue* are computed from dates.
2. Nothing is planned, restricted or told before the person's identity is verified (case 11).
3. "Done" is computed from tasks and never set: *fulfilled* when every task has ended well,
   *partially fulfilled* while one is withheld, deferred, unacknowledged, not searched, changed
   outside or failed for good, and still *executing* while one may be worked on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from registry.errors import ConflictError


class Right(StrEnum):
    """What a person asks for."""

    ERASURE = "erasure"  # GDPR Art. 17, CCPA §1798.105
    RESTRICTION = "restriction"  # GDPR Art. 18
    OBJECTION = "objection"  # GDPR Art. 21
    ACCESS = "access"  # GDPR Art. 15: located only, the copy is a task for a person


class Regime(StrEnum):
    """Under whose rules and clock."""

    GDPR = "gdpr"
    CCPA = "ccpa"


class Identity(StrEnum):
    """What is known of who asks: an authenticated channel is enough (GDPR Art. 12(6))."""

    AUTHENTICATED = "authenticated"
    TO_VERIFY = "to_verify"
    VERIFIED = "verified"


class RequestState(StrEnum):
    """Where a request stands."""

    RECEIVED = "received"
    AWAITING_IDENTITY = "awaiting_identity"
    AWAITING_INFORMATION = "awaiting_information"
    DUPLICATE = "duplicate"
    SCOPING = "scoping"
    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    FULFILLED = "fulfilled"
    PARTIALLY_FULFILLED = "partially_fulfilled"
    DENIED = "denied"
    CANCELLED = "cancelled"


_S = RequestState
_STOP = frozenset({_S.DENIED, _S.CANCELLED})
FOLLOWS: Mapping[RequestState, frozenset[RequestState]] = {
    # A right that removes nothing has no plan: what it asks for is looked at, and that is all.
    _S.RECEIVED: frozenset({_S.AWAITING_INFORMATION, _S.SCOPING, _S.DUPLICATE, _S.VERIFYING})
    | _STOP,
    _S.AWAITING_IDENTITY: frozenset({_S.RECEIVED, _S.AWAITING_INFORMATION, _S.DUPLICATE}) | _STOP,
    _S.AWAITING_INFORMATION: frozenset({_S.RECEIVED, _S.AWAITING_IDENTITY, _S.DUPLICATE}) | _STOP,
    # A duplicate is answered by the request it is a duplicate of; if that one stops, it goes on.
    _S.DUPLICATE: frozenset({_S.RECEIVED}) | _STOP,
    _S.SCOPING: frozenset({_S.SCOPING, _S.PENDING_APPROVAL, _S.RECEIVED}) | _STOP,
    # A plan may be made anew, which needs an approval anew.
    _S.PENDING_APPROVAL: frozenset({_S.APPROVED, _S.SCOPING}) | _STOP,
    _S.APPROVED: frozenset({_S.EXECUTING, _S.SCOPING}) | _STOP,
    # A content scan that finds more goes back for approval with the extended plan.
    _S.EXECUTING: frozenset({_S.VERIFYING, _S.PENDING_APPROVAL}),
    _S.VERIFYING: frozenset(
        {_S.EXECUTING, _S.FULFILLED, _S.PARTIALLY_FULFILLED, _S.PENDING_APPROVAL}
    ),
    # Recomputed as tasks end; a lifted hold resumes what it kept.
    _S.PARTIALLY_FULFILLED: frozenset({_S.FULFILLED, _S.EXECUTING, _S.VERIFYING}),
    _S.FULFILLED: frozenset(),
    _S.DENIED: frozenset(),
    _S.CANCELLED: frozenset(),
}
#: States in which a request still asks for something to be done.
OPEN = frozenset(_S) - {_S.FULFILLED, _S.DENIED, _S.CANCELLED, _S.DUPLICATE}
#: States before any data was touched, in which a request may be denied or cancelled.
BEFORE_EXECUTION = frozenset(state for state, follows in FOLLOWS.items() if _S.DENIED in follows)


class TaskKind(StrEnum):
    """What a task of a request is about."""

    OWN_DATA = "own_data"  # what the registry itself holds of the examples
    FILE = "file"  # a file or table that holds rows of a batch
    CONTENT_SCAN = "content_scan"  # a batch of which nobody recorded the people in it
    MODEL = "model"  # a model that saw the examples
    RECIPIENT = "recipient"  # somebody who was given them (GDPR Art. 19)
    BACKUP = "backup"  # a backup that still holds them
    REVIEW = "review"  # examples that a person decides on
    MANUAL = "manual"  # what only a person can do, with evidence


class TaskState(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    RUNNING = "running"
    ERASED = "erased"
    VERIFIED = "verified"
    NOT_PRESENT = "not_present"
    WITHHELD = "withheld"
    DEFERRED_BACKUP = "deferred_backup"
    AWAITING_RECIPIENT_ACK = "awaiting_recipient_ack"
    ACKNOWLEDGED = "acknowledged"
    IMPOSSIBLE = "impossible"
    DISPOSED = "disposed"
    NOT_SEARCHED = "not_searched"
    CHANGED_OUTSIDE = "changed_outside"
    FAILED_RETRYABLE = "failed_retryable"
    FAILED_FINAL = "failed_final"


class Disposition(StrEnum):
    """What is done about a model that saw what was erased."""

    RETRAIN = "retrain"
    FILTER = "filter"
    ANONYMITY_ASSESSMENT = "anonymity_assessment"
    NONE = "none"


_T = TaskState
#: How a task ends well. A model's by a recorded disposition, a recipient's by an answer or by the
#: record that none can be had (GDPR Art. 19: "unless this proves impossible").
ENDED_WELL = frozenset({_T.VERIFIED, _T.NOT_PRESENT, _T.ACKNOWLEDGED, _T.IMPOSSIBLE, _T.DISPOSED})
#: Work that the registry itself will go on with.
AT_WORK = frozenset({_T.RUNNING, _T.ERASED, _T.FAILED_RETRYABLE})
#: The states in which the worker goes on with a file or a copy.
WORKABLE = frozenset({_T.PENDING, _T.WITHHELD}) | AT_WORK
_TASK_FOLLOWS: Mapping[TaskState, frozenset[TaskState]] = {
    _T.PENDING: frozenset(_T) - {_T.PENDING},
    _T.RUNNING: frozenset(_T) - {_T.RUNNING},
    _T.ERASED: frozenset({_T.VERIFIED, _T.RUNNING, _T.FAILED_RETRYABLE, _T.FAILED_FINAL}),
    _T.FAILED_RETRYABLE: frozenset(_T) - {_T.FAILED_RETRYABLE},
    _T.FAILED_FINAL: frozenset({_T.PENDING, _T.RUNNING}),
    _T.WITHHELD: frozenset({_T.PENDING, _T.RUNNING}),
    _T.DEFERRED_BACKUP: frozenset({_T.VERIFIED, _T.NOT_PRESENT}),
    # Of a copy in another system a hold may keep something, and the answer may be no good.
    _T.AWAITING_RECIPIENT_ACK: frozenset(
        {_T.ACKNOWLEDGED, _T.IMPOSSIBLE, _T.PENDING, _T.WITHHELD, _T.FAILED_FINAL}
    ),
    _T.NOT_SEARCHED: frozenset({_T.PENDING, _T.RUNNING, _T.VERIFIED, _T.NOT_PRESENT}),
    _T.CHANGED_OUTSIDE: frozenset({_T.PENDING, _T.RUNNING}),
    _T.VERIFIED: frozenset({_T.PENDING}),  # found again: a restore, or a copy nobody knew of
    _T.NOT_PRESENT: frozenset({_T.PENDING}),
    _T.ACKNOWLEDGED: frozenset({_T.PENDING}),  # an extended plan asks them for more
    _T.IMPOSSIBLE: frozenset({_T.ACKNOWLEDGED}),
    _T.DISPOSED: frozenset({_T.PENDING}),
}


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """What an outcome is computed from: a task's kind and state."""

    kind: TaskKind
    state: TaskState


def require_turn(state: RequestState, to: RequestState, *, request_id: str) -> None:
    """Raise ConflictError unless a request in `state` may become `to` (rule 1)."""
    if to not in FOLLOWS[state]:
        may = ", ".join(sorted(each.value for each in FOLLOWS[state])) or "nothing: it is closed"
        raise ConflictError(
            f"The request {request_id} is {state.value} and cannot become {to.value}.",
            remedy=f"From here it can become {may}.",
        )


def require_task_turn(state: TaskState, to: TaskState, *, task_id: str) -> None:
    """Raise ConflictError unless a task in `state` may become `to`."""
    if to not in _TASK_FOLLOWS[state]:
        may = ", ".join(sorted(each.value for each in _TASK_FOLLOWS[state])) or "nothing"
        raise ConflictError(
            f"The task {task_id} is {state.value} and cannot become {to.value}.",
            remedy=f"From here it can become {may}.",
        )


def is_verified(identity: Identity) -> bool:
    """Whether a request may go beyond its identity question (rule 2)."""
    return identity is not Identity.TO_VERIFY


def is_at_work(task: TaskStanding) -> bool:
    """Whether the registry itself is at a task, or will be without being asked."""
    queued = (TaskKind.OWN_DATA, TaskKind.CONTENT_SCAN)
    is_waiting = task.kind in queued and task.state is TaskState.PENDING
    return is_waiting or task.state in AT_WORK


def outcome_of(tasks: Iterable[TaskStanding]) -> RequestState:
    """What the tasks of an executing request come to (rule 3).

    `executing` while the registry's own work goes on, or waits in its queue; a request without
    tasks is fulfilled: the person was looked for everywhere, and nothing was found.
    """
    standing = list(tasks)
    if any(is_at_work(task) for task in standing):
        return RequestState.EXECUTING
    states = [task.state for task in standing]
    if all(state in ENDED_WELL for state in states):
        return RequestState.FULFILLED
    return RequestState.PARTIALLY_FULFILLED
