"""A manifest holds exactly what may be used, through maps, and says what it left out and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from registry.audit.events import EntryKind
from registry.audit.tables import AuditEntry
from registry.ledger.rowmap import NO_PARENT, RowMap
from registry.policy.decide import read_manifest
from registry.policy.manifest import digest_of
from registry.rights.holds import place_hold
from registry.rights.items import Item
from registry.rights.restrictions import Marked, restrict_examples
from registry.rights.suppression import Basis, suppress
from registry.rights.tables import ItemKind
from registry.storage.columns import table_of
from tests.ledger.pipelines import Pipeline, mapped, written
from tests.live import LiveServer
from tests.policy.asking import (
    allowed,
    ask,
    collect,
    consent,
    examples,
    manifest_rows,
)

ROWS = 40
# Everybody has four examples; the last three belong to two people at once.
PEOPLE = [[row % 10] for row in range(ROWS - 3)] + [[1, 2], [3, 4], [5, 6]]
CONSENT = {"legalBasis": "consent", "license": "CC-BY-4.0", "personalData": "personal"}


@pytest.fixture
def pipeline(server: LiveServer) -> Iterator[Pipeline]:
    with server.client() as client:
        yield Pipeline(server, client)


@pytest.fixture
def consented(pipeline: Pipeline) -> Pipeline:
    """A dataset of ten people who all agreed."""
    collect(pipeline, examples(ROWS, PEOPLE), **CONSENT)
    for number in range(10):
        consent(pipeline, number, "given")
    pipeline.settle()
    return pipeline


def without(*people: int) -> list[int]:
    return [row for row, who in enumerate(PEOPLE) if not set(who) & set(people)]


def ordinals(pipeline: Pipeline, dataset: str = "raw") -> list[int]:
    return [ordinal for _, ordinal in allowed(pipeline, dataset)]


def test_a_withdrawal_shrinks_the_manifest_by_exactly_that_person(consented: Pipeline) -> None:
    assert ordinals(consented) == list(range(ROWS))
    before = ask(consented, "manifests")
    consent(consented, 2, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
    assert ordinals(consented) == without(2)
    after = ask(consented, "manifests")
    assert (before["allowed"], after["allowed"]) == (ROWS, len(without(2)))
    assert after["withheld"] == {"consent": ROWS - len(without(2))}
    assert before["manifest"] != after["manifest"]


def test_a_manifest_is_named_by_its_bytes_and_kept(consented: Pipeline) -> None:
    answer = ask(consented, "manifests")
    house = consented.server.registry.house
    kept = read_manifest(house.ledger, answer["manifest"])
    assert digest_of(kept.to_bytes()) == answer["manifest"]
    assert [part.allowed for part in kept.parts] == [ROWS]
    assert ask(consented, "manifests")["manifest"] == answer["manifest"]
    with house.database.read() as session:
        kinds = session.connection().execute(table_of(AuditEntry).select()).all()
    assert [row.kind for row in kinds].count(EntryKind.MANIFEST_GIVEN) == 2


def test_ids_come_with_the_manifest_where_they_entered(consented: Pipeline) -> None:
    consent(consented, 7, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
    rows = manifest_rows(consented, with_ids=True)
    assert rows.column("example_id").to_pylist() == [f"ex-{row}" for row in without(7)]


def test_who_never_answered_is_withheld_and_not_denied(pipeline: Pipeline) -> None:
    collect(pipeline, examples(4, [[0], [1], [2], []]), **CONSENT)
    consent(pipeline, 0, "given")
    consent(pipeline, 2, "requested")
    pipeline.settle()
    assert ordinals(pipeline) == [0]
    decision = ask(pipeline, "decisions")
    assert decision["decision"] == "cannot_tell"
    (reason,) = [r for r in decision["reasons"] if r["rule"] == "consent"]
    assert (reason["outcome"], reason["count"]) == ("cannot_tell", 3)


def test_a_consent_based_batch_without_subjects_is_cannot_tell(pipeline: Pipeline) -> None:
    collect(pipeline, examples(5), **CONSENT)
    pipeline.settle()
    assert ordinals(pipeline) == []
    assert ask(pipeline, "decisions")["decision"] == "cannot_tell"


def test_one_withdrawal_denies_the_version_as_a_whole(consented: Pipeline) -> None:
    assert ask(consented, "decisions")["decision"] == "allow"
    consent(consented, 0, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
    now = ask(consented, "decisions")
    assert now["decision"] == "deny"
    assert now["policy"].startswith("sha256:")
    assert ask(consented, "decisions", as_of="2026-01-15T00:00:00Z")["decision"] == "allow"


def test_a_withdrawal_goes_through_filters_packs_and_shuffles(consented: Pipeline) -> None:
    keep = np.array([row for row in range(ROWS) if row % 3], np.uint32)
    digest = consented.upload_map(RowMap.take(keep, ROWS))
    maps = [mapped([("raw", "b1")], digest)]
    consented.run("filter", reads=["raw"], writes=[written("filtered", "b1", maps=maps)])
    pairs = np.arange(keep.size - keep.size % 2, dtype=np.uint32)
    packed = RowMap.lists(np.arange(0, pairs.size + 1, 2, dtype=np.uint64), pairs, keep.size)
    maps = [mapped([("filtered", "b1")], consented.upload_map(packed), "aggregated")]
    consented.run("pack", reads=["filtered"], writes=[written("packed", "b1", maps=maps)])
    consented.settle()
    consent(consented, 4, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
    kept = [row for row, source in enumerate(keep.tolist()) if 4 not in PEOPLE[source]]
    assert ordinals(consented, "filtered") == kept
    whole = [row for row in range(pairs.size // 2) if {2 * row, 2 * row + 1} <= set(kept)]
    assert ordinals(consented, "packed") == whole


def test_a_step_without_a_map_is_cannot_tell_once_something_is_withheld(
    consented: Pipeline,
) -> None:
    consented.run("mix", reads=["raw"], writes=[written("mixed", "b1", exampleCount=7)])
    consented.settle()
    assert ask(consented, "decisions", "mixed")["decision"] == "allow"
    consent(consented, 4, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
    decision = ask(consented, "decisions", "mixed")
    assert decision["decision"] == "cannot_tell"
    assert [r["rule"] for r in decision["reasons"] if r["outcome"] != "allow"] == ["lineage"]


def test_a_row_without_a_parent_needs_a_source_of_its_own(consented: Pipeline) -> None:
    parents = np.array([0, NO_PARENT, 2], np.uint32)
    maps = [mapped([("raw", "b1")], consented.upload_map(RowMap.take(parents, ROWS)))]
    consented.run("patch", reads=["raw"], writes=[written("patched", "b1", maps=maps)])
    consented.settle()
    assert ordinals(consented, "patched") == [0, 2]


def test_duties_withhold_single_examples_and_people(consented: Pipeline) -> None:
    house = consented.server.registry.house
    ((batch, _), *_) = allowed(consented)
    with house.database.write() as session:
        now = house.clock()
        marked = [Marked(batch, np.array([3, 5], np.uint32))]
        restrict_examples(session, marked, reason="contested", actor="tests", now=now)
        held = [Item(ItemKind.ADDRESS, batch_number=batch, ordinal=8)]
        place_hold(
            session,
            held,
            matter="suit",
            owner="counsel",
            reason="claims",
            ground="17_3_e",
            until=None,
            actor="tests",
            now=now,
        )
        content = house.ledger.match(digest_of(b"text number 11"))
        suppress(session, digests=[content], basis=Basis("gdpr", "erased"), actor="tests", now=now)
    answer = ask(consented, "manifests")
    assert answer["withheld"] == {"restriction": 2, "hold": 1, "suppression": 1}
    assert ordinals(consented) == [row for row in range(ROWS) if row not in (3, 5, 8, 11)]


def test_licences_of_examples_count_beside_that_of_their_batch(pipeline: Pipeline) -> None:
    licenses = ["MIT", "CC-BY-4.0", None, "no such licence"]
    collect(pipeline, examples(4, license=licenses), license="MIT")
    collect(pipeline, examples(4, license=licenses), dataset="bare")
    pipeline.settle()
    assert ordinals(pipeline) == [0, 1, 2]
    assert ordinals(pipeline, "bare") == [0, 1]
    assert ask(pipeline, "manifests", "bare")["withheld"] == {"license": 2}


def test_observing_counts_what_it_does_not_withhold(consented: Pipeline) -> None:
    collect(consented, examples(6), batch="b2", license="LicenseRef-unheard-of")
    consented.settle()
    consent(consented, 0, "withdrawn", datetime(2026, 2, 1, tzinfo=UTC))
    gone = ROWS - len(without(0))
    enforced = ask(consented, "manifests")
    assert (enforced["withheld"], enforced["observed"]) == ({"consent": gone, "license": 6}, {})
    changed = consented.client.patch("/api/v1/projects/default", json={"mode": "observe"})
    assert changed.status_code == 200, changed.text
    observed = ask(consented, "manifests")
    assert (observed["withheld"], observed["observed"]) == ({"consent": gone}, {"license": 6})
    assert ask(consented, "decisions")["decision"] == "deny"
    assert observed["allowed"] == len(without(0)) + 6


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"purpose": "world_domination"}, 422),
        ({"version": 99}, 404),
        ({"dataset": {"namespace": "file://lake", "name": "nothing"}}, 404),
        ({"purpose": None}, 422),
    ],
)
def test_a_question_that_cannot_be_asked_is_a_problem(
    consented: Pipeline, asked: dict[str, object], status: int
) -> None:
    dataset = {"namespace": "file://lake", "name": "raw"}
    body = {"dataset": dataset, "purpose": "model_training", **asked}
    for path in ("decisions", "manifests", "decisions/explain"):
        answer = consented.client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == status
        assert {"code", "remedy"} <= set(answer.json())


def test_a_region_that_nobody_defined_is_cannot_tell(consented: Pipeline) -> None:
    assert ask(consented, "decisions", region="eu-west-1")["decision"] == "allow"
    decision = ask(consented, "decisions", region="atlantis-1")
    assert decision["decision"] == "cannot_tell"


def test_an_explanation_names_each_batch(consented: Pipeline) -> None:
    collect(consented, examples(3), batch="b2", license="MIT", purposes=["analytics"])
    consented.settle()
    found = ask(consented, "decisions/explain")
    assert found["decision"]["decision"] == "deny"
    assert [batch["outcome"] for batch in found["batches"]] == ["allow", "deny"]
    told = {r["rule"]: r["fact"] for r in found["batches"][1]["reasons"] if r["outcome"] == "deny"}
    assert told == {"purpose": "collected for analytics alone"}


def test_a_version_without_batches_is_cannot_tell(pipeline: Pipeline) -> None:
    pipeline.run("plain", writes=[{"namespace": "file://lake", "name": "plain"}])
    pipeline.settle()
    assert ask(pipeline, "decisions", "plain")["decision"] == "cannot_tell"
    assert ask(pipeline, "manifests", "plain")["allowed"] == 0
