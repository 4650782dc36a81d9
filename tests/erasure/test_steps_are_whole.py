"""Every step of a case is one transaction: it fails and nothing is kept, or is kept and repeats
harmlessly.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session

from registry.audit.tables import AuditEntry
from registry.erasure import tables
from registry.erasure.case.approve import (
    approve_plan,
    cancel_request,
    deny_request,
    extend_deadline,
)
from registry.erasure.case.identity import ask_information, take_answer, verify_identity
from registry.erasure.case.intake import file_request
from registry.erasure.case.shred import shred_request
from registry.erasure.lifecycle import Right
from registry.errors import ConflictError
from registry.keys.tables import RECORD_KEY
from registry.request import House
from registry.rights.tables import ConsentEvent, Restriction
from registry.storage.columns import table_of
from tests.erasure.filing import APPROVER, FILER, desk_of, file, filing, unverified
from tests.erasure.test_decisions import planned

Step = Callable[[Session], Any]
TABLES = (
    tables.ErasureRequest,
    tables.ErasureIdentifier,
    tables.ErasureStep,
    tables.ErasureTask,
    tables.ErasureLetter,
    AuditEntry,
    Restriction,
    ConsentEvent,
)


class LostError(Exception):
    """The process that did the step is gone before it could commit."""


def everything(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that a step may write, without what is random in it."""
    with house.database.read() as session:
        found = {
            model.__name__: [tuple(row) for row in session.execute(select(table_of(model)))]
            for model in TABLES
        }
        found["RecordKey"] = [tuple(row) for row in session.execute(select(RECORD_KEY))]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def at(house: House) -> dict[str, Any]:
    """Who does a step, and when."""
    return {"actor": FILER, "now": house.clock()}


def filing_step(house: House) -> Step:
    asked = filing(reference="T-1", right=Right.OBJECTION)
    return lambda session: file_request(session, desk_of(house), asked, project_id="p", **at(house))


def verify_step(house: House) -> Step:
    case = unverified(house)
    return lambda session: verify_identity(
        session, desk_of(house), case.id, method="called back", **at(house)
    )


def ask_step(house: House) -> Step:
    case = unverified(house)
    return lambda session: ask_information(
        session, desk_of(house), case.id, question="When?", **at(house)
    )


def answer_step(house: House) -> Step:
    case = unverified(house)
    house.database.transact(
        lambda session: ask_information(
            session, desk_of(house), case.id, question="When?", **at(house)
        )
    )
    return lambda session: take_answer(
        session, desk_of(house), case.id, answer="In May.", **at(house)
    )


def extend_step(house: House) -> Step:
    case = file(house).case
    return lambda session: extend_deadline(
        session, desk_of(house), case.id, reasons="forty copies", **at(house)
    )


def approve_step(house: House) -> Step:
    case = file(house).case
    plan = planned(house, case.id)
    return lambda session: approve_plan(
        session, case.id, plan=plan, actor=APPROVER, now=house.clock()
    )


def deny_step(house: House) -> Step:
    case = file(house, reference="a").case
    file(house, reference="b")
    return lambda session: deny_request(
        session,
        desk_of(house),
        case.id,
        justification="ProcessExcessive",
        reasons="again",
        actor=APPROVER,
        now=house.clock(),
    )


def cancel_step(house: House) -> Step:
    case = file(house, reference="a").case
    file(house, reference="b")
    return lambda session: cancel_request(
        session, desk_of(house), case.id, reasons="withdrawn", **at(house)
    )


def shred_step(house: House) -> Step:
    case = file(house).case
    house.database.transact(
        lambda session: cancel_request(
            session, desk_of(house), case.id, reasons="withdrawn", **at(house)
        )
    )
    return lambda session: shred_request(session, house.keyring, case.id, **at(house))


STEPS = (
    filing_step,
    verify_step,
    ask_step,
    answer_step,
    extend_step,
    approve_step,
    deny_step,
    cancel_step,
    shred_step,
)


@pytest.mark.parametrize("prepare", STEPS)
def test_a_step_is_kept_whole_or_not_at_all(house: House, prepare: Callable[[House], Step]) -> None:
    step = prepare(house)
    before = everything(house)

    def lost(session: Session) -> None:
        step(session)
        session.flush()
        raise LostError

    with pytest.raises(LostError):
        house.database.transact(lost)
    assert everything(house) == before
    house.database.transact(step)
    after = everything(house)
    assert after != before
    # It was kept, and whoever asked did not hear of it: they ask again.
    with contextlib.suppress(ConflictError):
        house.database.transact(step)
    again = everything(house)
    if prepare is ask_step:
        # A question may be asked twice; everything else is as it was.
        for name in ("ErasureStep", "AuditEntry"):
            assert len(again[name]) == len(after[name]) + 1
            again[name] = after[name]
    assert again == after
