"""Why a copy was not erased: reasons by name, each with its task's state and a remedy. Pure.

Rules (the erasure chapter, "What can stand in the way"):
1. A reason names what was seen. It holds no value of a row and no credential.
2. `changed_outside`: what lies there is not what was recorded, so nothing of it was touched.
   `failed_retryable`: the same work may succeed later. `failed_final`: a person must do something.
   `withheld`: the store keeps it until a date.
3. Whatever the reason, the copy is either as it was or wholly rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from registry.erasure.lifecycle import TaskState


class Reason(StrEnum):
    """What stood in the way."""

    GONE = "gone"
    CHANGED_OUTSIDE = "changed_outside"
    CHANGED_MEANWHILE = "changed_meanwhile"
    ZERO_BYTES = "zero_bytes"
    TRUNCATED = "truncated"
    ROWS_DIFFER = "rows_differ"
    SCHEMA_CHANGED = "schema_changed"
    KEY_COLUMN_MISSING = "key_column_missing"
    DUPLICATE_KEYS = "duplicate_keys"
    KEYS_DIFFER = "keys_differ"
    CONTENT_DIFFERS = "content_differs"
    NOT_RECORDED = "not_recorded"
    READ_ONLY = "read_only"
    OUTSIDE_ROOTS = "outside_roots"
    MORE_NAMES = "more_names"
    UNKNOWN_FORMAT = "unknown_format"
    NOT_KEPT_AS_IT_IS = "not_kept_as_it_is"
    BUSY = "busy"
    OUT_OF_REACH = "out_of_reach"
    NO_SPACE = "no_space"
    CREDENTIAL_MISSING = "credential_missing"
    NOT_INSTALLED = "not_installed"
    OBJECT_LOCK = "object_lock"
    KEPT_VERSION = "kept_version"
    NOTHING_FOUND = "nothing_found"
    REMAINS = "remains"
    LEFTOVER = "leftover"
    NO_EVIDENCE = "no_evidence"
    NOT_OURS = "not_ours"
    REFUSED = "refused"


_CARRY_OUT = "carry the plan out again (`registry erasure execute`)"
_RECORD = "record that with evidence (`registry erasure task record`)"
_AGAIN = (
    f"Put the file back as it was recorded and {_CARRY_OUT}; or have the rows taken out of what "
    f"lies there now, and {_RECORD}."
)
_BIND_ANEW = f"Remove the binding, make it anew (`registry target`), and {_CARRY_OUT}"
_LATER = "It is tried again; if it stays so, look at the store."
_OUTSIDE, _FINAL = TaskState.CHANGED_OUTSIDE, TaskState.FAILED_FINAL
_RETRY, _WITHHELD = TaskState.FAILED_RETRYABLE, TaskState.WITHHELD

#: The state of a task, and the remedy, for each reason (rule 2).
MEANING: Mapping[Reason, tuple[TaskState, str]] = {
    Reason.GONE: (
        _OUTSIDE,
        f"Put it back where it lay and {_CARRY_OUT}; if it was destroyed, {_RECORD}.",
    ),
    Reason.CHANGED_OUTSIDE: (_OUTSIDE, _AGAIN),
    Reason.CHANGED_MEANWHILE: (_OUTSIDE, f"Stop whoever writes to it. {_AGAIN}"),
    Reason.ZERO_BYTES: (_OUTSIDE, f"Restore the file if that was an accident. {_AGAIN}"),
    Reason.TRUNCATED: (_OUTSIDE, f"Restore the whole file, or remove it. {_AGAIN}"),
    Reason.ROWS_DIFFER: (_OUTSIDE, _AGAIN),
    Reason.SCHEMA_CHANGED: (
        _OUTSIDE,
        f"{_BIND_ANEW}; or have the rows taken out there, and {_RECORD}.",
    ),
    Reason.KEY_COLUMN_MISSING: (
        _FINAL,
        f"{_BIND_ANEW}, with a key column that is there.",
    ),
    Reason.DUPLICATE_KEYS: (
        _FINAL,
        f"{_BIND_ANEW}, with a key column whose values are unique, or with none where files are "
        "erased by position.",
    ),
    Reason.KEYS_DIFFER: (_OUTSIDE, _AGAIN),
    Reason.CONTENT_DIFFERS: (_OUTSIDE, _AGAIN),
    Reason.NOT_RECORDED: (
        _FINAL,
        f"Nothing here says which rows these are: have them taken out there, and {_RECORD}.",
    ),
    Reason.READ_ONLY: (
        _FINAL,
        "Give the registry's account the right to write the file and its folder, then try again.",
    ),
    Reason.OUTSIDE_ROOTS: (
        _FINAL,
        "Name the place by its real path, and have it added to REGISTRY_FILE_ROOTS.",
    ),
    Reason.MORE_NAMES: (
        _FINAL,
        "Remove the other names (hard links) of the file: they would keep the rows.",
    ),
    Reason.UNKNOWN_FORMAT: (
        _FINAL,
        f"{_BIND_ANEW}, with its form or with an executor that reads it; or erase there, and "
        f"{_RECORD}.",
    ),
    Reason.NOT_KEPT_AS_IT_IS: (
        _FINAL,
        f"Have the program that wrote the file write it anew without the rows, and {_RECORD}.",
    ),
    Reason.BUSY: (_RETRY, "Another erasure works on it; it is tried again."),
    Reason.OUT_OF_REACH: (_RETRY, _LATER),
    Reason.NO_SPACE: (_RETRY, "Make room: a copy of the file must fit beside it."),
    Reason.CREDENTIAL_MISSING: (
        _FINAL,
        "Put the named credential into the file of REGISTRY_CREDENTIALS_FILE.",
    ),
    Reason.NOT_INSTALLED: (_FINAL, "Install the extra that the message names."),
    Reason.OBJECT_LOCK: (_WITHHELD, "The store keeps it until that date; it is tried again then."),
    Reason.KEPT_VERSION: (
        _FINAL,
        "Remove the tags or branches that keep older versions, then try again.",
    ),
    Reason.NOTHING_FOUND: (
        _FINAL,
        f"{_BIND_ANEW}; if the rows were removed before, {_RECORD}.",
    ),
    Reason.REMAINS: (_RETRY, "Erase again; if it stays so, look into the target by hand."),
    Reason.LEFTOVER: (_RETRY, "Erase again: that removes what an erasure that broke off left."),
    Reason.NO_EVIDENCE: (_FINAL, "Give a reference to the evidence: a ticket, report or file."),
    Reason.NOT_OURS: (
        _FINAL,
        "Send the notice, or do the manual task, and record what comes of it.",
    ),
    Reason.REFUSED: (_FINAL, "Look at what the other system says, then send it again."),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason, what was seen, and until when where a store keeps it."""

    reason: Reason
    detail: str
    until: datetime | None = None

    @property
    def state(self) -> TaskState:
        """The state of the task (rule 2)."""
        return MEANING[self.reason][0]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return MEANING[self.reason][1]


class NotFaithfulError(Exception):
    """A file holds something that cannot be carried over as it is; the message says what."""


class StoppedError(Exception):
    """Carries a Trouble to the connector's edge, where it becomes a value. Never leaves there."""

    def __init__(self, reason: Reason, detail: str, until: datetime | None = None) -> None:
        super().__init__(detail)
        self.trouble = Trouble(reason, detail, until)
