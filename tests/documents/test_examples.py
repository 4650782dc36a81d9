"""The documents are an interface: their examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents.running import DocumentError, marked_blocks, run_document
from tests.house.tree import read, tracked_files

DOCUMENTS = [path for path in tracked_files() if path.suffix == ".md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_the_examples_of_a_document_are_true(document: Path, tmp_path: Path) -> None:
    assert run_document(read(document), tmp_path) == len(marked_blocks(read(document)))


def block(language: str, code: str, mark: str = "<!-- runs -->") -> str:
    return f"Before.\n\n{mark}\n```{language}\n{code}\n```\n\nAfter.\n"


@pytest.mark.parametrize(
    "text",
    [
        block("python", "assert 1 + 1 == 2"),
        block("console", "$ echo hello\nhello"),
        block("console", "$ true\n$ echo two; echo lines\ntwo\nlines"),
        block("console", "$ seq 9\n1\n...\n9"),
        block("console", "$ echo took 17 ms\ntook ... ms"),
        block("console", "$ echo one \\\n    two\none two"),
        block("console", "$ echo to stderr >&2\nto stderr"),
        block("console", "$ false || echo refused\nrefused"),
        block("console", "$ echo x > kept\n$ cat kept\nx"),
        block("console", "$ echo x > kept")
        + block("python", "assert open('kept').read() == 'x\\n'"),
        block("console", "$ echo $REGISTRY_HOME\n.../registry-data"),
        block("console", "$ python -c 'import registry'"),
    ],
)
def test_a_true_example_passes(text: str, tmp_path: Path) -> None:
    assert run_document(text, tmp_path) == text.count("<!-- runs -->")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (block("python", "assert 1 + 1 == 3"), "Line 5: ended with 1"),
        (block("python", "raise SystemExit(3)"), "ended with 3"),
        (block("console", "$ echo hello\ngoodbye"), "printed\nhello\n\ninstead of\ngoodbye"),
        (block("console", "$ echo one\n$ echo two\none\ntwo"), "printed"),
        (block("console", "$ echo hello"), "instead of"),
        (block("console", "$ false"), "ended with 1"),
        (block("console", "echo hello"), "begins with `$ `"),
        (block("json", "{}"), "Line 3: no block of python or console"),
        ("<!-- runs -->\n\nSome text.\n```python\n```\n", "Line 1: no block"),
    ],
)
def test_a_false_example_fails(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=re.escape(complaint)):
        run_document(text, tmp_path)


def test_a_block_without_the_mark_is_left_alone(tmp_path: Path) -> None:
    assert run_document(block("python", "raise SystemExit(3)", mark=""), tmp_path) == 0
