"""Reports each step to the registry, through OpenLineage's own Python client.

Nothing here knows the registry but its address: any program that emits OpenLineage does the same.

    with reporter.run(job, reads=[raw]) as run:
        run.wrote(cleaned, BatchFacet(batch="all", …), file)

Rules:
1. A run is told of with START, one RUNNING for each batch as soon as it is written, and COMPLETE;
   or FAIL with the error, when the block raises one.
2. A step belongs to the run of the pipeline (ParentRunFacet).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    Dataset,
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    OutputDatasetFacet,
    RunFacet,
    error_message_run,
    output_statistics_output_dataset,
    parent_run,
)
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

from registry.clock import system_clock
from registry.demo.batches import WrittenFile
from registry.demo.facets import BatchFacet
from registry.errors import SetupError, UnavailableError
from registry.moments import rfc3339
from registry.wire.facets import BATCH

TIMEOUT_SECONDS = 30.0


class Reporter:
    """A connection to an OpenLineage server. `close` it."""

    def __init__(self, url: str, token: str) -> None:
        if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
            raise SetupError(
                "OPENLINEAGE_DISABLED is true, so that nothing would be reported.",
                remedy="Unset it for the demo.",
            )
        session = requests.Session()
        session.trust_env = False  # a proxy of the environment cannot reach this machine
        config = HttpConfig(
            url=url,
            auth=ApiKeyTokenProvider({"apiKey": token}),
            timeout=TIMEOUT_SECONDS,
            session=session,
        )
        self._client = OpenLineageClient(transport=HttpTransport(config))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    @contextmanager
    def run(
        self,
        job: Job,
        *,
        reads: Sequence[Dataset] = (),
        parent: StepRun | None = None,
        facets: Mapping[str, RunFacet] | None = None,
    ) -> Iterator[StepRun]:
        """Tell of a run while the block does it (rule 1). Raises UnavailableError, as `StepRun`."""
        run_facets: dict[str, RunFacet] = dict(facets or {})
        if parent is not None:
            run_facets["parent"] = parent.as_parent()
        run = StepRun(self._client, job, Run(str(uuid.uuid4()), run_facets), reads)
        run.emit(RunState.START)
        try:
            yield run
        except BaseException as error:
            run.run.facets = {
                **run_facets,
                "errorMessage": error_message_run.ErrorMessageRunFacet(str(error), "PYTHON"),
            }
            with suppress(UnavailableError):  # the error that ended the step is the one to tell
                run.emit(RunState.FAIL)
            raise
        run.emit(RunState.COMPLETE, run.outputs())


@dataclass(slots=True)
class StepRun:
    """One run of a job; tell it what it wrote."""

    client: OpenLineageClient
    job: Job
    run: Run
    reads: Sequence[Dataset]
    written: list[tuple[Dataset, WrittenFile]] = field(default_factory=list)

    def wrote(self, dataset: Dataset, batch: BatchFacet, file: WrittenFile) -> None:
        """Tell at once that a batch was written, into a file. Raises UnavailableError."""
        self.emit(
            RunState.RUNNING, [OutputDataset(dataset.namespace, dataset.name, {BATCH: batch})]
        )
        self.written.append((dataset, file))

    def outputs(self) -> list[OutputDataset]:
        """Each dataset that was written, with how much."""
        files: dict[str, tuple[Dataset, list[WrittenFile]]] = {}
        for dataset, file in self.written:
            files.setdefault(dataset.name, (dataset, []))[1].append(file)
        return [
            OutputDataset(
                dataset.namespace,
                dataset.name,
                {"outputStatistics": _statistics(parts)},
                facets=dataset.facets,
            )
            for dataset, parts in files.values()
        ]

    def as_parent(self) -> parent_run.ParentRunFacet:
        """This run as the parent and root of another."""
        namespace, name, run_id = self.job.namespace, self.job.name, self.run.runId
        return parent_run.ParentRunFacet(
            run=parent_run.Run(run_id),
            job=parent_run.Job(namespace, name),
            root=parent_run.Root(parent_run.RootRun(run_id), parent_run.RootJob(namespace, name)),
        )

    def emit(self, state: RunState, outputs: Sequence[OutputDataset] = ()) -> None:
        """Send one event of this run. Raises UnavailableError where it was not taken."""
        event = RunEvent(
            eventTime=rfc3339(system_clock()),
            eventType=state,
            run=self.run,
            job=self.job,
            inputs=[InputDataset(d.namespace, d.name, facets=d.facets) for d in self.reads],
            outputs=list(outputs),
        )
        try:
            self.client.emit(event)
        except requests.RequestException as error:
            answer = "" if error.response is None else error.response.text[:500]
            raise UnavailableError(
                f"The registry did not take an event of {self.job.name}: {answer or error}",
                remedy="Look into the server's log in the demo's folder.",
            ) from error


def _statistics(files: Sequence[WrittenFile]) -> OutputDatasetFacet:
    rows = [file.rows for file in files if file.rows is not None]
    return output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=sum(rows) if rows else None,
        size=sum(file.size_bytes for file in files),
        fileCount=len(files),
    )
