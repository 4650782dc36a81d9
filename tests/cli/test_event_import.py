"""Events go in chunks; each rejected one is told, each unavailable moment waited out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from registry.api.problems import STATUS
from registry.cli.event_file import Item
from registry.cli.event_import import (
    CHUNK_BYTES,
    MOST_REJECTIONS,
    PAUSES_SECONDS,
    Outcome,
    chunks,
    send_chunk,
)
from registry.client.http import LONGEST_RETRY_AFTER_SECONDS, HttpClient
from registry.errors import (
    BodyTooLargeError,
    ForbiddenError,
    MalformedEventError,
    OverloadedError,
    RegistryError,
    UnavailableError,
)

Judge = Callable[[Any], RegistryError | None]


class FakeRegistry:
    """Answers `/lineage/batch` as the contracts have it; `judge` decides on each event."""

    def __init__(self, judge: Judge = lambda _event: None) -> None:
        self.judge = judge
        self.refuse: list[RegistryError] = []
        self.retry_after: list[str] = []
        self.taken: list[Any] = []
        self.calls: list[int] = []
        self.pauses: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        events = json.loads(request.content)
        self.calls.append(len(events))
        if self.refuse:
            answer = _problem(self.refuse.pop(0))
            if self.retry_after:
                answer.headers["Retry-After"] = self.retry_after.pop(0)
            return answer
        failed = []
        for index, event in enumerate(events):
            error = self.judge(event)
            if error is None:
                self.taken.append(event)
                continue
            if isinstance(error, BodyTooLargeError | ForbiddenError):
                return _problem(error)
            retriable = isinstance(error, UnavailableError)
            failed.append(
                {
                    "index": index,
                    "reason": error.detail,
                    "retriable": retriable,
                    "code": error.code,
                    "path": error.path,
                }
            )
        return (
            httpx.Response(200, json={"failed_events": failed}) if failed else httpx.Response(204)
        )

    def send(self, *bodies: bytes) -> Outcome:
        outcome = Outcome()
        client = HttpClient("http://r.test", "t", transport=httpx.MockTransport(self.answer))
        chunk = [Item(number, body) for number, body in enumerate(bodies, start=1)]
        send_chunk(client, chunk, outcome, sleep=self.pauses.append)
        return outcome


def _problem(error: RegistryError) -> httpx.Response:
    body = {"code": error.code, "detail": error.detail, "remedy": error.remedy, "path": error.path}
    return httpx.Response(STATUS[type(error)], json=body)


def numbered(count: int) -> list[bytes]:
    return [b'{"n": %d}' % number for number in range(count)]


def test_a_chunk_that_is_taken_is_counted() -> None:
    registry = FakeRegistry()
    outcome = registry.send(*numbered(3))
    assert (outcome.taken, outcome.rejected, outcome.done) == (3, 0, 3)
    assert registry.taken == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert outcome.words == "3 events taken, 0 rejected"


def test_a_rejected_event_is_told_with_its_number_and_the_rest_is_taken() -> None:
    def judge(event: Any) -> RegistryError | None:
        if event["n"] == 1:
            return MalformedEventError("No eventTime.", remedy="Add it.", path="$.eventTime")
        return None

    outcome = FakeRegistry(judge).send(*numbered(3))
    (rejection,) = outcome.rejections
    assert (rejection.number, rejection.code, rejection.path) == (
        2,
        "malformed_event",
        "$.eventTime",
    )
    assert outcome.taken == 2


@pytest.mark.parametrize("bad", [b"{bad", b'{"a": 1} {"b": 2}', b"", b'{"a": 01}', b'"\xff'])
def test_what_is_no_json_is_rejected_before_it_spoils_the_array(bad: bytes) -> None:
    registry = FakeRegistry()
    outcome = registry.send(b'{"n": 0}', bad, b'{"n": 2}')
    assert [rejection.number for rejection in outcome.rejections] == [2]
    assert registry.taken == [{"n": 0}, {"n": 2}]


def test_what_cannot_be_taken_now_is_sent_again_alone() -> None:
    busy = [True, True]

    def judge(event: Any) -> RegistryError | None:
        if event["n"] == 1 and busy:
            busy.pop()
            return OverloadedError("Full.", remedy="Wait.")
        return None

    registry = FakeRegistry(judge)
    outcome = registry.send(*numbered(3))
    assert (outcome.taken, outcome.rejected) == (3, 0)
    assert registry.calls == [3, 1, 1]
    assert registry.pauses == list(PAUSES_SECONDS[:2])


def test_a_registry_that_is_away_for_a_moment_is_waited_for() -> None:
    registry = FakeRegistry()
    registry.refuse = [OverloadedError("Full.", remedy="Wait.")] * len(PAUSES_SECONDS)
    assert registry.send(*numbered(2)).taken == 2
    assert registry.pauses == list(PAUSES_SECONDS)


def test_the_time_that_the_registry_asks_for_is_waited() -> None:
    registry = FakeRegistry()
    registry.refuse = [OverloadedError("Full.", remedy="Wait.")] * 3
    registry.retry_after = ["7", "Fri, 31 Dec 1999 23:59:59 GMT", "100000"]
    assert registry.send(*numbered(2)).taken == 2
    assert registry.pauses == [7, PAUSES_SECONDS[1], LONGEST_RETRY_AFTER_SECONDS]


def test_a_proxy_that_wants_fewer_requests_is_waited_for() -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(204)]
    transport = httpx.MockTransport(lambda _request: answers.pop(0))
    pauses: list[float] = []
    outcome = Outcome()
    client = HttpClient("http://r.test", "t", transport=transport)
    send_chunk(client, [Item(1, b"{}")], outcome, sleep=pauses.append)
    assert (outcome.taken, pauses) == (1, [3])


def test_of_many_rejections_the_first_are_remembered_and_all_counted() -> None:
    registry = FakeRegistry(lambda _event: MalformedEventError("No.", remedy="Mend it."))
    outcome = registry.send(*numbered(MOST_REJECTIONS + 5))
    assert outcome.rejected == MOST_REJECTIONS + 5
    assert [rejection.number for rejection in outcome.rejections] == [*range(1, 1_001)]
    assert outcome.words == "0 events taken, 1,005 rejected"


def test_a_registry_that_stays_away_stops_the_import() -> None:
    registry = FakeRegistry()
    registry.refuse = [OverloadedError("Full.", remedy="Wait.")] * 99
    with pytest.raises(UnavailableError):
        registry.send(*numbered(2))


def test_events_that_are_never_taken_stop_the_import() -> None:
    registry = FakeRegistry(lambda _event: OverloadedError("Full.", remedy="Wait."))
    with pytest.raises(UnavailableError, match="number 1, in 7 tries"):
        registry.send(*numbered(2))


def test_a_body_that_is_too_large_is_halved_until_one_event_is_left() -> None:
    def judge(event: Any) -> RegistryError | None:
        return BodyTooLargeError("Big.", remedy="Less.") if event["n"] == 3 else None

    registry = FakeRegistry(judge)
    outcome = registry.send(*numbered(8))
    assert [rejection.number for rejection in outcome.rejections] == [4]
    assert (outcome.taken, outcome.done) == (7, 8)
    assert {event["n"] for event in registry.taken} == {0, 1, 2, 4, 5, 6, 7}


def test_who_may_not_send_is_told_at_once() -> None:
    registry = FakeRegistry(lambda _event: ForbiddenError("No.", remedy="Ask."))
    with pytest.raises(ForbiddenError):
        registry.send(*numbered(2))
    assert registry.calls == [2]


def test_chunks_hold_500_events() -> None:
    sizes = [len(chunk) for chunk in chunks(Item(n, b"{}") for n in range(1, 1202))]
    assert sizes == [500, 500, 201]


def test_chunks_hold_8_mebibytes_or_one_event() -> None:
    large = b'"' + b"x" * (CHUNK_BYTES // 2) + b'"'
    huge = b'"' + b"x" * (CHUNK_BYTES * 2) + b'"'
    bodies = [b"{}", huge, large, b"{}", large]
    sizes = [len(chunk) for chunk in chunks(Item(n, body) for n, body in enumerate(bodies))]
    assert sizes == [1, 1, 2, 1]


def test_no_events_are_no_chunks() -> None:
    assert list(chunks([])) == []
