"""What is refused at the door, each with the place in the JSON and a remedy."""

from __future__ import annotations

import pytest

from registry.errors import MalformedEventError
from registry.lineage.door import admit
from registry.lineage.events import DEPTH_LIMIT, read_event, split_batch
from tests.lineage.making import (
    Json,
    changed,
    dataset,
    dataset_event,
    encoded,
    facet,
    full_event,
    job_event,
    nested,
    run_event,
    run_id,
)

SHA = "sha256:" + "0a" * 32
REFUSED: dict[str, tuple[bytes | Json, str]] = {
    "nothing": (b"", "$"),
    "white space": (b" \n", "$"),
    "half an event": (encoded(run_event())[:-10], "$"),
    "two events in a row": (encoded(run_event()) * 2, "$"),
    "HTML": (b"<html>", "$"),
    "an array": ([run_event()], "$"),  # type: ignore[dict-item]
    "a string": (b'"event"', "$"),
    "a number": (b"5", "$"),
    "null": (b"null", "$"),
    "NaN": (encoded(run_event())[:-1] + b',"x":NaN}', "$"),
    "bytes that are no UTF-8": (
        encoded(run_event(job=("etl", "x"))).replace(b'"x"', b'"\xff"'),
        "$",
    ),
    "a surrogate encoded in UTF-8": (
        encoded(run_event(job=("etl", "x"))).replace(b'"x"', b'"\xed\xa0\x80"'),
        "$",
    ),
    "a lone high surrogate in a name": (run_event(job=("etl", "\ud800")), "$"),
    "a lone low surrogate in a name": (run_event(job=("etl", "\udc00x")), "$"),
    "a lone surrogate in the name of a member": (
        changed(full_event(), "run.facets.\ud800", 1),
        "$",
    ),
    "an integer of five thousand digits": (
        encoded(run_event())[:-1] + b',"x":' + b"9" * 5000 + b"}",
        "$",
    ),
    "an exponent beyond computing": (
        encoded(run_event())[:-1] + b',"x":1e99999999999999999999}',
        "$",
    ),
    "JSON deeper than the limit": (nested(DEPTH_LIMIT + 1), "$"),
    "JSON ten thousand deep": (nested(10_000), "$"),
    "an object without run, job or dataset": (changed(dataset_event({}), "dataset", ...), "$"),
    "no eventTime": (changed(full_event(), "eventTime", ...), "$.eventTime"),
    "an eventTime in seconds": (changed(full_event(), "eventTime", 1769947200), "$.eventTime"),
    "an eventTime that is an object": (changed(full_event(), "eventTime", {}), "$.eventTime"),
    "an eventTime in words": (changed(full_event(), "eventTime", "noon"), "$.eventTime"),
    "the thirtieth of February": (
        changed(full_event(), "eventTime", "2026-02-30T00:00:00Z"),
        "$.eventTime",
    ),
    "a time before the year 1 in UTC": (
        changed(full_event(), "eventTime", "0001-01-01T00:00:00+01:00"),
        "$.eventTime",
    ),
    "a time after the year 9999 in UTC": (
        changed(full_event(), "eventTime", "9999-12-31T23:59:59-01:00"),
        "$.eventTime",
    ),
    "an eventTime of a hundred characters": (
        changed(full_event(), "eventTime", "2026-02-01T12:00:00." + "1" * 100),
        "$.eventTime",
    ),
    "an eventType that is a number": (changed(full_event(), "eventType", 3), "$.eventType"),
    "a run that is a string": (changed(full_event(), "run", run_id(1)), "$.run"),
    "a run that is an array": (changed(full_event(), "run", [1]), "$.run"),
    "a run without an id": (changed(full_event(), "run", {}), "$.run.runId"),
    "a run id that is a number": (changed(full_event(), "run.runId", 17), "$.run.runId"),
    "a run id that is empty": (changed(full_event(), "run.runId", ""), "$.run.runId"),
    "a run id with NUL": (changed(full_event(), "run.runId", "a\0b"), "$.run.runId"),
    "a run id of 2,000 characters": (changed(full_event(), "run.runId", "x" * 2000), "$.run.runId"),
    "a run without a job": (changed(full_event(), "job", ...), "$.job"),
    "a job that is a string": (changed(full_event(), "job", "load"), "$.job"),
    "a job without a namespace": (changed(full_event(), "job.namespace", ...), "$.job.namespace"),
    "a job whose name is null": (changed(full_event(), "job.name", None), "$.job.name"),
    "a job whose name is empty": (changed(full_event(), "job.name", ""), "$.job.name"),
    "a job whose name is an object": (changed(full_event(), "job.name", {"a": 1}), "$.job.name"),
    "a job whose name holds NUL": (changed(full_event(), "job.name", "a\0"), "$.job.name"),
    "a job name of 100,000 characters": (
        changed(full_event(), "job.name", "x" * 100_000),
        "$.job.name",
    ),
    "a job name of 400 characters in 1,600 bytes": (
        changed(full_event(), "job.name", "🙂" * 400),
        "$.job.name",
    ),
    "a namespace of 100,000 characters": (
        changed(full_event(), "outputs.0.namespace", "x" * 100_000),
        "$.outputs[0].namespace",
    ),
    "a namespace that is a boolean": (
        changed(full_event(), "inputs.0.namespace", True),
        "$.inputs[0].namespace",
    ),
    "inputs that are an object": (changed(full_event(), "inputs", {}), "$.inputs"),
    "inputs that are a string": (changed(full_event(), "inputs", "raw"), "$.inputs"),
    "outputs that are false": (changed(full_event(), "outputs", False), "$.outputs"),
    "an input that is null": (changed(full_event(), "inputs.0", None), "$.inputs[0]"),
    "an output that is a string": (changed(full_event(), "outputs.0", "clean"), "$.outputs[0]"),
    "run facets that are an array": (changed(full_event(), "run.facets", [1]), "$.run.facets"),
    "job facets that are a string": (changed(full_event(), "job.facets", "x"), "$.job.facets"),
    "input facets that are a number": (
        changed(full_event(), "inputs.0.inputFacets", 1),
        "$.inputs[0].inputFacets",
    ),
    "a DatasetEvent whose dataset is a string": (
        changed(dataset_event({}), "dataset", "x"),
        "$.dataset",
    ),
    "a JobEvent whose job is an array": (changed(job_event(), "job", [1]), "$.job"),
    "inline examples that are no objects": (
        changed(full_event(), "outputs.0.outputFacets.registry_examples", facet(rows=[1])),
        "$.outputs[0].outputFacets.registry_examples",
    ),
    "inline examples of an input": (
        changed(full_event(), "inputs.0.inputFacets.registry_examples", facet(rows=[])),
        "$.inputs[0].inputFacets.registry_examples",
    ),
}

