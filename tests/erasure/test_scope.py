"""The cases of the governance page that a scope decides, each by its sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np

from registry.erasure.rules import LoadedRules, SharedRules
from registry.erasure.scope.coverage import Search, search_coverage
from registry.erasure.scope.explain import Way
from registry.erasure.scope.found import explain_example
from registry.erasure.scope.ledger_world import LedgerWorld
from registry.erasure.scope.reach import Reason, reach
from registry.erasure.scope.until import until_now
from registry.ledger.rowmap import NO_PARENT, RowMap
from registry.storage.database import Database
from tests.erasure.cases import DAY, LONG, RULES, Case, Example, by
from tests.ledger.pipelines import NAMESPACE, mapped, model, written


def test_two_subjects_in_one_example_are_a_recorded_choice(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by("ann", "bob"), by("bob"), by()])
    case.derive("clean", "raw", RowMap.identity(4))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.erased(session, scope) == {"raw": [0], "clean": [0]}
        both = {"raw": [1], "clean": [1]}
        assert case.reviewed(session, scope) == {"several_subjects": both}
        # Where both ask, it is theirs together.
        together = case.scope(session, "ann", "bob")
        assert case.erased(session, together) == {"raw": [0, 1, 2], "clean": [0, 1, 2]}
        assert together.review == {}
        wide = _rules(SharedRules(example="erase"))
        chosen = case.scope(session, "ann", rules=wide)
        assert case.erased(session, chosen) == {"raw": [0, 1], "clean": [0, 1]}


def test_an_example_packed_with_other_peoples_follows_the_rule(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by("bob"), by("ann"), by()])
    case.derive("packed", "raw", RowMap.lists([0, 2, 4], [0, 1, 2, 3], 4))
    case.settle()
    with case_database.read() as session:
        assert case.erased(session, case.scope(session, "ann"))["packed"] == [0, 1]
        careful = case.scope(session, "ann", rules=_rules(SharedRules(packed="review")))
        assert case.erased(session, careful)["packed"] == [1]
        assert case.reviewed(session, careful) == {"several_subjects": {"packed": [0]}}


def test_exact_duplicates_of_some_length_that_belong_to_nobody_else_are_in_scope_by_digest(
    case: Case, case_database: Database
) -> None:
    texts = {name: LONG + name for name in ("own", "shared", "unsized")}
    unsized = Example(texts["unsized"], ("ann",))
    case.enter(
        "raw",
        [
            by("ann", text=texts["own"]),
            by("ann", text="ok"),
            by("ann", text=texts["shared"]),
            unsized,
        ],
    )
    case.enter(
        "other",
        [
            by(text=texts["own"]),
            by(text="ok"),
            by("bob", text=texts["shared"]),
            Example(texts["unsized"]),
            by(text=LONG + "somebody else's"),
        ],
    )
    case.derive("clean", "other", RowMap.identity(5))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.erased(session, scope) == {"raw": [0, 1, 2, 3], "other": [0], "clean": [0]}
        assert case.reviewed(session, scope) == {
            "short_duplicate": {"other": [1], "clean": [1]},
            "shared_duplicate": {"other": [2], "clean": [2]},
            "unsized_duplicate": {"other": [3], "clean": [3]},
        }


def test_near_duplicates_are_candidates_with_score_and_method(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by(), by("bob"), by()])
    kept = RowMap.take([1, 2, 3], 4)
    inputs = [(case.dataset("raw"), "b")]
    near = mapped(inputs, case.pipeline.upload_map(RowMap.take([0, NO_PARENT, NO_PARENT], 4)))
    near |= {"role": "duplicate_of", "score": 0.93, "method": "minhash-128"}
    maps = [mapped(inputs, case.pipeline.upload_map(kept)), near]
    case.run("unique", ["raw"], written(case.dataset("unique"), "b", maps=maps, exampleCount=3))
    case.derive("clean", "unique", RowMap.identity(3))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.erased(session, scope) == {"raw": [0]}
        candidates = {"raw": [1], "unique": [0], "clean": [0]}
        assert case.reviewed(session, scope) == {"near_duplicate": candidates}
        (found,) = scope.reached.near
        assert (found.score, found.method, found.examples) == (0.93, "minhash-128", 1)
        # The other way round: whoever was dropped is a candidate for the survivor's request.
        survivor = case.scope(session, "bob")
        assert survivor.review == {}


def test_what_was_made_of_an_example_follows_the_rule_of_its_role(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by("bob"), by(), by("bob")])
    roles = {"clean": "transformed", "mixed": "augmented", "out": "labelled"}
    for name, role in roles.items():
        case.derive(name, "raw", RowMap.identity(4), role)
    case.derive("stats", "raw", RowMap.lists([0, 2, 4], [0, 1, 2, 3], 4), "aggregated")
    case.derive("synthetic", "raw", RowMap.take([0, 0, 1], 4), "synthesised_from")
    case.derive("final", "synthetic", RowMap.identity(3))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.erased(session, scope) == {name: [0] for name in ("raw", *roles)}
        assert case.reviewed(session, scope) == {
            "aggregate": {"stats": [0]},
            "synthetic": {"synthetic": [0, 1], "final": [0, 1]},
        }


def test_a_merge_of_two_batches_one_of_them_without_a_row_map_asks_for_review(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by("bob")])
    case.enter("other", [by("cay"), by("bob")])
    inputs = [(case.dataset("raw"), "b")]
    maps = [mapped(inputs, case.pipeline.upload_map(RowMap.take([0, 1, NO_PARENT, NO_PARENT], 2)))]
    merged = written(case.dataset("merged"), "b", maps=maps, exampleCount=4)
    case.run("merged", ["raw", "other"], merged)
    case.derive("final", "merged", RowMap.slice(1, 4, 4))
    case.settle()
    with case_database.read() as session:
        mapped_side = case.scope(session, "ann")
        assert case.erased(session, mapped_side) == {"raw": [0], "merged": [0]}
        assert mapped_side.review == {}
        unmapped_side = case.scope(session, "cay")
        assert case.erased(session, unmapped_side) == {"other": [0]}
        assert case.reviewed(session, unmapped_side) == {
            "unknown_step": {"merged": "all", "final": "all"}
        }
        (step,) = unmapped_side.reached.steps
        assert step.job == f"tests {case.dataset('make-merged')}"


def test_a_request_never_reaches_data_collected_after_it(
    case: Case, case_database: Database
) -> None:
    text = LONG + "once more"
    case.enter("raw", [by("ann", text=text), by("bob")], minute=10)
    case.enter("late", [by("ann"), by(text=text)], minute=900)
    case.derive("clean", "raw", RowMap.identity(2))
    case.settle()
    received = DAY + timedelta(minutes=800)
    with case_database.read() as session:
        scope = case.scope(session, "ann", received_at=received)
        assert case.erased(session, scope) == {"raw": [0], "clean": [0]}
        assert not {each.batch for each in scope.coverage} & {case.number(session, "late")}
        everything = case.scope(session, "ann")
        assert case.erased(session, everything)["late"] == [0, 1]
        # What was numbered after a batch is not in a scope up to it.
        early = case.scope(session, "ann", up_to=case.number(session, "raw"))
        assert case.erased(session, early) == {"raw": [0]}


def test_an_event_that_is_repeated_after_the_request_takes_nothing_out_of_it(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")], minute=10)
    run = case.pipeline.runs[case.dataset("enter-raw")]
    again = written(case.dataset("raw"), "b", license="MIT")
    examples = case.pipeline.upload_examples(case.table([by("ann")]))
    again["outputFacets"]["registry_batch"]["examples"] = examples
    case.pipeline.run(case.dataset("enter-raw"), writes=[again], minute=900, run=run)
    origin = {"kind": "crawled", "collectedFrom": "2026-01-10T00:00:00Z"}
    case.enter("web", [by("ann")], minute=900, origin=origin)
    case.enter("late", [by("ann")], minute=900)
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann", received_at=DAY + timedelta(minutes=800))
        assert case.erased(session, scope) == {"raw": [0], "web": [0]}


def test_a_batch_that_is_bound_meanwhile_is_called_not_searched(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")])
    case.enter("other", [by("ann")])
    case.derive("clean", "raw", RowMap.identity(1))
    case.settle()
    with case_database.read() as session:
        meanwhile = frozenset({case.number(session, "other"), case.number(session, "clean")})
        until = replace(until_now(session), unbound=meanwhile)
        world = LedgerWorld(session, case.house.ledger, case.keys("ann"), until)
        found = reach(world, world.own(), RULES.said)
        assert case.named(session, dict(found.erase)) == {"raw": [0]}
        unknown = case.named(session, found.review[Reason.UNKNOWN_STEP])
        assert unknown == {"clean": "all"}
        coverage = search_coverage(
            session, until, found=set(found.own), schemes=["email"], rules=RULES.said
        )
        searched = {each.dataset: each.search for each in coverage}
        assert searched[case.dataset("raw")] is Search.KEYED
        assert searched[case.dataset("other")] is Search.NOT_BOUND


def test_a_run_that_surely_did_not_read_a_batch_owes_no_review_of_it(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("bob")], minute=10, batch="b")
    case.run("out", ["raw"], written(case.dataset("out"), "b", exampleCount=3), minute=20)
    case.enter("raw", [by("ann")], minute=30, batch="c")
    case.run("mixed", ["raw"], written(case.dataset("mixed"), "b", exampleCount=3), minute=40)
    case.settle()
    with case_database.read() as session:
        assert case.reviewed(session, case.scope(session, "ann")) == {
            "unknown_step": {"mixed": "all"}
        }
        found = case.reviewed(session, case.scope(session, "bob"))
        assert found == {"unknown_step": {"out": "all", "mixed": "all"}}


def test_an_output_without_batches_is_named_and_followed(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")])
    case.run("web", ["raw"], {"namespace": NAMESPACE, "name": case.dataset("web")})
    case.run("out", ["web"], written(case.dataset("out"), "b", exampleCount=2))
    case.run("models", ["web"], model(case.dataset("echo")))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.reviewed(session, scope) == {"unknown_step": {"out": "all"}}
        (output,) = scope.outputs
        assert scope.names[output.dataset_id] == (NAMESPACE, case.dataset("web"))
        assert [(m.name, m.part, m.state) for m in scope.models] == [
            (case.dataset("echo"), "review", "unknown")
        ]


def test_a_batch_that_waits_for_its_map_is_reviewed_whole(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann"), by()])
    absent = mapped([(case.dataset("raw"), "b")], "sha256:" + "ab" * 32)
    case.run("out", ["raw"], written(case.dataset("out"), "b", maps=[absent], exampleCount=2))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        assert case.reviewed(session, scope) == {"unknown_step": {"out": "all"}}


def _rules(shared: SharedRules) -> LoadedRules:
    return LoadedRules(RULES.digest, msgspec.structs.replace(RULES.said, shared=shared))


def test_what_was_erased_before_is_in_neither_set(case: Case, case_database: Database) -> None:
    case.enter("raw", [by("ann"), by("ann"), by()])
    case.derive("clean", "raw", RowMap.identity(3))
    case.settle()
    with case_database.read() as session:
        gone = {case.number(session, "clean"): np.array([0], np.uint32)}
        scope = case.scope(session, "ann", erased_before=lambda _session, _numbers: gone)
        assert case.erased(session, scope) == {"raw": [0, 1], "clean": [1]}


def test_the_reason_chain_of_an_example_is_given(case: Case, case_database: Database) -> None:
    case.enter("raw", [by(), by("ann", text=LONG)])
    case.enter("other", [by(text=LONG)])
    case.derive("clean", "other", RowMap.take([0, 0], 1), "transformed")
    case.run("out", ["clean"], written(case.dataset("out"), "b", exampleCount=4))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        raw, other, clean, out = (
            case.number(session, name) for name in ("raw", "other", "clean", "out")
        )
        ledger = case.house.ledger
        chain = explain_example(session, ledger, scope, RULES, (clean, 1))
        assert [(link.way, link.source, link.to, link.role) for link in chain] == [
            (Way.EXACT_DUPLICATE, (raw, 1), (other, 0), None),
            (Way.MADE, (other, 0), (clean, 1), "transformed"),
        ]
        unknown = explain_example(session, ledger, scope, RULES, (out, 3))
        assert [link.way for link in unknown[:2]] == [Way.EXACT_DUPLICATE, Way.MADE]
        assert unknown[-1].way is Way.UNKNOWN_STEP
        assert unknown[-1].job == f"tests {case.dataset('make-out')}"
        assert explain_example(session, ledger, scope, RULES, (raw, 1)) == ()
