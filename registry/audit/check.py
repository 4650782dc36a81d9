"""Recomputes the audit log from its raw rows, and names the first thing that is not as it was.

What is held against what:
1. each entry's columns against its leaf data, and the places 0, 1, 2 … against each other;
2. leaf hashes against the stored tree, hash by hash, and the tree's upper levels against the lower;
3. roots against every checkpoint that was signed under the origin in use: those in the database,
   those kept outside it, and one that somebody brings along;
4. origins and missing payloads against the entries that must tell of them.

The walk stops at the first divergence, because behind it nothing fits any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, text
from sqlmodel import Session

from registry.audit.checkpoint import Checkpoint, open_checkpoint
from registry.audit.kept import KeptCheckpoint
from registry.audit.merkle import root_hash
from registry.audit.notes import VerifierKey
from registry.audit.signing import Origin, current_origin
from registry.audit.tables import CHECKPOINT, ORIGIN
from registry.audit.tiles import WIDTH, ReadTile, hashes_of
from registry.audit.tree import read_tile, tree_size
from registry.audit.walk import Finding, Frontier, LogRow, Told, hash_rows
from registry.errors import InvalidInputError, NotVerifiedError

_ROWS_AT_ONCE = 8 * WIDTH
_COLUMNS = "SELECT leaf_index, at, kind, actor, leaf_data, salt, payload FROM audit_entry"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a checkpoint says of the log, and where it was found."""

    where: str
    checkpoint: Checkpoint


