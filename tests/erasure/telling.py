"""Tells a generated story to a registry: objects, maps and events, a dataset for each batch."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.version_tables import BatchNumber
from registry.ids import named_id
from registry.keys.identifiers import Scheme
from registry.keys.keyring import Keyring
from registry.keys.subjects import live_subject_keys
from registry.ledger.rowmap import RowMap
from registry.storage.columns import table_of
from tests.erasure.worlds import Made, Rows, Story
from tests.ledger.pipelines import NAMESPACE, Pipeline, mapped, model, written

# Batches in time lie before this minute of the pipelines' day, others after it.
RECEIVED_MINUTE = 600
_number = table_of(BatchNumber)


def email(seed: int, person: int) -> str:
    return f"person{person}.{seed}@example.org"


def keys_of(keyring: Keyring, seed: int, asked: frozenset[int]) -> list[bytes]:
    """The live subject keys of some people of a story."""
    return [
        key
        for person in sorted(asked)
        for key in live_subject_keys(keyring, Scheme.EMAIL, email(seed, person))
    ]


class Telling:
    """One story in a registry; datasets and people of a seed are its own."""

    def __init__(self, pipeline: Pipeline, seed: int, story: Story) -> None:
        self.pipeline = pipeline
        self.seed = seed
        self.story = story

    def dataset(self, number: int) -> str:
        return f"s{self.seed}/d{number}"

    def tell(self) -> None:
        """Send everything in the order of the batches' numbers."""
        for number, batch in sorted(self.story.batches.items()):
            self._unnamed(number)
            extra = [
                self.dataset(source)
                for each in self.story.unmapped
                if each.target == number
                for source in sorted(each.reads)
            ]
            between = [
                f"s{self.seed}/x{number}"
                for each in self.story.unmapped
                if each.target == number and each.reads_outputs
            ]
            sources = [self.dataset(n) for made in batch.maps for n in made.inputs]
            reads = list(dict.fromkeys([*sources, *extra, *between]))
            self._run(f"j{number}", reads, [self._output(batch)], in_time=batch.in_time)

    def _unnamed(self, number: int) -> None:
        """The run before, whose output nobody batched."""
        for each in self.story.unmapped:
            follower = next(
                (f for f in self.story.unmapped if each.output in f.reads_outputs), None
            )
            if follower is not None and follower.target == number:
                reads = [self.dataset(source) for source in sorted(each.reads)]
                output = {"namespace": NAMESPACE, "name": f"s{self.seed}/x{number}"}
                self._run(f"x{number}", reads, [output], in_time=True)

    def _run(
        self, job: str, reads: list[str], writes: list[dict[str, Any]], *, in_time: bool
    ) -> None:
        minute = self.pipeline.minute % 500 + (0 if in_time else RECEIVED_MINUTE + 1)
        self.pipeline.run(f"s{self.seed}/{job}", reads=reads, writes=writes, minute=minute)

    def _output(self, batch: Rows) -> dict[str, Any]:
        said: dict[str, Any] = {"exampleCount": batch.rows}
        if batch.people or batch.digests:
            said["examples"] = self.pipeline.upload_examples(self._examples(batch))
        maps = [self._map(made) for made in batch.maps]
        output = written(self.dataset(batch.number), "b", maps=maps, **said)
        return {**model(self.dataset(batch.number)), **output} if batch.is_model else output

    def _examples(self, batch: Rows) -> pa.Table:
        rows = range(batch.rows)
        subject = pa.list_(pa.struct([("scheme", pa.string()), ("value", pa.string())]))
        people = [
            [
                {"scheme": "email", "value": email(self.seed, person)}
                for person in sorted(batch.people.get(row, frozenset()))
            ]
            for row in rows
        ]
        contents = [batch.digests.get(row) for row in rows]
        digests = [
            None if content is None else hashlib.sha256(b"%d/%d" % (self.seed, content)).digest()
            for content in contents
        ]
        return pa.table(
            {
                "digest": pa.array(digests, pa.binary(32)),
                "bytes": pa.array([batch.sizes.get(row) for row in rows], pa.int64()),
                "subjects": pa.array(people, subject),
            }
        )

    def _map(self, made: Made) -> dict[str, Any]:
        first: dict[int, int] = {}
        total = 0
        for source in made.inputs:
            first[source] = total
            total += self.story.batches[source].rows
        flat = [[first[b] + row for b, row in some] for some in made.parents]
        offsets = np.append(0, np.cumsum([len(some) for some in flat], dtype=np.int64))
        parents = np.array([p for some in flat for p in some], np.int64)
        digest = self.pipeline.upload_map(RowMap.lists(offsets, parents, total))
        said = mapped([(self.dataset(n), "b") for n in made.inputs], digest, made.role)
        if made.score is not None:
            said |= {"score": made.score, "method": made.method}
        return said

    def numbers(self, session: Session) -> dict[int, int]:
        """The number that each batch of the story got."""
        found = {}
        for number in self.story.batches:
            dataset_id = named_id("dataset", NAMESPACE, self.dataset(number))
            query = select(_number.c.number).where(_number.c.dataset_id == dataset_id)
            found[number] = int(session.execute(query).scalar_one())
        return found
