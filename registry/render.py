"""How documents are made: their Jinja2 templates, the words that these share, and PDF.

Rules:
1. A name that a template uses and its context lacks is an error, in pages and in letters.
2. In pages every value is escaped, in Markdown too. Letters and text accounts are plain text:
   nothing is.
3. Days are written `1 March 2026`, times in UTC, whatever the locale; what nobody counted is said
   so and is no zero.
4. Making a PDF loads nothing, whatever address a page names. The same page gives the same bytes on
   one machine: dates come from the page, the identifier from the caller. It is tagged (PDF/UA-1).
6. In Markdown a value stays on its line and in its cell, and gives birth to no tag, link, heading,
   list or emphasis. What readers make a link of by itself, an address, stands as code.
7. In pages and in Markdown characters that nobody sees, which control a terminal or turn the
   direction of what follows, stand as their number: `[U+202E]`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import re
import threading
import traceback
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from registry.errors import SetupError, TemplateError
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
    return _environment(escaped=True, finalize=_seen)


@cache
def text_environment() -> Environment:
    """The templates of letters and text accounts (rule 2)."""
    return _environment(escaped=False)


@cache
def markdown_environment() -> Environment:
    """The templates of Markdown documents (rules 2 and 5)."""
    return _environment(escaped=False, finalize=markdown)


class Markdown(str):
    """Text that is Markdown already, and stays as it is."""

    __slots__ = ()


def markdown(value: object) -> Markdown:
    """A value as Markdown text (rule 6); line ends become blanks."""
    if isinstance(value, Markdown):
        return value
    words = visible(str(value)).split()
    return Markdown(
        " ".join(
            _as_code(each) if _LINKS.search(each) else _plain(each, at == 0)
            for at, each in enumerate(words)
        )
    )


def visible(text: str) -> str:
    """The text with unseen characters as `[U+202E]` (rule 7); line ends are kept as `\\n`."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", plain)


def fill(environment: Environment, name: str, **values: Any) -> str:
    """The template with these values. Raises TemplateError with template and line if it fails."""
    from jinja2 import TemplateNotFound, TemplateSyntaxError

    try:
        return environment.get_template(name).render(**values)
    except TemplateNotFound as error:
        raise TemplateError(
            f"There is no template {error.name}.", remedy="Put the shipped one back."
        ) from error
    except TemplateSyntaxError as error:
        raise _faulty(error.name or name, error.lineno, error) from error
    # An operator may have changed the template, and what is in it may raise anything.
    except Exception as error:
        raise _faulty(*_place(error, name), error) from error


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


def pdf_of(page: str, *, identity: str) -> bytes:
    """A page of HTML as PDF (rule 4). `identity`: text that names the document, as its digest does.

    Raises SetupError where WeasyPrint or its libraries are missing.
    Cost: about half a second for a few pages, most of it the first time.
    """
    return draw_pdf(page, identity=identity)[0]


def draw_pdf(page: str, *, identity: str) -> tuple[bytes, tuple[str, ...]]:
    """As `pdf_of`, and the characters, in order, that no font of this machine has a letter for."""
    weasyprint = _weasyprint()
    document = weasyprint.HTML(
        string=page, url_fetcher=weasyprint.urls.URLFetcher(allowed_protocols=())
    )
    identifier = hashlib.sha256(identity.encode()).digest()[:16]
    undrawn = _Undrawn()
    weasyprint.LOGGER.addFilter(undrawn)
    try:
        made = document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=identifier)
    finally:
        weasyprint.LOGGER.removeFilter(undrawn)
    assert isinstance(made, bytes)
    return made, tuple(sorted(undrawn.found))


class _Undrawn(logging.Filter):
    """Takes what WeasyPrint says of letters that it has not, in this thread, out of its log."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        is_ours = record.thread == self._thread and str(record.msg).startswith(".notdef")
        if is_ours and isinstance(record.args, tuple):
            self.found.add(str(record.args[0]))
        return not is_ours


#: C0 and C1 controls, bidirectional marks, embeddings, overrides and isolates, line and paragraph
#: separators, the byte order mark, and the tag characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
#: What a reader of Markdown makes a link of without being asked.
_LINKS = re.compile(r"://|www\.|@|mailto:|xmpp:", re.IGNORECASE)
_MARKS = re.compile(r"([\\`*_\[\]{}<>|~$!^])")


#: What begins a line of its own kind: a rule, a list, an underline, a numbered list.
_STARTERS = re.compile(r"^([0-9]{1,9}(?=[.)]$)|(?=[-+=#:]))(.)")


def _seen(value: object) -> object:
    return visible(value) if type(value) is str else value


def _plain(word: str, is_first: bool) -> str:
    escaped = _MARKS.sub(r"\\\1", word.replace("&", "&amp;")).replace("\\<", "&lt;")
    if is_first:
        return _STARTERS.sub(r"\1\\\2", escaped)
    return escaped


def _as_code(word: str) -> str:
    """The word as code; backticks and bars stand between pieces of code, escaped."""
    return "".join(
        f"\\{piece}" if piece in "`|" else f"`{piece}`"
        for piece in re.split(r"([`|])", word)
        if piece
    )


def _place(error: Exception, name: str) -> tuple[str, int]:
    """The template and line at which something was raised: the last one that was in one."""
    folder = str(shipped("templates"))
    found = (name, 0)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(folder):
            found = (frame.filename[len(folder) + 1 :], frame.lineno or 0)
    return found


def _faulty(name: str, line: int, error: Exception) -> TemplateError:
    why = str(error).partition("\n")[0][:300].rstrip(".") or type(error).__name__
    return TemplateError(
        f"templates/{name}, line {line}: {why}.",
        remedy="Correct the template at this line, or put the shipped one back.",
    )


def _environment(*, escaped: bool, finalize: Any = None) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(shipped("templates")),
        autoescape=escaped,  # noqa: S701 - what is not escaped is plain text
        undefined=StrictUndefined,
        finalize=finalize,
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
