"""Keeps answers for as long as neither what they follow from nor time has changed them.

Rules:
1. An answer is kept with a mark of all it follows from, and with the span of moments it holds for.
   It is given again only under an equal mark and for a moment within the span.
2. Answers of other moments (`as_of`) stand beside each other, a few for each question.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
_SPANS = 4


@dataclass(frozen=True, slots=True)
class Span:
    """The moments from `since` on, up to but not including `until` (None: without an end)."""

    since: datetime
    until: datetime | None

    def __contains__(self, at: datetime) -> bool:
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Answer]):
    mark: Hashable
    span: Span
    answer: Answer
    size: int


class Kept(Generic[Answer]):
    """Answers by question, the least recently used go first. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes`: how much all answers together may take, by what `put` is told."""
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, list[_Entry[Answer]]] = OrderedDict()
        self._size = 0

    def get(self, question: Hashable, at: datetime, mark: Hashable) -> Answer | None:
        """The answer that is kept for this moment under this mark (rule 1)."""
        with self._lock:
            for entry in self._entries.get(question, ()):
                if entry.mark == mark and at in entry.span:
                    self._entries.move_to_end(question)
                    return entry.answer
        return None

    def put(
        self, question: Hashable, mark: Hashable, span: Span, answer: Answer, size: int
    ) -> None:
        """Keep an answer; those under another mark go."""
        with self._lock:
            before = self._entries.pop(question, [])
            others = [each for each in before if each.mark == mark][: _SPANS - 1]
            entries = [_Entry(mark, span, answer, size), *others]
            self._entries[question] = entries
            self._size += sum(e.size for e in entries) - sum(e.size for e in before)
            while self._size > self._limit:
                _, gone = self._entries.popitem(last=False)
                self._size -= sum(each.size for each in gone)
