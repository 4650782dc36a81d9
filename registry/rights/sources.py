"""Where each batch comes from and on what terms, as recorded, each fact with its grade.

Rules (DESIGN §1.8):
1. What a producer said is *asserted*, until a person *verifies* it: the newest verification counts,
   and says what the fact is, who looked, when, and by what evidence. What nobody said is None.
2. A batch's terms are those that its own run said (`registry_batch`, then `registry_rights` of that
   output); where that says nothing, what is said of the dataset holds.
3. Where two of them name different licences, both bind.
4. An opt-out signal is what one agent saw at one moment; for each protocol the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlmodel import Session

from registry.moments import from_micros
from registry.rights.verifications import Verified, verified_facts
from registry.storage.bulk import TypedColumn, select_by_rows
from registry.wire.facets import RIGHTS


class Grade(StrEnum):
    """How far a fact can be trusted."""

    MEASURED = "measured"
    ASSERTED = "asserted"
    VERIFIED = "verified"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class Fact:
    """A recorded fact; no value and no grade where nobody said anything."""

    value: str | None
    grade: Grade | None
    verified: Verified | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """An opt-out signal (robots.txt, TDMRep, ai.txt) as one agent saw it."""

    protocol: str
    seen_at: datetime | None
    reserved: bool
    agent: str | None


@dataclass(frozen=True, slots=True)
class SourceView:
    """A batch's source. `licenses`: every licence text that binds, verified or asserted."""

    batch_number: int
    name: str
    dataset_id: bytes
    run_id: bytes
    origin_kind: str | None
    origin_uri: str | None
    collected_from: datetime | None
    collected_until: datetime | None
    licenses: tuple[str, ...]
    facts: Mapping[str, Fact]
    opt_out: tuple[Signal, ...]

    @property
    def reserved(self) -> bool:
        """Whether the last signal of some protocol reserves the rights (rule 4)."""
        last: dict[str, Signal] = {}
        for signal in self.opt_out:
            known = last.get(signal.protocol)
            if known is None or _seen(signal) >= _seen(known):
                last[signal.protocol] = signal
        return any(signal.reserved for signal in last.values())


FACTS = ("license", "terms", "contract", "origin", "legal_basis")
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_SOURCES = """
SELECT b.number, b.name, b.dataset_id, b.run_id, b.origin_kind, b.origin_uri,
  b.collected_from, b.collected_until, b.license, b.legal_basis, s.payload, d.payload
FROM {rows} AS w
JOIN batch b ON b.number = w.number
LEFT JOIN scope_facet s ON s.scope_id = b.run_id AND s.direction = 'output'
  AND s.dataset_id = b.dataset_id AND s.kind = 'dataset' AND s.name = :facet
LEFT JOIN dataset_facet d ON d.dataset_id = b.dataset_id AND d.name = :facet
"""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def read_sources(session: Session, numbers: Iterable[int]) -> dict[int, SourceView]:
    """The sources of these batches; unknown numbers are left out. Cost: two queries."""
    wanted = [(number,) for number in sorted(set(numbers))]
    verified = verified_facts(session, [number for (number,) in wanted])
    rows = select_by_rows(session, _SOURCES, _NUMBER, wanted, facet=RIGHTS)
    return {row[0]: _view(row, verified.get(row[0], {})) for row in rows}


def _view(row: Any, verified: Mapping[str, Verified]) -> SourceView:
    of_run, of_dataset = rights_said(row[10]), rights_said(row[11])
    said = of_run or of_dataset
    terms = said.get("terms")
    terms = terms if isinstance(terms, dict) else {}
    asserted = {
        "license": row[8] or _text(said.get("license")),
        "terms": _text(terms.get("sha256")) or _text(terms.get("uri")),
        "contract": _text(said.get("contract")),
        "origin": row[5] or row[4],
        "legal_basis": row[9],
    }
    facts = {name: _fact(asserted[name], verified.get(name)) for name in FACTS}
    names = [row[8], _text(said.get("license"))]
    checked = verified.get("license")
    return SourceView(
        batch_number=row[0],
        name=row[1],
        dataset_id=bytes(row[2]),
        run_id=bytes(row[3]),
        origin_kind=row[4],
        origin_uri=row[5],
        collected_from=None if row[6] is None else from_micros(row[6]),
        collected_until=None if row[7] is None else from_micros(row[7]),
        licenses=tuple(dict.fromkeys(n for n in names if n))
        if checked is None
        else (checked.value,),
        facts=facts,
        opt_out=tuple(opt_out_signals(said.get("optOut"))),
    )


def _fact(value: str | None, verified: Verified | None) -> Fact:
    if verified is not None:
        return Fact(verified.value, Grade.VERIFIED, verified)
    return Fact(value, None if value is None else Grade.ASSERTED)


def rights_said(payload: str | None) -> dict[str, Any]:
    """The facet as it was received; what is none is nothing."""
    try:
        found = msgspec.json.decode(payload) if payload else {}
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


def opt_out_signals(said: object) -> Iterable[Signal]:
    """The signals of a facet's `optOut`; what has no readable form is passed over."""
    for each in said if isinstance(said, list) else ():
        if isinstance(each, dict):
            # What is no plain false counts as a reservation: never a silent allow.
            reserved = each.get("reserved") is not False
            agent, protocol = _text(each.get("agent")), _text(each.get("protocol")) or "unknown"
            yield Signal(protocol, _moment(each.get("seenAt")), reserved, agent)


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seen(signal: Signal) -> tuple[datetime, bool]:
    return signal.seen_at or _LONG_AGO, signal.reserved


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
