"""The hierarchy of purposes: what each is called, and which others it implies. Pure.

Rules:
1. A purpose that *implies* others stands for all of them and what they imply: consent to
   `model_training` is consent to `fine_tuning`; a refusal of `fine_tuning` refuses that alone.
2. A withdrawal of the wider purpose withdraws the narrower ones with it.
3. Unknown names and cycles are refused with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from registry.errors import InvalidInputError
from registry.files import shipped
from registry.rights.policy_file import Node, read_policy_file

FILE = "purposes.yaml"


@dataclass(frozen=True, slots=True)
class PurposeEntry:
    """A purpose as the file has it; `iri` is the DPV concept it stands for."""

    name: str
    label: str
    iri: str | None
    implies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purposes:
    """Every purpose there is."""

    entries: Mapping[str, PurposeEntry]
    _wider: Mapping[str, tuple[str, ...]] = field(repr=False)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def require(self, name: str, *, path: str = "purpose") -> str:
        """The name itself. Raises InvalidInputError for one that is not in the file."""
        if name not in self.entries:
            raise InvalidInputError(
                f"There is no purpose {name[:80]!r}.",
                remedy=f"Choose one of: {', '.join(self.entries)}; or add it to policies/{FILE}.",
                path=path,
            )
        return name

    def covering(self, name: str) -> tuple[str, ...]:
        """The purpose itself and every wider one, the nearest first: what is said of any of these
        is said of it. Of an unknown name, the name alone.
        """
        return self._wider.get(name, (name,))

    def implied(self, name: str) -> tuple[str, ...]:
        """The purpose itself and every narrower one, in the file's order."""
        return tuple(each for each in self.entries if name in self.covering(each))


def load_purposes(path: Path | None = None) -> Purposes:
    """The purposes of a file, else of the shipped one. Raises PolicyError (rule 3)."""
    return read_purposes(read_policy_file(path or shipped("policies") / FILE))


def read_purposes(root: Node) -> Purposes:
    """As `load_purposes`, of a document that is read already."""
    root.only("The file", {"purposes"}, {"purposes"})
    nodes = root.mapping("The file")["purposes"].mapping("`purposes`")
    entries = {name: _entry(name, node) for name, node in nodes.items()}
    for name, entry in entries.items():
        for other in entry.implies:
            if other not in entries:
                nodes[name].refuse(
                    f"{name} implies {other!r}, which is no purpose.",
                    f"Choose from: {', '.join(entries)}.",
                )
    wider = {name: _wider_of(name, entries, nodes) for name in entries}
    return Purposes(entries, wider)


def _entry(name: str, node: Node) -> PurposeEntry:
    node.only(f"The purpose {name}", {"label", "iri", "implies"}, {"label"})
    members = node.mapping(name)
    implies = members.get("implies")
    return PurposeEntry(
        name,
        members["label"].text("`label`"),
        members["iri"].text("`iri`") if "iri" in members else None,
        tuple(each.text("A purpose") for each in implies.items("`implies`")) if implies else (),
    )


def _wider_of(
    name: str, entries: Mapping[str, PurposeEntry], nodes: Mapping[str, Node]
) -> tuple[str, ...]:
    """The purpose and what implies it, breadth first. Raises PolicyError for a cycle."""
    found = [name]
    frontier = [name]
    while frontier:
        frontier = [
            entry.name
            for entry in entries.values()
            if any(each in entry.implies for each in frontier)
        ]
        if name in frontier:
            nodes[name].refuse(f"{name} implies itself, through others.", "Break the cycle.")
        frontier = [each for each in frontier if each not in found]
        found += frontier
    return tuple(found)
