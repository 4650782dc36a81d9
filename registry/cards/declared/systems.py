"""AI systems and models: who provides them, what for, since when, and which versions they use.

Rules:
1. A change makes a new revision with everything that was said before and is not said anew; the
   newest counts, and none is changed. Retiring ends a system and deletes nothing.
2. What nobody said is None, which is not the same as no, or as an empty list.
3. Documentation is kept ten years from the latest day on which a system was placed on the market
   (AI Act, Art. 18(1)). Without such a day the clock has not begun.
4. A use names a dataset or model and at most one version of it. Uses of what a reader may not see
   are left out, and the reader is told that there are some.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import func, insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.tables import ENTRY
from registry.cards.declared.entries import write_entry
from registry.cards.declared.impersonal import require_impersonal
from registry.cards.declared.tables import AiSystem, AiSystemUse, SizeClass, UseRole
from registry.catalog.lookup import Named, datasets_named, version_exists
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.storage.columns import insert_unless_there, table_of

KEPT_YEARS = 10
_system, _use = table_of(AiSystem), table_of(AiSystemUse)
_FLAGS = ("code_of_practice", "continuous_training", "is_open")
_TEXTS = (
    "name",
    "version",
    "provider",
    "contact",
    "representative",
    "size_class",
    "copyright_policy",
    "intended_purpose",
    "setting",
)
#: How to reach an office is asked for; everything else names no person.
_IMPERSONAL = ("name", "version", "provider", "copyright_policy", "intended_purpose", "setting")


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model that another was made from. `uri`: where it, or its summary, is documented."""

    name: str
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class SystemUse:
    """A dataset or model (or one version of it) that a system uses, and as what."""

    dataset_id: bytes
    namespace: str
    name: str
    version: int | None
    role: UseRole


@dataclass(frozen=True, slots=True)
class AiSystemView:
    """The newest revision of a system. `market_dates`: days, from early to late.

    `uses`: those in sight; `beyond_scope` says that there are others. `audit_index`: None until the
    log has the entry of this revision.
    """

    id: str
    revision: int
    name: str
    version: str | None
    provider: str | None
    contact: str | None
    representative: str | None
    size_class: SizeClass | None
    code_of_practice: bool | None
    copyright_policy: str | None
    intended_purpose: str | None
    setting: str | None
    market_dates: tuple[date, ...] | None
    base_models: tuple[BaseModel, ...] | None
    continuous_training: bool | None
    is_open: bool | None
    retired: bool
    changed_by: str
    changed_at: datetime
    uses: tuple[SystemUse, ...]
    beyond_scope: bool
    audit_index: int | None


def systems_of(session: Session, dataset_id: bytes, version: int | None) -> list[AiSystemView]:
    """Systems, by id, that use this version, or whose model it is; for None, any version of it.

    Retired ones too, since documentation outlives them. Cost: four queries.
    """
    query = select(_use.c.id, _use.c.revision).where(_use.c.dataset_id == dataset_id)
    if version is not None:
        query = query.where(_use.c.number.is_(None) | (_use.c.number == version))
    named = {(row.id, row.revision) for row in session.execute(query)}
    found = _views(session, sorted({system_id for system_id, _ in named}))
    return [each for each in found if (each.id, each.revision) in named]


def list_systems(session: Session) -> list[AiSystemView]:
    """Every system, by id."""
    return _views(session, None)


def read_system(session: Session, system_id: str) -> AiSystemView:
    """One system. Raises NotFoundError."""
    found = _views(session, [system_id])
    if not found:
        raise NotFoundError(
            f"There is no AI system {system_id[:80]!r}.",
            remedy="See `registry ai-system list`, or record it: registry ai-system set.",
            path="id",
        )
    return found[0]


