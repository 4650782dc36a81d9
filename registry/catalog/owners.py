"""Who owns a name, after somebody edited a claim.

Rules (DESIGN §4, "project"):
1. Names are allotted to a project when they are first seen; only an edited claim changes that.
2. A name is looked at under the claims of its own transaction, so whatever order claims and names
   change in, the task that the last change put finds the final state.
3. Each transaction that moves names records how many, from which project to which.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import Table, bindparam, select, update
from sqlmodel import Session

from registry.actors.projects import load_claims
from registry.audit.events import EntryKind
from registry.audit.journal import Entry, append_entries
from registry.catalog.tables import Dataset, Job, NameOwner
from registry.storage.columns import table_of

# Few enough that the counts of one transaction always fit an audit payload.
NAMES_A_TRANSACTION = 500
_owner = table_of(NameOwner)
_NAMED: dict[str, Table] = {"dataset": table_of(Dataset), "job": table_of(Job)}


def reassign_some(
    session: Session,
    *,
    kind: str,
    after: bytes,
    actor: str,
    now: datetime,
    limit: int = NAMES_A_TRANSACTION,
) -> tuple[bytes | None, int]:
    """Look at the next names of a kind (`dataset` or `job`) in order of id, and move what moved.

    Gives the id to go on after (None: that was the last) and how many names were looked at.
    Effects: an entry where names moved (rule 3); does not commit. Cost: two statements.
    """
    claims = load_claims(session)
    named = _NAMED[kind]
    query = (
        select(_owner.c.entity_id, _owner.c.project_id, named.c.namespace, named.c.name)
        .join(named, named.c.id == _owner.c.entity_id)
        .where(_owner.c.kind == kind, _owner.c.entity_id > after)
        .order_by(_owner.c.entity_id)
        .limit(limit)
    )
    rows = session.execute(query).all()
    moved = []
    for row in rows:
        project_id = claims.owner(row.namespace, row.name)
        if project_id != row.project_id:
            moved.append({"id_": row.entity_id, "old": row.project_id, "new": project_id})
    if moved:
        change = (
            update(_owner)
            .where(_owner.c.entity_id == bindparam("id_"))
            .values(project_id=bindparam("new"))
        )
        session.connection().execute(change, [{"id_": m["id_"], "new": m["new"]} for m in moved])
        counts = Counter((str(item["old"]), str(item["new"])) for item in moved)
        facts = {
            "kind": kind,
            "looked_at": len(rows),
            "moved": [
                {"from": old, "to": new, "count": count}
                for (old, new), count in sorted(counts.items())
            ],
        }
        append_entries(session, [Entry(EntryKind.NAMES_REASSIGNED, actor, facts)], at=now)
    return (rows[-1].entity_id if len(rows) == limit else None), len(rows)
