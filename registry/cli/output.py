"""How a command speaks: tables and trees for people, JSON for programs.

Rules:
1. With `--json`, stdout holds one JSON value and nothing else; errors and progress go to stderr.
2. On a terminal a table fits its width and folds long names; nothing is cut. Without one, columns
   are aligned with spaces, as wide as they need, without colour or lines, so that `grep` and `awk`
   work.
3. What comes from events is shown as text: no markup, no control characters.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Row = Sequence[object]
FOLDED_WIDTH = 16


def console(*, stderr: bool = False) -> Console:
    """A rich console that reads no markup and highlights nothing by itself."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


def say(text: str) -> None:
    """One line for a person on stdout."""
    console().print(clean(text), soft_wrap=True)


def note(text: str) -> None:
    """One line for a person on stderr, beside the result."""
    console(stderr=True).print(clean(text), style="dim", soft_wrap=True)


def counted(number: int, one: str, several: str) -> str:
    """`1 batch`, `2,000 batches`."""
    return f"{number:,} {one if number == 1 else several}"


def say_error(detail: str, remedy: str, path: str | None = None) -> None:
    """What is wrong and what to do, on stderr."""
    from rich.text import Text

    out = console(stderr=True)
    # A JSON path says more than the detail; the name of a parameter does not.
    where = f" (at {path})" if path and path.startswith("$") else ""
    out.print(Text.assemble(("Error: ", "bold red"), clean(detail) + where), soft_wrap=True)
    if remedy:
        out.print(Text.assemble(("Remedy: ", "bold"), clean(remedy)), soft_wrap=True)


def show_json(value: object) -> None:
    """The value as JSON on stdout: indented on a terminal, one line otherwise."""
    indent = 2 if sys.stdout.isatty() else None
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=ascii_only) + "\n")


def show_table(
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    empty: str,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    out: Console | None = None,
) -> None:
    """Rows under headings; `empty` is said for no rows.

    `right` names the columns of numbers, `whole` those that are never folded (ids, times). A
    terminal that is too narrow for these gets one line for each cell instead.
    """
    out = out or console()
    cells = [[clean(cell_text(cell)) for cell in row] for row in rows]
    if not cells:
        console(stderr=True).print(empty, style="dim")
    elif not out.is_terminal:
        for line in plain_lines([list(columns), *cells], [name in right for name in columns]):
            out.file.write(line + "\n")
    elif _least_width(columns, cells, {*right, *whole}) <= out.width:
        _show_rich_table(columns, cells, right, whole, out)
    else:
        for number, row in enumerate(cells):
            if number:
                out.print()
            facts = zip(columns, row, strict=True)
            show_facts([(name.capitalize(), cell) for name, cell in facts], out=out)


def _least_width(columns: Sequence[str], cells: list[list[str]], whole: set[str]) -> int:
    """How wide a table is at least, if what may be folded gets 16 characters."""
    total = 2 * (len(columns) - 1)
    for index, name in enumerate(columns):
        width = max(len(name), *(len(row[index]) for row in cells))
        total += width if name in whole else min(width, max(FOLDED_WIDTH, len(name)))
    return total


def _show_rich_table(
    columns: Sequence[str],
    cells: list[list[str]],
    right: Sequence[str],
    whole: Sequence[str],
    out: Console,
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=name in right or name in whole,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


def plain_lines(rows: list[list[str]], right: Sequence[bool]) -> list[str]:
    """Columns aligned with two spaces between, nothing at the ends of lines."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(right))]
    lines = []
    for row in rows:
        parts = (
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        )
        lines.append("  ".join(parts).rstrip())
    return lines


def gap() -> None:
    """An empty line between two parts of an answer."""
    sys.stdout.write("\n")


def show_facts(facts: Sequence[tuple[str, object]], *, out: Console | None = None) -> None:
    """Labels and values, one to a line; what is not known is left out."""
    out = out or console()
    known = [(label, clean(cell_text(value))) for label, value in facts if value is not None]
    width = max((len(label) for label, _ in known), default=0)
    if not out.is_terminal:
        for label, value in known:
            out.file.write(f"{label.ljust(width)}  {value}".rstrip() + "\n")
        return
    from rich.text import Text

    indent = " " * (width + 2)
    for label, value in known:
        # A value without spaces is left for the terminal to wrap, so that it can be copied whole.
        lines = textwrap.wrap(
            value, max(out.width - width - 2, 20), break_long_words=False, break_on_hyphens=False
        )
        text = Text.assemble((label.ljust(width + 2), "bold"), f"\n{indent}".join(lines))
        out.print(text, soft_wrap=True)


def show_tree(tree: Tree, *, out: Console | None = None) -> None:
    """A tree; in ASCII and as wide as it needs where stdout is no terminal."""
    out = out or console()
    if not out.is_terminal:
        out.width = 100_000
        with out.capture() as captured:
            out.print(tree)
        out.file.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
        return
    out.print(tree)


def cell_text(value: Any) -> str:
    """A value as a person reads it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list() | tuple():
            return ", ".join(cell_text(item) for item in value) or "–"
        case _:
            return str(value) or "–"


def moment_text(value: str | None, *, seconds: bool = False) -> str | None:
    """An RFC 3339 time as `2026-03-01 09:30`, in UTC."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value).astimezone(UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if seconds else f"{moment:%Y-%m-%d %H:%M}"


def clean(text: str) -> str:
    """The text without control characters, which could move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
