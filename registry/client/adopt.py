"""Adopts data sets that exist already: their files become batches, their rows examples.

Rules:
1. It goes through the registry's API like any pipeline: an examples object and an event for each
   batch, one run for all, complete at the end, so that they make one version.
2. What the registry took is remembered (`adopt_state`): an adoption that stopped goes on there, and
   one that is run again takes what is new. A batch whose files changed replaces the former.
3. Rows are read once and a few at a time; contents are hashed and texts scanned here, and do not
   travel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from registry.client.adopt_state import AdoptState, held_state, state_name
from registry.client.connection import cache_folder
from registry.client.files import CHUNK_BYTES, FileAt
from registry.client.found import Found, FoundFile, find_files
from registry.client.sources import Name, NameLike, as_name
from registry.client.terms import BatchTerms, check_terms
from registry.errors import InvalidInputError
from registry.ids import fresh_id

if TYPE_CHECKING:
    from registry.client.examples import ColumnChoice
    from registry.client.registry import Registry
    from registry.client.run import Run

JOB_NAMESPACE = "registry-adopt"
_SPLIT = "registry_split"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an adoption is; `bytes_total` counts the files that are to be read."""

    bytes_done: int
    bytes_total: int
    rows: int
    batches: int
    batches_total: int
    current: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an adoption did. `skipped` batches were adopted before; `ignored` files are no data.

    `run_id` is None where there was nothing to do.
    """

    run_id: str | None
    batches: int
    files: int
    rows: int
    bytes: int
    skipped: int
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is recorded of each row: see `record_examples`."""

    columns: Mapping[str, Any]
    subjects: Mapping[str, str]
    scan_pii: Sequence[str]

    @property
    def read(self) -> list[str]:
        """The columns that must be read."""
        named: list[str] = []
        for source in self.columns.values():
            named += [source] if isinstance(source, str) else list(source or ())
        return list(dict.fromkeys([*named, *self.subjects.values(), *self.scan_pii]))


@dataclass(slots=True)
class _Read:
    """What is known of a batch once its rows were read."""

    rows: int = 0
    coverage: dict[str, Any] = field(default_factory=dict)
    files: list[FileAt] = field(default_factory=list)


def adopt(
    registry: Registry,
    url: str,
    dataset: NameLike,
    *,
    id_column: str | None = None,
    subject: Mapping[str, str] | None = None,
    content: str | Sequence[str] = (),
    columns: ColumnChoice | None = None,
    scan_pii: Sequence[str] = (),
    batch_by: Literal["file", "folder"] = "file",
    again: bool = False,
    state: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    **terms: Unpack[BatchTerms],
) -> Adopted:
    """Adopt the files at a path or URL into a dataset (rules 1 to 3).

    `id_column`, `subject` {scheme: column}, `content`, `columns` {recorded: column} and `scan_pii`
    say what is recorded of a row. `again` takes everything anew, in the place of what was there.
    `state` is the file of rule 2, by default in the user's cache folder. Raises InvalidInputError,
    naming file and row or column; ConflictError while another process adopts the same; the
    registry's errors. Cost: one reading of every file, above 50 MB of Parquet a second.
    """
    name = as_name(dataset, "The dataset")
    checked = check_terms(terms)
    wanted = _wanted(id_column, subject, content, columns, scan_pii)
    found = find_files(url)
    batches = _batches(found, batch_by)
    path = state or _state_path(registry, name, found)
    with registry.without_spool() as direct, held_state(path) as kept:
        if again:
            kept.forget()
            checked.setdefault("mode", "overwrite")
        due = {batch: files for batch, files in batches.items() if not kept.is_done(batch, files)}
        skipped = len(batches) - len(due)
        if not due and kept.open_run is None:
            return Adopted(None, 0, 0, 0, 0, skipped, found.ignored)
        run = direct.run((JOB_NAMESPACE, str(name)), run_id=kept.open_run or fresh_id())
        if kept.open_run is None:
            kept.begin(run.id)
        run.start()
        work = _Adoption(run, direct, name, found.store, wanted, checked, kept, due, progress)
        for batch, files in due.items():
            work.adopt_batch(batch, files)
        # An adoption that stops before this says nothing of an end: it goes on another time.
        run.complete()
        kept.complete()
    return Adopted(run.id, len(due), work.files, work.rows, work.bytes, skipped, found.ignored)


