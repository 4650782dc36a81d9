"""Reads the tables of facts by the names of their columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from registry.cards.values import Fact, Scalar, Table


def records(fact: Fact) -> Iterator[Mapping[str, Scalar | None]]:
    """The rows as mappings by column; nothing where the fact holds no table."""
    if isinstance(fact.value, Table):
        names = fact.value.columns
        return (dict(zip(names, row, strict=True)) for row in fact.value.rows)
    return iter(())


def column(fact: Fact, name: str) -> tuple[str, ...]:
    """The texts of a column in order, each once; what is None is left out."""
    return tuple(dict.fromkeys(str(row[name]) for row in records(fact) if row[name] is not None))


def number(value: Scalar | None) -> float | None:
    """The number in a cell, None for what is none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
