"""Where the examples of a request went: files, dataset versions, recipients, and models.

Rules (DESIGN §1.4, §1.5; GDPR Art. 19):
1. A file holds those examples whose ordinals it counts; where a file before it does not say how
   many rows it has, nobody knows which.
2. A version holds a batch from when its line added it until its line removed it. A share of such a
   version reached its recipient; one under another name of the dataset may have.
3. A run made a model of what it read: it saw an example where the version it read surely held it.
   A model made from such a model may have seen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlmodel import Session

from registry.catalog.aliases import Aliases
from registry.catalog.versions import current_numbers
from registry.erasure.scope.reach import Reached
from registry.erasure.scope.sets import Marks, Ordinals, Sets
from registry.erasure.scope.unmapped import steps_after
from registry.erasure.scope.until import Until
from registry.erasure.scope.world import Output, Step
from registry.ledger.batches import BatchNode
from registry.ledger.seen import Membership, read_memberships
from registry.ledger.source_files import files_of
from registry.moments import from_micros
from registry.rights.register import list_recipients
from registry.storage.bulk import select_by_ids

_NAMES = "SELECT d.id, d.namespace, d.name FROM {ids} AS w JOIN dataset d ON d.id = w.id"
_VERSIONS = """
SELECT v.dataset_id, v.line, v.number FROM {ids} AS w
JOIN dataset_version v ON v.dataset_id = w.id ORDER BY v.dataset_id, v.line, v.number
"""
_SHARES = """
SELECT s.dataset_id, s.number, s.recipient_id, s.id, s.shared_at FROM {ids} AS w
JOIN share s ON s.dataset_id = w.id ORDER BY s.recipient_id, s.shared_at, s.id
"""


class Part(StrEnum):
    """Which of the two sets something is about."""

    ERASE = "erase"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class FileCopy:
    """A file of a batch. `erase`, `review`: how many such rows are in it; None where nobody knows
    (rule 1).
    """

    batch: int
    position: int
    uri: str
    sha256: str | None
    rows: int | None
    first: int | None
    erase: int | None
    review: int | None


@dataclass(frozen=True, slots=True)
class HeldVersions:
    """The versions of a dataset that hold such examples, as ranges of numbers, ends included."""

    dataset_id: bytes
    namespace: str
    name: str
    part: Part
    ranges: tuple[tuple[int, int], ...]
    current: bool

    def holds(self, number: int) -> bool:
        """Whether a version is among them."""
        return any(first <= number <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Received:
    """A recipient was given a version. `state`: `saw`, or `unknown` (rule 2)."""

    recipient_id: str
    recipient: str
    share_id: str
    namespace: str
    dataset: str
    version: int
    shared_at: datetime
    part: Part
    state: str


@dataclass(frozen=True, slots=True)
class SeenByModel:
    """A model and the run that made it. `state`: `saw`, or `unknown` (rule 3)."""

    dataset_id: bytes
    namespace: str
    name: str
    run_id: bytes
    job: str
    part: Part
    state: str


def file_copies(session: Session, erase: Sets, review: Marks) -> list[FileCopy]:
    """The files of all batches of both sets, in their order."""
    found: list[FileCopy] = []
    for number, files in sorted(files_of(session, {*erase, *review}).items()):
        erased, reviewed = erase.get(number, _NONE), review.get(number, _NONE)
        for position, file in enumerate(files):
            inside: tuple[int | None, int | None] = (None, None)
            if file.first is not None and file.rows is not None:
                stop = file.first + file.rows
                gone = _between(erased, file.first, stop)
                whole = reviewed is None
                inside = (
                    gone,
                    file.rows - gone if whole else _between(reviewed, file.first, stop),
                )
            elif not erased.size and reviewed is not None and not reviewed.size:
                inside = (0, 0)
            found.append(
                FileCopy(number, position, file.uri, file.sha256, file.rows, file.first, *inside)
            )
    return found


_NONE = np.empty(0, np.uint32)


def _between(ordinals: Ordinals | None, start: int, stop: int) -> int:
    if ordinals is None:
        return stop - start
    low, high = np.searchsorted(ordinals, np.array([start, stop], np.uint64))
    return int(high - low)


def held_versions(session: Session, numbers: Iterable[int], part: Part) -> list[HeldVersions]:
    """The versions that hold one of these batches (rule 2), by dataset.

    Cost: three queries, in proportion to the versions of the datasets.
    """
    memberships = read_memberships(session, numbers)
    dataset_ids = sorted(memberships)
    lines: dict[bytes, dict[int, list[int]]] = {}
    row: Any
    for row in select_by_ids(session, _VERSIONS, dataset_ids):
        lines.setdefault(bytes(row[0]), {}).setdefault(row[1], []).append(row[2])
    current = current_numbers(session, dataset_ids)
    names = dataset_names(session, dataset_ids)
    found = []
    for dataset_id in dataset_ids:
        held = _held_numbers(lines.get(dataset_id, {}), memberships[dataset_id])
        if held.size:
            namespace, name = names[dataset_id]
            is_current = current.get(dataset_id) in held
            found.append(HeldVersions(dataset_id, namespace, name, part, _ranges(held), is_current))
    return found


def _held_numbers(
    lines: Mapping[int, list[int]], memberships: Iterable[Membership]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The numbers of versions that hold a batch, sorted."""
    found = [np.empty(0, np.int64)]
    by_line: dict[int, list[Membership]] = {}
    for each in memberships:
        by_line.setdefault(each.line, []).append(each)
    for line, some in by_line.items():
        numbers = np.array(lines.get(line, ()), np.int64)
        change = np.zeros(numbers.size + 1, np.int64)
        began = np.searchsorted(numbers, [each.added for each in some])
        ended = [
            numbers.size if each.removed is None else int(np.searchsorted(numbers, each.removed))
            for each in some
        ]
        np.add.at(change, began, 1)
        np.add.at(change, np.maximum(ended, began), -1)
        found.append(numbers[np.cumsum(change)[:-1] > 0])
    return np.unique(np.concatenate(found))


