"""A progress bar on stderr, where stderr is a terminal; nothing otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.cli.output import clean, console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that is shown; lines that are told meanwhile stand above it."""

    _progress: Progress
    _task: TaskID

    def advance(self, done: int, total: int, text: str) -> None:
        """Show how much is done of the total, and a few words."""
        self._progress.update(self._task, completed=done, total=max(total, 1), description=text)

    def tell(self, line: str) -> None:
        """A line for a person on stderr."""
        self._progress.console.print(clean(line), style="dim", soft_wrap=True)


@contextmanager
def shown_bar(text: str) -> Iterator[Bar]:
    """Show a bar while the block runs."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    out = console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        yield Bar(progress, progress.add_task(text, total=None))
