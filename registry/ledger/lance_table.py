"""One Lance table that several processes and threads read and write at the same time.

Rules:
1. A commit that loses against another is done again; a read whose files a clean-up took away is
   asked again of the latest version. What still fails is a StorageUnavailableError, and nothing of
   that call is visible.
2. Rows are written first and committed after; only the commit is repeated, so that no row is there
   twice. Whether a commit whose answer was lost took place is looked up, never guessed.
3. A write that takes longer than `WRITE_SECONDS` is not committed, because a purge may regard its
   files as left behind (`upkeep`).
4. A delete predicate is kept in the table's own log, so it may hold addresses and numbers of key
   versions, and never an identifier, a digest or a subject key.
5. A table is made by one commit that must be its first and is not repeated. Lance's own "create"
   turns into an overwrite when another process is quicker, and so loses what that one appended.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from registry.errors import InvalidInputError, StorageUnavailableError
from registry.ledger.columns import Kind

Answer = TypeVar("Answer")

WRITE_SECONDS = 1_800
ROWS_PER_FILE = 1 << 20
_TRIES = 12
_FIRST_PAUSE_SECONDS = 0.005

# Lance raises OSError for nearly everything and ValueError where a scan begins, so its words are
# all there is to go by.
FAILURES = (OSError, RuntimeError, ValueError)
_LOST_RACE = ("commit conflict", "preempted", "too many concurrent", "wants to replace")
_TAKEN_AWAY = re.compile(
    r"not found.*\.lance/(_versions/\d|_transactions/|_indices/|_deletions/|data/)", re.DOTALL
)


class _TableMissingError(Exception):
    """Nobody wrote to the table yet."""


@dataclass(slots=True)
class _Feed:
    """A reader handed to Lance that remembers its first address, and why it stopped: Lance does not
    hand the reason back.
    """

    reader: pa.RecordBatchReader
    first_address: int | None = None
    refusal: InvalidInputError | None = None

    def batches(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.reader.schema, self._each())

    def _each(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.reader:
                if self.first_address is None:
                    self.first_address = batch.column("address")[0].as_py()
                yield batch
        except InvalidInputError as error:
            self.refusal = error
            raise


class LanceTable:
    """A table at `url`, made at the first append. Threads may share one; processes open their own.

    `indices`: the name of each indexed column with its kind; an index has the name of its column.
    """

    def __init__(
        self,
        url: str,
        schema: pa.Schema,
        indices: Mapping[str, Kind],
        *,
        session: lance.Session,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self.url = url
        self.schema = schema
        self.indices = dict(indices)
        self.storage_options = dict(storage_options) if storage_options else None
        self._session = session
        # A handle is not safe to move while another thread uses it, so each thread has its own.
        self._handles = threading.local()

    def latest(self) -> lance.LanceDataset:
        """This thread's handle, moved to the latest version. Cost: about 0.1 ms on a folder."""
        dataset = self.at_hand()
        if dataset is None:
            dataset = self._open()
        else:
            dataset.checkout_latest()
        self._handles.dataset = dataset
        return dataset

    def at_hand(self) -> lance.LanceDataset | None:
        """This thread's handle as it is: the version that its last call read or wrote."""
        return getattr(self._handles, "dataset", None)

    def _open(self) -> lance.LanceDataset:
        try:
            return lance.dataset(
                self.url, session=self._session, storage_options=self.storage_options
            )
        except ValueError as error:
            if "was not found" in str(error) and not is_passing(error):
                raise _TableMissingError(self.url) from error
            raise OSError(str(error)) from error

    def _create(self) -> None:
        """Makes the table, unless another process made it in this moment (rule 5)."""
        try:
            lance.LanceDataset.commit(
                self.url,
                lance.LanceOperation.Overwrite(self.schema, []),
                read_version=0,
                max_retries=0,
                storage_options=self.storage_options,
            )
        except FAILURES as error:
            text = str(error).lower()
            if not (is_passing(error) or "already exists" in text or "was not found" in text):
                raise self._unavailable(error) from error

    def ask(self, question: Callable[[lance.LanceDataset], Answer], default: Answer) -> Answer:
        """The answer of the latest version; `default` where there is no table yet.

        `question` may be asked again (rule 1), so it must be finished with its rows when it
        returns. Raises StorageUnavailableError.
        """
        try:
            return self._repeat(question)
        except _TableMissingError:
            return default

    def change(self, work: Callable[[lance.LanceDataset], Answer]) -> Answer:
        """Does `work` on the latest version, again if its commit loses a race (rule 1).

        `work` must be right when done twice. Makes the table if there is none.
        """
        try:
            return self._repeat(work)
        except _TableMissingError:
            self._create()
        try:
            return self._repeat(work)
        except _TableMissingError as error:
            raise self._unavailable(error) from error

    def _repeat(self, work: Callable[[lance.LanceDataset], Answer]) -> Answer:
        failure: Exception | None = None
        for attempt in range(_TRIES):
            try:
                return work(self.latest())
            except FAILURES as error:
                failure = error
                if not is_passing(error):
                    break
                self._handles.dataset = None
                _pause(attempt)
        raise self._unavailable(failure) from failure

    def append(self, rows: pa.RecordBatchReader) -> int:
        """Writes all rows of the reader as one commit; how many there were.

        Raises what the reader raises, StorageUnavailableError when the rows could not be kept or
        took longer than `WRITE_SECONDS`; then none of them is visible. Cost: about 2 ms and 50 ns a
        row on a folder, without indexing.
        """
        started = time.monotonic()
        feed = _Feed(rows)
        first = self.change(lambda dataset: dataset)
        try:
            transaction = write_fragments(
                feed.batches(),
                first,
                mode="append",
                return_transaction=True,
                max_rows_per_file=ROWS_PER_FILE,
                storage_options=self.storage_options,
            )
        except FAILURES as error:
            if feed.refusal is not None:
                raise feed.refusal from None
            raise self._unavailable(error) from error
        count: int = sum(fragment.physical_rows for fragment in transaction.operation.fragments)
        if time.monotonic() - started > WRITE_SECONDS:
            raise self._unavailable(
                TimeoutError(f"Writing {count} rows took more than {WRITE_SECONDS} s")
            )
        if count:
            self.commit(transaction, feed.first_address)
        return count

    def commit(self, transaction: lance.Transaction, first_address: int | None) -> None:
        """Makes written rows visible, once (rule 2). `first_address`: that of one of them.

        Raises StorageUnavailableError when they are not visible, or when nobody can tell.
        """
        failure: Exception | None = None
        for attempt in range(_TRIES):
            try:
                self._handles.dataset = lance.LanceDataset.commit(
                    self.at_hand() or self.latest(),
                    transaction,
                    storage_options=self.storage_options,
                )
                return
            except FAILURES as error:
                failure = error
                self._handles.dataset = None
            latest = self._repeat(lambda dataset: dataset)
            if _holds(latest, transaction):
                return
            if not is_passing(failure):
                break
            # The rows may be there all the same, and moved by a compaction since.
            if not lost_race(failure) and self.count(f"address = {first_address}"):
                break
            transaction = _based_on(latest, transaction)
            _pause(attempt)
        raise self._unavailable(failure) from failure

    def delete(self, predicate: str) -> int:
        """Deletes the rows that `predicate` (rule 4) names; how many. Nothing found, no commit."""

        def work(dataset: lance.LanceDataset) -> int:
            if not dataset.count_rows(filter=predicate):
                return 0
            return int(dataset.delete(predicate)["num_deleted_rows"])

        return self.ask(work, 0)

    def read(self, columns: list[str], condition: object = None) -> pa.Table:
        """The rows that meet `condition` (SQL text or a pyarrow expression), in no order."""
        empty = pa.schema([self.schema.field(name) for name in columns]).empty_table()
        return self.ask(
            lambda dataset: dataset.scanner(columns=columns, filter=condition).to_table(), empty
        )

    def count(self, condition: str | None = None) -> int:
        """How many rows meet `condition`."""
        return self.ask(lambda dataset: int(dataset.count_rows(filter=condition)), 0)

    def _unavailable(self, error: Exception | None) -> StorageUnavailableError:
        # Lance's messages may quote values; only their beginning, which names the file, is kept.
        reason = str(error).split("\n", 1)[0][:200]
        return StorageUnavailableError(
            f"The ledger table {self.url} cannot be used: {reason}.",
            remedy="Look at the disk or the object store, then try again.",
        )


def _based_on(dataset: lance.LanceDataset, append: lance.Transaction) -> lance.Transaction:
    # New rows fit on any version, also when a purge removed the one they were written for.
    return lance.Transaction(
        read_version=dataset.version, operation=append.operation, uuid=append.uuid
    )


def _holds(dataset: lance.LanceDataset, transaction: lance.Transaction) -> bool:
    written = {file.path for piece in transaction.operation.fragments for file in piece.files}
    return any(
        file.path in written
        for fragment in dataset.get_fragments()
        for file in fragment.metadata.files
    )


def lost_race(error: Exception) -> bool:
    """Did another commit come first? Then this one did certainly not take place."""
    text = str(error).lower()
    return any(words in text for words in _LOST_RACE)


def is_passing(error: Exception) -> bool:
    """May the same call succeed on the latest version?"""
    return lost_race(error) or _TAKEN_AWAY.search(str(error).lower()) is not None


def _pause(attempt: int) -> None:
    longest = _FIRST_PAUSE_SECONDS * 2 ** min(attempt, 7)
    time.sleep(random.uniform(0, longest))  # noqa: S311
