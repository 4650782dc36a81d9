"""What a licence lets one do with data, and the strictest of several. Pure.

Rules (SPDX specification, annex on licence expressions):
1. A text that is an SPDX expression is read as one; it may hold references (`LicenseRef-…`), which
   mean what `policies/licenses.yaml` says of them. Any other text is kept as a reference made of
   it, and what it allows is unknown.
2. Each of AI training, commercial use, redistribution and derivatives is allowed, demanded (allowed
   on conditions that must be met), denied, or unknown; and each licence says who verified that.
3. `A AND B`: both bind, so the stricter answer. `A OR B`: a choice, so the milder one. A `WITH`
   exception only widens, so the licence's own answer stands. `X+` and `X-or-later` are read as `X`.
4. The strictest of several sources: denied, then unknown, then demanded, then allowed. What nobody
   said is unknown, never allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from registry.files import shipped
from registry.rights.policy_file import Node, read_policy_file

FILE = "licenses.yaml"
TEXT_LIMIT = 1_000
REFERENCE = "LicenseRef-"


class Permission(StrEnum):
    """What a licence says about one use."""

    ALLOWED = "allowed"
    DEMANDED = "demanded"
    DENIED = "denied"
    UNKNOWN = "unknown"


_STRICTNESS = {
    Permission.ALLOWED: 0,
    Permission.DEMANDED: 1,
    Permission.UNKNOWN: 2,
    Permission.DENIED: 3,
}
_USES = ("ai_training", "commercial_use", "redistribution", "derivatives")


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be done; `verified_by`: who looked into it, empty where nobody did."""

    ai_training: Permission
    commercial_use: Permission
    redistribution: Permission
    derivatives: Permission
    verified_by: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether nothing at all is known."""
        return all(getattr(self, use) is Permission.UNKNOWN for use in _USES)


def _terms_of(
    answers: Sequence[Permission], verified_by: tuple[str, ...], conditions: tuple[str, ...]
) -> Terms:
    """Terms of four answers in the order of `_USES`."""
    training, commercial, redistribution, derivatives = answers
    return Terms(training, commercial, redistribution, derivatives, verified_by, conditions)


UNKNOWN_TERMS = _terms_of([Permission.UNKNOWN] * len(_USES), (), ())


@dataclass(frozen=True, slots=True)
class License:
    """A licence text as it was read: its normal form, whether it is SPDX, and what it allows."""

    expression: str
    is_spdx: bool
    terms: Terms


@dataclass(frozen=True, slots=True)
class Licenses:
    """What the file says of each licence, by lower-case identifier."""

    known: Mapping[str, Terms]

    def of(self, text: str | None) -> License | None:
        """What a licence text means (rule 1); None for None and empty text."""
        if text is None or not text.strip():
            return None
        expression = normal_expression(text)
        parsed = _parse(text.strip())
        if parsed is None:
            # Somebody's words happen to look like a reference of ours: that must allow nothing.
            return License(expression, False, UNKNOWN_TERMS)
        return License(expression, not _has_reference(parsed), self._evaluate(parsed))

    def _evaluate(self, node: Any) -> Terms:
        """The terms of a parsed expression (rule 3)."""
        operator = getattr(node, "operator", "")
        if operator:
            parts = [self._evaluate(each) for each in node.args]
            return milder(parts) if operator.strip() == "OR" else strictest(parts)
        licensed = getattr(node, "license_symbol", node)
        return self.of_identifier(str(licensed.key))

    def of_identifier(self, identifier: str) -> Terms:
        """What one SPDX identifier or reference means."""
        key = identifier.lower()
        for form in (key, re.sub(r"(\+|-or-later|-only)$", "", key)):
            if form in self.known:
                return self.known[form]
        return UNKNOWN_TERMS


def strictest(terms: Iterable[Terms | None]) -> Terms:
    """What all of these allow together (rule 4); None is a source that said nothing."""
    return _join([UNKNOWN_TERMS if each is None else each for each in terms], max)


def milder(terms: Iterable[Terms]) -> Terms:
    """What one may do who can choose among these: the mildest answer to each use that one choice
    gives, for the choice whose strictest answer is mildest.
    """
    choices = list(terms)
    return min(choices, key=_weights) if choices else UNKNOWN_TERMS


def _weights(terms: Terms) -> tuple[int, ...]:
    weights = [_STRICTNESS[getattr(terms, use)] for use in _USES]
    return (weights[0], max(weights), sum(weights))


def _join(terms: list[Terms], pick: Any) -> Terms:
    if not terms:
        return UNKNOWN_TERMS
    answers = [pick((getattr(t, use) for t in terms), key=_STRICTNESS.__getitem__) for use in _USES]
    return _terms_of(answers, _union(terms, "verified_by"), _union(terms, "conditions"))


def _union(terms: list[Terms], name: str) -> tuple[str, ...]:
    merged: dict[str, None] = {}
    for each in terms:
        merged.update(dict.fromkeys(getattr(each, name)))
    return tuple(merged)


def normal_expression(text: str) -> str:
    """The SPDX expression of a licence text in normal form, else a `LicenseRef-…` made of it."""
    parsed = _parse(text.strip())
    if parsed is not None:
        return str(parsed)
    reference = re.sub(r"[^A-Za-z0-9.]+", "-", text.strip()[:TEXT_LIMIT]).strip("-") or "unnamed"
    return reference if reference.startswith(REFERENCE) else REFERENCE + reference[:100]


@lru_cache(maxsize=4096)
def _parse(text: str) -> Any:
    """The parsed SPDX expression (a reference counts as one), or None where it is none."""
    from license_expression import ExpressionError, ExpressionParseError

    if len(text) > TEXT_LIMIT:
        return None
    try:
        parsed = _licensing().parse(text, validate=False, strict=False)
    except (ExpressionError, ExpressionParseError, RecursionError):
        return None
    if parsed is None:
        return None
    unknown = [
        symbol.key
        for symbol in _licensing().unknown_license_symbols(parsed)
        if not re.fullmatch(r"(DocumentRef-[\w.-]+:)?LicenseRef-[\w.-]+", symbol.key)
    ]
    return None if unknown else parsed


def _has_reference(parsed: Any) -> bool:
    return any(REFERENCE in str(symbol.key) for symbol in parsed.symbols)


@lru_cache(maxsize=1)
def _licensing() -> Any:
    """The SPDX list as the library ships it. Cost: a fifth of a second, once."""
    from license_expression import get_spdx_licensing

    make: Callable[[], Any] = get_spdx_licensing
    return make()


def load_licenses(path: Path | None = None) -> Licenses:
    """The licences of a file, else of the shipped one. Raises PolicyError."""
    return read_licenses(read_policy_file(path or shipped("policies") / FILE))


def read_licenses(root: Node) -> Licenses:
    """As `load_licenses`, of a document that is read already."""
    root.only("The file", {"licenses"}, {"licenses"})
    nodes = root.mapping("The file")["licenses"].mapping("`licenses`")
    known: dict[str, Terms] = {}
    for name, node in nodes.items():
        if name.lower() in known:
            node.refuse(f"{name} stands twice but for its letters' case.", "Keep one.")
        if _parse(name) is None:
            node.refuse(
                f"{name!r} is no SPDX identifier.", f"Write one, or {REFERENCE} and a name."
            )
        known[name.lower()] = _terms(name, node)
    return Licenses(known)


def _terms(name: str, node: Node) -> Terms:
    allowed = {each.name for each in fields(Terms)}
    node.only(f"The licence {name}", allowed, (*_USES, "verified_by"))
    members = node.mapping(name)
    answers = [Permission(members[use].one_of(f"`{use}`", Permission)) for use in _USES]
    texts = {
        key: tuple(each.text(f"`{key}`") for each in members[key].items(f"`{key}`"))
        for key in ("verified_by", "conditions")
        if key in members
    }
    terms = _terms_of(answers, texts.get("verified_by", ()), texts.get("conditions", ()))
    demanded = any(each is Permission.DEMANDED for each in answers)
    if demanded and not terms.conditions:
        node.refuse(f"{name} demands something and does not say what.", "Add `conditions: […]`.")
    return terms
