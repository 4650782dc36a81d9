"""Plans how a batch is bound: which object, which maps, from which batches; or what it waits for.

Rules (DESIGN §1.5, §2, §5):
1. Every input of a map is a bound batch, so a map can never be part of a cycle; batches that wait
   for each other are a failure (`cycles`).
2. A batch name stands for the batch of the same run, else of the version that the run read, else
   the latest that was there before. A version stands for its members in membership order.
3. What is not there yet is waited for, by name; what can never fit is a failure that says why.
4. Objects of another project do not count: they are waited for like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.tables import NameOwner
from registry.catalog.version_tables import Batch, BatchFile, BatchMap, BatchNumber, RunRead
from registry.ledger.cycles import find_cycle
from registry.ledger.tables import BatchBinding, BindingState, LedgerObject, ObjectKind
from registry.storage.bulk import select_by_ids
from registry.storage.columns import table_of

_batch, _number, _file = table_of(Batch), table_of(BatchNumber), table_of(BatchFile)
_map, _binding, _object = table_of(BatchMap), table_of(BatchBinding), table_of(LedgerObject)
_owner, _read = table_of(NameOwner), table_of(RunRead)


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An uploaded object that a batch may be bound to.

    `turned_away`: the ordinals of it that are gone already, as `Holes` has them; None for none.
    """

    id: str
    kind: ObjectKind
    rows: int
    subjects: int
    turned_away: bytes | None = None


@dataclass(frozen=True, slots=True)
class PlannedMap:
    """A map to be bound: an object or an inline map (JSON), and its inputs (number, rows)."""

    position: int
    role: str
    score: float | None
    method: str | None
    source: FoundObject | str
    inputs: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Rows of all inputs together."""
        return sum(rows for _, rows in self.inputs)


@dataclass(frozen=True, slots=True)
class BindPlan:
    """Everything that a batch is made of. `rows` is None where nothing says how many."""

    number: int
    examples: FoundObject | None
    maps: tuple[PlannedMap, ...]
    rows: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not there yet. `object` and `url`: the batch's examples, where they lie at a URL."""

    number: int
    awaited: tuple[str, ...]
    object: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Impossible:
    """Why a batch can never be bound as it was said."""

    number: int
    detail: str


def awaited_object(digest: str) -> str:
    """How a wait for an uploaded object is written."""
    return f"object:{digest}"


def awaited_batch(number: int) -> str:
    """How a wait for a batch that is known and not bound is written."""
    return f"batch:{number}"


def awaited_name(dataset_id: bytes, name: str) -> str:
    """How a wait for a batch that nobody has named yet is written."""
    return f"name:{dataset_id.hex()}:{name}"


def awaited_version(dataset_id: bytes, version: int) -> str:
    """How a wait for a version is written."""
    return f"version:{dataset_id.hex()}:{version}"


def plan_binding(
    session: Session, number: int, *, match: Callable[[str], bytes]
) -> BindPlan | Waiting | Impossible | None:
    """How to bind a batch; None where there is no such batch in the catalog (any more).

    `match` gives the keyed digest under which an object named by its plain digest is kept.
    """
    batch = session.execute(select(_batch).where(_batch.c.number == number)).one_or_none()
    if batch is None:
        return None
    return _Planner(session, batch, match).plan()


