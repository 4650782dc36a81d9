"""Lineage worked out the slow way, from the rules alone, to hold the walk against.

Every flow of the whole catalog is listed as a link from a far end to a near end, with the edges
that show it; a graph is then a search over all links, level by level. A job has two ends: `in`, for
what is said to flow into it, and `all`, for the job with everything it read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.catalog.building import Catalog, Edge, micros

End = tuple[str, bytes]
Pair = tuple[bytes, bytes]


@dataclass(frozen=True)
class Link:
    """Something flows from `far` (None: nothing we know) to `near`; `edges` show it."""

    far: End | None
    near: End
    edges: frozenset[Pair]


class Naive:
    """The lineage of a catalog as of a time (None: now)."""

    def __init__(self, catalog: Catalog, as_of: float | None = None) -> None:
        self.catalog = catalog
        self.as_of = None if as_of is None else micros(as_of)
        self.links = list(self._links())

    def name(self, dataset: bytes) -> bytes:
        """The id that a dataset goes by."""
        group = {dataset}
        while True:
            links = {
                key: said
                for key, said in self.catalog.symlinks.items()
                if key[0] in group or key[1] in group
            }
            wider = group | {end for key in links for end in key}
            if wider == group:
                break
            group = wider
        if not links:
            return dataset
        aliases = {alias for _, alias in links}
        carriers = [key for key in links if key[0] not in aliases] or list(links)
        return max(carriers, key=lambda key: (links[key][0], key[0]))[0]

    def _known(self, at: int) -> bool:
        return self.as_of is None or at <= self.as_of

    def scopes(self, job: bytes, dataset: bytes, direction: str = "output") -> set[bytes]:
        """The scopes that speak for the job on a dataset it wrote (or read)."""
        found = set()
        said = {
            scope: (first_at, wins)
            for (scope, way, named), (by, first_at, wins) in self.catalog.scope_datasets.items()
            if way == direction and named == dataset and by == job and self._known(first_at)
        }
        if job in said:
            found.add(job)
        runs = {scope: times for scope, times in said.items() if scope != job}
        if runs and self.as_of is None:
            found.add(max(runs, key=lambda scope: (runs[scope][1], scope)))
        elif runs:
            found.add(max(runs, key=lambda scope: (runs[scope][0], scope)))
        return found

    def inputs(self, scope: bytes) -> set[bytes]:
        """What a scope read."""
        return {
            dataset
            for (of, way, dataset), (_, first_at, _) in self.catalog.scope_datasets.items()
            if of == scope and way == "input" and self._known(first_at)
        }

    def stated(self, scope: bytes, target: bytes) -> list[Edge]:
        """The edges that count for a target in a scope; empty where nothing was said."""
        by_origin: dict[str, list[Edge]] = {"lineage": [], "column_lineage": []}
        for (of, _, origin), (_, _, edges) in self.catalog.edge_sets.items():
            if of == scope:
                by_origin[origin] += [edge for edge in edges if edge.target == target]
        return by_origin["lineage"] or by_origin["column_lineage"]

    def speakers(self, target: bytes) -> set[bytes]:
        """Every job (or the dataset of a DatasetEvent) that ever said anything of a target."""
        return {
            job
            for _, job, edges in self.catalog.edge_sets.values()
            for edge in edges
            if edge.target == target
        }

    def last_statement(self, job: bytes, target: bytes) -> bytes | None:
        """The scope in which the job spoke of the target last."""
        said = [
            (wins, scope)
            for (scope, _, _), (wins, by, edges) in self.catalog.edge_sets.items()
            if by == job and any(edge.target == target for edge in edges)
        ]
        if self.as_of is not None:
            bound = (self.as_of + 1 + (1 << 63)).to_bytes(8, "big")
            said = [item for item in said if item[0] < bound]
        return max(said)[1] if said else None

    def _links(self) -> Iterator[Link]:
        datasets = {key for key, (kind, _, _) in self.catalog.names.items() if kind == "dataset"}
        datasets |= {end for key in self.catalog.symlinks for end in key}
        jobs = {key for key, (kind, _, _) in self.catalog.names.items() if kind == "job"}
        for target in datasets:
            yield from self._into_dataset(target, jobs)
        for job in jobs:
            near: tuple[End, End] = (("in", job), ("all", job))
            for speaker in self.speakers(job):
                scope = self.last_statement(speaker, job)
                if scope is not None:
                    for edge in self.stated(scope, job):
                        for end in near:
                            yield from self._statement(edge, speaker, end, job, is_job=True)
            for dataset in datasets:
                if self.scopes(job, dataset, "input"):
                    source = self.name(dataset)
                    yield Link(("data", source), ("all", job), frozenset({(source, job)}))

    def _into_dataset(self, target: bytes, jobs: Iterable[bytes]) -> Iterator[Link]:
        end = ("data", self.name(target))
        for job in jobs:
            scopes = self.scopes(job, target)
            for scope in scopes:
                stated = self.stated(scope, target)
                for edge in stated:
                    yield from self._statement(edge, job, end, end[1], is_job=False)
                if not stated:
                    yield from self._product(scope, job, end)
            if not scopes and job in self.speakers(target):
                spoke = self.last_statement(job, target)
                for edge in self.stated(spoke, target) if spoke else ():
                    yield from self._statement(edge, job, end, end[1], is_job=False)
        if target in self.speakers(target):  # a DatasetEvent
            spoke = self.last_statement(target, target)
            for edge in self.stated(spoke, target) if spoke else ():
                yield from self._statement(edge, None, end, end[1], is_job=False)

    def _product(self, scope: bytes, job: bytes, end: End) -> Iterator[Link]:
        written = (job, end[1])
        yield Link(("in", job), end, frozenset({written}))
        for dataset in self.inputs(scope):
            source = self.name(dataset)
            yield Link(("data", source), end, frozenset({(source, job), written}))

    def _statement(
        self, edge: Edge, job: bytes | None, end: End, target: bytes, *, is_job: bool
    ) -> Iterator[Link]:
        source = edge.source
        if source is not None and not edge.source_is_job:
            source = self.name(source)
        far: End | None = None
        direct = job is None or is_job
        if source is not None and not (direct and source == target):
            far = ("all" if edge.source_is_job else "data", source)
        if direct:
            pairs = {(source, target)} if source is not None else set()
        else:
            pairs = {(job, target)} | ({(source, job)} if source is not None else set())
            if source == job:
                far = None
        shown = frozenset((a, b) for a, b in pairs if a != b)
        if shown or far:
            yield Link(far, end, shown)

    def graph(
        self, *, dataset: bytes | None = None, job: bytes | None = None, up: bool, depth: int
    ) -> tuple[set[Pair], bool]:
        """The edges up to a depth, and whether there are more beyond."""
        start: End = ("data", self.name(dataset)) if dataset else ("all", job or b"")
        levels = self._levels(start, up=up)
        edges: set[Pair] = set()
        for _ in range(depth):
            edges |= next(levels, set())
        beyond = next(levels, set()) - edges
        return edges, bool(beyond)

    def _levels(self, start: End, *, up: bool) -> Iterator[set[Pair]]:
        """The edges of each level."""
        front, seen, first = {start}, {start}, True
        while front:
            links = [link for link in self.links if (link.near if up else link.far) in front]
            if first and not up and start[0] == "all":
                links += self._outputs(start[1])
            first = False
            yield {pair for link in links for pair in link.edges}
            ends = {link.far if up else link.near for link in links}
            front = {end for end in ends if end is not None} - seen
            seen |= front

    def _outputs(self, job: bytes) -> list[Link]:
        """Everything that a job wrote: what the walk downstream of the job itself begins with."""
        names = {dataset for _, way, dataset in self.catalog.scope_datasets if way == "output"}
        written = {name for name in names if self.scopes(job, name)}
        for name in {
            edge.target for _, _, edges in self.catalog.edge_sets.values() for edge in edges
        }:
            spoke = None if self.scopes(job, name) else self.last_statement(job, name)
            own = [edge for edge in self.stated(spoke, name) if edge.source == job] if spoke else []
            written |= {edge.target for edge in own if not edge.target_is_job}
        ends = {self.name(name) for name in written}
        return [Link(None, ("data", name), frozenset({(job, name)})) for name in ends]
