"""All policy files as one set that decisions are made by, with its digest.

Rules:
1. The set is whole or it is not loaded: a file that cannot be used stops it with file, line and
   remedy. A reload makes a new set; what decides with the old one goes on with the old one.
2. The version of a policy is the digest over the bytes of every file of the set, so that a
   decision can be repeated with what it was made by.
3. What a form cannot say is checked here: durations, a `last_used` without an end, groups of
   regions and names that nobody defined.
4. A file that the operator's folder lacks is the shipped one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from registry.durations import parse_duration
from registry.errors import InvalidInputError
from registry.files import shipped
from registry.policy.facts import Question
from registry.policy.forms import (
    ResidencyPolicy,
    RetentionPolicy,
    RetentionRule,
    Trigger,
    UsePolicy,
    VetPolicy,
)
from registry.policy.yaml_file import read_form, refuse
from registry.rights.licenses import Licenses, load_licenses
from registry.rights.purposes import Purposes, load_purposes

Form = TypeVar("Form")
FILES = (
    "licenses.yaml",
    "purposes.yaml",
    "residency.yaml",
    "retention.yaml",
    "use.yaml",
    "vet.yaml",
)


@dataclass(frozen=True, slots=True, eq=False)
class PolicySet:
    """Everything that is decided by. `digest`: `sha256:…` (rule 2).

    A set is equal to itself alone, so that what follows from it can be remembered.
    """

    digest: str
    purposes: Purposes
    licenses: Licenses
    use: UsePolicy
    retention: RetentionPolicy
    residency: ResidencyPolicy
    vet: VetPolicy


def load_policies(folder: Path | None = None) -> PolicySet:
    """The set of a folder, or the shipped one. Raises PolicyError (rules 1 and 3)."""
    purposes = load_purposes(policy_path(folder, "purposes.yaml"))
    licenses = load_licenses(policy_path(folder, "licenses.yaml"))
    use = _form(folder, "use.yaml", UsePolicy)
    retention = _form(folder, "retention.yaml", RetentionPolicy)
    residency = _form(folder, "residency.yaml", ResidencyPolicy)
    vet = _form(folder, "vet.yaml", VetPolicy)
    check_retention(retention)
    check_residency(residency)
    check_purposes(use, purposes)
    return PolicySet(digest_of(folder), purposes, licenses, use, retention, residency, vet)


def policy_path(folder: Path | None, name: str) -> Path:
    """Where a file of the set lies (rule 4)."""
    if folder is not None and (folder / name).is_file():
        return folder / name
    return shipped("policies") / name


def cases_folder(folder: Path | None) -> Path:
    """Where the cases lie that a folder is tried with (rule 4)."""
    if folder is not None and (folder / "cases").is_dir():
        return folder / "cases"
    return shipped("policies") / "cases"


def _form(folder: Path | None, name: str, kind: type[Form]) -> Form:
    return read_form(policy_path(folder, name), kind)


def digest_of(folder: Path | None) -> str:
    """The version of the policies of a folder (rule 2)."""
    found = hashlib.sha256()
    for name in FILES:
        path = policy_path(folder, name)
        data = path.read_bytes() if path.is_file() else b""
        found.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return f"sha256:{found.hexdigest()}"


def check_retention(policy: RetentionPolicy, name: str = "retention.yaml") -> None:
    """Raise PolicyError for what is no duration, and rules that never end (rule 3)."""
    for label, text in (("event_log", policy.event_log), ("audit_payloads", policy.audit_payloads)):
        _check_duration(name, label, text)
    seen: set[str] = set()
    for rule in policy.rules:
        if rule.name in seen:
            raise refuse(name, f"Two rules are called {rule.name}.", "Rename one.")
        seen.add(rule.name)
        for text in (rule.duration, rule.at_most):
            _check_duration(name, rule.name, text)
        if rule.trigger is Trigger.LAST_USED and rule.at_most is None:
            raise refuse(
                name,
                f"{rule.name} counts from the last use, which every training run renews.",
                "Give it an end: at_most.",
            )


def _check_duration(name: str, label: str, text: str | None) -> None:
    if text is None:
        return
    try:
        parse_duration(text)
    except InvalidInputError as error:
        raise refuse(name, f"{label}: {error.detail}", error.remedy) from error


def check_residency(policy: ResidencyPolicy, name: str = "residency.yaml") -> None:
    """Raise PolicyError for a bound that names a group of regions nobody defined (rule 3)."""
    for classification, bound in policy.classifications.items():
        for group in (*(bound.rest or ()), *(bound.travel or ())):
            if group not in policy.regions:
                raise refuse(
                    name,
                    f"{classification} names the group {group!r}, and regions has none.",
                    f"Choose of: {', '.join(policy.regions)}.",
                )


def check_purposes(use: UsePolicy, purposes: Purposes, name: str = "use.yaml") -> None:
    """Raise PolicyError for a purpose in `use.yaml` that `purposes.yaml` lacks (rule 3)."""
    named = {*use.license.rights, *use.opt_out.purposes}
    named.update(each for some in use.classifications.values() for each in some)
    for purpose in sorted(named):
        if purpose not in purposes:
            raise refuse(
                name,
                f"{purpose!r} is no purpose of purposes.yaml.",
                f"Choose of: {', '.join(purposes.entries)}.",
            )


def question_of(
    policies: PolicySet,
    purpose: str,
    at: datetime,
    *,
    region: str | None = None,
    recipient: str | None = None,
    is_past: bool = False,
) -> Question:
    """The question for a purpose of the set. Raises InvalidInputError for one that is not in it."""
    policies.purposes.require(purpose)
    covering = frozenset(policies.purposes.covering(purpose))
    return Question(purpose, at, region, recipient, covering, is_past)


def idle_rules(
    policies: PolicySet, matched: Mapping[str, int], rules: Iterable[RetentionRule] | None = None
) -> Iterator[str]:
    """The names of retention rules that matched nothing, for a warning."""
    for rule in policies.retention.rules if rules is None else rules:
        if not matched.get(rule.name):
            yield rule.name
