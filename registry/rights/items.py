"""What a hold or another duty is about: a dataset, a version, a batch, an address or a person.

Rules:
1. A dataset is found by each of its names and kept by the id it goes by, so that a duty holds over
   all aliases.
2. A person is kept as a subject key, never as the identifier.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.lookup import find_dataset, version_exists
from registry.catalog.version_tables import BatchNumber
from registry.errors import InvalidInputError, NotFoundError
from registry.keys.identifiers import Scheme
from registry.keys.keyring import Keyring
from registry.keys.subjects import new_subject_key
from registry.keys.tables import Purpose
from registry.keys.versions import require_live
from registry.rights.tables import ItemKind
from registry.storage.columns import table_of

_number = table_of(BatchNumber)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing; which members are set follows from `kind`."""

    kind: ItemKind
    dataset_id: bytes | None = None
    number: int | None = None
    batch_number: int | None = None
    ordinal: int | None = None
    subject_key: bytes | None = None
    key_version: int | None = None


@dataclass(frozen=True, slots=True)
class ItemAsked:
    """An item as somebody names it: a dataset by name with at most a version or a batch (name or
    number) and an ordinal, or a person by (scheme, identifier).
    """

    namespace: str | None = None
    name: str | None = None
    version: int | None = None
    batch: str | int | None = None
    ordinal: int | None = None
    subject: tuple[str, str] | None = None


def find_item(session: Session, keyring: Keyring, asked: ItemAsked, *, path: str) -> Item:
    """The item that is meant. Raises NotFoundError, or InvalidInputError for one named badly.

    Effects: a subject key's version is held in this transaction, so it must be a writing one.
    """
    if asked.subject is not None:
        if asked.namespace is not None or asked.name is not None:
            raise _unclear("an item is a dataset or a person, not both", path)
        scheme, value = asked.subject
        made = new_subject_key(keyring, scheme_of(scheme, path=path), value, path=path)
        require_live(session, Purpose.SUBJECT, made.version)
        return Item(ItemKind.SUBJECT, subject_key=made.key, key_version=made.version)
    if asked.namespace is None or asked.name is None:
        raise _unclear("an item names a dataset or a person", path)
    dataset = find_dataset(session, asked.namespace, asked.name)
    if asked.version is not None:
        if asked.batch is not None or asked.ordinal is not None:
            raise _unclear("an item names a version or a batch, not both", path)
        if not version_exists(session, dataset.id, asked.version):
            raise NotFoundError(
                f"{asked.namespace} {asked.name} has no version {asked.version}.",
                remedy="See the versions of the dataset.",
                path=path,
            )
        return Item(ItemKind.VERSION, dataset_id=dataset.id, number=asked.version)
    if asked.batch is None:
        if asked.ordinal is not None:
            raise _unclear("an ordinal needs its batch", path)
        return Item(ItemKind.DATASET, dataset_id=dataset.id)
    batch = find_batch(session, dataset.id, asked.batch, path=path)
    kind = ItemKind.BATCH if asked.ordinal is None else ItemKind.ADDRESS
    return Item(kind, dataset_id=dataset.id, batch_number=batch, ordinal=asked.ordinal)


def find_batch(session: Session, dataset_id: bytes, batch: str | int, *, path: str) -> int:
    """The number of a batch of the dataset, by number or by a name that only one has.

    Raises NotFoundError, or InvalidInputError where several batches have the name.
    """
    query = select(_number.c.number).where(_number.c.dataset_id == dataset_id)
    named = _number.c.name == batch if isinstance(batch, str) else _number.c.number == batch
    found = list(session.execute(query.where(named).order_by(_number.c.number)).scalars())
    if not found:
        raise NotFoundError(
            f"The dataset has no batch {str(batch)[:80]!r}.",
            remedy="See the batches of the dataset.",
            path=path,
        )
    if len(found) > 1:
        shown = ", ".join(map(str, found[:5]))
        raise InvalidInputError(
            f"{len(found)} batches of the dataset are named {str(batch)[:80]!r}: {shown}.",
            remedy="Give the number of the one you mean.",
            path=path,
        )
    return int(found[0])


def scheme_of(text: str, *, path: str) -> Scheme:
    """The scheme of an identifier. Raises InvalidInputError for one there is not."""
    if text not in list(Scheme):
        raise InvalidInputError(
            f"There is no scheme {text[:40]!r}.",
            remedy=f"Choose one of: {', '.join(Scheme)}.",
            path=path,
        )
    return Scheme(text)


def _unclear(why: str, path: str) -> InvalidInputError:
    return InvalidInputError(
        f"It is not clear what is meant: {why}.",
        remedy="Give namespace and name with at most a version or a batch, or a subject.",
        path=path,
    )
