"""One run of a pipeline: what it reads, what it writes, and how it ends.

Rules:
1. START when the block begins, one RUNNING event for each thing written, COMPLETE at the end; FAIL
   with the error where the block raises, ABORT where it is interrupted. What is written is said at
   once, so that the end of a long run has little to lose.
2. Objects go before the event that names them. Nothing here waits for the registry (`outbox`).
3. Event times rise from event to event of a run, so that their order is never open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from registry.client.files import FileLike, describe_files
from registry.client.sources import Name, NameLike, Source, as_name
from registry.client.terms import BatchTerms, check_batch_name, check_terms
from registry.clock import Clock
from registry.errors import ConflictError, InvalidInputError

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent, RunState

    from registry.client.derivation import Given
    from registry.client.events import ParentRun, RunFacts
    from registry.client.examples import ColumnChoice
    from registry.client.outbox import Outbox

_Dataset = TypeVar("_Dataset")
_STEP = timedelta(microseconds=1)


class AsTracked:
    """The default of `derived_from`: what the dataset that is written knows of its rows."""

    def __repr__(self) -> str:
        return "as tracked"


AS_TRACKED = AsTracked()


class Run:
    """A run of a job. Use it as a context manager, or call `start`, then `complete` or `fail`."""

    def __init__(
        self, facts: RunFacts, emit: Callable[[RunEvent], None], outbox: Outbox, clock: Clock
    ) -> None:
        """`Registry.run` makes it."""
        self.id = facts.run_id
        self.job = facts.job
        self._facts = facts
        self._emit = emit
        self._outbox = outbox
        self._clock = clock
        self._lock = threading.Lock()
        self._last: datetime | None = None
        self._ended = False
        self._inputs: dict[Name, Source] = {}
        self._outputs: dict[Name, int] = {}

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.job}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ended:
            return
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.complete()
        else:
            self.fail(error)

    def as_parent(self) -> ParentRun:
        """This run as the parent of another; one that nobody started is the root of both."""
        from registry.client.events import ParentRun

        above = self._facts.parent
        if above is None:
            return ParentRun(self.id, self.job, self.id, self.job)
        return ParentRun(self.id, self.job, above.root_run_id, above.root_job)

    def start(self) -> Self:
        """Say that the run began. Raises ConflictError if it did already."""
        from openlineage.client.event_v2 import RunState

        if self._last is not None:
            raise ConflictError(f"{self!r} began already.", remedy="Make another run.")
        self._say(RunState.START)
        return self

    def complete(self) -> None:
        """Say that the run ended well, with everything it read and wrote."""
        from openlineage.client.event_v2 import RunState

        self._end(RunState.COMPLETE)

    def fail(self, error: BaseException) -> None:
        """Say that the run failed with this error, or was interrupted."""
        from openlineage.client.event_v2 import RunState

        from registry.client.events import error_facet

        interrupted = isinstance(error, KeyboardInterrupt | GeneratorExit)
        self._end(RunState.ABORT if interrupted else RunState.FAIL, error_facet(error))

    def read(
        self,
        dataset: NameLike,
        version: int | None = None,
        *,
        batch: str | None = None,
        external_version: str | None = None,
        rows: int | None = None,
        ids: Sequence[str] | None = None,
    ) -> Source:
        """Say that the run reads a dataset; what it gives can stand in `derived_from`.

        `version` is the registry's number, `external_version` that of the dataset's own store;
        `batch` means one batch of it. `rows` is how many rows that is, and `ids` their example ids
        in order: with them row numbers and ids are resolved here.
        """
        if isinstance(dataset, Source):
            source = dataset
        else:
            name = as_name(dataset, "The dataset to read")
            if ids is not None and rows is not None and len(ids) != rows:
                raise InvalidInputError(
                    f"{name} is read with {rows} rows and {len(ids)} ids.",
                    remedy="Give the id of each row, or no ids.",
                )
            rows = len(ids) if rows is None and ids is not None else rows
            source = Source(*name, batch, version, external_version, rows, ids)
        self._note_input(source)
        return source

    def track(
        self, dataset: _Dataset, source: NameLike | Mapping[str, NameLike], **which: Any
    ) -> _Dataset:
        """A Hugging Face dataset that remembers which rows of `source` its rows are.

        Its own methods are captured from then on: see `registry.client.huggingface`. `source` is
        what `read` or `write` gave, or a name; `which` are the parameters of `read`. A DatasetDict
        is tracked split by split: `source` is a mapping of split to source.
        """
        from registry.client.huggingface import track

        if isinstance(source, Mapping):
            sources = {split: self.read(each, **which) for split, each in source.items()}
            return track(dataset, sources)
        return track(dataset, self.read(source, **which))

    def write(
        self,
        dataset: NameLike,
        examples: Any = None,
        *,
        batch: str | None = None,
        rows: int | None = None,
        columns: ColumnChoice | None = None,
        subjects: Mapping[str, str] | None = None,
        scan_pii: Sequence[str] = (),
        files: FileLike | Iterable[FileLike] = (),
        derived_from: Given | AsTracked | None = AS_TRACKED,
        role: str | None = None,
        external_version: str | None = None,
        facets: Mapping[str, Any] | None = None,
        **terms: Unpack[BatchTerms],
    ) -> Source:
        """Say what the run wrote to a dataset: one batch. It gives the batch as a Source.

        `examples` is a table in the order of the rows written; of it only what `columns`,
        `subjects` and `scan_pii` name travels, and columns under the names of the contract
        (`registry.client.examples`). `derived_from` says where the rows came from
        (`registry.client.derivation`), None that nobody knows. Raises InvalidInputError, naming
        the thing, before anything is sent. Effects: objects, then one RUNNING event.
        """
        from registry.client import writing

        self._must_run()
        name = as_name(dataset, "The dataset to write")
        asked = writing.Asked(
            name,
            check_batch_name(self._next_batch(name) if batch is None else batch),
            check_terms(terms),
            writing.Choice(columns, subjects, scan_pii),
            rows,
            files,
            external_version,
            facets or {},
        )
        given = None if isinstance(derived_from, AsTracked) else derived_from or ()
        prepared = writing.prepare(examples, asked, writing.derivations(examples, given, role))
        output = writing.send(prepared, asked, self._outbox)
        for source in prepared.sources:
            self._note_input(source)
        self.say_written(output)
        return Source(*name, asked.batch, rows=prepared.rows, ids=prepared.ids)

    def write_model(
        self,
        model: NameLike,
        *,
        version: str | None = None,
        files: FileLike | Iterable[FileLike] = (),
        facets: Mapping[str, Any] | None = None,
    ) -> None:
        """Say that the run made a model; what the run read is what it was trained on.

        `files` are its weights, recorded with their digests. `facets` are further facets of the
        model. Raises InvalidInputError for a file that cannot be read. Effects: one RUNNING event.
        """
        from registry.client.events import model_output, training_facet
        from registry.client.facets import PRODUCER, BatchFacet

        self._must_run()
        name = as_name(model, "The model")
        batch = None
        if weights := [each.as_entry() for each in describe_files(files)]:
            batch = BatchFacet(batch=self._next_batch(name), files=weights, producer=PRODUCER)
        told = {"name": name.name, **({} if version is None else {"version": version})}
        self.say_written(
            model_output(name, version, batch=batch, facets=facets),
            {"registry_training": training_facet(self._facts, told)},
        )

    def _note_input(self, source: Source) -> None:
        """What the run wrote itself is no input of it."""
        if source.dataset not in self._outputs:
            self._inputs.setdefault(source.dataset, source)

    def _next_batch(self, name: Name) -> str:
        """A name that no other run gives: the run's id, numbered from the second batch on."""
        written = self._outputs.get(name, 0)
        return self.id if written == 0 else f"{self.id}-{written + 1}"

    def say_written(self, output: OutputDataset, facets: Mapping[str, Any] | None = None) -> None:
        """Say that the run wrote this, put together elsewhere. Effects: one RUNNING event."""
        from openlineage.client.event_v2 import RunState

        self._must_run()
        name = Name(output.namespace, output.name)
        self._outputs[name] = self._outputs.get(name, 0) + 1
        self._say(RunState.RUNNING, inputs=self._read_so_far(), outputs=[output], facets=facets)

    def _end(self, state: RunState, facets: Mapping[str, Any] | None = None) -> None:
        from openlineage.client.event_v2 import OutputDataset

        self._must_run()
        self._ended = True
        outputs = [OutputDataset(namespace=n.namespace, name=n.name) for n in self._outputs]
        self._say(state, inputs=self._read_so_far(), outputs=outputs, facets=facets)

    def _read_so_far(self) -> list[InputDataset]:
        from registry.client.events import input_dataset

        return [input_dataset(source) for source in self._inputs.values()]

    def _must_run(self) -> None:
        if self._last is None or self._ended:
            state = "has ended" if self._ended else "has not begun"
            raise ConflictError(
                f"{self!r} {state}.", remedy="Do it within the block of registry.run(…)."
            )

    def _say(self, state: RunState, **what: Any) -> None:
        from registry.client.events import run_event

        with self._lock:
            now = self._clock()
            if self._last is not None and now <= self._last:
                now = self._last + _STEP
            self._last = now
        self._emit(run_event(self._facts, state, now, **what))
