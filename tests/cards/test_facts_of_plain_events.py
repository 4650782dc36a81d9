"""A version of which only a plain event tells has facts too, with evidence in the log."""

from __future__ import annotations

from sqlalchemy import select

from registry.canonical import digest_text
from registry.cards.values import EvidenceKind, State
from registry.client.http import HttpClient
from registry.lineage.tables import LineageEvent
from registry.request import House
from tests.cards.reading import facts_of
from tests.ledger.pipelines import NAMESPACE
from tests.ledger.test_binding_faults import send


def test_a_version_rests_on_the_event_that_ended_the_run_which_wrote_it(
    house: House, admin: HttpClient
) -> None:
    send(admin, "load", {"namespace": NAMESPACE, "name": "plain"}, 1)
    house.audit.catch_up()
    with house.database.read() as session:
        digest = digest_text(session.execute(select(LineageEvent.digest)).scalar_one())
    facts = facts_of(house, "plain")
    (said,) = [
        each
        for each in facts["identity.mode"].evidence
        if (each.kind, each.id) == (EvidenceKind.EVENT, digest)
    ]
    assert said.audit_index is not None
    assert facts["audit.head"].state is State.KNOWN
