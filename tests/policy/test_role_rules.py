"""The rules file says who may do what, and what is wrong with it is said by line."""

from __future__ import annotations

import pytest

from registry.actors.tables import Role
from registry.errors import PolicyError
from registry.files import shipped
from registry.policy.actions import Action
from registry.policy.role_rules import RoleRules, read_role_rules

# CONTRACTS, "Roles and actions": for each action the roles that hold it.
TABLE = {
    Action.WRITE_LINEAGE: {Role.STEWARD, Role.PIPELINE},
    Action.READ_CATALOG: set(Role),
    Action.TRACE_EXAMPLES: {Role.STEWARD, Role.DATA_OWNER, Role.APPROVER, Role.AUDITOR},
    Action.ASK_DECISIONS: {Role.STEWARD, Role.DATA_OWNER, Role.AUDITOR, Role.PIPELINE},
    Action.EDIT_RIGHTS: {Role.STEWARD, Role.DATA_OWNER},
    Action.RELEASE_FINDINGS: {Role.STEWARD, Role.APPROVER},
    Action.PROCESS_ERASURE: {Role.DATA_OWNER},
    Action.APPROVE_REQUESTS: {Role.APPROVER},
    Action.READ_AUDIT: {Role.ADMINISTRATOR, Role.AUDITOR},
    Action.ADMINISTER: {Role.ADMINISTRATOR},
}


def read(text: str) -> RoleRules:
    return read_role_rules(text, name="roles.csv")


def test_the_shipped_rules_are_the_table_of_the_contracts() -> None:
    rules = read((shipped("policies") / "roles.csv").read_text("utf-8"))
    assert {a: set(rules.holders(a)) for a in Action} == {
        action: {role.value for role in roles} for action, roles in TABLE.items()
    }
    assert rules.conflicts == {
        frozenset({Role.ADMINISTRATOR, Role.AUDITOR}),
        frozenset({Role.ADMINISTRATOR, Role.APPROVER}),
        frozenset({Role.PIPELINE, Role.APPROVER}),
    }
    assert rules.two_person == {Action.RELEASE_FINDINGS, Action.APPROVE_REQUESTS}
    assert rules.warnings == ()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("p, root, *, catalog, read, allow", "line 2 names the role 'root'"),
        ("p, viewer, *, catalog, eat, allow", "line 2 names the action 'catalog' 'eat'"),
        ("p, viewer, *, moon, *, allow", "line 2: moon . stands for no action"),
        ("p, viewer, *, catalog, read, perhaps", "line 2 has the effect 'perhaps'"),
        ("p, viewer, , catalog, read, allow", "line 2 names no project"),
        ("p, viewer, *, catalog, read", "line 2 cannot be read"),
        ("x, viewer", "line 2 cannot be read"),
        ("g, viewer, viewer", "line 2 makes a circle"),
        ("g, viewer, auditor\ng, auditor, steward\ng, steward, viewer", "makes a circle"),
        ("conflict, viewer, viewer", "line 2 says that viewer conflicts with itself"),
        ("two_person, catalog, eat", "line 2 names the action"),
        ("\x00", "line 2 cannot be read"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named(line: str, complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint) as caught:
        read(f"# a comment\n{line}\n")
    assert caught.value.remedy


def test_a_role_holds_what_it_inherits_denials_too() -> None:
    rules = read(
        "p, viewer, *, catalog, read, allow\n"
        "p, auditor, secret, catalog, read, deny\n"
        "g, auditor, viewer\ng, steward, auditor\n"
    )
    said = {(rule.role, rule.project, rule.allows) for rule in rules.rules}
    assert {(Role.STEWARD, "*", True), (Role.STEWARD, "secret", False)} <= said
    assert rules.projects == {"secret"}


@pytest.mark.parametrize(
    "text",
    [
        "p, steward, *, *, *, allow",
        "\n".join(f"p, steward, *, {a.parts[0]}, {a.parts[1]}, allow" for a in Action),
    ],
)
def test_what_grants_everything_is_warned_of_by_line(text: str) -> None:
    (warning,) = read(text).warnings
    assert f"line {len(text.splitlines())} " in warning
    assert "steward in every project" in warning
