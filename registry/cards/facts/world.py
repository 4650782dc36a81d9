"""Reads once what most facts of a version rest on: its batches, what they were made of, and sums.

Rules:
1. Everything is read as the system over the whole graph (DESIGN §1.11); what of it somebody may see
   is decided afterwards (`registry.cards.facts.sight`).
2. A model's members are those of every dataset version that the run of its version read; a model
   among its inputs is named and not gone into: a modifier reports what it used itself.
3. A batch is named by its run and its name, which no order of arrival changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlmodel import Session

from registry.canonical import canonical_json, digest_text
from registry.cards.facts.batch_rows import BatchRow, batches_basis, read_batches, sums_basis
from registry.cards.facts.making import Basis, latest, sorted_basis
from registry.cards.values import Evidence, EvidenceKind, Grade
from registry.catalog.facets import dataset_facts, parse_facet
from registry.catalog.lookup import KeptFacet, Named, facets_kept, payloads_of
from registry.catalog.tables import Dataset
from registry.catalog.version_tables import DatasetVersion
from registry.catalog.versions import current_numbers, membership
from registry.errors import NotFoundError
from registry.ledger.batches import BatchGraph
from registry.ledger.opened import Ledger
from registry.ledger.rowmap import Role
from registry.moments import from_micros
from registry.policy.policy_set import PolicySet
from registry.policy.steps import Steps, copies, walk
from registry.rights.verifications import Verified, verified_facts
from registry.storage.bulk import select_by_ids
from registry.storage.columns import table_of, wins_parts

_dataset, _version = table_of(Dataset), table_of(DatasetVersion)
_READ = """
SELECT s.scope_id, d.id, d.namespace, d.name, r.number FROM {ids} AS w
JOIN scope_dataset s ON s.scope_id = w.id AND s.direction = 'input'
JOIN dataset d ON d.id = s.dataset_id
LEFT JOIN run_read r ON r.run_id = s.scope_id AND r.dataset_id = s.dataset_id
ORDER BY d.namespace, d.name
"""


class VersionRead(NamedTuple):
    """A dataset that a model's run read, and which version (None: not known)."""

    dataset: Named
    number: int | None
    is_model: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the house facts are read with."""

    ledger: Ledger
    policies: PolicySet


@dataclass(frozen=True, slots=True)
class Target:
    """The version that is asked for. `scope_id`: the run that wrote it, `event`: what said how that
    run ended, if anything did.

    `versions`: the dataset versions that the facts are about: this one, or those that a model's run
    read (rule 2), with `read` what it read at all.
    """

    dataset: Named
    number: int
    base: int | None
    mode: str
    scope_id: bytes
    event: str | None
    completed_at: datetime
    is_model: bool
    versions: tuple[tuple[Named, int], ...]
    read: tuple[VersionRead, ...]


@dataclass(frozen=True, slots=True)
class Facets:
    """What is said of datasets as they are now: of the target's own, and of those of the batches.

    `current`: the number of the current version; None where there is none.
    """

    own: Mapping[str, KeptFacet]
    of: Mapping[bytes, Mapping[str, KeptFacet]]
    current: int | None

    def basis(self, *names: str) -> Basis:
        """The events that these facets of the dataset came from, as evidence."""
        return facets_basis(self.own[name] for name in names if name in self.own)


@dataclass(frozen=True)
class World:
    """What most facts rest on. `batches`: the members, and everything they were made of.

    `verified`: what people found of them.
    """

    target: Target
    steps: Steps
    batches: Mapping[int, BatchRow]
    verified: Mapping[int, Mapping[str, Verified]]

    @cached_property
    def members(self) -> tuple[BatchRow, ...]:
        """The batches of the versions, in their order."""
        return tuple(self.batches[n] for n in self.steps.members if n in self.batches)

    @cached_property
    def ancestors(self) -> tuple[BatchRow, ...]:
        """The batches that the members were made of, and that are no members; by name."""
        own = set(self.steps.members)
        rest = [row for number, row in self.batches.items() if number not in own]
        return tuple(sorted(rest, key=lambda row: (row.dataset_id, row.run_id, row.name)))

    @cached_property
    def everything(self) -> tuple[BatchRow, ...]:
        """The members, and then what they were made of."""
        return (*self.members, *self.ancestors)

    @cached_property
    def entries(self) -> tuple[BatchRow, ...]:
        """The batches among all of them where examples entered: what is not made of other data."""
        return tuple(row for row in self.everything if row.number in self._entered)

    @cached_property
    def purposes(self) -> frozenset[str]:
        """The distinct lists of purposes (JSON) of all batches."""
        return frozenset(row.purposes for row in self.everything if row.purposes)

    @cached_property
    def legal_bases(self) -> frozenset[str | None]:
        """The distinct legal bases of all batches."""
        return frozenset(self.said(r, "legal_basis", r.legal_basis) for r in self.everything)

    @cached_property
    def linked(self) -> tuple[BatchRow, ...]:
        """The batches where examples entered with links to persons."""
        return tuple(row for row in self.entries if row.subjects)

    @cached_property
    def crawled(self) -> tuple[BatchRow, ...]:
        """The batches that were crawled."""
        return tuple(row for row in self.entries if self.kind_of(row) == "crawled")

    @cached_property
    def says_every_kind(self) -> bool:
        """Whether the kind of source is known wherever examples entered."""
        return bool(self.entries) and all(self.kind_of(row) for row in self.entries)

    @cached_property
    def by_dataset(self) -> Mapping[bytes, tuple[BatchRow, ...]]:
        """All batches by their dataset."""
        found: dict[bytes, list[BatchRow]] = {}
        for row in self.everything:
            found.setdefault(bytes(row.dataset_id), []).append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @cached_property
    def licensed(self) -> Mapping[tuple[bytes, str | None, bool], tuple[BatchRow, ...]]:
        """Batches whose licence nobody verified, by dataset and licence; and: is it a source?"""
        found: dict[tuple[bytes, str | None, bool], list[BatchRow]] = {}
        for row in self.everything:
            if "license" not in self.verified.get(row.number, {}):
                is_source = not self.steps.sources(row.number)
                key = (bytes(row.dataset_id), row.license, is_source)
                found.setdefault(key, []).append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @cached_property
    def jobs(self) -> frozenset[tuple[str, str]]:
        """The jobs that wrote the batches, by namespace and name."""
        nodes = (self.steps.nodes[row.number] for row in self.everything)
        return frozenset((node.job_namespace, node.job) for node in nodes if node.job)

    def is_entry(self, row: BatchRow) -> bool:
        """Whether examples entered with a batch, as far as is known."""
        return row.number in self._entered

    @cached_property
    def _entered(self) -> frozenset[int]:
        """The numbers of the batches where examples entered: nothing is known to be before them."""
        found = []
        labelled, synthesised = Role.LABELLED.value, Role.SYNTHESISED_FROM.value
        for number, node in self.steps.nodes.items():
            roles = {part.role for part in copies(node)} - {labelled}
            unknown = number in self.steps.unmapped or self.steps.owed.get(number)
            if not unknown and (not roles or synthesised in roles):
                found.append(number)
        return frozenset(found)

    def is_synthesised(self, row: BatchRow) -> bool:
        """Whether a batch was made by a model, by what its map says."""
        return any(p.role == Role.SYNTHESISED_FROM for p in self.steps.nodes[row.number].maps)

    def said(self, row: BatchRow, fact: str, asserted: str | None) -> str | None:
        """What a person verified of a batch, or else what its producer asserted."""
        found = self.verified.get(row.number, {}).get(fact)
        return asserted if found is None else found.value

    def grade_of(self, rows: Iterable[BatchRow], fact: str) -> Grade:
        """The grade of what is said of all of these batches."""
        some = list(rows)
        looked = all(fact in self.verified.get(row.number, {}) for row in some)
        return Grade.VERIFIED if some and looked else Grade.ASSERTED

    def kind_of(self, row: BatchRow) -> str | None:
        """The kind of a batch's source; None where nobody said it."""
        said = self.said(row, "origin", row.origin_kind)
        return "synthetic" if said is None and self.is_synthesised(row) else said

    def dataset_name(self, row: BatchRow) -> str:
        """The dataset of a batch."""
        node = self.steps.nodes[row.number]
        return f"{node.namespace} {node.dataset}"

    def job_name(self, row: BatchRow) -> str | None:
        """The job that wrote a batch; None where no run is known."""
        node = self.steps.nodes[row.number]
        return f"{node.job_namespace} {node.job}" if node.job else None

    @cached_property
    def of_entries(self) -> Basis:
        """The batches where examples entered and the events that told of them, as evidence."""
        return batches_basis(self.entries)

    @cached_property
    def of_everything(self) -> Basis:
        """All batches and the events that told of them, as evidence."""
        return batches_basis(self.everything)

    @cached_property
    def of_members(self) -> Basis:
        """The batches of the versions and the events that told of them, as evidence."""
        return batches_basis(self.members)

    @cached_property
    def of_sums(self) -> Basis:
        """The sums of the members, as evidence."""
        return sums_basis(self.members)

    @cached_property
    def of_version(self) -> Basis:
        """The version itself and the event that ended the run which wrote it, as evidence."""
        target = self.target
        things = [] if target.event is None else [Evidence(EvidenceKind.EVENT, target.event)]
        things.append(Evidence(EvidenceKind.VERSION, version_key(target.dataset, target.number)))
        return sorted_basis(things, len(things), target.completed_at)

    def is_measured(self, row: BatchRow) -> bool:
        """Whether the ledger has the examples of a batch or their map, and so counted them."""
        return row.is_counted and bool(row.indexed or self.steps.nodes[row.number].maps)

    @cached_property
    def content_digest(self) -> str:
        """What the version is made of: its batches in order, by names that nothing changes."""
        held = [[bytes(row.dataset_id).hex(), row.key] for row in self.members]
        return digest_text(hashlib.sha256(canonical_json(held)).digest())


