"""Publishes cards: a signed state of one, with a number, that nobody changes again.

Rules:
1. A card whose blocking questions are open is not published; rendering it never needs this.
2. The same facts under the same questions are the same revision: asking again changes nothing.
3. A revision, its signature and its entry in the journal are one transaction, so that there is
   never half of one. Its number is taken in it; who was slower is given the next.
4. A card is published as its publisher sees it: whoever may see the dataset sees that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import update
from sqlmodel import Session

from registry.audit.dsse import keyid_of, sign_envelope
from registry.audit.events import EntryKind
from registry.canonical import canonical_json
from registry.cards.card import Card, Gap, Kind, Revision
from registry.cards.declared.entries import write_entry
from registry.cards.declared.systems import kept_until, systems_of
from registry.cards.declared.tables import CardRevision
from registry.cards.desk import CardDesk, Version
from registry.cards.json_form import card_document
from registry.cards.json_reading import fact_from
from registry.cards.questions.summary_names import kind_of
from registry.cards.revisions import (
    PAYLOAD_TYPE,
    FactChange,
    RevisionView,
    card_digest,
    card_document_of,
    changed_facts,
    list_revisions,
    read_revision,
    signed_card,
    standing_digest,
)
from registry.cards.values import CardFacts
from registry.cards.wording import words_of
from registry.catalog.scope import Scope
from registry.errors import ConflictError
from registry.ids import fresh_id
from registry.keys.keyring import Key
from registry.keys.tables import Purpose
from registry.storage.columns import insert_unless_there, table_of

_TRIES: Final = 5
_CHANGES_TOLD: Final = 40
_GAPS_TOLD: Final = 12
_row = table_of(CardRevision)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes, by account, and what they see."""

    account_id: str
    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class _Read:
    """What a card is published from."""

    version: Version
    kind: Kind
    shown: CardFacts
    whole_digest: str
    keep_until: date | None


@dataclass(frozen=True, slots=True)
class _Former:
    """The revision before, with its card as JSON."""

    view: RevisionView
    document: Mapping[str, Any]


def publish(desk: CardDesk, version: Version, kind: Kind, *, by: Publisher) -> RevisionView:
    """Publish the card of a version as it stands now (rules 1 and 2); the revision.

    Raises ConflictError with the questions that block it, StorageUnavailableError. Effects: what
    the log's round does; commits a row and an entry.
    """
    # Whatever the facts rest on gets its place in the log first, so that the card can name it.
    desk.audit.catch_up()
    shown = desk.facts(version, scope=by.scope)
    whole = shown if by.scope.is_everything else desk.facts(version)
    refuse_gaps(desk.card(kind, shown))
    with desk.database.read() as session:
        until = kept_until(systems_of(session, version.dataset.id, version.number))
    read = _Read(version, kind, shown, standing_digest(whole), until)
    for _ in range(_TRIES):
        with desk.database.read() as session:
            former = _newest(session, version, kind)
        if former is not None and _is_same(desk, former.view, read):
            return former.view
        made = _publish(desk, read, former, by)
        if made is not None:
            return made
    raise ConflictError(
        "Others publish this card again and again just now.", remedy="Try again in a moment."
    )


def refuse_gaps(card: Card) -> None:
    """Raise ConflictError where blocking questions are open, with who can close each (rule 1)."""
    if not card.blocking:
        return
    told = [_told(gap) for gap in card.blocking[:_GAPS_TOLD]]
    more = len(card.blocking) - len(told)
    rest = f"; and {more} more" if more else ""
    count = len(card.blocking)
    raise ConflictError(
        f"{count} open question{'s' if count > 1 else ''} "
        f"{'forbid' if count > 1 else 'forbids'} to publish this card: {'; '.join(told)}{rest}.",
        remedy="Supply what is named; `registry card … --gaps` lists every gap.",
        path="publish",
    )


def _told(gap: Gap) -> str:
    by = dict.fromkeys(each.supplied_by for each in gap.missing)
    return f"{gap.id} {gap.question} ({gap.clause.text}; {' or '.join(by)})"


