"""Alerts by mail: to each address once, over TLS with a password, tried again and never lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from registry.audit.tables import ENTRY
from registry.policy.alerting import put_alerts
from registry.request import House
from registry.rights.violations import Breach, raise_violation
from registry.storage.queue import MAX_ATTEMPTS, count_tasks
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.policy.mail_server import HOST, Mailbox, certificate, mail_server


def told(house: House, port: int, to: str = "a@example.org", user: str = "") -> House:
    url = f"smtp://{user}{HOST}:{port}"
    settings = replace(house.settings, alert_email=to, smtp_url=url)
    return replace(house, settings=settings)


def raise_one(house: House, sameness: str = "x") -> None:
    with house.database.write() as session:
        breach = Breach("past_retention", sameness, "A rule let it stay until then.")
        raised = raise_violation(session, breach, actor="tests", now=house.clock())
        put_alerts(session, house.settings, [raised] if raised else [], now=house.clock())


def work(house: House) -> dict[str, int]:
    Workers(house, threads=1).work_off()
    with house.database.read() as session:
        return count_tasks(session)


def test_each_address_gets_one_mail(house: House) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        there = told(house, port, "a@example.org, b@example.org,a@example.org")
        raise_one(there)
        raise_one(there)
        assert work(there) == {"done": 2}
    assert sorted(mailbox.recipients) == [["a@example.org"], ["b@example.org"]]
    (first, second) = mailbox.taken
    assert first["Subject"] == "Violation: past retention"
    assert first["From"] == f"registry@{HOST}"
    assert first["Date"].datetime == house.clock()
    assert "A rule let it stay until then." in first.get_content()
    assert first["Message-ID"] != second["Message-ID"]


def test_what_is_refused_is_tried_again_under_the_same_id(
    house: House, frozen_clock: FrozenClock
) -> None:
    mailbox = Mailbox(refusals=["451 Come back later", "452 Still full"])
    with mail_server(mailbox) as port:
        there = told(house, port)
        raise_one(there)
        for waiting in (1, 1, 0):
            assert work(there).get("waiting", 0) == waiting
            frozen_clock.advance(minutes=5)
    assert (mailbox.tries, len(mailbox.taken)) == (3, 1)


def test_one_address_that_is_refused_keeps_no_other_from_its_mail(
    house: House, frozen_clock: FrozenClock
) -> None:
    mailbox = Mailbox(strangers={"gone@example.org"})
    with mail_server(mailbox) as port:
        there = told(house, port, "gone@example.org,here@example.org")
        raise_one(there)
        for _ in range(MAX_ATTEMPTS):
            counts = work(there)
            frozen_clock.advance(hours=2)
        assert counts == {"done": 1, "dead": 1}
    assert mailbox.recipients == [["here@example.org"]]
    with house.database.read() as session:
        kinds = session.execute(select(ENTRY.c.kind)).scalars().all()
    assert kinds.count("workers.task.died") == 1


def test_a_password_goes_over_starttls(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    mailbox = Mailbox()
    options = {"authenticator": mailbox.authenticate, "auth_required": True}
    with mail_server(mailbox, tls_context=context, require_starttls=True, **options) as port:
        there = told(house, port, user="me:s3cret%2F@")
        raise_one(there)
        assert work(there) == {"done": 1}
    assert mailbox.logins == [(b"me", b"s3cret/")]
    assert len(mailbox.taken) == 1


def test_a_wrong_password_is_tried_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    mailbox = Mailbox()
    options = {"authenticator": mailbox.authenticate, "auth_required": True}
    with mail_server(mailbox, tls_context=context, require_starttls=True, **options) as port:
        there = told(house, port, user="me:wrong@")
        raise_one(there)
        assert work(there) == {"waiting": 1}
    assert mailbox.taken == []


def test_a_server_that_nobody_vouches_for_gets_neither_password_nor_mail(
    house: House, tmp_path: Path
) -> None:
    _, context = certificate(tmp_path)
    mailbox = Mailbox()
    options = {"authenticator": mailbox.authenticate, "auth_require_tls": False}
    with mail_server(mailbox, tls_context=context, **options) as port:
        there = told(house, port, user="me:s3cret%2F@")
        raise_one(there)
        assert work(there) == {"waiting": 1}
    assert (mailbox.logins, mailbox.taken) == ([], [])


def test_a_server_without_tls_gets_no_password(house: House) -> None:
    mailbox = Mailbox()
    options = {"authenticator": mailbox.authenticate, "auth_require_tls": False}
    with mail_server(mailbox, **options) as port:
        there = told(house, port, user="me:s3cret%2F@")
        raise_one(there)
        assert work(there) == {"waiting": 1}
    assert (mailbox.logins, mailbox.taken) == ([], [])
