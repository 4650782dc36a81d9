"""A registry with two projects that know of each other, and somebody for every role.

`speech` owns `s3://speech`, `other` owns `s3://other`; a job of `speech` reads what `other` made,
and `other` reads on. So everything in sight of `speech` stands beside something that is not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.testclient import TestClient

from registry.actors.accounts import SYSTEM, create_token, revoke_token
from registry.actors.bindings import Grant, account_id_of, grant_role, list_bindings, remove_binding
from registry.actors.projects import add_claim, create_project
from registry.actors.tables import Role
from registry.app import create_app
from registry.request import House

PRODUCER = "https://example.org/tests"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


def event(
    job: str,
    *,
    namespace: str = "jobs",
    reads: tuple[str, ...] = (),
    writes: tuple[str, ...] = (),
    minute: int = 0,
    tag: str | None = None,
) -> dict[str, Any]:
    """A COMPLETE event; datasets are written `NAMESPACE NAME`."""
    outputs = [dataset(text) for text in writes]
    if tag is not None:
        tags = {"tags": [{"key": tag, "value": "yes", "source": "USER"}]}
        about = {"_producer": PRODUCER, "_schemaURL": "https://example.org/tags.json"}
        for one in outputs:
            one["facets"] = {"tags": {**about, **tags}}
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-02-01T10:{minute:02}:00Z",
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run_of(job)},
        "job": {"namespace": namespace, "name": job},
        "inputs": [dataset(text) for text in reads],
        "outputs": outputs,
    }


def run_of(job: str) -> str:
    """The one run of a job."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, job))


def dataset(text: str) -> dict[str, Any]:
    """`NAMESPACE NAME` as OpenLineage has it."""
    namespace, _, name = text.partition(" ")
    return {"namespace": namespace, "name": name}


@dataclass
class Town:
    """The registry, a client without a token, and tokens by who holds them."""

    house: House
    client: TestClient
    tokens: dict[str, str] = field(default_factory=dict)

    def ask(self, who: str | None, method: str, path: str, **options: Any) -> Any:
        """The answer to a request by one of the tokens, or by nobody."""
        headers = dict(options.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        return self.client.request(method, path, headers=headers, **options)

    def send(self, who: str, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """What the registry said to each event."""
        answers = [self.ask(who, "POST", "/api/v1/lineage", json=one) for one in events]
        assert [answer.status_code for answer in answers] == [201] * len(events)
        return [answer.json() for answer in answers]

    def join(self, who: str, *roles: Role, project: str = "speech") -> str:
        """Make a token of an account of that name; give its secret."""
        with self.house.database.write() as session:
            secret, _view = create_token(
                session,
                name=who,
                roles=frozenset(roles),
                project=project,
                actor=SYSTEM,
                now=self.house.clock(),
            )
        self.tokens[who] = secret
        return secret

    def bind(self, who: str, role: Role, grant_in: str, *, days: int | None = None) -> None:
        """Give an account a role in a project (by id, or `*`)."""
        now = self.house.clock()
        until = None if days is None else now + timedelta(days=days)
        with self.house.database.write() as session:
            grant = Grant(account_id_of(session, who), grant_in, role, until)
            grant_role(session, grant, conflicts=(), actor=SYSTEM, now=now)


@contextmanager
def open_town(house: House) -> Iterator[Town]:
    """Two projects, a token for each role in `speech`, and some who may nothing there."""
    app = create_app(house.settings, clock=house.clock, house=house, background=False)
    now = house.clock()
    with TestClient(app, raise_server_exceptions=False) as client:
        town = Town(house, client)
        with house.database.write() as session:
            for name in ("speech", "other"):
                create_project(session, name, actor=SYSTEM, now=now)
                add_claim(session, name, f"s3://{name}", actor=SYSTEM, now=now)
        for role in Role:
            town.join(role.value, role)
        town.join("feeder", Role.PIPELINE)
        town.join("neighbour", Role.STEWARD, Role.APPROVER, Role.AUDITOR, project="other")
        town.join("stranger", Role.VIEWER)
        _forget(town, "stranger")
        yield town


def _forget(town: Town, who: str) -> None:
    with town.house.database.write() as session:
        for view in list_bindings(session, now=town.house.clock(), account=who):
            remove_binding(session, view.id, actor=SYSTEM, now=town.house.clock())


def spoil(town: Town) -> None:
    """Add tokens of a steward that are no good: `revoked`, and `expired` from an hour on."""
    now = town.house.clock()
    with town.house.database.write() as session:
        for who, ends in (("revoked", None), ("expired", now + timedelta(hours=1))):
            secret, view = create_token(
                session,
                name="spoilt",
                roles=frozenset({Role.STEWARD}),
                project="speech",
                actor=SYSTEM,
                now=now,
                expires_at=ends,
            )
            town.tokens[who] = secret
            if who == "revoked":
                revoke_token(session, view.id, actor=SYSTEM, now=now)


def furnish(town: Town) -> None:
    """Send what both projects make of each other, and one event of each that is quarantined."""
    made = event("dig", writes=("s3://other raw",), minute=1, tag="secret")
    town.send("neighbour", made)
    refined = event(
        "refine", reads=("s3://other raw",), writes=("s3://speech clean",), minute=2, tag="fine"
    )
    town.send("feeder", refined)
    sold = event("sell", reads=("s3://speech clean",), writes=("s3://other shop",), minute=3)
    town.send("neighbour", sold)
    for who, name in (("feeder", "s3://other theirs"), ("neighbour", "s3://speech ours")):
        (held,) = town.send(who, event(f"stray {who}", writes=(name,), minute=4))
        assert held["quarantined"]
