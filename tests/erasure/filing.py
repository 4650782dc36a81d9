"""What the tests of cases share: a desk, requests of generated people, and looking at rows."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from registry.actors.accounts import SYSTEM
from registry.actors.bindings import project_id_of
from registry.audit.tables import AuditEntry
from registry.erasure.case.cases import Case, read_case
from registry.erasure.case.identity import verify_identity
from registry.erasure.case.intake import Filed, Filing, file_request
from registry.erasure.case.post import Desk, Render, read_letters
from registry.erasure.case.request_rules import RequestRules, load_request_rules
from registry.erasure.case.timeline import read_steps
from registry.erasure.case.writing import writer
from registry.erasure.lifecycle import Identity, Regime, Right
from registry.erasure.rules import load_rules
from registry.request import House
from registry.rights.restrictions import restricted_subjects
from registry.storage.columns import table_of

FILER, CHECKER, APPROVER = "filer", "checker", "approver"
RULES = load_request_rules()
WRITER = writer(load_rules().said.letters)


def person(number: int = 1) -> tuple[str, str]:
    """The identifier of a generated person."""
    return ("email", f"person-{number}@example.org")


def desk_of(house: House, rules: RequestRules = RULES, render: Render = WRITER) -> Desk:
    """What every step needs, on this house."""
    return Desk(house.keyring, rules, house.policies.current().purposes, render)


def filing(*subjects: tuple[str, str], **changed: Any) -> Filing:
    """A request for erasure under the GDPR by an authenticated channel."""
    known: dict[str, Any] = {
        "right": Right.ERASURE,
        "regime": Regime.GDPR,
        "subjects": subjects or (person(),),
        "channel": "portal",
        "identity": Identity.AUTHENTICATED,
    }
    return Filing(**{**known, **changed})


def file(
    house: House,
    *subjects: tuple[str, str],
    rules: RequestRules = RULES,
    render: Render = WRITER,
    **said: Any,
) -> Filed:
    """File a request in the project `default`."""
    return house.database.transact(
        lambda session: file_request(
            session,
            desk_of(house, rules, render),
            filing(*subjects, **said),
            project_id=project_id_of(session, "default"),
            actor=FILER,
            now=house.clock(),
        )
    )


def unverified(house: House, *subjects: tuple[str, str], **said: Any) -> Case:
    """File a request of somebody who may be anybody."""
    return file(house, *subjects, identity=Identity.TO_VERIFY, **said).case


def verified(house: House, case: Case, rules: RequestRules = RULES) -> Case:
    """Verify who asks in a case."""
    return house.database.transact(
        lambda session: verify_identity(
            session,
            desk_of(house, rules),
            case.id,
            method="showed an identity card",
            actor=CHECKER,
            now=house.clock(),
        )
    )


def case_now(house: House, request_id: str) -> Case:
    """A case as it stands."""
    with house.database.read() as session:
        return read_case(session, request_id)


def steps(house: House, request_id: str) -> list[str]:
    """The kinds of a case's steps, without the word they begin with."""
    with house.database.read() as session:
        return [
            each.kind.value.removeprefix("erasure.") for each in read_steps(session, request_id)
        ]


def letters(house: House, case: Case) -> list[str]:
    """The texts of a case's letters."""
    return house.database.transact(
        lambda session: [
            text
            for _, text in read_letters(
                session, house.keyring, case, actor=SYSTEM, now=house.clock()
            )
        ]
    )


def restricted(house: House) -> int:
    """How many people are restricted."""
    with house.database.read() as session:
        return len(restricted_subjects(session))


def entries(house: House, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Kind and payload of the journal's entries whose kind begins so, in order."""
    table = table_of(AuditEntry)
    with house.database.read() as session:
        rows = session.execute(select(table.c.kind, table.c.payload).order_by(table.c.id)).all()
    return [(row[0], msgspec.json.decode(row[1])) for row in rows if row[0].startswith(prefix)]
