"""Tells the journal what became of a key; `registry.keys`, a floor below, knows no journal."""

from __future__ import annotations

from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.keys.versions import KeyChange, KeyEvent, Record

_KINDS = {
    KeyChange.CREATED: EntryKind.KEY_CREATED,
    KeyChange.ROTATED: EntryKind.KEY_ROTATED,
    KeyChange.DESTROYED: EntryKind.KEY_DESTROYED,
}


def recording_as(actor: str) -> Record:
    """What functions of `registry.keys` take as `record`: one entry by this actor (account id) for
    each change, in its transaction.
    """

    def record(session: Session, event: KeyEvent) -> None:
        entry = Entry(_KINDS[event.change], actor, {"key": event.key})
        append_entries(session, [entry], at=event.at)

    return record
