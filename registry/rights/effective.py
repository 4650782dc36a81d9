"""What a version may be used for: the strictest terms over everything it was made from.

Rules (DESIGN §2; issue "Rights and policy", 1):
1. A batch is bound by its own licences and by those of every batch that a map, or a step without
   one, leads back to; `duplicate_of` relates and copies nothing.
2. A source batch without a licence is unknown. A derived batch without one is bound by its sources
   alone.
3. Where a step has no map, every batch of the version that its run read counts; where not even the
   version is known, the terms are unknown and the answer names the dataset.
4. Where examples carry licences of their own, each counts; those without one have their batch's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from registry.catalog.versions import membership
from registry.rights.licenses import UNKNOWN_TERMS, Licenses, Terms, strictest
from registry.rights.sources import SourceView, read_sources
from registry.storage.bulk import TypedColumn, select_by_rows

_DUPLICATE = "duplicate_of"
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_LICENSES = """
SELECT s.number, s.value, s.examples FROM {rows} AS w
JOIN batch_sum s ON s.number = w.number AND s.dimension = 'license'
"""
_READ: tuple[TypedColumn, ...] = (("run_id", "bytes"), ("dataset_id", "bytes"))
_VERSIONS = """
SELECT r.run_id, r.dataset_id, r.number FROM {rows} AS w
JOIN run_read r ON r.run_id = w.run_id AND r.dataset_id = w.dataset_id
"""


class MapLike(Protocol):
    """A map of a batch."""

    @property
    def role(self) -> str:
        """What it does to examples (`kept`, `duplicate_of` …)."""

    @property
    def inputs(self) -> tuple[tuple[int, int, int], ...]:
        """Its inputs as (batch number, first, rows)."""


class NodeLike(Protocol):
    """A batch in the ledger's graph."""

    @property
    def run_id(self) -> bytes:
        """The run that wrote it."""

    @property
    def maps(self) -> Sequence[MapLike]:
        """The maps that lead to it."""

    @property
    def owes(self) -> tuple[bytes, ...]:
        """The datasets that its run read and no map leads to."""


class GraphLike(Protocol):
    """What is asked of the ledger's graph."""

    def nodes(self, session: Session, numbers: Iterable[int]) -> Mapping[int, NodeLike]:
        """Batches by number; unknown ones are left out."""


class LedgerLike(Protocol):
    """What is asked of the ledger, which stands beside this room."""

    @property
    def graph(self) -> GraphLike:
        """The DAG of batches."""


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """What a batch may be used for. `licenses`: texts that count in it, with how many examples,
    where they were summed. `unknown`: what is not known, in words.
    """

    batch_number: int
    terms: Terms
    reserved: bool
    licenses: Mapping[str, int | None]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EffectiveTerms:
    """The terms of a version, and of each batch in it, in its order."""

    terms: Terms
    reserved: bool
    batches: tuple[BatchTerms, ...]


def effective_terms(
    session: Session, ledger: LedgerLike, licenses: Licenses, dataset_id: bytes, number: int
) -> EffectiveTerms:
    """The strictest terms of a version over its ancestors. An empty version is unknown.

    Cost: in proportion to the batches it was made from.
    """
    members = membership(session, dataset_id, number)
    judged = terms_of_batches(session, ledger, licenses, members)
    found = tuple(judged[each] for each in members)
    return EffectiveTerms(
        strictest(each.terms for each in found),
        any(each.reserved for each in found),
        found,
    )


def terms_of_batches(
    session: Session, ledger: LedgerLike, licenses: Licenses, numbers: Sequence[int]
) -> dict[int, BatchTerms]:
    """The terms of each of these batches over its ancestors."""
    ancestry = _walk(session, ledger, numbers)
    sources = read_sources(session, ancestry.parents)
    summed = _summed(session, ancestry.parents)
    judged: dict[int, BatchTerms] = {}
    for batch in ancestry.order:
        judged[batch] = _judge(batch, ancestry, sources.get(batch), summed, licenses, judged)
    return {number: judged[number] for number in numbers}


@dataclass(slots=True)
class _Ancestry:
    """Each batch with what it was made from, and what is not known of that; sources come first."""

    parents: dict[int, list[int]]
    unknown: dict[int, list[str]]
    order: list[int]


