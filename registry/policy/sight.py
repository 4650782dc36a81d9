"""What of the catalog an account may see for an action: its projects, and lineage it was let into.

Rules:
1. An account sees what its projects own, of those where it may do the action.
2. A role that is confined to a dataset lets its holder see that dataset's whole lineage, up and
   down and across projects, and nothing beside it. It is walked anew for each question, so that it
   is never behind the catalog.
"""

from __future__ import annotations

from sqlmodel import Session

from registry.catalog.graph import MAX_DEPTH, MAX_SIZE, Start, walk_graph
from registry.catalog.scope import EVERYTHING, Scope
from registry.policy.access import Access
from registry.policy.actions import Action


def sight_of(session: Session, access: Access, account_id: str, action: Action) -> Scope:
    """What an account sees for an action (rules 1 and 2).

    The session must see everything. What the account holds is as the guard of the request has just
    read it. Cost: a walk for each dataset whose lineage it was let into.
    """
    reach = access.reach(account_id, action, at_once=False)
    if reach.projects is None:
        return EVERYTHING
    entities: set[bytes] = set()
    for dataset in sorted(reach.datasets):
        shape = walk_graph(session, Start(dataset=dataset), depth=MAX_DEPTH, size=MAX_SIZE)
        entities.update((dataset, *shape.datasets, *shape.jobs))
    return Scope(reach.projects, frozenset(entities))
