"""A small lake: a public and a crawled source, a filter, a generator, and what is made of all.

web (crawled, 6)  ──keep 4──▶ clean (4) ─┐
books (public, 4) ───────────────────────┼─▶ corpus (10) ──train──▶ net
seeds (first party, 2) ─net0─▶ dreams (2)┘
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from registry.client.http import HttpClient
from registry.request import House
from registry.wire.facets import QUALITY, RIGHTS, TRAINING
from tests.erasure.town import email
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, facet, mapped, model, parquet, written
from tests.ledger.test_binding_faults import put

WEB_PEOPLE = [["ann"], ["bob"], ["ann"], ["cay"], [], []]
CRAWLED: dict[str, Any] = {
    "origin": {
        "kind": "crawled",
        "uri": "https://crawl.example.org",
        "collectedFrom": "2025-03-01T00:00:00Z",
        "collectedUntil": "2025-04-30T00:00:00Z",
    },
    "legalBasis": "consent",
    "license": "CC-BY-SA-4.0",
    "personalData": "personal",
    "purposes": ["model_training"],
    "region": "eu-west-1",
    "classification": "internal",
    "subjectCoverage": {"keyedBy": "author"},
    "files": [{"uri": "s3://lake/web.parquet", "sha256": "sha256:" + "a" * 64, "rows": 6}],
}
PUBLIC: dict[str, Any] = {
    "origin": {
        "kind": "public",
        "uri": "https://books.example.org",
        "description": "The books",
        "collectedFrom": "2024-01-15T00:00:00Z",
    },
    "license": "CC-BY-4.0",
    "personalData": "none",
}
OWN: dict[str, Any] = {"origin": {"kind": "first_party"}, "license": "LicenseRef-first-party"}
DREAMT: dict[str, Any] = {"origin": {"kind": "synthetic"}}
PLAIN = {"_producer": "https://example.org", "_schemaURL": "https://example.org/f.json"}


def web() -> pa.Table:
    """Six crawled examples of four people's pages."""
    subject = pa.list_(pa.struct([("scheme", pa.string()), ("value", pa.string())]))
    named = [[{"scheme": "email", "value": email(each)} for each in some] for some in WEB_PEOPLE]
    return pa.table(
        {
            "example_id": [f"page-{row}" for row in range(6)],
            "content": [
                f"the text of page {row}, which only one person wrote so" for row in range(6)
            ],
            "subjects": pa.array(named, subject),
            "source_uri": [f"https://site{row % 2}.example.org/{row}" for row in range(6)],
            "language": ["en", "en", "de", "de", None, "en"],
            "modality": ["text"] * 6,
            "split": ["train"] * 5 + ["test"],
            "bytes": pa.array([100] * 6, pa.int64()),
            "tokens": pa.array([20] * 6, pa.int64()),
            "pii": [["email"], [], ["email", "phone"], [], [], []],
        }
    )


def books() -> pa.Table:
    """Four chapters of public books, one of them an image."""
    return pa.table(
        {
            "example_id": [f"chapter-{row}" for row in range(4)],
            "language": ["en"] * 4,
            "modality": ["text"] * 3 + ["image"],
            "split": ["train"] * 4,
            "bytes": pa.array([1_000] * 4, pa.int64()),
            "duration_seconds": [900.0, 900.0, 1_800.0, None],
            "collected_at": pa.array([1_705_276_800_000_000] * 4, pa.timestamp("us", "UTC")),
        }
    )


def seeds() -> pa.Table:
    """Two prompts of our own."""
    return pa.table(
        {
            "example_id": ["seed-0", "seed-1"],
            "modality": ["text"] * 2,
            "duration_seconds": [900.0, 900.0],
        }
    )


def told(
    client: HttpClient,
    job: str,
    minute: int,
    *outputs: Mapping[str, Any],
    reads: Sequence[str | Mapping[str, Any]] = (),
    run_facets: Mapping[str, Any] | None = None,
    job_facets: Mapping[str, Any] | None = None,
) -> None:
    """A run that reads some datasets and writes some outputs."""
    inputs = [
        {"namespace": NAMESPACE, "name": each} if isinstance(each, str) else each for each in reads
    ]
    client.post(
        "/api/v1/lineage",
        {
            "eventType": "COMPLETE",
            "eventTime": f"2026-02-01T{minute // 60:02}:{minute % 60:02}:00Z",
            "producer": "https://example.org/tests",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {
                "runId": f"0190a0f0-0000-7000-8000-00000000{minute:04}",
                "facets": run_facets or {},
            },
            "job": {"namespace": "tests", "name": job, "facets": job_facets or {}},
            "inputs": inputs,
            "outputs": list(outputs),
        },
    )