def find_target(session: Session, dataset_id: bytes, number: int) -> Target:
    """The version that is asked for. Raises NotFoundError. Cost: three queries at most."""
    dataset, row = _found(session, dataset_id, number)
    kind = parse_facet(row.payload).get("datasetType") if row.payload else None
    is_model = isinstance(kind, str) and kind.upper() == "MODEL"
    read: tuple[VersionRead, ...] = ()
    versions: tuple[tuple[Named, int], ...] = ((dataset, number),)
    if is_model:
        read = _versions_read(session, bytes(row.scope_id))
        versions = tuple(
            (each.dataset, each.number)
            for each in read
            if each.number is not None and not each.is_model
        )
    return Target(
        dataset,
        number,
        row.base,
        row.mode,
        bytes(row.scope_id),
        None if row.state_key is None else digest_text(wins_parts(bytes(row.state_key)[1:])[1]),
        from_micros(row.completed_at),
        is_model,
        versions,
        read,
    )


def read_world(session: Session, parts: Parts, target: Target) -> World:
    """Everything about a version that many facts rest on.

    Cost: some queries for each level of what it was made of.
    """
    members: dict[int, None] = {}
    for held, number in target.versions:
        members.update(dict.fromkeys(membership(session, held.id, number)))
    # A graph of its own, because one that is kept remembers what a batch owed when it was first
    # looked at, and a run may say later what else it read.
    steps = walk(session, BatchGraph(parts.ledger.objects), members)
    verified = verified_facts(session, sorted(steps.nodes))
    return World(target, steps, read_batches(session, steps.nodes), verified)