BATCH = "$.outputs[0].outputFacets.registry_batch"
REFUSED_BATCHES: dict[str, tuple[Json, str]] = {
    "without a name": ({"batch": ...}, BATCH),
    "with an empty name": ({"batch": ""}, f"{BATCH}.batch"),
    "with a number for a name": ({"batch": 5}, f"{BATCH}.batch"),
    "with a name of 600 characters": ({"batch": "x" * 600}, f"{BATCH}.batch"),
    "with NUL in it": ({"license": "a\0b"}, BATCH),
    "in a mode nobody knows": ({"mode": "merge"}, f"{BATCH}.mode"),
    "that replaces no partition": ({"mode": "replace_partition"}, f"{BATCH}.partition"),
    "with a partition of 100,000 characters": ({"partition": "x" * 100_000}, f"{BATCH}.partition"),
    "from a source of no kind": ({"origin": {"kind": "found"}}, f"{BATCH}.origin.kind"),
    "whose origin is a string": ({"origin": "web"}, f"{BATCH}.origin"),
    "collected at no time": (
        {"origin": {"collectedFrom": "yesterday"}},
        f"{BATCH}.origin.collectedFrom",
    ),
    "collected until no time": (
        {"origin": {"collectedUntil": "9999-12-31T23:59:59-10:00"}},
        f"{BATCH}.origin.collectedUntil",
    ),
    "for a purpose that is no list": ({"purposes": "training"}, f"{BATCH}.purposes"),
    "classified as nothing known": ({"classification": "secret"}, f"{BATCH}.classification"),
    "with personal data of no kind": ({"personalData": "some"}, f"{BATCH}.personalData"),
    "of minus one examples": ({"exampleCount": -1}, f"{BATCH}.exampleCount"),
    "of half an example": ({"exampleCount": 0.5}, f"{BATCH}.exampleCount"),
    "of more examples than an address holds": ({"exampleCount": 2**32}, f"{BATCH}.exampleCount"),
    "of more examples than 64 bits hold": ({"exampleCount": 2**70}, f"{BATCH}.exampleCount"),
    "with examples that have no digest": ({"examples": "sha256:12"}, f"{BATCH}.examples"),
    "with examples at a URL without a digest": (
        {"examples": {"url": "s3://x"}},
        f"{BATCH}.examples",
    ),
    "with files that are an object": ({"files": {}}, f"{BATCH}.files"),
    "with a file that has no address": ({"files": [{"rows": 1}]}, f"{BATCH}.files[0]"),
    "with a file of minus one rows": (
        {"files": [{"uri": "s3://x", "rows": -1}]},
        f"{BATCH}.files[0]",
    ),
    "with a file whose digest is in capitals": (
        {"files": [{"uri": "s3://x", "sha256": SHA.upper()}]},
        f"{BATCH}.files[0].sha256",
    ),
    "with a file of more rows than 64 bits hold": (
        {"files": [{"uri": "s3://x", "rows": 2**64}]},
        f"{BATCH}.files[0].rows",
    ),
    "with files of too many rows together": (
        {"files": [{"uri": "s3://x", "rows": 2**31}, {"uri": "s3://y", "rows": 2**31}]},
        f"{BATCH}.files[1].rows",
    ),
    "scanned for a word": (
        {"subjectCoverage": {"scannedFor": "x"}},
        f"{BATCH}.subjectCoverage.scannedFor",
    ),
}


def with_batch(fields: Json) -> Json:
    """An event whose output has a `registry_batch` with these fields; `...` leaves one out."""
    made = {"batch": "a", **fields}
    said = facet(**{key: value for key, value in made.items() if value is not ...})
    return run_event(outputs=[dataset("clean", output_facets={"registry_batch": said})])


REFUSED |= {
    f"a batch {case}": (with_batch(fields), path)
    for case, (fields, path) in REFUSED_BATCHES.items()
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_its_place(case: str) -> None:
    spoilt, path = REFUSED[case]
    with pytest.raises(MalformedEventError) as refused:
        admit(spoilt if isinstance(spoilt, bytes) else encoded(spoilt))
    assert refused.value.path == path
    assert refused.value.detail.endswith(".")
    assert refused.value.remedy.endswith(".")
    assert len(refused.value.detail) < 500


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"{}", b"null", b'"x"', b"[1,]", b"[" * 10_000 + b"]" * 10_000, b'["\xff"'],
    ids=["nothing", "half", "object", "null", "string", "comma", "deep", "no UTF-8"],
)
def test_a_batch_that_is_no_array_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedEventError) as refused:
        list(map(read_event, split_batch(body)))
    assert refused.value.path == "$"
