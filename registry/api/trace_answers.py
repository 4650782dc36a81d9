"""Shapes what the ledger found for the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.scope import in_sight
from registry.catalog.tables import Dataset
from registry.ids import uuid_text
from registry.ledger.batches import BatchNode
from registry.ledger.locate import Located
from registry.ledger.opened import Ledger
from registry.ledger.source_files import BatchFileNode, files_of, place_of
from registry.ledger.trace import Address, BackwardTrace, ForwardTrace, SeenVersion, UnknownStep
from registry.moments import from_micros
from registry.storage.columns import table_of
from registry.wire.ledger import (
    BackwardShown,
    BatchReached,
    CoverageShown,
    FileRow,
    ForwardShown,
    LocatedIn,
    LocatedShown,
    ModelReached,
    Place,
    SourceShown,
    StepShown,
    UnknownShown,
    VersionReached,
)

State = Literal["saw", "did_not_see", "unknown"]
_dataset = table_of(Dataset)


def answer_backward(
    session: Session, ledger: Ledger, trace: BackwardTrace, *, also: Sequence[Address]
) -> BackwardShown:
    """The way back of one example, its sources with what was recorded of them.

    The way was walked over everything; what of it is out of sight is left out, and one mark,
    `beyond_scope`, says that there was such a thing.
    """
    others = ledger.graph.nodes(session, {number for number, _ in also})
    sight = Sight(session)
    nodes = sight.of_batches(trace.nodes)
    shown = sight.of_batches(others)
    return BackwardShown(
        example=_place(trace.nodes, trace.example),
        also=[_place(shown, address) for address in also[:100] if address[0] in shown],
        steps=[
            StepShown(
                role=step.role,
                job=nodes[step.to[0]].job,
                job_namespace=nodes[step.to[0]].job_namespace,
                run=uuid_text(nodes[step.to[0]].run_id),
                at=from_micros(nodes[step.to[0]].effective_at),
                from_=[_place(nodes, source) for source in step.sources if source[0] in nodes],
                to=_place(nodes, step.to),
            )
            for step in trace.steps
            if step.to[0] in nodes
        ],
        sources=_sources(session, ledger, trace, nodes),
        unknown=_unknown(session, ledger, trace.unknown, sight),
        cut=trace.cut,
        beyond_scope=sight.is_limited,
    )


class Sight:
    """What a session sees of computed answers; `is_limited` once something was left out."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_limited = False

    def of_datasets(self, ids: Iterable[bytes]) -> set[bytes]:
        """Those of these datasets that are in sight."""
        wanted = set(ids)
        seen = in_sight(self._session, wanted)
        self.is_limited = self.is_limited or len(seen) < len(wanted)
        return seen

    def of_batches(self, nodes: Mapping[int, BatchNode]) -> dict[int, BatchNode]:
        """Those of these batches whose dataset is in sight."""
        seen = self.of_datasets(node.dataset_id for node in nodes.values())
        return {number: node for number, node in nodes.items() if node.dataset_id in seen}


def _place(nodes: Mapping[int, BatchNode], address: Address) -> Place:
    node = nodes[address[0]]
    return Place(
        batch=node.number,
        batch_name=node.name,
        ordinal=address[1],
        namespace=node.namespace,
        dataset=node.dataset,
    )


def _sources(
    session: Session, ledger: Ledger, trace: BackwardTrace, nodes: Mapping[int, BatchNode]
) -> list[SourceShown]:
    sources = [address for address in trace.sources if address[0] in nodes]
    if not sources:
        return []
    addresses = np.array([n << 32 | ordinal for n, ordinal in sources], np.uint64)
    rows = ledger.index.rows(addresses, ["example_id", "source_uri", "license"]).to_pylist()
    recorded = {row["address"]: row for row in rows}
    files = files_of(session, {number for number, _ in sources})
    return [
        _source(
            nodes[number],
            ordinal,
            recorded.get(number << 32 | ordinal, {}),
            files,
            is_erased=(number, ordinal) in trace.erased,
        )
        for number, ordinal in sources
    ]


