"""Generated pipelines in memory: batches, maps, people, digests, steps without a map, late batches.

A world answers the closure's questions from plain lists; `naive` reads the same lists example by
example.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from registry.erasure.scope.sets import Sets
from registry.erasure.scope.world import Contents, Output, Seen, Step
from registry.ledger.batches import MapNode
from registry.ledger.positions import Positions
from registry.ledger.rowmap import Role, RowMap

Address = tuple[int, int]
DATASETS = 6


@dataclass(frozen=True)
class Made:
    """A map: for each output row the parents, as addresses."""

    role: Role
    inputs: tuple[int, ...]
    parents: tuple[tuple[Address, ...], ...]
    score: float | None = None
    method: str | None = None


@dataclass
class Rows:
    """A batch. `entries`: what its own examples say, by row: (people, digest, bytes)."""

    number: int
    dataset: int
    rows: int
    maps: list[Made] = field(default_factory=list)
    people: dict[int, frozenset[int]] = field(default_factory=dict)
    digests: dict[int, int] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    is_model: bool = False
    in_time: bool = True


@dataclass(frozen=True)
class Unmapped:
    """A run that read batches or outputs and wrote a batch (or an output without one)."""

    reads: frozenset[int]
    reads_outputs: frozenset[Output]
    target: int | None
    output: Output


@dataclass
class Story:
    """Everything that happened; batches above `limit` arrived later."""

    batches: dict[int, Rows]
    unmapped: list[Unmapped]
    limit: int

    @property
    def known(self) -> dict[int, Rows]:
        return {n: b for n, b in self.batches.items() if n <= self.limit}


class HeldMap:
    """A row map in memory, read as one that lies in a file."""

    def __init__(self, row_map: RowMap) -> None:
        self.row_map = row_map

    def __len__(self) -> int:
        return len(self.row_map)

    def forward(self, inputs: object) -> Positions:
        return self.row_map.forward(inputs)

    def backward(self, outputs: object) -> Positions:
        return self.row_map.backward(outputs)

    def chunks(self) -> Iterator[tuple[int, RowMap]]:
        yield 0, self.row_map


def digest_bytes(content: int) -> bytes:
    """32 bytes for a content; some end with zeros, as real ones may."""
    return content.to_bytes(4, "big").ljust(32, b"\0")


class StoryWorld:
    """A story as the closure sees it, for the people who ask."""

    def __init__(self, story: Story, asked: frozenset[int]) -> None:
        self.story = story
        self.asked = asked
        self._seen: dict[int, Seen] = {}
        self._maps: dict[str, HeldMap] = {}
        self._outputs: dict[int, list[int]] = {}
        for batch in story.known.values():
            nodes = tuple(self._node(batch.number, at, made) for at, made in enumerate(batch.maps))
            self._seen[batch.number] = Seen(batch.number, batch.rows, nodes, batch.is_model)
            for number in {n for made in batch.maps for n in made.inputs}:
                self._outputs.setdefault(number, []).append(batch.number)

    def _node(self, number: int, at: int, made: Made) -> MapNode:
        first: dict[int, int] = {}
        inputs: list[tuple[int, int, int]] = []
        total = 0
        for source in made.inputs:
            rows = self.story.batches[source].rows
            first.setdefault(source, total)
            inputs.append((source, total, rows))
            total += rows
        flat = [[first[b] + row for b, row in some] for some in made.parents]
        offsets = np.append(0, np.cumsum([len(some) for some in flat], dtype=np.int64))
        parents = np.array([p for some in flat for p in some], np.int64)
        name = f"{number}/{at}"
        self._maps[name] = HeldMap(RowMap.lists(offsets, parents, total))
        return MapNode(at, made.role, name, tuple(inputs), made.score, made.method)

    def open_map(self, node: MapNode) -> HeldMap:
        return self._maps[node.object_name]

    def batches(self, numbers: Collection[int]) -> Mapping[int, Seen]:
        return {n: self._seen[n] for n in sorted(set(numbers)) if n in self._seen}

    def outputs(self, numbers: Collection[int]) -> Mapping[int, list[int]]:
        return {n: self._outputs[n] for n in sorted(set(numbers)) if n in self._outputs}

    def contents_of(self, sets: Sets) -> Contents:
        return self._contents(
            (number, row)
            for number, rows in sets.items()
            for row in rows.tolist()
            if row in self.story.batches[number].digests
        )

    def same_contents(
        self, digests: npt.NDArray[np.bytes_]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        place = {digest: at for at, digest in enumerate(digests.tolist())}
        found = [
            (place[digest], batch.number << 32 | row)
            for batch in self.story.known.values()
            if batch.in_time and not batch.is_model
            for row, content in batch.digests.items()
            if (digest := digest_bytes(content).rstrip(b"\0")) in place
        ]
        which = np.array([at for at, _ in found], np.int64)
        return which, np.array([address for _, address in found], np.uint64)

    def _contents(self, addresses: Iterator[Address]) -> Contents:
        found = list(addresses)
        batches = self.story.batches
        return Contents(
            np.array([n << 32 | row for n, row in found], np.uint64),
            np.array([digest_bytes(batches[n].digests[row]) for n, row in found], "S32"),
            np.array(
                [batches[n].sizes.get(row, -1) if batches[n].in_time else -1 for n, row in found],
                np.int64,
            ),
        )

    def of_others(self, sets: Sets) -> Sets:
        found = {}
        for number, rows in sets.items():
            people = self.story.batches[number].people
            theirs = [row for row in rows.tolist() if people.get(row, frozenset()) - self.asked]
            if theirs:
                found[number] = np.array(theirs, np.uint32)
        return found

    def own(self) -> Sets:
        """The examples of the people who ask, in time."""
        found = {}
        for batch in self.story.known.values():
            rows = [row for row, people in batch.people.items() if people & self.asked]
            if rows and batch.in_time and not batch.is_model:
                found[batch.number] = np.array(sorted(rows), np.uint32)
        return found

    def steps_after(self, numbers: Collection[int], outputs: Collection[Output]) -> list[Step]:
        return [
            Step(
                batches=tuple(sorted(each.reads & set(numbers))),
                outputs=tuple(sorted(each.reads_outputs & set(outputs))),
                run_id=each.output.run_id,
                job="mystery",
                dataset_id=b"",
                target=each.target,
                output=each.output,
                is_model=each.target in self._seen and self._seen[each.target].is_model,
                saw=(),
            )
            for each in self.story.unmapped
            if (each.reads & set(numbers) or each.reads_outputs & set(outputs))
            and (each.target is None or each.target in self._seen)
        ]


class Teller:
    """Makes stories: a seed gives one story, always the same."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.batches: dict[int, Rows] = {}
        self.unmapped: list[Unmapped] = []

    def tell(self) -> Story:
        steps = int(self.chance.integers(2, 12))
        for number in range(1, steps + 2):
            if number <= 2 or self.chance.random() < 0.25:
                self._enter(number)
            else:
                self._derive(number)
        late = self.chance.random() < 0.2
        limit = int(self.chance.integers(1, steps + 2)) if late else steps + 1
        return Story(self.batches, self.unmapped, limit)

    def _rows(self, number: int, count: int) -> Rows:
        chance = self.chance
        batch = Rows(number, int(chance.integers(DATASETS)), count)
        batch.in_time = bool(chance.random() < 0.9)
        batch.is_model = bool(number > 2 and chance.random() < 0.05)
        self.batches[number] = batch
        return batch

    def _enter(self, number: int) -> None:
        batch = self._rows(number, int(self.chance.integers(1, 9)))
        batch.is_model = False
        self._identify(batch, range(batch.rows), 0.7)

    def _identify(self, batch: Rows, rows: range, share: float) -> None:
        chance = self.chance
        for row in rows:
            if chance.random() > share:
                continue
            count = int(chance.choice([0, 1, 1, 1, 2]))
            batch.people[row] = frozenset(chance.integers(0, 5, count).tolist())
            if chance.random() < 0.6:
                content = int(chance.integers(0, 12)) * 256
                batch.digests[row] = content
                # The length of a content is the same wherever it is; not everybody says it.
                if chance.random() < 0.7:
                    batch.sizes[row] = 20 if content % 1024 == 0 else 64 + content

    def _derive(self, number: int) -> None:
        chance = self.chance
        sources = sorted(self.batches)
        picked = chance.choice(sources, int(chance.integers(1, min(4, len(sources) + 1))), False)
        inputs = [int(n) for n in picked]
        if chance.random() < 0.15:
            self._unmapped(number, inputs)
            return
        shape = chance.choice(["filter", "shuffle", "explode", "pack", "dedup", "two", "gaps"])
        pool = [(n, row) for n in inputs for row in range(self.batches[n].rows)]
        role = Role(str(chance.choice(["kept", "kept", "transformed", "augmented", "labelled"])))
        if shape == "pack":
            role = Role(str(chance.choice(["kept", "aggregated", "synthesised_from"])))
        parents = self._shaped(str(shape), pool)
        batch = self._rows(number, len(parents))
        maps = [Made(role, tuple(inputs), tuple(parents))]
        if shape == "dedup":
            dropped = self._dropped(parents, pool)
            maps.append(Made(Role.DUPLICATE_OF, tuple(inputs), dropped, 0.9, "minhash"))
        if shape == "two":
            labels = tuple((pool[int(chance.integers(len(pool)))],) for _ in parents)
            maps.append(Made(Role.LABELLED, tuple(inputs), labels))
        batch.maps = maps
        if chance.random() < 0.2:
            self._identify(batch, range(batch.rows), 0.5)
        if chance.random() < 0.1:
            # Beside the mapped inputs the run read something else and says nothing of it.
            others = [n for n in sources if n not in inputs]
            if others:
                self._note(number, [int(chance.choice(others))])

    def _shaped(self, shape: str, pool: list[Address]) -> list[tuple[Address, ...]]:
        chance = self.chance
        places = chance.permutation(len(pool))
        match shape:
            case "filter" | "dedup" | "two":
                return [(at,) for at in pool if chance.random() < 0.6]
            case "shuffle":
                return [(pool[at],) for at in places]
            case "explode":
                return [(at,) for at in pool for _ in range(int(chance.integers(0, 3)))]
            case "gaps":
                return [(pool[at],) if chance.random() < 0.6 else () for at in places]
        size = int(chance.integers(2, 4))
        return [
            tuple(pool[at] for at in places[start : start + size])
            for start in range(0, len(places), size)
        ]

    def _dropped(
        self, kept: list[tuple[Address, ...]], pool: list[Address]
    ) -> tuple[tuple[Address, ...], ...]:
        there = {at for some in kept for at in some}
        lists: list[list[Address]] = [[] for _ in kept]
        for at in pool:
            if at not in there and kept and self.chance.random() < 0.5:
                lists[int(self.chance.integers(len(kept)))].append(at)
        return tuple(tuple(some) for some in lists)

    def _unmapped(self, number: int, inputs: list[int]) -> None:
        self._rows(number, int(self.chance.integers(1, 6))).is_model = False
        self._note(number, inputs)

    def _note(self, number: int, inputs: list[int]) -> None:
        """A run that wrote `number` without a map; at times by way of a dataset without batches."""
        run = Output(number.to_bytes(16, "big"), b"x" * 16)
        if self.chance.random() < 0.4:
            between = Output(b"r" + number.to_bytes(15, "big"), b"y" * 16)
            self.unmapped.append(Unmapped(frozenset(inputs), frozenset(), None, between))
            self.unmapped.append(Unmapped(frozenset(), frozenset([between]), number, run))
        else:
            self.unmapped.append(Unmapped(frozenset(inputs), frozenset(), number, run))


def story_of(seed: int) -> Story:
    """The story of a seed."""
    return Teller(seed).tell()
