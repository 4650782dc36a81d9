"""A changed claim gives known names to whom they belong now, and says how many."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from registry.actors.projects import add_claim, create_project, remove_claim, show_project
from registry.audit.tables import AuditEntry
from registry.catalog.owners import reassign_some
from registry.catalog.tables import Dataset, Job, NameOwner
from registry.ids import named_id
from registry.request import House
from registry.storage.columns import table_of
from registry.workers.loop import Workers

_entry, _owner = table_of(AuditEntry), table_of(NameOwner)
NAMES = [("s3://lake", f"raw/{number}") for number in range(7)] + [("s3://other", "raw/0")]


def allot(house: House, kind: str, project_id: str) -> None:
    """Names as ingestion leaves them behind."""
    table = table_of(Dataset if kind == "dataset" else Job)
    with house.database.write() as session:
        for namespace, name in NAMES:
            entity = named_id(kind, namespace, name)
            session.execute(
                table.insert().values(
                    id=entity,
                    namespace=namespace,
                    name=name,
                    created_at=house.clock(),
                    updated_at=house.clock(),
                )
            )
            session.execute(
                _owner.insert().values(entity_id=entity, kind=kind, project_id=project_id)
            )


def owned(house: House, project_id: str) -> int:
    with house.database.read() as session:
        rows = session.execute(select(_owner).where(_owner.c.project_id == project_id))
        return len(rows.all())


def moves(house: House) -> list[dict[str, Any]]:
    with house.database.read() as session:
        payloads = session.execute(
            select(_entry.c.payload)
            .where(_entry.c.kind == "catalog.names.reassigned")
            .order_by(_entry.c.id)
        ).scalars()
        return [json.loads(payload) for payload in payloads]


def project_id(house: House, name: str) -> str:
    with house.database.read() as session:
        return show_project(session, name).id


def test_known_names_move_to_their_new_owner_and_back(house: House) -> None:
    default = project_id(house, "default")
    allot(house, "dataset", default)
    allot(house, "job", default)
    with house.database.write() as session:
        speech = create_project(session, "speech", actor="ada", now=house.clock()).id
        view = add_claim(
            session, "speech", "s3://lake", name_prefix="raw/", actor="ada", now=house.clock()
        )
    assert Workers(house).work_off() == 1
    assert (owned(house, speech), owned(house, default)) == (14, 2)
    moved = [{"from": default, "to": speech, "count": 7}]
    assert moves(house) == [
        {"kind": "dataset", "looked_at": 8, "moved": moved},
        {"kind": "job", "looked_at": 8, "moved": moved},
    ]
    with house.database.write() as session:
        remove_claim(session, "speech", view.claims[0].id, actor="ada", now=house.clock())
    assert Workers(house).work_off() == 1
    assert (owned(house, speech), owned(house, default)) == (0, 16)


def test_a_second_change_before_the_worker_comes_needs_no_second_task(house: House) -> None:
    with house.database.write() as session:
        create_project(session, "speech", actor="ada", now=house.clock())
        add_claim(session, "speech", "s3://a", actor="ada", now=house.clock())
        add_claim(session, "speech", "s3://b", actor="ada", now=house.clock())
    assert Workers(house).work_off() == 1


def test_nothing_is_recorded_where_nothing_moves(house: House) -> None:
    allot(house, "dataset", project_id(house, "default"))
    with house.database.write() as session:
        create_project(session, "speech", actor="ada", now=house.clock())
        add_claim(session, "speech", "gs://elsewhere", actor="ada", now=house.clock())
    Workers(house).work_off()
    assert moves(house) == []


@pytest.mark.parametrize("limit", [1, 3, 4, 8, 100])
def test_steps_of_any_size_look_at_every_name_once(house: House, limit: int) -> None:
    allot(house, "dataset", "somebody")
    looked_at, steps = 0, 0
    after: bytes | None = b""
    while after is not None:
        with house.database.write() as session:
            after, count = reassign_some(
                session, kind="dataset", after=after, actor="ada", now=house.clock(), limit=limit
            )
        looked_at += count
        steps += 1
    assert looked_at == len(NAMES)
    assert steps == len(NAMES) // limit + 1
    assert owned(house, project_id(house, "default")) == len(NAMES)
