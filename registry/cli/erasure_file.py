"""Reads a CSV file of requests, one body a row, each with the line it begins in.

Rules:
1. The header names the columns. A person is `scheme` and `value`, or columns that are called like
   the schemes (`email`, `phone` …), of which every one that is filled in counts.
2. Every row has a `reference`, so that an import that broke off is simply run again.
3. A row that cannot be read is told with its line, and does not stop the others.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import InvalidInputError

SCHEMES = ("email", "phone", "account", "national_id", "url", "external")
PLAIN = ("reference", "channel", "right", "regime", "identity", "received_at", "region", "project")
_EXACT = frozenset({"value", *SCHEMES})
COLUMNS = (*PLAIN, "purposes", "scheme", "value", *SCHEMES)


@dataclass(frozen=True, slots=True)
class FiledRow:
    """A row: its line, its reference, and its body, or what is wrong with it."""

    line: int
    reference: str
    body: dict[str, Any] | None
    problem: str | None = None


def read_rows(path: Path, defaults: Mapping[str, str | None]) -> Iterator[FiledRow]:
    """The rows of a file, in order; `defaults` fill what a row leaves empty.

    Raises InvalidInputError for a header that names what a request has not.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        names = [name.strip().lower() for name in next(reader, [])]
        _check_header(names, path)
        line = reader.line_num + 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield FiledRow(line, "", None, f"it is no CSV that is read here: {error}")
                line = reader.line_num + 1
                continue
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield _row(names, cells, line, defaults)
            line = reader.line_num + 1


def _check_header(names: list[str], path: Path) -> None:
    unknown = sorted(set(names) - set(COLUMNS))
    twice = sorted({name for name in names if names.count(name) > 1})
    if not unknown and not twice and "reference" in names:
        return
    if unknown:
        wrong = f"a column {unknown[0][:80]!r}, which a request has not"
    elif twice:
        wrong = f"the column {twice[0]!r} twice"
    else:
        wrong = "no column `reference`, by which a row is known again"
    raise InvalidInputError(
        f"{path.name} has {wrong}.",
        remedy=f"Name the columns: {', '.join(COLUMNS)}.",
        path="FILE",
    )


def _row(
    names: list[str], cells: list[str], line: int, defaults: Mapping[str, str | None]
) -> FiledRow:
    if len(cells) != len(names):
        return FiledRow(line, "", None, f"it has {len(cells)} cells, and the header {len(names)}")
    # An identifier is passed on as it stands: some schemes are exact.
    given = {
        name: cell if name in _EXACT else cell.strip()
        for name, cell in zip(names, cells, strict=True)
        if cell.strip()
    }
    reference = given.get("reference", "")
    if not reference:
        return FiledRow(line, "", None, "it has no reference")
    subjects = [
        {"scheme": name, "value": given[name]}
        for name in names
        if name in SCHEMES and name in given
    ]
    if "scheme" in given or "value" in given:
        subjects.insert(0, {"scheme": given.get("scheme", ""), "value": given.get("value", "")})
    body: dict[str, Any] = {"subjects": subjects}
    for name in PLAIN:
        value = given.get(name) or defaults.get(name)
        if value:
            body[name] = value
    if "purposes" in given:
        body["purposes"] = given["purposes"].replace(",", " ").split()
    return FiledRow(line, reference, body)
