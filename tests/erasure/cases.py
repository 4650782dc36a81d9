"""What the tests of a scope share: a pipeline, people, and the scope of somebody's request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.version_tables import BatchNumber
from registry.erasure.rules import LoadedRules, load_rules
from registry.erasure.scope.found import Scope, find_scope
from registry.erasure.scope.reach import Reason
from registry.ids import named_id
from registry.keys.identifiers import Scheme
from registry.keys.subjects import live_subject_keys
from registry.ledger.rowmap import RowMap
from registry.request import House
from registry.storage.columns import table_of
from tests.ledger.pipelines import NAMESPACE, Pipeline, mapped, written

RULES = load_rules()
DAY = datetime(2026, 2, 1, tzinfo=UTC)
# Longer than the 64 bytes from which on an exact duplicate is erased.
LONG = "a text of some length that only one person could have written, word for word: "
_number = table_of(BatchNumber)


@dataclass(frozen=True)
class Example:
    """What one example says of itself."""

    text: str | None = None
    people: tuple[str, ...] = ()
    size: int | None = None


def by(*people: str, text: str | None = None) -> Example:
    """An example of these people, of which the length is known where it has a text."""
    return Example(text, people, None if text is None else len(text.encode()))


@dataclass
class Case:
    """One test's own datasets in a registry that it may share with others."""

    pipeline: Pipeline
    name: str

    @property
    def house(self) -> House:
        return self.pipeline.server.registry.house

    def dataset(self, name: str) -> str:
        return f"{self.name}/{name}"

    def email(self, person: str) -> str:
        return f"{person}.{self.name}@example.org"

    def enter(self, name: str, examples: Sequence[Example], **said: Any) -> None:
        """Examples enter: a run that reads nothing writes them as batch `b`."""
        minute, batch = said.pop("minute", None), said.pop("batch", "b")
        said = {"subjectCoverage": {"keyedBy": "author"}, **said}
        said["examples"] = self.pipeline.upload_examples(self.table(examples))
        output = written(self.dataset(name), batch, **said)
        self.pipeline.run(self.dataset(f"enter-{name}"), writes=[output], minute=minute)

    def table(self, examples: Sequence[Example]) -> pa.Table:
        subject = pa.list_(pa.struct([("scheme", pa.string()), ("value", pa.string())]))
        people = [
            [{"scheme": "email", "value": self.email(each)} for each in example.people]
            for example in examples
        ]
        digests = [
            None
            if each.text is None
            else hashlib.sha256(f"{self.name}/{each.text}".encode()).digest()
            for each in examples
        ]
        return pa.table(
            {
                "digest": pa.array(digests, pa.binary(32)),
                "bytes": pa.array([each.size for each in examples], pa.int64()),
                "subjects": pa.array(people, subject),
            }
        )

    def derive(
        self, name: str, source: str, row_map: RowMap, role: str = "kept", **said: Any
    ) -> None:
        """A run makes batch `b` of another dataset's batch `b`, with a map."""
        digest = self.pipeline.upload_map(row_map)
        maps = [mapped([(self.dataset(source), "b")], digest, role)]
        output = written(self.dataset(name), "b", maps=maps, exampleCount=len(row_map), **said)
        self.run(name, [source], output)

    def run(self, name: str, reads: Sequence[str], *outputs: dict[str, Any], **said: Any) -> None:
        """A run that reads some datasets and writes something."""
        inputs = [self.dataset(each) for each in reads]
        self.pipeline.run(self.dataset(f"make-{name}"), reads=inputs, writes=outputs, **said)

    def settle(self) -> None:
        self.pipeline.settle()

    def number(self, session: Session, name: str, batch: str = "b") -> int:
        """The number of a batch."""
        dataset_id = named_id("dataset", NAMESPACE, self.dataset(name))
        query = select(_number.c.number).where(
            _number.c.dataset_id == dataset_id, _number.c.name == batch
        )
        return int(session.execute(query).scalar_one())

    def keys(self, *people: str) -> list[bytes]:
        keyring = self.house.ledger.keyring
        return [
            key
            for person in people
            for key in live_subject_keys(keyring, Scheme.EMAIL, self.email(person))
        ]

    def scope(
        self, session: Session, *people: str, rules: LoadedRules = RULES, **asked: Any
    ) -> Scope:
        """The scope of a request of these people."""
        return find_scope(
            session,
            self.house.ledger,
            self.keys(*people),
            schemes=["email"],
            rules=rules,
            at=asked.pop("at", DAY + timedelta(days=20)),
            **asked,
        )

    def erased(self, session: Session, scope: Scope) -> dict[str, list[int]]:
        """The erase set by the test's own names of datasets."""
        return self.named(session, dict(scope.erase))

    def reviewed(self, session: Session, scope: Scope) -> dict[str, dict[str, Any]]:
        """The review set by reason and dataset; "all" stands for a whole batch."""
        return {reason.value: self.named(session, marks) for reason, marks in scope.review.items()}

    def named(self, session: Session, marks: dict[int, Any]) -> dict[str, Any]:
        query = select(_number.c.number, _number.c.dataset_id)
        ids = dict(session.execute(query.where(_number.c.number.in_(list(marks)))).all())
        names = {named_id("dataset", NAMESPACE, self.dataset(name)): name for name in _NAMES}
        return {
            names[bytes(ids[number])]: "all" if rows is None else np.asarray(rows).tolist()
            for number, rows in sorted(marks.items())
        }


_NAMES = (
    *("raw", "other", "clean", "mixed", "packed", "unique", "stats", "synthetic", "out", "merged"),
    *("late", "final", "web", "echo"),
)
REASONS = tuple(Reason)
