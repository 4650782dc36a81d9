"""Writes the cards of the demo's training data and of its model into its folder, and counts gaps.

stated    a steward says what only a person can say, and records the system behind the model
written   every kind of card, in every format, as files; PDF takes longest and is made of two kinds
counted   how many questions of each are answered, and how many are gaps
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.cards.card import Format, Kind
from registry.client.http import HttpClient
from registry.demo.datasets import MODEL, TRAIN
from registry.demo.pipeline import Audience

FOLDER = "cards"
SYSTEM = "module-classifier"
_CARDS = "/api/v1/cards"
#: What a person states of the demo; nobody but they can know it.
STATED = {
    "intended_use": "To show that the origin of a model can be told, on a small task.",
    "out_of_scope_use": "Any use of the model for something that matters.",
    "maintenance": "None: each demo makes it anew.",
}
_THINGS = {"dataset": TRAIN, "model": MODEL}
_ENDINGS = {
    Format.HTML: "html",
    Format.MARKDOWN: "md",
    Format.PDF: "pdf",
    Format.JSON: "json",
    Format.CROISSANT: "croissant.json",
    Format.HUGGINGFACE: "huggingface.md",
    Format.BUNDLE: "zip",
}
#: Of which kind the formats are made that take long, or that are the same for each kind.
_ONCE = {"dataset": Kind.ARTICLE_10, "model": Kind.TRAINING_SUMMARY}
_SINGLE = frozenset({Format.PDF, Format.CROISSANT, Format.HUGGINGFACE, Format.BUNDLE})


@dataclass(frozen=True, slots=True)
class CardCount:
    """How far a card is filled. `what`: `dataset` or `model`."""

    what: str
    kind: str
    asked: int
    answered: int
    gaps: int
    blocking: int


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards of a demo: the folder they are in, its files, and how far each is filled."""

    folder: Path
    files: tuple[Path, ...]
    counts: tuple[CardCount, ...]


def write_cards(client: HttpClient, home: Path, audience: Audience) -> Cards:
    """State what the demo states, and write its cards. Raises as the calls it makes.

    Effects: statements and a system in the registry; files in `home/cards`.
    """
    wanted = [(what, kind, each) for what in _THINGS for kind, each in _wanted(what)]
    audience.begin("cards", len(wanted) + 1)
    _state(client)
    audience.advance()
    folder = home / FOLDER
    folder.mkdir(exist_ok=True)
    files = []
    for what, kind, each in wanted:
        asked = {**_named(what, kind), "format": each.value}
        file = folder / f"{what}-{kind}.{_ENDINGS[each]}"
        file.write_bytes(client.request("GET", _CARDS, params=asked).content)
        files.append(file)
        audience.advance()
    counts = tuple(
        _count(what, client.get(f"{_CARDS}/gaps", _named(what, kind)))
        for what in _THINGS
        for kind in Kind
    )
    audience.end(f"{len(files)} files, of a dataset and of a model")
    return Cards(folder, tuple(files), counts)


def _wanted(what: str) -> Iterator[tuple[Kind, Format]]:
    for kind in Kind:
        for each in Format:
            if each not in _SINGLE or kind is _ONCE[what]:
                yield kind, each


def _state(client: HttpClient) -> None:
    for kind, text in STATED.items():
        for namespace, name in _THINGS.values():
            body = {"namespace": namespace, "name": name, "kind": kind, "text": text}
            client.post("/api/v1/statements", body)
    system = f"/api/v1/ai-systems/{SYSTEM}"
    said = {
        "name": "Module classifier",
        "provider": "The demo of lineage-registry",
        "intended_purpose": STATED["intended_use"],
        "market_dates": [],
        "base_models": [],
    }
    client.request("PUT", system, json=said)
    for role, (namespace, name) in (("train", TRAIN), ("model", MODEL)):
        client.post(f"{system}/uses", {"namespace": namespace, "name": name, "role": role})


def _named(what: str, kind: Kind) -> dict[str, str]:
    namespace, name = _THINGS[what]
    return {"namespace": namespace, "name": name, "kind": kind.value}


def _count(what: str, found: dict[str, Any]) -> CardCount:
    return CardCount(
        what,
        found["kind"],
        found["asked"],
        found["answered"],
        len(found["gaps"]),
        found["blocking"],
    )
