"""Computes what the Commission's template asks for beyond recorded facts. Pure.

Rules (template and notice of C(2025) 8311, in `policies/cards/training-summary.yaml`):
1. A dataset is one pre-packaged collection, and is reported in one category; its synthetic part,
   made by or for the provider, is reported as synthetic. A public dataset of synthetic data is
   public.
2. A public dataset is named when its share of all public data of one modality is over 3 %. It is
   measured as a whole, after preparation, in one measure for all of a modality.
3. That something is not used is said only where the kind of every source is recorded.
4. A computed fact rests on its bases: while one is no answer, neither is it, and it says which.
5. Its grade is the weakest of theirs; what it rests on is everything that they rest on.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import TypeAlias

from registry.cards.card import Revision
from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.questions.forms import TemplateForm
from registry.cards.questions.summary_names import BASES, COMPUTED, REFINES, kind_of
from registry.cards.summary.bands import size_bands
from registry.cards.summary.domains import top_domains
from registry.cards.summary.sources import Sources, read_sources
from registry.cards.tables_read import column, records
from registry.cards.values import CardFacts, Fact, Grade, State, Table, Value, evidence_of

Made: TypeAlias = "Value | Fact"
_STRENGTH = (Grade.DECLARED, Grade.ASSERTED, Grade.VERIFIED, Grade.MEASURED)


def compute(
    facts: CardFacts, template: TemplateForm, revision: Revision | None = None
) -> dict[str, Fact]:
    """Every computed fact by its name. Cost: linear in rows; domains are sorted."""
    sources = read_sources(facts, template.categories)
    ways = {
        **_identity(facts, revision),
        **_contents(facts, template),
        **_of_categories(sources, template),
        **_crawling(facts, template),
    }
    return {name: _rested(name, facts, ways[name]) for name in COMPUTED}


def _rested(name: str, facts: CardFacts, make: Callable[[], Made]) -> Fact:
    """The fact with what its bases give it (rules 4 and 5)."""
    bases = [facts[base] for base in BASES[name]]
    for base in bases:
        if not base.state.is_answer:
            kind = kind_of(base.name)
            title = kind.title if kind else base.name
            return Fact(name, base.state, note=f"It is computed from: {title}.")
    made = make()
    fact = made if isinstance(made, Fact) else Fact(name, State.KNOWN, made)
    rests = [*bases, *(facts[base] for base in REFINES.get(name, ()))]
    grades = [each.grade for each in rests if each.grade is not None]
    moments = [each.as_of for each in rests if each.as_of is not None]
    evidence, total = evidence_of([one for each in rests for one in each.evidence])
    return replace(
        fact,
        name=name,
        grade=min(grades, key=_STRENGTH.index, default=Grade.MEASURED)
        if fact.state in (State.KNOWN, State.ZERO)
        else None,
        as_of=max(moments, default=None),
        evidence=evidence,
        evidence_total=max([total, *(each.evidence_total for each in rests)]),
    )


def _versioned(system: Mapping[str, object]) -> str:
    """A system by name, with its version where that is recorded."""
    version = system["version"]
    return str(system["name"]) if version is None else f"{system['name']} {version}"


def _identity(facts: CardFacts, revision: Revision | None) -> dict[str, Callable[[], Made]]:
    def version() -> Made:
        if revision is None:
            return f"Draft of dataset version {facts.about.version}, not published"
        before = f"; before it: {revision.previous}" if revision.previous else "; the first"
        return f"Revision {revision.number}{before}"

    def updated() -> Made:
        when = revision.published_at if revision else facts["identity.created_at"].value
        return when.date() if isinstance(when, datetime) else open_fact("No moment is recorded.")

    def dependencies() -> Made:
        rows = [
            (_versioned(each), each["base_model"])
            for each in records(facts["system.systems"])
            if each["base_model"] is not None
        ]
        if not rows:
            return open_fact("Of no model it is recorded what it was made from.")
        return Table(("model", "base_model"), tuple(dict.fromkeys(rows)))

    def models() -> Made:
        named = map(_versioned, records(facts["system.systems"]))
        several = tuple(dict.fromkeys(named))
        if not several:
            return open_fact("No model is recorded.")
        note = "One summary covers several models only where it is the same for each."
        fact = Fact("", State.KNOWN, several)
        return replace(fact, note=note) if len(several) > 1 else fact

    return {
        "summary.version": version,
        "summary.last_update": updated,
        "summary.dependencies": dependencies,
        "summary.models": models,
    }


def _contents(facts: CardFacts, template: TemplateForm) -> dict[str, Callable[[], Made]]:
    def languages() -> Made:
        order = template.official_languages
        named = column(facts["quantity.by_language"], "value")
        official = [each for each in named if each.partition("-")[0].lower() in order]
        others = [each for each in named if each not in official and each != NOT_RECORDED]
        unknown = [each for each in named if each == NOT_RECORDED]
        return (*official, *others, *unknown) or open_fact("No language was counted.")

    def modalities() -> Made:
        named = column(facts["quantity.by_modality"], "value")
        return named or open_fact("No modality was counted.")

    def acquired() -> Made:
        until = facts["origin.collected_until"].value
        return month(until) or open_fact("No day is recorded.")

    def due() -> Made:
        return _update_due(facts, template.update_months)

    return {
        "summary.languages": languages,
        "summary.modalities": modalities,
        "summary.size_bands": lambda: size_bands(
            facts["quantity.by_modality"], facts["quantity.hours"], template.bands
        ),
        "summary.latest_acquisition": acquired,
        "summary.update_due": due,
    }


def _of_categories(sources: Sources, template: TemplateForm) -> dict[str, Callable[[], Made]]:
    def used(*names: str) -> Callable[[], Made]:
        return lambda: sources.used(*names)

    def modalities(*names: str) -> Callable[[], Made]:
        return lambda: sources.modalities(*names)

    names = ("public", "licensed", "private", "crawled", "synthetic")
    return {
        **{f"summary.{name}_used": used(name) for name in (*names, "other")},
        **{f"summary.{name}_modalities": modalities(name) for name in names},
        "summary.user_model_used": used("user_model"),
        "summary.user_service_used": used("user_service"),
        "summary.user_modalities": modalities("user_model", "user_service"),
        "summary.large_public": lambda: sources.large_public(template.large_share),
        "summary.other_public": lambda: sources.other_public(template.large_share),
        "summary.private_known": sources.private_known,
    }


def _crawling(facts: CardFacts, template: TemplateForm) -> dict[str, Callable[[], Made]]:
    def crawlers() -> Made:
        agents = [each["user_agent"] for each in records(facts["origin.crawls"])]
        named = tuple(dict.fromkeys(str(each) for each in agents if each is not None))
        if not named:
            return open_fact("No crawl names its crawler.")
        return (*named, NOT_RECORDED) if None in agents else named

    def period() -> Made:
        crawls = list(records(facts["origin.crawls"]))
        first = [month_key(each["collected_from"]) for each in crawls]
        last = [month_key(each["collected_until"]) for each in crawls]
        without = sum(not begun or not ended for begun, ended in zip(first, last, strict=True))
        if without or not crawls:
            return open_fact(f"Of {without} of {len(crawls)} crawls the period is not recorded.")
        begun, ended = min(first), max(last)
        return f"{begun[5:]}/{begun[:4]} to {ended[5:]}/{ended[:4]}"

    def domains() -> Made:
        return top_domains(facts["origin.domains"], facts["provider.size_class"], template)

    return {
        "summary.crawlers": crawlers,
        "summary.crawl_period": period,
        "summary.domains": domains,
    }


def open_fact(note: str) -> Fact:
    """A fact that could not be computed, and why; its name is set by whoever asked."""
    return Fact("", State.NOT_RECORDED, note=note)


def month_key(value: object) -> str:
    """`2026-03` of a day, a moment or a text that begins with one; else an empty text."""
    if isinstance(value, date):
        return f"{value:%Y-%m}"
    text = str(value or "")[:7]
    return text if len(text) == 7 and text[4] == "-" else ""


def month(value: object) -> str:
    """`03/2026`, or an empty text."""
    key = month_key(value)
    return f"{key[5:]}/{key[:4]}" if key else ""


def _update_due(facts: CardFacts, months: int) -> Made:
    market = facts["system.market_date"].value
    runs = [each["at"] for each in records(facts["system.training_runs"])]
    days = [each.date() if isinstance(each, datetime) else each for each in runs]
    known = [each for each in days if isinstance(each, date)]
    if len(known) < len(days):
        return open_fact("Of a training run it is not recorded when it was.")
    after = [each for each in known if isinstance(market, date) and each > market]
    if not after:
        note = "No training after the model was placed on the market is recorded."
        return Fact("", State.NOT_APPLICABLE, note=note)
    return add_months(max(after), months)


def add_months(day: date, months: int) -> date:
    """The day this many months later; the last of the month where that has no such day."""
    years, place = divmod(day.month - 1 + months, 12)
    year = day.year + years
    last = calendar.monthrange(year, place + 1)[1]
    return date(year, place + 1, min(day.day, last))
