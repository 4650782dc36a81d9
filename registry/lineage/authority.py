"""Judges what an event may write, by the project of its sender. Pure.

Rules (DESIGN §5, write authority):
1. An event writes its job, its outputs and its own dataset. A job whose name nobody but `default`
   claims counts as its sender's. An event that would write another project's name is outside.
2. What it says of other names is free, but for what is written about them: facets of an input,
   aliases, and targets of explicit lineage. Where those belong to another project they are denied,
   which leaves them with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from registry.actors.claims import Claims
from registry.lineage.events import Event, EventKind
from registry.lineage.facets import OtherName
from registry.lineage.values import Named


def name_outside(event: Event, claims: Claims, project_id: str) -> Named | None:
    """The first name that the event would write and the project does not own (rule 1)."""
    for dataset in event.outputs:
        if claims.owner(dataset.named.namespace, dataset.named.name) != project_id:
            return dataset.named
    if event.kind is not EventKind.DATASET and not _is_senders_job(event.named, claims, project_id):
        return event.named
    return None


def denied_names(
    event: Event, others: Iterable[OtherName], claims: Claims, project_id: str
) -> frozenset[bytes]:
    """The ids of names that the event speaks of and must not be written about (rule 2)."""
    return frozenset(_denied(event, others, claims, project_id))


def _denied(
    event: Event, others: Iterable[OtherName], claims: Claims, project_id: str
) -> Iterator[bytes]:
    for dataset in event.inputs:
        if claims.owner(dataset.named.namespace, dataset.named.name) != project_id:
            yield dataset.named.id
    for other in others:
        if not other.is_written:
            continue
        if other.kind == "job":
            allowed = _is_senders_job(other.named, claims, project_id)
        else:
            allowed = claims.owner(other.named.namespace, other.named.name) == project_id
        if not allowed:
            yield other.named.id


def _is_senders_job(job: Named, claims: Claims, project_id: str) -> bool:
    owner = claims.owner(job.namespace, job.name)
    return owner in (project_id, claims.default_project_id)
