"""Runs one function over many batches, on threads of this process or on a Ray cluster.

Rules (DESIGN §2, "sweep"):
1. The function is pure but for reading: what it is given (a store and a part) decides what it
   answers. So both engines give the same answers, and they come in the order of the parts.
2. Parts are taken from their iterable as there is room for them, so that a sweep over many batches
   holds few of them at a time.
3. The first error in the order of the parts ends the sweep, and what has not begun is not begun.
4. A Ray worker opens the ledger itself, with the credentials of its own environment; only places
   and parts travel. Every node reaches the ledger, and the file roots, under the same names.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from registry.errors import SettingsError, UnavailableError
from registry.storage.objects import Objects, options_for

if TYPE_CHECKING:
    from registry.ledger.index import ExampleIndex

Part = TypeVar("Part")
Answer = TypeVar("Answer")
Engine = Literal["threads", "ray"]

_LEAST_THREADS = 4
_WAITING_FOR_EACH = 4
_KEPT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """Where a ledger lies: its URL, and options of its store such as an endpoint, no secrets."""

    url: str
    options: tuple[tuple[str, str], ...] = ()

    @property
    def storage_options(self) -> Mapping[str, str]:
        """The options as the store of this URL takes them."""
        return options_for(self.url, dict(self.options))


class Store:
    """What a sweep may read of a ledger. Thread-safe."""

    def __init__(self, place: LedgerPlace) -> None:
        """Nothing is read yet."""
        self._place = place
        self._opening = threading.Lock()
        self._index: ExampleIndex | None = None
        self._kept: OrderedDict[str, tuple[object, Any, int]] = OrderedDict()
        self.objects = Objects(place.url, place.storage_options)

    @property
    def index(self) -> ExampleIndex:
        """The index, opened by who asks for it first: Lance takes most of a second to load."""
        with self._opening:
            if self._index is None:
                from registry.ledger.index import ExampleIndex

                url = f"{self._place.url.rstrip('/')}/index"
                self._index = ExampleIndex(url, self._place.storage_options)
            return self._index

    def index_versions(self) -> tuple[int, int] | None:
        """The latest versions of the index's tables; None while nobody here opened the index.

        Cost: 0.1 ms on a folder, two requests on a bucket.
        """
        with self._opening:
            index = self._index
        if index is None:
            return None
        examples = index.examples.ask(lambda dataset: int(dataset.version), 0)
        return examples, index.subjects.ask(lambda dataset: int(dataset.version), 0)

    def remembered(self, name: str, mark: object, make: Callable[[], tuple[Answer, int]]) -> Answer:
        """What `make` gave for this name and mark, made anew where the mark is another.

        `make` gives the answer and how many bytes it takes; the least recently used go first. Two
        threads may make the same at once, and one of both stays.
        """
        with self._opening:
            kept = self._kept.get(name)
            if kept is not None and kept[0] == mark:
                self._kept.move_to_end(name)
                return cast("Answer", kept[1])
        answer, size = make()
        with self._opening:
            self._kept[name] = (mark, answer, size)
            self._kept.move_to_end(name)
            while sum(each[2] for each in self._kept.values()) > _KEPT_BYTES:
                self._kept.popitem(last=False)
        return answer


class Sweep:
    """Where sweeps over one ledger run. Thread-safe."""

    def __init__(self, place: LedgerPlace, engine: Engine, store: Store) -> None:
        """`store`: the ledger as this process has it open, for the threads.

        Raises SettingsError where the engine is Ray and Ray is not installed.
        """
        if engine == "ray" and not _has_ray():
            raise SettingsError(
                "REGISTRY_SWEEP_ENGINE is ray, and Ray is not installed here.",
                remedy="Install lineage-registry[ray], or set it to threads.",
            )
        self.engine = engine
        self._place = place
        self._store = store

    def each(
        self, work: Callable[[Store, Part], Answer], parts: Iterable[Part]
    ) -> Iterator[Answer]:
        """What `work` answers for each part, in their order.

        `work` is a function of a module, so that it can travel. Raises what it raises (rule 3), and
        UnavailableError where the cluster does not do the work.
        """
        if self.engine == "ray":
            return _on_ray(self._place, work, parts)
        return _on_threads(self._store, work, parts)


def _has_ray() -> bool:
    try:
        return find_spec("ray") is not None
    except (ImportError, ValueError):
        return False


def _on_threads(
    store: Store, work: Callable[[Store, Part], Answer], parts: Iterable[Part]
) -> Iterator[Answer]:
    threads = max(_LEAST_THREADS, os.cpu_count() or 1)
    begun: deque[Future[Answer]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="registry-sweep")
    try:
        for part in parts:
            begun.append(pool.submit(work, store, part))
            if len(begun) >= threads * _WAITING_FOR_EACH:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@lru_cache(maxsize=4)
def _store_of_worker(place: LedgerPlace) -> Store:
    """The ledger as a process of the cluster has it open; only there is anything kept."""
    return Store(place)


def _work_on_ray(work: Callable[[Store, Any], Answer], place: LedgerPlace, part: object) -> Answer:
    return work(_store_of_worker(place), part)


def _on_ray(
    place: LedgerPlace, work: Callable[[Store, Part], Answer], parts: Iterable[Part]
) -> Iterator[Answer]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        if not ray.is_initialized():
            # The cluster that RAY_ADDRESS names, else one of this machine's own.
            ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
        remote = ray.remote(num_cpus=1)(_work_on_ray)
        most = max(_LEAST_THREADS, int(ray.cluster_resources().get("CPU", 1))) * _WAITING_FOR_EACH
    except (RayError, ConnectionError, RuntimeError, ValueError) as error:
        raise _without_cluster(error) from error
    begun: deque[Any] = deque()
    try:
        for part in parts:
            begun.append(remote.remote(work, place, part))
            if len(begun) >= most:
                yield ray.get(begun.popleft())
        while begun:
            yield ray.get(begun.popleft())
    except RayTaskError as error:
        raise error.cause from error
    except RayError as error:
        raise _without_cluster(error) from error
    finally:
        for reference in begun:
            ray.cancel(reference)


def _without_cluster(error: Exception) -> UnavailableError:
    first = str(error).strip().partition("\n")[0][:200].rstrip(".")
    return UnavailableError(
        f"The Ray cluster did not do the work: {first}.",
        remedy="Look at the cluster that RAY_ADDRESS names, or set REGISTRY_SWEEP_ENGINE=threads.",
    )
