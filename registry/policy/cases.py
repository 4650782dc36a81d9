"""Policy cases: facts and the decision that is expected of them, as data with sentence names.

Rules:
1. A case runs against the files that are in force, or against the parts that it brings itself
   (`policies`), so that it says what it needs.
2. Consent is given as events, and what they come to is decided by the rule that decides it for
   people (`rights.consent_state`).
3. `made_from` are the sources of an example, judged beside it: all of them must allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from registry.errors import InvalidInputError
from registry.policy.decision import Decision, Outcome, Rule, decide
from registry.policy.facts import BatchFacts, ExampleFacts, SubjectFacts, standing_of
from registry.policy.forms import ResidencyPolicy, RetentionPolicy, UsePolicy
from registry.policy.policy_set import (
    PolicySet,
    check_residency,
    check_retention,
    question_of,
)
from registry.policy.retention import Disposal, disposal_of, due_of
from registry.policy.use import judge_example
from registry.policy.yaml_file import read_form, refuse
from registry.rights.consent_state import Said, consent_at
from registry.rights.licenses import Permission
from registry.rights.statuses import ConsentStatus

Day = str


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: a field that is not known is refused."""


class ConsentGiven(_Form, frozen=True):
    """A consent event; the order in the file is that of arrival."""

    status: ConsentStatus
    at: Day
    purpose: str = "model_training"
    expires_at: Day | None = None


class Person(_Form, frozen=True):
    """A person of an example."""

    consents: tuple[ConsentGiven, ...] = ()
    explicit: bool | None = None
    restricted: bool = False
    suppressed: bool = False
    held: bool = False


class Example(_Form, frozen=True):
    """What single examples have."""

    people: tuple[Person, ...] = ()
    license: str | None = None
    restricted: bool = False
    suppressed: bool = False
    held: bool = False


class CaseBatch(_Form, frozen=True):
    """What the batch of an example says."""

    dataset: str = "s3://lake raw/texts"
    legal_basis: str | None = None
    license: str | None = None
    origin: str | None = None
    opt_out: tuple[str, ...] = ()
    contract: str | None = None
    personal_data: str | None = None
    special_category_condition: str | None = None
    balancing_test: str | None = None
    purposes: tuple[str, ...] | None = None
    region: str | None = None
    classification: str | None = None
    collected: Day | None = None
    recorded: Day | None = None
    last_used: Day | None = None
    derived: bool = False
    unknown_steps: int = 0
    restricted: bool = False
    held: bool = False
    protected: bool = False


class Source(_Form, frozen=True):
    """An example that another was made from."""

    batch: CaseBatch = CaseBatch()
    example: Example = Example()


class CasePolicies(_Form, frozen=True):
    """The parts of the policies that a case brings itself."""

    use: UsePolicy | None = None
    retention: RetentionPolicy | None = None
    residency: ResidencyPolicy | None = None


class Expected(_Form, frozen=True):
    """What must come out; only what is given is compared."""

    decision: Outcome | None = None
    reasons: dict[Rule, Outcome] = {}
    disposal: Disposal | None = None
    due: Day | None = None


class Case(_Form, frozen=True):
    """One case; its name is a sentence."""

    name: Annotated[str, msgspec.Meta(min_length=10, max_length=200)]
    expect: Expected
    purpose: str = "model_training"
    region: str | None = None
    at: Day = "2026-03-01"
    batch: CaseBatch = CaseBatch()
    example: Example = Example()
    made_from: tuple[Source, ...] = ()
    policies: CasePolicies = CasePolicies()


class CaseFile(_Form, frozen=True):
    """A file of cases."""

    cases: tuple[Case, ...]


class Tried(msgspec.Struct, frozen=True):
    """A case that was run. `wrong`: what came out otherwise, empty where all is as expected."""

    file: str
    name: str
    decision: str
    wrong: tuple[str, ...]


def read_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """The cases of every file of a folder, with its name. Raises PolicyError."""
    seen: set[str] = set()
    for path in sorted(folder.glob("*.yaml")):
        for case in read_form(path, CaseFile).cases:
            if case.name in seen:
                raise refuse(path.name, f"Two cases are called {case.name!r}.", "Rename one.")
            seen.add(case.name)
            yield path.name, case


