"""Looks into every file of a Lance table for rows that were erased, whatever version names it.

Rules (DESIGN §2, "check by reading what is left"):
1. Files are decoded, never searched as bytes: they are compressed.
2. A data file of the newest version without deleted rows holds what a query of that version finds,
   so only the others are read: those with deleted rows, of older versions, and of no version.
3. An index page holds values and the places of their rows. A value of an erased example is a
   remainder where the row at its place is not there any more: another example may have the same.
   Pages of the newest version are sound where no row was deleted under them.
4. What cannot be told from what is known of the examples is said, never taken for empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lance.file import LanceFileSession

from registry.ledger import upkeep
from registry.ledger.addresses import Addresses
from registry.ledger.lance_table import LanceTable
from registry.ledger.remainders import Remainder

_ROWS_AT_ONCE = 1 << 16
_PLACES_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a table, and what could not be told (rule 4)."""

    remainders: tuple[Remainder, ...]
    untold: tuple[str, ...]


def find_in_table(
    table: LanceTable, place: str, wanted: Addresses, values: dict[str, pa.Array]
) -> Found:
    """Look for rows at `wanted` (sorted), and for `values` by name of the index they would be in.

    Cost: a query, and what is not clean yet is read whole (rules 2 and 3).
    """
    nothing = Found((), ())
    return table.ask(lambda dataset: _find(table, dataset, place, wanted, values), nothing)


def _find(
    table: LanceTable,
    dataset: lance.LanceDataset,
    place: str,
    wanted: Addresses,
    values: dict[str, pa.Array],
) -> Found:
    files = LanceFileSession(table.url, table.storage_options)
    named = _versions_of_files(dataset)
    sound = {
        file.path
        for fragment in dataset.get_fragments()
        if fragment.metadata.deletion_file is None
        for file in fragment.metadata.files
    }
    remainders: list[Remainder] = []
    names = [name for name in files.list() if name.endswith(".lance")]
    for name in sorted(names):
        folder, _, file = name.partition("/")
        if folder == "data" and file not in sound:
            held = _rows_at(files, name, wanted)
            if held:
                version = named.get(file)
                of = "no version" if version is None else f"version {version}"
                remainders.append(Remainder(place, f"{name} of {of}", held))
    visible = _visible(dataset, wanted)
    if visible:
        remainders.append(Remainder(place, f"version {dataset.version}", visible))
    pages = _unsound_pages(dataset, names)
    if not values:
        untold = (f"{place}: {len(pages)} index pages may hold values",) if pages else ()
        return Found(tuple(remainders), untold)
    remainders += _in_pages(files, dataset, place, pages, values)
    return Found(tuple(remainders), ())


def _versions_of_files(dataset: lance.LanceDataset) -> dict[str, int]:
    """The newest version that names each data file."""
    named: dict[str, int] = {}
    for version in sorted(int(each["version"]) for each in dataset.versions()):
        of_version = (
            dataset if version == dataset.version else dataset.checkout_version(version)
        ).get_fragments()
        named |= {file.path: version for each in of_version for file in each.metadata.files}
    return named


def _batches(files: LanceFileSession, name: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    reader = files.open_reader(name, columns=columns)
    yield from reader.read_all(batch_size=_ROWS_AT_ONCE).to_batches()


def _rows_at(files: LanceFileSession, name: str, wanted: Addresses) -> int:
    held = 0
    for batch in _batches(files, name, ["address"]):
        held += int(np.isin(batch.column("address").to_numpy(), wanted).sum())
    return held


def _visible(dataset: lance.LanceDataset, wanted: Addresses) -> int:
    held = 0
    for start in range(0, wanted.size, 10_000):
        some = ",".join(map(str, wanted[start : start + 10_000].tolist()))
        held += int(dataset.count_rows(filter=f"address IN ({some})"))
    return held


def _unsound_pages(
    dataset: lance.LanceDataset, names: Collection[str]
) -> list[tuple[str, str | None]]:
    """The index pages that may hold values of rows that are gone, with the index they are of (None
    for those that the newest version does not name).
    """
    present = {
        each.fragment_id for each in dataset.get_fragments() if each.metadata.deletion_file is None
    }
    of_latest: dict[str, str] = {}
    sound: set[str] = set()
    for index in dataset.describe_indices():
        for segment in index.segments:
            of_latest[segment.uuid] = index.name
            if set(segment.fragment_ids) <= present:
                sound.add(segment.uuid)
    pages = [n for n in names if n.startswith("_indices/") and n.endswith("/page_data.lance")]
    of = {name: name.split("/")[1] for name in sorted(pages)}
    return [(name, of_latest.get(uuid)) for name, uuid in of.items() if uuid not in sound]


def _in_pages(
    files: LanceFileSession,
    dataset: lance.LanceDataset,
    place: str,
    pages: list[tuple[str, str | None]],
    values: dict[str, pa.Array],
) -> Iterator[Remainder]:
    for name, index in pages:
        places: list[int] = []
        for batch in _batches(files, name, ["values", "ids"]):
            held = batch.column("values")
            for asked in (v for n, v in values.items() if index in (None, n)):
                if held.type == asked.type:
                    hits = pc.is_in(held, value_set=asked)
                    places += batch.column("ids").filter(hits).to_pylist()
        gone = len(places) - _living(dataset, places)
        if gone:
            yield Remainder(place, name, gone)


def _living(dataset: lance.LanceDataset, places: list[int]) -> int:
    """How many of these places (fragment, row) have a row in the newest version."""
    living = 0
    for start in range(0, len(places), _PLACES_AT_ONCE):
        some = ",".join(map(str, places[start : start + _PLACES_AT_ONCE]))
        living += dataset.count_rows(filter=f"_rowaddr IN ({some})")
    return living


def leftovers_of(table: LanceTable, place: str) -> tuple[str, ...]:
    """What the table's upkeep has not done yet, in words: reasons why something may remain."""
    residue = upkeep.residue(table)
    told = {
        "fragments with deleted rows": residue.fragments_with_deletions,
        "stale index segments": residue.stale_segments,
        "older versions": residue.older_versions,
        "files of no version": residue.unnamed_files,
    }
    return tuple(f"{place}: {count} {what}" for what, count in told.items() if count)
