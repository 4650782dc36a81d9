"""Draws examples of a version by a seed and walks each to its source: how auditors work.

Rules:
1. The same version, size and seed draw the same examples: ordinals are drawn without repetition
   from the members in membership order, by NumPy's PCG64, until one of them is erased: there are
   fewer to draw from then.
2. A source example's file row is read again and hashed where the server may read the file; the
   keyed digest recorded at entry says whether it is still the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sqlmodel import Session

from registry.errors import ConflictError
from registry.ledger.erasing import read_holes
from registry.ledger.find import version_members
from registry.ledger.holes import Holes
from registry.ledger.opened import Ledger
from registry.ledger.source_files import files_of, place_of, readable_path, row_digests
from registry.ledger.trace import BackwardTrace, trace_back

Reread = Literal["identical", "differs", "not_readable", "no_digest"]


@dataclass(frozen=True, slots=True)
class SampleItem:
    """One drawn example and what reading its source again gave."""

    trace: BackwardTrace
    reread: Reread


@dataclass(frozen=True, slots=True)
class Sample:
    """The drawn examples, and how many there were to draw from."""

    items: tuple[SampleItem, ...]
    population: int


def draw_sample(
    session: Session,
    ledger: Ledger,
    namespace: str,
    name: str,
    *,
    version: int | None,
    size: int,
    seed: int,
    file_roots: Sequence[str],
) -> Sample:
    """Draw at most `size` examples of a version (rules 1 and 2).

    Raises NotFoundError for a dataset or version that is not there, ConflictError where a member
    batch is not bound, so that nobody knows how many examples there are.
    """
    members = list(version_members(session, namespace, name, version))
    nodes = ledger.graph.nodes(session, members)
    unbound = [
        n for n in members if n not in nodes or not nodes[n].is_bound or nodes[n].rows is None
    ]
    if unbound:
        raise ConflictError(
            f"{len(unbound)} of {len(members)} batches of {namespace} {name} are not bound, "
            f"such as batch {unbound[0]}.",
            remedy="Send what they wait for; see the batches of the dataset.",
        )
    holes = read_holes(session, members)
    left = [(nodes[n].rows or 0) - len(holes.get(n, ())) for n in members]
    ends = np.cumsum(left, dtype=np.int64)
    population = int(ends[-1]) if len(ends) else 0
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.choice(population, size=min(size, population), replace=False, shuffle=True)
    items = []
    for position in drawn.tolist() if population else []:
        place = int(np.searchsorted(ends, position, side="right"))
        number, row = members[place], position - int(ends[place - 1] if place else 0)
        ordinal = int(holes.get(number, Holes()).ordinals_at([row])[0])
        trace = trace_back(session, ledger.graph, number, ordinal)
        items.append(SampleItem(trace, _read_again(session, ledger, trace, file_roots)))
    return Sample(tuple(items), population)


def _read_again(
    session: Session, ledger: Ledger, trace: BackwardTrace, roots: Sequence[str]
) -> Reread:
    """Read the file rows of the sources again; the worst of what was found."""
    files = files_of(session, {number for number, _ in trace.sources})
    outcomes: list[Reread] = []
    for number, ordinal in trace.sources:
        recorded = ledger.index.rows(
            np.array([number << 32 | ordinal], np.uint64), ["digest"]
        ).column("digest")
        keyed = recorded[0].as_py() if len(recorded) else None
        place = place_of(files.get(number, ()), ordinal)
        path = None if place is None else readable_path(place[0].uri, roots)
        if keyed is None:
            outcomes.append("no_digest")
        elif place is None or path is None:
            outcomes.append("not_readable")
        else:
            found = row_digests(path, place[1])
            same = found is not None and any(ledger.digests.keyed(d) == keyed for d in found)
            outcomes.append("identical" if same else "differs")
    for worst in ("differs", "not_readable", "no_digest"):
        if worst in outcomes:
            return worst
    return "identical" if outcomes else "no_digest"
