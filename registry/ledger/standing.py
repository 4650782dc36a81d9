"""Says where a batch stands with the ledger: bound, failed, or pending, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.tables import Dataset
from registry.ledger.tables import BatchBinding, BatchWait, BindingState
from registry.storage.columns import table_of

_binding, _wait, _dataset = table_of(BatchBinding), table_of(BatchWait), table_of(Dataset)


@dataclass(frozen=True, slots=True)
class Standing:
    """A batch in the ledger. `detail`: why it failed, or why its object could not be fetched."""

    state: BindingState
    rows: int | None
    detail: str | None
    waits_for: tuple[str, ...]


def standings(session: Session, numbers: Sequence[int]) -> dict[int, Standing]:
    """Where batches stand; what no worker looked at yet is left out. Cost: two queries a page."""
    waits: dict[int, list[str]] = {}
    for number, awaited in session.execute(
        select(_wait.c.number, _wait.c.awaited)
        .where(_wait.c.number.in_(numbers))
        .order_by(_wait.c.number, _wait.c.awaited)
    ):
        waits.setdefault(number, []).append(_in_words(session, awaited))
    return {
        row.number: Standing(
            BindingState(row.state), row.rows, row.detail, tuple(waits.get(row.number, ()))
        )
        for row in session.execute(select(_binding).where(_binding.c.number.in_(numbers)))
    }


def _in_words(session: Session, awaited: str) -> str:
    kind, _, rest = awaited.partition(":")
    if kind not in ("name", "version"):
        return f"{kind} {rest}"
    dataset, _, what = rest.partition(":")
    named = session.execute(
        select(_dataset.c.namespace, _dataset.c.name).where(_dataset.c.id == bytes.fromhex(dataset))
    ).one_or_none()
    of = "a dataset nobody named yet" if named is None else f"{named.namespace} {named.name}"
    return f"{'batch' if kind == 'name' else 'version'} {what} of {of}"
