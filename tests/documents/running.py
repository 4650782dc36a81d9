"""Runs the examples of the documents, so that they stay true.

A fenced block is run when the line before it is `<!-- runs -->`; there may be an empty line
between. All blocks of a document run in order, in one empty folder with a registry home of its own.

* ```python blocks are programs; what they print does not matter, that they end well does.
* ```console blocks are commands after `$ `, each with the output that it must give. `...` stands
  for any text. A command ends well, and is run by itself: `cd` and variables do not carry over.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT

MARK = re.compile(r"<!--\s*runs\s*-->")
FENCE = re.compile(r"^```(?P<language>\S*)[ \t]*\n(?P<code>.*?)^```[ \t]*$", re.M | re.S)
LANGUAGES = ("python", "console")
TIMEOUT_SECONDS = 120


class DocumentError(AssertionError):
    """An example is not true, or is marked in a way that nothing can run."""


@dataclass(frozen=True)
class Block:
    """One marked example and the line of its document where it starts."""

    language: str
    code: str
    line: int


def marked_blocks(text: str) -> list[Block]:
    """The blocks to run, in order. Raises DocumentError for a mark without a block to run."""
    blocks = []
    for mark in MARK.finditer(text):
        line = text.count("\n", 0, mark.start()) + 1
        rest = text[mark.end() :].lstrip()
        fence = FENCE.match(rest)
        if fence is None or fence["language"] not in LANGUAGES:
            raise DocumentError(f"Line {line}: no block of {' or '.join(LANGUAGES)} follows.")
        start = text.count("\n", 0, len(text) - len(rest)) + 2
        blocks.append(Block(fence["language"], fence["code"], start))
    return blocks


def run_document(text: str, folder: Path) -> int:
    """Run the marked blocks in the folder; how many there were. Raises DocumentError."""
    blocks = marked_blocks(text)
    for block in blocks:
        match block.language:
            case "python":
                _run([sys.executable, "-c", block.code], folder, block.line)
            case _:
                _run_console(block, folder)
    return len(blocks)


def _run_console(block: Block, folder: Path) -> None:
    before, *sessions = re.split(r"^\$ ", block.code, flags=re.M)
    if before.strip() or not sessions:
        raise DocumentError(f"Line {block.line}: a console block begins with `$ ` and a command.")
    for session in sessions:
        command, expected = _split(session)
        actual = _run(["bash", "-c", command], folder, block.line)
        if not _agrees(expected, actual):
            raise DocumentError(
                f"Line {block.line}: `{command}` printed\n{actual}\ninstead of\n{expected}"
            )


def _split(session: str) -> tuple[str, str]:
    """Command and expected output; a backslash at the end of a line continues the command."""
    lines = session.split("\n")
    last = next(index for index, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])


def _agrees(expected: str, actual: str) -> bool:
    wanted, got = (
        "\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n"
        for text in (expected, actual)
    )
    return doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS)


def _run(command: list[str], folder: Path, line: int) -> str:
    """Everything the command printed. Raises DocumentError where it fails or takes too long."""
    inherited = {name: value for name, value in os.environ.items() if name[:9] != "REGISTRY_"}
    environment = inherited | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        # This checkout's code, whatever else is installed.
        "PYTHONPATH": str(ROOT),
        "REGISTRY_HOME": str(folder / "registry-data"),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "100",
    }
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise DocumentError(f"Line {line}: still running after {TIMEOUT_SECONDS} s.") from error
    if done.returncode != 0:
        raise DocumentError(f"Line {line}: ended with {done.returncode}.\n{done.stdout}")
    return done.stdout