def about(output: dict[str, Any], **facets: Any) -> dict[str, Any]:
    """The same output with facets of its dataset."""
    return {**output, "facets": {**output.get("facets", {}), **facets}}


CODE = {"sourceCodeLocation": {**PLAIN, "type": "git", "url": "https://git.example.org/clean"}}
AGENT = {"processing_engine": {**PLAIN, "name": "crawlbot", "version": "2.1"}}
SIGNALS = [
    {"protocol": "robots", "seenAt": "2025-03-01T00:00:00Z", "reserved": False},
    {"protocol": "tdmrep", "seenAt": "2025-03-02T00:00:00Z", "reserved": True},
]


def crawl(client: HttpClient) -> None:
    """The crawled source."""
    crawled = written("web", "web", examples=put(client, parquet(web()), "examples"), **CRAWLED)
    rights = facet(RIGHTS, optOut=SIGNALS, contract="terms of the sites")
    told(client, "crawl", 1, about(crawled, **{RIGHTS: rights}), run_facets=AGENT)


def fetch(client: HttpClient) -> None:
    """The public source."""
    digest = put(client, parquet(books()), "examples")
    told(client, "fetch books", 2, written("books", "books", examples=digest, **PUBLIC))


def seed(client: HttpClient) -> None:
    """The source of our own."""
    digest = put(client, parquet(seeds()), "examples")
    told(client, "write seeds", 3, written("seeds", "seeds", examples=digest, **OWN))


def first_model(client: HttpClient) -> None:
    """A model that is trained on the books."""
    told(client, "train first", 4, model("net0"), reads=["books"])


def filtered(client: HttpClient) -> None:
    """Four of the crawled pages."""
    keep = {"form": "take", "parents": [0, 1, 2, 4], "size": 6}
    maps = [mapped([("web", "web")], keep)]
    told(client, "filter", 5, written("clean", "clean", maps=maps), reads=["web"], job_facets=CODE)


def dreamt(client: HttpClient) -> None:
    """What the first model made of the seeds."""
    same = {"form": "range", "start": 0, "stop": 2, "size": 2}
    maps = [mapped([("seeds", "seeds")], same, "synthesised_from")]
    dreams = written("dreams", "dreams", maps=maps, **DREAMT)
    told(client, "dream", 6, dreams, reads=["seeds", "net0"])


DESCRIBED: dict[str, Any] = {
    "documentation": {**PLAIN, "description": "A corpus of text and one image."},
    "ownership": {**PLAIN, "owners": [{"name": "team:data", "type": "MAINTAINER"}]},
    "schema": {**PLAIN, "fields": [{"name": "text", "type": "VARCHAR", "description": "It."}]},
    QUALITY: facet(
        QUALITY,
        metrics=[
            {"name": "accuracy", "value": 0.9, "n": 100},
            {"name": "accuracy", "value": 0.7, "slice": "language=de", "n": 20},
            {"name": "split_overlap", "value": 0, "slice": "train|test"},
        ],
        annotation={
            "guideline": "https://example.org/guide/3",
            "labelsPerItem": 3,
            "agreement": {"measure": "kappa", "value": 0.8},
            "workforce": "employees",
        },
    ),
}


def together(client: HttpClient) -> None:
    """The corpus."""
    inputs = [("clean", "clean"), ("books", "books"), ("dreams", "dreams")]
    whole = {"form": "range", "start": 0, "stop": 10, "size": 10}
    corpus = written("corpus", "corpus", maps=[mapped(inputs, whole)])
    reads = ["clean", "books", "dreams"]
    told(client, "put together", 7, about(corpus, **DESCRIBED), reads=reads)


def trained(client: HttpClient) -> None:
    """A model that is trained on the corpus, with checks of it before."""
    checked = {
        "dataQualityAssertions": {
            **PLAIN,
            "assertions": [{"assertion": "not_null", "column": "text", "success": True}],
        },
        "dataQualityMetrics": {
            **PLAIN,
            "rowCount": 10,
            "columnMetrics": {"text": {"nullCount": 1, "distinctCount": 9}},
        },
    }
    read = {"namespace": NAMESPACE, "name": "corpus", "inputFacets": checked}
    training = facet(TRAINING, purpose="pre_training", model={"name": "net", "version": "1.0"})
    facets = {TRAINING: training}
    told(client, "train", 8, model("net"), reads=[read], run_facets=facets)


STORY = (crawl, fetch, seed, first_model, filtered, dreamt, together, trained)


def filled(house: House, client: HttpClient) -> None:
    """The whole lake, worked off."""
    for tell in STORY:
        tell(client)
    work_off(house)
