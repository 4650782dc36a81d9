"""Terms: what a batch's own run said, what a person verified, the strictest over ancestors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import Session

from registry.catalog.names import dataset_id
from registry.client.http import HttpClient
from registry.errors import InvalidInputError, MalformedEventError, NotFoundError
from registry.ledger.tables import BatchSum
from registry.lineage.reproject import rebuild
from registry.request import House
from registry.rights.effective import effective_terms, terms_of_batches
from registry.storage.columns import table_of
from registry.wire.facets import RIGHTS
from tests.rights.asking import NAMESPACE, facet, write_batch

PATH = "/api/v1/rights"
EVIDENCE = "sha256:" + "ab" * 32


def of(client: HttpClient, name: str, what: str = "terms", **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(
        f"{PATH}/{what}", {"namespace": NAMESPACE, "name": name, **asked}
    )
    return found


def rights(**said: Any) -> dict[str, Any]:
    return {RIGHTS: facet(RIGHTS, **said)}


SIGNAL = {"protocol": "robots", "seenAt": "2026-01-01T00:00:00Z", "reserved": False}


def test_a_source_is_shown_with_its_grades(admin: HttpClient) -> None:
    write_batch(
        admin,
        "raw",
        "one",
        license="MIT",
        origin={
            "kind": "crawled",
            "uri": "https://docs.example.org",
            "collectedFrom": "2026-01-01T00:00:00Z",
        },
        legalBasis="legitimate_interests",
        facets=rights(
            terms={"uri": "https://docs.example.org/terms", "sha256": EVIDENCE},
            optOut=[{**SIGNAL, "agent": "our-bot/1"}],
            contract="C-1",
        ),
    )
    (source,) = of(admin, "raw", "sources")["sources"]
    assert (source["license"], source["is_spdx"]) == ("MIT", True)
    assert source["collected_from"] == "2026-01-01T00:00:00Z"
    grades = {name: fact["grade"] for name, fact in source["facts"].items()}
    assert set(grades.values()) == {"asserted"}
    assert source["facts"]["terms"]["value"] == EVIDENCE
    assert source["opt_out"] == [
        {
            "protocol": "robots",
            "seen_at": "2026-01-01T00:00:00Z",
            "reserved": False,
            "agent": "our-bot/1",
        }
    ]
    assert source["terms"]["ai_training"] == "allowed"


def test_each_batch_keeps_what_its_own_run_said(admin: HttpClient, house: House) -> None:
    write_batch(admin, "raw", "one", minute=1, facets=rights(license="MIT"))
    write_batch(admin, "raw", "two", minute=2, facets=rights(license="CC-BY-NC-4.0"))
    write_batch(admin, "raw", "three", minute=3)

    def licenses() -> list[str]:
        return [each["license"] for each in of(admin, "raw", "sources")["sources"]]

    # What a run did not say, the dataset says.
    assert licenses() == ["MIT", "CC-BY-NC-4.0", "CC-BY-NC-4.0"]
    rebuild(house.database, clock=house.clock, actor="tester")
    assert licenses() == ["MIT", "CC-BY-NC-4.0", "CC-BY-NC-4.0"]
    terms = of(admin, "raw", version=1)["terms"]
    assert (terms["commercial_use"], of(admin, "raw")["terms"]["commercial_use"]) == (
        "allowed",
        "denied",
    )


def test_two_licences_of_one_batch_both_bind(admin: HttpClient) -> None:
    write_batch(admin, "raw", "one", license="MIT", facets=rights(license="CC-BY-NC-4.0"))
    assert of(admin, "raw")["terms"]["commercial_use"] == "denied"


@pytest.mark.parametrize(
    ("said", "training"),
    [
        ({"license": "MIT"}, "allowed"),
        ({}, "unknown"),
        ({"license": "you may read it"}, "unknown"),
        ({"license": "LicenseRef-proprietary"}, "denied"),
    ],
)
def test_a_licence_nobody_knows_allows_nothing(
    admin: HttpClient, said: dict[str, Any], training: str
) -> None:
    write_batch(admin, "raw", "one", **said)
    found = of(admin, "raw")
    assert found["terms"]["ai_training"] == training
    assert bool(found["batches"][0]["unknown"]) == (training == "unknown")


def test_a_derived_version_is_bound_by_all_it_was_made_from(admin: HttpClient) -> None:
    write_batch(admin, "free", "one", minute=1, license="CC0-1.0")
    write_batch(admin, "paid", "one", minute=2, license="CC-BY-NC-4.0")
    write_batch(admin, "both", "one", minute=3, reads=("free", "paid"))
    write_batch(admin, "model", "one", minute=4, reads=("both",), license="MIT")
    assert of(admin, "free")["terms"]["commercial_use"] == "allowed"
    for name in ("both", "model"):
        found = of(admin, name)["terms"]
        assert (found["ai_training"], found["commercial_use"]) == ("demanded", "denied")
    assert "keep the notice" in of(admin, "model")["terms"]["conditions"]


def test_a_reservation_reaches_what_was_made_from_it(admin: HttpClient) -> None:
    later = {**SIGNAL, "seenAt": "2026-01-02T00:00:00Z", "reserved": True}
    write_batch(admin, "raw", "one", minute=1, license="MIT", facets=rights(optOut=[later, SIGNAL]))
    write_batch(admin, "clean", "one", minute=2, reads=("raw",))
    assert of(admin, "raw")["reserved"]
    assert of(admin, "clean")["reserved"]


def test_what_was_read_and_never_written_is_unknown(admin: HttpClient) -> None:
    write_batch(admin, "clean", "one", reads=("nowhere",), license="MIT")
    found = of(admin, "clean")
    assert found["terms"]["ai_training"] == "unknown"
    assert found["batches"][0]["unknown"] == ["which version of a dataset batch 1 was made from"]


def test_a_licence_is_asserted_until_a_person_verifies_it(admin: HttpClient) -> None:
    write_batch(admin, "raw", "one", license="MIT")
    body = {"namespace": NAMESPACE, "name": "raw", "batch": "one", "evidence": EVIDENCE}
    made = admin.post(f"{PATH}/verifications", {**body, "fact": "license"})
    assert made["value"] == "MIT"
    (source,) = of(admin, "raw", "sources")["sources"]
    fact = source["facts"]["license"]
    assert (fact["grade"], fact["evidence"]) == ("verified", EVIDENCE)
    admin.post(f"{PATH}/verifications", {**body, "fact": "license", "value": "CC-BY-NC-4.0"})
    assert of(admin, "raw")["terms"]["commercial_use"] == "denied"
    for wrong in (
        {"fact": "mood"},
        {"fact": "license", "evidence": "a letter"},
        {"fact": "contract"},
    ):
        with pytest.raises(InvalidInputError):
            admin.post(f"{PATH}/verifications", {**body, **wrong})
    with pytest.raises(NotFoundError):
        admin.post(f"{PATH}/verifications", {**body, "fact": "license", "batch": 9})


def test_licences_of_single_examples_count(admin: HttpClient, house: House) -> None:
    write_batch(admin, "raw", "one", license="MIT")
    sums = [
        {"number": 1, "dimension": "license", "value": value, "examples": count}
        for value, count in (("MIT", 5), ("CC-BY-NC-4.0", 2))
    ]
    with house.database.write() as session:
        session.execute(insert(table_of(BatchSum)), sums)
    found = of(admin, "raw")
    assert found["batches"][0]["licenses"] == {"MIT": 5, "CC-BY-NC-4.0": 2}
    assert found["terms"]["commercial_use"] == "denied"


@dataclass(frozen=True)
class Map:
    role: str
    inputs: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Node:
    maps: tuple[Map, ...] = ()
    owes: tuple[bytes, ...] = ()
    run_id: bytes = b""


@dataclass(frozen=True)
class Drawn:
    """A graph of batches as a test draws it; the ledger and its graph in one."""

    drawing: dict[int, Node]

    @property
    def graph(self) -> Drawn:
        return self

    def nodes(self, session: Session, numbers: Iterable[int]) -> Mapping[int, Node]:
        return {each: self.drawing[each] for each in numbers if each in self.drawing}


def kept(*inputs: int, role: str = "kept") -> Node:
    return Node((Map(role, tuple((each, 0, 1) for each in inputs)),))


@pytest.mark.parametrize(
    ("drawing", "commercial"),
    [
        ({1: Node(), 2: Node(), 3: kept(1)}, "allowed"),
        ({1: Node(), 2: Node(), 3: kept(1, 2)}, "denied"),
        ({1: kept(2), 2: Node(), 3: kept(1)}, "denied"),
        ({1: Node(), 2: Node(), 3: kept(2, role="duplicate_of")}, "unknown"),
        ({1: kept(3), 2: Node(), 3: kept(1)}, "allowed"),
    ],
)
def test_terms_follow_the_maps(
    admin: HttpClient, house: House, drawing: dict[int, Node], commercial: str
) -> None:
    write_batch(admin, "raw", "one", minute=1, license="MIT")
    write_batch(admin, "raw", "two", minute=2, license="CC-BY-NC-4.0")
    write_batch(admin, "raw", "three", minute=3)
    with house.database.read() as session:
        found = terms_of_batches(session, Drawn(drawing), house.policies.current().licenses, [3])
        assert found[3].terms.commercial_use == commercial
        empty = effective_terms(
            session, Drawn({}), house.policies.current().licenses, dataset_id(NAMESPACE, "raw"), 99
        )
    assert empty.terms.is_unknown


@pytest.mark.parametrize(
    "said",
    [
        {"optOut": [{"protocol": "smoke", "seenAt": "2026-01-01T00:00:00Z", "reserved": True}]},
        {"optOut": [{**SIGNAL, "seenAt": "yesterday"}]},
        {"terms": {"sha256": "abc"}},
        {"license": 3},
    ],
)
def test_a_facet_of_rights_that_breaks_its_schema_is_refused(
    admin: HttpClient, said: dict[str, Any]
) -> None:
    with pytest.raises(MalformedEventError) as refused:
        write_batch(admin, "raw", "one", facets=rights(**said))
    assert (refused.value.path or "").startswith("$.outputs[0].facets.registry_rights")
