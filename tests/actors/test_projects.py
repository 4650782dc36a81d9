"""Projects and claims: what may be changed, and that each change leaves an entry and a task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.bindings import roles_held
from registry.actors.claims import Claim, Claims
from registry.actors.projects import (
    ProjectView,
    add_claim,
    change_project,
    create_project,
    list_projects,
    load_claims,
    remove_claim,
    show_project,
)
from registry.actors.tables import ProjectMode, Role, Token
from registry.audit.tables import AuditEntry
from registry.errors import ConflictError, InvalidInputError, NotFoundError
from registry.request import House
from registry.storage.columns import table_of
from registry.storage.tables import Task
from tests.conftest import TokenMaker

_entry, _task, _token = table_of(AuditEntry), table_of(Task), table_of(Token)


def entries(session: Session) -> list[tuple[str, dict[str, Any]]]:
    rows = session.execute(select(_entry.c.kind, _entry.c.payload).order_by(_entry.c.id))
    return [(row.kind, json.loads(row.payload)) for row in rows]


def waiting(session: Session) -> list[str]:
    return list(session.execute(select(_task.c.kind).order_by(_task.c.id)).scalars())


def make(house: House, session: Session, name: str = "speech") -> ProjectView:
    return create_project(session, name, actor="someone", now=house.clock())


def test_a_new_registry_has_the_default_project_alone(house: House) -> None:
    with house.database.read() as session:
        (project,) = list_projects(session)
    assert (project.name, project.mode, project.claims) == ("default", ProjectMode.ENFORCE, ())
    assert project.strict is not house.settings.embedded


def test_a_project_enforces_unless_it_is_told_otherwise(house: House) -> None:
    with house.database.write() as session:
        project = make(house, session)
        assert (project.mode, project.strict) == (ProjectMode.ENFORCE, False)
        assert show_project(session, "speech") == project
        assert entries(session)[-1] == (
            "actors.project.created",
            {"project": "speech", "mode": "enforce", "strict": False},
        )


@pytest.mark.parametrize("name", ["", " ", "a b", "-x", "ä", "a/b", "x" * 101, "a\n", "a\x00"])
def test_a_name_that_cannot_be_a_project_is_refused(house: House, name: str) -> None:
    with house.database.write() as session, pytest.raises(InvalidInputError):
        make(house, session, name)


def test_a_name_is_taken_once(house: House) -> None:
    with house.database.write() as session:
        make(house, session)
        with pytest.raises(ConflictError, match="speech"):
            make(house, session)


def test_a_change_names_what_was_and_what_is(house: House) -> None:
    with house.database.write() as session:
        make(house, session)
        changed = change_project(
            session, "speech", mode=ProjectMode.WARN, actor="someone", now=house.clock()
        )
        assert changed.mode is ProjectMode.WARN
        assert entries(session)[-1] == (
            "actors.project.changed",
            {"project": "speech", "mode": {"before": "enforce", "after": "warn"}},
        )


def test_a_change_that_changes_nothing_leaves_no_entry(house: House) -> None:
    with house.database.write() as session:
        make(house, session)
        before = entries(session)
        change_project(
            session, "speech", mode=ProjectMode.ENFORCE, actor="someone", now=house.clock()
        )
        assert entries(session) == before


def test_strict_cannot_be_taken_back(house: House) -> None:
    with house.database.write() as session:
        create_project(session, "speech", strict=True, actor="someone", now=house.clock())
        with pytest.raises(ConflictError, match="cannot be taken back"):
            change_project(session, "speech", strict=False, actor="someone", now=house.clock())


def test_strict_leaves_the_first_account_one_role(house: House) -> None:
    with house.database.write() as session:
        first = session.execute(select(_token.c.account_id, _token.c.project_id)).one()
        held = roles_held(session, first.account_id, first.project_id, now=house.clock())
        assert held == (set(Role) if house.settings.embedded else {Role.ADMINISTRATOR})
        change_project(session, "default", strict=True, actor="someone", now=house.clock())
        held = roles_held(session, first.account_id, first.project_id, now=house.clock())
        assert held == {Role.ADMINISTRATOR}


def test_strict_leaves_other_accounts_their_roles(house: House, make_token: TokenMaker) -> None:
    make_token(Role.STEWARD, Role.VIEWER, name="ada")
    with house.database.write() as session:
        change_project(session, "default", strict=True, actor="someone", now=house.clock())
        ada = session.execute(
            select(_token.c.account_id, _token.c.project_id).order_by(_token.c.id.desc()).limit(1)
        ).one()
        held = roles_held(session, ada.account_id, ada.project_id, now=house.clock())
    assert held == {Role.STEWARD, Role.VIEWER}


def test_a_claim_is_kept_with_an_entry_and_one_task(house: House) -> None:
    with house.database.write() as session:
        make(house, session)
        for number in (1, 2):
            add_claim(
                session, "speech", f"s3://speech-{number}", actor="someone", now=house.clock()
            )
        project = show_project(session, "speech")
        assert [claim.namespace for claim in project.claims] == ["s3://speech-1", "s3://speech-2"]
        assert entries(session)[-1] == (
            "actors.claim.added",
            {"project": "speech", "namespace": "s3://speech-2", "name_prefix": ""},
        )
        assert waiting(session) == ["catalog.names.reassign"]


def test_a_claim_that_is_removed_is_gone(house: House) -> None:
    with house.database.write() as session:
        make(house, session)
        project = add_claim(
            session, "speech", "s3://lake", name_prefix="raw/", actor="someone", now=house.clock()
        )
        claim = project.claims[0].id
        project = remove_claim(session, "speech", claim, actor="someone", now=house.clock())
        assert project.claims == ()
        assert entries(session)[-1] == (
            "actors.claim.removed",
            {"project": "speech", "namespace": "s3://lake", "name_prefix": "raw/"},
        )
        with pytest.raises(NotFoundError, match="no claim"):
            remove_claim(session, "speech", claim, actor="someone", now=house.clock())


def test_a_claim_of_another_project_cannot_be_removed(house: House) -> None:
    with house.database.write() as session:
        make(house, session, "speech")
        make(house, session, "vision")
        project = add_claim(session, "speech", "s3://lake", actor="someone", now=house.clock())
        with pytest.raises(NotFoundError):
            remove_claim(
                session, "vision", project.claims[0].id, actor="someone", now=house.clock()
            )


@pytest.mark.parametrize(
    ("namespace", "prefix"), [("", ""), ("s3://a\n", ""), ("\x00", ""), ("s3://a", "\ud800")]
)
def test_text_that_cannot_be_a_claim_is_refused(house: House, namespace: str, prefix: str) -> None:
    with house.database.write() as session:
        make(house, session)
        with pytest.raises(InvalidInputError):
            add_claim(
                session,
                "speech",
                namespace,
                name_prefix=prefix,
                actor="someone",
                now=house.clock(),
            )


def test_the_default_project_takes_no_claim(house: House) -> None:
    with house.database.write() as session, pytest.raises(ConflictError, match="everything"):
        add_claim(session, "default", "s3://lake", actor="someone", now=house.clock())


def test_the_same_claim_is_refused_twice(house: House) -> None:
    with house.database.write() as session:
        make(house, session)
        add_claim(session, "speech", "s3://lake", actor="someone", now=house.clock())
        with pytest.raises(ConflictError, match="already"):
            add_claim(session, "speech", "s3://lake", actor="someone", now=house.clock())


def test_claims_are_loaded_as_they_stand(house: House) -> None:
    with house.database.write() as session:
        speech = make(house, session)
        assert load_claims(session).owner("s3://speech", "a") != speech.id
        add_claim(session, "speech", "s3://sp*", actor="someone", now=house.clock())
        assert load_claims(session).owner("s3://speech", "a") == speech.id


def test_a_registry_without_the_default_project_says_what_mends_it(database: Any) -> None:
    with database.read() as session, pytest.raises(NotFoundError, match="registry db upgrade"):
        load_claims(session)


@pytest.mark.parametrize(
    ("namespace", "name", "owner"),
    [
        ("s3://lake", "raw/docs", "vision"),
        ("s3://lake", "clean/docs", "speech"),
        ("s3://lakehouse", "raw/docs", "archive"),
        ("gs://lake", "raw/docs", "default"),
        ("s3://", "", "archive"),
        ("kafka://a:9092", "t", "beta"),
    ],
)
def test_the_longest_literal_prefix_owns_then_the_alphabet(
    namespace: str, name: str, owner: str
) -> None:
    claims = Claims(
        [
            Claim("archive", "archive", "s3://*"),
            Claim("speech", "speech", "s3://lake"),
            Claim("vision", "vision", "s3://lake", "raw/"),
            Claim("zeta", "zeta", "kafka://*"),
            Claim("beta", "beta", "kafka://*"),
        ],
        default_project_id="default",
    )
    assert claims.owner(namespace, name) == owner
    assert claims.is_claimed(namespace, name) is (owner != "default")
