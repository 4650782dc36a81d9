"""Facts that are hard to write down: none at all, very many, and texts that mean to do harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

from registry.cards.catalogue import CATALOGUE
from registry.cards.values import CardFacts, Fact, Grade, Scalar, State, Table, Value
from tests.cards.samples import dataset_facts, model_facts, with_rows

MANY = 100_000
_UNTOLD = (None, None, None)
#: Every text that anybody recorded, replaced by one of these, must do no harm in any format.
HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "table and code": "a | b\n---|---\n`code` ```fence``` ~~~",
    "heading": "# heading\n## two\n===\n---\n",
    "list and quote": "- one\n* two\n+ three\n1. four\n> five",
    "link": "[text](javascript:alert(1)) ![image](http://x.example/a.png) <http://x.example>",
    "front matter": "---\nlicense: mit\n---\n",
    "yaml": "!!python/object/apply:os.system ['id'] &a *a {{x}} %TAG : - # ? | >",
    "yaml words": "no",
    "template": "{{ 7 * 7 }} {% raw %} {0} {name} %s",
    "json-ld": '@type", "@id": "x',
    "quotes": "\"'`\\\u2028\u2029",
    "control": "a\x00b\x07c\x1b[31md\x7fe\x85f",
    "bidi": "abc\u202edcba\u202c\u2066x\u2069\u200f",
    "cjk": "東京音声コーパス・第二版",
    "rtl": "مجموعة بيانات الكلام",
    "astral": "𝔡𝔞𝔱𝔞 🥐",
    "space": "   \t  ",
    "long": "long " * 4_000,
}


@cache
def empty_facts() -> CardFacts:
    """A version of which nothing was recorded."""
    return _all(dataset_facts(), State.NOT_RECORDED)


@cache
def facts_in(state: State) -> CardFacts:
    """A version whose every fact is in this state."""
    if state is State.KNOWN:
        return dataset_facts()
    return _all(dataset_facts(), state)


def _all(facts: CardFacts, state: State) -> CardFacts:
    value = {State.ZERO: 0}.get(state)
    made = {
        name: Fact(name, state, value if name.startswith("quantity.") else None)
        for name in CATALOGUE
    }
    return replace(facts, facts=made)


@cache
def told_facts() -> CardFacts:
    """The sample's dataset with fields, terms and places as producers record them."""
    facts = dataset_facts()
    facts = with_rows(
        facts,
        "identity.schema",
        ("text", "string", "What was said"),
        ("tags", "list<string>", None),
        ("seconds", "double", None),
        ("split", "string", None),
        ("where", "GEOGRAPHY", "a type that no vocabulary has"),
        ("untold", None, None),
    )
    facts = with_rows(
        facts, "identity.storage", ("s3", "eu-central-1", 12, 90_000), ("file", None, 2, 10_000)
    )
    facts = with_rows(
        facts,
        "rights.effective_terms",
        ("ai_training", "allowed", "CC-BY-4.0", "verified"),
        ("commercial_use", "denied", "LicenseRef-deal-7", "asserted"),
        ("redistribution", "demanded", "CC-BY-4.0", "verified"),
        ("derivatives", "unknown", None, None),
    )
    return with_rows(
        facts,
        "purposes.decisions",
        ("fine_tuning", "allow", "2026-03-01", "sha256:aa"),
        ("advertising", "deny", "2026-03-01", "sha256:aa"),
        ("evaluation", "cannot_tell", None, None),
    )


@cache
def facts_of_a_model() -> CardFacts:
    """The sample's model."""
    return model_facts()


@cache
def many_facts() -> CardFacts:
    """A version with 10^5 domains and as many sources."""
    facts = with_rows(
        told_facts(),
        "origin.domains",
        *((f"site-{at}.example", "text", MANY - at, 1_000, None) for at in range(MANY)),
    )
    return with_rows(
        facts,
        "origin.sources",
        *(
            (
                f"web/{at}",
                "crawled",
                f"https://site-{at}.example/",
                None,
                None,
                None,
                1,
                None,
                "text",
                9,
                3,
            )
            for at in range(MANY)
        ),
    )


@cache
def hostile_facts(text: str) -> CardFacts:
    """A version in which somebody wrote this for every text and name that is recorded."""
    facts = told_facts()
    made = {name: _with(fact, text) for name, fact in facts.facts.items()}
    named = text if text.strip() else "corpus"
    about = replace(facts.about, namespace=named, name=named)
    return replace(facts, about=about, facts=made)


def _with(fact: Fact, text: str) -> Fact:
    note = None if fact.note is None else text
    return replace(fact, value=_written(fact.value, text), note=note)


def _written(value: Value | None, text: str) -> Value | None:
    match value:
        case Table():
            rows = tuple(tuple(_cell(cell, text) for cell in row) for row in value.rows)
            return Table(value.columns, rows, value.total)
        case tuple():
            return tuple(text for _ in value)
        case None | str() | int() | float() | date():
            return _cell(value, text)


def _cell(cell: Scalar | None, text: str) -> Scalar | None:
    return text if isinstance(cell, str) else cell


def declared(facts: CardFacts, name: str, value: Value) -> CardFacts:
    """The same facts, where somebody stated this."""
    stated = Fact(name, State.KNOWN, value, Grade.DECLARED)
    return replace(facts, facts={**facts.facts, name: stated})
