"""Slows down whoever guesses: after some failures a name, and an address, has to wait.

Rules (OWASP ASVS 5.0 §6.3; NIST SP 800-63B §3.2.2):
1. An attempt is counted as failed before the password is looked at, in a transaction of its own, so
   that many at once do not pass together. A success takes its count back.
2. Five failures are free for a name, twenty for an address. Then each doubles the wait, from one
   second to fifteen minutes. An hour without failures forgets them.
3. Names that nobody has are slowed down alike, so that nothing is told by it.
4. An attempt that comes too early is refused without a look, and costs no further wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlmodel import Session

from registry.actors.person_tables import LogInThrottle
from registry.errors import ThrottledError
from registry.storage.columns import insert_unless_there, table_of

FREE_FOR_NAME, FREE_FOR_ADDRESS = 5, 20
LONGEST_WAIT = timedelta(minutes=15)
FORGET_AFTER = timedelta(hours=1)
_throttle = table_of(LogInThrottle)


@dataclass(frozen=True, slots=True)
class Tried:
    """A name or an address that a log-in is tried with. `key`: its keyed digest."""

    key: bytes
    free: int


def wait_after(failures: int, free: int) -> timedelta:
    """How long to wait after so many failures in a row (rule 2)."""
    if failures < free:
        return timedelta()
    # 2^10 seconds are more than the longest wait, and 2^failures would not fit.
    return min(timedelta(seconds=1 << min(failures - free, 10)), LONGEST_WAIT)


def count_attempt(session: Session, tried: Sequence[Tried], *, now: datetime) -> None:
    """Count an attempt as failed under each key (rule 1).

    Raises ThrottledError, and counts nothing, where one has to wait. Effects: rows; no commit.
    """
    session.execute(delete(_throttle).where(_throttle.c.last_at < now - FORGET_AFTER))
    for one in sorted(tried, key=lambda each: each.key):
        fresh = {"key": one.key, "failures": 0, "last_at": now, "blocked_until": now}
        insert_unless_there(session, _throttle, fresh)
        mine = _throttle.c.key == one.key
        row = session.execute(select(_throttle).where(mine).with_for_update()).one()
        if row.blocked_until > now:
            seconds = int((row.blocked_until - now).total_seconds()) + 1
            raise ThrottledError(
                "Too many log-ins failed under this name or from this address.",
                remedy=f"Wait {seconds} seconds, then try again.",
                retry_after_seconds=seconds,
            )
        failures = row.failures + 1
        until = now + wait_after(failures, one.free)
        values = {"failures": failures, "last_at": now, "blocked_until": until}
        session.execute(update(_throttle).where(mine).values(values))


def forgive_attempt(session: Session, name: Tried, address: Tried, *, now: datetime) -> None:
    """Take back what a success was counted as: the name begins anew, the address loses one count.

    Effects: rows; does not commit.
    """
    session.execute(delete(_throttle).where(_throttle.c.key == name.key))
    mine = (_throttle.c.key == address.key) & (_throttle.c.failures > 0)
    values = {"failures": _throttle.c.failures - 1, "blocked_until": now}
    session.execute(update(_throttle).where(mine).values(values))
