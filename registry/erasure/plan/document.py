"""A scope as a frozen document: what an approver approves, with its digest. Pure.

Rules (the governance page, "Erasure request", cases 14 and 19):
1. The document is RFC 8785 JSON; its SHA-256 is the plan's name. The same scope under the same
   rules gives the same bytes, whenever and wherever it is computed.
2. It holds counts, places and digests of sets, never an example, a subject key or an identifier.
3. What changes what would be done changes the digest: members, files, models, recipients, holds,
   the rules, and what could not be searched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from registry.canonical import canonical_json, digest_text
from registry.erasure.scope.copies import Part
from registry.erasure.scope.found import Scope
from registry.erasure.scope.sets import Marks, Ordinals, digest_of, marks_without, size
from registry.erasure.scope.world import Output, Step
from registry.erasure.tasks import Grown
from registry.ids import named_id, uuid_text
from registry.moments import rfc3339

FORMAT = "registry.erasure.plan.document/1"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """`text`: the bytes of the document (rule 1); `digest`: `sha256:…` of them."""

    text: bytes
    digest: str

    @property
    def document(self) -> Json:
        """The document as JSON values; a new one each time."""
        found: Json = msgspec.json.decode(self.text)
        return found


def make_plan(scope: Scope) -> Plan:
    """The plan of a scope. Cost: a pass over its sets to hash them."""
    return plan_of(_document(scope))


def plan_of(document: Json) -> Plan:
    """A document as a plan."""
    text = canonical_json(document)
    return Plan(text, digest_text(hashlib.sha256(text).digest()))


def read_plan(text: bytes) -> Plan:
    """A plan that was kept as it was made."""
    return Plan(text, digest_text(hashlib.sha256(text).digest()))


@dataclass(frozen=True, slots=True)
class Member:
    """The examples of one batch in a plan; `ordinals` None: all of them, less what is erased.

    `part`: `erase` or `review`; `reason`: of what is reviewed, empty otherwise. `examples`: how
    many, None where nobody counted.
    """

    part: Part
    reason: str
    batch: int
    ordinals: Ordinals | None
    examples: int | None


def members_of(scope: Scope) -> Iterator[Member]:
    """Everything in a scope, batch by batch, as it is kept beside its plan."""
    for number, ordinals in sorted(scope.erase.items()):
        yield Member(Part.ERASE, "", number, ordinals, int(ordinals.size))
    for reason, marks in sorted(scope.review.items()):
        for number, some in sorted(marks.items()):
            count = _count(scope, number, some)
            yield Member(Part.REVIEW, reason.value, number, some, count)


def _document(scope: Scope) -> Json:
    received = scope.until.received_at
    return {
        "format": FORMAT,
        "rules": scope.rules,
        "known_until": {
            "batch": scope.until.batch_number,
            "received_at": None if received is None else rfc3339(received),
        },
        "erase": {
            "examples": size(scope.erase),
            "own": size(scope.own),
            "by_dataset": _by_dataset(scope, dict(scope.erase)),
        },
        "review": _review(scope),
        "near_duplicates": _near(scope),
        "unknown_steps": _unknown_steps(scope),
        "files": _files(scope),
        "without_files": list(scope.without_files),
        "versions": _versions(scope),
        "models": _models(scope),
        "recipients": _recipients(scope),
        "withheld": _withheld(scope),
        "searched": _searched(scope),
        "not_searched": [
            {
                "batch": each.batch,
                "namespace": each.namespace,
                "name": each.dataset,
                "why": each.search.value,
            }
            for each in scope.not_searched
        ],
    }


def _by_dataset(scope: Scope, marks: Marks) -> list[Json]:
    """The batches of a set with their counts and digests, by dataset."""
    found: dict[tuple[str, str], list[Json]] = {}
    for number, ordinals in sorted(marks.items()):
        node = scope.nodes[number]
        found.setdefault((node.namespace, node.dataset), []).append(
            {
                "batch": number,
                "name": node.name,
                "examples": _count(scope, number, ordinals),
                "whole": ordinals is None,
                "members": digest_of(ordinals),
            }
        )
    return [
        {
            "namespace": namespace,
            "name": name,
            "examples": _sum(each["examples"] for each in batches),
            "batches": batches,
        }
        for (namespace, name), batches in sorted(found.items())
    ]


def _count(scope: Scope, number: int, ordinals: Ordinals | None) -> int | None:
    """How many examples are meant; of a whole batch, all that are not erased. None: uncounted."""
    if ordinals is not None:
        return int(ordinals.size)
    rows = scope.nodes[number].rows
    erased = scope.erase.get(number)
    return None if rows is None else rows - (0 if erased is None else int(erased.size))


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def _review(scope: Scope) -> list[Json]:
    found = []
    for reason, marks in sorted(scope.review.items()):
        groups = _by_dataset(scope, marks_without(marks, scope.erase))
        examples = _sum(each["examples"] for each in groups)
        found.append({"reason": reason.value, "examples": examples, "by_dataset": groups})
    return found


def _named(scope: Scope, dataset_id: bytes) -> Json:
    namespace, name = scope.names.get(dataset_id, ("", dataset_id.hex()))
    return {"namespace": namespace, "name": name}


def _unknown_steps(scope: Scope) -> list[Json]:
    """The runs that owe a map, each with what it read and wrote, once."""

    def order(step: Step) -> tuple[bytes, Output, int, bytes]:
        return step.run_id, step.output, step.target or 0, step.dataset_id

    steps = {order(step): step for step in scope.reached.steps if not step.is_model}
    return [
        {
            "job": step.job,
            "run": uuid_text(step.run_id),
            "read": _named(scope, step.dataset_id),
            "wrote": _named(scope, step.output.dataset_id),
            "batch": step.target,
        }
        for _, step in sorted(steps.items())
    ]


def _near(scope: Scope) -> list[Json]:
    names = ("batch", "position", "score", "method", "examples")
    found = sorted(scope.reached.near, key=lambda each: (each.batch, each.position, each.examples))
    return [{name: getattr(near, name) for name in names} for near in found]


def _versions(scope: Scope) -> list[Json]:
    return [
        {
            "namespace": each.namespace,
            "name": each.name,
            "part": each.part.value,
            "versions": [list(pair) for pair in each.ranges],
            "current": each.current,
        }
        for each in scope.versions
    ]


def _files(scope: Scope) -> list[Json]:
    names = ("batch", "position", "uri", "sha256", "rows", "first", "erase", "review")
    return [{name: getattr(file, name) for name in names} for file in scope.files]


def _models(scope: Scope) -> list[Json]:
    return [
        {
            "namespace": each.namespace,
            "name": each.name,
            "run": uuid_text(each.run_id),
            "job": each.job,
            "part": each.part.value,
            "state": each.state,
        }
        for each in scope.models
    ]


def _recipients(scope: Scope) -> list[Json]:
    return [
        {
            "recipient": each.recipient_id,
            "name": each.recipient,
            "share": each.share_id,
            "namespace": each.namespace,
            "dataset": each.dataset,
            "version": each.version,
            "shared_at": rfc3339(each.shared_at),
            "part": each.part.value,
            "state": each.state,
        }
        for each in scope.recipients
    ]


def _withheld(scope: Scope) -> list[Json]:
    return [
        {
            "hold": each.hold_id,
            "ground": each.ground.value,
            "matter": each.matter,
            "examples": size(each.examples),
            "by_dataset": _by_dataset(scope, dict(each.examples)),
        }
        for each in scope.withheld
    ]


def _searched(scope: Scope) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in scope.coverage:
        counts[each.search.value] = counts.get(each.search.value, 0) + 1
    return counts


@dataclass(frozen=True, slots=True)
class Changed:
    """What of one section of a plan is new, gone or different, by its entries' names."""

    section: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