def _source(
    node: BatchNode,
    ordinal: int,
    row: dict[str, Any],
    files: dict[int, list[BatchFileNode]],
    *,
    is_erased: bool,
) -> SourceShown:
    place = None if is_erased else place_of(files.get(node.number, ()), ordinal)
    if is_erased:
        # Until the wipe the index may still know it.
        row = {}
    return SourceShown(
        batch=node.number,
        batch_name=node.name,
        ordinal=ordinal,
        namespace=node.namespace,
        dataset=node.dataset,
        example_id=row.get("example_id"),
        source_uri=row.get("source_uri"),
        origin=node.origin_kind,
        origin_uri=node.origin_uri,
        license=row.get("license") or node.license,
        legal_basis=node.legal_basis,
        file=None
        if place is None
        else FileRow(uri=place[0].uri, row=place[1], sha256=place[0].sha256_now),
        erased=is_erased,
    )


def _unknown(
    session: Session, ledger: Ledger, steps: Iterable[UnknownStep], sight: Sight
) -> list[UnknownShown]:
    found = list(steps)
    nodes = sight.of_batches(ledger.graph.nodes(session, {step.batch for step in found}))
    names = _dataset_names(session, sight.of_datasets(step.dataset_id for step in found))
    return [
        UnknownShown(
            job=nodes[step.batch].job,
            job_namespace=nodes[step.batch].job_namespace,
            run=uuid_text(nodes[step.batch].run_id),
            batch=step.batch,
            namespace=names[step.dataset_id][0],
            dataset=names[step.dataset_id][1],
            reason=_reason(nodes[step.batch]),
        )
        for step in found
        if step.batch in nodes and step.dataset_id in names
    ]


def _reason(node: BatchNode) -> str:
    if node.is_bound:
        return f"The run read this dataset and sent no row map to batch {node.name}."
    return (
        f"Batch {node.name} is not bound: what it waits for, or why it failed, is with the batch."
    )


def _dataset_names(session: Session, ids: set[bytes]) -> dict[bytes, tuple[str, str]]:
    query = select(_dataset.c.id, _dataset.c.namespace, _dataset.c.name).where(
        _dataset.c.id.in_(sorted(ids))
    )
    return {bytes(row.id): (row.namespace, row.name) for row in session.execute(query)}


def answer_forward(
    session: Session, ledger: Ledger, trace: ForwardTrace, *, also: Sequence[Address]
) -> ForwardShown:
    """What became of one example, as far as it is in sight."""
    others = ledger.graph.nodes(session, {number for number, _ in also})
    sight = Sight(session)
    nodes, shown = sight.of_batches(trace.nodes), sight.of_batches(others)
    seen = sight.of_datasets(item.dataset_id for item in (*trace.versions, *trace.models))
    reached = [
        BatchReached(
            batch=number,
            batch_name=nodes[number].name,
            namespace=nodes[number].namespace,
            dataset=nodes[number].dataset,
            count=int(ordinals.size),
        )
        for number, ordinals in sorted(trace.reached.items())
        if number in nodes
    ]
    return ForwardShown(
        example=_place(trace.nodes, trace.example),
        also=[_place(shown, address) for address in also[:100] if address[0] in shown],
        batches=reached,
        versions=[
            VersionReached(
                namespace=item.namespace,
                dataset=item.name,
                version=item.version,
                state=_state(item),
            )
            for item in trace.versions
            if item.version is not None and item.dataset_id in seen
        ],
        models=[
            ModelReached(
                namespace=item.namespace,
                name=item.name,
                run=uuid_text(item.run_id),
                state=_state(item),
            )
            for item in trace.models
            if item.run_id is not None and item.dataset_id in seen
        ],
        unknown=_unknown(session, ledger, trace.unknown, sight),
        beyond_scope=sight.is_limited,
    )


def _state(item: SeenVersion) -> State:
    return cast("State", item.state)


def answer_located(session: Session, ledger: Ledger, located: Located) -> LocatedShown:
    """Where a person's examples are, and where nobody could look, as far as it is in sight."""
    sight = Sight(session)
    nodes = sight.of_batches(ledger.graph.nodes(session, {*located.examples, *located.coverage}))
    return LocatedShown(
        examples=sum(int(o.size) for number, o in located.examples.items() if number in nodes),
        by_dataset=[
            LocatedIn(
                namespace=nodes[number].namespace,
                dataset=nodes[number].dataset,
                batch=number,
                batch_name=nodes[number].name,
                count=int(ordinals.size),
            )
            for number, ordinals in sorted(located.examples.items())
            if number in nodes
        ],
        coverage=[
            CoverageShown(
                batch=number,
                batch_name=nodes[number].name,
                namespace=nodes[number].namespace,
                dataset=nodes[number].dataset,
                searched=searched,
            )
            for number, searched in located.coverage.items()
            if number in nodes
        ],
        beyond_scope=sight.is_limited,
    )
