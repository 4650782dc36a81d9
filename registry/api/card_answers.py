"""What the routes for cards answer: gaps, published revisions, and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.cards.card import Card, Gap
from registry.cards.publishing import told_changes
from registry.cards.revisions import RevisionView, changed_facts
from registry.wire.cards import (
    CardDiffShown,
    CardRevisionShown,
    FactChangeShown,
    GapShown,
    GapsShown,
    MissingShown,
)


def gaps_shown(card: Card) -> GapsShown:
    """What is missing on a card."""
    return GapsShown(
        namespace=card.about.namespace,
        name=card.about.name,
        version=card.about.version,
        kind=card.kind.value,
        facts_digest=card.digest,
        as_of=card.as_of,
        asked=card.asked,
        answered=card.answered,
        blocking=len(card.blocking),
        gaps=[_gap(each) for each in card.gaps],
    )


def revision_shown(found: RevisionView, *, overtaken: bool) -> CardRevisionShown:
    """A published card."""
    same = [name for name in CardRevisionShown.model_fields if name != "overtaken"]
    values = {name: getattr(found, name) for name in same}
    return CardRevisionShown(**values, overtaken=overtaken)


def diff_shown(
    before: int | None,
    after: int | None,
    was: Mapping[str, Any],
    is_now: Mapping[str, Any],
) -> CardDiffShown:
    """What changed from one card to another (JSON), which are these revisions."""
    changes = changed_facts(was, is_now)
    return CardDiffShown(
        before=before,
        after=after,
        changes=told_changes(changes),
        facts=[
            FactChangeShown(
                name=each.name,
                title=each.title,
                before=None if each.before is None else dict(each.before),
                after=None if each.after is None else dict(each.after),
            )
            for each in changes
        ],
    )


def _gap(gap: Gap) -> GapShown:
    return GapShown(
        id=gap.id,
        question=gap.question,
        clause=gap.clause.text,
        applies_to=gap.clause.applies_to,
        applies_from=gap.clause.applies_from,
        absence=gap.absence,
        blocks=gap.blocks,
        missing=[
            MissingShown(
                fact=each.name,
                title=each.title,
                state=each.state.value,
                words=each.words,
                supplied_by=each.supplied_by,
            )
            for each in gap.missing
        ],
    )
