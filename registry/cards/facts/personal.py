"""What is known of persons in the data: scans, how they can be found, and their consent in counts.

Rules:
1. *Not scanned* is not *none found*: examples whose column `pii` nobody filled were not looked at.
2. Counts only: no key of a person leaves this module.
3. Consent is counted over the persons whose examples entered with the version's batches and with
   those behind it. More than `PERSONS_LIMIT` links are not gone through while a card is read; a
   decision counts them, and is named instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlmodel import Session

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.facts.batch_rows import BatchRow, batches_basis
from registry.cards.facts.duties import purposes_of
from registry.cards.facts.making import Basis, Row, known, latest, missing, not_recorded, table
from registry.cards.facts.origin import ROWS_LIMIT
from registry.cards.facts.rollup import NO_SHARE, Rollup, Share, is_open, share_rows, shares_of
from registry.cards.facts.sources import Sources
from registry.cards.facts.world import World
from registry.cards.values import Fact, Grade, State
from registry.keys.subjects import SUBJECT_KEY_BYTES, translator
from registry.keys.tables import Purpose
from registry.ledger.opened import Ledger
from registry.ledger.sums import NOT_RECORDED as UNSAID
from registry.moments import from_micros
from registry.policy.people import people_of
from registry.rights.consent_state import Said, consent_at
from registry.rights.purposes import Purposes
from registry.rights.statuses import PERMITTING, ConsentStatus
from registry.storage.bulk import select_by_ids

PERSONS_LIMIT = 100_000
CONSENT = "consent"
_NONE_FOUND = "none"
_EVENTS = """
SELECT e.subject_key, e.key_version, e.purpose, e.status, e.at, e.expires_at, e.id, e.notice,
  e.received_at
