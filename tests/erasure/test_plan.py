"""A plan is the same bytes for the same scope, holds no identifier, and says what changed."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import msgspec
import numpy as np

from registry.canonical import canonical_json
from registry.erasure.plan.document import Plan, diff, make_plan, members_of, read_plan
from registry.erasure.scope.sets import digest_of
from registry.ledger.rowmap import RowMap
from registry.rights.holds import place_hold
from registry.rights.items import ItemAsked, find_item
from registry.storage.database import Database
from tests.erasure.cases import DAY, LONG, Case, by
from tests.ledger.pipelines import NAMESPACE, model, written


def told(case: Case) -> None:
    files = [{"uri": "s3://lake/raw.parquet", "rows": 3}]
    examples = [by("ann", text=LONG), by("ann", "bob"), by("bob")]
    case.enter("raw", examples, files=files)
    case.enter("other", [by(text=LONG), by()], subjectCoverage=None)
    case.derive("clean", "raw", RowMap.identity(3))
    case.run("out", ["clean"], written(case.dataset("out"), "b", exampleCount=5))
    case.run("trained", ["clean"], model(case.dataset("trained")))
    case.settle()


def test_a_plan_says_everything_and_its_digest_is_of_its_bytes(
    case: Case, case_database: Database
) -> None:
    told(case)
    with case_database.read() as session:
        scope = case.scope(session, "ann", received_at=DAY + timedelta(days=5))
        plan = make_plan(scope)
        again = make_plan(case.scope(session, "ann", received_at=DAY + timedelta(days=5)))
        numbers = {name: case.number(session, name) for name in ("raw", "other", "clean", "out")}
    assert plan == again
    assert plan.digest == "sha256:" + hashlib.sha256(plan.text).hexdigest()
    assert read_plan(plan.text) == plan
    document = plan.document
    assert canonical_json(document) == plan.text
    assert document["known_until"]["received_at"] == "2026-02-06T00:00:00.000000Z"
    assert document["erase"]["examples"] == 3
    assert document["erase"]["own"] == 2
    erased = {
        group["name"].partition("/")[2]: group["batches"]
        for group in document["erase"]["by_dataset"]
    }
    assert erased["raw"] == [
        {
            "batch": numbers["raw"],
            "name": "b",
            "examples": 1,
            "whole": False,
            "members": digest_of(np.array([0], np.uint32)),
        }
    ]
    assert set(erased) == {"raw", "other", "clean"}
    assert {each["reason"]: each["examples"] for each in document["review"]} == {
        "several_subjects": 2,
        "unknown_step": 5,
    }
    (step,) = document["unknown_steps"]
    assert (step["job"], step["batch"]) == (f"tests {case.dataset('make-out')}", numbers["out"])
    (file,) = document["files"]
    assert (file["uri"], file["erase"], file["review"]) == ("s3://lake/raw.parquet", 1, 1)
    assert [each["state"] for each in document["models"]] == ["saw"]
    assert numbers["other"] in [each["batch"] for each in document["not_searched"]]


def test_a_plan_holds_no_identifier_and_no_key(case: Case, case_database: Database) -> None:
    told(case)
    with case_database.read() as session:
        text = make_plan(case.scope(session, "ann")).text
    assert case.email("ann").encode() not in text
    for key in case.keys("ann"):
        assert key.hex().encode() not in text


def test_the_members_beside_a_plan_are_those_of_the_plan(
    case: Case, case_database: Database
) -> None:
    told(case)
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        document = make_plan(scope).document
    members = list(members_of(scope))
    said = {
        (batch["batch"], batch["members"], batch["examples"])
        for group in document["erase"]["by_dataset"]
        for batch in group["batches"]
    }
    kept = {(m.batch, digest_of(m.ordinals), m.examples) for m in members if m.part == "erase"}
    assert kept == said
    review = {(m.reason, m.batch): m.ordinals is None for m in members if m.part == "review"}
    assert review[("unknown_step", members[-1].batch)] is True
    assert ("several_subjects", members[0].batch) in review


def test_what_a_later_plan_adds_is_named(case: Case, case_database: Database) -> None:
    told(case)
    with case_database.read() as session:
        before = make_plan(case.scope(session, "ann"))
    assert diff(before, before) == ()
    case.derive("mixed", "raw", RowMap.identity(3))
    case.settle()
    with case_database.write() as session:
        after = make_plan(case.scope(session, "ann"))
        number = case.number(session, "mixed")
        mixed = f"{NAMESPACE} {case.dataset('mixed')} {number}"
        changed = {each.section: each for each in diff(before, after)}
        assert set(changed) == {"plan", "erase", "review", "versions"}
        assert changed["erase"].added == (mixed,)
        assert (changed["erase"].removed, changed["erase"].changed) == ((), ())
        assert changed["review"].added == (f"several_subjects: {mixed}",)
        back = {each.section: each for each in diff(after, before)}
        assert back["erase"].removed == (mixed,)
        item = find_item(
            session,
            case.house.ledger.keyring,
            ItemAsked(NAMESPACE, case.dataset("mixed")),
            path="items",
        )
        words = {"matter": "m", "owner": "o", "reason": "r", "ground": "17_3_b"}
        placed = place_hold(session, [item], **words, until=None, actor="tests", now=DAY)
        held = make_plan(case.scope(session, "ann"))
        assert held.digest != after.digest
        (only,) = diff(after, held)
        assert (only.section, only.added) == ("withheld", (placed.id,))
        session.rollback()


def test_other_bytes_are_another_plan() -> None:
    plan = read_plan(canonical_json({"a": 1}))
    assert isinstance(plan, Plan)
    assert read_plan(canonical_json({"a": 2})).digest != plan.digest
    assert msgspec.json.decode(plan.text) == {"a": 1}
