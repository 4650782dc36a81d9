"""Deadlines are those that a person works out with a calendar, and say how they came about."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.erasure.case.deadlines import WorkingDays, add_months, answer_by, parse_region
from registry.erasure.lifecycle import Regime
from registry.errors import InvalidInputError

ANYWHERE = WorkingDays()
days = st.dates(date(2000, 1, 1), date(2090, 12, 31))
regions = st.sampled_from([None, "DE", "DE-BY", "FR", "IE", "SE", "US-CA"])

# Received, region, extended, days paused, due: each worked out by hand with a calendar.
BY_HAND = [
    ("2026-03-10", None, False, 0, "2026-04-10"),
    ("2026-03-05", None, False, 0, "2026-04-06"),
    # 2026-02-28 is a Saturday, so Monday.
    ("2026-01-31", None, False, 0, "2026-03-02"),
    ("2026-01-30", None, False, 0, "2026-03-02"),
    ("2026-01-28", None, False, 0, "2026-03-02"),
    ("2026-01-27", None, False, 0, "2026-02-27"),
    # A leap year has a 29th of February; 2028-02-29 is a Tuesday.
    ("2028-01-31", None, False, 0, "2028-02-29"),
    ("2028-01-29", None, False, 0, "2028-02-29"),
    ("2028-02-29", None, False, 0, "2028-03-29"),
    ("2024-01-31", None, False, 0, "2024-02-29"),
    # Months of 30 days.
    ("2026-08-31", None, False, 0, "2026-09-30"),
    ("2026-05-31", None, False, 0, "2026-06-30"),
    # Over the turn of the year.
    ("2026-12-15", None, False, 0, "2027-01-15"),
    ("2026-11-30", None, False, 0, "2026-12-30"),
    ("2026-12-31", None, False, 0, "2027-02-01"),
    # Christmas of 2026: Friday 25th, Saturday 26th, Sunday 27th.
    ("2026-11-25", "DE", False, 0, "2026-12-28"),
    # In Great Britain the 26th is moved to Monday 28th.
    ("2026-11-25", "GB", False, 0, "2026-12-29"),
    ("2026-11-25", None, False, 0, "2026-12-25"),
    # New Year's Day of 2027 is a Friday.
    ("2026-12-01", "DE", False, 0, "2027-01-04"),
    ("2026-12-01", None, False, 0, "2027-01-01"),
    # Easter of 2026: Good Friday is 3 April, Easter Monday 6 April.
    ("2026-03-03", "DE", False, 0, "2026-04-07"),
    ("2026-03-03", None, False, 0, "2026-04-03"),
    # France keeps Easter Monday and not Good Friday.
    ("2026-03-03", "FR", False, 0, "2026-04-03"),
    ("2026-03-04", "FR", False, 0, "2026-04-07"),
    # Ascension 2026 is Thursday 14 May.
    ("2026-04-14", "DE", False, 0, "2026-05-15"),
    # 1 May 2026 is a Friday.
    ("2026-04-01", "FR", False, 0, "2026-05-04"),
    # Epiphany, Wednesday 6 January 2027, in Bavaria alone.
    ("2026-12-06", "DE-BY", False, 0, "2027-01-07"),
    ("2026-12-06", "DE", False, 0, "2027-01-06"),
    # Three months from receipt, not two from a day that was moved.
    ("2026-01-31", None, True, 0, "2026-04-30"),
    ("2026-11-30", None, True, 0, "2027-03-01"),
    ("2027-11-30", None, True, 0, "2028-02-29"),
    ("2026-03-03", "DE", True, 0, "2026-06-03"),
    # The clock stood still: the days are added before the end is moved.
    ("2026-03-10", None, False, 5, "2026-04-15"),
    ("2026-03-10", None, False, 1, "2026-04-13"),
    ("2026-01-31", None, False, 3, "2026-03-03"),
]


@pytest.mark.parametrize(("received", "region", "extended", "paused", "due"), BY_HAND)
def test_the_month_of_the_gdpr_is_as_worked_out_by_hand(
    received: str, region: str | None, extended: bool, paused: int, due: str
) -> None:
    found = answer_by(
        Regime.GDPR,
        date.fromisoformat(received),
        WorkingDays(region),
        extended=extended,
        paused_days=paused,
    )
    assert found.due_on.isoformat() == due
    assert received in found.because
    assert due in found.because
    assert found.confirm_by is None


@pytest.mark.parametrize(
    ("received", "region", "extended", "due", "confirm_by"),
    [
        ("2026-03-02", "US-CA", False, "2026-04-16", "2026-03-16"),
        ("2026-03-02", "US-CA", True, "2026-05-31", "2026-03-16"),
        # Christmas and New Year's Day are no business days.
        ("2026-12-18", "US-CA", False, "2027-02-01", "2027-01-05"),
        ("2026-12-18", None, False, "2027-02-01", "2027-01-01"),
        # Thanksgiving, and the Friday after it in California.
        ("2026-11-20", "US-CA", False, "2027-01-04", "2026-12-08"),
        # 45 days may end on a Sunday, and do.
        ("2026-01-01", "US-CA", False, "2026-02-15", "2026-01-15"),
    ],
)
def test_the_days_of_the_ccpa_are_as_worked_out_by_hand(
    received: str, region: str | None, extended: bool, due: str, confirm_by: str
) -> None:
    found = answer_by(
        Regime.CCPA, date.fromisoformat(received), WorkingDays(region), extended=extended
    )
    assert (found.due_on.isoformat(), found.confirm_by) == (due, date.fromisoformat(confirm_by))
    assert due in found.because
    assert confirm_by in found.because


def test_the_calculation_is_told_in_words() -> None:
    found = answer_by(Regime.GDPR, date(2026, 3, 3), WorkingDays("DE"))
    assert found.because == (
        "Received on Tuesday 2026-03-03, which is not counted (Reg. 1182/71 Art. 3(1)). "
        "One month (GDPR Art. 12(3)) ends on Friday 2026-04-03. 2026-04-03 is Good Friday (DE); "
        "2026-04-04 is a Saturday; 2026-04-05 is a Sunday; 2026-04-06 is Easter Monday (DE): the "
        "next working day is Tuesday 2026-04-07 (Reg. 1182/71 Art. 3(4))."
    )
    short = answer_by(Regime.GDPR, date(2026, 8, 31), ANYWHERE, paused_days=1)
    assert "a month that has no day 31" in short.because
    assert "stood still for 1 day while" in short.because


@given(days, regions, st.booleans(), st.integers(0, 400))
def test_a_month_ends_on_a_working_day_and_never_before_its_date(
    received: date, region: str | None, extended: bool, paused: int
) -> None:
    calendar = WorkingDays(region)
    found = answer_by(Regime.GDPR, received, calendar, extended=extended, paused_days=paused)
    ends = add_months(received, 3 if extended else 1)[0] + timedelta(days=paused)
    assert calendar.why_not(found.due_on) is None
    assert ends <= found.due_on
    skipped = [ends + timedelta(days=each) for each in range((found.due_on - ends).days)]
    assert all(calendar.why_not(day) is not None for day in skipped)


@given(days, regions)
def test_later_receipt_more_holidays_and_pauses_never_make_it_earlier(
    received: date, region: str | None
) -> None:
    calendar = WorkingDays(region)
    due = answer_by(Regime.GDPR, received, calendar).due_on
    assert due <= answer_by(Regime.GDPR, received + timedelta(days=1), calendar).due_on
    assert answer_by(Regime.GDPR, received, ANYWHERE).due_on <= due
    assert due <= answer_by(Regime.GDPR, received, calendar, paused_days=1).due_on
    assert due < answer_by(Regime.GDPR, received, calendar, extended=True).due_on
    assert 28 <= (answer_by(Regime.GDPR, received, ANYWHERE).due_on - received).days <= 33


@given(days, regions, st.integers(0, 90))
def test_the_clock_of_the_ccpa_never_stands_still(
    received: date, region: str | None, paused: int
) -> None:
    found = answer_by(Regime.CCPA, received, WorkingDays(region), paused_days=paused)
    assert (found.due_on - received).days == 45
    assert found.confirm_by is not None
    assert 12 <= (found.confirm_by - received).days < 45


@given(days, st.integers(1, 30))
def test_months_keep_the_date_or_end_with_the_month(day: date, months: int) -> None:
    there, is_whole = add_months(day, months)
    assert (there.year * 12 + there.month) - (day.year * 12 + day.month) == months
    assert is_whole == (there.day == day.day)
    assert is_whole or (there + timedelta(days=1)).day == 1


def test_months_do_not_lead_out_of_the_calendar() -> None:
    with pytest.raises(OverflowError):
        add_months(date(9999, 12, 1), 1)


@pytest.mark.parametrize(
    ("text", "region"), [("DE", "DE"), (" de ", "DE"), ("de-by", "DE-BY"), ("US-ca", "US-CA")]
)
def test_a_region_has_one_form(text: str, region: str) -> None:
    assert parse_region(text) == region


@pytest.mark.parametrize("text", ["", "Atlantis", "XX", "DE-QQ", "DE-", "de_by", "D" * 500])
def test_a_region_that_nobody_knows_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="public holidays") as caught:
        parse_region(text, path="region")
    assert caught.value.path == "region"
