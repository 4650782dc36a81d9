"""What cards are made with, and the steps from a version to its card: asked, read, answered.

Rules (DESIGN §1.11):
1. Facts are read as the system over the whole graph; what of them is shown follows from the scope
   of who asks.
2. Without a version the current one is meant.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from registry.audit.sequencer import AuditLog
from registry.cards.answers import build_card
from registry.cards.card import Card, Kind, Revision
from registry.cards.facts.world import Parts
from registry.cards.revisions import RevisionView, standing_digest
from registry.cards.shelf import CardShelf
from registry.cards.values import CardFacts
from registry.catalog.lookup import Named, find_dataset, version_exists
from registry.catalog.scope import EVERYTHING, Scope
from registry.catalog.versions import current_numbers
from registry.clock import Clock
from registry.errors import NotFoundError
from registry.ledger.opened import Ledger
from registry.policy.book import PolicyBook
from registry.storage.database import Database


@dataclass(frozen=True, slots=True)
class Version:
    """A version that a card is of."""

    dataset: Named
    number: int


@dataclass(frozen=True, slots=True)
class CardDesk:
    """What cards are made with. `url`: of this registry, for links; None: it has none."""

    database: Database
    ledger: Ledger
    policies: PolicyBook
    audit: AuditLog
    shelf: CardShelf
    clock: Clock
    url: str | None = None

    def facts(self, version: Version, *, scope: Scope = EVERYTHING) -> CardFacts:
        """The facts of a version as somebody with this scope may see them (rule 1)."""
        parts = Parts(self.ledger, self.policies.current())
        with self.database.read() as session:
            return self.shelf.facts(
                session,
                parts,
                version.dataset.id,
                version.number,
                now=self.clock(),
                scope=scope,
            )

    def is_overtaken(self, published: RevisionView) -> bool:
        """Whether facts have changed since a card was published. Cost: that of its facts."""
        dataset = Named(published.dataset_id, published.namespace, published.name)
        try:
            whole = self.facts(Version(dataset, published.version))
        except NotFoundError:
            return True
        return standing_digest(whole) != published.whole_digest

    def card(self, kind: Kind, facts: CardFacts, revision: Revision | None = None) -> Card:
        """The card of this kind that these facts make by the questions of now."""
        return build_card(kind, facts, self.shelf.questions.current(), revision)


def find_version(session: Session, namespace: str, name: str, number: int | None) -> Version:
    """The version that is meant (rule 2), as far as the session sees it. Raises NotFoundError."""
    dataset = find_dataset(session, namespace, name)
    if number is not None and version_exists(session, dataset.id, number):
        return Version(dataset, number)
    current = current_numbers(session, [dataset.id]).get(dataset.id)
    if number is not None:
        last = "none yet" if current is None else f"currently {current}"
        raise NotFoundError(
            f"{namespace[:200]} {name[:200]} has no version {number}.",
            remedy=f"Leave the version out for the current one ({last}), or see its versions.",
            path="version",
        )
    if current is None:
        raise NotFoundError(
            f"{namespace[:200]} {name[:200]} has no version yet, so there is no card of it.",
            remedy="A version is made when a run that writes it completes.",
            path="version",
        )
    return Version(dataset, current)
