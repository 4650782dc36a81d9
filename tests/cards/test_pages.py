"""Cards for people: the same in every format, for everybody, whatever was recorded."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader
from pypdf import PdfReader

from registry.cards.answers import build_card
from registry.cards.card import Card, Kind, Revision
from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import BEYOND
from registry.cards.pages.attachments import INLINE_ROWS
from registry.cards.pages.documents import as_html, as_markdown, as_pdf, attachments
from registry.cards.questions.reading import load_questions
from registry.cards.values import CardFacts, State
from registry.cards.wording import STATE_MEANINGS, state_words, supplier_words
from registry.errors import TemplateError
from registry.files import shipped
from registry.render import fill, page_environment
from tests.browser import look_at
from tests.cards.samples import (
    NOON,
    Row,
    dataset_facts,
    mixed_facts,
    model_facts,
    with_rows,
    with_value,
    without,
)

ROOT = Path(__file__).resolve().parent.parent.parent
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy".*')
QUESTIONS = load_questions()
KINDS = pytest.mark.parametrize("kind", Kind)
REVISION = Revision(
    3, "sha256:" + "9e" * 32, NOON, "ana", "sha256:" + "8d" * 32, "key-1", ("One gap less.",)
)


def card(kind: Kind, facts: CardFacts | None = None, revision: Revision | None = None) -> Card:
    return build_card(kind, facts or mixed_facts(), QUESTIONS, revision)


@KINDS
def test_the_document_is_the_one_that_was_agreed(
    kind: Kind, golden: Callable[[str, str], None]
) -> None:
    golden(f"cards/{kind}.md", as_markdown(card(kind)))


def test_the_page_is_the_one_that_was_agreed(golden: Callable[[str, str], None]) -> None:
    text = as_html(card(Kind.TRAINING_SUMMARY, revision=REVISION))
    golden("cards/training-summary.html", re.sub(r"(?s)<style>.*</style>", "<style></style>", text))


@KINDS
@pytest.mark.parametrize(
    ("dark", "width"), [(False, 1000), (True, 1000), (False, 500)], ids=["light", "dark", "narrow"]
)
def test_the_page_can_be_read_by_everybody(kind: Kind, dark: bool, width: int) -> None:
    found = look_at(POLICY.sub("", as_html(card(kind))), dark=dark, width=width)
    assert found["violations"] == []
    assert found["passes"] > 30
    assert (found["dark"], found["overflow"]) == (dark, 0)


def test_every_colour_of_letters_stands_out_from_every_paper() -> None:
    style = (shipped("templates") / "cards" / "style.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part))
        for part in (style.partition("@media screen")[0], style.partition("@media screen")[2])
    )
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for letters, papers in {
            "ink": ("paper", "sheet", "warn-paper", "good-paper", "tag-paper"),
            "soft": ("paper", "sheet"),
            "warn": ("paper", "sheet", "warn-paper"),
            "accent": ("paper", "sheet", "warn-paper"),
        }.items():
            for paper in papers:
                assert contrast(colours[letters], colours[paper]) >= 4.5, (letters, paper)
        for bar in ("#3a87a8", "#8a949c"):
            assert contrast(bar, colours["sheet"]) >= 3, bar


def contrast(first: str, second: str) -> float:
    """The contrast of two colours, as WCAG 2.2 has it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        lit = [
            each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
        ]
        return 0.2126 * lit[0] + 0.7152 * lit[1] + 0.0722 * lit[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@KINDS
@pytest.mark.parametrize("make", [as_html, as_markdown])
def test_the_same_card_gives_the_same_bytes_and_the_head_says_what_it_is_of(
    kind: Kind, make: Callable[[Card], str]
) -> None:
    text = make(card(kind, revision=REVISION))
    assert text == make(card(kind, revision=REVISION))
    for said in ("speech/corpus", "version 3", "sha256:" + "3c" * 32, card(kind).digest):
        assert said in text
    for said in ("20 November 2026, 12:00 UTC", REVISION.digest, "One gap less."):
        assert said in text
    assert "not published" not in text.replace("can be published", "")
    draft = make(card(kind))
    assert "this is a draft, not published" in draft
    overtaken = make(card(kind, revision=replace(REVISION, is_overtaken=True)))
    assert "Facts have changed since this revision was published" in overtaken
    assert "Model" in make(card(kind, model_facts()))


@KINDS
@pytest.mark.parametrize("make", [as_html, as_markdown])
def test_every_state_and_gap_is_said_in_words(kind: Kind, make: Callable[[Card], str]) -> None:
    made = card(kind)
    text = re.sub(r"<[^>]+>|\\", "", make(made))
    assert made.gaps
    for gap in made.gaps:
        assert gap.absence in text
        for each in gap.missing:
            assert f"{each.title}: {each.words}" in text
            assert supplier_words(made.facts[each.name], CATALOGUE[each.name]) in text
    for state in STATE_MEANINGS:
        assert state_words(state) in text
    blocked = make(
        card(kind, without(without(dataset_facts(), "identity.content_digest"), "provider.name"))
    )
    if kind is not Kind.DATASET or "ID-01" in blocked:
        assert "must be closed before the card can be published" in blocked
    whole = make(card(kind, dataset_facts()))
    assert "Nothing that is asked is missing." in whole


def test_doubt_about_a_clause_stands_beside_it() -> None:
    for text in (as_html(card(Kind.ARTICLE_10)), as_markdown(card(Kind.ARTICLE_10))):
        assert "citation from memory, to be confirmed" in text
        assert len(re.findall("agreed text, unverified", text)) == 7


def test_no_cell_is_blank() -> None:
    for kind in Kind:
        html, text = as_html(card(kind)), as_markdown(card(kind))
        assert not re.search(r"<(td|dd|li|p|th)[^>]*>\s*</\1>", html)
        tables = [line for line in text.splitlines() if line.startswith("|")]
        assert not [line for line in tables if re.search(r"\|\s*\|", line) and line != "| | |"]


def test_what_is_withheld_of_a_row_does_not_read_as_not_recorded() -> None:
    steps = (("lake tests", None, 7), (BEYOND, None, 18))
    facts = with_rows(mixed_facts(), "lineage.upstream", *steps)
    text = as_markdown(card(Kind.ARTICLE_10, facts))
    assert "| lake tests | not recorded | 7 |" in text
    assert f"| {BEYOND} | withheld | 18 |" in text


def test_long_tables_are_attached_and_never_inlined() -> None:
    some = [(f"site-{at:05}.example", "text", 1, 2_000 - at, None) for at in range(2_000)]
    facts = with_rows(dataset_facts(), "origin.domains", *some)
    batches: list[Row] = [(f"b{at}", *["x"] * 11, 1) for at in range(2_000)]
    facts = with_rows(facts, "origin.batches", *batches)
    made = card(Kind.ARTICLE_10, facts)
    for text in (as_html(made), as_markdown(made)):
        assert len(re.findall(r"\bb\d+\b", text)) == 50
        assert re.search(r"All 2,000 rows: attachment\s+(<code>)?origin.batches.csv", text)
    [only] = attachments(made, over=INLINE_ROWS)
    assert (only.name, only.rows) == ("origin.batches.csv", 2_000)
    assert only.data.count(b"\r\n") == 2_001
    assert {each.name for each in attachments(made)} == {"origin.batches.csv"}
    summary = card(Kind.TRAINING_SUMMARY, facts)
    assert [each.name for each in attachments(summary, over=INLINE_ROWS)] == ["summary.domains.csv"]
    assert [each.rows for each in attachments(summary, over=INLINE_ROWS)] == [200]
    text = as_html(summary)
    assert len(set(re.findall(r"site-\d+", text))) == 50


def test_a_table_stands_once_and_is_pointed_to() -> None:
    text = as_html(card(Kind.ARTICLE_10, dataset_facts()))
    assert text.count("Modalities</caption>") == 1
    assert 'shown under <a href="#q-HR-33">HR-33</a>' in text
    targets = set(re.findall(r'href="#([^"]+)"', text))
    places = re.findall(r'\bid="([^"]+)"', text)
    assert targets <= set(places)
    assert len(places) == len(set(places))


def test_links_lead_to_the_audit_log_only_where_an_address_is_given() -> None:
    made = card(Kind.DATASET)
    html = as_html(made)
    assert set(re.findall(r'href="(.)', html)) == {"#"}
    assert not re.search(r"<(script|link|img|iframe|form|button)\b", html)
    linked = as_html(made, base_url="https://registry.example/")
    assert '<a href="https://registry.example/api/v1/audit/entries?start=0&amp;end=1">' in linked


@pytest.fixture(scope="module")
def printed() -> PdfReader:
    return PdfReader(io.BytesIO(as_pdf(card(Kind.TRAINING_SUMMARY))))


def test_the_pdf_is_tagged_and_says_what_the_page_says(printed: PdfReader) -> None:
    root: Any = printed.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert "/StructTreeRoot" in root
    assert printed.metadata is not None
    title = "Summary of training content: s3://lake speech/corpus, version 3"
    assert printed.metadata.title == title
    assert str(printed.metadata.creation_date) == "2026-11-20 12:00:00+00:00"
    said = re.sub(r"\s+", " ", " ".join(each.extract_text() for each in printed.pages))
    assert f"Page 1 of {len(printed.pages)}" in said
    assert "Large public datasets: over 3 % of all public data of a modality" in said
    assert re.search(r"Reservations of rights ?\.* ?\d", said)


def test_the_same_card_gives_the_same_pdf_in_every_process() -> None:
    program = (
        "import hashlib; from tests.cards.test_pages import *;"
        "print(hashlib.sha256(as_pdf(card(Kind.TRAINING_SUMMARY))).hexdigest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "SOURCE_DATE_EPOCH": "1"},
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(answers) == 1


def test_making_a_pdf_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        as_pdf(card(Kind.DATASET))
    assert caplog.records == []


def test_a_template_that_raises_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        TemplateError, match=r"templates/cards/card.html, line \d\d+: 'None' has no"
    ):
        fill(page_environment(), "cards/card.html", page=None, style="", made_at="", undrawn=())
    with pytest.raises(TemplateError, match=r"no template cards/nothing\.html"):
        fill(page_environment(), "cards/nothing.html")
    (tmp_path / "broken.md").write_text("fine\n{% if %}\n")
    ours = Environment(loader=FileSystemLoader(tmp_path), autoescape=True)
    with pytest.raises(TemplateError, match=r"templates/broken.md, line 2: ") as caught:
        fill(ours, "broken.md")
    assert "line" in caught.value.remedy


def test_names_in_other_scripts_stand_apart() -> None:
    arabic, chinese = "مجموعة البيانات", "数据集 一"
    facts = with_value(mixed_facts(), "statement.maintenance", f"{arabic} {chinese}")
    facts = replace(facts, about=replace(facts.about, name=arabic))
    made = card(Kind.DATASET, facts)
    html, text = as_html(made), as_markdown(made)
    assert f"<bdi>{arabic} {chinese}</bdi>" in html
    assert f"<bdi>s3://lake {arabic}</bdi>, version 3</h1>" in html
    assert f"\u2068{arabic} {chinese}\u2069" in text


def test_a_pdf_says_which_characters_it_cannot_draw(caplog: pytest.LogCaptureFixture) -> None:
    # No font has a letter for a private character.
    facts = with_value(mixed_facts(), "provider.name", "name \U000f1234")
    with caplog.at_level(logging.WARNING):
        made = PdfReader(io.BytesIO(as_pdf(card(Kind.TRAINING_SUMMARY, facts))))
    assert caplog.records == []
    # What lacks a letter confuses pypdf, which then reads two bytes for each.
    said = re.sub(r"\s+", " ", made.pages[0].extract_text().replace("\0", ""))
    assert "no letter for 1 character, which is a box: U+F1234." in said
    assert "no letter for" not in as_html(card(Kind.TRAINING_SUMMARY, facts))


def test_nothing_is_asked_of_facts_that_would_make_the_page_fail() -> None:
    for state in State:
        if state is State.KNOWN:
            continue
        facts = mixed_facts()
        bare = replace(
            facts,
            facts={
                name: replace(fact, state=state, value=None, grade=None, as_of=None)
                for name, fact in facts.facts.items()
            },
        )
        for kind in Kind:
            assert state_words(state) in as_html(card(kind, bare))
            assert state_words(state) in as_markdown(card(kind, bare))
    assert set(mixed_facts().facts) == set(CATALOGUE)
