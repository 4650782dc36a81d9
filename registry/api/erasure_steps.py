"""Does one step of a case for an actor: in their sight, in one transaction, and shows the case."""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session

from registry.actors.accounts import Actor
from registry.api import erasure_answers as answers
from registry.erasure.case.cases import Case
from registry.erasure.case.intake import day_of
from registry.policy.actions import Action
from registry.request import House, see_as
from registry.wire.erasure import RequestDetail

Work = Callable[[Session], Case]


def worked(
    house: House, actor: Actor, work: Work, action: Action = Action.PROCESS_ERASURE
) -> RequestDetail:
    """Do one step of a case that is in the actor's sight."""

    def step(session: Session) -> RequestDetail:
        see_as(session, house, actor, action)
        case = work(session)
        return answers.detailed(session, case, day_of(house.clock()))

    return house.database.transact(step)