def _judge(
    batch: int,
    ancestry: _Ancestry,
    source: SourceView | None,
    summed: Mapping[int, Mapping[str, int]],
    licenses: Licenses,
    judged: Mapping[int, BatchTerms],
) -> BatchTerms:
    parents = [judged[each] for each in ancestry.parents[batch] if each in judged]
    unknown = list(ancestry.unknown.get(batch, ()))
    is_source = not ancestry.parents[batch] and not unknown
    texts: dict[str, int | None] = dict.fromkeys(() if source is None else source.licenses)
    own = summed.get(batch)
    verified = source is not None and source.facts["license"].verified is not None
    if own is not None and not verified:
        unsaid = own.get("", 0) and not texts
        texts = {**texts, **{text: count for text, count in own.items() if text}}
        if unsaid and is_source:
            unknown.append(f"{own['']} examples of batch {batch} have no licence")
    elif is_source and not texts:
        unknown.append(f"batch {batch} has no licence")
    read = {text: licenses.of(text) for text in texts}
    parts = [UNKNOWN_TERMS if each is None else each.terms for each in read.values()]
    for text, each in read.items():
        if each is None or each.terms.is_unknown:
            unknown.append(f"the licence {text[:80]!r} is not known")
    parts += [each.terms for each in parents]
    if unknown:
        parts.append(UNKNOWN_TERMS)
    return BatchTerms(
        batch,
        strictest(parts),
        (source is not None and source.reserved) or any(each.reserved for each in parents),
        texts,
        tuple(dict.fromkeys([*unknown, *(why for each in parents for why in each.unknown)]))[:20],
    )


def _walk(session: Session, ledger: LedgerLike, numbers: Sequence[int]) -> _Ancestry:
    """Everything that these batches were made from, hop by hop."""
    found = _Ancestry({}, {}, [])
    frontier = sorted(set(numbers))
    while frontier:
        nodes = ledger.graph.nodes(session, frontier)
        read = _versions_read(session, nodes)
        for number in frontier:
            node = nodes.get(number)
            parents: dict[int, None] = {}
            if node is not None:
                for part in node.maps:
                    if part.role != _DUPLICATE:
                        parents.update(dict.fromkeys(each for each, _, _ in part.inputs))
                for dataset in node.owes:
                    members = read.get((node.run_id, dataset))
                    if not members:
                        why = f"which version of a dataset batch {number} was made from"
                        found.unknown.setdefault(number, []).append(why)
                    parents.update(dict.fromkeys(members or ()))
            parents.pop(number, None)
            found.parents[number] = list(parents)
        following = {each for number in frontier for each in found.parents[number]}
        frontier = sorted(following - found.parents.keys())
    found.order = _sources_first(found.parents, numbers)
    return found


def _versions_read(
    session: Session, nodes: Mapping[int, NodeLike]
) -> dict[tuple[bytes, bytes], list[int]]:
    """The batches of each version that a step without a map read."""
    wanted = {(node.run_id, dataset) for node in nodes.values() for dataset in node.owes}
    rows = select_by_rows(session, _VERSIONS, _READ, sorted(wanted))
    return {
        (bytes(run), bytes(dataset)): [] if number is None else membership(session, dataset, number)
        for run, dataset, number in rows
    }


def _sources_first(parents: Mapping[int, Sequence[int]], starts: Sequence[int]) -> list[int]:
    """Every batch after those it was made from; a cycle is entered once and left."""
    order: dict[int, None] = {}
    entered: set[int] = set()
    stack = [(number, False) for number in starts]
    while stack:
        number, done = stack.pop()
        if done:
            order[number] = None
            continue
        if number in entered:
            continue
        entered.add(number)
        stack.append((number, True))
        stack += [(each, False) for each in parents.get(number, ()) if each not in entered]
    return list(order)


def _summed(session: Session, numbers: Iterable[int]) -> dict[int, dict[str, int]]:
    rows = [(number,) for number in sorted(numbers)]
    found: dict[int, dict[str, int]] = {}
    for number, value, examples in select_by_rows(session, _LICENSES, _NUMBER, rows):
        found.setdefault(number, {})[value] = examples
    return found
