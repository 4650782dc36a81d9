"""Steps without a map: who read a batch, or may have, under which name, and what they wrote."""

from __future__ import annotations

from registry.ledger.rowmap import RowMap
from registry.storage.database import Database
from tests.erasure.cases import Case, by
from tests.ledger.pipelines import NAMESPACE, model, written

ALL = "all"


def test_a_run_that_read_the_dataset_under_another_name_may_have_read_it(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")])
    identifiers = [{"namespace": NAMESPACE, "name": case.dataset("alias"), "type": "TABLE"}]
    symlinks = {"_producer": "https://x.y", "_schemaURL": "https://x.y", "identifiers": identifiers}
    named = {"namespace": NAMESPACE, "name": case.dataset("raw"), "facets": {"symlinks": symlinks}}
    case.run("name", [], named)
    case.run("out", ["alias"], written(case.dataset("out"), "b", exampleCount=2))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.reviewed(session, scope) == {"unknown_step": {"out": ALL}}


def test_a_run_that_writes_anew_what_it_read_owes_the_map_and_one_that_appends_does_not(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")], batch="b")
    case.run("raw", ["raw"], written(case.dataset("raw"), "more", exampleCount=2, mode="append"))
    case.settle()
    with case_database.read() as session:
        assert case.scope(session, "ann").review == {}
    anew = written(case.dataset("raw"), "anew", exampleCount=3, mode="overwrite")
    case.run("compact", ["raw"], anew)
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        (marks,) = scope.review.values()
        assert marks == {case.number(session, "raw", "anew"): None}


def test_what_an_overwrite_left_behind_was_not_read_later(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")], batch="b", minute=10)
    case.enter("raw", [by("bob")], batch="c", mode="overwrite", minute=20)
    case.run("out", ["raw"], written(case.dataset("out"), "b", exampleCount=2), minute=30)
    case.run("trained", ["raw"], model(case.dataset("trained")), minute=40)
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert (dict(scope.review), scope.models) == ({}, ())
        theirs = case.scope(session, "bob")
        assert case.reviewed(session, theirs) == {"unknown_step": {"out": ALL}}
        assert [each.state for each in theirs.models] == ["saw"]


def test_a_batch_that_came_late_may_have_been_read(case: Case, case_database: Database) -> None:
    case.enter("raw", [by("bob")], batch="b", minute=10)
    case.run("out", ["raw"], written(case.dataset("out"), "b", exampleCount=2), minute=30)
    case.enter("raw", [by("ann")], batch="c", minute=20)
    case.enter("raw", [by("cay")], batch="d", minute=40)
    case.settle()
    with case_database.read() as session:
        late = case.scope(session, "ann")
        assert case.reviewed(session, late) == {"unknown_step": {"out": ALL}}
        assert case.scope(session, "cay").review == {}


def test_unknown_steps_are_followed_to_the_end(case: Case, case_database: Database) -> None:
    case.enter("raw", [by("ann")])
    case.enter("other", [by("bob"), by("bob")])
    case.run("out", ["raw"], written(case.dataset("out"), "b", exampleCount=2))
    case.derive("clean", "out", RowMap.take([1, 1, 0], 2))
    case.run("mixed", ["clean", "other"], written(case.dataset("mixed"), "b", exampleCount=4))
    case.derive("final", "mixed", RowMap.slice(2, 4, 4), "aggregated")
    case.derive("echo", "other", RowMap.identity(2))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        everything = dict.fromkeys(("out", "clean", "mixed", "final"), ALL)
        assert case.reviewed(session, scope) == {"unknown_step": everything}
        assert case.erased(session, scope) == {"raw": [0]}


def test_only_what_came_of_an_unknown_step_is_reviewed(case: Case, case_database: Database) -> None:
    case.enter("raw", [by("ann")])
    case.enter("other", [by("bob")] * 3)
    case.run("out", ["raw"], written(case.dataset("out"), "b", exampleCount=2))
    digest = case.pipeline.upload_map(RowMap.take([4, 0, 2, 3, 1], 5))
    inputs = [
        {"namespace": NAMESPACE, "name": case.dataset(name), "batch": "b"}
        for name in ("other", "out")
    ]
    maps = [{"inputs": inputs, "map": digest, "role": "kept"}]
    merged = written(case.dataset("merged"), "b", maps=maps, exampleCount=5)
    case.run("merged", ["other", "out"], merged)
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        found = case.reviewed(session, scope)
        assert found == {"unknown_step": {"out": ALL, "merged": [0, 3]}}
