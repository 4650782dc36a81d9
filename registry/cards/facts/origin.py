"""Where the data came from: batches, upstream sources, kinds, periods, crawls, domains, services.

Rules:
1. Each example counts under the dataset where it entered, as the worker's sums carry it through
   every step (`registry.ledger.sums` rule 5). What lies behind a step without a map counts as not
   recorded, and is named as unresolved.
2. What the batches of a dataset agree on holds for each of its examples. Where they do not agree, a
   batch of the version itself counts as what it said, and the rest as `(several)`.
3. What a person verified stands for what a producer asserted.
4. Sources beyond the reader's scope are one row without a name (`registry.cards.facts.sight`).
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator
from datetime import date

from registry.cards.fact_kinds import BEYOND, NOT_RECORDED
from registry.cards.facts.batch_rows import BatchRow, batches_basis
from registry.cards.facts.making import Row, earliest, known, latest, not_recorded, table
from registry.cards.facts.rollup import NO_SHARE, Share, shares_of
from registry.cards.facts.sight import Sight
from registry.cards.facts.sources import (
    MODALITY_DOMAIN,
    MODALITY_SOURCE,
    SEVERAL,
    Sources,
    dataset_of,
)
from registry.cards.facts.world import World
from registry.cards.values import Fact, Grade
from registry.ids import uuid_text
from registry.ledger.sums import NOT_RECORDED as UNSAID
from registry.ledger.sums import OTHERS, PAIR
from registry.moments import from_micros

ROWS_LIMIT = 500
DOMAINS_LIMIT = 10_000
USER_KINDS = ("user_model", "user_service")
_NAMES_SHOWN = 5


def origin_facts(world: World, sources: Sources, sight: Sight) -> Iterator[Fact]:
    """The facts named `origin.…`, but for crawls."""
    on = world.of_entries
    yield _batches(world, sight)
    grade = world.grade_of(world.entries, "origin")
    kinds = sources.by(world.kind_of)
    waiting = sources.waiting("origin.kinds", on)
    yield waiting or shares_of("origin.kinds", sources.rollup, kinds, on, grade)
    yield _sources(world, sources, sight, grade)
    yield _unresolved(world, sight)
    yield from _period(world, sources)
    yield _domains(world, sources)
    yield _services(world, sources, sight)


def _batches(world: World, sight: Sight) -> Fact:
    """The batches of the version, then those where examples entered behind it."""
    name = "origin.batches"
    own = {row.number for row in world.members}
    listed = [*world.members, *(row for row in world.entries if row.number not in own)]
    if not listed:
        return not_recorded(name, "No batch of it is recorded.", world.of_version)
    seen = [row for row in listed if sight.sees(bytes(row.dataset_id))]
    hidden = len(listed) - len(seen)
    rows = [_batch(world, row) for row in seen[:ROWS_LIMIT]]
    if hidden and len(rows) < ROWS_LIMIT:
        rows.append((BEYOND, *[None] * 11, None))
    note = None if not hidden else f"{hidden} batches lie beyond your scope."
    total = len(seen) + bool(hidden)
    on = world.of_members | batches_basis(seen[len(world.members) :])
    return table(name, rows, Grade.ASSERTED, on, total=total, note=note)


def _batch(world: World, row: BatchRow) -> Row:
    return (
        row.name,
        world.job_name(row),
        uuid_text(bytes(row.run_id)),
        world.kind_of(row),
        row.origin_uri,
        day(row.collected_from),
        day(row.collected_until),
        row.region,
        world.said(row, "legal_basis", row.legal_basis),
        world.said(row, "license", row.license),
        row.classification,
        row.personal_data,
        row.examples,
    )


def day(micros: int | None) -> date | None:
    """The day of a moment, in UTC."""
    return None if micros is None else from_micros(micros).date()


def _sources(world: World, sources: Sources, sight: Sight, grade: Grade) -> Fact:
    """Where the examples entered, by dataset and modality, the largest first."""
    name, on = "origin.sources", world.of_entries
    waiting = sources.waiting(name, on)
    if waiting is not None:
        return waiting
    shares = _by_source(sources)
    total = sum(share.examples for share in shares.values())
    hidden, found = NO_SHARE, []
    for (source, modality), share in sorted(shares.items(), key=_largest_first):
        key = dataset_of(source)
        if key and not sight.sees(key):
            hidden = hidden + share
            continue
        examples, bytes_, tokens = share.cells
        part = examples / total if total else None
        said = _said_of(world, sources.of_dataset.get(key, ()), source)
        found.append((*said, examples, part, modality or None, bytes_, tokens))
    if hidden.examples:
        examples, bytes_, tokens = hidden.cells
        nothing = (None,) * 5
        found.append((BEYOND, *nothing, examples, examples / total, None, bytes_, tokens))
    if not found:
        return not_recorded(name, "No example of it is known to the ledger.", on)
    return table(name, found[:ROWS_LIMIT], grade, on, total=len(found))


def _by_source(sources: Sources) -> dict[tuple[str, str], Share]:
    """The examples by the dataset where they entered and their modality."""
    found: dict[tuple[str, str], Share] = {}
    for value, share in sources.rollup.shares.get(MODALITY_SOURCE, {}).items():
        modality, _, source = value.partition(PAIR)
        key = (source, modality) if value != OTHERS else (OTHERS, UNSAID)
        found[key] = found.get(key, NO_SHARE) + share
    for row, share in sources.own:
        if not row.is_counted:
            key = (bytes(row.dataset_id).hex(), UNSAID)
            found[key] = found.get(key, NO_SHARE) + share
    return {key: share for key, share in found.items() if share.examples}


def _largest_first(item: tuple[tuple[str, str], Share]) -> tuple[int, tuple[str, str]]:
    return -item[1].examples, item[0]


def _said_of(
    world: World, rows: tuple[BatchRow, ...], source: str
) -> tuple[str, str | None, str | None, str | None, bool | None, str | None]:
    """Dataset, kind, address, name, whether it is publicly known, and licences."""
    if not rows:
        return source if source else NOT_RECORDED, None, None, None, None, None
    kinds = {world.kind_of(row) for row in rows}
    kind = next(iter(kinds)) if len(kinds) == 1 else SEVERAL
    names = {row.origin_description for row in rows}
    licences = {world.said(row, "license", row.license) for row in rows}
    return (
        world.dataset_name(rows[0]),
        kind,
        _some(row.origin_uri for row in rows),
        next(iter(names)) if len(names) == 1 else None,
        True if kind == "public" else None,
        _some(licences),
    )


def _some(texts: Iterable[str | None]) -> str | None:
    """Distinct texts in order, a few of many; None where there is none."""
    distinct = sorted({text for text in texts if text})
    if len(distinct) <= _NAMES_SHOWN:
        return "; ".join(distinct) or None
    return f"{'; '.join(distinct[:_NAMES_SHOWN])}; and {len(distinct) - _NAMES_SHOWN} more"


def _unresolved(world: World, sight: Sight) -> Fact:
    """Where lineage ends without an origin."""
    reasons: dict[tuple[str, str | None, str], None] = {}
    hidden = False
    for row in world.everything:
        reason = _missing_origin(world, row)
        if reason is None:
            continue
        if sight.sees(bytes(row.dataset_id)):
            reasons[(world.dataset_name(row), world.job_name(row), reason)] = None
        else:
            hidden = True
    for read in world.target.read:
        if read.number is None and not read.is_model:
            name = f"{read.dataset.namespace} {read.dataset.name}"
            shown = name if sight.sees(read.dataset.id) else BEYOND
            reasons[(shown, None, "it is not known which version was read")] = None
    rows: list[Row] = sorted(reasons, key=lambda each: (each[0], each[1] or "", each[2]))
    if hidden:
        rows.append((BEYOND, None, "part of what it was made of ends beyond your scope"))
    if not world.everything and not rows:
        return not_recorded("origin.unresolved", "No batch of it is recorded.", world.of_version)
    on = world.of_everything
    return table("origin.unresolved", rows[:ROWS_LIMIT], Grade.MEASURED, on, total=len(rows))


def _missing_origin(world: World, row: BatchRow) -> str | None:
    number = row.number
    if world.steps.owed.get(number):
        return "it is not known which version of its input was read"
    if number in world.steps.unmapped:
        return "no row map leads to what was read"
    if world.is_entry(row) and world.kind_of(row) is None:
        return "its origin is not recorded"
    return None


def _period(world: World, sources: Sources) -> Iterator[Fact]:
    """The first and last day of collection, of batches and of their single examples."""
    rows = world.entries or world.members
    months = sorted(
        month
        for month, share in sources.rollup.shares.get("collected_month", {}).items()
        if share.examples and len(month) == len("2026-03")
    )
    first = earliest(*(from_micros(r.collected_from) for r in rows if r.collected_from is not None))
    said = [r.collected_until or r.collected_from for r in rows]
    last = latest(*(from_micros(at) for at in said if at is not None))
    unsaid = sum(row.collected_from is None and row.collected_until is None for row in rows)
    note = None
    if months and (first is None or last is None):
        note = "By the months of its examples."
    elif unsaid and not months:
        note = f"{unsaid} of {len(rows)} batches do not say when they were collected."
    begin = first.date() if first is not None else _first_day(months)
    end = last.date() if last is not None else _last_day(months)
    for name, found in (("origin.collected_from", begin), ("origin.collected_until", end)):
        if found is None:
            yield not_recorded(name, None, world.of_entries)
        else:
            yield known(name, found, Grade.ASSERTED, world.of_entries, note)


def _first_day(months: list[str]) -> date | None:
    return date.fromisoformat(f"{months[0]}-01") if months else None


def _last_day(months: list[str]) -> date | None:
    if not months:
        return None
    year, month = (int(part) for part in months[-1].split("-"))
    return date(year, month, calendar.monthrange(year, month)[1])


def _domains(world: World, sources: Sources) -> Fact:
    """The domains of the examples' addresses within each modality, the largest first."""
    name, on = "origin.domains", world.of_sums
    waiting = sources.waiting(name, on)
    if waiting is not None:
        return waiting
    found: list[tuple[str, str, Share]] = []
    rest = 0
    for value, share in sources.rollup.shares.get(MODALITY_DOMAIN, {}).items():
        modality, _, domain = value.partition(PAIR)
        if value == OTHERS:
            rest += share.examples
        elif domain and share.examples:
            found.append((domain, modality, share))
    if not found:
        return not_recorded(name, None, on)
    found.sort(key=lambda each: (-each[2].bytes, -each[2].examples, each[0], each[1]))
    rows: list[Row] = [
        (domain, modality or None, *share.cells) for domain, modality, share in found
    ]
    note = None
    if rest:
        note = f"The smallest domains of some batches, with {rest} examples, are not told apart."
    return table(name, rows[:DOMAINS_LIMIT], Grade.ASSERTED, on, total=len(rows), note=note)


def _services(world: World, sources: Sources, sight: Sight) -> Fact:
    """Sources that are the data of a service's users."""
    name = "origin.services"
    waiting = sources.waiting(name, world.of_entries)
    if waiting is not None:
        return waiting
    counts: dict[tuple[str, str], int] = {}
    for value, share in sources.rollup.of("source").items():
        rows = sources.of_dataset.get(dataset_of(value), ())
        for kind in sorted({world.kind_of(row) or "" for row in rows} & set(USER_KINDS)):
            shown = sight.sees(dataset_of(value))
            key = (world.dataset_name(rows[0]) if shown else BEYOND, kind)
            counts[key] = counts.get(key, 0) + share.examples
    if not counts and any(world.kind_of(row) is None for row in world.entries):
        return not_recorded(name, "Some of its batches do not say their kind of origin.")
    found: list[Row] = [(*key, counts[key]) for key in sorted(counts)]
    return table(name, found, Grade.ASSERTED, world.of_entries)