def _newest(session: Session, version: Version, kind: Kind) -> _Former | None:
    found = list_revisions(session, version.dataset.id, version=version.number, kind=kind)
    newest = max(found, key=lambda each: each.revision, default=None)
    if newest is None:
        return None
    return _Former(newest, card_document_of(signed_card(session, newest.id)))


def _is_same(desk: CardDesk, former: RevisionView, read: _Read) -> bool:
    """Whether that is published already (rule 2)."""
    mine = (standing_digest(read.shown), read.whole_digest, desk.shelf.questions.current().digest)
    return (former.shown_digest, former.whole_digest, former.questions) == mine


def _publish(
    desk: CardDesk, read: _Read, former: _Former | None, by: Publisher
) -> RevisionView | None:
    """Make and keep the revision that follows; None where somebody else took its number."""
    key = desk.audit.keyring.active(Purpose.SIGNING)
    document = _document(desk, read, former, by, key)
    envelope = sign_envelope(PAYLOAD_TYPE, canonical_json(document), key.require_secret())
    revision = document["revision"]
    now = desk.clock()
    row: dict[str, object] = {
        "id": fresh_id(),
        "dataset_id": read.version.dataset.id,
        "number": read.version.number,
        "kind": read.kind.value,
        "revision": revision["number"],
        "digest": revision["digest"],
        "shown_digest": standing_digest(read.shown),
        "whole_digest": read.whole_digest,
        "questions": desk.shelf.questions.current().digest,
        "previous": revision["previous"],
        "published_by": by.account_id,
        "published_at": now,
        "keep_until": None if read.keep_until is None else read.keep_until.isoformat(),
        "envelope": envelope,
    }
    facts = {
        "card": row["id"],
        "kind": read.kind.value,
        "version": read.version.number,
        "revision": revision["number"],
        "digest": revision["digest"],
    }

    def work(session: Session) -> RevisionView | None:
        # Who was slower must leave no entry, so the row comes first.
        if not insert_unless_there(session, _row, row | {"entry_id": 0}):
            return None
        kind = EntryKind.CARD_PUBLISHED
        entry = write_entry(session, kind, facts, actor=by.account_id, now=now)
        session.execute(update(_row).where(_row.c.id == row["id"]).values(entry_id=entry))
        return read_revision(session, str(row["id"]))

    return desk.database.transact(work)


def _document(
    desk: CardDesk, read: _Read, former: _Former | None, by: Publisher, key: Key
) -> dict[str, Any]:
    """The JSON of the card that is signed, with its number, its digest and what changed."""
    number = 1 if former is None else former.view.revision + 1
    draft = card_document(desk.card(read.kind, read.shown))
    changes = () if former is None else told_changes(changed_facts(former.document, draft))
    revision = Revision(
        number=number,
        digest="",
        published_at=desk.clock(),
        published_by=by.name,
        previous=None if former is None else former.view.digest,
        signed_by=keyid_of(key.public_key or b""),
        changes=tuple(changes),
    )
    document: dict[str, Any] = card_document(desk.card(read.kind, read.shown, revision))
    document["revision"]["digest"] = card_digest(document)
    return document


def told_changes(changes: Sequence[FactChange]) -> list[str]:
    """What changed between two cards, a sentence for each fact; at most 40, the rest is counted."""
    told = list(_sentences(changes[:_CHANGES_TOLD]))
    more = len(changes) - len(told)
    return [*told, f"{more} more facts changed."] if more else told


def _sentences(changes: Sequence[FactChange]) -> Iterator[str]:
    for each in changes:
        was, is_now = _words(each.name, each.before), _words(each.name, each.after)
        if was == is_now:
            yield f"{each.title}: changed in what it lists or rests on ({is_now})."
        else:
            yield f"{each.title}: {is_now}; before, {was.rstrip('.')}."


def _words(name: str, document: Mapping[str, Any] | None) -> str:
    kind = kind_of(name)
    if document is None or kind is None:
        return "not asked for"
    return words_of(fact_from(name, document), kind)
