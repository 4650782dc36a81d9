"""Where certificates and letters get their Jinja2 templates, and the words that these share.

Rules:
1. A name that a template uses and its context lacks is an error, in pages and in letters.
2. In pages every value is escaped. Letters and text accounts are plain text: nothing is.
3. Days are written `1 March 2026`, times in UTC, whatever the locale; what nobody counted is said
   so and is no zero.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING

from registry.files import shipped

if TYPE_CHECKING:
    from jinja2 import Environment

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


@cache
def page_environment() -> Environment:
    """The templates of pages (rule 2), by their path below `templates/`."""
    return _environment(escaped=True)


@cache
def text_environment() -> Environment:
    """The templates of letters and text accounts (rule 2)."""
    return _environment(escaped=False)


def day(value: date) -> str:
    """`1 March 2026`."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime) -> str:
    """`1 March 2026, 09:30 UTC`."""
    universal = value.astimezone(UTC)
    return f"{day(universal)}, {universal:%H:%M} UTC"


def words(value: str) -> str:
    """A value of an enum as words: `partially fulfilled`."""
    return value.replace("_", " ")


def count(value: int | None) -> str:
    """`48,210`; `not counted` for None."""
    return "not counted" if value is None else f"{value:,}"


def _environment(*, escaped: bool) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(shipped("templates")),
        autoescape=escaped,  # noqa: S701 - what is not escaped is plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"day": day, "moment": moment, "words": words, "counted": count}
    return made
