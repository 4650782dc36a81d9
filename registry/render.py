"""How documents are made: their Jinja2 templates, the words that these share, and PDF.

Rules:
1. A name that a template uses and its context lacks is an error, in pages and in letters.
2. In pages every value is escaped. Letters and text accounts are plain text: nothing is.
3. Days are written `1 March 2026`, times in UTC, whatever the locale; what nobody counted is said
   so and is no zero.
4. Recorded text goes into Markdown through `escape_markdown`: it stays in its line and cell, and
   begins no heading, list, link, code or tag (CommonMark 0.31 §2.4; GFM tables).
5. Making a PDF loads nothing, whatever address a page names. The same page gives the same bytes on
   one machine: dates come from the page, the identifier from the caller. It is tagged (PDF/UA-1).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from registry.errors import SetupError
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

# Everything that means something inside a line, `$` of formulas too; a backslash before any of
# these is itself not shown.
_MARKDOWN = re.compile(r"[\\`*_\[\]{}<>|~&#$!]")
# And what does so only where a line begins: lists, underlines of headings, rules, front matter.
_LINE_STARTER = re.compile(r"^(\d{1,9}(?=[.)])|(?=[-+=:]))")


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


def escape_markdown(text: str) -> str:
    """The text as one line of Markdown that shows it and does nothing else (rule 4).

    Line ends become `<br>`, the only markup in it, so that it fits a cell of a table.
    """
    lines = (" ".join(line.split()) for line in text.splitlines())
    escaped = (_MARKDOWN.sub(r"\\\g<0>", line) for line in lines)
    return "<br>".join(_LINE_STARTER.sub(r"\1\\", line) for line in escaped)


def pdf_of(page: str, *, identity: str) -> bytes:
    """A page of HTML as PDF (rule 5). `identity`: text that names the document, as its digest does.

    Raises SetupError where WeasyPrint or its libraries are missing.
    Cost: about half a second for a few pages, most of it the first time.
    """
    weasyprint = _weasyprint()
    document = weasyprint.HTML(
        string=page, url_fetcher=weasyprint.urls.URLFetcher(allowed_protocols=())
    )
    identifier = hashlib.sha256(identity.encode()).digest()[:16]
    made = document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=identifier)
    assert isinstance(made, bytes)
    return made


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


def _weasyprint() -> Any:
    # WeasyPrint prints to stdout what it misses, where only the result belongs.
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            import weasyprint
    except (ImportError, OSError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise SetupError(
            f"PDF cannot be made here: {reason}.",
            remedy="Install the extra (pip install 'lineage-registry[pdf]') and Pango (on Debian: "
            "apt-get install libpangoft2-1.0-0 libharfbuzz-subset0); or take the format html.",
        ) from error
    return weasyprint
