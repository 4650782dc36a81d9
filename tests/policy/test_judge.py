"""What happened is judged afterwards, once: runs, batches, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.ledger.rowmap import RowMap
from registry.policy.book import PolicyBook
from registry.policy.disposal import find_due, open_items
from registry.policy.judge import judge_lineage, raise_found
from registry.rights.holds import place_hold
from registry.rights.items import Item
from registry.rights.tables import DisposalItem, ItemKind
from registry.storage.columns import table_of
from tests.ledger.pipelines import (
    NAMESPACE,
    Pipeline,
    digest_of,
    facet,
    mapped,
    model,
    parquet,
    written,
)
from tests.live import LiveServer
from tests.policy.asking import allowed, ask, collect, consent, examples

SAID = {"legalBasis": "consent", "license": "MIT", "origin": {"kind": "licensed"}}


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    with server.client() as client:
        yield Pipeline(server, client)


@pytest.fixture
def trained_on(pipeline: Pipeline) -> Pipeline:
    """Six examples of three people; the last of them withdrew before anybody trained."""
    collect(pipeline, examples(6, [[row // 2] for row in range(6)]), **SAID)
    for number in range(3):
        consent(pipeline, number, "given")
    consent(pipeline, 2, "withdrawn", datetime(2026, 1, 20, tzinfo=UTC))
    pipeline.settle()
    return pipeline


def train(pipeline: Pipeline, name: str = "train", **training: Any) -> None:
    run_facets = {"registry_training": facet("registry_training", **training)} if training else {}
    pipeline.run(name, reads=["raw"], writes=[model(f"m-{name}")], run_facets=run_facets)
    pipeline.settle()


def judged(pipeline: Pipeline) -> list[str]:
    """Judge now; the kinds of violations that are new."""
    answer = pipeline.client.post("/api/v1/violations/judge")
    assert answer.status_code == 200, answer.text
    raised = set(answer.json()["raised"])
    page = pipeline.client.get("/api/v1/violations").json()
    return sorted(each["kind"] for each in page["violations"] if each["id"] in raised)


def test_training_on_a_withdrawn_person_is_a_violation_once(trained_on: Pipeline) -> None:
    train(trained_on)
    assert judged(trained_on) == ["withdrawn_consent_used"]
    assert judged(trained_on) == []


def test_training_by_a_manifest_that_withheld_the_person_is_none(trained_on: Pipeline) -> None:
    found = ask(trained_on, "manifests")
    assert found["allowed"] == 4
    train(trained_on, purpose="model_training", manifest=found["manifest"])
    assert judged(trained_on) == []


def test_a_run_that_used_more_than_its_manifest_allows_is_found(trained_on: Pipeline) -> None:
    found = ask(trained_on, "manifests")["manifest"]
    whole = trained_on.upload_map(RowMap.take(np.array([0, 5], np.uint32), 6))
    trained_on.run(
        "train",
        reads=["raw"],
        writes=[written("packed", "b1", maps=[mapped([("raw", "b1")], whole)]), model("m")],
        run_facets={
            "registry_training": facet(
                "registry_training", purpose="model_training", manifest=found
            )
        },
    )
    trained_on.settle()
    assert judged(trained_on) == ["trained_on_withheld", "withdrawn_consent_used"]


@pytest.mark.parametrize(
    ("training", "kinds"),
    [
        ({"manifest": "sha256:" + "0" * 64}, ["manifest_unknown", "withdrawn_consent_used"]),
        ({"purpose": "conquest"}, ["purpose_unknown", "withdrawn_consent_used"]),
    ],
)
def test_a_run_that_names_what_nobody_knows_is_told(
    trained_on: Pipeline, training: dict[str, str], kinds: list[str]
) -> None:
    train(trained_on, **training)
    assert judged(trained_on) == kinds


def test_a_manifest_for_another_purpose_does_not_cover_a_run(trained_on: Pipeline) -> None:
    found = ask(trained_on, "manifests", purpose="fine_tuning")["manifest"]
    train(trained_on, purpose="model_training", manifest=found)
    assert judged(trained_on) == ["manifest_mismatch"]


def test_a_source_without_origin_or_licence_is_a_violation(pipeline: Pipeline) -> None:
    collect(pipeline, examples(3))
    pipeline.settle()
    assert judged(pipeline) == ["license_missing", "origin_missing"]


def test_a_run_that_wrote_far_less_than_before_is_told(pipeline: Pipeline) -> None:
    for number, rows in enumerate((10, 12, 9, 11, 10, 10, 3)):
        said = {"origin": {"kind": "first_party"}, "exampleCount": rows}
        pipeline.run("daily", writes=[written("raw", f"b{number}", **said)])
    pipeline.settle()
    assert judged(pipeline) == ["output_dropped"]


def test_what_waits_for_a_day_and_what_is_quarantined_is_told(pipeline: Pipeline) -> None:
    assert pipeline.server.registry.make_project("other", f"{NAMESPACE} theirs")
    missing = "sha256:" + "7" * 64
    origin = {"origin": {"kind": "first_party"}, "license": "MIT"}
    pipeline.run("late", writes=[written("raw", "b1", examples=missing, **origin)])
    house = pipeline.server.registry.house
    pipeline.run("thief", writes=[written("theirs", "b1", exampleCount=1, **origin)])
    pipeline.settle()
    later = house.clock() + timedelta(days=2)
    policies = house.policies.current()
    found = judge_lineage(house.database, house.ledger, house.sweep, policies, now=later)
    with house.database.write() as session:
        raised = raise_found(session, found, actor="tests", now=later)
    assert sorted(each.kind for each in found.breaches) == ["event_quarantined", "object_missing"]
    assert len(raised) == 2
    again = judge_lineage(house.database, house.ledger, house.sweep, policies, now=later)
    assert again.events == 0


RESIDENCY = """
regions: {eea: ["eu-*"], us: ["us-*"]}
classifications: {restricted: {law: test, rest: [eea], travel: [eea]}}
"""
RETENTION = """
rules:
  - {name: a-month, scope: {dataset: raw}, trigger: collected, duration: P1M, action: erase,
     legal_basis: test, rank: maximum}
  - {name: nothing, scope: {dataset: "no-*"}, trigger: collected, duration: P1M, legal_basis: test}
