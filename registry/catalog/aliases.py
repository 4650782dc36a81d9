"""Knows which dataset names mean one and the same dataset (SymlinksDatasetFacet).

Rules:
1. Names that a symlink joins, directly or through others, are one dataset.
2. It goes by the name that carries the facet; where several do, by the one that is nobody's alias,
   and of those by the one that said so last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlmodel import Session

from registry.storage.bulk import look_up

#: Names that lead on to names are followed this far; real chains have one link or two.
MAX_LINKS = 16

_LINKS = """
    SELECT s.dataset_id, s.alias_id, s.wins FROM {ids} AS t JOIN symlink s ON s.dataset_id = t.id
    UNION
    SELECT s.dataset_id, s.alias_id, s.wins FROM {ids} AS t JOIN symlink s ON s.alias_id = t.id"""


class _Link(NamedTuple):
    carrier: bytes
    alias: bytes
    wins: bytes


class Aliases:
    """The names of the datasets that a reader has met so far, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: set[bytes] = set()
        self._members: dict[bytes, list[bytes]] = {}
        #: Dataset id to the id it goes by; ids that have no other name are not in it.
        self.canonical: dict[bytes, bytes] = {}

    def learn(self, ids: Iterable[bytes]) -> None:
        """Find the other names of these datasets. Cost: one query, and one a link further."""
        fresh = set(ids) - self._known
        links: set[_Link] = set()
        for _ in range(MAX_LINKS):
            if not fresh:
                break
            self._known |= fresh
            found = {_Link(*row) for row in look_up(self._session, _LINKS, sorted(fresh))}
            links |= found
            fresh = {end for link in found for end in (link.carrier, link.alias)} - self._known
        for group in _groups(links):
            chosen = _chosen(group)
            names = sorted({end for link in group for end in (link.carrier, link.alias)})
            self._members[chosen] = names
            self.canonical.update(dict.fromkeys(names, chosen))

    def members(self, datasets: Iterable[bytes]) -> list[bytes]:
        """Every id of these datasets, given by the ids they go by."""
        return [name for dataset in datasets for name in self._members.get(dataset, (dataset,))]


def _groups(links: set[_Link]) -> list[list[_Link]]:
    """The links, put together with those they share an end with."""
    groups: list[tuple[set[bytes], list[_Link]]] = []
    for link in sorted(links):
        ends, joined, apart = {link.carrier, link.alias}, [link], []
        for group in groups:
            if ends.isdisjoint(group[0]):
                apart.append(group)
            else:
                ends |= group[0]
                joined += group[1]
        groups = [*apart, (ends, joined)]
    return [joined for _, joined in groups]


def _chosen(group: list[_Link]) -> bytes:
    """The id that a group goes by (rule 2)."""
    aliases = {link.alias for link in group}
    first = [link for link in group if link.carrier not in aliases] or group
    return max(first, key=lambda link: (link.wins, link.carrier)).carrier
