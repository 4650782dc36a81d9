"""ISO 8601 durations, applied by the calendar. Pure.

Rules:
1. The form is `PnYnMnWnDTnHnMnS`, upper case, at least one part, whole numbers; only seconds may
   have a fraction, after `.` or `,` (ISO 8601-1:2019 §5.5.2.2; weeks beside other parts as in
   ISO 8601-2). No sign.
2. Years and months move by the calendar; a day that the month lacks becomes its last day
   (31 January + P1M is 28 or 29 February). Then days, then time; a day is 24 hours, in UTC.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.errors import InvalidInputError

_FORM = re.compile(
    r"P(?=\d|T\d)(?:(?P<years>\d{1,6})Y)?(?:(?P<months>\d{1,6})M)?(?:(?P<weeks>\d{1,6})W)?"
    r"(?:(?P<days>\d{1,6})D)?(?:T(?=\d)(?:(?P<hours>\d{1,8})H)?(?:(?P<minutes>\d{1,8})M)?"
    r"(?:(?P<seconds>\d{1,10})(?:[.,](?P<fraction>\d{1,6}))?S)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Duration:
    """Calendar months, days, and an exact time; none is negative."""

    months: int
    days: int
    time: timedelta

    def after(self, moment: datetime) -> datetime:
        """That moment plus this duration. Raises InvalidInputError beyond the year 9999."""
        return self._moved(moment, 1)

    def before(self, moment: datetime) -> datetime:
        """That moment minus this duration. Raises InvalidInputError before the year 1."""
        return self._moved(moment, -1)

    def _moved(self, moment: datetime, sign: int) -> datetime:
        try:
            years, month = divmod(moment.month - 1 + sign * self.months, 12)
            year = moment.year + years
            day = min(moment.day, calendar.monthrange(year, month + 1)[1])
            there = moment.replace(year=year, month=month + 1, day=day)
            return there + sign * (timedelta(days=self.days) + self.time)
        except (ValueError, OverflowError) as error:
            raise InvalidInputError(
                f"The duration {self} from {moment:%Y-%m-%d} leads out of the calendar.",
                remedy="Give a shorter duration, such as P90D.",
            ) from error

    def __str__(self) -> str:
        """The shortest ISO 8601 form; `PT0S` for none."""
        years, months = divmod(self.months, 12)
        micros = self.time // timedelta(microseconds=1)
        minutes, micros = divmod(micros, 60_000_000)
        hours, minutes = divmod(minutes, 60)
        seconds = f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
        date = "".join(f"{n}{u}" for n, u in ((years, "Y"), (months, "M"), (self.days, "D")) if n)
        time = "".join(f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M")) if n)
        time += f"{seconds}S" if micros else ""
        if not date and not time:
            return "PT0S"
        return f"P{date}T{time}" if time else f"P{date}"


def parse_duration(text: str, *, path: str | None = None) -> Duration:
    """The duration of a text such as `P90D`, `P3M` or `P1Y2M10DT2H30M`.

    Raises InvalidInputError, with `path`, for anything else.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise InvalidInputError(
            f"{text[:40]!r} is no ISO 8601 duration.",
            remedy="Write for example P90D (days), P3M (months), P1Y (years) or PT12H (hours).",
            path=path,
        )
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    return Duration(
        months=part["years"] * 12 + part["months"],
        days=part["weeks"] * 7 + part["days"],
        time=timedelta(
            hours=part["hours"],
            minutes=part["minutes"],
            seconds=part["seconds"],
            microseconds=int((found["fraction"] or "").ljust(6, "0")),
        ),
    )
