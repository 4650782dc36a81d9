"""Gives a card in each of its formats, and what it is called as a file.

A bundle is the only one that needs more than the card: proofs from the log, and a signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from registry.audit.checkpoint import read_checkpoint
from registry.cards.bundle.document import make_bundle
from registry.cards.bundle.evidence import read_proofs
from registry.cards.bundle.proofs import indexes_in
from registry.cards.card import Card, Format
from registry.cards.croissant.document import croissant_bytes
from registry.cards.desk import CardDesk
from registry.cards.huggingface.document import as_huggingface
from registry.cards.json_form import as_json
from registry.cards.pages.documents import as_html, as_markdown, as_pdf, attachments
from registry.errors import SetupError
from registry.keys.tables import Purpose

MEDIA_TYPES: Final[Mapping[Format, str]] = MappingProxyType(
    {
        Format.HTML: "text/html; charset=utf-8",
        Format.MARKDOWN: "text/markdown; charset=utf-8",
        Format.PDF: "application/pdf",
        Format.JSON: "application/json",
        Format.CROISSANT: "application/ld+json",
        Format.HUGGINGFACE: "text/markdown; charset=utf-8",
        Format.BUNDLE: "application/zip",
    }
)
_FILES: Final[Mapping[Format, str]] = MappingProxyType(
    {
        Format.HTML: "card.html",
        Format.MARKDOWN: "card.md",
        Format.PDF: "card.pdf",
        Format.JSON: "card.json",
        Format.CROISSANT: "croissant.json",
        Format.HUGGINGFACE: "README.md",
        Format.BUNDLE: "card.zip",
    }
)
#: What a bundle holds of a card, beside its tables.
_IN_BUNDLE: Final = tuple(each for each in Format if each is not Format.BUNDLE)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who gets it: `opens_log` for who may read the audit log, and so the texts of its entries."""

    opens_log: bool = False


def file_name(card: Card, format_: Format) -> str:
    """What the card is called as a file: `article-10.card.html`."""
    return f"{card.kind}.{_FILES[format_]}"


def in_format(desk: CardDesk, card: Card, format_: Format, reader: Reader) -> bytes:
    """The card in a format. Raises SetupError where PDF cannot be made here, TemplateError.

    Effects: for a bundle what the log's round does; else none. Cost: PDF takes one to three
    seconds, and a bundle that and more.
    """
    if format_ is Format.BUNDLE:
        return _bundle(desk, card, reader)
    return desk.shelf.made(
        desk.shelf.tag_of(card, format_),
        lambda: _single(desk, card, format_),
    )


def _single(desk: CardDesk, card: Card, format_: Format) -> bytes:
    match format_:
        case Format.HTML:
            return as_html(card, base_url=desk.url).encode()
        case Format.MARKDOWN:
            return as_markdown(card).encode()
        case Format.PDF:
            return as_pdf(card)
        case Format.JSON:
            return as_json(card)
        case Format.CROISSANT:
            return croissant_bytes(card.facts, url=desk.url)
        case Format.HUGGINGFACE:
            return as_huggingface(card.facts, desk.shelf.words.current().vocabulary)
        case Format.BUNDLE:
            raise AssertionError("a bundle is made of the others")


def _bundle(desk: CardDesk, card: Card, reader: Reader) -> bytes:
    signed = desk.audit.catch_up()
    with desk.database.read() as session:
        proofs = read_proofs(session, indexes_in(card.facts), opened=reader.opens_log)
    members: dict[str, bytes] = {}
    for each in _IN_BUNDLE:
        try:
            members[f"{card.kind}/{_FILES[each]}"] = in_format(desk, card, each, reader)
        except SetupError:
            # A machine without the libraries of PDF gives a bundle without one.
            if each is not Format.PDF:
                raise
    tables = attachments(card)
    members |= {f"{card.kind}/tables/{each.name}": each.data for each in tables}
    return make_bundle(
        card.facts,
        members,
        proofs,
        origin=read_checkpoint(signed.note).origin,
        made_at=desk.clock(),
        secret=desk.audit.keyring.active(Purpose.SIGNING).require_secret(),
        revision=None if card.revision is None else card.revision.number,
    )
