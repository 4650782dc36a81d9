"""Published cards: which there are, what they say, what changed, and whether facts overtook them.

Rules:
1. A published card is the signed JSON of it (DSSE), and nothing else: every page of it is made from
   that, so that what is shown is what was signed.
2. Facts have overtaken a card when what stands behind it is not what it was, whoever may see it.
   That the log has given an entry its place, or has grown, changes nothing that a card says.
3. Revisions are counted by version and kind; none is changed or taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, select
from sqlmodel import Session

from registry.actors.tables import Account
from registry.audit.dsse import open_envelope, read_envelope
from registry.audit.notes import VerifierKey
from registry.audit.tables import ENTRY
from registry.canonical import canonical_json, digest_text
from registry.cards.card import Card, Kind
from registry.cards.declared.tables import CardRevision
from registry.cards.json_reading import card_from
from registry.cards.values import CardFacts
from registry.catalog.scope import visible
from registry.catalog.tables import Dataset
from registry.errors import NotFoundError, NotVerifiedError
from registry.storage.columns import table_of

PAYLOAD_TYPE: Final = "application/vnd.lineage-registry.card+json"
#: Facts about the log as a whole, which grows whatever happens.
GROWING: Final = frozenset({"audit.entries", "audit.head"})
_row, _dataset, _account = table_of(CardRevision), table_of(Dataset), table_of(Account)


@dataclass(frozen=True, slots=True)
class RevisionView:
    """A published card. `revision` counts those of this `version` and `kind` from 1.

    `published_by`: the name of an account. `keep_until`: by the clock of the systems that used it
    when it was published; None: that had not begun. `whole_digest`: rule 2.
    """

    id: str
    dataset_id: bytes
    namespace: str
    name: str
    version: int
    kind: Kind
    revision: int
    digest: str
    previous: str | None
    published_by: str
    published_at: datetime
    keep_until: date | None
    is_latest: bool
    audit_index: int | None
    shown_digest: str
    whole_digest: str
    questions: str


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact that two cards have differently; None where one of them lacks it. JSON values."""

    name: str
    title: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def standing_digest(facts: CardFacts) -> str:
    """The digest of what the facts say, without what the log alone changes (rule 2)."""
    said = facts.document()
    found = said["facts"]
    assert isinstance(found, dict)
    said["facts"] = {name: standing(each) for name, each in found.items() if name not in GROWING}
    return digest_text(hashlib.sha256(canonical_json(said)).digest())


def standing(fact: Mapping[str, Any]) -> dict[str, Any]:
    """A fact's document without the places of entries in the log."""
    made = dict(fact)
    if "evidence" in made:
        made["evidence"] = [{"kind": e["kind"], "id": e["id"]} for e in made["evidence"]]
    return made


def list_revisions(
    session: Session,
    dataset_id: bytes,
    *,
    version: int | None = None,
    kind: Kind | None = None,
) -> list[RevisionView]:
    """The published cards of a dataset, the last first."""
    query = _query().where(_row.c.dataset_id == dataset_id)
    if version is not None:
        query = query.where(_row.c.number == version)
    if kind is not None:
        query = query.where(_row.c.kind == kind.value)
    query = query.order_by(_row.c.published_at.desc(), _row.c.id.desc())
    return [_view(row) for row in session.execute(query)]


def read_revision(session: Session, revision_id: str) -> RevisionView:
    """A published card that is in sight. Raises NotFoundError."""
    mine = _row.c.id == revision_id
    row = session.execute(
        _query().where(mine, visible(session, "card_revision.dataset_id"))
    ).one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no published card {revision_id[:80]!r}.",
            remedy="See `registry card revisions DATASET`.",
            path="id",
        )
    return _view(row)


def signed_card(session: Session, revision_id: str) -> bytes:
    """The envelope of a published card that is in sight (rule 1). Raises NotFoundError."""
    found = read_revision(session, revision_id)
    query = select(_row.c.envelope).where(_row.c.id == found.id)
    return bytes(session.execute(query).scalar_one())


def card_document_of(envelope: bytes) -> dict[str, Any]:
    """The card's JSON in an envelope; nothing is verified. Raises NotVerifiedError (form)."""
    return _document(read_envelope(envelope).payload)


def verify_card(envelope: bytes, keys: Sequence[VerifierKey]) -> Card:
    """A published card, held to keys that the reader trusts.

    Raises NotVerifiedError with the first thing that is wrong, whatever the bytes are.
    """
    taken, _ = open_envelope(envelope, PAYLOAD_TYPE, keys)
    document = _document(taken.payload)
    card = card_from(document)
    if card.revision is None or card.revision.signed_by != taken.keyid:
        raise _refused("it does not name the key that signed it")
    if card.revision.digest != card_digest(document):
        raise _refused("its digest is not that of what it says")
    return card


def card_digest(document: Mapping[str, Any]) -> str:
    """The digest of a published card: of its JSON, in which the digest itself is empty."""
    blank = {**document, "revision": {**document["revision"], "digest": ""}}
    return digest_text(hashlib.sha256(canonical_json(blank)).digest())


def changed_facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FactChange]:
    """The facts that two cards (JSON) have differently, by name in order (rule 2)."""
    return list(_changes(before["facts"], after["facts"]))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FactChange]:
    for name in sorted({*before, *after} - GROWING):
        was, is_now = before.get(name), after.get(name)
        if was is None or is_now is None or standing(was) != standing(is_now):
            title = (is_now or was or {}).get("title", name)
            yield FactChange(name, title, was, is_now)


def _document(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise _refused("it holds no card") from error


def _refused(why: str) -> NotVerifiedError:
    return NotVerifiedError(
        f"The card does not hold: {why}.",
        remedy="Get the file again from who published it, byte for byte.",
    )


def _query() -> Select[Any]:
    later = _row.alias("later")
    same = (
        (later.c.dataset_id == _row.c.dataset_id)
        & (later.c.number == _row.c.number)
        & (later.c.kind == _row.c.kind)
    )
    newest = select(func.max(later.c.revision)).where(same).scalar_subquery().label("newest")
    columns = [each for each in _row.c if each.name != "envelope"]
    return (
        select(
            *columns,
            _dataset.c.namespace,
            _dataset.c.name,
            _account.c.name.label("account_name"),
            ENTRY.c.leaf_index,
            newest,
        )
        .join(_dataset, _dataset.c.id == _row.c.dataset_id)
        .outerjoin(_account, _account.c.id == _row.c.published_by)
        .outerjoin(ENTRY, ENTRY.c.id == _row.c.entry_id)
    )


def _view(row: Any) -> RevisionView:
    return RevisionView(
        id=row.id,
        dataset_id=bytes(row.dataset_id),
        namespace=row.namespace,
        name=row.name,
        version=row.number,
        kind=Kind(row.kind),
        revision=row.revision,
        digest=row.digest,
        previous=row.previous,
        published_by=row.account_name or row.published_by,
        published_at=row.published_at,
        keep_until=None if row.keep_until is None else date.fromisoformat(row.keep_until),
        is_latest=row.newest == row.revision,
        audit_index=row.leaf_index,
        shown_digest=row.shown_digest,
        whole_digest=row.whole_digest,
        questions=row.questions,
    )
