"""A certificate is proved by the log of a real registry, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.audit.redaction import redact_payloads
from registry.audit.signing import current_origin
from registry.audit.tables import ENTRY
from registry.audit.tree import prove_consistency
from registry.erasure.certificate.document import entry_facts, issue, verify, verify_beside
from registry.erasure.certificate.facts import CertificateFacts, Issuer
from registry.errors import NotVerifiedError
from registry.keys.keyring import Keyring
from registry.keys.master import MasterKey
from registry.keys.tables import Purpose
from registry.keys.versions import KeyEvent, add_version, make_first_keys
from registry.storage.database import Database
from tests.audit.logs import ACTOR, Site
from tests.clock import FrozenClock
from tests.erasure.certified import PARTLY, proof_in


def ignore(_session: Session, _event: KeyEvent) -> None:
    """Keys are not what is recorded here."""


@pytest.fixture
def site(database: Database, frozen_clock: FrozenClock, tmp_path: Path) -> Site:
    """A log with keys and some entries that were placed and signed."""
    master = MasterKey(bytes(range(32)), "the test")
    with database.write() as session:
        make_first_keys(session, master, now=frozen_clock(), record=ignore)
    made = Site(database, Keyring(database, master, frozen_clock), frozen_clock, tmp_path / "log")
    made.write(5)
    made.log().catch_up()
    return made


def facts_of(site: Site) -> CertificateFacts:
    with site.database.read() as session:
        origin = current_origin(session)
    assert origin is not None
    return replace(PARTLY, issuer=Issuer(origin.name, None))


def certify(site: Site, *facts: CertificateFacts) -> list[bytes]:
    """Record what was certified, in one transaction, and sign a certificate of each."""
    entries = [Entry(EntryKind.CERTIFICATE_ISSUED, ACTOR, entry_facts(each)) for each in facts]
    with site.database.write() as session:
        append_entries(session, entries, at=site.clock())
    site.write(300, first=5)
    site.log().catch_up()
    secret = site.keyring.active(Purpose.SIGNING).require_secret()
    with site.database.read() as session:
        return [issue(each, proof_in(session, each), secret) for each in facts]


def test_a_certificate_is_proved_by_the_entry_about_its_facts(site: Site) -> None:
    facts = facts_of(site)
    other = replace(facts, number=18)
    for envelope, certified in zip(certify(site, facts, other), (facts, other), strict=True):
        assert verify(envelope, site.keys()).facts == certified
    secret = site.keyring.active(Purpose.SIGNING).require_secret()
    with (
        site.database.read() as session,
        pytest.raises(NotVerifiedError, match="about something else"),
    ):
        issue(other, proof_in(session, facts), secret)


def test_a_certificate_outlives_its_key_and_holds_to_later_checkpoints(site: Site) -> None:
    facts = facts_of(site)
    (envelope,) = certify(site, facts)
    found = verify(envelope, site.keys())
    with site.database.write() as session:
        add_version(session, site.keyring.master, Purpose.SIGNING, now=site.clock(), record=ignore)
    site.keyring.refresh()
    assert len(site.keys()) == 2
    assert verify(envelope, site.keys()) == found
    # What is signed under the new key goes with a checkpoint under the old one.
    secret = site.keyring.active(Purpose.SIGNING).require_secret()
    assert verify(issue(facts, found.audit, secret), site.keys()).facts == facts
    site.write(1, first=900)
    kept = site.log().catch_up()
    with site.database.read() as session:
        growth = prove_consistency(session, found.audit.size, kept.size)
    assert verify_beside(found, kept.note, site.keys(), growth.hashes).size == kept.size


def test_a_certificate_still_verifies_when_the_log_has_lost_its_entry(site: Site) -> None:
    facts = facts_of(site)
    (envelope,) = certify(site, facts)
    with site.database.write() as session:
        mine = ENTRY.c.kind == EntryKind.CERTIFICATE_ISSUED
        ids = session.execute(select(ENTRY.c.id).where(mine)).scalars().all()
        assert redact_payloads(session, ids, under="a test", actor=ACTOR, at=site.clock()) == 1
    assert verify(envelope, site.keys()).facts == facts
