"""What happens to the examples between collecting and training. Pure.

Each step takes what came in and gives *positions*: which rows of its input go on, in order. So a
step never has to say what an example is called, and where each row came from is known for good.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]

WORDS_NEEDED = 3
VALIDATION_SHARE = 0.1


def tidy(text: str) -> str:
    """The text without unprintable characters, in Unicode's composed form, with single spaces."""
    kept = "".join(each for each in text if each.isprintable() or each.isspace())
    return " ".join(unicodedata.normalize("NFC", kept).split())


def drop_short(texts: Sequence[str]) -> Positions:
    """The rows whose text says something: at least three words."""
    return _positions([len(text.split()) >= WORDS_NEEDED for text in texts])


def deduplicate(texts: Sequence[str]) -> Positions:
    """The first row of each text."""
    first: dict[str, int] = {}
    for position, text in enumerate(texts):
        first.setdefault(text, position)
    return np.fromiter(first.values(), np.int64, len(first))


def split(example_ids: Sequence[str]) -> tuple[Positions, Positions]:
    """The rows to train on, and the tenth to validate on.

    The id decides, by its digest: an example stays on its side however many others come or go.
    """
    validates = [_fraction(example_id) < VALIDATION_SHARE for example_id in example_ids]
    return _positions([not each for each in validates]), _positions(validates)


def _fraction(text: str) -> float:
    """A number in [0, 1) that only depends on the text."""
    digest = hashlib.sha256(b"split:" + text.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _positions(kept: list[bool]) -> Positions:
    return np.flatnonzero(np.array(kept, dtype=bool)).astype(np.int64)
