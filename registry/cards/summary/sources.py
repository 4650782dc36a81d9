"""Sources by the categories of the Commission's template, 2.1 to 2.6. Pure.

Rules (`registry.cards.summary.rules`, 1 to 3):
1. All of a dataset stands in the category that most of its examples have; at a draw in the first
   of the template. Its synthetic rows stand under synthetic data.
2. A kind of origin that no category names is not known, and so is a source without a kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.questions.forms import CategoryForm
from registry.cards.questions.summary_names import COMPUTED
from registry.cards.tables_read import number, records
from registry.cards.values import CardFacts, Fact, Scalar, State, Table, Value

Row: TypeAlias = Mapping[str, Scalar | None]
_MEASURES = {"text": ("tokens", "bytes", "examples"), "image": ("examples",)}


@dataclass(frozen=True, slots=True)
class Large:
    """A public dataset in a modality. `share`: of all public data of it, in `measure`."""

    dataset: str
    modality: str
    share: float
    measure: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Rows of sources by category. `kinds`: of origin that were counted; `unknown`: examples."""

    rows: Mapping[str, tuple[Row, ...]]
    kinds: frozenset[str]
    unknown: int

    def used(self, *names: str) -> Value | Fact:
        """Whether a category has anything (rule 3 of the summary)."""
        if any(self.rows.get(name) for name in names) or self.kinds & set(names):
            return True
        if self.unknown:
            note = f"Of {self.unknown:,} examples it is not recorded where they are from."
            return Fact("", State.NOT_RECORDED, note=note)
        return False

    def modalities(self, *names: str) -> Value | Fact:
        """The modalities of categories, in the order of their sources."""
        rows = [row for name in names for row in self.rows.get(name, ())]
        if not rows and self.used(*names) is False:
            return Fact("", State.NOT_APPLICABLE, note="There is no such data.")
        named = tuple(dict.fromkeys(str(row["modality"] or NOT_RECORDED) for row in rows))
        if set(named) <= {NOT_RECORDED}:
            return Fact("", State.NOT_RECORDED, note="No source names its modality.")
        return named

    def large_public(self, over: float) -> Value | Fact:
        """The public datasets whose share of a modality is greater than this."""
        if not self.rows.get("public"):
            return self._without_public()
        first = {str(row["dataset"]): row for row in reversed(self.rows["public"])}
        rows = tuple(
            (
                each.dataset,
                first[each.dataset]["name"],
                first[each.dataset]["uri"],
                each.modality,
                each.share,
                each.measure,
            )
            for each in self._shares()
            if each.share > over
        )
        state = State.KNOWN if rows else State.ZERO
        return Fact("", state, Table(COMPUTED["summary.large_public"].columns, rows))

    def other_public(self, over: float) -> Value | Fact:
        """The public datasets that are not named, added up by modality."""
        if not self.rows.get("public"):
            return self._without_public()
        named = {each.dataset for each in self._shares() if each.share > over}
        rest: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows["public"]:
            if str(row["dataset"]) not in named:
                rest[str(row["modality"] or NOT_RECORDED)].append(row)
        rows = tuple(
            (
                modality,
                len({row["dataset"] for row in some}),
                *(_sum(some, measure) for measure in ("examples", "bytes", "tokens")),
            )
            for modality, some in sorted(rest.items())
        )
        state = State.KNOWN if rows else State.ZERO
        return Fact("", state, Table(COMPUTED["summary.other_public"].columns, rows))

    def private_known(self) -> Value | Fact:
        """Private datasets that are publicly known, by name."""
        rows = self.rows.get("private", ())
        if not rows and self.used("private") is False:
            return Fact("", State.NOT_APPLICABLE, note="There is no such data.")
        known = [row for row in rows if row["publicly_known"] is True]
        unknown = sum(row["publicly_known"] is None for row in rows)
        note = f"Of {unknown} it is not recorded whether they are publicly known."
        if not known and (unknown or not rows):
            return Fact("", State.NOT_RECORDED, note=note if rows else "No source is named.")
        table = Table(
            COMPUTED["summary.private_known"].columns,
            tuple((row["name"] or row["dataset"], row["uri"], row["modality"]) for row in known),
        )
        state = State.KNOWN if known else State.ZERO
        return Fact("", state, table, note=note if unknown else None)

    def _without_public(self) -> Fact:
        if self.used("public") is False:
            return Fact("", State.NOT_APPLICABLE, note="There is no public dataset in it.")
        return Fact("", State.NOT_RECORDED, note="No public source is named.")

    def _shares(self) -> Iterator[Large]:
        """Each public dataset in each of its modalities, as a share of that modality."""
        by_modality: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows["public"]:
            by_modality[str(row["modality"] or NOT_RECORDED)].append(row)
        for modality, some in sorted(by_modality.items()):
            measure = _measure(modality, some)
            whole = _sum(some, measure) or 0
            sizes: dict[str, float] = defaultdict(float)
            for row in some:
                sizes[str(row["dataset"])] += number(row[measure]) or 0
            for dataset, size in sorted(sizes.items(), key=lambda each: (-each[1], each[0])):
                yield Large(dataset, modality, size / whole if whole else 1.0, measure)


def read_sources(facts: CardFacts, categories: CategoryForm) -> Sources:
    """The sources of a version by category (rules 1 and 2)."""
    home = {
        kind: name for name in categories.__struct_fields__ for kind in getattr(categories, name)
    }
    order = list(categories.__struct_fields__)
    grouped: dict[str, list[Row]] = defaultdict(list)
    by_dataset: dict[str, list[Row]] = defaultdict(list)
    unknown = 0
    for row in records(facts["origin.sources"]):
        category = home.get(str(row["kind"]))
        if category is None:
            unknown += int(number(row["examples"]) or 0)
        elif category == "synthetic":
            grouped[category].append(row)
        else:
            by_dataset[str(row["dataset"])].append(row)
    for some in by_dataset.values():
        grouped[_most(some, home, order)].extend(some)
    kinds = {str(row["value"]): int(number(row["examples"]) or 0) for row in _kinds(facts)}
    listed = {str(row["kind"]) for row in records(facts["origin.sources"])}
    unlisted = {home[kind] for kind in kinds if kind in home and kind not in listed}
    counted = sum(count for kind, count in kinds.items() if kind not in home)
    rows = {name: tuple(some) for name, some in grouped.items()}
    return Sources(rows, frozenset(unlisted), max(unknown, counted))


def _kinds(facts: CardFacts) -> Iterator[Row]:
    return iter(records(facts["origin.kinds"]))


def _most(rows: Iterable[Row], home: Mapping[str, str], order: list[str]) -> str:
    """The category that most examples of a dataset have (rule 1)."""
    sizes: dict[str, float] = defaultdict(float)
    for row in rows:
        sizes[home[str(row["kind"])]] += number(row["examples"]) or 0
    return min(sizes, key=lambda name: (-sizes[name], order.index(name)))


def _measure(modality: str, rows: list[Row]) -> str:
    """What a modality is measured in: the first that every source has."""
    for measure in _MEASURES.get(modality, ("bytes", "examples")):
        if all(number(row[measure]) is not None for row in rows):
            return measure
    return "examples"


def _sum(rows: Iterable[Row], measure: str) -> int | None:
    """The sum, None where one of them is not recorded."""
    sizes = [number(row[measure]) for row in rows]
    known = [each for each in sizes if each is not None]
    return int(sum(known)) if len(known) == len(sizes) else None
