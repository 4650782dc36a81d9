"""Facts of the AI systems and models behind the data: who provides them, what for, since when.

Rules:
1. What several systems have in common stands once; texts that differ stand beside each other, and
   a yes and a no contradict each other.
2. A system that is said not to be on the market starts no clock: then the question does not arise,
   which is not the same as that nobody recorded it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from sqlmodel import Session

from registry.cards.declared.systems import AiSystemView, kept_until, systems_of
from registry.cards.facts.making import (
    Basis,
    basis,
    known,
    latest,
    missing,
    not_recorded,
    table,
)
from registry.cards.facts.world import Target
from registry.cards.values import Evidence, EvidenceKind, Fact, Grade, Scalar, State

_TEXTS: tuple[tuple[str, Callable[[AiSystemView], str | None]], ...] = (
    ("provider.name", lambda each: each.provider),
    ("provider.contact", lambda each: each.contact),
    ("provider.representative", lambda each: each.representative),
    ("provider.size_class", lambda each: each.size_class),
    ("provider.copyright_policy", lambda each: each.copyright_policy),
    ("system.intended_purpose", lambda each: each.intended_purpose),
    ("system.setting", lambda each: each.setting),
)
_FLAGS: tuple[tuple[str, Callable[[AiSystemView], bool | None]], ...] = (
    ("provider.code_of_practice", lambda each: each.code_of_practice),
    ("system.continuous_training", lambda each: each.continuous_training),
    ("system.is_open", lambda each: each.is_open),
)
_NONE = "none"


def system_facts(session: Session, target: Target) -> Iterator[Fact]:
    """The facts named `provider.…` and `system.…`, but for `system.training_runs`."""
    systems = systems_of(session, target.dataset.id, target.number)
    for name, text in _TEXTS:
        yield _text(name, systems, text)
    for name, flag in _FLAGS:
        yield _flag(name, systems, flag)
    yield _systems(systems, target)
    yield from _clock(systems)


def _text(
    name: str, systems: Sequence[AiSystemView], of: Callable[[AiSystemView], str | None]
) -> Fact:
    said = [each for each in systems if of(each)]
    if not said:
        return not_recorded(name)
    texts = dict.fromkeys(str(of(each)) for each in said)
    return known(name, "; ".join(texts), Grade.DECLARED, _basis(said))


def _flag(
    name: str, systems: Sequence[AiSystemView], of: Callable[[AiSystemView], bool | None]
) -> Fact:
    said = [each for each in systems if of(each) is not None]
    values = {of(each) for each in said}
    if not said:
        return not_recorded(name)
    if len(values) > 1:
        who = ", ".join(f"{each.name}: {'yes' if of(each) else 'no'}" for each in said)
        return missing(name, State.CONTRADICTED, f"The systems differ ({who}).", _basis(said))
    return known(name, bool(values.pop()), Grade.DECLARED, _basis(said))


def _systems(systems: Sequence[AiSystemView], target: Target) -> Fact:
    if not systems:
        return not_recorded("system.systems")
    rows: list[tuple[Scalar | None, ...]] = []
    for each in systems:
        roles = dict.fromkeys(
            use.role.value
            for use in each.uses
            if use.dataset_id == target.dataset.id and use.version in (None, target.number)
        )
        dates = each.market_dates
        market = None if dates is None else max(dates, default=_NONE)
        rows += [(each.id, each.name, each.version, role, market, _bases(each)) for role in roles]
    return table("system.systems", rows, Grade.DECLARED, _basis(systems))


def _bases(system: AiSystemView) -> str | None:
    """What a model was made from, in one cell: `none` where it was said that there is none."""
    if system.base_models is None:
        return None
    named = (f"{each.name} ({each.uri})" if each.uri else each.name for each in system.base_models)
    return "; ".join(named) or _NONE


def _clock(systems: Sequence[AiSystemView]) -> Iterator[Fact]:
    said = [each for each in systems if each.market_dates is not None]
    days = [each for system in said for each in system.market_dates or ()]
    until: date | None = kept_until(said)
    on = _basis(said)
    if days and until is not None:
        yield known("system.market_date", max(days), Grade.DECLARED, on)
        yield known("system.keep_until", until, Grade.DECLARED, on)
    elif said and len(said) == len(systems):
        names = ", ".join(each.name for each in said)
        note = f"Not on the Union market: {names}."
        yield missing("system.market_date", State.NOT_APPLICABLE, note, on)
        yield missing("system.keep_until", State.NOT_APPLICABLE, note, on)
    else:
        yield not_recorded("system.market_date")
        yield not_recorded("system.keep_until")


def _basis(systems: Sequence[AiSystemView]) -> Basis:
    things = [Evidence(EvidenceKind.SYSTEM, each.id, each.audit_index) for each in systems]
    return basis(things, latest(*(each.changed_at for each in systems)))
