"""When a request must be answered, and the calculation in words. Pure.

Rules:
1. GDPR Art. 12(3): one month from receipt. The day of receipt is not counted and the month ends on
   the same date (Reg. 1182/71 Art. 3(1), 3(2)(c)), or on the last day of a month that lacks it.
2. A period of rule 1 that would end on a Saturday, a Sunday or a public holiday ends with the next
   working day (Reg. 1182/71 Art. 3(4)). Without a region only weekends are known, which is earlier.
3. GDPR Art. 12(3): two further months where the person is told, with reasons, inside the first
   period; counted from receipt, so three months in all.
4. GDPR Art. 12(6) and EDPB Guidelines 01/2022: the month may stand still while a question about
   identity is unanswered. Those days are added before rule 2.
5. CCPA (11 CCR §7021): receipt is confirmed within 10 business days; the answer is due in 45
   calendar days, whatever verification takes, and in 90 where that was told. No day is moved.
6. Days are days of UTC.
"""

from __future__ import annotations

import calendar
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from registry.erasure.lifecycle import Regime
from registry.errors import InvalidInputError

GDPR_MONTHS, GDPR_MONTHS_EXTENDED = 1, 3
CCPA_DAYS, CCPA_DAYS_EXTENDED, CCPA_CONFIRM_DAYS = 45, 90, 10
# Not the locale's: the calculation is evidence and reads the same everywhere.
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SATURDAY = 5
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day to answer on, and why. `confirm_by`: the last day to confirm receipt on, where
    the regime sets one.
    """

    due_on: date
    confirm_by: date | None
    because: str


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Which days are worked on: neither a weekend nor a public holiday of `region` (such as `DE`
    or `DE-BY`; None: no holiday is known).
    """

    region: str | None = None

    def why_not(self, day: date) -> str | None:
        """Why nobody works on that day, in words; None for a working day."""
        if day.weekday() >= _SATURDAY:
            return f"a {_WEEKDAYS[day.weekday()]}"
        if self.region is None:
            return None
        name = _holidays_of(self.region, day.year).get(day)
        return None if name is None else f"{name} ({self.region})"

    def after(self, day: date, count: int) -> date:
        """The `count`-th working day after a day, which is not counted itself."""
        while count:
            day += _DAY
            count -= self.why_not(day) is None
        return day


def parse_region(text: str, *, path: str | None = None) -> str:
    """A region of public holidays in its one form: ISO 3166-1, or with a subdivision after `-`.

    Raises InvalidInputError for one whose holidays nobody here knows.
    """
    import holidays

    country, mark, part = text.strip().partition("-")
    country = country.upper()
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        raise InvalidInputError(
            f"The public holidays of {text[:20]!r} are not known.",
            remedy="Write a country (ISO 3166-1) such as DE, or a part of it such as DE-BY.",
            path=path,
        )
    parts = {each.upper(): each for each in known[country]}
    if mark and part.upper() not in parts:
        raise InvalidInputError(
            f"{country} has no part {part[:20]!r} with public holidays of its own.",
            remedy=f"Leave the part out, or choose from: {', '.join(sorted(parts)) or 'none'}.",
            path=path,
        )
    return f"{country}-{parts[part.upper()]}" if mark else country


@cache
def _holidays_of(region: str, year: int) -> Mapping[date, str]:
    """Public holidays of a year by date, observed ones too."""
    import holidays

    country, _, part = region.partition("-")
    with warnings.catch_warnings():
        # Of some countries the coming years are not published; then weekends alone are known.
        warnings.simplefilter("ignore")
        found = holidays.country_holidays(
            country, subdiv=part or None, years=year, expand=False, language="en_US"
        )
    return {day: str(found[day]) for day in found}


def answer_by(
    regime: Regime,
    received_on: date,
    days: WorkingDays,
    *,
    extended: bool = False,
    paused_days: int = 0,
) -> Deadline:
    """When a request that came on `received_on` must be answered (rules 1 to 5).

    `paused_days`: how many days the clock stood still; the CCPA's never does.
    """
    match regime:
        case Regime.GDPR:
            return _gdpr(received_on, days, extended, paused_days)
        case Regime.CCPA:
            return _ccpa(received_on, days, extended)


def _gdpr(received_on: date, days: WorkingDays, extended: bool, paused_days: int) -> Deadline:
    months = GDPR_MONTHS_EXTENDED if extended else GDPR_MONTHS
    ends, is_whole = add_months(received_on, months)
    words = [
        f"Received on {_long(received_on)}, which is not counted (Reg. 1182/71 Art. 3(1)).",
        f"{'Three months, told with reasons in time,' if extended else 'One month'} "
        f"(GDPR Art. 12(3)) end{'' if extended else 's'} on {_long(ends)}"
        + (
            "."
            if is_whole
            else f", the last day of a month that has no day {received_on.day} (Art. 3(2)(c))."
        ),
    ]
    if paused_days:
        ends += paused_days * _DAY
        words.append(
            f"The clock stood still for {_count(paused_days)} while a question about identity was "
            f"unanswered (GDPR Art. 12(6)), which gives {_long(ends)}."
        )
    due = ends
    skipped = []
    while (why := days.why_not(due)) is not None:
        skipped.append(f"{due.isoformat()} is {why}")
        due += _DAY
    if skipped:
        words.append(
            f"{'; '.join(skipped)}: the next working day is {_long(due)} (Reg. 1182/71 Art. 3(4))."
        )
    return Deadline(due, None, " ".join(words))


def _ccpa(received_on: date, days: WorkingDays, extended: bool) -> Deadline:
    length = CCPA_DAYS_EXTENDED if extended else CCPA_DAYS
    due = received_on + length * _DAY
    confirm_by = days.after(received_on, CCPA_CONFIRM_DAYS)
    told = "45 more, told with reasons in time, make 90" if extended else "45"
    return Deadline(
        due,
        confirm_by,
        f"Received on {_long(received_on)}. {told} calendar days, whatever verification takes, end "
        f"on {_long(due)} (11 CCR §7021(b)). Receipt is confirmed within {CCPA_CONFIRM_DAYS} "
        f"business days, by {_long(confirm_by)} (§7021(a)).",
    )


def add_months(day: date, months: int) -> tuple[date, bool]:
    """The same date some months later, and whether the month has it; else its last day.

    Raises OverflowError beyond the year 9999.
    """
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    if year > date.max.year:
        raise OverflowError(f"{day} and {months} months lead out of the calendar")
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last)), day.day <= last


def _long(day: date) -> str:
    return f"{_WEEKDAYS[day.weekday()]} {day.isoformat()}"


def _count(days: int) -> str:
    return f"{days} day" if days == 1 else f"{days} days"
