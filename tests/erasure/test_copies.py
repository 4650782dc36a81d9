"""Where the examples of a scope went: files, versions, recipients, models; and the search."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlmodel import Session

from registry.catalog.lookup import Named
from registry.erasure.scope.coverage import Search
from registry.ids import named_id
from registry.ledger.rowmap import RowMap
from registry.rights.register import NewShare, put_recipient, record_share
from registry.storage.database import Database
from tests.erasure.cases import DAY, RULES, Case, by
from tests.ledger.pipelines import NAMESPACE, mapped, model, written

NOW = DAY + timedelta(days=20)
SHA = "sha256:" + "ab" * 32


def test_each_file_says_how_many_such_rows_it_holds(case: Case, case_database: Database) -> None:
    files = [
        {"uri": "s3://lake/raw-0.parquet", "sha256": SHA, "rows": 2},
        {"uri": "s3://lake/raw-1.parquet", "rows": 3},
    ]
    people = [by("ann"), by(), by("ann"), by("ann", "bob"), by()]
    case.enter("raw", people, files=files)
    case.enter("other", [by("ann")], files=[{"uri": "s3://lake/other.parquet"}])
    case.derive("clean", "raw", RowMap.identity(5))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        found = [(f.uri, f.sha256, f.rows, f.erase, f.review) for f in scope.files]
        assert found == [
            ("s3://lake/raw-0.parquet", SHA, 2, 1, 0),
            ("s3://lake/raw-1.parquet", None, 3, 1, 1),
            ("s3://lake/other.parquet", None, None, None, None),
        ]
        assert scope.without_files == (case.number(session, "clean"),)


def test_versions_and_recipients_are_those_that_held_an_example(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("bob")], batch="b")
    case.enter("raw", [by("ann")], batch="c")
    case.enter("raw", [by("bob")], batch="d")
    case.enter("raw", [by()], batch="e", mode="overwrite")
    case.settle()
    with case_database.write() as session:
        for number, who in ((1, "early"), (2, "partner"), (3, "partner"), (4, "clean")):
            give(session, case, "raw", number, who)
        scope = case.scope(session, "ann")
        (held,) = scope.versions
        assert (held.name, held.ranges, held.current) == (case.dataset("raw"), ((2, 3),), False)
        assert [(r.recipient, r.version, r.state, r.part) for r in scope.recipients] == [
            ("The partner", 2, "saw", "erase"),
            ("The partner", 3, "saw", "erase"),
        ]
        session.rollback()


def give(session: Session, case: Case, name: str, number: int, who: str) -> None:
    recipient = f"{case.name}-{who}"
    said = {"name": f"The {who}", "kind": "recipient"}
    put_recipient(session, recipient, said, actor="tests", now=NOW)
    dataset_id = named_id("dataset", NAMESPACE, case.dataset(name))
    named = Named(dataset_id, NAMESPACE, case.dataset(name))
    share = NewShare(number, recipient, NOW - timedelta(days=10 - number))
    record_share(session, named, share, actor="tests", now=NOW)


def test_models_say_whether_they_saw_an_example(case: Case, case_database: Database) -> None:
    case.enter("raw", [by("bob")], batch="b", minute=10)
    case.run("early", ["raw"], model(case.dataset("early")), minute=20)
    case.enter("raw", [by("ann")], batch="c", minute=30)
    case.run("trained", ["raw"], model(case.dataset("trained")), minute=40)
    case.run("tuned", ["trained"], model(case.dataset("tuned")), minute=50)
    case.enter("raw", [by("cay")], batch="d", minute=35)
    weights = mapped(
        [(case.dataset("raw"), "c")], case.pipeline.upload_map(RowMap.identity(1)), "transformed"
    )
    mapped_model = written(case.dataset("packed"), "b", maps=[weights], exampleCount=1)
    case.run("packed", ["raw"], {**model(case.dataset("packed")), **mapped_model}, minute=60)
    case.settle()
    with case_database.read() as session:

        def states(person: str) -> dict[str, tuple[str, str]]:
            found = case.scope(session, person).models
            return {m.name.partition("/")[2]: (m.part.value, m.state) for m in found}

        assert states("ann") == {
            "trained": ("erase", "saw"),
            "tuned": ("erase", "unknown"),
            "packed": ("erase", "saw"),
        }
        # Of what arrived late, nobody knows whether the run read it.
        assert states("cay")["trained"] == ("erase", "unknown")
        assert states("bob")["early"] == ("erase", "saw")
        # A model is no example: no row of it is erased.
        assert set(case.erased(session, case.scope(session, "ann"))) == {"raw"}


def test_batches_that_were_not_searched_are_named_with_the_reason(
    case: Case, case_database: Database
) -> None:
    case.enter("raw", [by("ann")])
    plain = {"subjectCoverage": None}
    case.enter("other", [by()], **plain)
    case.enter("clean", [by()], subjectCoverage={"scannedFor": ["email", "phone"]})
    case.enter("mixed", [by()], subjectCoverage={"scannedFor": ["phone"]})
    case.enter("web", [by()], personalData="none", **plain)
    said: dict[str, Any] = {"exampleCount": 3, "subjectCoverage": {"keyedBy": "author"}}
    case.run("late", [], written(case.dataset("late"), "b", **said))
    absent: dict[str, Any] = {
        "examples": "sha256:" + "cd" * 32,
        "subjectCoverage": {"keyedBy": "author"},
    }
    case.run("out", [], written(case.dataset("out"), "b", **absent))
    case.settle()
    with case_database.read() as session:
        scope = case.scope(session, "ann")
        mine = {
            each.dataset.partition("/")[2]: each
            for each in scope.coverage
            if each.dataset.startswith(case.name)
        }
        assert {name: each.search for name, each in mine.items()} == {
            "raw": Search.KEYED,
            "other": Search.NO_COVERAGE,
            "clean": Search.SCANNED,
            "mixed": Search.OTHER_IDENTIFIERS,
            "web": Search.DECLARED_NONE,
            "late": Search.NO_EXAMPLES,
            "out": Search.NOT_BOUND,
        }
        counted = {name for name, each in mine.items() if each.counts}
        assert counted == {"raw", "clean"}
        assert RULES.said.search.declared_none == "not_searched"
