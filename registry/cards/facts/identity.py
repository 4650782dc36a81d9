"""What a version is: its name and number, what it is said to hold, and where it lies.

Rules:
1. What a facet says of the dataset is asserted by whoever sent it last.
2. A dataset that was dropped is not available; one of which nothing of that kind was said has no
   recorded availability, and is not taken for available.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlmodel import Session

from registry.cards.facts.making import (
    Row,
    known,
    known_or_not,
    missing,
    not_recorded,
    table,
)
from registry.cards.facts.world import Facets, World
from registry.cards.values import Fact, Grade, State
from registry.catalog.facets import DatasetFacts, dataset_facts, parse_facet
from registry.catalog.lookup import payloads_of
from registry.storage.bulk import TypedColumn, select_by_ids, select_by_rows

_EXTERNAL = """
SELECT x.external_id FROM {ids} AS w JOIN external_version x
ON x.scope_id = w.id AND x.direction = 'output' AND x.dataset_id = :dataset
"""
_FILES = """
SELECT b.region, substr(f.uri, 1, 12), count(*), count(f.sha256), sum(f.rows), count(f.rows)
FROM {rows} AS w JOIN batch b ON b.number = w.number
JOIN batch_file f ON f.dataset_id = b.dataset_id AND f.run_id = b.run_id
  AND f.batch_name = b.name AND f.wins = b.wins
GROUP BY b.region, substr(f.uri, 1, 12)
"""
_NUMBER: tuple[TypedColumn, ...] = (("number", "int"),)
_ASSERTED = Grade.ASSERTED


def identity_facts(session: Session, world: World, facets: Facets) -> Iterator[Fact]:
    """The facts named `identity.…`, and how many batches and files there are."""
    said, target = dataset_facts(payloads_of(facets.own)), world.target
    documented = facets.basis("documentation")
    yield known_or_not("identity.description", said.description or None, _ASSERTED, documented)
    yield known("identity.content_digest", world.content_digest, Grade.MEASURED, world.of_version)
    made = target.completed_at
    yield known("identity.created_at", made, Grade.MEASURED, world.of_version)
    external = select_by_ids(session, _EXTERNAL, [target.scope_id], dataset=target.dataset.id)
    found = str(external[0][0]) if external else None
    yield known_or_not("identity.external_version", found, _ASSERTED, world.of_version)
    yield known("identity.mode", target.mode, _ASSERTED, world.of_version)
    yield _base(world)
    fields: list[Row] = [
        (field.name, field.type, field.description or None) for field in said.fields
    ]
    yield _said("identity.schema", facets, "schema", fields)
    yield _said("identity.owners", facets, "ownership", _owners(facets))
    tags = facets.basis("tags")
    yield known_or_not("identity.tags", said.tags or None, _ASSERTED, tags)
    yield from _storage(session, world)
    yield _availability(said, facets)
    if facets.current is None:
        yield not_recorded("identity.newer_version")
    else:
        yield known("identity.newer_version", facets.current, Grade.MEASURED, world.of_version)


def _base(world: World) -> Fact:
    if world.target.base is not None:
        return known("identity.base_version", world.target.base, Grade.MEASURED, world.of_version)
    note = "It begins a line of versions: it was written upon nothing."
    return missing("identity.base_version", State.NOT_APPLICABLE, note, world.of_version)


def _said(name: str, facets: Facets, facet: str, rows: list[Row]) -> Fact:
    """What a facet lists; a facet that is there and lists nothing was not filled in."""
    on = facets.basis(facet)
    return table(name, rows, _ASSERTED, on) if rows else not_recorded(name, None, on)


def _owners(facets: Facets) -> list[Row]:
    facet = facets.own.get("ownership")
    owners = parse_facet(facet.payload).get("owners") if facet is not None else None
    rows: list[Row] = []
    for each in owners if isinstance(owners, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            kind = each.get("type")
            rows.append((each["name"], kind if isinstance(kind, str) else None))
    return rows


@dataclass(slots=True)
class _Files:
    """Files of one kind of place. `counted`: how many say their rows."""

    files: int = 0
    digests: int = 0
    rows: int = 0
    counted: int = 0


def _storage(session: Session, world: World) -> Iterator[Fact]:
    """Where the files of the batches lie, by the scheme of their addresses and their region."""
    wanted = [(row.number,) for row in world.members]
    places: dict[tuple[str, str | None], _Files] = {}
    for region, beginning, *numbers in select_by_rows(session, _FILES, _NUMBER, wanted):
        place = places.setdefault((_scheme(beginning), region), _Files())
        files, digests, rows, counted = (int(number or 0) for number in numbers)
        place.files += files
        place.digests += digests
        place.rows += rows
        place.counted += counted
    order = sorted(places, key=lambda key: (-places[key].files, key[0], key[1] or ""))
    found: list[Row] = []
    for key in order:
        place = places[key]
        rows_known = place.rows if place.counted == place.files else None
        found.append((*key, place.files, rows_known))
    on = world.of_members
    if found:
        yield table("identity.storage", found, _ASSERTED, on)
    else:
        yield not_recorded("identity.storage", "No file of its batches is recorded.", on)
    files = sum(place.files for place in places.values())
    yield table("quantity.batches", [(len(world.members), files)], Grade.MEASURED, on)
    digests = sum(place.digests for place in places.values())
    yield _controls(world, files, digests)


def _controls(world: World, files: int, digests: int) -> Fact:
    """What protects the data and its record: how much of it each control holds of."""
    steps = [row for row in world.everything if not world.is_entry(row)]
    mapped = sum(
        row.number not in world.steps.unmapped and not world.steps.owed.get(row.number)
        for row in steps
    )
    counted = sum(world.is_measured(row) for row in world.members)
    rows: list[Row] = [
        ("files with a recorded SHA-256", digests, files),
        ("batches that the ledger counted", counted, len(world.members)),
        ("batches made of others with a record of their rows", mapped, len(steps)),
    ]
    return table("audit.controls", rows, Grade.MEASURED, world.of_everything)


def _scheme(beginning: str) -> str:
    """The scheme of an address that begins so; a bare path lies on a disk."""
    scheme, separator, _ = beginning.partition("://")
    return scheme.lower() if separator else "file"


def _availability(said: DatasetFacts, facets: Facets) -> Fact:
    on = facets.basis("lifecycleStateChange")
    if said.lifecycle_state is None:
        return not_recorded("identity.availability")
    if said.is_dropped:
        when = f" since {on.as_of:%Y-%m-%d}" if on.as_of is not None else ""
        return known("identity.availability", f"dropped{when}", _ASSERTED, on)
    last = said.lifecycle_state.lower()
    return known("identity.availability", f"available; last change: {last}", _ASSERTED, on)
