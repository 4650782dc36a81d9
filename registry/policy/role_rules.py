"""Reads `policies/roles.csv`: which role may do what, and which two roles nobody holds. Pure.

Rules:
1. A line is `p, role, project, object, action, effect`, `g, role, role`, `conflict, role, role` or
   `two_person, object, action`; anything else is refused with its file and line.
2. Roles and actions are the registry's own (closed lists). A role that would inherit from itself,
   directly or through others, is refused.
3. A role that inherits holds every rule of the other, denials too; so nothing is inherited at the
   time of a decision.
4. A rule of `*` holds in every project. A project that is named has the rules of `*` and its own.
5. `*` stands for every object, or every action on an object. What grants a role everything, by one
   rule or by several, is not refused, and warned of with its line at start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.actors.tables import Role
from registry.errors import PolicyError
from registry.policy.actions import Action

EVERY = "*"
EFFECTS = ("allow", "deny")


@dataclass(frozen=True, slots=True)
class RoleRule:
    """A role may (`allows`), or may not, do something in a project (by name), or in every one."""

    role: Role
    project: str
    action: Action
    allows: bool
    line: int


@dataclass(frozen=True, slots=True)
class RoleRules:
    """Everything that the file says. `conflicts`: pairs of roles; `two_person`: actions that nobody
    does to what they filed; `warnings`: what an operator should know at start.
    """

    rules: tuple[RoleRule, ...]
    conflicts: frozenset[frozenset[Role]]
    two_person: frozenset[Action]
    warnings: tuple[str, ...]

    @property
    def projects(self) -> frozenset[str]:
        """The names of projects that have rules of their own."""
        return frozenset(rule.project for rule in self.rules) - {EVERY}

    def holders(self, action: Action) -> list[str]:
        """The roles that some rule permits the action to, in the order of the contracts."""
        found = {rule.role for rule in self.rules if rule.allows and rule.action is action}
        return [role.value for role in Role if role in found]


def read_role_rules(text: str, *, name: str) -> RoleRules:
    """Take the text of a rules file apart; `name` is what messages call the file.

    Raises PolicyError that names file and line (rules 1 and 2).
    """
    rules: list[RoleRule] = []
    parents: dict[Role, dict[Role, int]] = {}
    conflicts: set[frozenset[Role]] = set()
    two_person: set[Action] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        fields = [field.strip() for field in line.partition("#")[0].split(",")]
        where = f"{name}, line {number}"
        match fields:
            case [""]:
                continue
            case ["p", role, project, thing, verb, effect]:
                rules += _rules(role, project, (thing, verb), effect, number, where)
            case ["g", role, other]:
                parents.setdefault(_role(role, where), {})[_role(other, where)] = number
            case ["conflict", role, other]:
                conflicts.add(_pair(role, other, where))
            case ["two_person", thing, verb]:
                two_person.add(_action(f"{thing}.{verb}", where))
            case _:
                raise PolicyError(
                    f"{where} cannot be read: {line.strip()[:80]!r}.",
                    remedy="Write `p, ROLE, PROJECT or *, OBJECT, ACTION, allow or deny`, "
                    "`g, ROLE, ROLE`, `conflict, ROLE, ROLE` or `two_person, OBJECT, ACTION`.",
                )
    inherited = _inherited(rules, parents, name)
    return RoleRules(
        inherited, frozenset(conflicts), frozenset(two_person), tuple(_warnings(inherited, name))
    )


def _rules(
    role: str, project: str, action: tuple[str, str], effect: str, number: int, where: str
) -> list[RoleRule]:
    """The rules that one line stands for: several where it has a `*` for object or action."""
    if not project:
        raise PolicyError(f"{where} names no project.", remedy="Name one, or write * for all.")
    if effect not in EFFECTS:
        raise PolicyError(f"{where} has the effect {effect[:40]!r}.", remedy="Write allow or deny.")
    thing, verb = action
    if EVERY in (thing, verb):
        meant = [
            one
            for one in Action
            if thing in (EVERY, one.parts[0]) and verb in (EVERY, one.parts[1])
        ]
    else:
        meant = [_action(f"{thing}.{verb}", where)]
    if not meant:
        raise PolicyError(
            f"{where}: {thing[:40]} {verb[:40]} stands for no action.",
            remedy=f"Choose an object and its action from: {_known_actions()}.",
        )
    holder = _role(role, where)
    return [RoleRule(holder, project, one, effect == "allow", number) for one in meant]


def _role(text: str, where: str) -> Role:
    try:
        return Role(text)
    except ValueError as error:
        raise PolicyError(
            f"{where} names the role {text[:40]!r}, which there is not.",
            remedy=f"Choose from: {', '.join(Role)}.",
        ) from error


def _action(text: str, where: str) -> Action:
    try:
        return Action(text)
    except ValueError as error:
        thing, _, verb = text.partition(".")
        raise PolicyError(
            f"{where} names the action {thing[:40]!r} {verb[:40]!r}, which there is not.",
            remedy=f"Choose an object and its action from: {_known_actions()}.",
        ) from error


def _known_actions() -> str:
    return ", ".join(f"{action.parts[0]} {action.parts[1]}" for action in Action)


def _pair(first: str, second: str, where: str) -> frozenset[Role]:
    pair = frozenset((_role(first, where), _role(second, where)))
    if len(pair) != 2:
        raise PolicyError(
            f"{where} says that {first} conflicts with itself.", remedy="Name two roles."
        )
    return pair


def _inherited(
    rules: Iterable[RoleRule], parents: Mapping[Role, Mapping[Role, int]], name: str
) -> tuple[RoleRule, ...]:
    """The rules with those that roles hold through others (rules 2 and 3)."""
    own = list(rules)
    found = list(own)
    for role in parents:
        for ancestor in _ancestors(role, parents, name):
            found += [
                RoleRule(role, rule.project, rule.action, rule.allows, rule.line)
                for rule in own
                if rule.role is ancestor
            ]
    return tuple(dict.fromkeys(found))


def _ancestors(role: Role, parents: Mapping[Role, Mapping[Role, int]], name: str) -> list[Role]:
    found: dict[Role, None] = {}
    waiting = list(parents.get(role, {}).items())
    while waiting:
        ancestor, line = waiting.pop()
        if ancestor is role:
            raise PolicyError(
                f"{name}, line {line} makes a circle: {role} inherits from itself.",
                remedy="Remove one of the `g` lines of the circle.",
            )
        if ancestor not in found:
            found[ancestor] = None
            waiting += parents.get(ancestor, {}).items()
    return list(found)


def _warnings(rules: tuple[RoleRule, ...], name: str) -> Iterable[str]:
    """Rule 5: roles that may do everything in a project, or in all."""
    for role in Role:
        for project in sorted({rule.project for rule in rules if rule.role is role}):
            mine = [rule for rule in rules if rule.role is role and rule.project == project]
            if {rule.action for rule in mine if rule.allows} == set(Action):
                last = max(rule.line for rule in mine)
                where = "every project" if project == EVERY else f"the project {project}"
                yield f"{name}, line {last} completes a role that may do everything: {role} in " + (
                    where
                )
