"""Takes raw and personal texts out of an old event, and leaves what the catalog is made of. Pure.

Rules (DESIGN §1.1; GDPR Art. 5(1)(e)):
1. Raw texts go whatever they hold: queries, source code, error messages, values of environment
   variables. Any other text of a facet goes where it holds what looks like an identifier, or where
   a secret was masked in it.
2. Names, ids and times stay, and so does every facet that the catalog reads for more than its text:
   ours, and those of `INTERPRETED`. What is projected from the event is the same before and after,
   but for those texts (`registry.lineage.expiry` holds it to that).
3. What went is told by JSON path and kind, never by value. A second time nothing is left to take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from registry.pii.flags import flag_identifiers
from registry.pii.walk import Place, containers, json_path, members

REMOVED = "[removed: past its retention]"
OURS = "registry_"
INTERPRETED = frozenset(
    (
        "parent",
        "parentRun",
        "nominalTime",
        "symlinks",
        "columnLineage",
        "lineage",
        "version",
        "lifecycleStateChange",
        "datasetType",
        "schema",
        "dataSource",
        "inputStatistics",
        "outputStatistics",
        "tags",
        "jobType",
    )
)
#: Facets of raw text, and under which keys it stands in them.
RAW = {
    "sql": frozenset(("query",)),
    "sourceCode": frozenset(("sourceCode",)),
    "errorMessage": frozenset(("message", "stackTrace")),
    "extractionError": frozenset(("errorMessage", "stackTrace", "task")),
    "environmentVariables": frozenset(("value",)),
}
_DATASETS = (("inputs", ("facets", "inputFacets")), ("outputs", ("facets", "outputFacets")))


class Removal(NamedTuple):
    """A text that went: where, and why (`raw`, `secret`, or the kind of identifier)."""

    path: str
    kind: str


def remove_old_texts(event: dict[str, Any], masked: Collection[str] = ()) -> list[Removal]:
    """Replace the texts of a decoded event in place (rules 1 and 2); what went, in document order.

    `masked`: JSON paths at which a secret was masked when the event came.
    """
    return [
        removal
        for steps, name, facet in _facets(event)
        for removal in _clear(facet, steps, RAW.get(name, frozenset()), masked)
    ]


def _facets(event: dict[str, Any]) -> Iterator[tuple[list[str | int], str, dict[str, Any]]]:
    """Every facet that may lose texts, with the keys that lead to it, and its name."""
    holders: list[tuple[list[str | int], object]] = [
        ([part], event.get(part)) for part in ("run", "job", "dataset")
    ]
    found: list[tuple[list[str | int], Any]] = [
        ([*steps, "facets"], holder.get("facets"))
        for steps, holder in holders
        if isinstance(holder, dict)
    ]
    for part, keys in _DATASETS:
        listed = event.get(part)
        for index, dataset in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(dataset, dict):
                found += [([part, index, key], dataset.get(key)) for key in keys]
    for steps, facets in found:
        for name, facet in facets.items() if isinstance(facets, dict) else ():
            if isinstance(facet, dict) and name not in INTERPRETED and not name.startswith(OURS):
                yield [*steps, name], name, facet


def _clear(
    facet: dict[str, Any],
    steps: list[str | int],
    raw: Collection[str],
    masked: Collection[str],
) -> Iterator[Removal]:
    for place in containers(facet):
        for key, value in list(members(place.container)):
            if not isinstance(value, str) or value == REMOVED:
                continue
            path = _path(steps, place, key)
            kind = _kind(key, value, raw, is_masked=path in masked)
            if kind is not None:
                place.container[key] = REMOVED  # type: ignore[index]
                yield Removal(path, kind)


def _kind(key: str | int, value: str, raw: Collection[str], *, is_masked: bool) -> str | None:
    """Why a text goes, or None for one that stays."""
    if str(key).startswith("_"):
        return None
    if key in raw:
        return "raw"
    if is_masked:
        return "secret"
    flags = flag_identifiers({key if isinstance(key, str) else "item": value})
    return flags[0].kind.value if flags else None


def _path(steps: list[str | int], place: Place, key: str | int) -> str:
    """The path of a value; a key that is itself an identifier stands as `*`."""
    whole = [*steps, *place.steps(), key]
    return json_path("*" if _is_personal(step) else step for step in whole)


def _is_personal(step: str | int) -> bool:
    return isinstance(step, str) and not step.isidentifier() and bool(flag_identifiers({step: ""}))
