"""The world of a request: the bound batches of the ledger up to a limit, and the index's answers.

Rules (the governance page, case 12; DESIGN §6):
1. Batches that were numbered after the limit, and those that are not bound, are not in it.
2. Data that was collected after the request was received is not the request's: such batches hold no
   own example and no exact duplicate. What was made of earlier data is, whenever it was made.
3. Only batches whose examples entered the index, or that were read for somebody, are asked for
   digests and people.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlmodel import Session

from registry.erasure.scope.sets import Addresses, Sets, as_addresses, as_sets
from registry.erasure.scope.unmapped import models_among, steps_after
from registry.erasure.scope.until import Until, collected_in_time
from registry.erasure.scope.world import Contents, Output, Seen, Step
from registry.ledger.batches import BatchNode, MapNode
from registry.ledger.closure import MapAnswers
from registry.ledger.opened import Ledger
from registry.ledger.scans import candidates_for
from registry.storage.bulk import TypedColumn, select_by_rows

_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_INDEXED = """
SELECT k.number FROM {rows} AS w
JOIN batch_binding k ON k.number = w.number AND k.state = 'bound' AND k.indexed = 1
"""
_SEARCHABLE = """
SELECT k.number FROM {rows} AS w
JOIN batch_binding k ON k.number = w.number AND k.state = 'bound' AND k.indexed = 1
UNION SELECT s.number FROM {rows} AS w JOIN subject_scan s ON s.number = w.number
"""


def indexed_among(session: Session, numbers: Iterable[int]) -> set[int]:
    """Those of these batches whose examples entered the index."""
    wanted = [(number,) for number in numbers]
    return {row[0] for row in select_by_rows(session, _INDEXED, _NUMBER, wanted)}


class LedgerWorld:
    """The ledger as the closure sees it (`world.World`). For one session; remembers what it read.

    `keys`: the live subject keys of everybody who asks, 16 bytes each.
    """

    def __init__(
        self, session: Session, ledger: Ledger, keys: Collection[bytes], until: Until
    ) -> None:
        self.session = session
        self.ledger = ledger
        self.keys = sorted(set(keys))
        self.until = until
        self._nodes: dict[int, BatchNode] = {}
        self._seen: dict[int, Seen | None] = {}
        self._outputs: dict[int, list[int]] = {}
        self._indexed: dict[int, bool] = {}
        self._models: dict[bytes, bool] = {}
        self._timely: dict[int, bool] = {}

    def open_map(self, node: MapNode) -> MapAnswers:
        """The map's file."""
        return self.ledger.graph.open_map(node)

    def nodes(self, numbers: Iterable[int]) -> dict[int, BatchNode]:
        """Batches up to the limit, bound or not."""
        wanted = {n for n in numbers if n <= self.until.batch_number}
        missing = wanted - self._nodes.keys()
        if missing:
            self._nodes |= self.ledger.graph.nodes(self.session, missing)
        return {n: self._nodes[n] for n in sorted(wanted) if n in self._nodes}

    def batches(self, numbers: Collection[int]) -> Mapping[int, Seen]:
        """Those of these that are bound and up to the limit."""
        missing = [n for n in numbers if n not in self._seen]
        if missing:
            nodes = self.nodes(missing)
            self._learn_models({node.dataset_id for node in nodes.values()})
            for number in missing:
                node = nodes.get(number)
                counts = node is not None and number not in self.until.unbound
                self._seen[number] = self._as(node) if counts and node is not None else None
        found = {n: self._seen[n] for n in numbers}
        return {n: seen for n, seen in found.items() if seen is not None}

    def _as(self, node: BatchNode) -> Seen:
        return Seen(node.number, node.rows, node.maps, self._models[node.dataset_id])

    def _learn_models(self, dataset_ids: set[bytes]) -> None:
        unknown = dataset_ids - self._models.keys()
        if unknown:
            models = models_among(self.session, unknown)
            self._models |= {each: each in models for each in unknown}

    def outputs(self, numbers: Collection[int]) -> Mapping[int, list[int]]:
        """For each batch, those that a map leads to from it."""
        missing = [n for n in numbers if n not in self._outputs]
        if missing:
            found = self.ledger.graph.outputs(self.session, missing)
            self._outputs |= {n: found.get(n, []) for n in missing}
        return {n: self._outputs[n] for n in numbers if self._outputs[n]}

    def own(self) -> Sets:
        """The examples of everybody who asks (rules 1 and 2)."""
        if not self.keys:
            return {}
        hits = self.ledger.index.find_subjects(self.keys)
        return self._counted(as_sets(hits.addresses))

    def candidates(self) -> Sets:
        """The examples that may name somebody who asks, by what was read of them (rules 1, 2)."""
        return self._counted(candidates_for(self.session, self.keys))

    def _counted(self, sets: Sets) -> Sets:
        """Those of some examples that can be the person's (rule 2)."""
        seen = self.batches(sets)
        examples = [n for n in sets if n in seen and not seen[n].is_model]
        return {n: sets[n] for n in self._in_time(examples)}

    def _in_time(self, numbers: Collection[int]) -> list[int]:
        missing = [n for n in numbers if n not in self._timely]
        if missing:
            timely = collected_in_time(self.session, missing, self.until)
            self._timely |= {n: n in timely for n in missing}
        return [n for n in numbers if self._timely[n]]

    def _searchable(self, sets: Sets) -> Sets:
        """Those of some examples that the index may know (rule 3)."""
        missing = [n for n in sets if n not in self._indexed]
        if missing:
            wanted = [(number,) for number in missing]
            rows = select_by_rows(self.session, _SEARCHABLE, _NUMBER, wanted)
            known = {row[0] for row in rows}
            self._indexed |= {n: n in known for n in missing}
        return {n: rows for n, rows in sets.items() if self._indexed[n]}

    def contents_of(self, sets: Sets) -> Contents:
        """Those of these examples that have a digest."""
        asked = as_addresses(self._searchable(sets))
        found = _contents(self.ledger.index.rows(asked, ["digest", "bytes"]))
        batches = (found.addresses >> np.uint64(32)).astype(np.uint32)
        timely = np.isin(batches, self._in_time(list(sets)))
        return replace(found, sizes=np.where(timely, found.sizes, -1))

    def same_contents(
        self, digests: npt.NDArray[np.bytes_]
    ) -> tuple[npt.NDArray[np.int64], Addresses]:
        """All examples with one of these digests that count for the request."""
        asked = [each.ljust(32, b"\0") for each in digests.tolist()]
        hits = self.ledger.index.find_digests(asked)
        counted = list(self._counted(as_sets(hits.addresses)))
        inside = np.isin((hits.addresses >> np.uint64(32)).astype(np.uint32), counted)
        return hits.which[inside], hits.addresses[inside]

    def of_others(self, sets: Sets) -> Sets:
        """Those of these examples at which a person stands who did not ask."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self.ledger.index.subjects_of(as_addresses(self._searchable(sets)))
        asked = pa.array(self.keys, rows.schema.field("subject_key").type)
        others = rows.filter(pc.invert(pc.is_in(rows.column("subject_key"), asked)))
        return as_sets(others.column("address").to_numpy())

    def steps_after(self, numbers: Collection[int], outputs: Collection[Output]) -> list[Step]:
        """The steps without a map of runs that read one of these, or may have."""
        return steps_after(self.session, self.nodes(numbers), outputs, self.until)


def _contents(rows: Any) -> Contents:
    """The rows with a digest, of a table of address, digest and bytes."""
    import pyarrow.compute as pc

    rows = rows.filter(pc.is_valid(rows.column("digest")))
    digests = rows.column("digest").combine_chunks()
    first = digests.offset
    raw = np.frombuffer(digests.buffers()[1], "S32") if len(digests) else np.empty(0, "S32")
    sizes = pc.fill_null(rows.column("bytes"), -1).to_numpy()
    return Contents(
        rows.column("address").to_numpy(),
        raw[first : first + len(digests)],
        np.maximum(sizes, -1),
    )
