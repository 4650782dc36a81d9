"""A card for people: a page, a Markdown document and a PDF, all from the same card.

Rules:
1. A page stands alone: no script, no font, no picture that is loaded. It reads in light and dark,
   on a phone, on paper and by ear (WCAG 2.2 AA).
2. Whatever was recorded is hostile: escaped in HTML, in Markdown and in charts, and set apart by
   direction (`bdi`, or isolates), so that a name in one script never turns what stands after it.
3. Gaps are worded as well as tinted. What is missing stands where it is asked, and once more in a
   list with who can supply it.
4. The same card gives the same bytes, of PDF on one machine too: nothing is read from a clock.
"""

from __future__ import annotations

import re
from typing import Any

from registry.cards.card import Card
from registry.cards.pages.attachments import Attachment
from registry.cards.pages.attachments import attachments as _attachments
from registry.cards.pages.parts import CardPage, page_of
from registry.files import shipped
from registry.moments import rfc3339
from registry.render import (
    Markdown,
    draw_pdf,
    fill,
    markdown,
    markdown_environment,
    page_environment,
)

#: On paper a table is cut sooner: WeasyPrint takes about 4 ms for each row.
PRINTED_ROWS = 10
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff]")


def as_html(card: Card, *, base_url: str | None = None) -> str:
    """The page. `base_url`: of the registry, for links to audit entries.

    Raises TemplateError, with template and line, for a template that fails.
    """
    return _html(page_of(card, base_url=base_url))


def as_markdown(card: Card) -> str:
    """The document in Markdown, as GitHub and model hubs read it. Raises as `as_html`."""
    values = {"page": page_of(card), "isolated": isolated, "as_of": rfc3339(card.as_of)}
    text = fill(markdown_environment(), "cards/card.md", **values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def as_pdf(card: Card) -> bytes:
    """The page as tagged PDF. Raises SetupError where WeasyPrint or its libraries are missing.

    Where the fonts of this machine lack letters, the PDF says for how many characters, and which.
    Cost: one to three seconds, twice that where letters are lacking. What it cuts of long tables
    is in `attachments`.
    """
    revision = f"{card.revision.number} {card.revision.digest}" if card.revision else "draft"
    identity = f"{card.kind} {card.digest} {revision}"
    page = page_of(card, rows=PRINTED_ROWS)
    made, undrawn = draw_pdf(_html(page), identity=identity)
    if undrawn:
        made, _ = draw_pdf(_html(page, undrawn), identity=identity)
    return made


def attachments(card: Card, *, over: int = PRINTED_ROWS) -> tuple[Attachment, ...]:
    """The tables that the PDF cuts, and so those that the page does, whole, as CSV.

    `over=attachments.INLINE_ROWS` gives those of the page alone.
    """
    return _attachments(card, over=over)


def isolated(words: str) -> Markdown:
    """Words as Markdown, between isolates where they hold letters that run right to left."""
    escaped = markdown(words)
    return Markdown(f"\u2068{escaped}\u2069") if _RIGHT_TO_LEFT.search(words) else escaped


def _html(page: CardPage, undrawn: tuple[str, ...] = ()) -> str:
    style = (shipped("templates") / "cards" / "style.css").read_text("utf-8")
    values: dict[str, Any] = {
        "page": page,
        "style": style,
        "undrawn": [f"U+{ord(each):04X}" for each in undrawn],
        "made_at": rfc3339(
            page.card.revision.published_at if page.card.revision else page.card.as_of
        ),
    }
    return fill(page_environment(), "cards/card.html", **values)
