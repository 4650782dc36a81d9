"""What a card's statements and facts say in the properties of Croissant RAI. Pure.

Rules:
1. A statement's text stands as it was stated; a fact is told in a sentence for each row.
2. At most `ROWS_TOLD` rows are told; how many more there are is said, and the JSON form has them.
3. A property with one text joins what it has with an empty line between.
4. Of a fact in another state, only what answers is told: *none, counted* and *declared: none*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from registry.cards.catalogue import CATALOGUE
from registry.cards.croissant.terms import RAI_PROPERTIES, Property
from registry.cards.fact_kinds import NOT_RECORDED, Form
from registry.cards.known import fact_of, moment_text, rows_of, said, text_of, value_of
from registry.cards.values import CardFacts, State, Table

ROWS_TOLD = 50
# Many by the specification, one for mlcroissant: one text satisfies both.
_READ_AS_ONE = frozenset({"rai:dataReleaseMaintenancePlan"})
_SENTENCES: Final = {
    "preparation.steps": "Step {position}: {job} made {dataset} ({roles}); {rows_in} rows in, "
    "{rows_out} out, {dropped} dropped; code: {code}.",
    "quality.missing": "{dataset}, column {column}: {nulls} of {rows} values are missing.",
    "annotation.agreement": "{dataset}: {measure} {value}.",
    "bias.slices": "{dataset}, {slice}: {name} {value} (n: {n}, method: {method}).",
    "lineage.feedback_loops": "Output of {model} is in it by way of {path}: {examples} examples.",
    "retention.rules": "{subject}: {period} (rule {rule}, {basis}).",
    "personal.pii": "Found by a scan: {value}, {examples} examples.",
    "personal.classes": "Batches that are said to hold data of class {value}: {examples} examples.",
    "origin.sources": "{dataset}: {kind}, {modality}, {examples} examples, licence {license}.",
    "quality.split_overlap": "The splits {first} and {second} share {examples} examples.",
}
#: The specification's recommended values for how data was collected.
_COLLECTION_TYPES: Final = {
    "first_party": "Others",
    "licensed": "Secondary Data analysis",
    "third_party": "Secondary Data analysis",
    "public": "Secondary Data analysis",
    "crawled": "Web Scraping",
    "human_generated": "Manual Human Curator",
    "synthetic": "Others",
    "user_model": "User-generated content data",
    "user_service": "User-generated content data",
    "other": "Others",
}


def rai_properties(facts: CardFacts) -> dict[str, object]:
    """The RAI properties that have something to say, in the specification's order."""
    made: dict[str, object] = {}
    for each in RAI_PROPERTIES:
        texts = list(_texts(facts, each))
        if texts:
            is_list = each.is_many and each.name not in _READ_AS_ONE
            made[each.name] = texts if is_list else "\n\n".join(texts)
    return made


def _texts(facts: CardFacts, each: Property) -> Iterator[str]:
    for kind in each.statements:
        yield from _stated(facts, kind)
    match each.name:
        case "rai:dataCollectionType":
            yield from _collection_types(facts)
        case "rai:dataCollectionTimeframe":
            yield from filter(None, (moment_text(facts, name) for name in each.facts))
        case _:
            for name in each.facts:
                yield from told(facts, name)


def _stated(facts: CardFacts, kind: str) -> Iterator[str]:
    name = f"statement.{kind}"
    value = value_of(facts, name)
    if isinstance(value, bool):
        yield f"{CATALOGUE[name].title}: declared, {said(value)}."
    text = text_of(facts, name)
    if text is not None:
        yield text


def _collection_types(facts: CardFacts) -> Iterator[str]:
    kinds = (str(row["value"]) for row in rows_of(facts, "origin.kinds").rows)
    known = (_COLLECTION_TYPES.get(kind, "Others") for kind in kinds if kind != NOT_RECORDED)
    yield from dict.fromkeys(known)


def told(facts: CardFacts, name: str) -> Iterator[str]:
    """A fact in sentences (rules 1, 2 and 4); nothing where it does not answer."""
    fact = fact_of(facts, name)
    title = CATALOGUE[name].title
    match fact.state:
        case State.ZERO:
            yield f"{title}: none (counted)."
        case State.DECLARED_NONE:
            yield f"{title}: declared: none."
        case State.KNOWN:
            yield from _value_told(facts, name, title)
        case (
            State.NOT_RECORDED
            | State.NOT_APPLICABLE
            | State.COMPUTING
            | State.NOT_SCANNED
            | State.CONTRADICTED
            | State.BEYOND_SCOPE
        ):
            return


def _value_told(facts: CardFacts, name: str, title: str) -> Iterator[str]:
    value = value_of(facts, name)
    if isinstance(value, Table):
        yield from _rows_told(facts, name)
    elif value is None or value == ():
        return
    elif isinstance(value, tuple):
        yield f"{title}: {', '.join(value)}."
    elif CATALOGUE[name].form is Form.TEXT:
        yield said(value)
    else:
        yield f"{title}: {said(value)}."


def _rows_told(facts: CardFacts, name: str) -> Iterator[str]:
    found = rows_of(facts, name, ROWS_TOLD)
    sentence = _SENTENCES[name]
    for row in found.rows:
        yield sentence.format_map({column: said(cell) for column, cell in row.items()})
    if found.missing > 0:
        yield f"{CATALOGUE[name].title}: {found.missing} more, of {found.total}."
