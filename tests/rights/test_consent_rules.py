"""What consent comes to: sentences as cases, and the columns held to the rules for one person."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rights.consent_state import NOTHING, Said, consent_at
from registry.rights.purposes import load_purposes
from registry.rights.statuses import ConsentStatus

PURPOSES = load_purposes()
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def said(
    *events: tuple[float, str] | tuple[float, str, str] | tuple[float, str, str, float],
) -> list[Said]:
    """Events as (day, status[, purpose[, expires]]), in order of arrival."""
    made = []
    for arrival, (at, status, *rest) in enumerate(events):
        purpose = str(rest[0]) if rest else "model_training"
        ends = day(float(rest[1])) if len(rest) > 1 else None
        made.append(Said(purpose, ConsentStatus(status), day(at), arrival, ends))
    return made


CASES = {
    "nobody said anything: unknown": (said(), "model_training", 5, None),
    "given permits from its day on": (said((1, "given")), "model_training", 1, "given"),
    "a given from the future permits nothing yet": (said((9, "given")), "model_training", 5, None),
    "withdrawn after given": (
        said((1, "given"), (3, "withdrawn")),
        "model_training",
        5,
        "withdrawn",
    ),
    "as of a day before the withdrawal": (
        said((1, "given"), (3, "withdrawn")),
        "model_training",
        2,
        "given",
    ),
    "out of order: what happened last counts": (
        said((3, "withdrawn"), (1, "given")),
        "model_training",
        5,
        "withdrawn",
    ),
    "renewed after a withdrawal": (
        said((1, "given"), (3, "withdrawn"), (4, "renewed")),
        "model_training",
        5,
        "renewed",
    ),
    "at one moment a no outweighs a yes, whichever came first": (
        said((3, "withdrawn"), (3, "given")),
        "model_training",
        5,
        "withdrawn",
    ),
    "expired by its own end": (
        said((1, "given", "model_training", 4)),
        "model_training",
        4,
        "expired",
    ),
    "not yet expired": (said((1, "given", "model_training", 4)), "model_training", 3, "given"),
    "asked again while consent stands": (
        said((1, "given"), (2, "requested")),
        "model_training",
        5,
        "given",
    ),
    "asked and not answered": (said((1, "requested")), "model_training", 5, "requested"),
    "the wider purpose covers the narrower": (said((1, "given")), "fine_tuning", 5, "given"),
    "the narrower does not cover the wider": (
        said((1, "given", "fine_tuning")),
        "model_training",
        5,
        None,
    ),
    "another purpose is another matter": (said((1, "given", "research")), "evaluation", 5, None),
    "a no to the wider one is a no to the narrower": (
        said((1, "given", "fine_tuning"), (2, "withdrawn")),
        "fine_tuning",
        5,
        "withdrawn",
    ),
    "a later no to the narrower is a no to the wider": (
        said((1, "given"), (2, "withdrawn", "fine_tuning")),
        "model_training",
        5,
        "withdrawn",
    ),
    "a no to one narrower purpose leaves its siblings": (
        said((1, "given"), (2, "withdrawn", "fine_tuning")),
        "pre_training",
        5,
        "given",
    ),
    "an authority's invalidation reaches past use": (
        said((1, "given"), (9, "invalidated")),
        "model_training",
        5,
        "invalidated",
    ),
    "after an invalidation one may consent anew": (
        said((1, "given"), (3, "invalidated"), (4, "given")),
        "model_training",
        5,
        "given",
    ),
    "an objection forbids": (said((2, "objected")), "model_training", 5, "objected"),
    "deferred is no yes": (said((2, "deferred")), "model_training", 5, "deferred"),
    "revoked by another entity": (
        said((1, "given"), (2, "revoked")),
        "model_training",
        5,
        "revoked",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_consent_is_what_was_last_said(case: str) -> None:
    events, purpose, at, expected = CASES[case]
    found = consent_at(events, PURPOSES, purpose, at=day(at))
    assert found.status == expected
    assert found.permits == (expected in ("given", "renewed"))


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([str(each) for each in ConsentStatus]),
        st.sampled_from(["model_training", "fine_tuning", "alignment"]),
    ),
    max_size=4,
)


@given(EVENTS)
def test_no_order_of_arrival_turns_a_no_into_a_yes(drawn: list[tuple[int, str, str]]) -> None:
    found = {
        consent_at(said(*order), PURPOSES, "model_training", at=day(3)).permits
        for order in itertools.permutations(drawn)
    }
    assert len(found) == 1


def test_nothing_recorded_is_unknown_and_no() -> None:
    assert NOTHING.status is None
    assert not NOTHING.permits
