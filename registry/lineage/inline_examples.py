"""Moves the examples of a small producer's event out of it, before the event is kept.

Rules (DESIGN §1.1, §5; CONTRACTS `registry_examples`):
1. At most 1,000 rows travel inside an event; they are the examples object of the same output's
   `registry_batch`, which is added where it is named there and names no other object.
2. What is kept of the event names the object by its digest; the rows are gone from it, which is a
   recorded redaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from registry.canonical import digest_text, exact_json
from registry.lineage.values import malformed
from registry.wire.facets import BATCH, EXAMPLES

ROWS_LIMIT = 1_000
CONTENT_TYPE = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class InlineExamples:
    """Rows that were taken out of an event: NDJSON, under the digest that the event now names."""

    path: str
    digest: str
    ndjson: bytes


def move_inline_examples(content: dict[str, Any]) -> list[InlineExamples]:
    """Take the rows of every `registry_examples` out of a decoded event, in place.

    Raises MalformedEventError where they are no rows, too many, or belong to no batch.
    """
    outputs = content.get("outputs")
    moved: list[InlineExamples] = []
    for index, output in enumerate(outputs if isinstance(outputs, list) else ()):
        for key in ("outputFacets", "facets"):
            facets = output.get(key) if isinstance(output, dict) else None
            if isinstance(facets, dict) and EXAMPLES in facets:
                path = f"$.outputs[{index}].{key}.{EXAMPLES}"
                moved.append(_move(output, facets, path))
    return moved


def _move(output: dict[str, Any], facets: dict[str, Any], path: str) -> InlineExamples:
    facet = facets[EXAMPLES]
    rows = facet.get("rows") if isinstance(facet, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise malformed("rows is no array of objects.", "Send one object an example.", path)
    if len(rows) > ROWS_LIMIT:
        raise malformed(
            f"{len(rows)} rows are over {ROWS_LIMIT}.",
            "Upload them as an object, and name its digest in registry_batch.examples.",
            f"{path}.rows",
        )
    batch = _batch_of(output)
    if batch is None:
        raise malformed(
            "The examples belong to no batch.", "Send registry_batch beside them.", path
        )
    ndjson = b"".join(exact_json(row) + b"\n" for row in rows)
    digest = digest_text(hashlib.sha256(ndjson).digest())
    if batch.get("examples", digest) != digest:
        raise malformed("The batch names another examples object.", "Send one of the two.", path)
    batch["examples"] = digest
    facets[EXAMPLES] = {
        **{name: value for name, value in facet.items() if name != "rows"},
        "object": digest,
        "count": len(rows),
    }
    return InlineExamples(f"{path}.rows", digest, ndjson)


def _batch_of(output: dict[str, Any]) -> dict[str, Any] | None:
    for key in ("outputFacets", "facets"):
        facets = output.get(key)
        batch = facets.get(BATCH) if isinstance(facets, dict) else None
        if isinstance(batch, dict):
            return batch
    return None
