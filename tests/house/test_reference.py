"""The reference pages name everything there is, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import SQLModel

from registry.catalog import tables, version_tables
from registry.lineage.batch_facet import BATCH, read_batch
from registry.lineage.events import DatasetRef
from registry.lineage.values import Named
from registry.wire.facets import SCHEMA_FILES, schema_url
from tests.house.tree import ROOT, package_modules, read

SCHEMAS = ROOT / "registry/lineage/schemas"


def rows(document: str) -> list[list[str]]:
    """The rows of a document's tables, as cells; a backslash keeps a bar within its cell."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in read(Path(document)).splitlines()
        if line.startswith("| ")
    ]


def named(document: str, pattern: str) -> list[list[str]]:
    """The rows whose first cell is one name in backquotes that matches."""
    found = []
    for cells in rows(document):
        name = re.fullmatch(r"`([^`]+)`", cells[0])
        if name and re.fullmatch(pattern, name[1]):
            found.append([name[1], *cells[1:]])
    return found


def fenced(document: str, language: str) -> list[str]:
    """The blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", read(Path(document)), flags=re.M | re.S)


def test_every_table_is_documented_with_its_kind() -> None:
    documented = {cells[0]: cells[1] for cells in named("docs/architecture.md", r"[a-z_]+")}
    assert set(documented) == set(SQLModel.metadata.tables)
    kinds = {
        "projected": (*tables.PROJECTED, *version_tables.PROJECTED),
        "allotted": (*tables.ALLOTTED, *version_tables.ALLOTTED),
    }
    for kind, models in kinds.items():
        names = {str(model.__tablename__) for model in models}
        assert {name for name, said in documented.items() if said == kind} == names


def test_the_drawing_shows_every_room_that_is_built() -> None:
    (drawing, *_) = re.findall(r"^```\n(.*?)^```", read(Path("docs/architecture.md")), re.M | re.S)
    drawn = {
        room
        for line in drawing.splitlines()
        for room in re.split(r"\s+\|\s+", re.split(r"\s{4,}", line.strip())[0])
    } - {"↓"}
    built = {path.parts[1].removesuffix(".py") for path in package_modules()}
    assert drawn == built - {"__init__", "__main__"}


def test_every_warning_is_documented_and_no_other() -> None:
    said = {"no_schema_url", "no_producer"}  # made of the name of the field that lacks
    for path in package_modules():
        if "lineage" in path.parts:
            said.update(re.findall(r'\bWarn\(\s*"(\w+)"', read(path)))
    section = read(Path("docs/openlineage.md")).split("\n## Warnings\n")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, flags=re.M)) == sorted(said)


@pytest.mark.parametrize("facet", SCHEMA_FILES)
def test_the_example_of_a_facet_follows_its_schema(facet: str) -> None:
    examples = [json.loads(block) for block in fenced("docs/openlineage.md", "json")]
    (example,) = [each[facet] for each in examples if facet in each]
    schema = json.loads((SCHEMAS / SCHEMA_FILES[facet]).read_text("utf-8"))
    (definition,) = schema["$defs"].values()
    properties = definition["allOf"][1]["properties"]
    assert example["_schemaURL"] == schema_url(facet)
    assert set(example) - set(properties) == {"_producer", "_schemaURL"}
    if facet == BATCH:
        assert read_example(example).example_count == 48210


def read_example(facet: dict[str, Any]) -> Any:
    name = Named(b"", "s3://lake", "raw/docs")
    batch = read_batch(DatasetRef(name, "$.outputs[0]", {}, {BATCH: facet}))
    assert batch is not None
    return batch