"""


def test_data_that_left_its_region_is_recorded_and_told(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "residency.yaml").write_text(RESIDENCY)
    said = {"license": "MIT", "origin": {"kind": "first_party"}}
    collect(pipeline, examples(4), classification="restricted", region="eu-west-1", **said)
    same = pipeline.upload_map(RowMap.identity(4))
    pipeline.run(
        "move",
        reads=["raw"],
        writes=[written("moved", "b1", region="us-east-1", maps=[mapped([("raw", "b1")], same)])],
    )
    pipeline.settle()
    house = pipeline.server.registry.house
    policies = PolicyBook(tmp_path).current()
    found = judge_lineage(house.database, house.ledger, house.sweep, policies, now=house.clock())
    assert [each.kind for each in found.breaches] == ["out_of_region"]
    assert "us-east-1 is outside" in found.breaches[0].detail


def test_what_is_due_opens_one_item_and_a_hold_keeps_it(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "retention.yaml").write_text(RETENTION)
    origin = {"kind": "first_party", "collectedUntil": "2026-01-31T00:00:00Z"}
    for batch in ("b1", "b2"):
        collect(pipeline, examples(2), batch=batch, license="MIT", origin=origin)
    pipeline.settle()
    house, policies = pipeline.server.registry.house, PolicyBook(tmp_path).current()
    (first, _), *_ = allowed(pipeline)
    now = datetime(2026, 2, 28, tzinfo=UTC)
    with house.database.write() as session:
        place_hold(
            session,
            [Item(ItemKind.BATCH, batch_number=first)],
            matter="suit",
            owner="counsel",
            reason="claims",
            ground="17_3_e",
            until=None,
            actor="tests",
            now=now,
        )
    with house.database.read() as session:
        early = find_due(session, house.ledger, policies, now=now - timedelta(seconds=1))
        due = find_due(session, house.ledger, policies, now=now)
    assert early.items == ()
    assert [item.state for item in due.items] == ["held", "eligible"]
    assert due.idle_rules == ("nothing",)
    for changed in (2, 0):
        with house.database.write() as session:
            assert open_items(session, due, policies, actor="tests", now=now) == changed
    with house.database.read() as session:
        rows = session.connection().execute(table_of(DisposalItem).select()).all()
    assert sorted(row.state for row in rows) == ["eligible", "held"]
    assert pipeline.client.get("/api/v1/retention/due").json()["due"] == []


def test_vetting_answers_three_questions_with_evidence(pipeline: Pipeline, tmp_path: Path) -> None:
    said = {"license": "MIT", "origin": {"kind": "first_party"}}
    collect(pipeline, examples(4, language=["en", "en", "en", "de"]), **said)
    pipeline.settle()
    assert answers(pipeline) == ["yes", "cannot_tell", "yes"]
    (tmp_path / "vet.yaml").write_text(
        "targets:\n  - {namespace: '*', dataset: raw, dimension: language, "
        "shares: {en: 0.75, de: 0.25}}\n"
    )
    house = pipeline.server.registry.house
    house.policies.folder = tmp_path
    house.policies.reload()
    assert answers(pipeline) == ["yes", "yes", "yes"]
    collect(pipeline, examples(4, language=["fr"] * 4), batch="b2", license="MIT")
    pipeline.settle()
    assert answers(pipeline) == ["yes", "no", "cannot_tell"]


def answers(pipeline: Pipeline) -> list[str]:
    body = {"dataset": {"namespace": NAMESPACE, "name": "raw"}}
    answer = pipeline.client.post("/api/v1/vettings", json=body)
    assert answer.status_code == 200, answer.text
    assert all(each["evidence"] for each in answer.json()["findings"])
    return [each["answer"] for each in answer.json()["findings"]]


def counted(pipeline: Pipeline) -> dict[str, int]:
    page = pipeline.client.get("/api/v1/violations").json()
    return {each["kind"]: each["times"] for each in page["violations"]}


def test_a_run_that_was_judged_before_its_input_was_bound_is_judged_again(
    pipeline: Pipeline,
) -> None:
    table = examples(6, [[row // 2] for row in range(6)])
    late = digest_of(parquet(table))
    pipeline.run("collect", writes=[written("raw", "b1", examples=late, **SAID)])
    for number in range(3):
        consent(pipeline, number, "given")
    consent(pipeline, 2, "withdrawn", datetime(2026, 1, 20, tzinfo=UTC))
    train(pipeline, "train")
    judged_far_ahead(pipeline)
    assert counted(pipeline) == {}
    assert pipeline.upload_examples(table) == late
    pipeline.settle()
    assert judged(pipeline) == ["withdrawn_consent_used"]
    assert judged(pipeline) == []
    assert counted(pipeline) == {"withdrawn_consent_used": 1}


def test_a_run_that_read_what_was_made_of_a_late_batch_is_judged_again(pipeline: Pipeline) -> None:
    table = examples(4, [[0]] * 4)
    late = digest_of(parquet(table))
    pipeline.run("collect", writes=[written("raw", "b1", examples=late, **SAID)])
    consent(pipeline, 0, "refused")
    pipeline.run("clean", reads=["raw"], writes=[written("clean", "b1", exampleCount=4)])
    pipeline.run("train", reads=["clean"], writes=[model("m")])
    pipeline.settle()
    judged_far_ahead(pipeline)
    pipeline.upload_examples(table)
    pipeline.settle()
    assert "withdrawn_consent_used" in judged(pipeline)


def judged_far_ahead(pipeline: Pipeline) -> None:
    """A round of judging so late that the mark passes every event there is."""
    house = pipeline.server.registry.house
    later = house.clock() + timedelta(hours=1)
    policies = house.policies.current()
    found = judge_lineage(house.database, house.ledger, house.sweep, policies, now=later)
    with house.database.write() as session:
        raise_found(session, found, actor="tests", now=later)
    again = judge_lineage(house.database, house.ledger, house.sweep, policies, now=later)
    assert (again.events, again.again.ids) == (0, ())
