"""Redacts parts of kept events again, by their recorded paths, after a restore brought them back.

Rules (DESIGN §1.1; the governance page, case 8):
1. The paths of an event are all that were recorded for it, in that order. So many of them as its
   own record has are done already; the rest is done and recorded, and doing it twice is once.
2. What stood at a path is not known any more, so all of the text there goes. Where a path cannot be
   followed to a text (it was too long, or a key on it was replaced), more goes and never less:
   every text under the last place that could be. Names stay (`sought` rule 2).
3. The path `BESIDE` stands for what was said about an event: its warnings, and why it waits. Both
   go with any other part, as they may have quoted it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlmodel import Session

from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.canonical import Json, digest_text, exact_json
from registry.lineage.erase_events import KIND, names_of, project_events, read_again
from registry.lineage.events import Event, decode_json, require_object
from registry.lineage.ingest import decode_warnings, encode_warnings
from registry.lineage.sought import ERASED, is_name
from registry.lineage.tables import EventRedaction, EventState, LineageEvent
from registry.lineage.values import Warn
from registry.pii.walk import containers, members, path_steps
from registry.storage.bulk import lock_ids
from registry.storage.columns import table_of

BESIDE = "$"
Steps = list[str | int]
_event, _redaction = table_of(LineageEvent), table_of(EventRedaction)
_AT_ONCE = 500
_NUMBERED = re.compile(r"\([0-9]+\) ")


def redactions_of(session: Session, digests: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """All that was erased in these events, as event and path, in order (rule 1).

    An event in which nothing but what was said about it was changed has the path `BESIDE`.
    """
    wanted, parts = sorted(set(digests)), []
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        query = (
            select(_event.c.digest, _redaction.c.path)
            .join(_redaction, _redaction.c.event_id == _event.c.id)
            .where(_event.c.digest.in_(some), _redaction.c.kind == KIND)
            .order_by(_event.c.id, _redaction.c.id)
        )
        found = [(bytes(digest), path) for digest, path in session.execute(query)]
        silent = set(some) - {digest for digest, _ in found}
        parts += [*found, *((digest, BESIDE) for digest in sorted(silent))]
    return parts


def redact_again(
    session: Session,
    parts: Sequence[tuple[bytes, str]],
    *,
    under: str,
    actor: str,
    now: datetime,
) -> int:
    """Replace what stands at recorded paths of kept events; how many parts were.

    `parts`: as `redactions_of` gives them. Events that nobody knows are passed over. Effects: rows,
    the catalog's projection, one entry in the journal where any was replaced; does not commit.
    """
    paths: dict[bytes, list[str]] = {}
    for digest, path in parts:
        paths.setdefault(digest, []).append(path)
    wanted, replaced = sorted(paths), 0
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        replaced += _redact_some(session, {d: paths[d] for d in some}, under, actor, now)
    return replaced


def _redact_some(
    session: Session, paths: Mapping[bytes, list[str]], under: str, actor: str, now: datetime
) -> int:
    mine = _event.c.digest.in_(list(paths))
    scopes = session.execute(select(_event.c.scope_id).where(mine)).scalars()
    lock_ids(session, sorted({bytes(each) for each in scopes}))
    rows = session.execute(select(_event).where(mine).order_by(_event.c.id).with_for_update()).all()
    done: dict[int, Counter[str]] = {row.id: Counter() for row in rows}
    query = select(_redaction.c.event_id, _redaction.c.path).where(
        _redaction.c.event_id.in_(list(done)), _redaction.c.kind == KIND
    )
    for event_id, path in session.execute(query):
        done[event_id][path] += 1
    projected: list[Event] = []
    digests: list[str] = []
    records: list[dict[str, Any]] = []
    for row in rows:
        missing = _missing(paths[bytes(row.digest)], done[row.id])
        if not missing:
            continue
        values, event = _without(row, missing)
        session.execute(update(_event).where(_event.c.id == row.id).values(values))
        records += [{"event_id": row.id, "path": p, "kind": KIND, "at": now} for p in missing]
        digests.append(digest_text(bytes(row.digest)))
        if event is not None and row.state == EventState.PROJECTED.value:
            projected.append(event)
    if not records:
        return 0
    session.execute(insert(_redaction), records)
    facts = {"under": under, "events": digests, "parts": len(records)}
    append_entries(session, [Entry(EntryKind.LINEAGE_EVENTS_REDACTED, actor, facts)], at=now)
    project_events(session, projected)
    return len(records)


def _missing(paths: Sequence[str], done: Counter[str]) -> list[str]:
    """The paths that an event's own record lacks (rule 1)."""
    left, missing = Counter(done), []
    for path in paths:
        if left[path]:
            left[path] -= 1
        else:
            missing.append(path)
    return missing


def _without(row: Any, paths: Sequence[str]) -> tuple[dict[str, Any], Event | None]:
    """The new values of an event without these parts, and what it means then. Pure."""
    body, digest = bytes(row.body), bytes(row.digest)
    event: Event | None = None
    before = read_again(require_object(decode_json(body)), body, digest)
    for path in paths:
        content = require_object(decode_json(body))
        take_away(content, path)
        changed = exact_json(content)
        after = read_again(content, changed, digest)
        # A change of what other rows hang on is none that was recorded.
        if before is not None and after is not None and names_of(after) == names_of(before):
            body, event = changed, after
    warnings = [Warn(each.code, BESIDE, ERASED) for each in decode_warnings(row.warnings)]
    values = {
        "body": body,
        "warnings": encode_warnings(warnings),
        "detail": None if row.detail is None else ERASED,
    }
    return values, event


def take_away(content: dict[str, Json], path: str) -> None:
    """Take the text at a path out of a decoded event, in place (rule 2)."""
    if path == BESIDE:
        return
    node: Any = content
    followed: Steps = []
    steps = path_steps(path) or []
    for step in steps:
        is_last = len(followed) + 1 == len(steps)
        if _has(node, step):
            if is_last and isinstance(node[step], str):
                if not is_name([*followed, step]):
                    node[step] = ERASED
                return
        elif isinstance(node, dict) and isinstance(step, str) and _rename(node, step):
            if is_last:
                return
        else:
            break
        node = node[step]
        followed.append(step)
    _take_all_away(node, followed)


def _has(node: Any, step: str | int) -> bool:
    if isinstance(node, dict):
        return step in node
    return isinstance(node, list) and isinstance(step, int) and step < len(node)


def _rename(node: dict[str, Json], step: str) -> bool:
    """Replace the keys that may have become `step`, in place; whether one now is called so."""
    if ERASED not in step:
        return False
    plain = _NUMBERED.sub("", step, count=1) if step.startswith("(") else step
    was = re.compile(".+".join(map(re.escape, plain.split(ERASED))), re.DOTALL)
    former = list(node.items())
    node.clear()
    for key, value in former:
        new = key
        if ERASED not in key and was.fullmatch(key):
            new, count = plain, 1
            while new in node:
                count += 1
                new = f"({count}) {plain}"
        node[new] = value
    return step in node


def _take_all_away(node: Any, steps: Steps) -> None:
    """Take every text under a place away, but for names."""
    if not isinstance(node, dict | list):
        return
    for place in containers(node):
        above = [*steps, *place.steps()]
        for key, value in list(members(place.container)):
            if isinstance(value, str) and not is_name([*above, key]):
                place.container[key] = ERASED  # type: ignore[index]
