"""Explains one example of a case's scope, as it is computed now."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from registry.erasure.case.cases import Case
from registry.erasure.case.identifiers import kept_keys, people_of, under_every_version
from registry.erasure.rules import LoadedRules
from registry.erasure.scope.explain import Link, explain
from registry.erasure.scope.ledger_world import LedgerWorld
from registry.erasure.scope.reach import reach
from registry.erasure.scope.until import until_now
from registry.erasure.scope.world import Output
from registry.ids import uuid_text
from registry.ledger.opened import Ledger


def explain_example(
    session: Session, ledger: Ledger, rules: LoadedRules, case: Case, number: int, ordinal: int
) -> list[dict[str, Any]]:
    """The chain from the person's own example to this one, as JSON values.

    Raises NotFoundError for an example that is in neither set now; what was erased has no reasons
    any more, because nothing says any more whose it was. Cost: as planning.
    """
    people = people_of(ledger.keyring, kept_keys(session, case.id))
    keys = under_every_version(ledger.keyring, people)
    until = until_now(session, received_at=case.received_at)
    world = LedgerWorld(session, ledger, keys, until)
    found = reach(world, world.own(), rules.said, candidates=world.candidates())
    return [_shown(link) for link in explain(world, found, rules.said, number, ordinal)]


def _shown(link: Link) -> dict[str, Any]:
    return {
        "way": link.way.value,
        "source": _end(link.source),
        "to": _end(link.to),
        "role": link.role,
        "score": link.score,
        "method": link.method,
        "run": None if link.run_id is None else uuid_text(link.run_id),
        "job": link.job,
    }


def _end(at: tuple[int, int] | Output) -> dict[str, Any]:
    if isinstance(at, Output):
        return {"run": uuid_text(at.run_id), "dataset": uuid_text(at.dataset_id)}
    return {"batch": at[0], "ordinal": at[1]}
