"""Erases rows from a file of a Hugging Face data set, and keeps its folder in step.

Rules (`datasets.Dataset.save_to_disk`):
1. A target is one data file that `state.json` names; its rows go as from any Arrow file.
2. Then the folder follows: a list of rows (`indices.arrow`, which older releases wrote) loses those
   that are gone and points past them, counts in `dataset_info.json` are corrected, and `state.json`
   gets another fingerprint, because caches elsewhere are found by it.
3. Results of `map` and the like that the library keeps in the folder (`cache-*.arrow`) are copies
   of the rows, and are removed; the library makes them again.
4. Each step may be done again. A list of rows says in its metadata for which file it was made last,
   so that it is never moved twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from registry.erasure.connectors.arrow_rewrite import open_arrow
from registry.erasure.connectors.columns import read_columns
from registry.erasure.connectors.edge import at_edge
from registry.erasure.connectors.files import FileConnector
from registry.erasure.connectors.forms import Form, Format
from registry.erasure.connectors.places import Place, digest_of, replace_content
from registry.erasure.connectors.positions import lying_in
from registry.erasure.connectors.protocol import (
    Erased,
    Found,
    Ordinals,
    Proof,
    RowNumbers,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.erasure.lifecycle import TaskState

STATE, INFO = "state.json", "dataset_info.json"
_CACHES = ("cache-*.arrow", "cache-*.arrow.lock", "tmp*")
_LISTS = ("_indices_data_files", "_indices_files")
_MARK = b"registry_erased"
_ARROW = Form(Format.ARROW)


class HuggingFaceConnector:
    """Data files of `save_to_disk` at one kind of place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._files = FileConnector(place)

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        """As the protocol has it."""

        def work(told: Watch) -> Found:
            _Folder(self._place, target.uri).require_named(target)
            return self._files.find(target, rows, told)

        return at_edge(target.uri, watch, work, lambda trouble: Found(trouble=trouble))

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        """As the protocol has it (rules 1 to 4)."""

        def work(told: Watch) -> Erased:
            folder = _Folder(self._place, target.uri)
            folder.require_named(target)
            done = self._files.erase(target, rows, told, dry_run=dry_run)
            if done.state is TaskState.ERASED and done.sha256 is not None:
                folder.follow(lying_in(target, rows).numbers, done.sha256)
            return done

        return at_edge(
            target.uri, watch, work, lambda trouble: Erased(trouble=trouble, dry_run=dry_run)
        )

    def check(self, target: Target) -> Trouble | None:
        """As the protocol has it."""
        return self._files.check(target)

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        """As the protocol has it; no copy may lie beside it, and no list lead nowhere."""

        def work(told: Watch) -> Proof:
            proof = self._files.prove(target, rows, told)
            trouble = proof.trouble or _Folder(self._place, target.uri).trouble()
            return replace(proof, trouble=trouble)

        return at_edge(target.uri, watch, work, lambda trouble: Proof(trouble=trouble))


