"""A certificate that waits for its seal while the log has to go on under another name."""

from __future__ import annotations

from sqlalchemy import insert
from sqlmodel import Session

from registry.audit.signing import current_origin
from registry.audit.tables import ORIGIN
from registry.client.http import HttpClient
from registry.erasure.outcome.concluding import conclude
from registry.request import House
from tests.erasure.filing import entries
from tests.erasure.town import email
from tests.erasure.working import certificate_of, filed


def test_a_certificate_is_stated_anew_where_the_log_goes_on_under_another_name(
    house: House, admin: HttpClient
) -> None:
    request_id = filed(admin, email("ann"), right="restriction")
    conclude(house.hands, request_id, actor="tests")

    def open_another(session: Session) -> str:
        origin = current_origin(session)
        assert origin is not None
        name = f"{origin.name}/{origin.number + 1}"
        row = {
            "number": origin.number + 1,
            "name": name,
            "reason": "{}",
            "opened_at": house.clock(),
        }
        session.execute(insert(ORIGIN).values(row))
        return name

    name = house.database.transact(open_another)
    facts = certificate_of(house, admin, request_id).facts
    assert (facts.number, facts.issuer.origin) == (1, name)
    assert len(entries(house, "erasure.certificate.issued")) == 2
    # Sealed, it stays as it is.
    assert certificate_of(house, admin, request_id).facts == facts