@dataclass(slots=True)
class LogReport:
    """What a check of the whole log came to; it holds where there are no findings.

    `entries` have a place, `pending` have none yet; `checkpoints` counts those that were held
    against the log; `notices` are no faults, and should be known.
    """

    origin: str | None = None
    entries: int = 0
    pending: int = 0
    redacted: int = 0
    checkpoints: int = 0
    root: bytes = b""
    findings: list[Finding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def check_log(
    session: Session,
    keys: Sequence[VerifierKey],
    kept: Iterable[KeptCheckpoint],
    *,
    brought: str | None = None,
    progress: Progress = lambda _done, _all: None,
) -> LogReport:
    """Check everything (1–4 above) in one state of the database.

    `keys`: the registry's public signing keys. `kept` must have been read before the session began.
    `brought`: the text of a checkpoint from elsewhere. Cost: about 4 µs an entry.
    """
    if session.connection().dialect.name == "postgresql":
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    report = LogReport()
    origin = current_origin(session)
    report.origin = None if origin is None else origin.name
    claims = _claims(session, origin, keys, kept, brought, report)
    told, frontier = Told(), Frontier()
    size = tree_size(session)
    walk = _Walk(frontier, told, claims, size, read_tile(session), report)
    for rows in _batches(session, f"{_COLUMNS} WHERE leaf_index IS NOT NULL ORDER BY leaf_index"):
        if not walk.take(rows):
            break
        progress(frontier.size, size)
    else:
        walk.end()
    report.entries, report.root = frontier.size, frontier.root()
    _check_pending(session, told, report)
    report.redacted = len(told.redacted)
    if not report.findings:
        report.findings += told.unexplained()
        report.findings += _check_origins(session, told, report)
    return report


@dataclass(slots=True)
class _Walk:
    """Where the walk stands."""

    frontier: Frontier
    told: Told
    claims: list[Claim]
    size: int
    read: ReadTile
    report: LogReport
    agreed: int = 0

    def take(self, rows: Sequence[LogRow]) -> bool:
        """Go along some rows; False at a divergence."""
        first = self.frontier.size
        there = [row[0] for row in rows]
        found: Finding | None = None
        if there != list(range(first, first + len(rows))):
            found, rows = _gap(rows, first)
        hashes, edited = hash_rows(rows, self.told)
        # The earlier of the two: what was edited lies before the gap.
        found = edited or found
        moved = self._compare_tiles(first, hashes)
        if moved is not None:
            found = moved
            hashes = hashes[: (moved.index or 0) - first]
        claimed = self._pass(hashes)
        found = claimed or found
        if found is not None:
            self.report.findings.append(found)
        return found is None

    def end(self) -> None:
        """Hold the whole to the stored tree and to what was signed."""
        held = self.frontier.size
        if held < self.size:
            detail = f"{self.size - held} entries are missing: the tail was cut off"
            self.report.findings.append(Finding(held, detail))
        for claim in self.claims:
            if claim.checkpoint.size > held:
                self.report.findings.append(Finding(held, _beyond(claim, held)))
                break
        if not self.report.findings:
            self.report.findings += self._check_upper_tiles()

    def _pass(self, hashes: list[bytes]) -> Finding | None:
        """Let the frontier go on, and stop at each size of which something was signed."""
        while self.claims and self.claims[0].checkpoint.size <= self.frontier.size + len(hashes):
            claim = self.claims[0]
            count = claim.checkpoint.size - self.frontier.size
            self.frontier.add(hashes[:count])
            hashes = hashes[count:]
            if self.frontier.root() != claim.checkpoint.root:
                return Finding(self.agreed, _differs(claim, self.agreed))
            self.agreed = claim.checkpoint.size
            self.claims.pop(0)
            self.report.checkpoints += 1
        self.frontier.add(hashes)
        return None

    def _compare_tiles(self, first: int, hashes: list[bytes]) -> Finding | None:
        """Compare leaf hashes from place `first`, the begin of a tile, on."""
        for at in range(0, len(hashes), WIDTH):
            number = (first + at) // WIDTH
            tile, some = self.read(0, number), hashes[at : at + WIDTH]
            if tile.startswith(b"".join(some)):
                continue
            stored = hashes_of(tile)
            for within, one in enumerate(some):
                if within >= len(stored) or stored[within] != one:
                    return _misplaced(first + at + within, one, stored, number, self.size)
        return None

    def _check_upper_tiles(self) -> list[Finding]:
        """Hold the stored upper levels to the roots that were computed on the way."""
        level, nodes = 1, self.frontier.full
        while nodes:
            for at in range(0, len(nodes), WIDTH):
                if self.read(level, at // WIDTH) != b"".join(nodes[at : at + WIDTH]):
                    detail = f"the stored tree differs at tile {level}/{at // WIDTH}, and the"
                    return [Finding(None, f"{detail} entries do not: audit_tile was changed")]
            whole = range(0, len(nodes) - len(nodes) % WIDTH, WIDTH)
            level, nodes = level + 1, [root_hash(nodes[at : at + WIDTH]) for at in whole]
        return []


def _gap(rows: Sequence[LogRow], first: int) -> tuple[Finding, Sequence[LogRow]]:
    """Where the places do not follow each other, and the rows before that."""
    for at, row in enumerate(rows):
        place, expected = row[0], first + at
        if place is not None and place != expected:
            if place < expected:
                return Finding(place, "two entries claim this place"), rows[:at]
            count = place - expected
            missing = "it is missing" if count == 1 else f"{count} entries from here are missing"
            return Finding(expected, missing), rows[:at]
    raise AssertionError("the places were seen to differ")


def _misplaced(index: int, one: bytes, stored: list[bytes], number: int, size: int) -> Finding:
    if index >= size:
        return Finding(index, f"it was inserted: the tree has {size} entries, and it is not in it")
    if one in stored:
        belongs = number * WIDTH + stored.index(one)
        return Finding(index, f"it was moved here: its place in the tree is {belongs}")
    return Finding(
        index, "another entry had this place: it was inserted or replaced, with its digest"
    )


def _beyond(claim: Claim, held: int) -> str:
    missing = claim.checkpoint.size - held
    return (
        f"the checkpoint {claim.where} was signed over {claim.checkpoint.size} entries, and "
        f"{held} are there: {missing} at the end are missing, with their part of the tree"
    )


def _differs(claim: Claim, agreed: int) -> str:
    return (
        f"the first {claim.checkpoint.size} entries do not lead to the root in the checkpoint "
        f"{claim.where}: one from place {agreed} on was changed, and the stored tree with it"
    )


def _batches(session: Session, sql: str) -> Iterator[list[LogRow]]:
    """Rows in batches that begin where a tile does, as the driver gives them."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
    else:
        driver = connection.connection.driver_connection
        cursor = driver.cursor(name="registry_audit_check", binary=True)
        cursor.itersize = _ROWS_AT_ONCE
    try:
        cursor.execute(sql)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield rows
    finally:
        cursor.close()


def _check_pending(session: Session, told: Told, report: LogReport) -> None:
    """Entries without a place must commit to their columns, too."""
    for rows in _batches(session, f"{_COLUMNS} WHERE leaf_index IS NULL ORDER BY id"):
        report.pending += len(rows)
        _, edited = hash_rows(rows, told)
        if edited is not None and not report.findings:
            report.findings.append(
                Finding(None, f"an entry that waits for its place: {edited.detail}")
            )


def _claims(
    session: Session,
    origin: Origin | None,
    keys: Sequence[VerifierKey],
    kept: Iterable[KeptCheckpoint],
    brought: str | None,
    report: LogReport,
) -> list[Claim]:
    """Every checkpoint to hold the log to, by size; those that cannot be believed are findings."""
    if origin is None:
        if brought is not None or next(iter(kept), None) is not None:
            detail = "the database has no origin, and a checkpoint of its log is there"
            report.findings.append(Finding(None, detail))
        report.notices.append("Nothing was signed yet: the log has no origin.")
        return []
    rows = session.execute(select(CHECKPOINT).where(CHECKPOINT.c.origin == origin.number))
    notes = [(f"in the database (block {row.block})", row.note) for row in rows]
    outside = [each for each in kept if each.number >= origin.number]
    notes += [
        (f"kept outside ({each.number:04d}/{each.block:013d})", each.note) for each in outside
    ]
    if brought is not None:
        notes.append(("that was given", brought))
    claims = []
    for where, note in notes:
        try:
            checkpoint = open_checkpoint(note, keys)
        except (InvalidInputError, NotVerifiedError) as error:
            report.findings.append(Finding(None, f"the checkpoint {where}: {error.detail}"))
            continue
        if checkpoint.origin != origin.name and where != "that was given":
            detail = f"the checkpoint {where} is of {checkpoint.origin}, a log unknown here"
            report.findings.append(Finding(None, detail))
        else:
            claims.append(Claim(where, checkpoint))
    return sorted(claims, key=lambda claim: claim.checkpoint.size)


def _check_origins(session: Session, told: Told, report: LogReport) -> list[Finding]:
    """Hold the origins to the entries that tell of them, and name every one but the first."""
    findings = []
    names = ("number", "origin", "reason")
    said = {tuple(str(facts.get(name)) for name in names) for facts in told.origins}
    for row in session.execute(select(ORIGIN).order_by(ORIGIN.c.number)):
        if (str(row.number), row.name, row.reason) not in said:
            findings.append(Finding(None, f"no entry tells of the origin {row.number}, {row.name}"))
        if row.reason != "first":
            report.notices.append(
                f"The origin {row.name} was opened on {row.opened_at:%Y-%m-%d %H:%M} UTC, because "
                f"the log did not go on from what was signed before ({row.reason}): compare it "
                "with older checkpoints and exports."
            )
    return findings
