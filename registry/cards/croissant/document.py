"""A version as a Croissant 1.1 file with RAI and provenance, written straight from facts. Pure.

Rules (Croissant 1.1; Croissant RAI 1.0; `registry.cards.croissant.terms`):
1. Everything in it is a fact of the version. A property for which there is none is left out, and
   `reg:gaps` names each fact that is missing, why, what supplies it, and the properties it feeds.
2. What people stated stands in the properties of RAI for every reader, and once more under
   `reg:statements` with its kind, so that reading the file again gives the same statements.
3. The same facts give the same bytes, whenever they were read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from registry.cards.catalogue import CATALOGUE
from registry.cards.croissant.provenance import cut_tables, provenance_of, renamed
from registry.cards.croissant.rai import rai_properties
from registry.cards.croissant.records import distribution_of, record_sets_of
from registry.cards.croissant.terms import (
    CONTEXT,
    CORE_PROPERTIES,
    CROISSANT,
    OWN_PROPERTIES,
    RAI,
    RAI_PROPERTIES,
    REQUIRED,
)
from registry.cards.croissant.usage import licenses_of, usage_of
from registry.cards.fact_kinds import NOT_RECORDED, STATEMENTS, FactKind
from registry.cards.known import (
    cell_text,
    count_of,
    fact_of,
    list_of,
    moment_text,
    rows_of,
    text_of,
    value_of,
)
from registry.cards.values import CardFacts, State, Table, value_document

#: Properties that the specification requires and that only the caller knows.
_ADDRESS: Final = {
    "@type": "reg:Gap",
    "name": "Address of the dataset",
    "reg:state": "not_recorded",
    "reg:suppliedBy": "setting REGISTRY_PUBLIC_URL",
    "reg:property": ["url"],
}


def croissant_bytes(facts: CardFacts, *, url: str | None = None) -> bytes:
    """The file: UTF-8 JSON, indented, with a newline at its end (rule 3)."""
    document = as_croissant(facts, url=url)
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def as_croissant(facts: CardFacts, *, url: str | None = None) -> dict[str, object]:
    """The file as JSON values. `url`: where people find the version, where that is known.

    Cost: about a millisecond, and one more for each thousand sources.
    """
    about = facts.about
    made: dict[str, object] = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "name": about.name,
        "conformsTo": [CROISSANT, RAI],
        "description": _description(facts),
        "license": licenses_of(facts),
        "version": f"{about.version}.0.0",
        "identifier": about.content_digest,
    }
    if url is not None:
        made["url"] = url
    made |= _people(facts)
    made |= _plain(facts)
    usage = usage_of(facts)
    if usage is not None:
        made["usageInfo"] = usage
    made |= rai_properties(facts)
    made |= provenance_of(facts)
    made |= _own(facts)
    for name, found in (
        ("distribution", distribution_of(facts)),
        ("recordSet", record_sets_of(facts)),
        ("reg:statements", list(_statements(facts))),
        ("reg:cut", list(cut_tables(facts))),
    ):
        if found:
            made[name] = found
    address: list[dict[str, object]] = [] if url is not None else [dict(_ADDRESS)]
    gaps = [*address, *_gaps(facts)]
    made["reg:gaps"] = [*gaps, *_without_fact(made, gaps)]
    return made


def _description(facts: CardFacts) -> str:
    """What was stated or recorded, else a sentence of what is known."""
    for name in ("statement.description", "identity.description"):
        text = text_of(facts, name)
        if text is not None:
            return text
    about, examples = facts.about, count_of(facts, "quantity.examples")
    counted = "" if examples is None else f", {examples} examples"
    return (
        f"Version {about.version} of {about.namespace} {about.name}{counted}. "
        "Nobody recorded a description."
    )


def _people(facts: CardFacts) -> dict[str, object]:
    owners = [
        text for row in rows_of(facts, "identity.owners").rows if (text := cell_text(row, "name"))
    ]
    controller, provider = text_of(facts, "controller.name"), text_of(facts, "provider.name")
    creators = owners or [name for name in (controller or provider,) if name is not None]
    made: dict[str, object] = {}
    if creators:
        made["creator"] = [_organization(name) for name in dict.fromkeys(creators)]
    publisher = provider or controller
    if publisher is not None:
        made["publisher"] = [_organization(publisher)]
    return made


def _organization(name: str) -> dict[str, object]:
    return {"@type": "sc:Organization", "name": name}


def _plain(facts: CardFacts) -> dict[str, object]:
    languages = [
        text
        for row in rows_of(facts, "quantity.by_language").rows
        if (text := cell_text(row, "value")) not in (None, NOT_RECORDED)
    ]
    made = {
        "datePublished": moment_text(facts, "identity.created_at"),
        "citeAs": text_of(facts, "statement.citation"),
        "keywords": list(list_of(facts, "identity.tags")),
        "inLanguage": languages,
    }
    return {name: found for name, found in made.items() if found}


def _own(facts: CardFacts) -> dict[str, object]:
    """What no vocabulary has a word for; rows as objects of their recorded cells."""
    about = facts.about
    made: dict[str, object] = {
        "reg:kind": about.kind,
        "reg:namespace": about.namespace,
        "reg:version": about.version,
        "reg:factsDigest": facts.digest,
    }
    if facts.origin:
        made["reg:auditLog"] = facts.origin
    for name, term in OWN_PROPERTIES.items():
        value = value_of(facts, name)
        if isinstance(value, Table):
            rows = rows_of(facts, name).rows
            told = (renamed(row, {each: f"reg:{each}" for each in row}) for row in rows)
            # mlcroissant follows an object without members for ever.
            made[term] = [each for each in told if each]
        elif value is not None:
            made[term] = value_document(value)
    return made


def _statements(facts: CardFacts) -> Iterator[dict[str, object]]:
    for kind in STATEMENTS:
        value = value_of(facts, kind.name)
        if value is None:
            continue
        made: dict[str, object] = {"@type": "reg:Statement", "reg:kind": kind.statement}
        made["reg:flag" if isinstance(value, bool) else "reg:text"] = value
        yield made


def _gaps(facts: CardFacts) -> Iterator[dict[str, object]]:
    """Each fact that does not answer, in the order of the catalogue (rule 1)."""
    for name, kind in CATALOGUE.items():
        fact = fact_of(facts, name)
        if fact.state.is_answer:
            continue
        made: dict[str, object] = {
            "@type": "reg:Gap",
            "reg:fact": name,
            "name": kind.title,
            "reg:state": fact.state.value,
            "reg:suppliedBy": kind.supplied_by,
        }
        feeds = properties_of(kind)
        if feeds:
            made["reg:property"] = feeds
        yield made


def _without_fact(
    made: Mapping[str, object], gaps: Sequence[Mapping[str, object]]
) -> Iterator[dict[str, object]]:
    """Required properties that are missing although every fact answers: there is none."""
    named = {name for gap in gaps for name in cast("list[str]", gap.get("reg:property", []))}
    for name in REQUIRED:
        if name not in made and name not in named:
            yield {
                "@type": "reg:Gap",
                "name": f"The property {name}",
                "reg:state": State.NOT_APPLICABLE.value,
                "reg:property": [name],
            }


def properties_of(kind: FactKind) -> list[str]:
    """The properties that a fact feeds."""
    found = [
        each.name
        for each in RAI_PROPERTIES
        if kind.name in each.facts or kind.statement in each.statements
    ]
    for terms in (CORE_PROPERTIES, OWN_PROPERTIES):
        found += terms.get(kind.name, "").split()
    return found
