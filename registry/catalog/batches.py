"""Reads the batches of a dataset: what their producers said of them, and where their rows lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import func, select, tuple_
from sqlmodel import Session

from registry.catalog.lookup import Named
from registry.catalog.paging import Cut, Page, decode_cursor, encode_cursor, page_of
from registry.catalog.version_tables import Batch, BatchFile
from registry.catalog.versions import membership
from registry.storage.columns import table_of

_batch, _file = table_of(Batch), table_of(BatchFile)
_LISTING, _VERSION_LISTING = "batches", "version-batches"


class FileView(NamedTuple):
    """A file of a batch; `first_ordinal` is None where rows before it were not counted."""

    uri: str
    sha256: str | None
    rows: int | None
    first_ordinal: int | None


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch. None is what its producer did not say."""

    number: int
    name: str
    run_id: bytes
    wins: bytes
    effective_at: datetime
    mode: str | None
    partition: str | None
    origin_kind: str | None
    origin_uri: str | None
    origin_description: str | None
    collected_from: datetime | None
    collected_until: datetime | None
    license: str | None
    legal_basis: str | None
    special_category_condition: str | None
    purposes: tuple[str, ...] | None
    region: str | None
    classification: str | None
    personal_data: str | None
    example_count: int | None
    examples_object: str | None
    examples_url: str | None
    subject_coverage: dict[str, object] | None
    files: tuple[FileView, ...]


def list_batches(
    session: Session, dataset: Named, cut: Cut, *, version: int | None = None
) -> Page[BatchView]:
    """The batches of a dataset in the order of their numbers, or the members of a version in its
    order.
    """
    if version is not None:
        return _members(session, dataset, cut, version)
    mine = _batch.c.dataset_id == dataset.id
    query = select(_batch).where(mine)
    if cut.cursor is not None:
        (number,) = decode_cursor(_LISTING, cut.cursor, (int,))
        query = query.where(_batch.c.number > number)
    query = query.order_by(_batch.c.number).offset(cut.offset).limit(cut.limit + 1)
    rows = session.execute(query).all()
    total = session.execute(select(func.count()).select_from(_batch).where(mine)).scalar_one()
    page = page_of(rows, cut, total, _LISTING, lambda row: (row.number,))
    return page.map(_views(session, page.items))


def _members(session: Session, dataset: Named, cut: Cut, version: int) -> Page[BatchView]:
    """A page of a version's batches; it never changes, so its cursor is a position."""
    numbers = membership(session, dataset.id, version)
    start = 0
    if cut.cursor is not None:
        begin, position = decode_cursor(_VERSION_LISTING, cut.cursor, (int, int))
        start = max(int(position), 0) if begin == version else len(numbers)
    start += cut.offset
    end = start + cut.limit
    wanted = numbers[start:end]
    rows = session.execute(select(_batch).where(_batch.c.number.in_(wanted))).all()
    place = {number: index for index, number in enumerate(wanted)}
    views = _views(session, sorted(rows, key=lambda row: place[row.number]))
    more = encode_cursor(_VERSION_LISTING, (version, end)) if end < len(numbers) else None
    return Page(tuple(views), len(numbers), more)


def _views(session: Session, rows: Sequence[Any]) -> list[BatchView]:
    files = _files(session, rows)
    return [
        BatchView(
            row.number,
            row.name,
            row.run_id,
            row.wins,
            row.effective_at,
            row.mode,
            row.partition,
            row.origin_kind,
            row.origin_uri,
            row.origin_description,
            row.collected_from,
            row.collected_until,
            row.license,
            row.legal_basis,
            row.special_category_condition,
            _purposes(row.purposes),
            row.region,
            row.classification,
            row.personal_data,
            row.example_count,
            row.examples_object,
            row.examples_url,
            _object(row.subject_coverage),
            tuple(files.get((row.dataset_id, row.run_id, row.name), ())),
        )
        for row in rows
    ]


def _files(session: Session, rows: Sequence[Any]) -> dict[tuple[bytes, bytes, str], list[FileView]]:
    """The files of these batches in order, of the event alone that the batch was taken from."""
    key = tuple_(_file.c.dataset_id, _file.c.run_id, _file.c.batch_name, _file.c.wins)
    wanted = [(row.dataset_id, row.run_id, row.name, row.wins) for row in rows]
    found: dict[tuple[bytes, bytes, str], list[FileView]] = {}
    for start in range(0, len(wanted), 200):  # SQLite binds 32,766 values in one statement at most
        query = select(_file).where(key.in_(wanted[start : start + 200]))
        for row in session.execute(query.order_by(_file.c.position)):
            view = FileView(row.uri, row.sha256, row.rows, row.first_ordinal)
            found.setdefault((row.dataset_id, row.run_id, row.batch_name), []).append(view)
    return found


def _purposes(payload: str | None) -> tuple[str, ...] | None:
    value = _json(payload)
    if not isinstance(value, list):
        return None
    return tuple(item for item in value if isinstance(item, str))


def _object(payload: str | None) -> dict[str, object] | None:
    value = _json(payload)
    return value if isinstance(value, dict) else None


def _json(payload: str | None) -> object:
    try:
        return msgspec.json.decode(payload) if payload else None
    except msgspec.MsgspecError:
        return None
