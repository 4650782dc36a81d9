"""Reads the facts that a question about a version is decided by: of batches, people and duties.

Rules:
1. A person's fact beats a producer's: the newest verification of a fact stands for what the event
   said (DESIGN §1.8).
2. People are compared by subject key under every live version, so that a rotation that is under
   way hides nobody's no.
3. Everything is read in one session, before anything is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.lookup import facets_kept
from registry.ledger.addresses import unpack
from registry.ledger.erasing import read_holes
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.moments import from_micros
from registry.policy.facts import BatchFacts, Question
from registry.policy.forms import Trigger
from registry.policy.masks import Marks, Ordinals
from registry.policy.people import PersonStates, read_people
from registry.policy.policy_set import PolicySet
from registry.policy.steps import Steps, walk
from registry.rights.holds import holds_on
from registry.rights.licenses import Permission
from registry.rights.restrictions import restricted_addresses
from registry.rights.suppression import read_suppressed
from registry.rights.tables import ProcessingActivity, Verification
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows
from registry.storage.columns import table_of

RIGHTS_FACET = "registry_rights"
_USES = ("ai_training", "commercial_use", "redistribution", "derivatives")
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_BATCHES = """
SELECT b.number, b.dataset_id, d.namespace, d.name, b.license, b.legal_basis, b.origin_kind,
  b.personal_data, b.special_category_condition, b.purposes, b.region, b.classification,
  b.collected_from, b.collected_until, b.effective_at, b.example_count, o.subjects
FROM {rows} AS w JOIN batch b ON b.number = w.number JOIN dataset d ON d.id = b.dataset_id
LEFT JOIN batch_binding k ON k.number = b.number LEFT JOIN ledger_object o ON o.id = k.object_id
"""
_LICENSES = """
SELECT s.number, s.value FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number AND s.dimension IN ('license', 'total')
"""
_LAST_READ = """
SELECT r.dataset_id, max(r.read_at) FROM {ids} AS t JOIN run_read r ON r.dataset_id = t.id
GROUP BY r.dataset_id
"""
_verification, _activity = table_of(Verification), table_of(ProcessingActivity)


@dataclass(frozen=True, slots=True)
class BatchRead:
    """A batch as it is judged. `rows` None: nobody counted them. `is_pending`: not bound yet.

    `marks`: what single examples have; `own_licenses`: its examples may have licences of their own.
    `holes`: which of its examples were erased.
    """

    number: int
    dataset_id: bytes
    facts: BatchFacts
    rows: int | None
    is_pending: bool
    marks: Marks
    own_licenses: bool
    holes: Holes | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that a question about these batches is decided by."""

    steps: Steps
    batches: Mapping[int, BatchRead]
    people: PersonStates | None


def gather(
    session: Session,
    ledger: Ledger,
    policies: PolicySet,
    members: Iterable[int],
    question: Question,
    *,
    people: bool = True,
) -> Gathered:
    """Read the facts about these batches and all they were made from (rule 3).

    `people` False leaves out what was said of persons, for who judges batches alone.

    Cost: some queries for each level of the graph, and the people's events where there are any.
    """
    steps = walk(session, ledger.graph, members)
    numbers = list(steps.order)
    rows = {row[0]: row for row in select_by_rows(session, _BATCHES, _NUMBER, _as_rows(numbers))}
    about = _Around(session, ledger, policies, question, numbers, list(rows.values()))
    batches = {number: about.batch(steps, number, rows.get(number)) for number in numbers}
    states = None
    if people and any(batch.facts.has_subjects for batch in batches.values()):
        states = read_people(session, ledger.keyring, policies, question)
    return Gathered(steps, batches, states)


def _as_rows(numbers: Iterable[int]) -> list[tuple[int]]:
    return [(number,) for number in numbers]


