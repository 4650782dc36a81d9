"""Tables fit a terminal, and without one they serve other programs."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from rich.console import Console
from rich.tree import Tree

from registry.cli.output import (
    cell_text,
    clean,
    moment_text,
    plain_lines,
    show_facts,
    show_table,
    show_tree,
)
from tests.cli.conftest import plain

COLUMNS = ["ID", "NAME", "NOTE", "ROWS"]
ROWS = [
    ("0123456789abcdef0123456789abcdef", "s3://lake raw/" + "deep/" * 12, "kept", 1_234_567),
    ("fedcba9876543210fedcba9876543210", "s3://lake [bold]clean[/bold]", None, 0),
]


def shown(width: int, *, terminal: bool) -> str:
    file = io.StringIO()
    out = Console(file=file, width=width, force_terminal=terminal, markup=False, highlight=False)
    show_table(COLUMNS, ROWS, empty="Nothing.", right=["ROWS"], whole=["ID"], out=out)
    return plain(file.getvalue())


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_a_table_keeps_every_character_within_the_width(width: int) -> None:
    text = shown(width, terminal=True)
    squeezed = "".join(text.split())
    for row in ROWS:
        assert str(row[0]) in text
    assert "[bold]clean[/bold]" in squeezed
    assert squeezed.count("deep/") + squeezed.count("deep") >= 12
    longest_word = 80
    assert max(len(line.rstrip()) for line in text.splitlines()) <= max(width, longest_word)


def test_a_terminal_too_narrow_for_columns_gets_lines() -> None:
    lines = shown(60, terminal=True).splitlines()
    assert lines[0].split() == ["Id", ROWS[0][0]]
    assert "" in lines


def test_without_a_terminal_columns_are_aligned_and_whole() -> None:
    head, first, second = shown(40, terminal=False).splitlines()
    assert head.index("NAME") == first.index("s3://") == second.index("s3://")
    assert first.endswith("1,234,567")
    assert len(second) == len(first)
    assert not head.endswith(" ")


def test_columns_are_two_spaces_apart() -> None:
    assert plain_lines([["A", "B"], ["long", "1"], ["x", "22"]], [False, True]) == [
        "A      B",
        "long   1",
        "x     22",
    ]


def test_no_rows_say_so_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [], empty="Nothing yet.")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Nothing yet.\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_facts_leave_out_what_is_not_known(terminal: bool) -> None:
    file = io.StringIO()
    out = Console(file=file, width=40, force_terminal=terminal, markup=False, highlight=False)
    show_facts([("Name", "a " * 30), ("State", None), ("Id", "x" * 60)], out=out)
    text = plain(file.getvalue())
    assert "State" not in text
    assert "x" * 60 in text


@pytest.mark.parametrize("terminal", [True, False])
def test_a_tree_is_whole(terminal: bool) -> None:
    file = io.StringIO()
    out = Console(file=file, width=80, force_terminal=terminal, markup=False, highlight=False)
    tree = Tree("root")
    branch = tree
    for number in range(30):
        branch = branch.add(f"node {number}")
    show_tree(tree, out=out)
    lines = plain(file.getvalue()).splitlines()
    if not terminal:
        assert lines[-1].endswith("node 29")
        widths = [len(line) for line in lines]
        assert all(after > before for before, after in pairwise(widths[1:10]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\x00b", "a\\x00b"),
        ("line\nline", "line\nline"),
        ("a\rb", "a\\x0db"),
        ("✓ ü", "✓ ü"),
    ],
)
def test_what_events_say_cannot_move_the_cursor(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "–"), ("", "–"), (True, "yes"), (False, "no"), (1234, "1,234")),
        *((["a", "b"], "a, b"), ([], "–"), ("x", "x")),
    ],
)
def test_cells_read_as_words(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_moments_are_shown_in_utc() -> None:
    assert moment_text("2026-03-01T11:30:12+02:00") == "2026-03-01 09:30"
    assert moment_text("2026-03-01T09:30:12Z", seconds=True) == "2026-03-01 09:30:12"
    assert moment_text(None) is None
