"""Decides who may ask what: roles from bindings, rules from `policies/`, by casbin.

Rules:
1. An actor's roles in a project are its live bindings there and those in every project. An
   administrator is one everywhere. What no rule permits is refused; a denial outweighs.
2. Bindings and projects are read again when the access revision moved, which is looked at once a
   second, and when a binding ends. A fresh enforcer is built beside the old one and takes its place
   whole: loading into the old one would refuse wrongly meanwhile.
3. Before anybody is refused, the revision is looked at again: a new right works at once, and one
   that was taken away ends everywhere within a second.
4. casbin keeps what it is asked in the enforcer itself, so one thread asks at a time. Decisions are
   remembered until the enforcer is replaced.
5. A role that is confined to a dataset's lineage permits nothing in any project; it adds that
   lineage to what its holder sees.

The roles of a decision and what they are about are in `docs/access.md`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from registry.actors.bindings import EVERY_PROJECT, Held, access_revision, live_bindings
from registry.actors.projects import list_projects
from registry.actors.tables import Role
from registry.clock import Clock
from registry.errors import PolicyError
from registry.policy.actions import Action
from registry.policy.enforcer import MODEL_FILE, Enforcer, build_enforcer
from registry.policy.role_rules import RoleRules, read_role_rules
from registry.storage.database import Database

KEPT = timedelta(seconds=1)
RULES_FILE = "roles.csv"
#: More decisions than that are not remembered at once.
_REMEMBERED = 100_000


@dataclass(slots=True)
class _State:
    """An enforcer and all that it was built from; only `decided` ever changes."""

    revision: int
    ends_at: datetime | None
    enforcer: Enforcer
    projects: Mapping[str, str]
    bound: Mapping[str, tuple[Held, ...]]
    turn: threading.Lock = field(default_factory=threading.Lock)
    decided: dict[tuple[str, str, Action], bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an account may do something: ids of projects (None: in all there are), and the ids of
    datasets to whose lineage it may do it besides.
    """

    projects: frozenset[str] | None
    datasets: frozenset[bytes]

    @property
    def is_nowhere(self) -> bool:
        """Whether there is no place at all."""
        return self.projects is not None and not self.projects and not self.datasets


class Access:
    """Decides by the bindings of a database. Thread-safe."""

    def __init__(self, database: Database, clock: Clock, folder: Path) -> None:
        """`folder` holds `model.conf` and `roles.csv`. Raises PolicyError."""
        self._database, self._clock = database, clock
        self._model = _read(folder / MODEL_FILE)
        self.rules: RoleRules = read_role_rules(
            _read(folder / RULES_FILE), name=str(folder / RULES_FILE)
        )
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._looked_at: datetime | None = None
        build_enforcer(self._model, self.rules, (), {})  # so that a broken model ends the start

    def known(self, account_id: str, project_id: str, action: Action) -> bool:
        """Whether the action is known to be permitted; never waits for anything.

        False says that `allows` has to be asked.
        """
        state = self._state
        if state is None or not self._is_fresh(state, self._clock()):
            return False
        return state.decided.get((account_id, project_id, action), False)

    def allows(self, account_id: str, project_id: str, action: Action) -> bool:
        """Whether an account may do something in a project (by id).

        Cost: a dictionary's look-up where it was asked before, else tens of microseconds; a refusal
        costs one row besides (rule 3).
        """
        if self._decide(self._current(), account_id, project_id, action):
            return True
        return self._decide(self._current(at_once=True), account_id, project_id, action)

    def reach(self, account_id: str, action: Action, *, at_once: bool = True) -> Reach:
        """Where an account may do something (rules 1 and 5), as things stand now.

        Without `at_once` as they stood at most a second ago. Cost: one row, or none.
        """
        state = self._current(at_once=at_once)
        mine = state.bound.get(account_id, ())
        named = {held.project_id for held in mine if not held.scope_id}
        everywhere = EVERY_PROJECT in named or any(
            held.role is Role.ADMINISTRATOR and not held.scope_id for held in mine
        )
        candidates = set(state.projects) if everywhere else named & set(state.projects)
        held = frozenset(p for p in candidates if self._decide(state, account_id, p, action))
        scoped = frozenset(
            one.scope_id
            for one in mine
            if one.scope_id and self._decide(state, one.role.value, EVERY_PROJECT, action)
        )
        return Reach(None if everywhere and held == set(state.projects) else held, scoped)

    def refresh(self) -> None:
        """Look at the revision at the next question, so that this process sees its own change."""
        with self._lock:
            self._looked_at = None

    def _decide(self, state: _State, account_id: str, project_id: str, action: Action) -> bool:
        key = (account_id, project_id, action)
        known = state.decided.get(key)
        if known is not None:
            return known
        name = state.projects.get(project_id, "")
        rules = name if name in self.rules.projects else EVERY_PROJECT
        with state.turn:
            decided = state.enforcer.enforce(account_id, rules, *action.parts, project_id)
            if len(state.decided) >= _REMEMBERED:
                state.decided.clear()
            state.decided[key] = decided
        return decided

    def _is_fresh(self, state: _State, now: datetime) -> bool:
        looked_at = self._looked_at
        # A clock that was set back must not keep an answer alive.
        fresh = looked_at is not None and timedelta() <= now - looked_at < KEPT
        return fresh and (state.ends_at is None or now < state.ends_at)

    def _current(self, *, at_once: bool = False) -> _State:
        """The state, at most a second old; as of now with `at_once` (rule 2)."""
        now = self._clock()
        state = self._state
        if state is not None and not at_once and self._is_fresh(state, now):
            return state
        # While one thread builds, others go on with what they have, unless they need the newest.
        if not self._lock.acquire(blocking=at_once or state is None):
            return self._current(at_once=True) if state is None else state
        try:
            with self._database.read() as session:
                self._state = self._read(session, self._state, now)
            self._looked_at = now
            return self._state
        finally:
            self._lock.release()

    def _read(self, session: Session, state: _State | None, now: datetime) -> _State:
        revision = access_revision(session)
        ended = state is not None and state.ends_at is not None and now >= state.ends_at
        if state is not None and state.revision == revision and not ended:
            return state
        held = live_bindings(session, now=now)
        projects = {view.id: view.name for view in list_projects(session)}
        bound: dict[str, list[Held]] = {}
        for one in held:
            bound.setdefault(one.account_id, []).append(one)
        return _State(
            revision,
            min((one.until for one in held if one.until is not None), default=None),
            build_enforcer(self._model, self.rules, held, projects),
            projects,
            {account: tuple(ones) for account, ones in bound.items()},
        )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{path} cannot be read: {error}.",
            remedy="Put it back from the distribution lineage-registry.",
        ) from error
