"""ISO 8601 durations move by the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.durations import Duration, parse_duration
from registry.errors import InvalidInputError

START = datetime(2024, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("P1D", datetime(2024, 2, 1, 12, tzinfo=UTC)),
        ("P2W", datetime(2024, 2, 14, 12, tzinfo=UTC)),
        ("P1M", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("P13M", datetime(2025, 2, 28, 12, tzinfo=UTC)),
        ("P1Y", datetime(2025, 1, 31, 12, tzinfo=UTC)),
        ("P11M", datetime(2024, 12, 31, 12, tzinfo=UTC)),
        ("P1M1D", datetime(2024, 3, 1, 12, tzinfo=UTC)),
        ("PT36H", datetime(2024, 2, 2, tzinfo=UTC)),
        ("PT1M", datetime(2024, 1, 31, 12, 1, tzinfo=UTC)),
        ("PT0.5S", datetime(2024, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("PT0,25S", datetime(2024, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("P0D", START),
    ],
)
def test_a_duration_leads_from_a_moment_to_the_right_one(text: str, end: datetime) -> None:
    assert parse_duration(text).after(START) == end


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("P1M", datetime(2024, 2, 29, tzinfo=UTC)),
        ("P12M", datetime(2023, 3, 31, tzinfo=UTC)),
        ("P3M", datetime(2023, 12, 31, tzinfo=UTC)),
        ("P1DT1H", datetime(2024, 3, 29, 23, tzinfo=UTC)),
    ],
)
def test_a_duration_leads_back(text: str, start: datetime) -> None:
    assert parse_duration(text).before(datetime(2024, 3, 31, tzinfo=UTC)) == start


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1", "1D", "p1d", "P1H", "PT1D", "P-1D", "-P1D", "P1.5D", "P1D ", "P1DT"),
        *("P1M1Y", "P١D", "P99999999999D", "PT1.1234567S", "P1D\n"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInputError, match="P90D") as caught:
        parse_duration(text, path="expires")
    assert caught.value.path == "expires"


@pytest.mark.parametrize("text", ["P9000Y", "P999999D", "P999999Y", "P99999M"])
def test_a_duration_that_leaves_the_calendar_is_refused(text: str) -> None:
    duration = parse_duration(text)
    with pytest.raises(InvalidInputError, match="out of the calendar"):
        duration.after(datetime(9000, 1, 1, tzinfo=UTC))


durations = st.builds(
    Duration,
    months=st.integers(0, 10_000),
    days=st.integers(0, 100_000),
    time=st.timedeltas(timedelta(), timedelta(days=400)),
)


@given(durations)
def test_text_and_duration_are_the_same_thing(duration: Duration) -> None:
    assert parse_duration(str(duration)) == duration


@given(durations, durations)
def test_longer_leads_further(one: Duration, other: Duration) -> None:
    longer = Duration(one.months + other.months, one.days + other.days, one.time + other.time)
    start = datetime(1, 1, 1, tzinfo=UTC)
    assert longer.after(start) >= one.after(start)
