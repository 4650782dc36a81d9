"""What an event may write: its project's names; the rest stays with its run, or waits outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select

from registry.catalog.tables import NameOwner
from registry.errors import ConflictError
from registry.ids import named_id
from registry.lineage.quarantine import list_quarantined, reject_event, release_event
from registry.lineage.tables import EventState, QuarantineReason
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.intake import DEFAULT, Intake, claims_of
from tests.lineage.making import (
    LAKE,
    Json,
    batch,
    changed,
    dataset,
    dataset_event,
    facet,
    job_event,
    run_event,
)
from tests.stores import PROJECTED, dump, dump_projected, empty

# `ours` and `theirs` share the lake; the jobs of `etl` belong to nobody, those of `vault` to them.
CLAIMS = claims_of(
    ("ours", LAKE, "ours/"), ("theirs", LAKE), ("theirs", "vault*"), ("theirs", "vault")
)
OURS, THEIRS = "ours/clean", "theirs/secrets"
OUTSIDE = QuarantineReason.OUTSIDE_PROJECT


@pytest.fixture
def intake(emptied_database: Database) -> Iterator[Intake]:
    with Intake(emptied_database, FrozenClock(), CLAIMS).open() as opened:
        yield opened


def texts(database: Database, table: str) -> str:
    """Everything that a table holds, as one text to look for things in."""
    (found,) = dump(database, [each for each in PROJECTED if each.name == table]).values()
    return repr(found)


# (event, the project that sends it, why it is quarantined or None).
VERDICTS: dict[str, tuple[Json, str, QuarantineReason | None]] = {
    "a run that writes its project's dataset": (run_event(outputs=[dataset(OURS)]), "ours", None),
    "a run that writes another's dataset": (run_event(outputs=[dataset(THEIRS)]), "ours", OUTSIDE),
    "a run that writes both": (
        run_event(outputs=[dataset(OURS), dataset(THEIRS)]),
        "ours",
        OUTSIDE,
    ),
    "a run that reads another's dataset": (run_event(inputs=[dataset(THEIRS)]), "ours", None),
    "a run of a job that nobody claims": (run_event(job=("etl", "load")), "ours", None),
    "a run of another's job": (run_event(job=("vault", "load")), "ours", OUTSIDE),
    "a run of a job in a namespace that another's glob matches": (
        run_event(job=("vault-eu", "load")),
        "ours",
        OUTSIDE,
    ),
    "a run of one's own job": (run_event(job=("vault", "load")), "theirs", None),
    "a run of default that writes a claimed dataset": (
        run_event(outputs=[dataset(OURS)]),
        DEFAULT,
        OUTSIDE,
    ),
    "a run of default that writes what nobody claims": (
        run_event(outputs=[dataset("x", "file")]),
        DEFAULT,
        None,
    ),
    "a run of a project that writes what nobody claims": (
        run_event(outputs=[dataset("x", "file")]),
        "ours",
        OUTSIDE,
    ),
    "a JobEvent about another's job": (job_event(job=("vault", "load")), "ours", OUTSIDE),
    "a JobEvent whose job writes another's dataset": (
        job_event(outputs=[dataset(THEIRS)]),
        "ours",
        OUTSIDE,
    ),
    "a JobEvent whose job reads another's dataset": (
        job_event(inputs=[dataset(THEIRS)]),
        "ours",
        None,
    ),
    "a DatasetEvent about one's own": (dataset_event(dataset(OURS)), "ours", None),
    "a DatasetEvent about another's": (dataset_event(dataset(THEIRS)), "ours", OUTSIDE),
    "a DatasetEvent of default about another's": (dataset_event(dataset(THEIRS)), DEFAULT, OUTSIDE),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_an_event_is_judged_by_what_it_writes(intake: Intake, case: str) -> None:
    event, project, reason = VERDICTS[case]
    (taken,) = intake.take(event, project=project)
    assert taken.reason is reason
    assert taken.state is (EventState.PROJECTED if reason is None else EventState.QUARANTINED)
    if reason is not None:
        assert "belongs to another project than its sender's" in (taken.detail or "")
        assert not any(dump_projected(intake.database).values())


def test_facets_of_anothers_input_stay_with_the_run(intake: Intake) -> None:
    said = {"schema": facet(fields=[{"name": "forged"}]), "version": facet(datasetVersion="7")}
    intake.take(run_event(inputs=[dataset(THEIRS, facets=said)]), project="ours")
    assert "forged" not in texts(intake.database, "dataset_facet")
    assert "forged" in texts(intake.database, "scope_facet")
    assert "'7'" in texts(intake.database, "external_version")


def test_facets_of_ones_own_input_are_the_datasets(intake: Intake) -> None:
    said = {"schema": facet(fields=[{"name": "known"}])}
    intake.take(run_event(inputs=[dataset(OURS, facets=said)]), project="ours")
    assert "known" in texts(intake.database, "dataset_facet")


def aliases(*names: str) -> dict[str, Json]:
    """A symlinks facet with these names in the lake."""
    items = [{"namespace": LAKE, "name": name, "type": "TABLE"} for name in names]
    return {"symlinks": facet(identifiers=items)}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda facets: run_event(outputs=[dataset(OURS, facets=facets)]), id="output"),
        pytest.param(lambda facets: run_event(inputs=[dataset(OURS, facets=facets)]), id="input"),
        pytest.param(lambda facets: dataset_event(dataset(OURS, facets=facets)), id="dataset"),
    ],
)
def test_an_alias_takes_no_name_of_another_project(
    intake: Intake, make: Callable[[dict[str, Json]], Json]
) -> None:
    (taken,) = intake.take(make(aliases(THEIRS, "ours/alias")), project="ours")
    assert taken.state is EventState.PROJECTED
    known = texts(intake.database, "symlink")
    assert "ours/alias" in known
    assert THEIRS not in known


def test_an_input_of_another_project_gets_no_alias(intake: Intake) -> None:
    intake.take(run_event(inputs=[dataset(THEIRS, facets=aliases(OURS))]), project="ours")
    assert texts(intake.database, "symlink") == "[]"


def lineage_of(*targets: Json) -> dict[str, Json]:
    """A job's lineage facet: each target comes from `ours/raw`."""
    source = {"type": "DATASET", "namespace": LAKE, "name": "ours/raw"}
    return {"lineage": facet(entries=[{**target, "inputs": [source]} for target in targets])}