class _Folder:
    """The folder of a data file."""

    def __init__(self, place: Place, uri: str) -> None:
        self._place = place
        self._uri, _, self._name = uri.rpartition("/")

    def require_named(self, target: Target) -> None:
        """Raise StoppedError where `state.json` does not name the file (rule 1), or where a list of
        rows cannot follow, as the places of rows are found by key and later gone.
        """
        if target.by_key and self._named(_LISTS):
            raise StoppedError(
                Reason.NOT_KEPT_AS_IT_IS,
                f"{self._uri} has a list of rows, led by position.",
            )
        if self._name not in self._named(("_data_files",)):
            raise StoppedError(
                Reason.SCHEMA_CHANGED, f"{self._uri}/{STATE} does not name {self._name}."
            )

    def follow(self, numbers: RowNumbers, digest: bytes) -> None:
        """Bring the folder in step with the data file (rules 2 and 3)."""
        for name in self._named(_LISTS):
            if numbers.size:
                self._move_list(name, numbers, digest)
        for name in self._place.names(self._uri):
            if any(fnmatchcase(name, pattern) for pattern in _CACHES):
                self._place.remove(f"{self._uri}/{name}")
        self._correct_info()
        state = self._read(STATE)
        made = hashlib.sha256(self._name.encode() + digest).hexdigest()[:16]
        self._write(STATE, {**state, "_fingerprint": made})

    def trouble(self) -> Trouble | None:
        """What is not in step."""
        for name in self._place.names(self._uri):
            if any(fnmatchcase(name, pattern) for pattern in _CACHES):
                return Trouble(Reason.LEFTOVER, f"{self._uri}/{name} may hold rows.")
        total = sum(self._rows(name) for name in self._named(("_data_files",)))
        for name in self._named(_LISTS):
            with self._place.hold(f"{self._uri}/{name}") as held:
                for batch, _ in open_arrow(held.source).batches:
                    if len(batch) and int(np.asarray(batch.column(0)).max()) >= total:
                        return Trouble(Reason.LEFTOVER, f"{self._uri}/{name} leads nowhere.")
        return None

    def _move_list(self, name: str, numbers: RowNumbers, digest: bytes) -> None:
        gone = numbers + self._rows_before()
        with self._place.hold(f"{self._uri}/{name}") as held:
            opened = open_arrow(held.source)
            metadata: Mapping[bytes, bytes] = opened.schema.metadata or {}
            if metadata.get(_MARK) == digest:
                return
            held.remember(digest_of(held.source, lambda _: None))
            opened = open_arrow(held.source)
            schema = opened.schema.with_metadata({**metadata, _MARK: digest})
            held.clear_leftovers()
            with held.writing() as sink:
                make = pa.ipc.new_file if opened.is_file else pa.ipc.new_stream
                with make(sink, schema) as writer:
                    for batch, _ in opened.batches:
                        writer.write_batch(_moved(batch, gone, schema))
                held.seal()
                held.swap()
            held.settle()

    def _rows_before(self) -> int:
        named = self._named(("_data_files",))
        return sum(self._rows(name) for name in named[: named.index(self._name)])

    def _rows(self, name: str) -> int:
        with self._place.hold(f"{self._uri}/{name}") as held:
            tables = read_columns(held.source, _ARROW, (), lambda _: None)
            return sum(table.num_rows for table in tables)

    def _correct_info(self) -> None:
        if INFO not in self._place.names(self._uri):
            return
        info = self._read(INFO)
        splits = info.get("splits")
        if not isinstance(splits, dict) or not splits:
            return
        split = self._read(STATE).get("_split")
        mine = splits.get(split) if split else None
        if mine is None and len(splits) == 1:
            (mine,) = splits.values()
        if not isinstance(mine, dict):
            return
        counts = [self._rows(name) for name in self._named(("_data_files",))]
        mine["num_examples"] = sum(counts)
        if mine.get("shard_lengths") is not None:
            mine["shard_lengths"] = counts
        self._write(INFO, info)

    def _named(self, keys: tuple[str, ...]) -> list[str]:
        state = self._read(STATE)
        entries = [entry for key in keys for entry in state.get(key) or ()]
        return [str(entry.get("filename")) for entry in entries if isinstance(entry, dict)]

    def _read(self, name: str) -> dict[str, Any]:
        with self._place.hold(f"{self._uri}/{name}") as held:
            held.source.seek(0)
            content = msgspec.json.decode(held.source.read())
        if not isinstance(content, dict):
            raise ValueError(f"{name} is no JSON object")
        return content

    def _write(self, name: str, content: dict[str, Any]) -> None:
        said = msgspec.json.format(msgspec.json.encode(content), indent=2)
        replace_content(self._place, f"{self._uri}/{name}", said)


def _moved(batch: pa.RecordBatch, gone: RowNumbers, schema: pa.Schema) -> pa.RecordBatch:
    """A part of a list of rows without those that are gone, the others where they lie now."""
    rows = np.asarray(batch.column(0)).astype(np.int64)
    places = np.searchsorted(gone, rows)
    is_gone = np.zeros(rows.size, np.bool)
    inside = places < gone.size
    is_gone[inside] = gone[places[inside]] == rows[inside]
    left = (rows - places)[~is_gone]
    return pa.record_batch([pa.array(left).cast(schema.field(0).type)], schema=schema)
