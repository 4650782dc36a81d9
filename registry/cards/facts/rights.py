"""Under which terms the data may be used: licences, terms in force, reservations, bases, contracts.

Rules:
1. An example has its own licence, else its batch's, else those of what it was made of
   (`registry.ledger.sums`). What a person verified of a member stands for what was said of it.
2. The terms in force are the strictest over everything the version was made of; a source without
   a licence is unknown, and unknown is stricter than any condition (`registry.rights.effective`,
   which says the same batch by batch).
3. Of an opt-out signal the last one of each dataset and protocol counts.
4. Two licences conflict where one demands that all is passed on under itself, and the other demands
   the same of itself or denies that it is passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Any

from sqlmodel import Session

from registry.cards.fact_kinds import BEYOND
from registry.cards.facts.batch_rows import BatchRow, batches_basis
from registry.cards.facts.making import Row, known, not_recorded, table
from registry.cards.facts.origin import ROWS_LIMIT
from registry.cards.facts.rollup import NO_SHARE, Rollup, is_open, roll_up, shares_of
from registry.cards.facts.sight import Sight
from registry.cards.facts.sources import Sources
from registry.cards.facts.world import Facets, World
from registry.cards.values import Fact, Grade
from registry.rights.licenses import License, Licenses, Permission, strictest
from registry.rights.sources import Signal, opt_out_signals, rights_said
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.wire.facets import RIGHTS

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_LICENSES = """
SELECT s.value, count(*) FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number AND s.dimension = 'license' GROUP BY s.value
"""
_UNLICENSED = """
SELECT s.number FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number AND s.dimension = 'license' AND s.value = ''
"""
_SAID = """
SELECT b.number, s.payload FROM {rows} AS w JOIN batch b ON b.number = w.number
JOIN scope_facet s ON s.scope_id = b.run_id AND s.direction = 'output'
  AND s.dataset_id = b.dataset_id AND s.kind = 'dataset' AND s.name = :facet
