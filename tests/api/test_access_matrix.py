"""Every role asks every route of a running application, and the answers stand in a golden file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from registry.actors.tables import Role
from registry.api.routers import ROUTERS
from registry.request import House
from tests.api.calls import CALLS, EXEMPT, FOR_EVERYBODY_KNOWN, Call
from tests.api.town import Town, furnish, open_town, run_of, spoil
from tests.clock import FrozenClock

ASKERS = (*(role.value for role in Role), "stranger", "neighbour")


@pytest.fixture
def town(house: House) -> Iterator[Town]:
    with open_town(house) as opened:
        spoil(opened)
        furnish(opened)
        yield opened


def held_event(town: Town) -> str:
    """The digest of the quarantined event that is for `speech` to release."""
    events = town.ask("steward", "GET", "/api/v1/events/quarantine").json()["events"]
    (one,) = [event for event in events if event["name"] == "stray neighbour"]
    return str(one["event"])


def routes_of(routers: tuple[object, ...]) -> set[str]:
    """Every route there is, `METHOD /path`."""
    found: set[str] = set()
    for router in routers:
        routes: list[BaseRoute] = router.routes  # type: ignore[attr-defined]
        for route in routes:
            assert isinstance(route, APIRoute)
            found.update(f"{method} {route.path}" for method in route.methods - {"HEAD"})
    return found


def test_every_route_is_in_the_matrix_or_exempt_with_a_reason() -> None:
    asked = [call.route for call in CALLS]
    assert len(set(asked)) == len(asked)
    assert {*asked, *EXEMPT} == routes_of(ROUTERS)
    assert not set(asked) & set(EXEMPT)
    assert all(EXEMPT.values())


def test_who_may_ask_what(town: Town, golden: Callable[[str, str], None]) -> None:
    digest = held_event(town)
    width = max(len(call.route) for call in CALLS)
    lines = [
        "# What each role in the project `speech` is answered, by route: the status.",
        "# `stranger` holds no role; `neighbour` is steward, approver and auditor of `other`.",
        " ".join([" " * width, *ASKERS]),
    ]
    for call in CALLS:
        answers = [call.ask(town, who, digest=digest) for who in ASKERS]
        statuses = [
            str(answer.status_code).ljust(len(who))
            for answer, who in zip(answers, ASKERS, strict=True)
        ]
        assert max(answer.status_code for answer in answers) < 500, (call, statuses)
        lines.append(" ".join([call.route.ljust(width), *statuses]).rstrip())
    golden("authz-matrix.txt", "\n".join(lines) + "\n")


def test_without_a_valid_token_every_route_gives_one_answer(
    town: Town, frozen_clock: FrozenClock
) -> None:
    frozen_clock.advance(hours=1)
    answers = {
        (call.route, answer.status_code, answer.headers.get("www-authenticate"))
        for call in CALLS
        for who in (None, "expired", "revoked")
        for answer in [call.ask(town, who, digest="sha256:" + "0" * 64)]
    }
    assert answers == {(call.route, 401, "Bearer") for call in CALLS}


def test_whoever_holds_no_role_learns_nothing(town: Town) -> None:
    digest = held_event(town)
    for call in CALLS:
        answer = call.ask(town, "stranger", digest=digest)
        refused = answer.status_code == 403
        assert refused or call.route in FOR_EVERYBODY_KNOWN, (call.route, answer.text)
        if call.route != "GET /openapi.json":
            told = [word for word in ("clean", "raw", "refine", "s3://") if word in answer.text]
            assert told == [], (call.route, answer.text)


def test_who_belongs_to_another_project_does_not_see_ours(town: Town) -> None:
    ours = [call for call in CALLS if _reads_ours(call)]
    assert len(ours) > 15
    for call in ours:
        answer = call.ask(town, "neighbour")
        assert answer.status_code == 404, (call.route, answer.text)


def _reads_ours(call: Call) -> bool:
    """Whether a request reads one thing that `speech` owns."""
    asked = f"{call.path} {call.json} {call.params}"
    reads = call.method == "GET" or any(
        word in call.route for word in ("/trace", "/samples", "/versions/")
    )
    return reads and any(
        word in asked for word in ("clean", "refine", "s3%3A", "/speech", run_of("refine"))
    )
