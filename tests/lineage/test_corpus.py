"""Events as real producers send them: all are taken, kept as they came, and can be told again.

The corpus is our own. Where the shared collection of recorded events lies beside the checkout, its
files are taken as well, also those of `loose/`, which break the specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from registry.lineage.door import admit
from registry.lineage.ingest import decode_warnings
from registry.lineage.reproject import stored_event
from registry.lineage.tables import EventRedaction, EventState, LineageEvent
from registry.storage.columns import table_of
from registry.storage.database import Database
from tests.clock import FrozenClock
from tests.lineage.intake import Intake, claims_of
from tests.lineage.test_order import feed
from tests.stores import dump_projected

OURS = Path(__file__).parent / "corpus"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "openlineage" / "events"
EVENTS = sorted([*OURS.glob("*.json"), *SHARED.glob("**/*.json")])
_event, _redaction = table_of(LineageEvent), table_of(EventRedaction)


@pytest.fixture
def intake(emptied_database: Database) -> Iterator[Intake]:
    # After the last of the recorded events.
    clock = FrozenClock(datetime(2027, 1, 1, tzinfo=UTC))
    with Intake(emptied_database, clock, claims_of()).open() as opened:
        yield opened


def test_there_is_a_corpus() -> None:
    assert len(list(OURS.glob("*.json"))) >= 12


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_is_kept_as_it_came(intake: Intake, path: Path) -> None:
    body = path.read_bytes()
    (taken,) = intake.take(body)
    assert (taken.state, taken.duplicate) == (EventState.PROJECTED, False)
    with intake.database.read() as session:
        row = session.execute(select(_event)).one()
        redactions = session.execute(select(_redaction.c.kind)).scalars().all()
    assert (row.body == body) or redactions
    assert row.digest == taken.event.digest
    # Read again from what was kept it is the same event, with the same identity.
    again = stored_event(row.digest, row.body)
    assert again.digest == row.digest
    assert (again.scope_id, again.event_time) == (taken.event.scope_id, taken.event.event_time)
    if not redactions:
        assert admit(row.body).event.digest == row.digest
    assert {w.code for w in decode_warnings(row.warnings)} <= {
        "facet_invalid",
        "facet_not_usable",
        "facet_without_producer",
        "naive_time",
        "no_event_type",
        "no_producer",
        "no_schema_url",
        "run_id_not_uuid",
        "secret_masked",
        "time_truncated",
        "unknown_event_type",
    }


def test_the_whole_corpus_gives_one_catalog_in_any_order(intake: Intake) -> None:
    sent = [(path.read_bytes(), "default") for path in EVENTS]
    straight = feed(intake, [[one] for one in sent])
    assert feed(intake, [list(reversed(sent))]) == straight
    intake.rebuild()
    assert dump_projected(intake.database) == straight[0]
