"""Who answers for the data and for what is made of it: the register, and who may read and got it.

Rules:
1. An activity of the register concerns a version where a share of it names the activity, or where
   the purposes of both meet. Where its batches name no purpose, every activity in force is listed,
   and the note says so.
2. What stands in the register a person declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlmodel import Session

from registry.actors.bindings import EVERY_PROJECT, NO_SCOPE
from registry.actors.tables import RoleBinding
from registry.cards.facts.duties import purposes_of
from registry.cards.facts.making import (
    Basis,
    Row,
    basis,
    known,
    latest,
    missing,
    not_recorded,
    table,
)
from registry.cards.facts.world import World
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade, State
from registry.catalog.tables import NameOwner
from registry.rights.purposes import Purposes
from registry.rights.register import Revised, list_activities, list_recipients
from registry.rights.tables import Share
from registry.storage.columns import table_of

_share, _binding, _owner = table_of(Share), table_of(RoleBinding), table_of(NameOwner)


def people_facts(
    session: Session, world: World, purposes: Purposes, now: datetime
) -> Iterator[Fact]:
    """The facts named `controller.…` and `access.…`."""
    shares = _shares(session, world)
    yield from _controller(session, world, purposes, shares)
    yield _roles(session, world, now)
    note = "A refusal is recorded without the name that was asked for; the audit log has them all."
    yield missing("access.denied", State.NOT_APPLICABLE, note)
    yield _recipients(session, shares)


def _shares(session: Session, world: World) -> Sequence[Any]:
    found: list[Any] = []
    for dataset, number in {(world.target.dataset, world.target.number), *world.target.versions}:
        mine = (_share.c.dataset_id == dataset.id) & (_share.c.number == number)
        found += session.execute(select(_share).where(mine)).all()
    return sorted(found, key=lambda row: (row.shared_at, row.recipient_id, row.id))


def _controller(
    session: Session, world: World, purposes: Purposes, shares: Sequence[Any]
) -> Iterator[Fact]:
    listed = [each for each in list_activities(session) if not each.retired]
    named = purposes_of(world)
    covering = {name for each in named for name in _covering(purposes, each)}
    shared = {row.activity_id for row in shares}
    mine = [
        each
        for each in listed
        if not named or each.id in shared or covering & set(map(str, each.said["purposes"]))
    ]
    note = None
    if not named and mine:
        note = "Its batches name no purpose, so every activity of the register is listed."
    on = _revised(mine)
    names = sorted({str(each.said["controller"]) for each in mine if each.said["controller"]})
    if names:
        yield known("controller.name", "; ".join(names), Grade.DECLARED, on, note)
    else:
        yield not_recorded("controller.name")
    if mine:
        rows = [_activity(each) for each in mine]
        yield table("controller.activities", rows, Grade.DECLARED, on, note=note)
    else:
        yield not_recorded("controller.activities", "No activity of the register has its purposes.")


def _covering(purposes: Purposes, name: str) -> set[str]:
    return {name, *purposes.covering(name)} if name in purposes else {name}


def _revised(entries: Sequence[Revised]) -> Basis:
    things = [Evidence(EvidenceKind.ACTIVITY, f"{each.id}/{each.revision}") for each in entries]
    return basis(things, latest(*(each.changed_at for each in entries)))


def _activity(each: Revised) -> Row:
    said = each.said

    def listed(name: str) -> str | None:
        return "; ".join(map(str, said[name])) or None

    return (
        each.id,
        str(said["name"]),
        said["legal_basis"],
        listed("purposes"),
        listed("subject_categories"),
        listed("data_categories"),
        listed("recipients"),
        listed("transfers"),
        said["time_limits"],
        said["security"],
        said["dpia"],
    )


def _roles(session: Session, world: World, now: datetime) -> Fact:
    """How many accounts have each role where the dataset is, or for its lineage."""
    owner = session.execute(
        select(_owner.c.project_id).where(_owner.c.entity_id == world.target.dataset.id)
    ).scalar_one_or_none()
    ends = or_(_binding.c.expires_at.is_(None), _binding.c.expires_at > now)
    here = _binding.c.project_id.in_([EVERY_PROJECT, owner or EVERY_PROJECT])
    about = _binding.c.scope_id.in_([NO_SCOPE, world.target.dataset.id])
    query = (
        select(_binding.c.role, func.count(_binding.c.account_id.distinct()))
        .where(ends, here, about)
        .group_by(_binding.c.role)
        .order_by(_binding.c.role)
    )
    rows: list[Row] = [(role, int(count)) for role, count in session.execute(query)]
    return table("access.roles", rows, Grade.MEASURED)


def _recipients(session: Session, shares: Sequence[Any]) -> Fact:
    people = {each.id: each.said for each in list_recipients(session)}
    rows: list[Row] = []
    for row in shares:
        said = people.get(row.recipient_id, {})
        rows.append(
            (
                str(said.get("name") or row.recipient_id),
                said.get("kind"),
                said.get("country"),
                said.get("region"),
                row.purpose,
                row.shared_at,
                row.terms,
            )
        )
    on = basis([], latest(*(row.recorded_at for row in shares)))
    note = None if rows else "Nobody recorded that it was handed on."
    return table("access.recipients", rows, Grade.DECLARED, on, note=note)
