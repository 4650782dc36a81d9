"""The policy cases hold on a database too: their facts are sent, recorded, read and judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from sqlmodel import Session

from registry.files import shipped
from registry.keys.identifiers import Scheme
from registry.keys.subjects import new_subject_key
from registry.ledger.rowmap import RowMap
from registry.policy.cases import Case, CaseBatch, Example, Person, read_cases
from registry.policy.decide import decided
from registry.policy.decision import Outcome
from registry.policy.policy_set import PolicySet, load_policies, question_of
from registry.request import House
from registry.rights.consent import ConsentSaid, record_consents
from registry.rights.holds import place_hold
from registry.rights.items import Item
from registry.rights.restrictions import Marked, restrict_examples, restrict_subject
from registry.rights.suppression import Basis, suppress
from registry.rights.tables import ItemKind
from tests.ledger.pipelines import NAMESPACE, Pipeline, digest_of, facet, mapped, written
from tests.live import LiveServer
from tests.policy.keeping import batch_of, judgements_of, subject_of, write

POLICIES = load_policies()
# When a dataset was used last is when some run read it, which these runs do not.
CASES = [
    case for _, case in read_cases(shipped("policies") / "cases") if case.batch.last_used is None
]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where cases are played: each in datasets of its own, with people of its own."""

    pipeline: Pipeline
    house: House

    def send(self, name: str, batch: CaseBatch, example: Example, sources: list[str]) -> None:
        """Let a run write one example to a dataset, made from those of other datasets."""
        columns: dict[str, Any] = {"example_id": [name], "content": [name]}
        if example.license is not None:
            columns["license"] = [example.license]
        if example.people:
            people = [address(name, place) for place in range(len(example.people))]
            columns["subjects"] = [[{"scheme": "email", "value": each} for each in people]]
        said = {key: value for key, value in told(batch).items() if value is not None}
        if sources:
            same = self.pipeline.upload_map(RowMap.identity(1))
            maps = [mapped([(each, "b1")], same, "transformed") for each in sources]
            output = written(name, "b1", maps=maps, **said)
        else:
            digest = self.pipeline.upload_examples(pa.table(columns))
            output = written(name, "b1", examples=digest, **said)
        output["facets"] = rights(batch)
        lost = [f"{name}-lost-{place}" for place in range(batch.unknown_steps)]
        self.pipeline.run(f"make {name}", reads=[*sources, *lost], writes=[output])

    def mark(self, session: Session, name: str, batch: CaseBatch, example: Example) -> None:
        """Record what is said of the example, its batch and its people."""
        number, now = batch_of(self.house, name), self.house.clock()
        first = np.array([0], np.uint32)
        marked = [Marked(number, None)] * batch.restricted
        marked += [Marked(number, first)] * example.restricted
        if marked:
            restrict_examples(session, marked, reason="case", actor="tests", now=now)
        items = [Item(ItemKind.BATCH, batch_number=number)] * batch.held
        items += [Item(ItemKind.ADDRESS, batch_number=number, ordinal=0)] * example.held
        self.hold(session, items)
        if example.suppressed:
            content = self.house.ledger.match(digest_of(name.encode()))
            suppress(
                session, digests=[content], basis=Basis("gdpr", "case"), actor="tests", now=now
            )
        for place, person in enumerate(example.people):
            self.say(session, address(name, place), person)

    def say(self, session: Session, who: str, person: Person) -> None:
        """Record what a person said, and what duties there are about them."""
        now = self.house.clock()
        events = [
            ConsentSaid(
                "email",
                who,
                said.purpose,
                said.status,
                moment(said.at),
                expires_at=None if said.expires_at is None else moment(said.expires_at),
                explicit=person.explicit,
            )
            for said in person.consents
        ]
        if events:
            record_consents(
                session, self.house.keyring, POLICIES.purposes, events, actor="tests", now=now
            )
        made = new_subject_key(self.house.keyring, Scheme.EMAIL, who)
        if person.restricted:
            restrict_subject(session, made.key, made.version, reason="c", actor="tests", now=now)
        if person.suppressed:
            keys = [(made.key, made.version)]
            suppress(
                session, subject_keys=keys, basis=Basis("gdpr", "case"), actor="tests", now=now
            )
        key = Item(ItemKind.SUBJECT, subject_key=made.key, key_version=made.version)
        self.hold(session, [key] * person.held)

    def hold(self, session: Session, items: list[Item]) -> None:
        """Hold these, if there are any."""
        if items:
            place_hold(
                session,
                items,
                matter="case",
                owner="counsel",
                reason="case",
                ground="17_3_e",
                until=None,
                actor="tests",
                now=self.house.clock(),
            )

    def balance(self, case: Case) -> None:
        """Let the register name the case's balancing test, or none."""
        test = case.batch.balancing_test
        body = {"name": "case", "purposes": [case.purpose], "retired": test is None}
        body |= {"balancing_test": test or "LIA-0"}
        answer = self.pipeline.client.put("/api/v1/register/activities/case", json=body)
        assert answer.status_code == 200, answer.text


