"""The facts that the training summary computes from recorded ones, by name. Pure.

Rule: a computed fact rests on what it is computed from and on nothing else. Where one of those is
no answer, neither is the computed one; `REFINES` names facts that only make it more exact.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import FactKind, Form

_SOURCES = ("origin.sources", "origin.kinds")
_COMPUTED: tuple[tuple[str, str, Form, str, tuple[str, ...]], ...] = (
    ("version", "Version of the summary", Form.TEXT, "", ("identity.content_digest",)),
    ("last_update", "Last update", Form.DAY, "", ("identity.created_at",)),
    ("dependencies", "Made from", Form.TABLE, "model base_model", ("system.systems",)),
    ("models", "Models that it covers", Form.LIST, "", ("system.systems",)),
    ("modalities", "Modalities", Form.LIST, "", ("quantity.by_modality",)),
    (
        "size_bands",
        "Size of each modality",
        Form.TABLE,
        "modality band size unit",
        ("quantity.by_modality",),
    ),
    ("latest_acquisition", "Latest acquisition", Form.TEXT, "", ("origin.collected_until",)),
    ("languages", "Languages", Form.LIST, "", ("quantity.by_language",)),
    ("public_used", "Public datasets are used", Form.FLAG, "", _SOURCES),
    ("public_modalities", "Modalities of public datasets", Form.LIST, "", _SOURCES),
    (
        "large_public",
        "Large public datasets",
        Form.TABLE,
        "dataset name link modality share measured_in",
        _SOURCES,
    ),
    (
        "other_public",
        "Other public datasets",
        Form.TABLE,
        "modality datasets examples bytes tokens",
        _SOURCES,
    ),
    ("licensed_used", "Rightsholders licensed data", Form.FLAG, "", _SOURCES),
    ("licensed_modalities", "Modalities of licensed data", Form.LIST, "", _SOURCES),
    ("private_used", "Other private datasets are used", Form.FLAG, "", _SOURCES),
    ("private_modalities", "Modalities of private datasets", Form.LIST, "", _SOURCES),
    (
        "private_known",
        "Private datasets that are publicly known",
        Form.TABLE,
        "name link modality",
        _SOURCES,
    ),
    ("crawled_used", "Crawlers were used", Form.FLAG, "", _SOURCES),
    ("crawled_modalities", "Modalities of crawled data", Form.LIST, "", _SOURCES),
    ("crawlers", "Crawlers", Form.LIST, "", ("origin.crawls",)),
    ("crawl_period", "Period of crawling", Form.TEXT, "", ("origin.crawls",)),
    ("domains", "Domains by size", Form.TABLE, "rank domain modalities size", ("origin.domains",)),
    ("user_model_used", "Interactions with models are used", Form.FLAG, "", _SOURCES),
    ("user_service_used", "Data of other services is used", Form.FLAG, "", _SOURCES),
    ("user_modalities", "Modalities of data of users", Form.LIST, "", _SOURCES),
    ("synthetic_used", "Synthetic data is used", Form.FLAG, "", _SOURCES),
    ("synthetic_modalities", "Modalities of synthetic data", Form.LIST, "", _SOURCES),
    ("other_used", "There are other sources", Form.FLAG, "", _SOURCES),
    ("update_due", "Update due", Form.DAY, "", ("system.training_runs", "system.market_date")),
)

#: What a computed fact is computed from, by name.
BASES: Final = MappingProxyType({f"summary.{name}": bases for name, *_, bases in _COMPUTED})
#: What makes a computed fact more exact, and may be missing.
REFINES: Final = MappingProxyType(
    {"summary.domains": ("provider.size_class",), "summary.size_bands": ("quantity.hours",)}
)
COMPUTED: Final = MappingProxyType(
    {
        f"summary.{name}": FactKind(
            f"summary.{name}",
            title,
            form,
            tuple(columns.split()),
            supplied_by="; ".join(dict.fromkeys(CATALOGUE[base].supplied_by for base in bases)),
        )
        for name, title, form, columns, bases in _COMPUTED
    }
)


def kind_of(name: str) -> FactKind | None:
    """What a name stands for, recorded or computed; None for a name that is none."""
    return CATALOGUE.get(name) or COMPUTED.get(name)


def rests_on(name: str) -> tuple[str, ...]:
    """The recorded facts that decide a fact: itself, or what it is computed from."""
    return (*BASES[name], *REFINES.get(name, ())) if name in BASES else (name,)
