"""Erases rows from Lance tables, from all of their versions and indices.

Rules (DESIGN §2, "Two facts found by trying"):
1. Rows are found by their keys and deleted by their address: a predicate stays in the table's log,
   so it never holds an identifier. Positions find nothing here, because every compaction of a table
   moves its rows; a row without a recorded key is not touched.
2. A delete only marks. Fragments with marks are written anew, indices built anew, older versions
   removed. An index that cannot be built anew from its name and kind is refused beforehand, for it
   would keep the values; so is a table whose tags or branches keep older versions.
3. What somebody else commits meanwhile is never overwritten: then it is tried again.
4. The proof reads every version that is left, and looks for files that none of them names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from registry.erasure.connectors.cross_check import texts_of
from registry.erasure.connectors.edge import at_edge, first_line
from registry.erasure.connectors.positions import lying_in
from registry.erasure.connectors.protocol import (
    Erased,
    Found,
    Intent,
    Ordinals,
    Proof,
    Step,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.ledger import segments
from registry.ledger.fetch import is_under
from registry.ledger.lance_table import FAILURES, is_passing
from registry.ledger.source_files import readable_path

OptionsOf = Callable[[str | None], Mapping[str, str]]
_ADDRESS = "_rowaddr"
# By the last word of their type: what an index is made of again.
_KINDS = {
    "BTreeIndexDetails": "BTREE",
    "BitmapIndexDetails": "BITMAP",
    "LabelListIndexDetails": "LABEL_LIST",
    "ZoneMapIndexDetails": "ZONEMAP",
    "NGramIndexDetails": "NGRAM",
    "BloomFilterIndexDetails": "BLOOMFILTER",
}
_MOST_FILES = 10_000


def _no_options(_credential: str | None) -> Mapping[str, str]:
    return {}


class LanceConnector:
    """Lance tables in allowed folders and buckets."""

    def __init__(self, roots: Sequence[str], options_of: OptionsOf = _no_options) -> None:
        """`options_of(credential)`: how a bucket is opened under a named credential."""
        self._roots = tuple(roots)
        self._options_of = options_of

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        """As the protocol has it. Cost: reads the key column."""

        def work(told: Watch) -> Found:
            with _speaking(target.uri):
                table = self._open(target)
                hits = _hits(table, target, rows, told)
            return Found(present=hits.addresses.size, already=hits.already, rows=hits.count)

        return at_edge(target.uri, watch, work, lambda trouble: Found(trouble=trouble))

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        """As the protocol has it. Cost: writes every fragment that loses a row, and the indices."""

        def work(told: Watch) -> Erased:
            with _speaking(target.uri):
                table = self._open(target)
                told.at(Step.OPENED)
                _require_erasable(table, target.uri)
                hits = _hits(table, target, rows, told)
                told.at(Step.CHECKED)
                done = Erased(
                    erased=hits.addresses.size,
                    already=hits.already,
                    rows=hits.count - hits.addresses.size,
                    dry_run=dry_run,
                )
                if dry_run:
                    return done
                _delete(table, hits, told)
                old = _clean(table, told)
            return Erased(
                erased=done.erased, already=done.already, rows=done.rows, old_versions=old
            )

        return at_edge(
            target.uri, watch, work, lambda trouble: Erased(trouble=trouble, dry_run=dry_run)
        )

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        """As the protocol has it (rule 4). Cost: reads the key column of every version."""

        def work(told: Watch) -> Proof:
            with _speaking(target.uri):
                return _proof(self._open(target), target, rows, told)

        return at_edge(target.uri, watch, work, lambda trouble: Proof(trouble=trouble))

    def check(self, target: Target) -> Trouble | None:
        """As the protocol has it."""

        def work(_watch: Watch) -> Trouble | None:
            with _speaking(target.uri):
                table = self._open(target)
                _require_erasable(table, target.uri)
                if target.key_column is not None:
                    _require_column(table, target.key_column)
            return None

        return at_edge(target.uri, Watch(), work, lambda trouble: trouble)

    def _open(self, target: Target) -> lance.LanceDataset:
        if urlsplit(target.uri).scheme in ("", "file"):
            path = readable_path(target.uri.rstrip("/"), self._roots)
            if path is None:
                raise _not_allowed(target.uri)
            if not path.is_dir():
                raise StoppedError(Reason.GONE, f"There is no table {target.uri}.")
            return lance.dataset(str(path))
        if not is_under(target.uri, self._roots):
            raise _not_allowed(target.uri)
        options = dict(self._options_of(target.credential))
        return lance.dataset(target.uri, storage_options=options or None)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Addresses of the rows that are there; how many are not, and how many rows there are."""

    addresses: np.ndarray[tuple[int], np.dtype[np.uint64]]
    already: int
    count: int