def kept_until(systems: Iterable[AiSystemView]) -> date | None:
    """Until when the documentation behind these systems is kept (rule 3). Pure."""
    days = [day for each in systems for day in each.market_dates or ()]
    if not days:
        return None
    latest = max(days)
    try:
        return latest.replace(year=latest.year + KEPT_YEARS)
    except ValueError:
        # The 29th of February; a day longer rather than a day too short.
        return date(latest.year + KEPT_YEARS, 3, 1)


def put_system(
    session: Session, system_id: str, said: Mapping[str, Any], *, actor: str, now: datetime
) -> AiSystemView:
    """Add a revision of a system (rule 1). `said`: members of `AiSystemView`; None takes one back.

    Raises InvalidInputError, ConflictError where somebody changed it just now. Effects: rows and an
    entry; does not commit.
    """
    _check(system_id, said)
    former = _newest(session, system_id)
    row = _row_of(former) | {name: _stored(name, value) for name, value in said.items()}
    if not str(row.get("name") or "").strip():
        raise InvalidInputError(
            f"{system_id[:80]!r} has no name yet.", remedy="Give its name.", path="name"
        )
    uses = [] if former is None else _use_rows(session, system_id, former.revision)
    return _add_revision(session, system_id, former, row, uses, actor=actor, now=now)


def put_use(
    session: Session,
    system_id: str,
    dataset: Named,
    version: int | None,
    role: UseRole,
    *,
    ended: bool = False,
    actor: str,
    now: datetime,
) -> AiSystemView:
    """Record that a system uses a dataset, or (`ended`) that this was wrong; the same twice is one.

    Raises NotFoundError, ConflictError. Effects as `put_system`, where it changes something.
    """
    if version is not None and not version_exists(session, dataset.id, version):
        raise NotFoundError(
            f"{dataset.namespace} {dataset.name} has no version {version}.",
            remedy="See the versions of the dataset.",
            path="version",
        )
    former = _newest(session, system_id)
    if former is None:
        return read_system(session, system_id)
    uses = _use_rows(session, system_id, former.revision)
    named = (dataset.id, version, role.value)
    if ended and named not in uses:
        raise NotFoundError(
            f"{system_id} does not use {dataset.namespace} {dataset.name} as {role}.",
            remedy="See `registry ai-system show`.",
            path="role",
        )
    if not ended and named in uses:
        return read_system(session, system_id)
    changed = [each for each in uses if each != named] + ([] if ended else [named])
    return _add_revision(session, system_id, former, _row_of(former), changed, actor=actor, now=now)


def _check(system_id: str, said: Mapping[str, Any]) -> None:
    for name in _IMPERSONAL:
        require_impersonal(said.get(name) or "", path=name)
    for each in said.get("base_models") or ():
        require_impersonal(each.name, path="base_models")
        if each.uri is not None and not each.uri.startswith(("https://", "http://")):
            raise InvalidInputError(
                f"{each.uri[:80]!r} is no link.", remedy="Begin with https://.", path="base_models"
            )
    size = said.get("size_class")
    if size is not None and size not in list(SizeClass):
        raise InvalidInputError(
            f"{str(size)[:40]!r} is no size of a provider ({system_id}).",
            remedy=f"Choose one of: {', '.join(SizeClass)}.",
            path="size_class",
        )


def _stored(name: str, value: Any) -> Any:
    """A member as its column has it."""
    if value is None:
        return 0 if name == "retired" else None
    if name == "market_dates":
        return msgspec.json.encode(sorted({day.isoformat() for day in value})).decode()
    if name == "base_models":
        return msgspec.json.encode(value).decode()
    if name in _FLAGS or name == "retired":
        return int(value)
    return str(value) or None


def _newest(session: Session, system_id: str) -> Any:
    query = select(_system).where(_system.c.id == system_id)
    return session.execute(query.order_by(_system.c.revision.desc()).limit(1)).one_or_none()


def _row_of(former: Any) -> dict[str, Any]:
    if former is None:
        return {"retired": 0}
    own = {"id", "revision", "changed_by", "changed_at", "entry_id"}
    return {name: value for name, value in former._mapping.items() if name not in own}


