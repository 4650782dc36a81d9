"""Which roles the groups of a person give them; pure.

Rules:
1. A rule is written ROLE@PROJECT=GROUP. A group may have any characters but a comma; `*` for the
   project stands for every one.
2. Groups that no rule names give nothing. A person without any rule may log in and sees nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from registry.actors.tables import Role
from registry.errors import SettingsError

_FORM = "Write ROLE@PROJECT=GROUP, such as auditor@speech=registry-audit."


@dataclass(frozen=True, slots=True)
class GroupRole:
    """Who is in `group` has `role` in `project` (a name, or `*`)."""

    group: str
    project: str
    role: Role


def read_group_roles(texts: Iterable[str]) -> tuple[GroupRole, ...]:
    """The rules of the setting `oidc_groups` (rule 1). Raises SettingsError that shows the rule."""
    found = []
    for text in texts:
        left, equals, group = text.partition("=")
        role, at, project = left.strip().partition("@")
        if not (equals and at and group.strip() and project.strip()):
            raise SettingsError(
                f"REGISTRY_OIDC_GROUPS has {text[:100]!r}, which is no rule.", remedy=_FORM
            )
        try:
            found.append(GroupRole(group.strip(), project.strip(), Role(role.strip())))
        except ValueError as error:
            raise SettingsError(
                f"REGISTRY_OIDC_GROUPS names the role {role[:40]!r}, which there is not.",
                remedy=f"Choose from: {', '.join(Role)}.",
            ) from error
    return tuple(found)


def roles_of_groups(
    rules: Iterable[GroupRole], groups: Iterable[str]
) -> frozenset[tuple[str, Role]]:
    """The (project, role) pairs that these groups give."""
    inside = frozenset(groups)
    return frozenset((rule.project, rule.role) for rule in rules if rule.group in inside)


def groups_in(claim: object) -> tuple[str, ...]:
    """The groups in a claim: a list of texts, or one text; anything else is no group."""
    if isinstance(claim, str):
        return (claim,)
    if isinstance(claim, list):
        return tuple(each for each in claim if isinstance(each, str))
    return ()
