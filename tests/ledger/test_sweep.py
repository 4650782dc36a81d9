"""A sweep gives the same answers in the same order, on threads and on a Ray cluster."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import InvalidInputError, SettingsError, StorageUnavailableError
from registry.ledger.check import BoundBatch, BoundMap, check_batches
from registry.ledger.rowmap import RowMap
from registry.ledger.sweep import Engine, LedgerPlace, Store, Sweep
from registry.settings import load_settings
from tests.ledger import rows
from tests.ledger.ray_cluster import two_nodes

pytestmark = pytest.mark.xdist_group("ray")
BATCHES = 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with two_nodes():
        yield


@pytest.fixture(params=["threads", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine, one after the other."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    engine: Engine = request.param
    return engine


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> LedgerPlace:
    """A ledger with some batches of as many examples as their number, and a map."""
    place = LedgerPlace(str(tmp_path_factory.mktemp("ledger")))
    store = Store(place)
    for number in range(1, 8):
        store.index.append(rows.examples(number, number))
    store.objects.put("maps/whole", RowMap.slice(2, 5, 9).to_bytes())
    store.objects.put("maps/torn", b"no map")
    return place


@pytest.fixture
def sweep(place: LedgerPlace, engine: Engine) -> Sweep:
    return Sweep(place, engine, Store(place))


def square(_store: Store, part: int) -> int:
    return part * part


def refuse(_store: Store, part: int) -> int:
    if part % 10 == 7:
        raise InvalidInputError(f"Part {part} is refused.", remedy="Leave it out.", path="part")
    return part


def process(_store: Store, _part: int) -> int:
    return os.getpid()


def test_answers_come_in_the_order_of_the_parts(sweep: Sweep) -> None:
    assert list(sweep.each(square, range(BATCHES))) == [n * n for n in range(BATCHES)]
    assert list(sweep.each(square, [])) == []


def test_the_first_error_in_order_ends_it_and_stays_what_it_was(sweep: Sweep) -> None:
    seen: list[int] = []
    with pytest.raises(InvalidInputError) as refused:
        seen.extend(sweep.each(refuse, range(BATCHES)))
    assert seen == list(range(7))
    assert (refused.value.detail, refused.value.path) == ("Part 7 is refused.", "part")
    assert refused.value.remedy == "Leave it out."


def test_parts_are_taken_as_there_is_room(sweep: Sweep) -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(10_000):
            taken.append(part)
            yield part

    answers = sweep.each(square, parts())
    assert [next(answers) for _ in range(3)] == [0, 1, 4]
    answers.close()  # type: ignore[attr-defined]  # a generator
    assert len(taken) < 1_000


def test_the_work_of_a_cluster_is_done_by_its_processes(place: LedgerPlace, cluster: None) -> None:
    import ray

    sweep = Sweep(place, "ray", Store(place))
    assert os.getpid() not in set(sweep.each(process, range(20)))
    assert sum(node["Alive"] for node in ray.nodes()) == 2


def test_a_check_finds_the_same_faults_on_both(sweep: Sweep) -> None:
    whole = [BoundBatch(number, number, ()) for number in range(1, 8)]
    assert list(sweep.each(check_batches, [tuple(whole)])) == [((), ())]
    maps = (
        BoundMap(0, "maps/whole", 3, 9),
        BoundMap(1, "maps/whole", 4, 9),
        BoundMap(2, "maps/gone", 3, 9),
        BoundMap(3, "maps/torn", 3, 9),
    )
    parts = [(BoundBatch(3, 4, ()), BoundBatch(5, 0, ())), (BoundBatch(9, 1, maps),)]
    (first, nothing), (second, of_maps) = sweep.each(check_batches, parts)
    assert first == (
        "batch 3 is bound with 4 examples, and the index holds 3",
        "batch 5 is bound with 0 examples, and the index holds 5",
    )
    assert (nothing, len(second), len(of_maps)) == ((), 1, 3)
    assert of_maps[0] == "map 1 of batch 9 is bound with 4 rows of 9, and its object has 3 of 9"
    assert of_maps[1] == "map 2 of batch 9 is gone: maps/gone"
    assert of_maps[2].startswith("map 3 of batch 9 cannot be read: ")


def test_threads_leave_nothing_behind(place: LedgerPlace) -> None:
    sweep = Sweep(place, "threads", Store(place))
    answers = sweep.each(square, range(1_000))
    assert next(answers) == 0
    answers.close()  # type: ignore[attr-defined]  # a generator
    left = [thread.name for thread in threading.enumerate() if "sweep" in thread.name]
    assert left == []


def test_ray_that_is_not_installed_is_said_at_the_start(
    place: LedgerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match="Ray is not installed") as refused:
        Sweep(place, "ray", Store(place))
    assert "lineage-registry[ray]" in refused.value.remedy


def test_another_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'spark'; threads and ray are known"):
        load_settings({"REGISTRY_SWEEP_ENGINE": "spark", "REGISTRY_HOME": str(tmp_path)})


@pytest.mark.parametrize("kind", [InvalidInputError, StorageUnavailableError])
def test_errors_travel_between_processes(kind: type[InvalidInputError]) -> None:
    there = pickle.loads(pickle.dumps(kind("What.", remedy="How.", path="$.x")))
    assert (type(there), there.detail, there.remedy, there.path) == (kind, "What.", "How.", "$.x")