def _ranges(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[tuple[int, int], ...]:
    breaks = np.flatnonzero(np.diff(numbers) != 1)
    first = numbers[np.concatenate(([0], breaks + 1))]
    last = numbers[np.concatenate((breaks, [numbers.size - 1]))]
    return tuple(zip(first.tolist(), last.tolist(), strict=True))


def dataset_names(session: Session, dataset_ids: Iterable[bytes]) -> dict[bytes, tuple[str, str]]:
    """The namespace and name of datasets."""
    rows = select_by_ids(session, _NAMES, sorted(set(dataset_ids)))
    return {bytes(row[0]): (row[1], row[2]) for row in rows}


def recipients_of(
    session: Session, versions: Iterable[HeldVersions], models: Iterable[SeenByModel]
) -> list[Received]:
    """Who was given one of these versions, or one of these models, by recipient (rule 2)."""
    held: dict[bytes, list[HeldVersions]] = {}
    for each in versions:
        held.setdefault(each.dataset_id, []).append(each)
    of_model = {model.dataset_id: model for model in models}
    aliases = Aliases(session)
    aliases.learn({*held, *of_model})
    known_as = aliases.canonical
    groups: dict[bytes, list[HeldVersions]] = {}
    for dataset_id, some in held.items():
        groups.setdefault(known_as.get(dataset_id, dataset_id), []).extend(some)
    asked = {*aliases.members(groups), *of_model}
    people = {each.id: str(each.said["name"]) for each in list_recipients(session)}
    names = dataset_names(session, asked)
    found = []
    row: Any
    for row in select_by_ids(session, _SHARES, sorted(asked)):
        dataset_id, number = bytes(row[0]), row[1]
        meant = [v for v in held.get(dataset_id, ()) if v.holds(number)]
        state = "saw"
        if dataset_id not in held:
            state = "unknown"
            meant = groups.get(known_as.get(dataset_id, dataset_id), [])
        part = min((v.part for v in meant), default=None)
        if dataset_id in of_model:
            part, state = of_model[dataset_id].part, of_model[dataset_id].state
        if part is not None:
            namespace, name = names.get(dataset_id, ("", ""))
            at = from_micros(row[4])
            who = people.get(row[2], row[2])
            found.append(Received(row[2], who, row[3], namespace, name, number, at, part, state))
    return found


def models_of(
    session: Session, found: Reached, nodes: Mapping[int, BatchNode], until: Until
) -> list[SeenByModel]:
    """The models that saw an example of one of the sets, or may have (rule 3)."""
    seen: dict[Output, tuple[Part, str, str]] = {}
    for step in found.steps:
        if step.is_model:
            _note(seen, step, *_how(step, found))
    for number, erased in sorted(found.model_batches.items()):
        node = nodes[number]
        output = Output(node.run_id, node.dataset_id)
        job = f"{node.job_namespace} {node.job}"
        seen[output] = (Part.ERASE if erased else Part.REVIEW, "saw", job)
    fresh = set(seen)
    while fresh:
        following: set[Output] = set()
        for step in steps_after(session, {}, fresh, until):
            if step.is_model and step.output not in seen:
                part = min(seen[each][0] for each in step.outputs)
                _note(seen, step, part, "unknown")
                following.add(step.output)
        fresh = following
    names = dataset_names(session, {output.dataset_id for output in seen})
    return [
        SeenByModel(
            output.dataset_id,
            *names.get(output.dataset_id, ("", "")),
            output.run_id,
            job,
            part,
            how,
        )
        for output, (part, how, job) in sorted(seen.items())
    ]


def _how(step: Step, found: Reached) -> tuple[Part, str]:
    """What a run saw of the erase set, or else of what is reviewed."""
    if not found.erase.keys().isdisjoint(step.saw):
        return Part.ERASE, "saw"
    if not found.erase.keys().isdisjoint(step.batches):
        return Part.ERASE, "unknown"
    return Part.REVIEW, "saw" if step.saw else "unknown"


def _note(seen: dict[Output, tuple[Part, str, str]], step: Step, part: Part, state: str) -> None:
    """Keep the graver of what is known: erased before reviewed, seen before unknown."""
    new = (part, state, step.job)
    seen[step.output] = min(seen.get(step.output, new), new)