def _use_rows(
    session: Session, system_id: str, revision: int
) -> list[tuple[bytes, int | None, str]]:
    mine = (_use.c.id == system_id) & (_use.c.revision == revision)
    query = select(_use.c.dataset_id, _use.c.number, _use.c.role).where(mine)
    rows = session.execute(query.order_by(_use.c.position))
    return [(bytes(row.dataset_id), row.number, row.role) for row in rows]


def _add_revision(
    session: Session,
    system_id: str,
    former: Any,
    row: Mapping[str, Any],
    uses: Sequence[tuple[bytes, int | None, str]],
    *,
    actor: str,
    now: datetime,
) -> AiSystemView:
    revision = 1 if former is None else former.revision + 1
    key = {"id": system_id, "revision": revision}
    facts = {"system": system_id, "revision": revision}
    made = {
        **row,
        **key,
        "changed_by": actor,
        "changed_at": now,
        "entry_id": write_entry(session, EntryKind.AI_SYSTEM_CHANGED, facts, actor=actor, now=now),
    }
    if not insert_unless_there(session, _system, made):
        raise ConflictError(
            f"{system_id} was changed by somebody else just now.",
            remedy="Look at it, and try again.",
        )
    rows = [
        {**key, "position": position, "dataset_id": each[0], "number": each[1], "role": each[2]}
        for position, each in enumerate(uses)
    ]
    if rows:
        session.execute(insert(_use), rows)
    return read_system(session, system_id)


def _views(session: Session, ids: Sequence[str] | None) -> list[AiSystemView]:
    """The newest revisions of these systems, or of all."""
    newest = select(_system.c.id, func.max(_system.c.revision).label("revision"))
    if ids is not None:
        newest = newest.where(_system.c.id.in_(ids))
    last = newest.group_by(_system.c.id).subquery()
    same = (_system.c.id == last.c.id) & (_system.c.revision == last.c.revision)
    query = (
        select(_system, ENTRY.c.leaf_index)
        .join(last, same)
        .outerjoin(ENTRY, ENTRY.c.id == _system.c.entry_id)
        .order_by(_system.c.id)
    )
    rows = session.execute(query).all()
    at = (_use.c.id == last.c.id) & (_use.c.revision == last.c.revision)
    found = session.execute(select(_use).join(last, at).order_by(_use.c.id, _use.c.position)).all()
    names = datasets_named(session, {bytes(each.dataset_id) for each in found})
    uses: dict[str, list[SystemUse]] = {}
    hidden = {each.id for each in found if bytes(each.dataset_id) not in names}
    for each in found:
        thing = names.get(bytes(each.dataset_id))
        if thing is not None:
            use = SystemUse(*thing, each.number, UseRole(each.role))
            uses.setdefault(each.id, []).append(use)
    return [_view(row, tuple(uses.get(row.id, ())), row.id in hidden) for row in rows]


def _view(row: Any, uses: tuple[SystemUse, ...], beyond_scope: bool) -> AiSystemView:
    flags: dict[str, Any] = {
        name: None if getattr(row, name) is None else bool(getattr(row, name)) for name in _FLAGS
    }
    days = None if row.market_dates is None else msgspec.json.decode(row.market_dates)
    models = row.base_models
    return AiSystemView(
        id=row.id,
        revision=row.revision,
        **{name: getattr(row, name) for name in _TEXTS if name != "size_class"},
        size_class=None if row.size_class is None else SizeClass(row.size_class),
        **flags,
        market_dates=None if days is None else tuple(map(date.fromisoformat, days)),
        base_models=None
        if models is None
        else msgspec.json.decode(models, type=tuple[BaseModel, ...]),
        retired=bool(row.retired),
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        uses=uses,
        beyond_scope=beyond_scope,
        audit_index=row.leaf_index,
    )
