"""The way of events from their bytes into the catalog, without HTTP: door, writer, rebuild."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from registry.actors.claims import Claim, Claims
from registry.lineage.door import admit
from registry.lineage.ingest import Arrival, Sender
from registry.lineage.reproject import rebuild
from registry.lineage.tables import QuarantineReason
from registry.lineage.writer import EventWriter
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.making import Json, encoded

DEFAULT = "default"


def claims_of(*claims: tuple[str, str] | tuple[str, str, str]) -> Claims:
    """Claims from (project, namespace glob[, name prefix]); a project's id is its name."""
    made = [Claim(claim[0], *claim) for claim in claims]
    return Claims(made, default_project_id=DEFAULT)


class Intake:
    """Takes events into a database through the real door and the real writer."""

    def __init__(self, database: Database, clock: FrozenClock, claims: Claims) -> None:
        self.database = database
        self.clock = clock
        self._claims = claims
        self._writer = EventWriter(database, clock=self._now, read_claims=lambda _session: claims)

    def _now(self) -> datetime:
        return self.clock()

    @contextlib.contextmanager
    def open(self) -> Iterator[Intake]:
        """Run the writer while the block runs."""
        self._writer.start()
        try:
            yield self
        finally:
            self._writer.stop()

    def take(self, *events: Json | bytes, project: str = DEFAULT) -> list[Arrival]:
        """Take events as one group, sent on behalf of a project; what became of each."""
        return self.take_sent([(event, project) for event in events])

    def take_sent(self, sent: Sequence[tuple[Json | bytes, str]]) -> list[Arrival]:
        """Take (event, project) pairs as one group.

        An event that could not be projected is an error here: none of these tests means one.
        """
        arrivals = []
        for event, project in sent:
            body = event if isinstance(event, bytes) else encoded(event)
            admitted = admit(body)
            arrivals.append(
                Arrival(admitted.event, Sender("tests", project), list(admitted.redactions))
            )
        taken = self._writer.submit(arrivals).result(timeout=60)
        failed = [a.detail for a in taken if a.reason is QuarantineReason.PROJECTION_FAILED]
        assert failed == []
        return taken

    def rebuild(self) -> None:
        """Empty the catalog and project every kept event again."""
        rebuild(self.database, clock=self.clock, actor="tests")
