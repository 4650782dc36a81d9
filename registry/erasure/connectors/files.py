"""Erases rows from files of tables and texts, in folders and buckets.

Rules (issue "Erasure, the hands"):
1. A file whose SHA-256 is not the recorded one is not touched, unless it is what an erasure that
   broke off meant to leave. A file recorded without one is touched only where the key of every row
   is known.
2. Keys and digests of the rows are checked before a byte is written (`cross_check`); the number of
   rows must be the recorded one.
3. Written beside, made durable, told (`Watch.intend`), swapped: at each moment the file is as it
   was or wholly new. Older versions that the store keeps go after the swap.
4. The proof opens the file anew: its digest, its rows counted, no row with an erased key; no
   leftover, and no older version that could still show a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import MAXYEAR, datetime
from typing import BinaryIO, cast

from registry.erasure.connectors.arrow_rewrite import rewrite_arrow
from registry.erasure.connectors.columns import read_columns
from registry.erasure.connectors.cross_check import (
    check_rows,
    count_keys,
    locate_by_key,
    wanted_columns,
)
from registry.erasure.connectors.edge import at_edge
from registry.erasure.connectors.forms import Form, Format, form_of
from registry.erasure.connectors.lines import rewrite_lines
from registry.erasure.connectors.packing import packing_into, unpacking
from registry.erasure.connectors.parquet_rewrite import rewrite_parquet
from registry.erasure.connectors.places import DigestedSink, HeldFile, Place, digest_of
from registry.erasure.connectors.positions import Lying, lying_in
from registry.erasure.connectors.protocol import (
    Erased,
    Found,
    Intent,
    Ordinals,
    Proof,
    RowNumbers,
    Step,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble


class FileConnector:
    """Parquet, Arrow IPC, JSON Lines, CSV and text at one kind of place. Thread-safe if that is."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        """As the protocol has it. Cost: one reading of the file for its digest, and of the key."""
        return at_edge(target.uri, watch, lambda told: self._find(target, rows, told), _not_found)

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        """As the protocol has it. A dry run writes the new file too, and drops it."""
        return at_edge(
            target.uri,
            watch,
            lambda told: self._erase(target, rows, told, dry_run=dry_run),
            lambda trouble: Erased(trouble=trouble, dry_run=dry_run),
        )

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        """As the protocol has it; `target` as it is recorded after the erasure (rule 4)."""
        return at_edge(target.uri, watch, lambda told: self._prove(target, rows, told), _not_proven)

    def check(self, target: Target) -> Trouble | None:
        """As the protocol has it: a file, or a folder that has one."""

        def work(_watch: Watch) -> Trouble | None:
            try:
                with self._place.hold(target.uri) as held:
                    held.require_writable()
            except StoppedError as error:
                gone = error.trouble.reason is Reason.GONE
                if not gone or not self._place.names(target.uri):
                    raise
            return None

        return at_edge(target.uri, Watch(), work, lambda trouble: trouble)

    def _find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        form, lying = form_of(target.uri, target.form), lying_in(target, rows)
        with self._place.hold(target.uri) as held:
            watch.at(Step.OPENED, 0, held.size)
            digest = _digest(held, watch)
            if _is_ours(target, digest):
                return Found(already=rows.size, bytes_read=held.size)
            _require_recorded(target, lying, held, digest)
            lying, count = _checked(held.source, form, target, lying, watch)
        return Found(
            present=lying.numbers.size, already=lying.already, rows=count, bytes_read=held.size
        )

    def _erase(self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool) -> Erased:
        form, lying = form_of(target.uri, target.form), lying_in(target, rows)
        with self._place.hold(target.uri) as held:
            watch.at(Step.OPENED, 0, held.size)
            digest = _digest(held, watch)
            ours = _is_ours(target, digest)
            if not ours:
                _require_recorded(target, lying, held, digest)
            if not dry_run:
                held.clear_leftovers()
            if ours or not lying.numbers.size:
                return _already(held, rows, digest, watch, dry_run=dry_run)
            lying, _ = _checked(held.source, form, target, lying, watch)
            if not lying.numbers.size:
                return _already(held, rows, digest, watch, dry_run=dry_run)
            held.remember(digest)
            return _rewritten(held, form, target, lying, watch, dry_run=dry_run)

    def _prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        form = form_of(target.uri, target.form)
        lying = lying_in(target, rows)
        if lying.numbers.size:
            raise StoppedError(
                Reason.REMAINS, f"{lying.numbers.size} rows of {target.uri} were never erased."
            )
        keys = [target.keys[o] for o in rows.tolist() if o in target.keys]
        if target.by_key and len(keys) < rows.size:
            raise StoppedError(
                Reason.NOT_RECORDED, f"Nobody recorded a key for each row in {target.uri}."
            )
        with self._place.hold(target.uri) as held:
            watch.at(Step.OPENED, 0, held.size)
            digest = _digest(held, watch)
            looked = [target.uri]
            left = held.leftovers()
            if left:
                raise StoppedError(
                    Reason.LEFTOVER, f"Beside {target.uri} lies {left[0]}, which may hold rows."
                )
            remains, count = _looked_into(held.source, form, target, keys, watch)
            trouble = _still_there(target, lying, digest, remains, count)
            for name, source in held.older():
                looked.append(name)
                remains += _looked_into(source, form, target, keys, watch)[0]
            older = len(looked) - 1
            if trouble is None and older:
                trouble = _kept(target, older, held.kept_until())
        return Proof(
            remains=remains,
            rows=count,
            looked_into=tuple(looked),
            bytes_read=held.size,
            sha256=digest,
            trouble=trouble,
        )


def _not_found(trouble: Trouble) -> Found:
    return Found(trouble=trouble)


def _not_proven(trouble: Trouble) -> Proof:
    return Proof(trouble=trouble)


def _digest(held: HeldFile, watch: Watch) -> bytes:
    return digest_of(held.source, lambda done: watch.at(Step.READING, done, held.size))


def _is_ours(target: Target, digest: bytes) -> bool:
    """Whether the file is what an erasure that broke off meant to leave (rule 1)."""
    return target.intended is not None and digest == target.intended != target.sha256


def _require_recorded(target: Target, lying: Lying, held: HeldFile, digest: bytes) -> None:
    if target.sha256 is None and target.by_key:
        return
    if target.sha256 is None:
        known = target.key_column is not None and all(
            ordinal in target.keys for ordinal in lying.ordinals.tolist()
        )
        if not known or lying.expected is None:
            raise StoppedError(
                Reason.NOT_RECORDED,
                f"Nobody recorded the digest of {target.uri}, nor a key for each row.",
            )
        return
    if digest == target.sha256:
        return
    if not held.size:
        raise StoppedError(Reason.ZERO_BYTES, f"{target.uri} has zero bytes.")
    raise StoppedError(
        Reason.CHANGED_OUTSIDE,
        f"{target.uri} has the digest sha256:{digest.hex()}, and sha256:{target.sha256.hex()} is "
        "recorded.",
    )


def _checked(
    source: BinaryIO, form: Form, target: Target, lying: Lying, watch: Watch
) -> tuple[Lying, int | None]:
    """Check the rows that are meant, or find them (rule 2); how many rows the file has."""
    if target.by_key:
        columns = [] if target.key_column is None else [target.key_column]
        tables = read_columns(source, form, columns, lambda done: watch.at(Step.READING, done))
        found = locate_by_key(tables, target, lying.ordinals)
        watch.at(Step.CHECKED)
        return replace(found, already=found.already + lying.already), None
    columns = wanted_columns(target, lying)
    tables = read_columns(source, form, columns, lambda done: watch.at(Step.READING, done))
    count = check_rows(tables, target, lying)
    _require_count(target, lying, count)
    watch.at(Step.CHECKED)
    return lying, count


def _require_count(target: Target, lying: Lying, count: int) -> None:
    expected = lying.expected
    last = int(lying.numbers[-1]) if lying.numbers.size else -1
    if (expected is not None and count != expected) or last >= count:
        wanted = f"{expected} are" if expected is not None else f"row {last} is"
        raise StoppedError(
            Reason.ROWS_DIFFER, f"{target.uri} has {count} rows, and {wanted} recorded."
        )


def _rewritten(
    held: HeldFile, form: Form, target: Target, lying: Lying, watch: Watch, *, dry_run: bool
) -> Erased:
    with held.writing() as file:
        watch.at(Step.WRITING, 0, held.size)
        sink = DigestedSink(file)
        before, after = _rewrite(
            held.source,
            cast("BinaryIO", sink),
            form,
            lying.numbers,
            lambda done: watch.at(Step.WRITING, done, held.size),
        )
        _require_count(target, lying, before)
        if before - after != lying.numbers.size:
            raise StoppedError(Reason.ROWS_DIFFER, f"{target.uri} was not written whole.")
        done = Erased(
            erased=lying.numbers.size,
            already=lying.already,
            sha256=sink.digest(),
            rows=after,
            bytes_read=held.size,
            bytes_written=sink.size,
            dry_run=dry_run,
        )
        if dry_run:
            return done
        held.seal()
        watch.at(Step.WRITTEN, sink.size, sink.size)
        watch.intend(Intent(sink.digest(), after))
        watch.at(Step.INTENDED)
        watch.at(Step.SWAPPING)
        held.swap()
    watch.at(Step.SWAPPED)
    return _settled(held, done, watch)


def _already(
    held: HeldFile, rows: Ordinals, digest: bytes, watch: Watch, *, dry_run: bool
) -> Erased:
    done = Erased(already=int(rows.size), sha256=digest, bytes_read=held.size, dry_run=dry_run)
    return done if dry_run else _settled(held, done, watch)


def _settled(held: HeldFile, done: Erased, watch: Watch) -> Erased:
    """Remove older versions. What a store keeps is trouble, and what was erased is erased."""
    watch.at(Step.CLEANING)
    try:
        old = held.settle()
    except StoppedError as error:
        if error.trouble.reason is not Reason.OBJECT_LOCK:
            raise
        return replace(done, trouble=error.trouble)
    watch.at(Step.SETTLED)
    return replace(done, old_versions=old)


def _kept(target: Target, older: int, until: datetime | None) -> Trouble:
    said = f"The store still shows {older} older versions of {target.uri}."
    if until is None:
        return Trouble(Reason.REMAINS, said)
    return Trouble(Reason.OBJECT_LOCK, said, None if until.year == MAXYEAR else until)


def _rewrite(
    source: BinaryIO, sink: BinaryIO, form: Form, drop: RowNumbers, tell: Callable[[int], None]
) -> tuple[int, int]:
    match form.format:
        case Format.PARQUET:
            return rewrite_parquet(source, sink, drop, tell)
        case Format.ARROW:
            return rewrite_arrow(source, sink, drop, tell)
        case Format.JSONL | Format.CSV | Format.TSV | Format.TEXT:
            with unpacking(source, form.packing) as read, packing_into(sink, form.packing) as into:
                return rewrite_lines(read, into, form.format, drop, tell)


def _looked_into(
    source: BinaryIO, form: Form, target: Target, keys: list[str], watch: Watch
) -> tuple[int, int]:
    """How many rows have one of the keys, and how many rows there are."""
    columns = [target.key_column] if target.key_column is not None and keys else []
    tables = read_columns(source, form, columns, lambda done: watch.at(Step.READING, done))
    if not columns:
        return 0, sum(table.num_rows for table in tables)
    return count_keys(tables, columns[0], keys)


def _still_there(
    target: Target, lying: Lying, digest: bytes, remains: int, count: int
) -> Trouble | None:
    if remains:
        return Trouble(Reason.REMAINS, f"{remains} rows of {target.uri} still have an erased key.")
    if lying.expected is not None and count != lying.expected:
        return Trouble(
            Reason.REMAINS,
            f"{target.uri} has {count} rows, and must have {lying.expected} after the erasure.",
        )
    if target.sha256 is not None and digest != target.sha256:
        return Trouble(
            Reason.CHANGED_OUTSIDE,
            f"{target.uri} has the digest sha256:{digest.hex()}, and the erasure left "
            f"sha256:{target.sha256.hex()}.",
        )
    return None
