"""A request comes in: checked, sealed, dated and acknowledged.

Rules:
1. The same channel and reference twice in a project is the same request and the same answer, as
   long as it asks for the same; nothing is kept twice.
2. Nothing is looked for in the data: an unverified request takes the same steps and gets the same
   answer whether there is data or not (case 11).
3. It was received when it says, never in the future, and its deadline follows from that alone.
4. An authenticated channel is enough to know who asks (GDPR Art. 12(6)); the case is taken up at
   once. Else it waits for the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import insert, select
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.erasure.case.cases import Case, case_of, read_case, require_words, take_turn
from registry.erasure.case.deadlines import WorkingDays, answer_by
from registry.erasure.case.identifiers import (
    Identifier,
    keep_identifiers,
    kept_keys,
    parse_identifiers,
    people_of,
    reject_identifiers,
)
from registry.erasure.case.post import Desk, LetterKind, make_letter
from registry.erasure.case.taking_up import take_up
from registry.erasure.case.timeline import add_step
from registry.erasure.lifecycle import Identity, Regime, RequestState, Right
from registry.erasure.tables import ErasureRequest
from registry.errors import ConflictError, InvalidInputError
from registry.ids import fresh_id
from registry.keys.envelope import make_record_key
from registry.keys.subjects import new_subject_key
from registry.storage.columns import table_of

SHORT_LIMIT = 200
#: No law that is applied here is older.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_request = table_of(ErasureRequest)


@dataclass(frozen=True, slots=True)
class Filing:
    """A request as it comes; `subjects` are (scheme, value) of one person or several.

    `reference`: what the channel calls it. `purposes`: of an objection, empty for all of them.
    """

    right: Right
    regime: Regime
    subjects: tuple[tuple[str, str], ...]
    channel: str
    identity: Identity = Identity.TO_VERIFY
    reference: str | None = None
    received_at: datetime | None = None
    region: str | None = None
    purposes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filed:
    """The request, and whether it is new."""

    case: Case
    is_new: bool


def file_request(
    session: Session, desk: Desk, filing: Filing, *, project_id: str, actor: str, now: datetime
) -> Filed:
    """Take a request in for a project (by id).

    Raises InvalidInputError with the place of what cannot be taken, ConflictError where its
    reference stands for another request. Effects: rows, steps, a letter; does not commit.
    """
    identifiers = _check(desk, filing, now)
    region = desk.rules.region_of(filing.regime, filing.region)
    take_turn(session)
    known = _known(session, project_id, filing)
    if known is not None:
        _require_same(session, desk, known, filing, identifiers)
        return Filed(known, is_new=False)
    case = _keep(session, desk, filing, identifiers, region, project_id, actor, now)
    facts: dict[str, object] = {
        "right": filing.right.value,
        "regime": filing.regime.value,
        "identity": filing.identity.value,
        "identifiers": len(identifiers),
        "due": case.due_on.isoformat(),
        "purposes": list(filing.purposes),
    }
    add_step(session, case, EntryKind.ERASURE_FILED, actor=actor, now=now, facts=facts)
    make_letter(session, desk, case, LetterKind.ACKNOWLEDGEMENT, actor=actor, now=now)
    if case.is_verified:
        case = take_up(session, desk, case, actor=actor, now=now)
    return Filed(case, is_new=True)


def _check(desk: Desk, filing: Filing, now: datetime) -> list[Identifier]:
    require_words(filing.channel, path="channel", limit=SHORT_LIMIT)
    if filing.reference is not None:
        require_words(filing.reference, path="reference", limit=SHORT_LIMIT)
    received = filing.received_at or now
    if not EARLIEST <= received <= now:
        raise InvalidInputError(
            f"The request would have come at {received:%Y-%m-%dT%H:%M:%SZ}; it is "
            f"{now:%Y-%m-%dT%H:%M:%SZ}, and nothing before {EARLIEST:%Y} is taken.",
            remedy="Say when it was received, or leave it out for now.",
            path="received_at",
        )
    if filing.purposes and filing.right is not Right.OBJECTION:
        raise InvalidInputError(
            f"Purposes are named in an objection, and this is a request for {filing.right.value}.",
            remedy="Leave `purposes` out, or file an objection.",
            path="purposes",
        )
    for place, purpose in enumerate(filing.purposes):
        desk.purposes.require(purpose, path=f"purposes[{place}]")
    identifiers = parse_identifiers(filing.subjects)
    texts = {"channel": filing.channel, "reference": filing.reference}
    reject_identifiers(identifiers, texts)
    return identifiers


def _known(session: Session, project_id: str, filing: Filing) -> Case | None:
    if filing.reference is None:
        return None
    query = select(_request).where(
        _request.c.project_id == project_id,
        _request.c.channel == filing.channel,
        _request.c.reference == filing.reference,
    )
    row = session.execute(query).one_or_none()
    return None if row is None else case_of(row)


def _require_same(
    session: Session, desk: Desk, known: Case, filing: Filing, identifiers: list[Identifier]
) -> None:
    asked = frozenset(
        new_subject_key(desk.keyring, each.scheme, each.value).key for each in identifiers
    )
    is_same = (known.right, known.regime) == (filing.right, filing.regime) and people_of(
        desk.keyring, kept_keys(session, known.id)
    ) == asked
    if not is_same:
        raise ConflictError(
            f"The channel {known.channel!r} has a request {known.reference!r} already, which asks "
            "for something else or is about somebody else.",
            remedy="Give this one a reference of its own.",
        )


def _keep(
    session: Session,
    desk: Desk,
    filing: Filing,
    identifiers: list[Identifier],
    region: str | None,
    project_id: str,
    actor: str,
    now: datetime,
) -> Case:
    received = filing.received_at or now
    due = answer_by(filing.regime, day_of(received), WorkingDays(region))
    is_known = filing.identity is not Identity.TO_VERIFY
    sealer = make_record_key(session, desk.keyring, now=now)
    row: dict[str, object] = {
        "id": fresh_id(),
        "project_id": project_id,
        "right": filing.right.value,
        "regime": filing.regime.value,
        "channel": filing.channel,
        "reference": filing.reference,
        "region": region,
        "state": (RequestState.RECEIVED if is_known else RequestState.AWAITING_IDENTITY).value,
        "received_at": received,
        "filed_by": actor,
        "filed_at": now,
        "identity": filing.identity.value,
        "verified_by": actor if is_known else None,
        "verified_at": now if is_known else None,
        "record_key": sealer.id,
        "due_on": due.due_on.isoformat(),
        "due_because": due.because,
        "paused_days": 0,
    }
    session.execute(insert(_request).values(row))
    request_id = str(row["id"])
    keep_identifiers(session, desk.keyring, sealer, request_id, identifiers)
    return read_case(session, request_id)


def day_of(moment: datetime) -> date:
    """The day of UTC that a moment lies in."""
    return moment.astimezone(UTC).date()
