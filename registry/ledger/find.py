"""Finds the addresses that a question means: by example id, digest, content or address.

Rules:
1. Only bound batches count, and of them only what was not erased.
2. An id, digest or content names the example where it entered. Where the question names another
   dataset, what that example became there is meant.
3. Content is hashed and forgotten.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlmodel import Session

from registry.catalog.scope import visible
from registry.catalog.tables import Dataset
from registry.catalog.version_tables import Batch, DatasetVersion
from registry.errors import InvalidInputError, NotFoundError
from registry.ids import named_id
from registry.ledger.addresses import pack, unpack
from registry.ledger.closure import Sets, push_forward
from registry.ledger.erasing import erased_error, without_holes
from registry.ledger.opened import Ledger
from registry.ledger.plan import members_of
from registry.ledger.tables import BatchBinding, BindingState
from registry.storage.columns import table_of

_dataset, _batch, _version = table_of(Dataset), table_of(Batch), table_of(DatasetVersion)
_binding = table_of(BatchBinding)


@dataclass(frozen=True, slots=True)
class Question:
    """Which example is meant; one of the four is given. `version` None: the current one."""

    namespace: str
    name: str
    version: int | None = None
    example_id: str | None = None
    digest: bytes | None = None
    content: bytes | None = None
    address: tuple[int | str, int] | None = None


def find_addresses(session: Session, ledger: Ledger, question: Question) -> list[tuple[int, int]]:
    """The addresses that a question means, sorted; at least one.

    Raises NotFoundError where nothing fits, ErasedError where what did was erased,
    InvalidInputError where not exactly one thing is asked.
    """
    members = version_members(session, question.namespace, question.name, question.version)
    if question.address is not None:
        return [_by_address(session, question, members)]
    entered = _entered(session, ledger, question)
    reached = {n: o for n, o in entered.items() if n in members}
    if entered and not reached:
        pushed = push_forward(session, ledger.graph, entered).reached
        reached = {n: o for n, o in pushed.items() if n in members}
    inside = without_holes(session, reached)
    if reached and not inside:
        raise erased_error(min(reached))
    found = [(n, int(row)) for n, o in sorted(inside.items()) for row in o.tolist()]
    if not found:
        raise NotFoundError(
            f"{question.namespace} {question.name} holds no such example.",
            remedy="Look at the dataset, the version, and whether its batches are bound.",
        )
    return found


def version_members(
    session: Session, namespace: str, name: str, version: int | None
) -> dict[int, None]:
    """The batch numbers of a version in membership order; of the current one for None.

    A dataset without versions has the batches that were written to it. Raises NotFoundError, also
    for a dataset out of sight.
    """
    dataset_id = named_id("dataset", namespace, name)
    there = select(_dataset.c.id).where(_dataset.c.id == dataset_id, visible(session, "dataset.id"))
    if session.execute(there).first() is None:
        raise NotFoundError(
            f"There is no dataset {namespace} {name}.", remedy="See: registry datasets list."
        )
    wanted = version if version is not None else current_version(session, dataset_id)
    if wanted is None:
        rows = session.execute(
            select(_batch.c.number)
            .where(_batch.c.dataset_id == dataset_id)
            .order_by(_batch.c.number)
        )
        return dict.fromkeys(rows.scalars())
    members = members_of(session, dataset_id, wanted)
    if members is None:
        raise NotFoundError(
            f"{namespace} {name} has no version {wanted}.",
            remedy="See its versions: registry datasets show.",
        )
    return dict.fromkeys(members)


def current_version(session: Session, dataset_id: bytes) -> int | None:
    """The last version of the line that began last; None where there is no version."""
    line = session.execute(
        select(_version.c.line)
        .where(_version.c.dataset_id == dataset_id, _version.c.number == _version.c.line)
        .order_by(_version.c.completed_at.desc(), _version.c.number.desc())
        .limit(1)
    ).scalar_one_or_none()
    if line is None:
        return None
    last = session.execute(
        select(func.max(_version.c.number)).where(
            _version.c.dataset_id == dataset_id, _version.c.line == line
        )
    ).scalar_one()
    return int(last)


def _by_address(session: Session, question: Question, members: dict[int, None]) -> tuple[int, int]:
    if question.address is None:
        raise AssertionError("asked by address")
    batch, ordinal = question.address
    dataset_id = named_id("dataset", question.namespace, question.name)
    query = select(_batch.c.number, _batch.c.name).where(_batch.c.dataset_id == dataset_id)
    if isinstance(batch, int):
        query = query.where(_batch.c.number == batch)
    else:
        query = query.where(_batch.c.name == batch)
    numbers = sorted(session.execute(query).scalars())
    if not numbers:
        raise NotFoundError(
            f"{question.namespace} {question.name} has no batch {str(batch)[:80]!r}.",
            remedy="See its batches; a batch is named by its name or number.",
        )
    inside = [number for number in numbers if number in members] or numbers
    if len(inside) > 1 and not isinstance(batch, int):
        raise InvalidInputError(
            f"{len(inside)} batches are called {batch[:80]!r}: {', '.join(map(str, inside[:10]))}.",
            remedy="Name the batch by its number.",
            path="address.batch",
        )
    return inside[-1], ordinal


def _entered(session: Session, ledger: Ledger, question: Question) -> Sets:
    """Where examples with that identity entered, in bound batches."""
    if question.example_id is not None:
        hits = ledger.index.find_ids([question.example_id])
    else:
        digest = question.digest
        if question.content is not None:
            digest = hashlib.sha256(question.content).digest()
        if digest is None:
            raise InvalidInputError(
                "The question names no example.",
                remedy="Give example_id, digest, content or address.",
            )
        hits = ledger.index.find_digests([ledger.digests.keyed(digest)])
    return bound_sets(session, hits.addresses, also_erased=True)


def bound_sets(
    session: Session,
    addresses: np.ndarray[tuple[int], np.dtype[np.uint64]],
    *,
    also_erased: bool = False,
) -> Sets:
    """Addresses as sorted ordinals for each batch, of bound batches only (rule 1).

    `also_erased`: those too that were erased, of which the index may still know for a while.
    """
    numbers, ordinals = unpack(np.unique(addresses))
    wanted = np.unique(numbers).tolist()
    bound: set[int] = set()
    for start in range(0, len(wanted), 10_000):
        chunk = wanted[start : start + 10_000]
        rows = session.execute(
            select(_binding.c.number).where(
                _binding.c.number.in_(chunk), _binding.c.state == BindingState.BOUND
            )
        )
        bound.update(rows.scalars())
    found = {n: ordinals[numbers == n] for n in wanted if n in bound}
    return found if also_erased else without_holes(session, found)


def sets_size(sets: Sets) -> int:
    """How many examples a set holds."""
    return sum(int(ordinals.size) for ordinals in sets.values())


def addresses_of(sets: Sets) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A set as sorted addresses."""
    parts = [pack(number, ordinals) for number, ordinals in sorted(sets.items())]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)
