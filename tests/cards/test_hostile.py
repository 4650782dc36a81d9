"""Whatever was recorded stays text: in HTML, in Markdown, in charts and in CSV."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from registry.cards.answers import build_card
from registry.cards.card import Card, Kind, Revision
from registry.cards.pages.attachments import as_csv, csv_cell
from registry.cards.pages.charts import chart_of
from registry.cards.pages.documents import as_html, as_markdown
from registry.cards.questions.reading import load_questions
from registry.cards.values import CardFacts, Fact, Table, Value
from registry.render import markdown, visible
from tests.cards.samples import NOON, dataset_facts

QUESTIONS = load_questions()
CORPUS = (
    "<script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp; &#60;i&#62;",
    '" onmouseover="alert(1)',
    "a | b | c",
    "| --- | --- |",
    "x\n\n# heading\n\n- item\n1. one\n> quote\n\n---\n\n| a |\n|---|\n| b |",
    "x\r\n===\r\ny\u2028z\u0085w",
    "# heading",
    "###### six",
    "- item",
    "+ item",
    "* item *em* **strong** _em_ __strong__ ~~gone~~",
    "12. twelfth",
    "1) first",
    "> quote",
    "    code",
    "\tcode",
    "```\nfence\n```",
    "~~~ fence",
    "`code` ``co`de`` `",
    "[link](https://evil.example/ 'title')",
    "![image](https://evil.example/x.png)",
    "[ref]: https://evil.example/",
    "[^note]: text",
    "<https://evil.example/>",
    "https://evil.example/?a=1&b=2|x`y`",
    "www.evil.example mail@evil.example mailto:x@evil.example",
    "=cmd|' /C calc'!A0",
    "\\",
    "\\| \\` \\\\",
    "x\\",
    "---",
    "===",
    ":-: | :-:",
    "<!-- comment",
    "<![CDATA[ x ]]>",
    "<?php echo 1 ?>",
    "$x^2$ \\(y\\)",
    "\u202eesrever\u202c \u2066isolate",
    "bell\x07 null\x00 escape\x1b[31m",
    "מערך נתונים",
    "データセット",
)  # fmt: skip


def hostile_facts(text: str) -> CardFacts:
    """Facts in which every recorded text is this one, with a number that keeps them apart."""
    facts = dataset_facts()
    about = replace(facts.about, namespace=text, name=text, content_digest=text)
    made = {name: hostile(fact, text) for name, fact in facts.facts.items()}
    return replace(facts, about=about, facts=made, origin=text)


def hostile(fact: Fact, text: str) -> Fact:
    evidence = tuple(replace(each, id=f"{text} {each.id}") for each in fact.evidence)
    return replace(fact, value=turned(fact.value, text), note=text, evidence=evidence)


def turned(value: Value | None, text: str) -> Value | None:
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(f"{text} {at}" for at, _ in enumerate(value))
    if isinstance(value, Table):
        rows = tuple(
            tuple(f"{text} {at}" if isinstance(cell, str) else cell for cell in row)
            for at, row in enumerate(value.rows)
        )
        return Table(value.columns, rows, value.total)
    return value


def card(kind: Kind, text: str) -> Card:
    revision = Revision(1, "sha256:0", NOON, text, text, text, (text,))
    return build_card(kind, hostile_facts(text), QUESTIONS, revision)


class Skeleton(HTMLParser):
    """Tags with the names of their attributes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs if name != "class")))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", ()))


def tags_of(page: str) -> list[tuple[str, tuple[str, ...]]]:
    parser = Skeleton()
    parser.feed(page)
    return parser.tags


def blocks_of(text: str) -> list[tuple[str, int]]:
    """Blocks of a Markdown document, and what is in its lines but text and code."""
    made = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        made.append((token.type, token.level))
        inline = token.children or []
        made += [(one.type, one.level) for one in inline if one.type not in ("text", "code_inline")]
    return made


PLAIN = {kind: card(kind, "plain words") for kind in Kind}
PLAIN_TAGS = {kind: tags_of(as_html(each)) for kind, each in PLAIN.items()}
PLAIN_BLOCKS = {kind: blocks_of(as_markdown(each)) for kind, each in PLAIN.items()}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("text", CORPUS)
def test_recorded_text_gives_birth_to_nothing(kind: Kind, text: str) -> None:
    made = card(kind, text)
    html = as_html(made)
    assert tags_of(html) == PLAIN_TAGS[kind]
    document = as_markdown(made)
    assert blocks_of(document) == PLAIN_BLOCKS[kind]
    for unseen in "\u202e\u2066\x07\x00\x1b\u2028\u0085":
        assert unseen not in html
        assert unseen not in document


@pytest.mark.parametrize("text", CORPUS)
def test_recorded_text_reads_as_it_was_recorded(text: str) -> None:
    [paragraph] = (
        MarkdownIt("commonmark").enable("table").parse(f"x {markdown(visible(text))}")[1:2]
    )
    said = "".join(one.content for one in paragraph.children or [])
    assert said == " ".join(["x", *visible(text).split()])


@pytest.mark.parametrize("text", CORPUS)
def test_charts_hold_text_as_text(text: str) -> None:
    fact = hostile(dataset_facts()["rights.licenses"], text)
    chart = chart_of(fact)
    assert chart is not None
    names = {tag.lstrip("/") for tag, _ in tags_of(chart)}
    assert names <= {"svg", "title", "desc", "text", "rect", "path", "circle"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1+1", "' =1+1"),
        ("\t=1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        ("plain", "plain"),
        ("a=b", "a=b"),
        (-5, "-5"),
        (0.25, "0.25"),
        (True, "true"),
        (None, "(not recorded)"),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, tzinfo=UTC), "2026-03-01T00:00:00.000000Z"),
    ],
)
def test_cells_of_files_are_never_formulas(value: object, written: str) -> None:
    assert csv_cell(value) == written  # type: ignore[arg-type]


def test_files_are_what_rfc_4180_says() -> None:
    table = Table(("a", "b"), (('say "x", y', "two\nlines"), (None, 3)))
    data = as_csv(table)
    assert data == b'a,b\r\n"say ""x"", y","two\nlines"\r\n(not recorded),3\r\n'
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows == [["a", "b"], ['say "x", y', "two\nlines"], ["(not recorded)", "3"]]
    for text in CORPUS:
        cells = list(
            csv.reader(io.StringIO(as_csv(Table(("a",), ((text,),))).decode(), newline=""))
        )
        assert len(cells) == 2
        assert not re.match(r"\s*[=+@-]", cells[1][0])
