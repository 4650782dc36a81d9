"""Generates small histories of events that meet in the same few runs, jobs and datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.lineage.intake import claims_of
from tests.lineage.making import (
    Json,
    batch,
    dataset,
    dataset_event,
    deleted,
    facet,
    job_event,
    run_event,
)

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]
Sent = tuple[Json | bytes, str]

# The lake belongs to `ours`, the vault to `theirs`, and the jobs of `etl` to nobody.
CLAIMS = claims_of(("ours", "lake"), ("theirs", "vault"), ("theirs", "vault-jobs"))
JOBS = [("etl", "load"), ("etl", "clean"), ("vault-jobs", "audit")]
NAMES = [("raw", "lake"), ("clean", "lake"), ("index", "lake"), ("secrets", "vault")]
RUNS: list[int | str] = [1, 2, 3, "scheduled__2026-02-01"]
AHEAD = 60 * 24 * 365 * 50

jobs = st.sampled_from(JOBS)
names = st.sampled_from(NAMES)
minutes = st.sampled_from([0, 1, 1, 2, 3, 5, 8, AHEAD])
fields = st.sampled_from(["id", "text"])
small = st.integers(0, 2)


@st.composite
def described_facets(draw: Draw) -> dict[str, Json]:
    """Facets of any kind of holder: replaced whole by name, or deleted."""
    chosen: dict[str, Json] = {}
    for name in draw(st.lists(st.sampled_from(["documentation", "custom"]), unique=True)):
        chosen[name] = draw(
            st.one_of(st.just(deleted()), small.map(lambda n: facet(description=f"text {n}")))
        )
    return chosen


@st.composite
def sources(draw: Draw) -> Json:
    """A dataset, or a job with or without its run, as a source in a lineage facet."""
    if draw(st.integers(0, 3)) == 0:
        namespace, name = draw(jobs)
        made: Json = {"type": "JOB", "namespace": namespace, "name": name}
        if draw(st.booleans()):
            made["runId"] = str(draw(st.sampled_from(RUNS)))
        return made
    name, namespace = draw(names)
    made = {"type": "DATASET", "namespace": namespace, "name": name}
    if draw(st.booleans()):
        made["field"] = draw(fields)
    return made


@st.composite
def lineage_entries(draw: Draw) -> Json:
    """What a lineage facet says of one target."""
    made: Json = {"inputs": draw(st.lists(sources(), max_size=2))}
    if draw(st.booleans()):
        made["fields"] = {draw(fields): {"inputs": draw(st.lists(sources(), max_size=2))}}
    return made


@st.composite
def column_lineage(draw: Draw) -> Json:
    """A columnLineage facet."""
    made: Json = {}
    for field in draw(st.lists(fields, unique=True)):
        name, namespace = draw(names)
        item = {"namespace": namespace, "name": name, "field": draw(fields)}
        if draw(st.booleans()):
            item["transformations"] = [{"type": "DIRECT", "subtype": "IDENTITY"}]
        made[field] = {"inputFields": [item]}
    return facet(fields=made)


@st.composite
def symlinks(draw: Draw) -> Json:
    """A symlinks facet, which may name a dataset of another project."""
    found = draw(st.lists(names, max_size=2, unique=True))
    return facet(
        identifiers=[
            {"name": name, "namespace": namespace, "type": "TABLE"} for name, namespace in found
        ]
    )


@st.composite
def dataset_facets(draw: Draw) -> dict[str, Json]:
    """Facets of a dataset, those that carry edges and aliases included."""
    chosen: dict[str, Json] = draw(described_facets())
    for name, made in (
        ("symlinks", symlinks()),
        ("columnLineage", column_lineage()),
        ("lineage", lineage_entries().map(lambda entry: facet(**entry))),
        ("version", small.map(lambda n: facet(datasetVersion=str(n)))),
        (
            "lifecycleStateChange",
            st.sampled_from(["OVERWRITE", "CREATE", "DROP"]).map(
                lambda change: facet(lifecycleStateChange=change)
            ),
        ),
    ):
        if draw(st.integers(0, 3)) == 0:
            chosen[name] = draw(st.one_of(made, made, made, st.just(deleted())))
    return chosen


@st.composite
def batches(draw: Draw) -> dict[str, Json]:
    """The outputFacets of a written dataset: a batch, or statistics alone."""
    if draw(st.booleans()):
        return {"outputStatistics": facet(rowCount=draw(small))}
    more: Json = {}
    mode = draw(st.sampled_from([None, "append", "overwrite", "replace_partition"]))
    if mode is not None:
        more["mode"] = mode
    if mode == "replace_partition" or draw(st.booleans()):
        more["partition"] = draw(st.sampled_from(["p1", "p2"]))
    if draw(st.booleans()):
        more["files"] = [
            {"uri": f"s3://lake/{n}", "rows": rows}
            for n, rows in enumerate(draw(st.lists(st.one_of(small, st.none()), max_size=3)))
        ]
    return batch(draw(st.sampled_from(["a", "b"])), exampleCount=draw(small), **more)


@st.composite
def inputs_and_outputs(draw: Draw) -> dict[str, list[Json]]:
    """The `inputs` and `outputs` of an event; the same dataset may stand twice."""
    read = [
        dataset(*each, facets=draw(dataset_facets())) for each in draw(st.lists(names, max_size=2))
    ]
    written = [
        dataset(*each, facets=draw(dataset_facets()), output_facets=draw(batches()))
        for each in draw(st.lists(names, max_size=2))
    ]
    return {"inputs": read, "outputs": written}


@st.composite
def run_facets(draw: Draw) -> dict[str, Json]:
    """Facets of a run, its parent and nominal time included."""
    chosen: dict[str, Json] = draw(described_facets())
    if draw(st.integers(0, 2)) == 0:
        namespace, name = draw(jobs)
        parent = draw(st.sampled_from(RUNS))
        chosen["parent"] = facet(
            run={"runId": str(parent)}, job={"namespace": namespace, "name": name}
        )
    if draw(st.integers(0, 2)) == 0:
        chosen["nominalTime"] = facet(nominalStartTime=f"2026-02-0{draw(small) + 1}T00:00:00Z")
    return chosen


@st.composite
def job_facets(draw: Draw) -> dict[str, Json]:
    """Facets of a job; explicit lineage may be about datasets and jobs of other projects."""
    chosen: dict[str, Json] = draw(described_facets())
    if draw(st.integers(0, 3)) == 0:
        entries = draw(st.lists(st.tuples(sources(), lineage_entries()), max_size=2))
        said = facet(entries=[{**target, **entry} for target, entry in entries])
        chosen["lineage"] = draw(st.one_of(st.just(said), st.just(said), st.just(deleted())))
    return chosen


@st.composite
def run_events(draw: Draw) -> Json:
    """A RunEvent of one of few runs, which now and then is that of another job."""
    run = draw(st.sampled_from(RUNS))
    usual = JOBS[RUNS.index(run) % len(JOBS)]
    job = draw(st.one_of(st.just(usual), st.just(usual), jobs))
    event_type = draw(
        st.sampled_from(
            ["START", "RUNNING", "COMPLETE", "COMPLETE", "FAIL", "ABORT", "OTHER", None]
        )
    )
    return run_event(
        event_type,
        minute=draw(minutes),
        run=run,
        job=job,
        run_facets=draw(run_facets()),
        job_facets=draw(job_facets()),
        **draw(inputs_and_outputs()),
    )


@st.composite
def any_events(draw: Draw) -> Json:
    """Mostly RunEvents, some JobEvents, some DatasetEvents."""
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return job_event(
            minute=draw(minutes),
            job=draw(jobs),
            job_facets=draw(job_facets()),
            **draw(inputs_and_outputs()),
        )
    if kind == 1:
        described = dataset(*draw(names), facets=draw(dataset_facets()))
        return dataset_event(described, minute=draw(minutes))
    return draw(run_events())  # type: ignore[no-any-return]


# Most are ours: what is quarantined meets nothing.
sent_events: st.SearchStrategy[Sent] = st.tuples(
    any_events(), st.sampled_from(["ours", "ours", "ours", "theirs"])
)
histories = st.lists(sent_events, min_size=1, max_size=7, unique_by=repr)


@st.composite
def shuffled(draw: Draw, history: list[Sent]) -> list[list[Sent]]:
    """The history in another order, some events twice, cut into groups."""
    again = draw(st.lists(st.sampled_from(history), max_size=3))
    order = draw(st.permutations([*history, *again]))
    groups: list[list[Sent]] = [[]]
    for sent in order:
        if groups[-1] and draw(st.booleans()):
            groups.append([])
        groups[-1].append(sent)
    return groups
