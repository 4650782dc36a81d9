"""Decisions follow bindings and rules, and changes of either are seen in time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from registry.actors.accounts import SYSTEM, create_token
from registry.actors.bindings import (
    EVERY_PROJECT,
    Grant,
    account_id_of,
    grant_role,
    list_bindings,
    project_id_of,
    remove_binding,
)
from registry.actors.projects import create_project
from registry.actors.tables import Role
from registry.errors import ConflictError, InvalidInputError, PolicyError
from registry.files import shipped
from registry.policy.access import Access
from registry.policy.actions import Action
from registry.storage.database import Database
from tests.clock import FrozenClock

CONFLICTS = frozenset({frozenset({Role.PIPELINE, Role.APPROVER})})


class Town:
    """Projects `default`, `speech` and `vision`, and accounts that are made as they are named."""

    def __init__(self, database: Database, clock: FrozenClock) -> None:
        self.database, self.clock = database, clock
        self.access = Access(database, clock, shipped("policies"))
        with database.write() as session:
            for name in ("default", "speech", "vision"):
                create_project(session, name, actor=SYSTEM, now=clock())

    def project(self, name: str) -> str:
        with self.database.read() as session:
            return project_id_of(session, name)

    def account(self, name: str) -> str:
        with self.database.read() as session:
            return account_id_of(session, name)

    def bind(
        self, name: str, role: Role, project: str = "speech", *, ends_in: timedelta | None = None
    ) -> str:
        with self.database.write() as session:
            if not self._is_known(session, name):
                create_token(
                    session,
                    name=name,
                    roles=frozenset({Role.VIEWER}),
                    project="default",
                    actor=SYSTEM,
                    now=self.clock(),
                )
            until = None if ends_in is None else self.clock() + ends_in
            grant = Grant(
                account_id_of(session, name), project_id_of(session, project), role, until
            )
            now = self.clock()
            return grant_role(session, grant, conflicts=CONFLICTS, actor=SYSTEM, now=now)

    def _is_known(self, session: Session, name: str) -> bool:
        return any(one.account == name for one in list_bindings(session, now=self.clock()))

    def may(self, name: str, action: Action, project: str = "speech") -> bool:
        return self.access.allows(self.account(name), self.project(project), action)


@pytest.fixture
def town(database: Database, frozen_clock: FrozenClock) -> Town:
    return Town(database, frozen_clock)


@pytest.fixture
def rules_of(
    database: Database, frozen_clock: FrozenClock, tmp_path: Path
) -> Callable[[str], Access]:
    """`rules_of("p, …")`: decisions by the shipped rules and these lines."""

    def make(lines: str) -> Access:
        folder = tmp_path / "policies"
        shutil.copytree(shipped("policies"), folder, dirs_exist_ok=True)
        with (folder / "roles.csv").open("a") as file:
            file.write(lines)
        return Access(database, frozen_clock, folder)

    return make


def test_a_role_holds_in_its_project_alone(town: Town) -> None:
    town.bind("ada", Role.STEWARD, "speech")
    assert town.may("ada", Action.WRITE_LINEAGE, "speech")
    assert not town.may("ada", Action.WRITE_LINEAGE, "vision")
    assert not town.may("ada", Action.PROCESS_ERASURE, "speech")


def test_a_role_in_every_project_holds_in_new_ones_too(town: Town) -> None:
    town.bind("ada", Role.STEWARD, EVERY_PROJECT)
    assert town.may("ada", Action.WRITE_LINEAGE, "vision")
    with town.database.write() as session:
        create_project(session, "later", actor=SYSTEM, now=town.clock())
    assert town.may("ada", Action.WRITE_LINEAGE, "later")


def test_an_administrator_is_one_everywhere_and_nothing_else(town: Town) -> None:
    town.bind("root", Role.ADMINISTRATOR, "speech")
    assert town.may("root", Action.ADMINISTER, "vision")
    assert not town.may("root", Action.WRITE_LINEAGE, "speech")
    assert town.access.reach(town.account("root"), Action.READ_CATALOG).projects is None


def test_a_binding_ends_by_itself(town: Town) -> None:
    town.bind("ada", Role.STEWARD, ends_in=timedelta(hours=1))
    assert town.may("ada", Action.WRITE_LINEAGE)
    town.clock.advance(minutes=60)
    assert not town.may("ada", Action.WRITE_LINEAGE)


def test_a_change_elsewhere_is_seen_within_a_second(town: Town) -> None:
    bound = town.bind("ada", Role.STEWARD)
    assert town.may("ada", Action.WRITE_LINEAGE)
    assert town.access.known(town.account("ada"), town.project("speech"), Action.WRITE_LINEAGE)
    with town.database.write() as session:  # as another process does
        remove_binding(session, bound, actor=SYSTEM, now=town.clock())
    town.clock.advance(seconds=1)
    assert not town.access.known(town.account("ada"), town.project("speech"), Action.WRITE_LINEAGE)
    assert not town.may("ada", Action.WRITE_LINEAGE)


def test_a_new_right_works_at_once(town: Town) -> None:
    town.bind("ada", Role.VIEWER)
    assert not town.may("ada", Action.WRITE_LINEAGE)
    town.bind("ada", Role.STEWARD)
    assert town.may("ada", Action.WRITE_LINEAGE)


def test_reach_names_the_projects_where_a_role_permits(town: Town) -> None:
    town.bind("ada", Role.AUDITOR, "speech")
    town.bind("ada", Role.VIEWER, "vision")
    reads = town.access.reach(town.account("ada"), Action.READ_CATALOG).projects
    assert reads == {town.project(name) for name in ("default", "speech", "vision")}
    traces = town.access.reach(town.account("ada"), Action.TRACE_EXAMPLES).projects
    assert traces == {town.project("speech")}
    assert town.access.reach("nobody", Action.READ_CATALOG).is_nowhere


def test_a_denial_outweighs_every_permission(town: Town, rules_of: Callable[[str], Access]) -> None:
    access = rules_of("p, auditor, speech, lineage, write, deny\n")
    town.bind("ada", Role.STEWARD, EVERY_PROJECT)
    ada = town.account("ada")
    assert access.allows(ada, town.project("speech"), Action.WRITE_LINEAGE)
    town.bind("ada", Role.AUDITOR, "speech")
    town.clock.advance(seconds=1)
    assert not access.allows(ada, town.project("speech"), Action.WRITE_LINEAGE)
    assert access.allows(ada, town.project("vision"), Action.WRITE_LINEAGE)


def test_nobody_holds_both_roles_of_a_conflicting_pair(town: Town) -> None:
    town.bind("ada", Role.PIPELINE, "speech")
    for project in ("speech", EVERY_PROJECT):
        with pytest.raises(ConflictError, match="ada is pipeline and cannot be approver"):
            town.bind("ada", Role.APPROVER, project)
    town.bind("ada", Role.APPROVER, "vision")
    town.bind("bob", Role.APPROVER, EVERY_PROJECT)
    with pytest.raises(ConflictError, match="bob is approver"):
        town.bind("bob", Role.PIPELINE, "vision")


def test_a_conflicting_role_that_has_ended_is_no_hindrance(town: Town) -> None:
    town.bind("ada", Role.PIPELINE, ends_in=timedelta(hours=1))
    town.clock.advance(hours=1)
    town.bind("ada", Role.APPROVER)
    assert town.may("ada", Action.APPROVE_REQUESTS)


def test_two_conflicting_roles_given_at_once_are_not_both_kept(town: Town) -> None:
    town.bind("ada", Role.VIEWER)

    def give(role: Role) -> bool:
        try:
            town.bind("ada", role)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        given = list(pool.map(give, (Role.PIPELINE, Role.APPROVER)))
    assert sorted(given) == [False, True]


def test_a_binding_given_again_takes_the_later_end(town: Town) -> None:
    first = town.bind("ada", Role.STEWARD, ends_in=timedelta(days=2))
    assert town.bind("ada", Role.STEWARD, ends_in=timedelta(days=1)) == first
    town.clock.advance(days=1)
    assert town.may("ada", Action.WRITE_LINEAGE)
    assert town.bind("ada", Role.STEWARD) == first
    town.clock.advance(days=9)
    assert town.may("ada", Action.WRITE_LINEAGE)


def test_a_binding_cannot_end_before_it_begins(town: Town) -> None:
    with pytest.raises(InvalidInputError, match="in the past"):
        town.bind("ada", Role.STEWARD, ends_in=timedelta())


def test_many_threads_get_the_right_answers(town: Town) -> None:
    names = [f"account-{number}" for number in range(8)]
    for number, name in enumerate(names):
        town.bind(name, Role.STEWARD if number % 2 else Role.VIEWER)
    accounts = [town.account(name) for name in names]
    speech = town.project("speech")

    def ask(number: int) -> bool:
        place = number % len(accounts)
        if number % 50 == 0:
            town.access.refresh()
        allowed = town.access.allows(accounts[place], speech, Action.WRITE_LINEAGE)
        return allowed is bool(place % 2)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(800)))


@pytest.mark.parametrize("text", ["", "[matchers]\nm = 1", "\x00", "[request_definition]\nr = a"])
def test_a_model_that_cannot_be_read_ends_the_start(
    database: Database, frozen_clock: FrozenClock, tmp_path: Path, text: str
) -> None:
    shutil.copy(shipped("policies") / "roles.csv", tmp_path)
    (tmp_path / "model.conf").write_text(text)
    with pytest.raises(PolicyError, match=r"model\.conf"):
        Access(database, frozen_clock, tmp_path)


def test_a_missing_file_ends_the_start(
    database: Database, frozen_clock: FrozenClock, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        Access(database, frozen_clock, tmp_path)