def diff(before: Plan, after: Plan) -> tuple[Changed, ...]:
    """What differs between two plans, section by section; none for equal ones."""
    old, new = before.document, after.document
    found = []
    for section, entries in _SECTIONS.items():
        was, now = dict(entries(old)), dict(entries(new))
        changed = Changed(
            section,
            tuple(name for name in now if name not in was),
            tuple(name for name in was if name not in now),
            tuple(name for name in now if name in was and now[name] != was[name]),
        )
        if changed.added or changed.removed or changed.changed:
            found.append(changed)
    return tuple(found)


def grown(before: Json, after: Json) -> Grown:
    """What a plan that extends another one has more of."""
    old = {name: batch["members"] for name, batch in _batches(before["erase"]["by_dataset"])}
    batches, datasets = set[int](), set[bytes]()
    for group in after["erase"]["by_dataset"]:
        for name, batch in _batches([group]):
            if old.get(name) != batch["members"]:
                batches.add(batch["batch"])
                datasets.add(named_id("dataset", group["namespace"], group["name"]))
    recipients = {
        each["recipient"]
        for each in after["recipients"]
        if named_id("dataset", each["namespace"], each["dataset"]) in datasets
    }
    return Grown(frozenset(batches), frozenset(datasets), frozenset(recipients))


Entries = Iterable[tuple[str, Any]]


def _batches(groups: Iterable[Json], prefix: str = "") -> Entries:
    for group in groups:
        for batch in group["batches"]:
            yield f"{prefix}{group['namespace']} {group['name']} {batch['batch']}", batch


def _plain(section: str, *names: str) -> Callable[[Json], Entries]:
    def entries(document: Json) -> Entries:
        return ((" ".join(str(each[name]) for name in names), each) for each in document[section])

    return entries


def _reviewed(document: Json) -> Entries:
    for group in document["review"]:
        yield from _batches(group["by_dataset"], f"{group['reason']}: ")


def _alone(document: Json) -> Entries:
    return (
        (name, document[name]) for name in ("rules", "known_until", "searched", "without_files")
    )


def _steps(document: Json) -> Entries:
    for step in document["unknown_steps"]:
        read, wrote = (f"{step[end]['namespace']} {step[end]['name']}" for end in ("read", "wrote"))
        yield f"{step['job']} {step['run']} {read} {wrote} {step['batch']}", step


_SECTIONS: Mapping[str, Callable[[Json], Entries]] = {
    "plan": _alone,
    "erase": lambda document: _batches(document["erase"]["by_dataset"]),
    "review": _reviewed,
    "near_duplicates": _plain("near_duplicates", "batch", "position", "examples"),
    "unknown_steps": _steps,
    "files": _plain("files", "batch", "position", "uri"),
    "versions": _plain("versions", "namespace", "name", "part"),
    "models": _plain("models", "namespace", "name", "run"),
    "recipients": _plain("recipients", "share"),
    "withheld": _plain("withheld", "hold"),
    "not_searched": _plain("not_searched", "batch"),
}
