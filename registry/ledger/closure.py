"""Pushes sets of examples back to what they were made from, or forward to what became of them.

Rules (DESIGN §2):
1. A set is sorted ordinals for each batch. A push goes map by map through the DAG of batches; what
   was reached before is not pushed again, so the cost is that of the answer.
2. Roles can be left out (`duplicate_of` relates a dropped row to its survivor, and is no copy).
3. Steps without a map are gathered as unknown, with the run that owes it; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sqlmodel import Session

from registry.ledger.batches import BatchGraph, BatchNode, MapNode
from registry.ledger.positions import Positions
from registry.ledger.rowmap import Role, RowMap

Ordinals = npt.NDArray[np.uint32]
Sets = dict[int, Ordinals]


class MapAnswers(Protocol):
    """What is asked of a row map, wherever it lies."""

    def __len__(self) -> int:
        """The rows of the output."""

    def forward(self, inputs: object) -> Positions:
        """As `RowMap.forward`."""

    def backward(self, outputs: object) -> Positions:
        """As `RowMap.backward`."""

    def chunks(self) -> Iterator[tuple[int, RowMap]]:
        """As `RowMapFile.chunks`."""


class OpensMaps(Protocol):
    """Whoever has the row maps of bound batches."""

    def open_map(self, node: MapNode) -> MapAnswers:
        """The map itself."""


@dataclass(slots=True)
class Closure:
    """What was reached (the start included), and the unknown steps that were met.

    `unknown`: (batch number, dataset id): going back, a batch whose run read a dataset that no map
    leads to; going forward, a batch whose run read this dataset without a map.
    """

    reached: Sets = field(default_factory=dict)
    unknown: set[tuple[int, bytes]] = field(default_factory=set)

    def add(self, number: int, ordinals: Ordinals) -> Ordinals:
        """Add ordinals of a batch; give those that are new."""
        known = self.reached.get(number)
        if known is None:
            self.reached[number] = ordinals
            return ordinals
        new = np.setdiff1d(ordinals, known, assume_unique=True)
        if new.size:
            self.reached[number] = np.union1d(known, new)
        return new


def push_back(
    session: Session, graph: BatchGraph, start: Sets, *, without: Collection[Role] = ()
) -> Closure:
    """Everything that the examples in `start` were made from."""
    closure = Closure()
    frontier = {n: o for n, o in start.items() if closure.add(n, o).size}
    while frontier:
        found: dict[int, list[Ordinals]] = {}
        nodes = graph.nodes(session, frontier)
        for number, ordinals in frontier.items():
            node = nodes.get(number)
            if node is None:
                continue
            closure.unknown.update((number, dataset_id) for dataset_id in node.owes)
            for part in node.maps:
                if part.role in without:
                    continue
                for source, rows in parents(graph, part, ordinals):
                    found.setdefault(source, []).append(rows)
        frontier = _merge(closure, found)
    return closure


def push_forward(
    session: Session, graph: BatchGraph, start: Sets, *, without: Collection[Role] = ()
) -> Closure:
    """Everything that the examples in `start` became part of, or something made from them."""
    closure = Closure()
    frontier = {n: o for n, o in start.items() if closure.add(n, o).size}
    while frontier:
        found: dict[int, list[Ordinals]] = {}
        outputs = graph.outputs(session, frontier)
        targets = graph.nodes(session, (t for each in outputs.values() for t in each))
        for target in targets.values():
            for part in target.maps:
                if part.role in without:
                    continue
                rows = children(graph, part, frontier)
                if rows.size:
                    found.setdefault(target.number, []).append(rows)
        frontier = _merge(closure, found)
    return closure


def _merge(closure: Closure, found: dict[int, list[Ordinals]]) -> Sets:
    frontier: Sets = {}
    for number, parts in found.items():
        merged = parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
        new = closure.add(number, merged)
        if new.size:
            frontier[number] = new
    return frontier


def parents(graph: OpensMaps, part: MapNode, ordinals: Ordinals) -> Iterable[tuple[int, Ordinals]]:
    """The parents of output ordinals by input batch: (number, sorted ordinals)."""
    file = graph.open_map(part)
    inside = ordinals[: np.searchsorted(ordinals, len(file))]
    positions = file.backward(inside).astype(np.uint64)
    return split_positions(part, positions)


def split_positions(
    part: MapNode, positions: npt.NDArray[np.uint64]
) -> Iterable[tuple[int, Ordinals]]:
    """Sorted positions in a map's input space as ordinals of its input batches."""
    if not positions.size:
        return
    firsts = np.array([first for _, first, _ in part.inputs], np.uint64)
    cuts = np.searchsorted(positions, firsts)
    ends = np.append(cuts[1:], positions.size)
    for place in np.flatnonzero(ends > cuts).tolist():
        number, first, _ = part.inputs[place]
        inside = positions[cuts[place] : ends[place]] - np.uint64(first)
        yield number, inside.astype(np.uint32)


def children(graph: OpensMaps, part: MapNode, frontier: Sets) -> Ordinals:
    """The output ordinals that have a parent among some ordinals of the map's inputs."""
    positions = [
        frontier[number].astype(np.uint64) + np.uint64(first)
        for number, first, _ in part.inputs
        if number in frontier
    ]
    if not positions:
        return np.empty(0, np.uint32)
    # Inputs stand in order of their first position; only a batch named twice needs sorting.
    inside = np.unique(np.concatenate(positions)) if len(positions) > 1 else positions[0]
    return graph.open_map(part).forward(inside).astype(np.uint32)


def single(number: int, ordinal: int) -> Sets:
    """The set of one example."""
    return {number: np.array([ordinal], np.uint32)}


def is_source(node: BatchNode) -> bool:
    """Whether a batch's examples entered here: no map leads to it, and its run read nothing."""
    return not node.maps and not node.owes