def target(name: str, namespace: str = LAKE, kind: str = "DATASET") -> Json:
    return {"type": kind, "namespace": namespace, "name": name}


@pytest.mark.parametrize("make", [run_event, job_event], ids=["run", "job"])
def test_explicit_lineage_about_anothers_names_is_not_projected(
    intake: Intake, make: Callable[..., Json]
) -> None:
    said = lineage_of(
        target(OURS),
        target(THEIRS),
        target("load", "vault", "JOB"),
        target("other", "etl", "JOB"),
    )
    (taken,) = intake.take(make(job_facets=said), project="ours")
    assert taken.state is EventState.PROJECTED
    with intake.database.read() as session:
        rows = session.connection().exec_driver_sql("SELECT target_id FROM edge").all()
    assert {bytes(row[0]) for row in rows} == {
        named_id("dataset", LAKE, OURS),
        named_id("job", "etl", "other"),
    }
    names = texts(intake.database, "dataset") + texts(intake.database, "job")
    assert THEIRS not in names
    assert "vault" not in names


def test_anothers_dataset_may_be_a_source(intake: Intake) -> None:
    source = {"type": "DATASET", "namespace": LAKE, "name": THEIRS}
    facets = {"lineage": facet(inputs=[source])}
    intake.take(run_event(outputs=[dataset(OURS, facets=facets)]), project="ours")
    assert THEIRS in texts(intake.database, "dataset")


def test_a_name_belongs_to_whom_it_was_allotted_at_first_sight(intake: Intake) -> None:
    intake.take(
        run_event(job=("etl", "load"), inputs=[dataset(THEIRS)], outputs=[dataset(OURS)]),
        project="ours",
    )
    intake.take(run_event(run=2, job=("etl", "load")), project="theirs")
    owner = table_of(NameOwner)
    with intake.database.read() as session:
        rows = session.execute(select(owner.c.entity_id, owner.c.project_id)).all()
    assert {bytes(identity): project for identity, project in rows} == {
        named_id("job", "etl", "load"): "ours",
        named_id("dataset", LAKE, OURS): "ours",
        named_id("dataset", LAKE, THEIRS): "theirs",
    }


def test_an_event_that_comes_twice_is_answered_alike(intake: Intake) -> None:
    event = run_event(outputs=[dataset(THEIRS)])
    first, second = intake.take(event, event, project="ours")
    (third,) = intake.take(event, project="ours")
    assert [each.duplicate for each in (first, second, third)] == [False, True, True]
    assert {(each.state, each.reason, each.detail) for each in (first, second, third)} == {
        (first.state, OUTSIDE, first.detail)
    }


