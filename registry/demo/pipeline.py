"""The demo's pipeline: collect, clean, deduplicate, split, train.

It is a real one: it reads thousands of files, writes Parquet and a model, and tells the registry of
each batch, by OpenLineage, as it goes. Read it from top to bottom; every step has the same shape.

    with self._reporter.run(job, reads=…, parent=…) as run:   # START … COMPLETE
        …                                                     # do the work
        run.wrote(dataset, self._batch(…), file)              # a batch: what, where, how many
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from openlineage.client.event_v2 import Dataset

from registry.demo import classifier, datasets, preparation
from registry.demo.batches import WrittenFile, read_tables, table_of, write_bytes, write_table
from registry.demo.contributors import NOTICE
from registry.demo.facets import BatchFacet, File, Model, Origin, TrainingFacet
from registry.demo.preparation import Positions
from registry.demo.reporting import Reporter, StepRun
from registry.demo.standard_library import LICENSE, Library, modules, read_module, source_uri

PURPOSE = "model_training"
# Where data lies is for a pipeline to say; the demo supposes it.
REGION = "EU"


class Audience(Protocol):
    """Who follows the pipeline."""

    def begin(self, step: str, parts: int) -> None:
        """A step begins; it has so many parts."""

    def advance(self) -> None:
        """One part is done."""

    def end(self, outcome: str) -> None:
        """The step is done, with this outcome."""


class Pipeline:
    """The pipeline over one library, writing below one folder."""

    def __init__(
        self, library: Library, folder: Path, reporter: Reporter, audience: Audience
    ) -> None:
        self._library = library
        self._folder = folder
        self._reporter = reporter
        self._audience = audience

    def run(self, only: Sequence[str] = ()) -> None:
        """Do every step; `only` names the top-level modules to read, all where it is empty.

        Raises UnavailableError where the registry does not take an event.
        """
        about = "Trains a model on the docstrings of Python's standard library."
        with self._reporter.run(datasets.job("pipeline", about, kind="DAG")) as whole:
            raw = self._collect(whole, only)
            clean = self._clean(whole, raw)
            unique = self._deduplicate(whole, clean)
            train, validation = self._split(whole, unique)
            self._train(whole, train, validation)

    def _collect(self, whole: StepRun, only: Sequence[str]) -> list[WrittenFile]:
        """Read the library; the examples of each top-level module are a batch of their own."""
        chosen = {
            module: files
            for module, files in modules(self._library).items()
            if not only or module in only
        }
        self._audience.begin("collect", len(chosen))
        job = datasets.job("collect", "Reads functions and their docstrings, module by module.")
        written = []
        with self._reporter.run(job, reads=[datasets.source(self._library)], parent=whole) as run:
            for module, files in chosen.items():
                examples = read_module(self._library, files)
                if examples:
                    path = self._folder / "raw" / f"{module}.parquet"
                    batch = write_table(path, table_of(examples))
                    facet = self._source_batch(module, source_uri(self._library, files), batch)
                    run.wrote(datasets.RAW, facet, batch)
                    written.append(batch)
                self._audience.advance()
        rows = sum(batch.rows or 0 for batch in written)
        read = sum(len(files) for files in chosen.values())
        self._audience.end(f"{rows:,} examples in {len(written)} batches, from {read:,} files")
        return written

    def _clean(self, whole: StepRun, raw: list[WrittenFile]) -> WrittenFile:
        """Tidy the docstrings, and drop those that say too little."""
        self._audience.begin("clean", 1)
        job = datasets.job("clean", "Tidies docstrings and drops those under three words.")
        with self._reporter.run(job, reads=[datasets.RAW], parent=whole) as run:
            table = read_tables(raw)
            texts = [preparation.tidy(text) for text in table["docstring"].to_pylist()]
            column = table.schema.get_field_index("docstring")
            table = table.set_column(column, table.schema.field(column), pa.array(texts))
            file = self._keep(run, datasets.CLEAN, table, preparation.drop_short(texts))
        self._audience.end(_went_on(table, file))
        return file

    def _deduplicate(self, whole: StepRun, clean: WrittenFile) -> WrittenFile:
        """Keep the first of each docstring, so that none is both trained and validated on."""
        self._audience.begin("deduplicate", 1)
        job = datasets.job("deduplicate", "Keeps the first example of each docstring.")
        with self._reporter.run(job, reads=[datasets.CLEAN], parent=whole) as run:
            table = read_tables([clean])
            kept = preparation.deduplicate(table["docstring"].to_pylist())
            file = self._keep(run, datasets.UNIQUE, table, kept)
        self._audience.end(_went_on(table, file))
        return file

    def _split(self, whole: StepRun, unique: WrittenFile) -> tuple[WrittenFile, WrittenFile]:
        """Put a tenth aside for validation."""
        self._audience.begin("split", 1)
        job = datasets.job("split", "Puts a tenth of the examples aside for validation.")
        with self._reporter.run(job, reads=[datasets.UNIQUE], parent=whole) as run:
            table = read_tables([unique])
            to_train, to_validate = preparation.split(table["example_id"].to_pylist())
            train = self._keep(run, datasets.TRAIN, table, to_train)
            validation = self._keep(run, datasets.VALIDATION, table, to_validate)
        self._audience.end(f"{train.rows:,} to train on, {validation.rows:,} to validate on")
        return train, validation

    def _train(self, whole: StepRun, train: WrittenFile, validation: WrittenFile) -> None:
        """Train the model, see how well it does, and save it."""
        self._audience.begin("train", 1)
        about = "Trains the classifier on the training split, and validates it on the other."
        facet = TrainingFacet(
            purpose=PURPOSE,
            model=Model(name="module-classifier", version="1"),
            recipe={
                "kind": "multinomial naive Bayes",
                "words_seen_at_least": classifier.SEEN_AT_LEAST,
            },
        )
        with self._reporter.run(
            datasets.job("train", about),
            reads=[datasets.TRAIN, datasets.VALIDATION],
            parent=whole,
            facets={"registry_training": facet},
        ) as run:
            texts, labels = _texts_and_labels(train)
            model = classifier.train(texts, labels)
            path = self._folder / "models" / "module-classifier.npz"
            file = write_bytes(path, model.to_bytes())
            run.wrote(datasets.MODEL, self._batch("weights", file), file)
        texts, actual = _texts_and_labels(validation)
        right = classifier.accuracy(model.predict(texts), actual)
        guessing = classifier.commonest_share(labels, actual)
        self._audience.end(
            f"{right:.0%} of {len(actual)} right, with {len(model.labels)} modules to choose from "
            f"(always the commonest: {guessing:.0%})"
        )

    def _keep(
        self, run: StepRun, dataset: Dataset, table: pa.Table, kept: Positions
    ) -> WrittenFile:
        """Write the rows at these positions as the one batch of a dataset, and tell of it."""
        path = self._folder / f"{Path(dataset.name).name}.parquet"
        file = write_table(path, table.take(kept))
        run.wrote(dataset, self._batch("all", file), file)
        return file

    def _source_batch(self, module: str, uri: str, file: WrittenFile) -> BatchFacet:
        """What is known of examples only where they come in: from where, and under what licence."""
        return self._batch(
            module,
            file,
            licence=LICENSE,
            origin=Origin(
                kind="public",
                uri=uri,
                description=f"Read from the installed copy. Contributors: {NOTICE}.",
            ),
        )

    def _batch(
        self,
        name: str,
        file: WrittenFile,
        *,
        origin: Origin | None = None,
        licence: str | None = None,
    ) -> BatchFacet:
        return BatchFacet(
            batch=name,
            files=[File(file.uri, file.sha256, file.rows)],
            origin=origin,
            license=licence,
            purposes=[PURPOSE],
            region=REGION,
            classification="public",
            personalData="personal",
            exampleCount=file.rows,
        )


def _texts_and_labels(file: WrittenFile) -> tuple[list[str], list[str]]:
    table = read_tables([file])
    return table["docstring"].to_pylist(), table["module"].to_pylist()


def _went_on(table: pa.Table, file: WrittenFile) -> str:
    return f"{file.rows:,} of {table.num_rows:,} go on"