class _Planner:
    def __init__(self, session: Session, batch: Any, match: Callable[[str], bytes]) -> None:
        self._session = session
        self._batch = batch
        self._match = match
        self._awaited: list[str] = []

    def plan(self) -> BindPlan | Waiting | Impossible:
        batch = self._batch
        examples: FoundObject | None = None
        if batch.examples_object is not None:
            examples = self._object(batch.examples_object, (ObjectKind.EXAMPLES,))
        maps = [self._map(row) for row in self._map_rows()]
        for planned in maps:
            if planned is not None and any(n == batch.number for n, _ in planned.inputs):
                detail = f"Map {planned.position} names the batch itself as its input."
                return Impossible(batch.number, detail)
        ring = find_cycle(self._session, batch.number, self._awaited)
        if ring is not None:
            detail = f"Batch {batch.name} comes from itself: {' from '.join(ring)}."
            return Impossible(batch.number, detail)
        if self._awaited:
            awaited = tuple(dict.fromkeys(self._awaited))
            return Waiting(batch.number, awaited, batch.examples_object or "", batch.examples_url)
        known = tuple(planned for planned in maps if planned is not None)
        rows = self._rows(examples)
        if isinstance(rows, str):
            return Impossible(batch.number, rows)
        return BindPlan(batch.number, examples, known, rows)

    def _map_rows(self) -> list[Any]:
        batch = self._batch
        query = (
            select(_map)
            .where(
                _map.c.dataset_id == batch.dataset_id,
                _map.c.run_id == batch.run_id,
                _map.c.batch_name == batch.name,
            )
            .order_by(_map.c.position)
        )
        return list(self._session.execute(query).all())

    def _object(self, digest: str, kinds: tuple[ObjectKind, ...]) -> FoundObject | None:
        """An object of the dataset's project; remembers the wait where there is none."""
        project = (
            select(_owner.c.project_id)
            .where(_owner.c.entity_id == self._batch.dataset_id)
            .scalar_subquery()
        )
        row = self._session.execute(
            select(_object)
            .where(_object.c.match == self._match(digest), _object.c.project_id == project)
            .where(_object.c.kind.in_([kind.value for kind in kinds]))
            .order_by(_object.c.created_at)
            .limit(1)
        ).one_or_none()
        if row is None:
            self._awaited.append(awaited_object(digest))
            return None
        kind = ObjectKind(row.kind)
        return FoundObject(row.id, kind, row.rows, row.subjects, row.turned_away)

    def _map(self, row: Any) -> PlannedMap | None:
        inputs: list[tuple[int, int]] = []
        for item in msgspec.json.decode(row.inputs):
            dataset_id = bytes.fromhex(item["dataset"])
            if item["batch"] is not None:
                numbers = self._by_name(dataset_id, item["batch"])
            else:
                numbers = self._by_version(dataset_id, item["version"])
            inputs += self._bound(numbers)
        source: FoundObject | str | None = row.inline
        if row.map_object is not None:
            source = self._object(row.map_object, (ObjectKind.ROW_MAP, ObjectKind.PARENTS))
        if source is None:
            return None
        return PlannedMap(row.position, row.role, row.score, row.method, source, tuple(inputs))

    def _by_name(self, dataset_id: bytes, name: str) -> list[int]:
        batch = self._batch
        found = self._session.execute(
            select(_batch.c.number, _batch.c.run_id, _batch.c.effective_at)
            .where(_batch.c.dataset_id == dataset_id, _batch.c.name == name)
            .order_by(_batch.c.effective_at, _batch.c.number)
        ).all()
        if not found:
            self._awaited.append(awaited_name(dataset_id, name))
            return []
        if len(found) == 1:
            return [found[0].number]
        own = [row.number for row in found if row.run_id == batch.run_id]
        if own:
            return own[-1:]
        members = set(self._members_read(dataset_id))
        read = [row.number for row in found if row.number in members]
        if read:
            return read[-1:]
        before = [row.number for row in found if row.effective_at <= batch.effective_at]
        return before[-1:] or [found[0].number]

    def _members_read(self, dataset_id: bytes) -> list[int]:
        version = self._session.execute(
            select(_read.c.number).where(
                _read.c.run_id == self._batch.run_id, _read.c.dataset_id == dataset_id
            )
        ).scalar_one_or_none()
        return [] if version is None else (members_of(self._session, dataset_id, version) or [])

    def _by_version(self, dataset_id: bytes, version: int) -> list[int]:
        members = members_of(self._session, dataset_id, version)
        if members is None:
            self._awaited.append(awaited_version(dataset_id, version))
            return []
        return members

    def _bound(self, numbers: list[int]) -> list[tuple[int, int]]:
        if not numbers:
            return []
        found = {
            row.number: row.rows
            for row in self._session.execute(
                select(_binding.c.number, _binding.c.rows).where(
                    _binding.c.number.in_(numbers),
                    _binding.c.state == BindingState.BOUND,
                    _binding.c.rows.is_not(None),
                )
            )
        }
        self._awaited += [
            awaited_batch(number)
            for number in numbers
            if number not in found and number != self._batch.number
        ]
        return [(number, found.get(number, 0)) for number in numbers]

    def _rows(self, examples: FoundObject | None) -> int | str | None:
        """How many rows the batch has, or why what is said of it does not agree."""
        batch = self._batch
        said: list[tuple[str, int]] = []
        if examples is not None:
            said.append(("its examples object", examples.rows))
        if batch.example_count is not None:
            said.append(("exampleCount", batch.example_count))
        counts = [
            row.rows
            for row in self._session.execute(
                select(_file.c.rows).where(
                    _file.c.dataset_id == batch.dataset_id,
                    _file.c.run_id == batch.run_id,
                    _file.c.batch_name == batch.name,
                )
            )
        ]
        if counts and None not in counts:
            said.append(("its files", sum(counts)))
        for what, rows in said[1:]:
            if rows != said[0][1]:
                return f"{said[0][0]} says {said[0][1]} rows, and {what} {rows}."
        return said[0][1] if said else None


def members_of(session: Session, dataset_id: bytes, version: int) -> list[int] | None:
    """The batch numbers of a version in membership order; None where there is no such version."""
    rows = select_by_ids(
        session,
        "SELECT vb.batch_number, vb.change FROM {ids} AS wanted "
        "JOIN dataset_version v ON v.dataset_id = wanted.id AND v.number = :version "
        "LEFT JOIN dataset_version w ON w.dataset_id = v.dataset_id AND w.line = v.line "
        "AND w.number <= v.number "
        "LEFT JOIN version_batch vb ON vb.dataset_id = w.dataset_id AND vb.number = w.number "
        "ORDER BY w.number, vb.batch_number",
        [dataset_id],
        version=version,
    )
    if not rows:
        return None
    members: dict[int, None] = {}
    for batch_number, change in rows:
        if change == "added":
            members[batch_number] = None
        elif change == "removed":
            members.pop(batch_number, None)
    return list(members)
