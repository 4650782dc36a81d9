"""A list of things that happened, as JSON Feed 1.1 or Atom. Pure.

Rules (jsonfeed.org/version/1.1; RFC 4287; RFC 5005 §3; RFC 9110 §12.5.1 and §13.1.2):
1. An item keeps its id for good; when it changed last is beside it.
2. A feed in pages leads from each page to the one after it, the older items.
3. What XML cannot carry, it carries as U+FFFD.
4. The same page has the same bytes, so its entity tag is their digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as Xml

import msgspec

from registry.api.accepting import preferred
from registry.moments import rfc3339

JSON_FEED, ATOM = "application/feed+json", "application/atom+xml"
_VERSION = "https://jsonfeed.org/version/1.1"
_NAMESPACE = "http://www.w3.org/2005/Atom"
_AS = {
    JSON_FEED: JSON_FEED,
    "application/json": JSON_FEED,
    "application/*": JSON_FEED,
    "*/*": JSON_FEED,
    ATOM: ATOM,
    "application/xml": ATOM,
    "text/xml": ATOM,
    "text/*": ATOM,
}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FeedItem:
    """Something that happened. `id` is a URI; `more`: what else a program may want of it."""

    id: str
    url: str
    title: str
    text: str
    published_at: datetime
    changed_at: datetime
    tags: tuple[str, ...]
    more: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of items, the newest first. `url` is this page's, `next_url` that of older items."""

    id: str
    title: str
    home_url: str
    url: str
    next_url: str | None
    items: tuple[FeedItem, ...]


def wanted_type(accept: str | None) -> str:
    """`JSON_FEED` or `ATOM`, whichever an Accept header prefers; JSON where it names neither."""
    return preferred(accept, _AS) or JSON_FEED


def encoded(feed: Feed, kind: str) -> bytes:
    """The bytes of a feed, as `JSON_FEED` or as `ATOM`."""
    return _atom(feed) if kind == ATOM else _json(feed)


def entity_tag(body: bytes) -> str:
    """The strong entity tag of a page (rule 4)."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Whether an If-None-Match header names this entity tag."""
    named = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return tag in named or "*" in named


def _json(feed: Feed) -> bytes:
    said: dict[str, object] = {
        "version": _VERSION,
        "title": feed.title,
        "home_page_url": feed.home_url,
        "feed_url": feed.url,
    }
    if feed.next_url is not None:
        said["next_url"] = feed.next_url
    said["items"] = [
        {
            "id": item.id,
            "url": item.url,
            "title": item.title,
            "content_text": item.text,
            "date_published": rfc3339(item.published_at),
            "date_modified": rfc3339(item.changed_at),
            "tags": list(item.tags),
            "_registry": item.more,
        }
        for item in feed.items
    ]
    return msgspec.json.encode(said)


def _atom(feed: Feed) -> bytes:
    root = Xml.Element("feed", {"xmlns": _NAMESPACE})
    _put(root, "id", feed.id)
    _put(root, "title", feed.title)
    _put(root, "updated", rfc3339(max((i.changed_at for i in feed.items), default=_NEVER)))
    _put(Xml.SubElement(root, "author"), "name", "registry")
    _link(root, "self", feed.url, ATOM)
    _link(root, "alternate", feed.home_url, "application/json")
    if feed.next_url is not None:
        _link(root, "next", feed.next_url, ATOM)
    for item in feed.items:
        entry = Xml.SubElement(root, "entry")
        _put(entry, "id", item.id)
        _put(entry, "title", item.title)
        _put(entry, "published", rfc3339(item.published_at))
        _put(entry, "updated", rfc3339(item.changed_at))
        _link(entry, "alternate", item.url, "application/json")
        for tag in item.tags:
            Xml.SubElement(entry, "category", {"term": _sound(tag)})
        _put(entry, "content", item.text).set("type", "text")
    return bytes(Xml.tostring(root, encoding="utf-8", xml_declaration=True))


def _put(parent: Xml.Element, name: str, text: str) -> Xml.Element:
    made = Xml.SubElement(parent, name)
    made.text = _sound(text)
    return made


def _link(parent: Xml.Element, rel: str, href: str, kind: str) -> None:
    Xml.SubElement(parent, "link", {"rel": rel, "type": kind, "href": _sound(href)})


def _sound(text: str) -> str:
    """The text without what XML 1.0 cannot carry (rule 3)."""
    return _NO_XML.sub("\ufffd", text)