FROM {ids} AS w JOIN consent_event e ON e.subject_key = w.id
"""


def personal_facts(world: World, sources: Sources) -> Iterator[Fact]:
    """The facts named `personal.…`."""
    yield _pii(world, sources.rollup)
    yield _coverage(world)
    classes = sources.by(lambda row: row.personal_data)
    waiting = sources.waiting("personal.classes", world.of_entries)
    yield waiting or shares_of("personal.classes", sources.rollup, classes, world.of_entries)
    linked = [row for row in world.entries if row.subjects is not None]
    if not linked:
        note = "None of its batches was recorded with its examples."
        yield not_recorded("personal.subjects", note, world.of_entries)
    else:
        links = sum(row.subjects or 0 for row in linked)
        note = "Of the batches where its examples entered, as they entered."
        on = batches_basis(linked)
        yield known("personal.subjects", links, Grade.ASSERTED, on, note)


def _pii(world: World, rollup: Rollup) -> Fact:
    """The kinds of personal data that scans found, each with the examples that have it."""
    name, on = "personal.pii", world.of_sums
    waiting = is_open(name, rollup, on)
    if waiting is not None:
        return waiting
    kinds: dict[str, Share] = {}
    unscanned = scanned = 0
    for value, share in rollup.of("pii").items():
        if value == UNSAID:
            unscanned += share.examples
            continue
        scanned += share.examples
        for kind in () if value == _NONE_FOUND else value.split(","):
            kinds[kind] = kinds.get(kind, NO_SHARE) + share
    total = scanned + unscanned
    if not scanned:
        return missing(name, State.NOT_SCANNED, "Nobody scanned any of its examples.", on)
    note = f"{unscanned} of {total} examples were not scanned." if unscanned else None
    if not kinds and unscanned:
        return missing(name, State.NOT_SCANNED, f"{note} In the others nothing was found.", on)
    rows = share_rows(kinds)
    if unscanned:
        rows.append((NOT_RECORDED, unscanned, None, None))
    return table(name, rows, Grade.ASSERTED, on, note=note)


def _coverage(world: World) -> Fact:
    """How persons can be found in the batches where examples entered."""
    if not world.entries:
        return not_recorded("personal.coverage", "Where its examples entered is not recorded.")
    batches: Counter[str] = Counter()
    examples: dict[str, int | None] = {}
    texts: dict[str | None, str] = {}
    for row in world.entries:
        said = texts.get(row.subject_coverage) or _covered(row.subject_coverage)
        texts[row.subject_coverage] = said
        batches[said] += 1
        before = examples.get(said, 0)
        unknown = before is None or row.examples is None
        examples[said] = None if unknown else (before or 0) + (row.examples or 0)
    rows: list[Row] = [(said, batches[said], examples[said]) for said in sorted(batches)]
    return table("personal.coverage", rows[:ROWS_LIMIT], Grade.ASSERTED, world.of_entries)


def _covered(payload: str | None) -> str:
    try:
        said = msgspec.json.decode(payload) if payload else {}
    except msgspec.MsgspecError:
        said = {}
    keyed = said.get("keyedBy") if isinstance(said, dict) else None
    scanned = said.get("scannedFor") if isinstance(said, dict) else None
    parts = [f"keyed by {keyed}"] if isinstance(keyed, str) else []
    if isinstance(scanned, list) and scanned:
        parts.append(f"scanned for {', '.join(sorted(map(str, scanned)))}")
    return "; ".join(parts) or NOT_RECORDED


@dataclass(frozen=True, slots=True)
class _Persons:
    """The persons of some batches: their keys under every live version, and whose each is."""

    keys: dict[bytes, int]
    count: int


def consent_facts(
    session: Session, world: World, ledger: Ledger, purposes: Purposes, now: datetime
) -> Iterator[Fact]:
    """Consent by purpose and status, how far it reaches, and the notices that were given."""
    names = ("rights.consent", "rights.consent_coverage", "rights.notices")
    linked = [row for row in world.entries if row.subjects]
    on = batches_basis(linked) if linked else world.of_entries
    links = sum(row.subjects or 0 for row in linked)
    rests = any(
        world.said(row, "legal_basis", row.legal_basis) == CONSENT for row in world.everything
    )
    if not links:
        for name in names:
            yield _nobody(name, world, rests, on)
        return
    if links > PERSONS_LIMIT:
        note = f"{links} links to persons are too many for a card; a decision goes through them."
        for name in names:
            yield missing(name, State.NOT_SCANNED, note, on)
        return
    persons = _persons(ledger, linked)
    events = select_by_ids(session, _EVENTS, sorted(persons.keys))
    yield from _consent(world, purposes, persons, events, rests, on, now)
    yield _notices(persons, events, on)


def _nobody(name: str, world: World, rests: bool, on: Basis) -> Fact:
    if not world.entries:
        return not_recorded(name, "Where its examples entered is not recorded.", on)
    if rests:
        return not_recorded(name, "It rests on consent, and nobody recorded whose data it is.", on)
    return missing(name, State.NOT_APPLICABLE, "No person is recorded with its examples.", on)


def _persons(ledger: Ledger, linked: Sequence[BatchRow]) -> _Persons:
    """Who is in these batches; one person for each key under the active version."""
    distinct: set[bytes] = set()
    for row in linked:
        keys = people_of(ledger.store, row.number).keys
        width = SUBJECT_KEY_BYTES
        distinct.update(keys[at : at + width] for at in range(0, len(keys), width))
    active = ledger.keyring.active(Purpose.SUBJECT)
    live = ledger.keyring.live(Purpose.SUBJECT)
    ordered = sorted(distinct)
    found: dict[bytes, int] = {key: place for place, key in enumerate(ordered)}
    joined = b"".join(ordered)
    for key in live:
        if key.version != active.version:
            moved = translator(active, key)(joined)
            for place in range(len(ordered)):
                at = place * SUBJECT_KEY_BYTES
                found.setdefault(moved[at : at + SUBJECT_KEY_BYTES], place)
    return _Persons(found, len(ordered))


def _consent(
    world: World,
    purposes: Purposes,
    persons: _Persons,
    events: Sequence[Any],
    rests: bool,
    on: Basis,
    now: datetime,
) -> Iterator[Fact]:
    said: dict[int, list[Said]] = {}
    for row in events:
        ends = None if row.expires_at is None else from_micros(row.expires_at)
        status = ConsentStatus(row.status)
        told = Said(row.purpose, status, from_micros(row.at), row.id, ends)
        said.setdefault(persons.keys[bytes(row.subject_key)], []).append(told)
    recorded = {row.purpose for row in events if row.purpose in purposes}
    wanted = {name for name in purposes_of(world.everything) if name in purposes}
    rows: list[Row] = []
    for purpose in sorted(wanted | recorded):
        counts = Counter(
            consent_at(some, purposes, purpose, at=now).status for some in said.values()
        )
        counts[None] += persons.count - len(said)
        for status in (*ConsentStatus, None):
            if counts[status]:
                value = NOT_RECORDED if status is None else status.value
                rows.append((purpose, value, counts[status]))
    on = Basis(on.evidence, on.total, latest(on.as_of, *_received(events)))
    if not events:
        note = f"Nothing was recorded of the consent of {persons.count} persons."
        yield not_recorded("rights.consent", note, on)
    else:
        yield table("rights.consent", rows, Grade.ASSERTED, on)
    if not rests:
        note = "None of its batches rests on consent."
        yield missing("rights.consent_coverage", State.NOT_APPLICABLE, note, on)
        return
    needed = sorted(wanted) or sorted(recorded)
    granted = sum(
        all(consent_at(some, purposes, each, at=now).status in PERMITTING for each in needed)
        for some in said.values()
    )
    granted = granted if needed else 0
    note = f"{granted} of {persons.count} persons, for {', '.join(needed) or 'no purpose'}."
    share = granted / persons.count
    yield known("rights.consent_coverage", share, Grade.ASSERTED, on, note)


def _received(events: Sequence[Any]) -> Iterator[datetime]:
    return (from_micros(row.received_at) for row in events)


def _notices(persons: _Persons, events: Sequence[Any], on: Basis) -> Fact:
    """The notices that consent events name, with their first and last day and how many persons."""
    days: dict[str, list[int]] = {}
    whose: dict[str, set[int]] = {}
    for row in events:
        if row.notice:
            days.setdefault(row.notice, []).append(row.at)
            whose.setdefault(row.notice, set()).add(persons.keys[bytes(row.subject_key)])
    if not days:
        return not_recorded("rights.notices", "No consent names the notice that was given.", on)
    rows: list[Row] = [
        (
            notice,
            from_micros(min(days[notice])).date(),
            from_micros(max(days[notice])).date(),
            len(whose[notice]),
        )
        for notice in sorted(days)
    ]
    total = len(rows)
    on = Basis(on.evidence, on.total, latest(on.as_of, *_received(events)))
    return table("rights.notices", rows[:ROWS_LIMIT], Grade.ASSERTED, on, total=total)
