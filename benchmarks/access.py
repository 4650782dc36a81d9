"""What access costs: one decision, the same one again, and building the enforcer after a change.

Budget: a decision in 40 µs in the median with 200 rules and 10,000 bindings. Run it with
`python -m benchmarks.access`; it needs no database but SQLite.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from registry.actors.bindings import Held, count_access_change
from registry.actors.projects import create_project, list_projects
from registry.actors.tables import Account, AccountKind, Role, RoleBinding
from registry.clock import system_clock
from registry.files import shipped
from registry.ids import fresh_id
from registry.policy.access import Access
from registry.policy.actions import Action
from registry.policy.enforcer import build_enforcer
from registry.policy.role_rules import EVERY, read_role_rules
from registry.storage.columns import table_of
from registry.storage.database import Database
from registry.storage.migrate import upgrade_schema

BINDINGS = 10_000
RULES = 200
PROJECTS = 100
ROUNDS = 5_000
ROLES = [role for role in Role if role is not Role.ADMINISTRATOR]


def rules_text() -> str:
    """The shipped rules, and as many for single projects as make RULES of them."""
    text = (shipped("policies") / "roles.csv").read_text("utf-8")
    own = read_role_rules(text, name="roles.csv").rules
    lines = [
        f"p, {rule.role}, p{project}, {', '.join(rule.action.parts)}, allow"
        for project in range(PROJECTS)
        for rule in own
    ]
    return text + "\n".join(lines[: RULES - len(own)]) + "\n"


def medians(work: Callable[[int], object]) -> tuple[float, float]:
    """The median and the 99th percentile of a call, in microseconds."""
    times = []
    for number in range(ROUNDS):
        begin = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


def fill(database: Database) -> tuple[list[str], list[str]]:
    """Projects and accounts with a role each; the ids of both."""
    now = system_clock()
    with database.write() as session:
        for number in range(PROJECTS):
            create_project(session, f"p{number}", actor="benchmark", now=now)
        projects = [view.id for view in list_projects(session)]
        accounts = [fresh_id() for _ in range(BINDINGS)]
        made = [
            {"id": key, "name": key, "kind": AccountKind.SERVICE, "created_at": now}
            for key in accounts
        ]
        bound = [
            {
                "id": fresh_id(),
                "account_id": key,
                "project_id": projects[place % PROJECTS],
                "role": ROLES[place % len(ROLES)],
                "scope_id": b"",
                "scope": "",
                "granted_by": "benchmark",
                "expires_at": None,
                "created_at": now,
            }
            for place, key in enumerate(accounts)
        ]
        session.execute(table_of(Account).insert(), made)
        session.execute(table_of(RoleBinding).insert(), bound)
        count_access_change(session)
    return projects, accounts


def bare_decisions() -> None:
    """casbin's own part: every question is a new one."""
    rules = read_role_rules(rules_text(), name="roles.csv")
    projects = {f"id{number}": f"p{number}" for number in range(PROJECTS)}
    held = [
        Held(f"a{n}", f"id{n % PROJECTS}", ROLES[n % len(ROLES)], b"", None)
        for n in range(BINDINGS)
    ]
    begin = time.perf_counter()
    model = (shipped("policies") / "model.conf").read_text("utf-8")
    enforcer = build_enforcer(model, rules, held, projects)
    built = (time.perf_counter() - begin) * 1e3
    print(
        f"enforcer of {len(rules.rules)} rules and {BINDINGS:,} bindings: built in {built:.0f} ms"
    )
    chance = random.Random(7)
    for action in Action:
        numbers = [chance.randrange(BINDINGS) for _ in range(ROUNDS)]

        def ask(place: int, action: Action = action, numbers: list[int] = numbers) -> bool:
            number = numbers[place]
            name = f"p{number % PROJECTS}"
            rule_set = name if name in rules.projects else EVERY
            project = f"id{number % PROJECTS}"
            return enforcer.enforce(f"a{number}", rule_set, *action.parts, project)

        median, worst = medians(ask)
        print(f"  decision {action:<20} median {median:5.1f} µs   p99 {worst:6.1f} µs")


def decisions_in_place() -> None:
    """As routes ask: over a database, first and again, and after a change."""
    with tempfile.TemporaryDirectory(prefix="registry-access-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'registry.db'}")
        upgrade_schema(database)
        projects, accounts = fill(database)
        access = Access(database, system_clock, shipped("policies"))
        access.allows(accounts[0], projects[0], Action.READ_CATALOG)

        def known(_place: int) -> bool:
            return access.known(accounts[0], projects[0], Action.READ_CATALOG)

        def reach(place: int) -> object:
            return access.reach(accounts[place], Action.READ_CATALOG)

        for label, work in (("known decision (ingestion)", known), ("reach of an actor", reach)):
            median, worst = medians(work)
            print(f"  {label:<29} median {median:5.1f} µs   p99 {worst:6.1f} µs")
        begin = time.perf_counter()
        with database.write() as session:
            count_access_change(session)
        access.refresh()
        access.allows(accounts[0], projects[0], Action.READ_CATALOG)
        print(f"  read anew after a change: {(time.perf_counter() - begin) * 1e3:.0f} ms")
        database.close()


def main() -> None:
    """Print every figure."""
    bare_decisions()
    decisions_in_place()


if __name__ == "__main__":
    main()