def _hits(table: lance.LanceDataset, target: Target, rows: Ordinals, watch: Watch) -> _Hits:
    asked = lying_in(target, rows).ordinals.tolist()
    column = target.key_column
    if column is None or not all(ordinal in target.keys for ordinal in asked):
        raise StoppedError(
            Reason.NOT_RECORDED, f"Nobody recorded the key of each row in {target.uri}."
        )
    _require_column(table, column)
    wanted = {target.keys[ordinal] for ordinal in asked}
    found = _by_keys(table, column, wanted, watch)
    if found.size > len(wanted):
        raise StoppedError(Reason.DUPLICATE_KEYS, f"{found.size} rows have the {len(wanted)} keys.")
    if not found.size and asked and not target.may_lack:
        raise StoppedError(
            Reason.NOTHING_FOUND, f"None of the {len(asked)} rows is in {target.uri}."
        )
    return _Hits(found, int(rows.size - found.size), int(table.count_rows()))


def _by_keys(
    table: lance.LanceDataset, column: str, keys: set[str], watch: Watch
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    wanted = pa.array(sorted(keys), pa.string())
    found = [np.empty(0, np.uint64)]
    for part in _scan(table, [column]):
        watch.at(Step.READING)
        mask = pc.is_in(texts_of(part.column(column)), value_set=wanted)
        found.append(part.column(_ADDRESS).filter(mask).to_numpy())
    return np.sort(np.concatenate(found))


def _scan(table: lance.LanceDataset, columns: list[str]) -> Iterator[pa.Table]:
    """Columns and the address of every row."""
    scanner = table.scanner(columns=columns, with_row_address=True)
    for batch in scanner.to_batches():
        yield pa.Table.from_batches([batch])


def _delete(table: lance.LanceDataset, hits: _Hits, watch: Watch) -> None:
    """One commit (rules 1 and 3)."""
    if not hits.addresses.size:
        return
    predicate = f"{_ADDRESS} IN ({', '.join(map(str, hits.addresses.tolist()))})"
    digest = hashlib.sha256(f"{table.version}:{predicate}".encode()).digest()
    watch.intend(Intent(digest, hits.count - hits.addresses.size))
    watch.at(Step.INTENDED)
    watch.at(Step.SWAPPING)
    # Tried again on another version, the addresses could be those of other rows.
    gone = int(table.delete(predicate, conflict_retries=0)["num_deleted_rows"])
    watch.at(Step.SWAPPED)
    if gone != hits.addresses.size:
        raise StoppedError(
            Reason.REMAINS, f"{gone} rows were deleted, and {hits.addresses.size} were found."
        )


def _clean(table: lance.LanceDataset, watch: Watch) -> int:
    """Make deleted rows gone (rule 2); how many older versions went."""
    watch.at(Step.CLEANING)
    before = len(table.versions())
    if any(each.metadata.deletion_file is not None for each in table.get_fragments()):
        table.optimize.compact_files(
            materialize_deletions=True, materialize_deletions_threshold=0.0
        )
    for name, (column, kind) in _indices(table).items():
        table.create_scalar_index(column, kind, name=name, replace=True)
    table.cleanup_old_versions(retain_versions=1)
    watch.at(Step.SETTLED)
    return before - 1


def _indices(table: lance.LanceDataset) -> dict[str, tuple[str, str]]:
    """For each index its column and kind; the kind is "" where it cannot be built anew."""
    return {
        index.name: (
            index.field_names[0],
            _KINDS.get(index.type_url.rpartition(".")[2], "")
            if len(index.field_names) == 1
            else "",
        )
        for index in table.describe_indices()
    }


def _require_erasable(table: lance.LanceDataset, uri: str) -> None:
    for name, (_, kind) in _indices(table).items():
        if not kind:
            raise StoppedError(
                Reason.NOT_KEPT_AS_IT_IS,
                f"The index {name} of {uri} would keep values; drop it, and build it again after.",
            )
    kept = [*table.tags.list(), *table.branches.list()]
    if kept:
        raise StoppedError(
            Reason.KEPT_VERSION, f"{len(kept)} tags or branches of {uri} keep older versions."
        )


def _proof(table: lance.LanceDataset, target: Target, rows: Ordinals, watch: Watch) -> Proof:
    keys = {target.keys[o] for o in rows.tolist() if o in target.keys}
    looked, remains = [], 0
    for version in table.versions():
        number = int(version["version"])
        looked.append(f"version {number}")
        if keys and target.key_column is not None:
            shown = table.checkout_version(number)
            _require_column(shown, target.key_column)
            remains += _by_keys(shown, target.key_column, keys, watch).size
    count = int(table.count_rows())
    return Proof(
        remains=remains,
        rows=count,
        looked_into=tuple(looked),
        trouble=_still_there(table, target, rows, remains),
    )


def _still_there(
    table: lance.LanceDataset, target: Target, rows: Ordinals, remains: int
) -> Trouble | None:
    lying = lying_in(target, rows)
    if remains or lying.numbers.size:
        left = remains or lying.numbers.size
        return Trouble(Reason.REMAINS, f"{left} rows of {target.uri} are still there.")
    unknown = rows.size - len({o for o in rows.tolist() if o in target.keys})
    if unknown:
        return Trouble(Reason.NOT_RECORDED, f"{unknown} rows of {target.uri} have no known key.")
    older = len(table.versions()) - 1
    if older:
        return Trouble(Reason.LEFTOVER, f"{older} older versions of {target.uri} are kept.")
    if any(each.metadata.deletion_file is not None for each in table.get_fragments()):
        return Trouble(Reason.LEFTOVER, f"Rows of {target.uri} are marked and not gone.")
    if segments.stale(table):
        return Trouble(Reason.LEFTOVER, f"An index of {target.uri} still has keys of erased rows.")
    seen = table.explain_cleanup_old_versions(
        retain_versions=1, delete_unverified=True, include_files=True, max_files=_MOST_FILES
    )
    unnamed = [file for file in seen.candidate_files if file.unverified]
    if unnamed:
        return Trouble(
            Reason.LEFTOVER, f"{len(unnamed)} files of {target.uri} belong to no version."
        )
    return None


def _require_column(table: lance.LanceDataset, column: str) -> None:
    if column not in table.schema.names:
        raise StoppedError(Reason.KEY_COLUMN_MISSING, f"The table has no column {column!r}.")


def _not_allowed(uri: str) -> StoppedError:
    return StoppedError(
        Reason.OUTSIDE_ROOTS, f"{uri} does not lie in an allowed folder or bucket, or leads away."
    )


@contextmanager
def _speaking(uri: str) -> Iterator[None]:
    """Turn what Lance says into StoppedError; its messages may quote values, so little is kept."""
    try:
        yield
    except StoppedError:
        raise
    except FAILURES as error:
        said = first_line(error)
        if is_passing(error):
            raise StoppedError(Reason.BUSY, f"Somebody else writes to {uri}.") from error
        if "not found" in said.lower():
            raise StoppedError(Reason.GONE, f"There is no table {uri}.") from error
        raise StoppedError(Reason.OUT_OF_REACH, f"{uri}: {said}.") from error
