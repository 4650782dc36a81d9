"""A binding that breaks at any step leaves nothing half, and done again nothing twice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import func, select
from sqlmodel import Session

from registry.app import check_everything
from registry.catalog.version_tables import Batch
from registry.client.http import HttpClient
from registry.errors import NotFoundError
from registry.ledger.find import Question, find_addresses
from registry.ledger.opened import Ledger
from registry.ledger.record import bind_batch
from registry.ledger.rowmap import RowMap
from registry.ledger.tables import BatchBinding, BindingState, MapBinding
from registry.request import House
from registry.storage.columns import table_of
from tests.ledger.pipelines import NAMESPACE, PARQUET, digest_of, mapped, parquet, written

_batch, _binding, _map = table_of(Batch), table_of(BatchBinding), table_of(MapBinding)
ROWS = 7


class BrokenError(RuntimeError):
    """What the step that was to break raises."""


@dataclass
class Breaker:
    """Breaks one step of many, before it or after it was done; `step` 0 breaks none."""

    step: int = 0
    kept: bool = False
    steps: list[str] = field(default_factory=list)

    def take(self, name: str, work: Callable[..., Any], *given: Any) -> Any:
        self.steps.append(name)
        is_broken = len(self.steps) == self.step
        if is_broken and not self.kept:
            raise BrokenError(name)
        answer = work(*given)
        if is_broken:
            raise BrokenError(name)
        return answer


class Breaking:
    """An object some of whose methods go through a breaker; all else is its own."""

    def __init__(self, inner: object, breaker: Breaker, *names: str) -> None:
        self._inner, self._breaker, self._names = inner, breaker, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found
        return lambda *given: self._breaker.take(name, found, *given)


def altered(ledger: Ledger, **parts: object) -> Ledger:
    """The same ledger with some of its parts replaced."""
    other = copy.copy(ledger)
    other.__dict__.update(parts)
    return other


def broken(ledger: Ledger, breaker: Breaker) -> Ledger:
    index: Any = Breaking(ledger.index, breaker, "clear_batch", "append", "append_subjects")
    objects: Any = Breaking(ledger.objects, breaker, "put")
    return altered(ledger, index=index, objects=objects)


def bind(house: House, number: int, breaker: Breaker | None = None) -> BindingState | None:
    """Bind as a worker does, with the last transaction as one more step."""
    breaker = breaker or Breaker()

    def conclude(work: Callable[[Session], None]) -> None:
        breaker.take("conclude", house.database.transact, work)

    return bind_batch(
        broken(house.ledger, breaker),
        house.database,
        number,
        turns=house.turns,
        now=house.clock(),
        conclude=conclude,
    )


def put(client: HttpClient, data: bytes, kind: str) -> str:
    digest = digest_of(data)
    path = f"/api/v1/ledger/objects/{digest.removeprefix('sha256:')}"
    headers = {"Content-Type": PARQUET}
    client.request("PUT", path, params={"kind": kind}, content=data, headers=headers)
    return digest


def examples(name: str) -> bytes:
    people = [[{"scheme": "email", "value": f"{name}{row % 3}@example.org"}] for row in range(ROWS)]
    ids = [f"{name}-{row}" for row in range(ROWS)]
    return parquet(pa.table({"example_id": ids, "subjects": people}))


def send(client: HttpClient, job: str, output: dict[str, Any], number: int) -> None:
    client.post(
        "/api/v1/lineage",
        {
            "eventType": "COMPLETE",
            "eventTime": f"2026-02-01T{number // 60:02}:{number % 60:02}:00Z",
            "producer": "https://example.org/tests",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": f"0190a0f0-0000-7000-8000-00000000{number:04}"},
            "job": {"namespace": "tests", "name": job},
            "outputs": [output],
        },
    )


def numbers(house: House) -> dict[str, int]:
    with house.database.read() as session:
        rows = session.execute(select(_batch.c.name, _batch.c.number))
        return {row.name: row.number for row in rows}


def source(client: HttpClient, name: str, at: int) -> None:
    """Report a batch of examples with ids and subjects."""
    digest = put(client, examples(name), "examples")
    send(client, f"collect {name}", written(f"raw {name}", name, examples=digest), at)


def derived(client: HttpClient, name: str, parent: str, at: int) -> None:
    """Report a batch with an inline map, and one by the ids of parents."""
    ids = [[f"{parent}-{row}"] for row in (4, 2, 0)]
    data = parquet(pa.table({"example_id": ["a", "b", "c"], "parent_ids": ids}))
    parents = put(client, data, "parents")
    inline = {"form": "take", "parents": [4, 2, 0], "size": ROWS}
    inputs = [(f"raw {parent}", parent)]
    maps = [mapped(inputs, inline), mapped(inputs, parents, "labelled")]
    send(client, f"derive {name}", written(f"out {name}", name, maps=maps), at)


def check_once(house: House, number: int, rows: int, maps: int) -> None:
    """Hold a bound batch to being there once: its row, its examples, subjects and maps."""
    with house.database.read() as session:
        state = session.execute(
            select(_binding.c.state, _binding.c.rows).where(_binding.c.number == number)
        ).one()
        bound = session.execute(
            select(func.count()).select_from(_map).where(_map.c.number == number)
        ).scalar_one()
    assert (state.state, bound) == ("bound", maps)
    assert house.ledger.index.count(number) == rows
    subjects = sum(part.num_rows for part in house.ledger.index.scan_subjects(number))
    assert subjects == rows


def steps_of(house: House, number: int) -> list[str]:
    """The steps of binding a batch that breaks nowhere."""
    breaker = Breaker()
    assert bind(house, number, breaker) is BindingState.BOUND
    return breaker.steps


def is_found(house: House, name: str) -> bool:
    with house.database.read() as session:
        question = Question(NAMESPACE, f"raw {name}", None, example_id=f"{name}-3")
        try:
            return len(find_addresses(session, house.ledger, question)) == 1
        except NotFoundError:
            return False


def every_break(steps: list[str]) -> Iterator[tuple[str, Breaker]]:
    for step, what in enumerate(steps, 1):
        for kept in (False, True):
            yield f"{what}{step}{'kept' if kept else 'lost'}", Breaker(step, kept)


def test_a_binding_of_examples_may_break_at_every_step(house: House, admin: HttpClient) -> None:
    source(admin, "whole", 1)
    steps = steps_of(house, numbers(house)["whole"])
    assert steps == ["clear_batch", "append", "append_subjects", "conclude"]
    for at, (name, breaker) in enumerate(every_break(steps), 2):
        source(admin, name, at)
        number = numbers(house)[name]
        with pytest.raises(BrokenError):
            bind(house, number, breaker)
        # Nothing of it counts before it is bound, and then all of it does.
        assert is_found(house, name) is (name == "conclude4kept")
        assert bind(house, number) is BindingState.BOUND
        check_once(house, number, ROWS, 0)
        assert is_found(house, name)
    assert [each for each in check_everything(house.settings) if each.problems] == []


def test_a_binding_of_maps_may_break_at_every_step(house: House, admin: HttpClient) -> None:
    source(admin, "parent", 1)
    bind(house, numbers(house)["parent"])
    derived(admin, "whole", "parent", 2)
    steps = steps_of(house, numbers(house)["whole"])
    assert steps == ["put", "put", "clear_batch", "conclude"]
    for at, (name, breaker) in enumerate(every_break(steps), 3):
        derived(admin, name, "parent", at)
        number = numbers(house)[name]
        with pytest.raises(BrokenError):
            bind(house, number, breaker)
        assert bind(house, number) is BindingState.BOUND
        check_once(house, number, 0, 2)
        with house.database.read() as session:
            node = house.ledger.graph.node(session, number)
        expected = RowMap.take([4, 2, 0], ROWS)
        for part in node.maps:
            found = house.ledger.graph.open_map(part).read()
            assert [found.parents_of(row).tolist() for row in range(3)] == [
                expected.parents_of(row).tolist() for row in range(3)
            ]
    assert [each for each in check_everything(house.settings) if each.problems] == []


def test_rows_that_a_broken_binding_left_are_of_no_object_that_comes_later(
    house: House, admin: HttpClient
) -> None:
    source(admin, "first", 1)
    number = numbers(house)["first"]
    with pytest.raises(BrokenError):
        bind(house, number, Breaker(3, kept=True))
    assert house.ledger.index.count(number) == ROWS
    # A later event says another, smaller object before the batch was bound.
    smaller = put(admin, parquet(pa.table({"example_id": ["one", "two"]})), "examples")
    output = written("raw first", "first", examples=smaller)
    event = {"job": "collect first", "output": output}
    send(admin, event["job"], event["output"], 1)
    assert bind(house, number) is BindingState.BOUND
    with house.database.read() as session:
        rows = session.execute(
            select(_binding.c.rows).where(_binding.c.number == number)
        ).scalar_one()
    assert house.ledger.index.count(number) == rows