class _Adoption:
    """One going through the batches that are due."""

    def __init__(
        self,
        run: Run,
        registry: Registry,
        dataset: Name,
        store: Any,
        wanted: _Wanted,
        terms: Mapping[str, Any],
        state: AdoptState,
        due: Mapping[str, Sequence[FoundFile]],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._run = run
        self._registry = registry
        self._dataset = dataset
        self._store = store
        self._wanted = wanted
        self._terms = terms
        self._state = state
        self._progress = progress
        self._batches_total = len(due)
        self._bytes_total = sum(file.size for files in due.values() for file in files)
        self.batches = self.files = self.rows = self.bytes = 0

    def adopt_batch(self, batch: str, files: Sequence[FoundFile]) -> None:
        """Read a batch, hand its examples over, say it, remember it."""
        from registry.client.events import output_dataset
        from registry.client.payload import parquet_payload
        from registry.client.writing import Asked, Choice, batch_facet

        read = _Read()
        tables = self._tables(files, read)
        first = next(tables)
        examples = None
        if first.num_columns:
            with parquet_payload(chain((first,), tables)) as payload:
                examples = self._registry.send_object(payload, "examples")
        else:
            for _ in tables:
                pass
        terms = {**self._terms, "partition": batch}
        if self._state.knows(batch):
            terms["mode"] = "replace_partition"
        asked = Asked(self._dataset, batch, terms, Choice())
        facet = batch_facet(asked, read.rows, read.files, examples, read.coverage)
        self._run.say_written(output_dataset(self._dataset, batch=facet))
        self._state.add(batch, files, read.rows)
        self.batches += 1
        self._tell(batch)

    def _tables(self, files: Sequence[FoundFile], read: _Read) -> Iterator[Any]:
        """What is recorded of the rows of some files; files are hashed meanwhile."""
        import pyarrow as pa

        from registry.client.examples import record_examples
        from registry.client.records import read_rows

        wanted = self._wanted
        with ThreadPoolExecutor(1) as pool:
            for file in files:
                hashing = _Hashing(self._store, file)
                digest = pool.submit(hashing.digest)
                rows = 0
                for table in read_rows(self._store, file, wanted.read):
                    rows += table.num_rows
                    columns = dict(wanted.columns)
                    if file.split is not None and "split" not in columns:
                        table = table.append_column(_SPLIT, pa.repeat(file.split, table.num_rows))
                        columns["split"] = _SPLIT
                    recorded = record_examples(
                        table, columns=columns, subjects=wanted.subjects, scan_pii=wanted.scan_pii
                    )
                    self.rows += table.num_rows
                    self._tell(file.name, hashing.done)
                    if recorded is None:
                        yield pa.table({})
                        continue
                    read.coverage = recorded.coverage
                    yield recorded.table
                read.rows += rows
                read.files.append(FileAt(file.uri, digest.result(), rows))
                self.files += 1
                self.bytes += file.size

    def _tell(self, current: str, reading: int = 0) -> None:
        if self._progress is not None:
            done = self.bytes + reading
            self._progress(
                Progress(
                    done, self._bytes_total, self.rows, self.batches, self._batches_total, current
                )
            )


class _Hashing:
    """The SHA-256 of a file; `done` bytes of it are read."""

    def __init__(self, store: Any, file: FoundFile) -> None:
        self._store = store
        self._file = file
        self.done = 0

    def digest(self) -> str:
        """`sha256:…`. Cost: one reading of the file, on another core."""
        hasher = hashlib.sha256()
        with self._store.open_input_stream(self._file.path, compression=None) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                hasher.update(chunk)
                self.done += len(chunk)
        return "sha256:" + hasher.hexdigest()


def _wanted(
    id_column: str | None,
    subject: Mapping[str, str] | None,
    content: str | Sequence[str],
    columns: ColumnChoice | None,
    scan_pii: Sequence[str],
) -> _Wanted:
    chosen: dict[str, Any] = dict(columns or {})
    if id_column is not None:
        chosen["example_id"] = id_column
    if content:
        chosen["content"] = content
    return _Wanted(chosen, dict(subject or {}), tuple(scan_pii))


def _batches(found: Found, batch_by: str) -> dict[str, list[FoundFile]]:
    """The files of each batch, by its name."""
    if batch_by == "file":
        return {file.name: [file] for file in found.files}
    if batch_by != "folder":
        raise InvalidInputError(
            f"batch_by is {batch_by!r}.", remedy="Make a batch of each file, or of each folder."
        )
    batches: dict[str, list[FoundFile]] = {}
    for file in found.files:
        batches.setdefault(file.folder, []).append(file)
    return batches


def _state_path(registry: Registry, dataset: Name, found: Found) -> Path:
    place = found.files[0].uri.removesuffix(found.files[0].name)
    return cache_folder() / "adopt" / state_name(registry.address, *dataset, place)
