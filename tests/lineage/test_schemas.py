"""The schemas of our facets say what the code reads."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from registry.lineage import batch_facet
from registry.wire.facets import BATCH, SCHEMA_FILES, schema_url

SCHEMAS = Path(batch_facet.__file__).parent / "schemas"


@pytest.mark.parametrize(("facet", "file"), SCHEMA_FILES.items())
def test_a_schema_is_named_by_its_url_and_describes_its_facet(facet: str, file: str) -> None:
    schema = json.loads((SCHEMAS / file).read_text("utf-8"))
    assert schema["$id"] == schema_url(facet)
    assert list(schema["properties"]) == [facet]


def test_no_schema_lies_there_unnamed() -> None:
    assert {path.name for path in SCHEMAS.glob("*.json")} == set(SCHEMA_FILES.values())


def test_the_batch_schema_lists_the_fields_that_are_read() -> None:
    schema = json.loads((SCHEMAS / SCHEMA_FILES[BATCH]).read_text("utf-8"))
    body = schema["$defs"]["BatchOutputDatasetFacet"]["allOf"][1]
    read = {field.encode_name for field in msgspec.structs.fields(batch_facet.BatchFacet)}
    assert set(body["properties"]) == read
    assert body["required"] == ["batch"]
