"""What a case puts into the queue: each once, however often it is asked for."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from registry.storage.queue import TaskKind, put_task


def ask_to_carry_out(
    session: Session,
    request_id: str,
    *,
    now: datetime,
    rounds: int = 1,
    delay: timedelta = timedelta(),
) -> None:
    """Put a round of work on a case into the queue. Effects: one row; does not commit."""
    _ask_for_round(session, TaskKind.CARRY_OUT_ERASURE, request_id, now, rounds, delay)


def ask_to_erase_in_files(
    session: Session,
    request_id: str,
    *,
    now: datetime,
    rounds: int = 1,
    delay: timedelta = timedelta(),
) -> None:
    """Put a round of work on a case's files into the queue. Effects: one row; does not commit."""
    _ask_for_round(session, TaskKind.ERASE_IN_FILES, request_id, now, rounds, delay)


def ask_to_scan(
    session: Session,
    request_id: str,
    *,
    now: datetime,
    rounds: int = 1,
    delay: timedelta = timedelta(),
) -> None:
    """Have the batches of a case read that nobody searched. Effects: one row; does not commit."""
    _ask_for_round(session, TaskKind.SCAN_CONTENTS, request_id, now, rounds, delay)


def ask_to_conclude(session: Session, request_id: str, *, now: datetime) -> None:
    """Have the outcome of a case stated anew. Effects: one row; does not commit."""
    kind = TaskKind.CONCLUDE_ERASURE
    key = f"{kind}:{request_id}"
    put_task(session, kind, {"request": request_id}, now=now, dedupe_key=key)


def ask_to_resume(session: Session, *, now: datetime) -> None:
    """Have every case looked at that a hold keeps something of.

    Effects: one row; does not commit.
    """
    kind = TaskKind.RESUME_ERASURES
    put_task(session, kind, {}, now=now, dedupe_key=kind)


def _ask_for_round(
    session: Session, kind: TaskKind, request_id: str, now: datetime, rounds: int, delay: timedelta
) -> None:
    payload = {"request": request_id, "rounds": rounds}
    key = f"{kind}:{request_id}:{rounds}"
    put_task(session, kind, payload, now=now, dedupe_key=key, delay=delay)
