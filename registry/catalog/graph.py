"""Walks lineage from a dataset or job, level by level, and gives the graph it met.

Rules:
1. Upstream is everything that flowed into the start, downstream everything it flowed into; both is
   the union of the two, so that what merely shares a source is not in it.
2. One level is one job on the way. A job stands in the graph with the inputs and outputs that are
   on the way, not with all it ever touched.
3. A job passes on what its statements say (`registry.catalog.flows`); so the walk goes from dataset
   to dataset, and to a job itself only where data was said to flow into or out of it.
4. The number of queries follows the depth alone. Names of one dataset are one node.
5. The answer is whole, or says whether depth or size cut it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from sqlmodel import Session

from registry.catalog import flows
from registry.catalog.aliases import Aliases
from registry.catalog.flows import Past, Product, Statement

DEFAULT_DEPTH = 20
MAX_DEPTH = 1_000
DEFAULT_SIZE = 10_000
MAX_SIZE = 100_000

#: (origin, destination), by dataset and job ids.
Pair: TypeAlias = "tuple[bytes, bytes]"


class Way(StrEnum):
    """Which way a graph is read."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


class CutBy(StrEnum):
    """What kept a graph from being whole."""

    DEPTH = "depth"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Shape:
    """The nodes and edges of a graph, by id; `cut` is None where it is whole."""

    datasets: Set[bytes]
    jobs: Set[bytes]
    edges: Set[Pair]
    cut: CutBy | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where lineage is read from: a dataset, a job, or one `run` of the `job`."""

    dataset: bytes | None = None
    job: bytes | None = None
    run: bytes | None = None


@dataclass(slots=True)
class _Picture:
    """What was met so far. Grows to `size` nodes; what does not fit is left out."""

    size: int
    datasets: set[bytes] = field(default_factory=set)
    jobs: set[bytes] = field(default_factory=set)
    edges: set[Pair] = field(default_factory=set)
    full: bool = False

    def admit(self, nodes: set[bytes], node: bytes) -> bool:
        """Take a node in; false where there is no room left for it."""
        if node in nodes:
            return True
        if len(self.datasets) + len(self.jobs) >= self.size:
            self.full = True
            return False
        nodes.add(node)
        return True


@dataclass(slots=True)
class _Front:
    """Where a walk stands: datasets, jobs as a whole, and jobs for what flows into them.

    The two kinds of jobs differ: data that is said to flow into a job goes on to the outputs of
    which it said nothing, while a job as a whole stands for everything it read.
    """

    datasets: set[bytes] = field(default_factory=set)
    whole: set[bytes] = field(default_factory=set)
    absorbing: set[bytes] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.datasets or self.whole or self.absorbing)

    def without(self, seen: _Front) -> _Front:
        """What of this was not seen yet; it is seen from now on."""
        fresh = _Front(
            self.datasets - seen.datasets,
            self.whole - seen.whole,
            self.absorbing - seen.absorbing,
        )
        seen.datasets |= fresh.datasets
        seen.whole |= fresh.whole
        seen.absorbing |= fresh.absorbing
        return fresh


class _Walk:
    """A walk in one direction. `step` goes one level on."""

    def __init__(
        self, session: Session, aliases: Aliases, picture: _Picture, past: Past | None, *, up: bool
    ) -> None:
        self._session, self._aliases, self._picture = session, aliases, picture
        self._past, self._up = past, up
        self._first: bytes | None = None
        self._seen, self.front = _Front(), _Front()

    def start(self, start: Start) -> None:
        """Begin at a dataset, given by the id it goes by, or at a job or one of its runs."""
        if start.run is not None and start.job is not None:
            products = flows.flows_of_run(self._session, start.run, into=self._up)
            self._aliases.learn({end for row in products for end in (row[0], row[2]) if end})
            begin = _Front()
            self._take_products(products, begin)
            (begin.absorbing if self._up else begin.whole).add(start.job)
        else:
            begin = _Front({start.dataset} if start.dataset else set())
            begin.whole |= {start.job} if start.job else set()
            self._first = start.job
        self.front = begin.without(self._seen)

    def step(self) -> None:
        """Take in everything one level on, and stand there."""
        products, statements = self._ask()
        reached = _Front()
        room = self._picture.size - len(self._picture.datasets) - len(self._picture.jobs)
        if 2 * len(products) > room:  # what is left out must not depend on the database
            products.sort(key=lambda row: (row[1], row[0] or b"", row[2] or b""))
        self._take_products(products, reached)
        self._take_statements(statements, reached)
        self.front = reached.without(self._seen)

    def leads_on(self) -> bool:
        """Whether there is anything on the next level that is not in the picture."""
        if not self.front:
            return False
        products, statements = self._ask()
        edges = self._picture.edges
        name = self._aliases.canonical
        for target, job, source in products:
            if target is not None and (job, name.get(target, target)) not in edges:
                return True
            if source is not None and (name.get(source, source), job) not in edges:
                return True
        said = (pair for one in statements for pair in self._pairs(one))
        return any((origin, end) not in edges for origin, _, end, _ in said)

    def _ask(self) -> tuple[list[Product], list[Statement]]:
        """The flows on the next level, with the names of their datasets learnt."""
        session, past, front = self._session, self._past, self.front
        datasets = self._aliases.members(front.datasets)
        jobs = list(front.whole | front.absorbing)
        if self._up:
            products = flows.product_into(session, datasets, past)
            products += flows.inputs_of(session, list(front.whole), past)
            statements = flows.stated_into(session, datasets + jobs, past)
            far = {source for _, _, source in products if source is not None}
        else:
            products = flows.product_out_of(session, datasets, past)
            products += self._outputs()
            said = flows.stated_out_of(session, datasets + list(front.whole), past)
            # What a job made of nothing but itself is downstream of the job alone.
            statements = [one for one in said if not _own(one) or one.job == self._first]
            far = {target for target, _, _ in products if target is not None}
        far |= {one.target for one in statements if not one.target_is_job}
        far |= {one.source for one in statements if one.source and not one.source_is_job}
        self._aliases.learn(far)
        return products, statements

    def _outputs(self) -> list[Product]:
        """What the jobs in front wrote: the first job all, others what they gave no source for."""
        session, past, front = self._session, self._past, self.front
        found = flows.outputs_of(session, list(front.absorbing), past, unstated_only=True)
        if self._first is not None and self._first in front.whole:
            found += flows.outputs_of(session, [self._first], past, unstated_only=False)
        return found

    def _take_products(self, products: Iterable[Product], reached: _Front) -> None:
        """Draw the products, and put their far ends in front.

        This loop is most of a large graph: rows of one job and target come one after the other,
        and what is the same for all of them is done once.
        """
        picture, name, up = self._picture, self._aliases.canonical, self._up
        datasets, edges = picture.datasets, picture.edges
        last, written, room = b"", None, False
        for target, job, source in products:
            if job != last or target != written:
                last, written = job, target
                room = picture.admit(picture.jobs, job)
                if room and target is not None:
                    self._draw_output(job, name.get(target, target), reached)
            if room and source is not None:
                source = name.get(source, source)
                if source in datasets or picture.admit(datasets, source):
                    edges.add((source, job))
                    if up:
                        reached.datasets.add(source)
                    else:
                        reached.whole.add(job)

    def _draw_output(self, job: bytes, target: bytes, reached: _Front) -> None:
        if self._picture.admit(self._picture.datasets, target):
            self._picture.edges.add((job, target))
            if self._up:
                reached.absorbing.add(job)
            else:
                reached.datasets.add(target)

    def _take_statements(self, statements: Iterable[Statement], reached: _Front) -> None:
        picture = self._picture
        nodes = (picture.datasets, picture.jobs)
        for one in sorted(statements, key=_order):
            fits = True
            for origin, origin_is_job, end, end_is_job in self._pairs(one):
                fits = picture.admit(nodes[origin_is_job], origin) and fits
                fits = picture.admit(nodes[end_is_job], end) and fits
                if fits:
                    picture.edges.add((origin, end))
            if fits:
                self._reach(one, reached)

    def _pairs(self, one: Statement) -> Iterator[tuple[bytes, bool, bytes, bool]]:
        """The edges that show a statement: through the job that made it, where that is a step."""
        name = self._aliases.canonical
        target = one.target if one.target_is_job else name.get(one.target, one.target)
        source = one.source
        if source is not None and not one.source_is_job:
            source = name.get(source, source)
        direct = one.job is None or one.target_is_job
        if source is not None and source != one.job:
            to, to_is_job = (target, one.target_is_job) if direct else (one.job or b"", True)
            if source != to:
                yield source, one.source_is_job, to, to_is_job
        elif source is not None and one.target_is_job and source != target:
            yield source, True, target, True
        if not direct and one.job is not None:
            yield one.job, True, target, False

    def _reach(self, one: Statement, reached: _Front) -> None:
        """Put the far end of a statement in front of the walk."""
        name = self._aliases.canonical
        if one.source is None or one.source == one.target or (self._up and _own(one)):
            return  # the job itself made it: nothing flows through
        if self._up and one.source_is_job:
            reached.whole.add(one.source)
        elif self._up:
            reached.datasets.add(name.get(one.source, one.source))
        elif one.target_is_job:
            reached.absorbing.add(one.target)
            reached.whole.add(one.target)
        else:
            reached.datasets.add(name.get(one.target, one.target))


def _own(one: Statement) -> bool:
    """Whether the statement says that the job itself is where the target came from."""
    return one.source == one.job and not one.target_is_job


def _order(one: Statement) -> tuple[bytes, bytes, bytes]:
    return one.target, one.job or b"", one.source or b""


def walk_graph(
    session: Session,
    start: Start,
    *,
    way: Way = Way.BOTH,
    depth: int = DEFAULT_DEPTH,
    size: int = DEFAULT_SIZE,
    past: Past | None = None,
    past_downstream: Past | None = None,
) -> Shape:
    """The lineage of a dataset, job or run (rules 1 to 5).

    `past` is when to look upstream; downstream is looked at now unless `past_downstream` says when.
    Cost: at most six queries a level and direction, and time in proportion to the answer.
    """
    aliases, picture = Aliases(session), _Picture(size)
    if start.dataset is not None:
        aliases.learn([start.dataset])
        start = Start(dataset=aliases.canonical.get(start.dataset, start.dataset))
    picture.datasets |= {start.dataset} if start.dataset else set()
    picture.jobs |= {start.job} if start.job else set()
    walks = []
    if way is not Way.DOWNSTREAM:
        walks.append(_Walk(session, aliases, picture, past, up=True))
    if way is not Way.UPSTREAM:
        walks.append(_Walk(session, aliases, picture, past_downstream, up=False))
    for walk in walks:
        walk.start(start)
    for _ in range(depth):
        for walk in walks:
            if walk.front and not picture.full:
                walk.step()
    cut = CutBy.SIZE if picture.full else None
    if cut is None and any(walk.leads_on() for walk in walks):
        cut = CutBy.DEPTH
    return Shape(picture.datasets, picture.jobs, picture.edges, cut)
