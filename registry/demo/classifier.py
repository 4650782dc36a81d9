"""A small model: which module of the standard library does a docstring come from? Pure.

Multinomial naive Bayes over the words of a text (Manning, Raghavan and Schütze, "Introduction to
Information Retrieval", §13.2), with add-one smoothing. Small, quick, and the same every time.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[a-z_]{2,}")
SEEN_AT_LEAST = 2


@dataclass(frozen=True, slots=True)
class Classifier:
    """What was learnt: for k labels and n words, k prior and k × n word log-probabilities."""

    labels: tuple[str, ...]
    words: tuple[str, ...]
    prior: NDArray[np.float32]
    likelihood: NDArray[np.float32]

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The most likely label of each text."""
        columns = {word: column for column, word in enumerate(self.words)}
        found = []
        for text in texts:
            known = [columns[word] for word in words_of(text) if word in columns]
            scores = self.prior + self.likelihood[:, known].sum(axis=1)
            found.append(self.labels[int(scores.argmax())])
        return found

    def to_bytes(self) -> bytes:
        """NumPy's `.npz`: arrays `labels`, `words`, `prior`, `likelihood`."""
        file = io.BytesIO()
        np.savez_compressed(
            file,
            labels=np.array(self.labels),
            words=np.array(self.words),
            prior=self.prior,
            likelihood=self.likelihood,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Classifier:
        """The inverse of `to_bytes`."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                tuple(arrays["labels"].tolist()),
                tuple(arrays["words"].tolist()),
                arrays["prior"],
                arrays["likelihood"],
            )


def words_of(text: str) -> list[str]:
    """The words of a text: runs of at least two letters or underscores, in lower case."""
    return _WORD.findall(text.lower())


def train(texts: Sequence[str], labels: Sequence[str]) -> Classifier:
    """Learn from texts and their labels, one for each; at least one of both."""
    seen = Counter(word for text in texts for word in words_of(text))
    words = tuple(sorted(word for word, count in seen.items() if count >= SEEN_AT_LEAST))
    columns = {word: column for column, word in enumerate(words)}
    names = tuple(sorted(set(labels)))
    rows = {label: row for row, label in enumerate(names)}
    counts = np.ones((len(names), len(words)))
    for text, label in zip(texts, labels, strict=True):
        known = [columns[word] for word in words_of(text) if word in columns]
        np.add.at(counts[rows[label]], known, 1)
    frequency = Counter(labels)
    prior = np.log([frequency[name] / len(labels) for name in names])
    likelihood = np.log(counts / counts.sum(axis=1, keepdims=True))
    return Classifier(names, words, prior.astype(np.float32), likelihood.astype(np.float32))


def accuracy(predicted: Sequence[str], actual: Sequence[str]) -> float:
    """The share that was predicted right; 0 for none at all."""
    right = sum(a == b for a, b in zip(predicted, actual, strict=True))
    return right / len(actual) if actual else 0.0


def commonest_share(trained: Sequence[str], actual: Sequence[str]) -> float:
    """The accuracy of always guessing the label that was commonest in training."""
    guess = Counter(trained).most_common(1)[0][0]
    return accuracy([guess] * len(actual), actual)
