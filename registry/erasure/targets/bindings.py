"""Bindings: where copies of a dataset lie, which executor erases in them, and how rows are known.

Rules (issue "Erasure, the hands", 6):
1. A binding of an executor says what that needs: a table, a key column, a named credential. What it
   has no use for is refused, so that nobody believes it counted.
2. The credential is named and never given. A URL carries no user, password or query.
3. One copy is bound once. Ending a binding keeps its row; work that goes on under it finds it gone.
4. A binding of files covers every file under its URI; the one with the longest URI counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.lookup import Named
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
from registry.catalog.scope import visible
from registry.catalog.tables import Dataset
from registry.catalog.version_tables import BatchNumber
from registry.erasure.connectors.forms import KNOWN_FORMS
from registry.erasure.connectors.protocol import Executor
from registry.erasure.targets.tables import TargetBinding
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.ids import fresh_id
from registry.storage.columns import changed_rows, table_of

_binding, _dataset = table_of(TargetBinding), table_of(Dataset)
_number = table_of(BatchNumber)
_LISTING = "erasure-targets"
#: Executors whose places must lie under REGISTRY_FILE_ROOTS.
BY_ROOTS = frozenset({Executor.FILES, Executor.HUGGINGFACE, Executor.LANCE})
_COPY = "copy:"
_BY_FILE = frozenset({Executor.FILES, Executor.HUGGINGFACE})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTarget:
    """What is bound. `by_key`: the copy has an order of its own, rows are found by their keys."""

    uri: str
    executor: Executor
    form: str | None = None
    table: str | None = None
    key_column: str | None = None
    content_column: str | None = None
    by_key: bool = False
    credential: str | None = None


@dataclass(frozen=True, slots=True)
class TargetView:
    """A binding; `ended_at` is None while it holds."""

    id: str
    project_id: str
    dataset_id: bytes
    namespace: str
    name: str
    said: NewTarget
    made_by: str
    made_at: datetime
    ended_by: str | None
    ended_at: datetime | None


def add_target(
    session: Session, dataset: Named, new: NewTarget, *, project_id: str, actor: str, now: datetime
) -> TargetView:
    """Bind a copy of a dataset.

    Raises InvalidInputError (rules 1 and 2), ConflictError for a copy that is bound already.
    Effects: one entry in the journal; does not commit.
    """
    _check(new)
    same = (
        (_binding.c.dataset_id == dataset.id)
        & (_binding.c.uri == new.uri)
        & (_binding.c.executor == new.executor.value)
        & _binding.c.ended_at.is_(None)
    )
    if new.table is not None:
        same &= _binding.c.table_name == new.table
    if session.execute(select(_binding.c.id).where(same)).first() is not None:
        raise ConflictError(
            f"{new.uri} is bound to {dataset.namespace} {dataset.name} already.",
            remedy="Remove that binding first: registry target remove",
        )
    target_id = fresh_id()
    row = {
        "id": target_id,
        "project_id": project_id,
        "dataset_id": dataset.id,
        "uri": new.uri,
        "executor": new.executor.value,
        "form": new.form,
        "table_name": new.table,
        "key_column": new.key_column,
        "content_column": new.content_column,
        "by_key": int(new.by_key),
        "credential": new.credential,
        "made_by": actor,
        "made_at": now,
    }
    session.execute(insert(_binding).values(row))
    facts = {"target": target_id, "dataset": dataset.id.hex(), "executor": new.executor.value}
    append_entries(session, [Entry(EntryKind.TARGET_BOUND, actor, facts)], at=now)
    return read_target(session, target_id)


def end_target(session: Session, target_id: str, *, actor: str, now: datetime) -> TargetView:
    """End a binding (rule 3). Raises NotFoundError, ConflictError where it is ended.

    Effects: one entry in the journal; does not commit.
    """
    found = read_target(session, target_id)
    mine = (_binding.c.id == target_id) & _binding.c.ended_at.is_(None)
    values = {"ended_by": actor, "ended_at": now}
    if not changed_rows(session, update(_binding).where(mine).values(values)):
        raise ConflictError(
            f"The target {target_id} was removed at {found.ended_at:%Y-%m-%dT%H:%M:%SZ}.",
            remedy="See registry target list.",
        )
    facts = {"target": target_id, "executor": found.said.executor.value}
    append_entries(session, [Entry(EntryKind.TARGET_RELEASED, actor, facts)], at=now)
    return read_target(session, target_id)


def read_target(session: Session, target_id: str) -> TargetView:
    """One binding, ended or not. Raises NotFoundError."""
    query = _in_sight(session).where(_binding.c.id == target_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no target {target_id[:80]!r}.", remedy="See registry target list.", path="id"
        )
    return _view(row)


def list_targets(
    session: Session, cut: Cut, *, dataset_id: bytes | None = None
) -> Page[TargetView]:
    """The bindings that hold, in the order they were made; of one dataset, if given."""
    chosen: list[ColumnElement[bool]] = [_binding.c.ended_at.is_(None)]
    if dataset_id is not None:
        chosen.append(_binding.c.dataset_id == dataset_id)
    query = _in_sight(session).where(*chosen)
    total = session.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if cut.cursor is not None:
        (after,) = decode_cursor(_LISTING, cut.cursor, (str,))
        query = query.where(_binding.c.id > after)
    query = query.order_by(_binding.c.id).offset(cut.offset).limit(cut.limit + 1)
    page = page_of(session.execute(query).all(), cut, total, _LISTING, lambda row: (row.id,))
    return page.map([_view(row) for row in page.items])


def targets_of(session: Session, dataset_ids: Iterable[bytes]) -> dict[bytes, list[TargetView]]:
    """The bindings of datasets that hold, as the system sees them."""
    wanted = sorted(set(dataset_ids))
    found: dict[bytes, list[TargetView]] = {}
    for at in range(0, len(wanted), 500):
        query = _joined().where(
            _binding.c.dataset_id.in_(wanted[at : at + 500]), _binding.c.ended_at.is_(None)
        )
        for row in session.execute(query.order_by(_binding.c.id)):
            found.setdefault(bytes(row.dataset_id), []).append(_view(row))
    return found


def bound_batches(session: Session, numbers: Iterable[int]) -> set[int]:
    """Those batches whose dataset has a copy in which an executor erases."""
    wanted = sorted(set(numbers))
    found: set[int] = set()
    for at in range(0, len(wanted), 500):
        query = (
            select(_number.c.number)
            .join(_binding, _binding.c.dataset_id == _number.c.dataset_id)
            .where(
                _number.c.number.in_(wanted[at : at + 500]),
                _binding.c.ended_at.is_(None),
                _binding.c.executor != Executor.MANUAL.value,
            )
        )
        found |= set(session.execute(query).scalars())
    return found


def target_for_file(targets: Iterable[TargetView], uri: str) -> TargetView | None:
    """The binding that covers a file (rule 4); None where there is none."""
    covering = [
        each
        for each in targets
        if each.said.executor in _BY_FILE and _covers(each.said.uri, uri) and not each.said.by_key
    ]
    return max(covering, key=lambda each: len(each.said.uri), default=None)


def covers(binding: TargetView, uri: str) -> bool:
    """Whether a file lies where a binding of files says, also where its rows are found by key."""
    return binding.said.executor in _BY_FILE and _covers(binding.said.uri, uri)


def copy_name(binding: TargetView) -> str:
    """How the task of a bound copy is called."""
    return f"{_COPY}{binding.id} {binding.said.uri}"


def is_copy(target: str) -> bool:
    """Whether a task of this name stands for a bound copy."""
    return target.startswith(_COPY)


def read_bound(session: Session, target: str) -> TargetView:
    """The binding that the task of a copy is about, as the system sees it; ended or not."""
    target_id = target.removeprefix(_COPY).partition(" ")[0]
    return _view(session.execute(_joined().where(_binding.c.id == target_id)).one())


def _covers(bound: str, uri: str) -> bool:
    folder, place = _place(bound).rstrip("/"), _place(uri)
    return place == folder or place.startswith(f"{folder}/")


def _place(uri: str) -> str:
    """A URI as places are compared: a path is the same with and without `file:`."""
    split = urlsplit(uri)
    return unquote(split.path) if split.scheme == "file" else uri


def _check(new: NewTarget) -> None:
    _check_uri(new.uri, new.executor)
    needs: Mapping[str, bool] = {
        "table": new.executor is Executor.SQL,
        "key_column": new.executor in (Executor.SQL, Executor.LANCE) or new.by_key,
        "credential": new.executor in (Executor.SQL, Executor.WEBHOOK),
    }
    useless: Mapping[str, bool] = {
        "table": new.executor is not Executor.SQL,
        "form": new.executor is not Executor.FILES,
        "by_key": new.executor not in _BY_FILE,
        "content_column": new.executor not in _BY_FILE,
        "key_column": new.executor in (Executor.WEBHOOK, Executor.MANUAL),
        "credential": new.executor is Executor.MANUAL,
    }
    for name, needed in needs.items():
        if needed and not getattr(new, name):
            raise InvalidInputError(
                f"A target of {new.executor.value} needs its {name.replace('_', ' ')}.",
                remedy=f"Name the {name.replace('_', ' ')}.",
                path=name,
            )
    for name, is_useless in useless.items():
        if is_useless and getattr(new, name):
            raise InvalidInputError(
                f"A target of {new.executor.value} has no {name.replace('_', ' ')}.",
                remedy="Leave it out.",
                path=name,
            )
    if new.form is not None and new.form not in KNOWN_FORMS:
        raise InvalidInputError(
            f"{new.form[:40]!r} is no form of files.",
            remedy="Write an extension, such as parquet, arrow, jsonl.gz, csv or txt.",
            path="form",
        )


_SCHEMES = {
    Executor.FILES: ("", "file", "s3"),
    Executor.HUGGINGFACE: ("", "file", "s3"),
    Executor.LANCE: ("", "file", "s3", "gs", "az"),
    Executor.SQL: ("sql",),
    Executor.WEBHOOK: ("https", "http"),
}


def _check_uri(uri: str, executor: Executor) -> None:
    """Rule 2, and that the executor knows the kind of place. A manual target is any words."""
    if not uri.strip():
        raise InvalidInputError("A target lies somewhere.", remedy="Say where.", path="uri")
    if executor is Executor.MANUAL:
        return
    try:
        split = urlsplit(uri)
        user = split.username is not None or "@" in split.netloc
    except ValueError:
        user, split = True, urlsplit("")
    if user or split.query or split.fragment:
        raise InvalidInputError(
            "A target's address holds a user, a query or a fragment, or is none.",
            remedy="Name the place alone, and its credential by name.",
            path="uri",
        )
    if not split.scheme and "" in _SCHEMES[executor] and not uri.startswith("/"):
        raise InvalidInputError(
            f"The path {uri[:80]!r} does not say from where.",
            remedy="Write the whole path, from / on.",
            path="uri",
        )
    if split.scheme not in _SCHEMES[executor]:
        known = ", ".join(f"{scheme}://" if scheme else "a path" for scheme in _SCHEMES[executor])
        raise InvalidInputError(
            f"A target of {executor.value} cannot lie at {split.scheme}://.",
            remedy=f"It can be: {known}.",
            path="uri",
        )


def _joined() -> Any:
    columns = (*_binding.c, _dataset.c.namespace, _dataset.c.name)
    return select(*columns).join(_dataset, _dataset.c.id == _binding.c.dataset_id)


def _in_sight(session: Session) -> Any:
    return _joined().where(visible(session, "target_binding.dataset_id"))


def _view(row: Any) -> TargetView:
    said = NewTarget(
        uri=row.uri,
        executor=Executor(row.executor),
        form=row.form,
        table=row.table_name,
        key_column=row.key_column,
        content_column=row.content_column,
        by_key=bool(row.by_key),
        credential=row.credential,
    )
    return TargetView(
        row.id,
        row.project_id,
        bytes(row.dataset_id),
        row.namespace,
        row.name,
        said,
        row.made_by,
        row.made_at,
        row.ended_by,
        row.ended_at,
    )