class _Around:
    """What is read once for all batches."""

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        policies: PolicySet,
        question: Question,
        numbers: list[int],
        rows: list[Any],
    ) -> None:
        self._policies = policies
        datasets = sorted({bytes(row[1]) for row in rows})
        self._rights = {
            key: _decoded(facets[RIGHTS_FACET].payload)
            for key, facets in facets_kept(session, "dataset", datasets).items()
            if RIGHTS_FACET in facets
        }
        self._verified = _verified(session, numbers)
        self._balancing = _balancing_test(session, question)
        self._restricted = restricted_addresses(session, numbers)
        self._held = _held(session, numbers, question)
        self._suppressed = _suppressed(session, ledger, question)
        self._licenses = _recorded_licenses(session, numbers)
        self._holes = read_holes(session, numbers)
        self._last_read = _last_reads(session, policies, datasets)

    def batch(self, steps: Steps, number: int, row: Any) -> BatchRead:
        """One batch. `row` None: the catalog has it no more."""
        node = steps.nodes[number]
        if row is None:
            facts = BatchFacts(owed=1)
            return BatchRead(number, node.dataset_id, facts, node.rows, False, Marks(), False)
        facts = replace(self._facts(row), owed=steps.owed.get(number, 0))
        derived = bool(node.maps) or number in steps.unmapped
        held = self._held.get(number, ())
        restricted = self._restricted.get(number)
        facts = replace(
            facts,
            derived=derived,
            held=held is None,
            restricted=restricted is not None and restricted.ordinals is None,
        )
        marks = Marks(
            restricted=None if restricted is None else restricted.ordinals,
            suppressed=self._suppressed.get(number),
            held=np.array(sorted(held), np.uint32) if held else None,
        )
        rows = node.rows if node.rows is not None else row[15]
        known = self._licenses.get(number)
        own = known is None or bool(known - {"", facts.license})
        return BatchRead(
            number,
            bytes(row[1]),
            facts,
            rows,
            not node.is_bound,
            marks,
            own and node.is_bound and not node.maps and row[16] is not None,
            self._holes.get(number),
        )

    def _facts(self, row: Any) -> BatchFacts:
        said = self._rights.get(bytes(row[1]), {})
        verified = self._verified.get(row[0], {})
        license_text = verified.get("license") or row[4] or _text(said.get("license"))
        until, begun = row[13], row[12]
        collected = until if until is not None else begun
        return BatchFacts(
            dataset=f"{row[2]} {row[3]}",
            license=license_text,
            grants=grants_of(self._policies, license_text),
            legal_basis=verified.get("legal_basis") or row[5],
            origin_kind=verified.get("origin") or row[6],
            personal_data=verified.get("personal_data") or row[7],
            special_category_condition=row[8],
            purposes=_texts(row[9]),
            region=verified.get("region") or row[10],
            classification=verified.get("classification") or row[11],
            collected_at=None if collected is None else from_micros(collected),
            recorded_at=from_micros(row[14]),
            last_used_at=self._last_read.get(bytes(row[1])),
            opt_out=_reserved(said),
            contract=_text(said.get("contract")),
            balancing_test=self._balancing,
            has_subjects=bool(row[16]),
        )


def grants_of(policies: PolicySet, text: str | None) -> Mapping[str, Permission] | None:
    """What a licence text allows, by right; None for none."""
    found = policies.licenses.of(text)
    return None if found is None else {use: getattr(found.terms, use) for use in _USES}


def _decoded(payload: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _texts(payload: str | None) -> tuple[str, ...] | None:
    found = msgspec.json.decode(payload) if payload else None
    return tuple(map(str, found)) if isinstance(found, list) else None


def _reserved(said: Mapping[str, Any]) -> tuple[str, ...]:
    """The protocols by which the rightsholder reserved the data, of `optOut`."""
    signals = said.get("optOut")
    return tuple(
        str(signal.get("protocol") or "a signal")
        for signal in (signals if isinstance(signals, list) else ())
        if isinstance(signal, dict) and signal.get("reserved") is True
    )


def _verified(session: Session, numbers: list[int]) -> dict[int, dict[str, str]]:
    """The newest verification of each fact (rule 1)."""
    found: dict[int, dict[str, str]] = {}
    table = _verification
    for start in range(0, len(numbers), 5_000):
        query = select(table.c.batch_number, table.c.fact, table.c.value).where(
            table.c.batch_number.in_(numbers[start : start + 5_000])
        )
        for number, fact, value in session.execute(query.order_by(table.c.verified_at, table.c.id)):
            found.setdefault(number, {})[fact] = value
    return found


def _balancing_test(session: Session, question: Question) -> str | None:
    """The balancing test of an activity of the register for this purpose, if there is one."""
    rows = session.execute(select(_activity).order_by(_activity.c.id, _activity.c.revision))
    current = {row.id: row for row in rows}
    for row in current.values():
        purposes = set(_texts(row.purposes) or ())
        is_meant = row.legal_basis in (None, "legitimate_interests")
        if is_meant and not row.retired and row.balancing_test and purposes & question.covering:
            return str(row.balancing_test)
    return None


def _held(
    session: Session, numbers: list[int], question: Question
) -> dict[int, tuple[int, ...] | None]:
    """The held ordinals of each batch; None where all of it is held."""
    found: dict[int, tuple[int, ...] | None] = {}
    for each in holds_on(session, numbers, at=question.at):
        known = found.get(each.batch_number, ())
        whole = each.ordinal is None or known is None
        found[each.batch_number] = None if whole else (*(known or ()), int(each.ordinal or 0))
    return found


def _suppressed(session: Session, ledger: Ledger, question: Question) -> dict[int, Ordinals]:
    """The examples with a suppressed content, by batch. Cost: nothing where none is suppressed."""
    digests = read_suppressed(session, ledger.keyring, at=question.at).digests
    if not digests:
        return {}
    batches, ordinals = unpack(np.unique(ledger.index.find_digests(sorted(digests)).addresses))
    return {int(n): ordinals[batches == n] for n in np.unique(batches)}


def _recorded_licenses(session: Session, numbers: list[int]) -> dict[int, set[str]]:
    """The licences that examples of a batch have; batches that were not summed yet are missing."""
    found: dict[int, set[str]] = {}
    for number, value in select_by_rows(session, _LICENSES, _NUMBER, _as_rows(numbers)):
        found.setdefault(number, set()).add(value)
    return found


def _last_reads(
    session: Session, policies: PolicySet, datasets: list[bytes]
) -> dict[bytes, datetime]:
    if not any(rule.trigger is Trigger.LAST_USED for rule in policies.retention.rules):
        return {}
    rows = select_by_ids(session, _LAST_READ, datasets)
    return {bytes(key): from_micros(at) for key, at in rows}