def told(batch: CaseBatch) -> dict[str, Any]:
    """What `registry_batch` says of a case's batch."""
    origin: dict[str, Any] = {} if batch.origin is None else {"kind": batch.origin}
    if batch.collected is not None:
        origin["collectedUntil"] = f"{moment(batch.collected):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "legalBasis": batch.legal_basis,
        "license": batch.license,
        "origin": origin or None,
        "personalData": batch.personal_data,
        "specialCategoryCondition": batch.special_category_condition,
        "purposes": None if batch.purposes is None else list(batch.purposes),
        "region": batch.region,
        "classification": batch.classification,
    }


def rights(batch: CaseBatch) -> dict[str, Any]:
    """What `registry_rights` says of it."""
    said: dict[str, Any] = {}
    if batch.opt_out:
        seen = {"seenAt": "2026-01-01T00:00:00Z", "reserved": True}
        said["optOut"] = [{"protocol": each, **seen} for each in batch.opt_out]
    if batch.contract is not None:
        said["contract"] = batch.contract
    return {"registry_rights": facet("registry_rights", **said)} if said else {}


def address(name: str, place: int) -> str:
    return f"{name}-{place}@example.org"


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def policies_of(case: Case) -> PolicySet:
    """The shipped policies with the parts that the case brings itself."""
    own = case.policies
    return replace(
        POLICIES,
        digest=case.name,
        use=own.use or POLICIES.use,
        retention=own.retention or POLICIES.retention,
        residency=own.residency or POLICIES.residency,
    )


def parts_of(place: int, case: Case) -> Iterator[tuple[str, CaseBatch, Example, list[str]]]:
    """The datasets of a case with what they were made from, sources first."""
    sources = [f"case-{place}-source-{each}" for each in range(len(case.made_from))]
    for name, source in zip(sources, case.made_from, strict=True):
        yield name, source.batch, source.example, []
    yield f"case-{place}", case.batch, case.example, sources


def test_every_case_is_decided_as_it_says(shared_server: LiveServer) -> None:
    house = shared_server.registry.house
    with shared_server.client() as client:
        stage = Stage(Pipeline(shared_server, client), house)
        parts = [part for place, case in enumerate(CASES) for part in parts_of(place, case)]
        for part in parts:
            stage.send(*part)
        stage.pipeline.settle()
        write(house, lambda s: [stage.mark(s, *part[:3]) for part in parts])
        wrong = {}
        judgements = judgements_of(house)
        for place, case in enumerate(CASES):
            stage.balance(case)
            policies = policies_of(case)
            question = question_of(policies, case.purpose, moment(case.at), region=case.region)
            subject = subject_of(house, f"case-{place}")
            answer = decided(subject, judgements.sums(policies, question, subject), policies)
            # What permits each of a million people is not told of them one by one.
            against = {r.rule: r.outcome for r in answer.reasons if r.outcome is not Outcome.ALLOW}
            said = {rule: against.get(rule, Outcome.ALLOW) for rule in case.expect.reasons}
            if said != case.expect.reasons or case.expect.decision not in (None, answer.judged):
                wrong[case.name] = (answer.judged, against)
    assert wrong == {}
    assert subject.dataset.namespace == NAMESPACE
    assert len(CASES) > 60
