"""Recorded text in Markdown: it shows itself and does nothing else, in lines and in tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from registry.render import escape_markdown
from tests.cards.extremes import HOSTILE

_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_SPECIAL = st.text(st.sampled_from("\\`*_[](){}<>|~&#$!-+=.:1 \n\tax;/\"'"), max_size=40)


def shown(markdown: str) -> tuple[list[str], str]:
    """The kinds of everything that a reader made of it, and the text that it shows."""
    kinds, texts = [], []
    for token in _READER.parse(markdown):
        kinds.append(token.type)
        for each in token.children or ():
            if each.type == "html_inline" and each.content == "<br>":
                texts.append("\n")
            else:
                kinds.append(each.type)
                texts.append(each.content)
    return kinds, "".join(texts)


def plain(text: str) -> str:
    """What should be seen of it: each line with single spaces."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines()).strip("\n ")


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("control", "space")])
def test_hostile_text_is_one_paragraph_of_itself(name: str) -> None:
    kinds, text = shown(escape_markdown(HOSTILE[name]))
    assert kinds == ["paragraph_open", "inline", *["text"] * kinds.count("text"), "paragraph_close"]
    assert text.strip() == plain(HOSTILE[name]).strip()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60) | _SPECIAL)
def test_any_text_is_a_paragraph_of_itself(text: str) -> None:
    if not plain(text):
        return
    kinds, seen = shown(escape_markdown(text))
    assert {*kinds} <= {"paragraph_open", "inline", "text", "paragraph_close"}
    assert seen.split() == text.split()


@given(_SPECIAL, _SPECIAL)
def test_any_text_stays_in_its_cell(first: str, second: str) -> None:
    row = f"| {escape_markdown(first)} | {escape_markdown(second)} |"
    tokens = _READER.parse(f"| a | b |\n| --- | --- |\n{row}\n")
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert [token.type for token in tokens].count("td_open") == 2
    for cell, text in zip(cells[2:], (first, second), strict=True):
        shown_words = " ".join(each.content for each in cell.children or () if each.type == "text")
        assert "".join(shown_words.split()) == "".join(text.split())
