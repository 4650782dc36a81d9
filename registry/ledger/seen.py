"""Says whether a version holds a batch, and whether a run that read a version saw it.

Rules (DESIGN §1.4):
1. A version holds what its line added up to it and did not remove.
2. A run saw what the version that it read holds. Where no version is known, or where the batch was
   there before the run read but we knew of it only later, it is unknown, never "did not see".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from registry.storage.bulk import TypedColumn, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_MEMBER = """
SELECT vb.dataset_id, vb.batch_number, v.line, vb.number, vb.change, b.effective_at
FROM {rows} AS w
JOIN version_batch vb ON vb.batch_number = w.number
JOIN dataset_version v ON v.dataset_id = vb.dataset_id AND v.number = vb.number
JOIN batch b ON b.number = vb.batch_number
ORDER BY vb.number
"""


@dataclass(frozen=True, slots=True)
class Membership:
    """When a batch came into a line of versions, and when it went (None: it is still there)."""

    batch: int
    line: int
    added: int
    removed: int | None
    effective_at: int


def read_memberships(session: Session, numbers: Iterable[int]) -> dict[bytes, list[Membership]]:
    """When these batches came into the versions of each dataset, and when they went."""
    held: dict[bytes, list[Membership]] = {}
    wanted = [(number,) for number in sorted(set(numbers))]
    for dataset_id, number, line, version, change, effective in select_by_rows(
        session, _MEMBER, _NUMBER, wanted
    ):
        memberships = held.setdefault(bytes(dataset_id), [])
        if change == "added":
            memberships.append(Membership(number, line, version, None, effective))
        else:
            held[bytes(dataset_id)] = [
                replace(m, removed=version)
                if m.batch == number and m.line == line and m.removed is None
                else m
                for m in memberships
            ]
    return held


def holds_member(memberships: Sequence[Membership], line: int, version: int) -> str:
    """Rule 1, for a version of a line: `saw`, or `did_not_see`."""
    for m in memberships:
        still = m.removed is None or m.removed > version
        if m.line == line and m.added <= version and still:
            return "saw"
    return "did_not_see"


def run_saw(
    memberships: Sequence[Membership], line: int | None, version: int | None, read_at: int
) -> str:
    """Rule 2, for a run that read `version` (None: not known which) at `read_at`."""
    if version is None or line is None:
        return "unknown"
    if holds_member(memberships, line, version) == "saw":
        return "saw"
    late = any(
        m.line == line and m.added > version and m.effective_at <= read_at for m in memberships
    )
    return "unknown" if late else "did_not_see"