def read_facets(session: Session, world: World) -> Facets:
    """What is said now of the datasets of a world. Cost: two queries."""
    own = world.target.dataset.id
    datasets = world.by_dataset.keys() | {own}
    found = facets_kept(session, "dataset", sorted(datasets))
    current = current_numbers(session, [own]).get(own)
    return Facets(found.get(own, {}), found, current)


def _found(session: Session, dataset_id: bytes, number: int) -> tuple[Named, Any]:
    """The dataset and the row of its version, with moments in microseconds."""
    sql = """
        SELECT d.id, d.namespace, d.name, v.base, v.mode, v.scope_id, v.completed_at, v.number,
          t.payload, r.state_key
        FROM {ids} AS w JOIN dataset d ON d.id = w.id
        LEFT JOIN dataset_facet t ON t.dataset_id = d.id AND t.name = 'datasetType'
        LEFT JOIN dataset_version v ON v.dataset_id = d.id AND v.number = :number
        LEFT JOIN run r ON r.id = v.scope_id"""
    rows = select_by_ids(session, sql, [dataset_id], number=number)
    if not rows:
        raise NotFoundError(
            f"There is no dataset {dataset_id.hex()}.",
            remedy="See GET /api/v1/search for what there is.",
            path="name",
        )
    row = rows[0]
    dataset = Named(bytes(row[0]), row[1], row[2])
    if row.number is None:
        raise NotFoundError(
            f"{dataset.namespace[:200]} {dataset.name[:200]} has no version {number}.",
            remedy="Its versions are listed at …/versions; the first is 1.",
            path="version",
        )
    return dataset, row


def _versions_read(session: Session, run_id: bytes) -> tuple[VersionRead, ...]:
    rows = select_by_ids(session, _READ, [run_id])
    facets = facets_kept(session, "dataset", sorted({bytes(row[1]) for row in rows}))
    found = []
    for _, key, namespace, name, number in rows:
        said = dataset_facts(payloads_of(facets.get(bytes(key), {}))).dataset_type or ""
        named = Named(bytes(key), namespace, name)
        found.append(VersionRead(named, number, said.upper() == "MODEL"))
    return tuple(found)


def version_key(dataset: Named, number: int) -> str:
    """What a version is called in evidence."""
    return f"{dataset.namespace} {dataset.name} {number}"


def facets_basis(facets: Iterable[KeptFacet]) -> Basis:
    """The events that these facets came from, as evidence."""
    found = [wins_parts(bytes(facet.wins)) for facet in facets]
    events = sorted({Evidence(EvidenceKind.EVENT, digest_text(digest)) for _, digest in found})
    said = latest(*(from_micros(at) for at, _ in found))
    return sorted_basis(events, len(events), said)
