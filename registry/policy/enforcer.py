"""Builds the casbin enforcer that decides: rules of the file, roles of the bindings.

It is casbin's FastEnforcer, keyed on rule set, object and action, so that the cost of a decision
follows the rules of one action and not their number. The matcher is parsed once for an enforcer:
casbin parses it at every decision, which is half the cost of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Protocol

from registry.actors.bindings import EVERY_PROJECT, Held
from registry.actors.tables import Role
from registry.errors import PolicyError
from registry.policy.role_rules import RoleRules

MODEL_FILE = "model.conf"
# The positions, in a request and in a rule alike, of rule set, object and action.
_KEYED_ON = (1, 2, 3)
_BROKEN = (RuntimeError, LookupError, ValueError, TypeError, AttributeError)


class Enforcer(Protocol):
    """What is used of casbin's enforcer. Not thread-safe."""

    def enforce(self, account: str, rules: str, thing: str, verb: str, project: str) -> bool:
        """Whether an account (by id), or a role by its name, may do that in a project (by id)."""


def build_enforcer(
    model_text: str, rules: RoleRules, bindings: Iterable[Held], projects: Mapping[str, str]
) -> Enforcer:
    """An enforcer over these rules, live bindings and projects (id to name).

    Bindings that are confined to a dataset's lineage are left out. Raises PolicyError where the
    model cannot be read. Cost: a few milliseconds for each 10^4 bindings.
    """
    enforcer = _empty_enforcer(model_text)
    for name in {EVERY_PROJECT, *rules.projects}:
        for rule in rules.rules:
            if rule.project in (EVERY_PROJECT, name):
                effect = "allow" if rule.allows else "deny"
                fields = [rule.role.value, name, *rule.action.parts, effect]
                enforcer.model.add_policy("p", "p", fields)
    links = enforcer.get_role_manager()
    for held in bindings:
        if held.scope_id:
            continue
        everywhere = held.project_id == EVERY_PROJECT or held.role is Role.ADMINISTRATOR
        for project in projects if everywhere else (held.project_id,):
            links.add_link(held.account_id, held.role.value, project)
    built: Enforcer = enforcer
    return built


def _empty_enforcer(model_text: str) -> Any:
    # Loading casbin takes longer than a small command's own work.
    import casbin

    base: Any = vars(casbin)["FastEnforcer"]
    # casbin's own star imports hide its package `model` behind a module of that name.
    fast_model: Any = vars(import_module("casbin.model"))["FastModel"]

    class Fast(base):  # type: ignore[misc]
        """A FastEnforcer that parses its matcher once."""

        _parsed: Any = None

        def _get_expression(self, expression: str, functions: Any = None) -> Any:
            if self._parsed is None:
                self._parsed = base._get_expression(expression, functions)
            return self._parsed

    try:
        model = fast_model(_KEYED_ON)
        model.load_model_from_text(model_text)
        enforcer = Fast(model, None, cache_key_order=_KEYED_ON)
        enforcer.get_role_manager()
    except _BROKEN as error:
        raise PolicyError(
            f"{MODEL_FILE} cannot be read: {type(error).__name__}: {str(error)[:200]}.",
            remedy="Take it from the distribution: it is not meant to be changed.",
        ) from error
    return enforcer
