"""Sends the events of a file to the registry in chunks, and tells what was not taken.

Rules:
1. A chunk is at most 500 events and, but for a single event, 8 MiB.
2. A rejected event is told with its number and reason, and the rest goes on.
3. What the registry could not take just now is sent again, waiting longer each time, and as long as
   it asks for (Retry-After); when that does not help, the import stops and can be resumed.
4. Of the rejected events the first 1,000 are remembered; all are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from registry.cli.event_file import Item
from registry.cli.output import counted
from registry.errors import BodyTooLargeError, MalformedEventError, UnavailableError

if TYPE_CHECKING:
    from registry.client.http import HttpClient

CHUNK_EVENTS = 500
CHUNK_BYTES = 8 * 1024 * 1024
PATH = "/api/v1/lineage/batch"
MOST_REJECTIONS = 1_000
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the registry did not take, and why."""

    number: int
    reason: str
    code: str
    path: str | None


@dataclass(slots=True)
class Outcome:
    """What became of the events so far; `quarantined` ones are among the taken.

    `rejected` counts those of an earlier import too that this one goes on with; `rejections` are
    the first of this one (rule 4).
    """

    taken: int = 0
    quarantined: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    rejected: int = 0
    done: int = 0

    @property
    def words(self) -> str:
        """How many were taken and rejected."""
        return f"{counted(self.taken, 'event', 'events')} taken, {self.rejected:,} rejected"


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in chunks of rule 1."""
    chunk: list[Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) == CHUNK_EVENTS or size + len(item.body) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item.body) + 1
    if chunk:
        yield chunk


def send_chunk(
    client: HttpClient, chunk: list[Item], outcome: Outcome, *, sleep: Sleep = time.sleep
) -> None:
    """Send a chunk until each of its events is taken or rejected; add that to the outcome.

    Raises UnavailableError where the registry takes nothing for half a minute (rule 3), and what
    concerns the whole import (no right to send, no such route).
    """
    waiting = _well_formed(chunk, outcome)
    pauses = iter(PAUSES_SECONDS)
    while waiting:
        try:
            waiting = _post(client, waiting, outcome)
        except (BodyTooLargeError, MalformedEventError) as error:
            if len(waiting) == 1:
                _reject(
                    waiting[0], f"{error.detail} {error.remedy}", error.code, error.path, outcome
                )
                break
            half = len(waiting) // 2
            send_chunk(client, waiting[:half], outcome, sleep=sleep)
            send_chunk(client, waiting[half:], outcome, sleep=sleep)
            break
        except UnavailableError as error:
            pause = next(pauses, None)
            if pause is None:
                raise
            sleep(max(pause, error.retry_after_seconds))
            continue
        if waiting:
            pause = next(pauses, None)
            if pause is None:
                raise _not_taken(waiting)
            sleep(pause)
    outcome.done = chunk[-1].number


def _not_taken(items: list[Item]) -> UnavailableError:
    return UnavailableError(
        f"The registry did not take {len(items)} events, the first of them number "
        f"{items[0].number}, in {len(PAUSES_SECONDS) + 1} tries.",
        remedy="Run the same command again later; it goes on where it stopped.",
    )


def _reject(item: Item, reason: str, code: str, path: str | None, outcome: Outcome) -> None:
    outcome.rejected += 1
    if len(outcome.rejections) < MOST_REJECTIONS:
        outcome.rejections.append(Rejection(item.number, reason, code, path))


def _well_formed(chunk: list[Item], outcome: Outcome) -> list[Item]:
    """The items that are JSON; the others are rejected here, as they would break the array."""
    good = []
    for item in chunk:
        try:
            msgspec.json.decode(item.body, type=msgspec.Raw)
            good.append(item)
        except (msgspec.DecodeError, RecursionError) as error:
            _reject(item, f"{error}.", MalformedEventError.code, "$", outcome)
    return good


def _post(client: HttpClient, items: list[Item], outcome: Outcome) -> list[Item]:
    """Send items once; give those that may be sent again."""
    body = b"[" + b",".join(item.body for item in items) + b"]"
    answer = client.request(
        "POST", PATH, content=body, headers={"Content-Type": "application/json"}
    )
    report: dict[str, Any] = answer.json() if answer.content else {}
    failed = report.get("failed_events", [])
    for event in failed:
        if not event["retriable"]:
            item = items[event["index"]]
            _reject(item, event["reason"], event["code"], event.get("path"), outcome)
    outcome.quarantined += len(report.get("quarantined_events", []))
    outcome.taken += len(items) - len(failed)
    return [items[event["index"]] for event in failed if event["retriable"]]