def run_case(policies: PolicySet, case: Case, file: str) -> Tried:
    """Decide a case and compare. Raises PolicyError for a moment or duration that is none."""
    used = _with(policies, case)
    at = _day(case.at, file)
    decision = decide_case(used, case, file)
    wrong = list(_differences(decision, case.expect))
    facts = _facts(used, case.batch, file)
    due = due_of(used.retention, facts)
    expected = case.expect.disposal
    if expected is not None:
        state = disposal_of(due, now=at, held=case.batch.held, protected=case.batch.protected)
        if state is not expected:
            wrong.append(f"disposal is {state}, not {expected}")
    if case.expect.due is not None:
        found = None if due is None or due.effective_at is None else due.effective_at
        if found != _day(case.expect.due, file):
            wrong.append(f"due is {found}, not {case.expect.due}")
    return Tried(file, case.name, decision.outcome.value, tuple(wrong))


def decide_case(policies: PolicySet, case: Case, file: str) -> Decision:
    """The decision on a case's example and all it was made from (rule 3)."""
    at = _day(case.at, file)
    question = question_of(policies, case.purpose, at, region=case.region)
    pairs = [(case.batch, case.example), *((s.batch, s.example) for s in case.made_from)]
    reasons = [
        reason
        for batch, example in pairs
        for reason in judge_example(
            policies,
            _facts(policies, batch, file),
            _example(policies, example, case.purpose, at, file),
            question,
        )
    ]
    return decide(reasons, policies.digest)


def _differences(decision: Decision, expected: Expected) -> Iterator[str]:
    if expected.decision is not None and decision.outcome is not expected.decision:
        yield f"decision is {decision.outcome}, not {expected.decision}"
    for rule, outcome in expected.reasons.items():
        found = {reason.outcome for reason in decision.reasons if reason.rule is rule}
        if outcome not in found:
            said = ", ".join(sorted(found)) or "silent"
            yield f"{rule} is {said}, not {outcome}"


def _with(policies: PolicySet, case: Case) -> PolicySet:
    own = case.policies
    if own.retention is not None:
        check_retention(own.retention, case.name)
    if own.residency is not None:
        check_residency(own.residency, case.name)
    return replace(
        policies,
        use=own.use or policies.use,
        retention=own.retention or policies.retention,
        residency=own.residency or policies.residency,
    )


def _day(text: Day, file: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        detail = f"{text[:40]!r} is no moment."
        raise refuse(file, detail, "Write 2026-03-01, or with a time.") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _maybe_day(text: Day | None, file: str) -> datetime | None:
    return None if text is None else _day(text, file)


def _facts(policies: PolicySet, batch: CaseBatch, file: str) -> BatchFacts:
    return BatchFacts(
        dataset=batch.dataset,
        legal_basis=batch.legal_basis,
        license=batch.license,
        grants=_grants(policies, batch.license),
        origin_kind=batch.origin,
        opt_out=batch.opt_out,
        contract=batch.contract,
        personal_data=batch.personal_data,
        special_category_condition=batch.special_category_condition,
        balancing_test=batch.balancing_test,
        purposes=batch.purposes,
        region=batch.region,
        classification=batch.classification,
        collected_at=_maybe_day(batch.collected, file),
        recorded_at=_maybe_day(batch.recorded, file),
        last_used_at=_maybe_day(batch.last_used, file),
        derived=batch.derived,
        owed=batch.unknown_steps,
        restricted=batch.restricted,
        held=batch.held,
    )


def _grants(policies: PolicySet, text: str | None) -> dict[str, Permission] | None:
    found = policies.licenses.of(text)
    if found is None:
        return None
    uses = ("ai_training", "commercial_use", "redistribution", "derivatives")
    return {use: getattr(found.terms, use) for use in uses}


def _example(
    policies: PolicySet, example: Example, purpose: str, at: datetime, file: str
) -> ExampleFacts:
    return ExampleFacts(
        subjects=tuple(_person(policies, each, purpose, at, file) for each in example.people),
        grants=_grants(policies, example.license),
        restricted=example.restricted,
        suppressed=example.suppressed,
        held=example.held,
    )


def _person(
    policies: PolicySet, person: Person, purpose: str, at: datetime, file: str
) -> SubjectFacts:
    events = [
        Said(
            each.purpose, each.status, _day(each.at, file), order, _maybe_day(each.expires_at, file)
        )
        for order, each in enumerate(person.consents)
    ]
    try:
        status = consent_at(events, policies.purposes, purpose, at=at).status
    except InvalidInputError as error:
        raise refuse(file, error.detail, error.remedy) from error
    return SubjectFacts(
        consent=None if status is None else standing_of(status),
        explicit=person.explicit,
        restricted=person.restricted,
        suppressed=person.suppressed,
        held=person.held,
    )