class TestRunOfTwoJobs:
    """A run id belongs to the job with the smallest (effective time, digest)."""

    EARLY = run_event(
        "START",
        minute=1,
        job=("etl", "early"),
        run_facets={"custom": facet(of="early")},
        outputs=[dataset(OURS, output_facets=batch("a"))],
    )
    LATE = run_event(
        minute=2,
        job=("etl", "late"),
        run_facets={"custom": facet(of="late")},
        outputs=[dataset("ours/other", output_facets=batch("b"), facets={"custom": facet(x=1)})],
        inputs=[dataset("ours/raw")],
    )
    END = run_event(minute=3, job=("etl", "early"))

    def test_either_order_of_arrival_gives_the_same(self, intake: Intake) -> None:
        (early,), (late,) = [intake.take(e, project="ours") for e in (self.EARLY, self.LATE)]
        assert (early.state, late.reason) == (
            EventState.PROJECTED,
            QuarantineReason.RUN_OF_ANOTHER_JOB,
        )
        straight = dump_projected(intake.database)
        assert "other" not in repr(straight["dataset"])
        other = Intake(intake.database, FrozenClock(), CLAIMS)
        empty(intake.database)
        with other.open():
            (late,), (early,) = [other.take(e, project="ours") for e in (self.LATE, self.EARLY)]
        assert (late.state, early.state) == (EventState.PROJECTED, EventState.PROJECTED)
        assert dump_projected(intake.database) == straight
        assert self.held(intake) == [("etl", "late")]

    def test_together_in_one_group_they_give_the_same(self, intake: Intake) -> None:
        late, early = intake.take(self.LATE, self.EARLY, project="ours")
        assert (early.state, late.state) == (EventState.PROJECTED, EventState.QUARANTINED)

    def test_what_a_winner_sent_before_is_allotted_when_it_wins(self, intake: Intake) -> None:
        for event in (self.LATE, self.END, self.EARLY):
            intake.take(event, project="ours")
        with intake.database.read() as session:
            rows = session.connection().exec_driver_sql(
                "SELECT d.name, v.number FROM dataset_version v "
                "JOIN dataset d ON d.id = v.dataset_id"
            )
            assert [tuple(row) for row in rows] == [(OURS, 1)]

    def test_the_same_time_is_settled_by_the_digest(self, intake: Intake) -> None:
        events = [run_event(job=("etl", f"job {n}")) for n in range(4)]
        taken = [intake.take(event, project="ours")[0] for event in events]
        smallest = min(taken, key=lambda arrival: arrival.event.digest)
        assert smallest.event.named.name in texts(intake.database, "job")
        assert len(self.held(intake)) == 3

    def test_a_clock_that_is_ahead_wins_no_run(self, intake: Intake) -> None:
        ahead = changed(self.EARLY, "eventTime", "2076-02-01T00:00:00Z")
        (late,), (early,) = [intake.take(e, project="ours") for e in (self.LATE, ahead)]
        assert (late.state, early.state) == (EventState.PROJECTED, EventState.QUARANTINED)

    def test_an_event_outside_claims_no_run(self, intake: Intake) -> None:
        outside = changed(self.EARLY, "outputs.0.name", THEIRS)
        (first,), (late,) = [intake.take(e, project="ours") for e in (outside, self.LATE)]
        assert (first.reason, late.state) == (OUTSIDE, EventState.PROJECTED)

    def test_it_cannot_be_released(self, intake: Intake) -> None:
        _, (late,) = [intake.take(e, project="ours") for e in (self.EARLY, self.LATE)]
        with intake.database.write() as session, pytest.raises(ConflictError):
            release_event(session, late.event.digest, CLAIMS, actor="tests", now=intake.clock())

    def test_what_was_rejected_never_comes_back(self, intake: Intake) -> None:
        intake.take(self.EARLY, project="ours")
        (late,) = intake.take(self.LATE, project="ours")
        with intake.database.write() as session:
            reject_event(session, late.event.digest, actor="tests", now=intake.clock())
        # An event of the same job that is earlier than any: now the run is that job's.
        intake.take(run_event("START", minute=0, job=("etl", "late")), project="ours")
        projected = dump_projected(intake.database)
        assert "other" not in repr(projected["dataset"])
        assert self.held(intake) == [("etl", "early")]

    @staticmethod
    def held(intake: Intake) -> list[tuple[str, str]]:
        with intake.database.read() as session:
            events, _ = list_quarantined(session)
        return [(event.namespace, event.name) for event in events]


def test_a_released_event_is_projected_as_if_it_had_been_allowed(intake: Intake) -> None:
    event = run_event(
        inputs=[dataset("theirs/raw", facets={"custom": facet(forged=1)})],
        outputs=[dataset(THEIRS, output_facets=batch("a"), facets=aliases("ours/taken"))],
    )
    (held,) = intake.take(event, project="ours")
    with intake.database.write() as session:
        state = release_event(session, held.event.digest, CLAIMS, actor="tests", now=intake.clock())
    assert state is EventState.PROJECTED
    projected = dump_projected(intake.database)
    assert "forged" not in repr(projected["dataset_facet"])
    assert len(projected["batch"]) == 1
    with intake.database.read() as session:
        versions = session.connection().exec_driver_sql("SELECT count(*) FROM dataset_version")
        assert versions.scalar_one() == 1
    intake.rebuild()
    assert dump_projected(intake.database) == projected
