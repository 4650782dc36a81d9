"""Two workers at one batch, in one process or in two, bind it once."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.queues import Queue
from typing import Any

import pytest
from sqlmodel import Session

from registry.app import check_everything, close_house, open_house
from registry.client.http import HttpClient
from registry.errors import StorageUnavailableError
from registry.ledger.record import bind_batch
from registry.ledger.tables import BindingState
from registry.request import House
from registry.settings import Settings
from tests.ledger.test_binding_faults import (
    ROWS,
    Breaking,
    altered,
    bind,
    check_once,
    numbers,
    source,
)

BATCHES = 6
PATIENCE_SECONDS = 120


class LostError(RuntimeError):
    """The lease was lost."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Who waits for another worker's turn gives up soon."""
    return replace(settings, lock_timeout_seconds=0.5)


def bind_all(settings: Settings, wanted: list[int], reports: Queue[str]) -> None:
    """The main function of a process: binds every batch, waiting for the other one's turn."""
    house = open_house(settings)
    try:
        for number in wanted:
            for _ in range(100):
                try:
                    bind(house, number)
                    break
                except StorageUnavailableError:
                    continue
        reports.put("done")
    except Exception as error:
        reports.put(f"{type(error).__name__}: {error}")
        raise
    finally:
        close_house(house)


def test_two_processes_bind_the_same_batches_once(house: House, admin: HttpClient) -> None:
    for at in range(BATCHES):
        source(admin, f"b{at}", at + 1)
    wanted = sorted(numbers(house).values())
    context = multiprocessing.get_context("spawn")
    reports: Queue[str] = context.Queue()
    others = [
        context.Process(target=bind_all, args=(house.settings, wanted, reports)) for _ in range(2)
    ]
    for other in others:
        other.start()
    said = [reports.get(timeout=PATIENCE_SECONDS) for _ in others]
    for other in others:
        other.join(PATIENCE_SECONDS)
    assert said == ["done", "done"]
    for number in wanted:
        check_once(house, number, ROWS, 0)
    assert [each for each in check_everything(house.settings) if each.problems] == []


def test_a_worker_that_lost_its_lease_and_goes_on_does_no_harm(
    house: House, admin: HttpClient
) -> None:
    source(admin, "slow", 1)
    number = numbers(house)["slow"]
    begun, go_on = threading.Event(), threading.Event()
    fate: list[str] = []

    class Slow:
        def take(self, _name: str, work: Callable[..., Any], *given: Any) -> Any:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)
            return work(*given)

    def lose(_work: Callable[[Session], None]) -> None:
        raise LostError

    def work() -> None:
        index: Any = Breaking(house.ledger.index, Slow(), "append")  # type: ignore[arg-type]
        try:
            bind_batch(
                altered(house.ledger, index=index),
                house.database,
                number,
                turns=house.turns,
                now=house.clock(),
                conclude=lose,
            )
        except LostError:
            fate.append("lost")

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    with pytest.raises(StorageUnavailableError):
        bind(house, number)
    go_on.set()
    thread.join(PATIENCE_SECONDS)
    assert fate == ["lost"]
    assert house.ledger.index.count(number) == ROWS
    assert bind(house, number) is BindingState.BOUND
    check_once(house, number, ROWS, 0)
