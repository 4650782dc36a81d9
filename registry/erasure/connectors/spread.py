"""Erases from a copy whose rows may be spread over the files of a folder.

Rules (issue "Erasure, the hands"):
1. Which files hold the copy is asked when the work begins: of a Hugging Face data set those that
   `state.json` names; of any other folder all in it and in its folders, but for names that begin
   with `.` or `_`, by which Spark and others mark what holds no rows. One that nothing here reads
   is named, and nothing is erased, because it may hold rows.
2. By key a row may lie in any of them. All are looked into before one is changed: a row that lies
   in two of them, or none in any of them, is the same as in one file.
3. By position nobody recorded how many rows lie in each, so there must be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from registry.erasure.connectors.edge import at_edge
from registry.erasure.connectors.forms import form_of
from registry.erasure.connectors.huggingface import STATE
from registry.erasure.connectors.places import Place
from registry.erasure.connectors.protocol import (
    Connector,
    Erased,
    Executor,
    Found,
    Ordinals,
    Proof,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble


class SpreadConnector:
    """Copies that are a file, or the files of a folder; `connector` erases in one of them."""

    def __init__(self, place: Place, connector: Connector) -> None:
        self._place = place
        self._connector = connector

    def find(self, target: Target, rows: Ordinals, watch: Watch) -> Found:
        """As the protocol has it. Cost: reads the key column of every file."""
        return at_edge(
            target.uri,
            watch,
            lambda told: self._find(self._files(target), rows, told),
            lambda trouble: Found(trouble=trouble),
        )

    def erase(
        self, target: Target, rows: Ordinals, watch: Watch, *, dry_run: bool = False
    ) -> Erased:
        """As the protocol has it. Of several files the digests are nobody's to keep."""

        def work(told: Watch) -> Erased:
            files = self._files(target)
            if len(files) == 1:
                return self._connector.erase(files[0], rows, told, dry_run=dry_run)
            found = self._find(files, rows, told)
            if found.trouble is not None:
                return Erased(trouble=found.trouble, dry_run=dry_run)
            return self._erase(files, rows, told, dry_run=dry_run)

        return at_edge(
            target.uri, watch, work, lambda trouble: Erased(trouble=trouble, dry_run=dry_run)
        )

    def check(self, target: Target) -> Trouble | None:
        """As the protocol has it, of every file; by position a folder stands for any file in it."""
        if not target.is_keyed:
            return self._connector.check(target)

        def work(_watch: Watch) -> Trouble | None:
            troubles = (self._connector.check(each) for each in self._files(target))
            return next((each for each in troubles if each is not None), None)

        return at_edge(target.uri, Watch(), work, lambda trouble: trouble)

    def prove(self, target: Target, rows: Ordinals, watch: Watch) -> Proof:
        """As the protocol has it, of every file."""

        def work(told: Watch) -> Proof:
            files = self._files(target)
            proofs = [self._connector.prove(each, rows, told) for each in files]
            counts = [each.rows for each in proofs if each.rows is not None]
            return Proof(
                remains=sum(each.remains for each in proofs),
                rows=sum(counts) if len(counts) == len(proofs) else None,
                looked_into=tuple(name for each in proofs for name in each.looked_into),
                bytes_read=sum(each.bytes_read for each in proofs),
                sha256=proofs[0].sha256 if len(proofs) == 1 else None,
                trouble=next((each.trouble for each in proofs if each.trouble is not None), None),
            )

        return at_edge(target.uri, watch, work, lambda trouble: Proof(trouble=trouble))

    def _find(self, files: list[Target], rows: Ordinals, watch: Watch) -> Found:
        if len(files) == 1:
            return self._connector.find(files[0], rows, watch)
        present = bytes_read = 0
        for each in files:
            # That none of them is in this one file says nothing.
            found = self._connector.find(replace(each, begun=True), rows, watch)
            if found.trouble is not None:
                return found
            present, bytes_read = present + found.present, bytes_read + found.bytes_read
        folder = files[0].uri.rpartition("/")[0]
        if present > rows.size:
            said = f"{present} rows in the files beside {folder} have the {rows.size} keys."
            return Found(trouble=Trouble(Reason.DUPLICATE_KEYS, said))
        if rows.size and not present and not files[0].may_lack:
            said = f"None of the {rows.size} rows is in the {len(files)} files of {folder}."
            return Found(trouble=Trouble(Reason.NOTHING_FOUND, said))
        return Found(present=present, already=int(rows.size) - present, bytes_read=bytes_read)

    def _erase(self, files: list[Target], rows: Ordinals, watch: Watch, *, dry_run: bool) -> Erased:
        """Erase in each; also where none is now, because an erasure may have broken off there."""
        erased = bytes_read = bytes_written = old = 0
        locked: Trouble | None = None
        trouble: Trouble | None = None
        for each in files:
            done = self._connector.erase(replace(each, begun=True), rows, watch, dry_run=dry_run)
            erased, old = erased + done.erased, old + done.old_versions
            bytes_read += done.bytes_read
            bytes_written += done.bytes_written
            if done.trouble is None:
                continue
            if done.trouble.reason is not Reason.OBJECT_LOCK:
                trouble = done.trouble
                break
            locked = _later(locked, done.trouble)
        return Erased(
            erased=erased,
            already=int(rows.size) - erased,
            bytes_read=bytes_read,
            bytes_written=bytes_written,
            old_versions=old,
            dry_run=dry_run,
            trouble=trouble or locked,
        )

    def _files(self, target: Target) -> list[Target]:
        """The target as the files that it is (rules 1 and 3). Raises StoppedError."""
        folder = target.uri.rstrip("/")
        names = self._names(folder)
        if target.executor is Executor.HUGGINGFACE and STATE in names:
            found = list(self._named(folder))
        else:
            found = sorted(self._under(folder, names))
        if not found:
            with self._place.hold(target.uri):
                return [target]
        if target.form is None:
            for uri in found:
                form_of(uri)
        if len(found) > 1 and not target.is_keyed:
            raise StoppedError(
                Reason.NOT_RECORDED,
                f"{target.uri} has {len(found)} files, and nobody recorded which rows lie in each; "
                "bind it by key (--by-key).",
            )
        return [replace(target, uri=uri) for uri in found]

    def _names(self, folder: str) -> list[str]:
        try:
            return self._place.names(folder)
        except StoppedError as error:
            if error.trouble.reason is Reason.GONE:
                return []  # A file, or nothing: holding it says which.
            raise

    def _under(self, folder: str, names: list[str]) -> Iterator[str]:
        yield from (f"{folder}/{name}" for name in names if not name.startswith((".", "_")))
        try:
            inner = self._place.folders(folder)
        except StoppedError as error:
            if error.trouble.reason is Reason.GONE:
                return
            raise
        for name in inner:
            if not name.startswith((".", "_")):
                yield from self._under(f"{folder}/{name}", self._names(f"{folder}/{name}"))

    def _named(self, folder: str) -> Iterator[str]:
        with self._place.hold(f"{folder}/{STATE}") as held:
            held.source.seek(0)
            state = msgspec.json.decode(held.source.read())
        named = state.get("_data_files") if isinstance(state, dict) else None
        for entry in named or ():
            name = entry.get("filename") if isinstance(entry, dict) else None
            if not isinstance(name, str) or "/" in name:
                raise StoppedError(
                    Reason.SCHEMA_CHANGED, f"{folder}/{STATE} names no data files as it should."
                )
            yield f"{folder}/{name}"


def _later(one: Trouble | None, other: Trouble) -> Trouble:
    """Of two locks the one that ends last; one without an end never does."""
    if one is None or other.until is None:
        return other
    return one if one.until is None or one.until >= other.until else other