"""
USES = ("ai_training", "commercial_use", "redistribution", "derivatives")
_ALIKE = ("under the same", "share a changed database alike")
UNKNOWN = "(no licence recorded)"


@dataclass(frozen=True, slots=True)
class Said:
    """What `registry_rights` says of each batch (its run's word, else its dataset's)."""

    of_run: Mapping[int, Mapping[str, Any]]
    of_dataset: Mapping[bytes, Mapping[str, Any]]

    def of(self, row: BatchRow) -> Mapping[str, Any]:
        """What is said of a batch; nothing where nobody said anything."""
        return self.of_run.get(row.number) or self.of_dataset.get(bytes(row.dataset_id), {})


def counted_rights(session: Session, world: World, sources: Sources) -> Iterator[Fact]:
    """Licences, legal bases and special conditions, which follow from batches and sums alone."""
    yield _licenses(session, world, sources.rollup)
    on = world.of_entries
    grade = world.grade_of(world.entries, "legal_basis")
    bases = sources.by(lambda row: world.said(row, "legal_basis", row.legal_basis))
    waiting = sources.waiting("rights.legal_bases", on)
    yield waiting or shares_of("rights.legal_bases", sources.rollup, bases, on, grade)
    conditions = {row.special_category_condition for row in world.everything}
    named = tuple(sorted(each for each in conditions if each))
    if named:
        yield known("rights.special_conditions", named, Grade.ASSERTED, world.of_everything)
    else:
        yield not_recorded("rights.special_conditions", None, world.of_everything)


def rights_facts(
    session: Session,
    world: World,
    facets: Facets,
    licenses: Licenses,
    texts: frozenset[str],
    sight: Sight,
) -> Iterator[Fact]:
    """The terms in force, reservations and contracts, which follow from facets and policies too."""
    said = _read_said(session, world, facets)
    yield from _terms(session, world, licenses, texts, said)
    yield _opt_out(world, said, sight)
    yield _contracts(world, said, sight)


def _read_said(session: Session, world: World, facets: Facets) -> Said:
    numbers = [(row.number,) for row in world.everything]
    of_run = {
        number: rights_said(payload)
        for number, payload in select_by_rows(session, _SAID, _NUMBER, numbers, facet=RIGHTS)
    }
    of_dataset = {
        key: rights_said(some[RIGHTS].payload) for key, some in facets.of.items() if RIGHTS in some
    }
    return Said(of_run, of_dataset)


def _licenses(session: Session, world: World, rollup: Rollup) -> Fact:
    """The shares of licences (rule 1)."""
    name = "rights.licenses"
    waiting = is_open(name, rollup, world.of_sums)
    verified = [row for row in world.members if "license" in world.verified.get(row.number, {})]
    if waiting is not None or not verified:
        return waiting or shares_of(name, rollup, rollup.of("license"), world.of_sums)
    known_of = {row.number for row in verified}
    rest = roll_up(session, [row for row in world.members if row.number not in known_of])
    shares = dict(rest.of("license"))
    by_text: dict[str, list[BatchRow]] = {}
    for row in verified:
        text = world.verified[row.number]["license"].value
        by_text.setdefault(text, []).append(row)
    for text, rows in by_text.items():
        more = roll_up(session, rows)
        whole = sum((each.example_count or 0 for each in more.uncounted), 0)
        told = replace(NO_SHARE, examples=whole, batches=len(more.uncounted))
        shares[text] = shares.get(text, NO_SHARE) + more.total + told
    on = world.of_sums | batches_basis(verified)
    return shares_of(name, rollup, shares, on, world.grade_of(world.members, "license"))


def _texts(row: BatchRow, said: Said) -> set[str]:
    """The licences that bind a batch by what was said of it as a whole."""
    named = (row.license, said.of(row).get("license"))
    return {text for text in named if isinstance(text, str) and text.strip()}


def summed_licenses(session: Session, world: World) -> frozenset[str]:
    """The licences of examples in batches whose licence nobody verified."""
    looked = (row for rows in world.licensed.values() for row in rows if row.is_bound)
    numbers = [(row.number,) for row in looked]
    found = select_by_rows(session, _LICENSES, _NUMBER, numbers)
    return frozenset(value for value, _ in found if value)


def _terms(
    session: Session, world: World, licenses: Licenses, summed: frozenset[str], said: Said
) -> Iterator[Fact]:
    """The terms in force and their conflicts (rules 2 and 4)."""
    if not world.members:
        yield not_recorded("rights.effective_terms", "No batch of it is recorded.")
        yield not_recorded("rights.conflicts", "No batch of it is recorded.")
        return
    checked = (facts.get("license") for facts in world.verified.values())
    verified = {each.value for each in checked if each is not None}
    texts = set(summed)
    unsaid: list[BatchRow] = []
    for (_, _, is_source), rows in world.licensed.items():
        for row in _apart(rows, said):
            own = _texts(row, said)
            texts |= own
            if not own and is_source:
                unsaid += rows if row.number not in said.of_run else (row,)
    unknown = _unlicensed(session, unsaid) or any(world.steps.owed.values())
    read = {text: licenses.of(text) for text in sorted(texts | verified)}
    on = world.of_everything
    uses = _uses(read, verified - texts, unknown)
    yield table("rights.effective_terms", uses, _grade(verified, texts, unknown), on)
    yield table("rights.conflicts", _conflicts(read), Grade.MEASURED, on)


def _apart(rows: Sequence[BatchRow], said: Said) -> Iterator[BatchRow]:
    """One of these batches of a dataset for all, and each of which its run said something."""
    if said.of_run:
        yield from (row for row in rows if row.number in said.of_run)
    yield from islice((row for row in rows if row.number not in said.of_run), 1)


def _grade(verified: set[str], texts: set[str], unknown: bool) -> Grade:
    return Grade.VERIFIED if verified and not texts and not unknown else Grade.ASSERTED


def _unlicensed(session: Session, rows: Iterable[BatchRow]) -> bool:
    """Whether an example of these sources, of which nothing was said, has no licence of its own."""
    some = list(rows)
    if any(not row.is_counted for row in some):
        return True
    numbers = [(row.number,) for row in some]
    return bool(select_by_rows(session, _UNLICENSED, _NUMBER, numbers))


def _uses(read: Mapping[str, License | None], verified: set[str], unknown: bool) -> list[Row]:
    """For each use the strictest answer, by which licences, and how far that was verified."""
    parts = [None if each is None else each.terms for each in read.values()]
    terms = strictest([*parts, None] if unknown or not parts else parts)
    rows: list[Row] = []
    for use in USES:
        outcome: Permission = getattr(terms, use)
        deciding = sorted(
            text
            for text, each in read.items()
            if (Permission.UNKNOWN if each is None else getattr(each.terms, use)) is outcome
        )
        if outcome is Permission.UNKNOWN and (unknown or not parts):
            deciding.append(UNKNOWN)
        grade = Grade.VERIFIED if set(deciding) <= verified else Grade.ASSERTED
        rows.append((use, outcome.value, "; ".join(deciding), grade.value))
    return rows


def _conflicts(read: Mapping[str, License | None]) -> list[Row]:
    """Pairs of licences that cannot both be met by who passes the data on (rule 4)."""
    rows: list[Row] = []
    for first, second in combinations(sorted(read), 2):
        one, other = read[first], read[second]
        if one is None or other is None or one.expression == other.expression:
            continue
        for alike, against in ((one, other), (other, one)):
            if not _is_alike(alike):
                continue
            if Permission.DENIED in (against.terms.redistribution, against.terms.derivatives):
                reason = f"{alike.expression} asks for passing on alike, which {against.expression}"
                rows.append((first, second, f"{reason} denies"))
                break
            if _is_alike(against):
                rows.append((first, second, "each asks for passing on under itself"))
                break
    return rows[:ROWS_LIMIT]


def _is_alike(each: License) -> bool:
    return any(word in condition for condition in each.terms.conditions for word in _ALIKE)


def _opt_out(world: World, said: Said, sight: Sight) -> Fact:
    """The last reservation of each dataset and protocol (rule 3)."""
    last: dict[tuple[bytes, str], Signal] = {}
    looked: list[BatchRow] = []
    for key, rows in world.by_dataset.items():
        for row in _apart(rows, said):
            signals = list(opt_out_signals(said.of(row).get("optOut")))
            looked += [row] if signals else []
            for signal in signals:
                known_one = last.get((key, signal.protocol))
                if known_one is None or _later(signal, known_one):
                    last[key, signal.protocol] = signal
    if not last:
        return not_recorded("rights.opt_out", "Nobody recorded that reservations were looked for.")
    found = {
        (_shown(world, key, sight), protocol, signal.seen_at, signal.reserved)
        for (key, protocol), signal in last.items()
    }
    ordered = sorted(found, key=lambda row: (row[0], row[1], str(row[2]), row[3]))
    return table("rights.opt_out", ordered, Grade.ASSERTED, batches_basis(looked))


def _shown(world: World, key: bytes, sight: Sight) -> str:
    return world.dataset_name(world.by_dataset[key][0]) if sight.sees(key) else BEYOND


def _later(signal: Signal, other: Signal) -> bool:
    """Whether a signal was seen after another; one without a moment comes first."""
    if signal.seen_at is None or other.seen_at is None:
        return other.seen_at is None
    return (signal.seen_at, signal.reserved) >= (other.seen_at, other.reserved)


def _contracts(world: World, said: Said, sight: Sight) -> Fact:
    found: dict[tuple[str, str], BatchRow] = {}
    for key, rows in world.by_dataset.items():
        verified = [row for row in rows if "contract" in world.verified.get(row.number, {})]
        for row in (*_apart(rows, said), *verified):
            asserted = said.of(row).get("contract")
            contract = world.said(row, "contract", asserted if isinstance(asserted, str) else None)
            if contract:
                name = _shown(world, key, sight)
                found[name, contract if name != BEYOND else BEYOND] = row
    if not found:
        return not_recorded("rights.contracts")
    on = batches_basis(list(found.values()))
    return table("rights.contracts", sorted(found), Grade.ASSERTED, on)
