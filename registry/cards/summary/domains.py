"""The domains that most content was scraped from, as the Commission's template wants them. Pure.

Rules (template, section 2.3):
1. The top 10 % of all domains by size scraped; for an SME the top 5 % or 1,000 of them, whichever
   is lower. A part of a domain is rounded up: rather one more is named than one too few.
2. They are chosen in a manner representative of all modalities: each gives names, its largest
   first, in proportion to the domains that it has.
3. Where the size of the provider is not recorded, the rule for the others holds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.questions.forms import TemplateForm
from registry.cards.questions.summary_names import COMPUTED
from registry.cards.tables_read import number, records
from registry.cards.values import Fact, State, Table

_COLUMNS = COMPUTED["summary.domains"].columns


def how_many(domains: int, *, is_sme: bool, template: TemplateForm) -> int:
    """How many of so many domains are named (rule 1)."""
    share = template.sme_domain_share if is_sme else template.domain_share
    # Floats are not exact, and a name too many is as wrong as one too few: 0.05 is 1/20 here.
    wanted = math.ceil(domains * Fraction(str(share)))
    return min(wanted, template.sme_domain_limit) if is_sme else wanted


def choose(ranked: Mapping[str, Sequence[str]], limit: int) -> list[str]:
    """Up to `limit` domains in the order chosen (rule 2). `ranked`: by modality, largest first.

    Cost: the limit times the modalities.
    """
    chosen: dict[str, None] = {}
    heads = dict.fromkeys(ranked, 0)
    places = {modality: set(domains) for modality, domains in ranked.items()}
    taken = dict.fromkeys(ranked, 0)
    while len(chosen) < limit:
        for modality, domains in ranked.items():
            while heads[modality] < len(domains) and domains[heads[modality]] in chosen:
                heads[modality] += 1
        left = [each for each in sorted(ranked) if heads[each] < len(ranked[each])]
        if not left:
            break
        behind = min(left, key=lambda each: Fraction(taken[each], len(ranked[each])))
        domain = ranked[behind][heads[behind]]
        chosen[domain] = None
        for modality, members in places.items():
            taken[modality] += domain in members
    return list(chosen)


def top_domains(domains: Fact, size_class: Fact, template: TemplateForm) -> Fact:
    """`summary.domains`: the chosen ones, largest first."""
    rows = list(records(domains))
    if not rows:
        return Fact("", State.ZERO, value=Table(_COLUMNS, ()))
    unit = _unit(rows)
    sizes: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        modality = str(row["modality"] or NOT_RECORDED)
        per = sizes[str(row["domain"])]
        per[modality] = per.get(modality, 0) + (number(row[unit]) or 0)
    whole = isinstance(domains.value, Table) and domains.value.count == len(rows)
    count = len(sizes) if whole or not isinstance(domains.value, Table) else domains.value.count
    is_sme = str(size_class.value or "").lower() in template.sme_sizes
    chosen = choose(_ranked(sizes), how_many(count, is_sme=is_sme, template=template))
    ordered = sorted(chosen, key=lambda each: (-sum(sizes[each].values()), each))
    table = Table(
        _COLUMNS,
        tuple(
            (rank, each, ", ".join(sorted(sizes[each])), int(sum(sizes[each].values())))
            for rank, each in enumerate(ordered, start=1)
        ),
    )
    return Fact("", State.KNOWN, table, note=_note(len(ordered), count, unit, is_sme, size_class))


def _unit(rows: Iterable[Mapping[str, object]]) -> str:
    every = list(rows)
    return "bytes" if all(row["bytes"] is not None for row in every) else "examples"


def _ranked(sizes: Mapping[str, Mapping[str, float]]) -> dict[str, list[str]]:
    by_modality: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for domain, per in sizes.items():
        for modality, size in per.items():
            by_modality[modality].append((-size, domain))
    return {modality: [each for _, each in sorted(some)] for modality, some in by_modality.items()}


def _note(named: int, count: int, unit: str, is_sme: bool, size_class: Fact) -> str:
    rule = "rule for an SME" if is_sme else "rule for others than an SME"
    if not size_class.state.is_answer:
        rule = "rule for others than an SME, as the size of the provider is not recorded"
    return f"{named:,} of {count:,} domains by {unit} ({rule})."
