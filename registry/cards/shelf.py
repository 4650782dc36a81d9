"""What this process keeps of cards: the questions, the facts it read, and what it made of them.

Rules (decision 0015):
1. Facts are given again while nothing was written: every change of the registry writes an entry of
   the journal, or renews the tokens of a watched table (decision 0012), and both are read before
   the facts are. A minute later they are read anew, since time alone changes some of them.
2. What was made of facts is kept under their digest, with that of the questions and templates: it
   can never be that of other facts, so it is never thrown away for being old.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import Session

from registry import __version__
from registry.audit.tables import ENTRY
from registry.cards.card import Card, Format
from registry.cards.facts.keeping import GroundKeeper
from registry.cards.facts.reading import read_facts
from registry.cards.facts.world import Parts
from registry.cards.huggingface.vocabulary import FILE as VOCABULARY
from registry.cards.huggingface.vocabulary import Vocabulary, load_vocabulary
from registry.cards.questions.reading import FILES, Questions, load_questions
from registry.cards.values import CardFacts, Table
from registry.catalog.scope import Scope
from registry.files import shipped
from registry.policy.book import Book
from registry.policy.kept import Kept, Span
from registry.policy.policy_set import policy_path
from registry.storage.revisions import Revision, read_revision

KEPT_FOR = timedelta(minutes=1)
_FACTS_BYTES = 64 << 20
_MADE_BYTES = 64 << 20
_BYTES_A_FACT, _BYTES_A_CELL = 300, 80
_EVER = Span(datetime(2000, 1, 1, tzinfo=UTC), None)


@dataclass(frozen=True, slots=True)
class Mark:
    """What no change leaves as it is (rule 1). `placed`, `waiting`: entries of the journal."""

    placed: int
    waiting: int
    tokens: Revision | None


def read_mark(session: Session) -> Mark:
    """The mark of what this session sees. Cost: three look-ups.

    Entries are counted, since on PostgreSQL one with a lower id may be committed later.
    """
    last = session.execute(select(func.max(ENTRY.c.leaf_index))).scalar_one()
    unplaced = select(func.count()).select_from(ENTRY).where(ENTRY.c.leaf_index.is_(None))
    waiting = session.execute(unplaced).scalar_one()
    return Mark(-1 if last is None else last, waiting, read_revision(session))


@cache
def templates_digest() -> str:
    """The digest of the templates of cards and of the program that fills them."""
    found = hashlib.sha256(__version__.encode())
    folder = shipped("templates") / "cards"
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = path.relative_to(folder).as_posix()
        found.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the Hugging Face Hub, and the digest of the file that they are from."""

    vocabulary: Vocabulary
    digest: str


def _load_words(folder: Path | None) -> Words:
    data = policy_path(folder, VOCABULARY).read_bytes()
    return Words(load_vocabulary(folder), hashlib.sha256(data).hexdigest())


class CardShelf:
    """Questions, facts and documents that were made, of one folder of policies. Thread-safe."""

    def __init__(self, folder: Path | None = None) -> None:
        """Nothing is read yet."""
        self.questions: Book[Questions] = Book(folder, tuple(FILES.values()), load_questions)
        self.words: Book[Words] = Book(folder, (VOCABULARY,), _load_words)
        self._keeper = GroundKeeper()
        self._facts: Kept[CardFacts] = Kept(_FACTS_BYTES)
        self._made: Kept[bytes] = Kept(_MADE_BYTES)

    def facts(
        self,
        session: Session,
        parts: Parts,
        dataset_id: bytes,
        number: int,
        *,
        now: datetime,
        scope: Scope,
    ) -> CardFacts:
        """The facts of a version (rule 1). Arguments, errors and cost of `read_facts`; three
        look-ups where nothing was written since they were read.
        """
        asked = (dataset_id, number, scope)
        mark = (read_mark(session), parts.policies.digest)
        found = self._facts.get(asked, now, mark)
        if found is None:
            found = read_facts(
                session, parts, dataset_id, number, now=now, scope=scope, keeper=self._keeper
            )
            self._facts.put(asked, mark, Span(now, now + KEPT_FOR), found, _size_of(found))
        return found

    def tag_of(self, card: Card, format_: Format) -> str:
        """What a document that is made of this card differs from every other by (rule 2)."""
        published = card.revision
        number = "" if published is None else f"{published.digest} {published.is_overtaken}"
        read = (self.questions.current().digest, self.words.current().digest, templates_digest())
        parts = (card.digest, *read, card.kind, format_, number)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def made(self, tag: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept under this tag, or made now (rule 2)."""
        found = self._made.get(tag, _EVER.since, None)
        if found is None:
            found = make()
            self._made.put(tag, None, _EVER, found, len(found))
        return found


def _size_of(facts: CardFacts) -> int:
    values = [fact.value for fact in facts.facts.values()]
    cells = sum(len(v.rows) * len(v.columns) for v in values if isinstance(v, Table))
    return _BYTES_A_FACT * len(values) + _BYTES_A_CELL * cells
