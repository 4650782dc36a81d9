"""A certificate is proved by the log of a real registry, on both databases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import Session

from registry.audit.redaction import redact_payloads
from registry.audit.signing import current_origin
from registry.audit.tree import prove_consistency
from registry.erasure.certificate import issue, verify, verify_beside
from registry.erasure.certificate_entry import prove_certificate, record_certificate
from registry.erasure.certificate_facts import CertificateFacts, Issuer
from registry.errors import ConflictError, NotFoundError, NotVerifiedError
from registry.keys.keyring import Keyring
from registry.keys.master import MasterKey
from registry.keys.tables import Purpose
from registry.keys.versions import KeyEvent, add_version, make_first_keys
from registry.storage.database import Database
from tests.audit.logs import ACTOR, Site
from tests.clock import FrozenClock
from tests.erasure.certified import PARTLY


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


def recorded(site: Site, facts: CertificateFacts) -> int:
    with site.database.write() as session:
        return record_certificate(session, facts, actor=ACTOR, at=site.clock())


def secret(site: Site) -> bytes:
    return site.keyring.active(Purpose.SIGNING).require_secret()


def test_a_certificate_is_proved_once_the_log_has_placed_its_entry(site: Site) -> None:
    facts = facts_of(site)
    entry = recorded(site, facts)
    with site.database.read() as session:
        assert prove_certificate(session, entry) is None
    site.write(300, first=5)
    site.log().catch_up()
    with site.database.read() as session:
        proof = prove_certificate(session, entry)
    assert proof is not None
    envelope = issue(facts, proof, secret(site))
    assert verify(envelope, site.keys()).facts == facts
    with pytest.raises(NotVerifiedError, match="about something else"):
        issue(replace(facts, number=18), proof, secret(site))


def test_two_certificates_of_one_moment_have_an_entry_each(site: Site) -> None:
    facts = facts_of(site)
    other = replace(facts, number=18)
    with site.database.write() as session:
        first = record_certificate(session, facts, actor=ACTOR, at=site.clock())
        second = record_certificate(session, other, actor=ACTOR, at=site.clock())
    site.log().catch_up()
    with site.database.read() as session:
        proofs = [prove_certificate(session, each) for each in (first, second)]
    for certified, proof in zip((facts, other), proofs, strict=True):
        assert proof is not None
        assert verify(issue(certified, proof, secret(site)), site.keys()).facts == certified


def test_a_certificate_outlives_its_key_and_holds_to_later_checkpoints(site: Site) -> None:
    facts = facts_of(site)
    entry = recorded(site, facts)
    site.log().catch_up()
    with site.database.read() as session:
        proof = prove_certificate(session, entry)
    assert proof is not None
    envelope = issue(facts, proof, secret(site))
    with site.database.write() as session:
        add_version(session, site.keyring.master, Purpose.SIGNING, now=site.clock(), record=ignore)
    site.keyring.refresh()
    assert len(site.keys()) == 2
    found = verify(envelope, site.keys())
    # What is signed under the new key goes with a checkpoint under the old one.
    assert verify(issue(facts, proof, secret(site)), site.keys()).facts == facts
    site.write(1, first=900)
    kept = site.log().catch_up()
    with site.database.read() as session:
        growth = prove_consistency(session, proof.size, kept.size)
    assert verify_beside(found, kept.note, site.keys(), growth.hashes).size == kept.size


def test_an_entry_that_is_not_there_or_lost_its_payload_proves_nothing(site: Site) -> None:
    entry = recorded(site, facts_of(site))
    site.log().catch_up()
    with site.database.write() as session:
        redact_payloads(session, [entry], under="a test", actor=ACTOR, at=site.clock())
    with site.database.read() as session:
        with pytest.raises(ConflictError, match="was erased"):
            prove_certificate(session, entry)
        with pytest.raises(NotFoundError):
            prove_certificate(session, entry + 1_000)
