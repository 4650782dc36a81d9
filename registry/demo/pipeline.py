"""The demo's pipeline: collect, clean, deduplicate, split, train.

It is a real one: it reads thousands of files, writes Parquet and a model, and tells the registry by
the SDK what it reads, what it writes and where each row came from. Read it from top to bottom;
every step has the same shape.

    with self._step(name, about, parent) as run:            # START … COMPLETE
        …                                                   # do the work
        run.write(dataset, table, derived_from={source: rows})  # a batch, and which rows became it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from registry.client import Registry
from registry.client.run import Run
from registry.client.sources import Source
from registry.clock import system_clock
from registry.demo import classifier, datasets, preparation
from registry.demo.batches import read_tables, table_of, write_table
from registry.demo.contributors import NOTICE
from registry.demo.preparation import Positions
from registry.demo.standard_library import LICENSE, Library, modules, read_module, source_uri

PURPOSE = "model_training"
# What is said of every batch. Where data lies is for a pipeline to say; the demo supposes it.
TERMS: dict[str, Any] = {
    "purposes": [PURPOSE],
    "region": "EU",
    "classification": "public",
    "personal_data": "personal",
}
#: Of every example.
SAID = {"modality": "text", "language": "en"}


class Audience(Protocol):
    """Who follows the pipeline."""

    def begin(self, step: str, parts: int) -> None:
        """A step begins; it has so many parts."""

    def advance(self) -> None:
        """One part is done."""

    def end(self, outcome: str) -> None:
        """The step is done, with this outcome."""


@dataclass(frozen=True, slots=True)
class Written:
    """A batch: how the registry knows it, and the file that it lies in."""

    source: Source
    path: Path

    @property
    def rows(self) -> int:
        """How many examples it has."""
        return self.source.rows or 0


class Pipeline:
    """The pipeline over one library, writing below one folder."""

    def __init__(
        self, library: Library, folder: Path, registry: Registry, audience: Audience
    ) -> None:
        self._library = library
        self._folder = folder
        self._registry = registry
        self._audience = audience
        self._today = datetime.combine(system_clock().date(), time(), UTC)

    def run(self, only: Sequence[str] = ()) -> None:
        """Do every step; `only` names the top-level modules to read, all where it is empty.

        Raises UnavailableError where the registry does not take what it is sent.
        """
        about = "Trains a model on the docstrings of Python's standard library."
        with self._step("pipeline", about) as whole:
            raw = self._collect(whole, only)
            clean = self._clean(whole, raw)
            unique = self._deduplicate(whole, clean)
            train, validation = self._split(whole, unique)
            self._train(whole, train, validation)

    def _step(self, name: str, about: str, parent: Run | None = None, **facts: Any) -> Run:
        """A run of one of the demo's jobs; `facts` are further parameters of `Registry.run`."""
        return self._registry.run(
            (datasets.JOBS, name),
            parent=parent,
            code=False,
            job_facets=datasets.job_facets(about),
            **facts,
        )

    def _collect(self, whole: Run, only: Sequence[str]) -> list[Written]:
        """Read the library; the examples of each top-level module are a batch of their own."""
        chosen = {
            module: files
            for module, files in modules(self._library).items()
            if not only or module in only
        }
        self._audience.begin("collect", len(chosen))
        about = "Reads functions and their docstrings, module by module."
        written = []
        with self._step("collect", about, whole) as run:
            run.read(datasets.SOURCE, external_version=self._library.tag)
            for module, files in chosen.items():
                examples = read_module(self._library, files)
                if examples:
                    uri = source_uri(self._library, files)
                    written.append(self._enter(run, module, table_of(examples), uri))
                self._audience.advance()
        rows = sum(batch.rows for batch in written)
        read = sum(len(files) for files in chosen.values())
        self._audience.end(f"{rows:,} examples in {len(written)} batches, from {read:,} files")
        return written

    def _enter(self, run: Run, module: str, table: pa.Table, uri: str) -> Written:
        """Write the examples of a module, with what is known only here, where they come in.

        The registry is told their ids, where each comes from, the digest of its docstring and whose
        it is. The docstring itself does not travel, and the address becomes a pseudonym.
        """
        path = write_table(self._folder / "raw" / f"{module}.parquet", table)
        told = table
        for name, value in SAID.items():
            told = told.append_column(name, pa.array([value] * table.num_rows))
        source = run.write(
            datasets.RAW,
            told,
            batch=module,
            columns={"content": "docstring"},  # example_id and source_uri have these names already
            subjects={"email": "contributor"},
            files=path,
            license=LICENSE,
            legal_basis="consent",
            origin={
                "kind": "public",
                "uri": uri,
                "collected_from": self._today,
                "collected_until": self._today,
                "description": f"Read from the installed copy. Contributors: {NOTICE}.",
            },
            facets=datasets.facets(datasets.RAW),
            **TERMS,
        )
        return Written(source, path)

    def _clean(self, whole: Run, raw: list[Written]) -> Written:
        """Tidy the docstrings, and drop those that say too little."""
        self._audience.begin("clean", 1)
        about = "Tidies docstrings and drops those under three words."
        with self._step("clean", about, whole) as run:
            table = read_tables([batch.path for batch in raw])
            texts = [preparation.tidy(text) for text in table["docstring"].to_pylist()]
            column = table.schema.get_field_index("docstring")
            table = table.set_column(column, table.schema.field(column), pa.array(texts))
            kept = preparation.drop_short(texts)
            clean = self._keep(run, datasets.CLEAN, table, kept, raw, role="transformed")
        self._audience.end(_went_on(table, clean))
        return clean

    def _deduplicate(self, whole: Run, clean: Written) -> Written:
        """Keep the first of each docstring, so that none is both trained and validated on."""
        self._audience.begin("deduplicate", 1)
        about = "Keeps the first example of each docstring."
        with self._step("deduplicate", about, whole) as run:
            table = read_tables([clean.path])
            kept = preparation.deduplicate(table["docstring"].to_pylist())
            unique = self._keep(run, datasets.UNIQUE, table, kept, [clean])
        self._audience.end(_went_on(table, unique))
        return unique

    def _split(self, whole: Run, unique: Written) -> tuple[Written, Written]:
        """Put a tenth aside for validation."""
        self._audience.begin("split", 1)
        about = "Puts a tenth of the examples aside for validation."
        with self._step("split", about, whole) as run:
            table = read_tables([unique.path])
            to_train, to_validate = preparation.split(table["example_id"].to_pylist())
            train = self._keep(run, datasets.TRAIN, table, to_train, [unique])
            validation = self._keep(run, datasets.VALIDATION, table, to_validate, [unique])
        self._audience.end(f"{train.rows:,} to train on, {validation.rows:,} to validate on")
        return train, validation

    def _train(self, whole: Run, train: Written, validation: Written) -> None:
        """Train the model, see how well it does, and save it."""
        self._audience.begin("train", 1)
        about = "Trains the classifier on the training split, and validates it on the other."
        recipe = {
            "kind": "multinomial naive Bayes",
            "words_seen_at_least": classifier.SEEN_AT_LEAST,
        }
        with self._step("train", about, whole, purpose=PURPOSE, recipe=recipe) as run:
            run.read(train.source)
            run.read(validation.source)
            texts, labels = _texts_and_labels(train)
            model = classifier.train(texts, labels)
            path = self._folder / "models" / "module-classifier.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(model.to_bytes())
            facets = datasets.facets(datasets.MODEL)
            run.write_model(datasets.MODEL, version="1", files=path, facets=facets)
        texts, actual = _texts_and_labels(validation)
        right = classifier.accuracy(model.predict(texts), actual)
        guessing = classifier.commonest_share(labels, actual)
        self._audience.end(
            f"{right:.0%} of {len(actual)} right, with {len(model.labels)} modules to choose from "
            f"(always the commonest: {guessing:.0%})"
        )

    def _keep(
        self,
        run: Run,
        dataset: tuple[str, str],
        table: pa.Table,
        kept: Positions,
        sources: Sequence[Written],
        *,
        role: str = "kept",
    ) -> Written:
        """Write the rows at these positions as the one batch of a dataset, and tell of it.

        `table` holds the rows of `sources`, one after the other, so `kept` says where each row came
        from. Ids and people need no second word: they are found through the row map.
        """
        chosen = table.take(kept)
        path = write_table(self._folder / f"{Path(dataset[1]).name}.parquet", chosen)
        source = run.write(
            dataset,
            batch="all",
            derived_from={tuple(each.source for each in sources): kept},
            role=role,
            files=path,
            facets=datasets.facets(dataset),
            **TERMS,
        )
        return Written(source, path)


def _texts_and_labels(batch: Written) -> tuple[list[str], list[str]]:
    table = read_tables([batch.path])
    return table["docstring"].to_pylist(), table["module"].to_pylist()


def _went_on(table: pa.Table, batch: Written) -> str:
    return f"{batch.rows:,} of {table.num_rows:,} go on"
