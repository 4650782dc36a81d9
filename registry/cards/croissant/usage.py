"""Licences and terms of use of a dataset as Croissant says them: `license` and `usageInfo`. Pure.

Rules (Croissant 1.1, "Data Use Conditions"; ODRL 2.2):
1. A licence of the SPDX list stands as its address; an expression, a reference of somebody's own
   and what nobody recorded stand as a CreativeWork with that name. *Not recorded* is never open.
2. What may be done is an `odrl:Offer`: allowed is a permission, demanded a permission with the
   duty to meet the licences' conditions, denied a prohibition. What nobody knows is neither, and
   is named under `reg:unknownUse`.
3. A purpose that was decided on is a constraint on `odrl:use`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.known import Row, cell_count, cell_text, fact_of, rows_of
from registry.cards.values import CardFacts
from registry.rights.licenses import normal_expression

_ACTIONS: Final = {
    "ai_training": "reg:aiTraining",
    "commercial_use": "odrl:commercialize",
    "redistribution": "odrl:distribute",
    "derivatives": "odrl:derive",
}
_SINGLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
LICENSE_NOT_RECORDED: Final = "Licence not recorded"


def licenses_of(facts: CardFacts) -> list[object]:
    """The value of `license`, never empty (rule 1)."""
    found = [_license(row) for row in rows_of(facts, "rights.licenses").rows]
    if found:
        return found
    state = fact_of(facts, "rights.licenses").state.value
    return [{"@type": "CreativeWork", "name": LICENSE_NOT_RECORDED, "reg:state": state}]


def spdx_address(text: str) -> str | None:
    """The page of a licence on the SPDX list; None for anything else that a licence may be."""
    expression = normal_expression(text)
    is_one = _SINGLE.fullmatch(expression) and not expression.startswith("LicenseRef-")
    return f"https://spdx.org/licenses/{expression}.html" if is_one else None


def _license(row: Row) -> object:
    value = cell_text(row, "value") or NOT_RECORDED
    if value != NOT_RECORDED:
        address = spdx_address(value)
        if address is not None:
            return address
    name = LICENSE_NOT_RECORDED if value == NOT_RECORDED else value
    made: dict[str, object] = {"@type": "CreativeWork", "name": name}
    examples = cell_count(row, "examples")
    if examples is not None:
        made["reg:examples"] = examples
    return made


def usage_of(facts: CardFacts) -> dict[str, object] | None:
    """The value of `usageInfo`; None where nothing is known of what may be done."""
    rows = [*rows_of(facts, "rights.effective_terms").rows]
    decisions = [*rows_of(facts, "purposes.decisions").rows]
    if not rows and not decisions:
        return None
    made: dict[str, object] = {
        "@type": ["CreativeWork", "odrl:Offer"],
        "name": "Terms of use, computed from the licences of everything upstream",
    }
    permissions = [*_terms(rows, "allowed"), *_terms(rows, "demanded"), *_purposes(decisions, True)]
    prohibitions = [*_terms(rows, "denied"), *_purposes(decisions, False)]
    if permissions:
        made["odrl:permission"] = permissions
    if prohibitions:
        made["odrl:prohibition"] = prohibitions
    unknown = [text for row in rows if (text := _unknown_use(row))]
    unknown += [text for row in decisions if (text := _undecided(row))]
    if unknown:
        made["reg:unknownUse"] = unknown
    return made


def _terms(rows: list[Row], outcome: str) -> Iterator[dict[str, object]]:
    for row in rows:
        if cell_text(row, "outcome") != outcome:
            continue
        use = cell_text(row, "permission") or ""
        kind = "odrl:Prohibition" if outcome == "denied" else "odrl:Permission"
        made: dict[str, object] = {"@type": kind, "odrl:action": _action(use)}
        licenses = cell_text(row, "licenses")
        if licenses is not None:
            made["reg:becauseOf"] = licenses
        if outcome == "demanded":
            made["odrl:duty"] = {
                "@type": "odrl:Duty",
                "odrl:action": {"@id": "reg:meetConditionsOfLicence"},
            }
        yield made


def _action(use: str) -> dict[str, object]:
    known = _ACTIONS.get(use)
    return {"@id": known} if known else {"name": use}


def _unknown_use(row: Row) -> str | None:
    known = ("allowed", "demanded", "denied")
    return None if cell_text(row, "outcome") in known else cell_text(row, "permission")


def _purposes(decisions: list[Row], is_allowed: bool) -> Iterator[dict[str, object]]:
    for row in decisions:
        if cell_text(row, "decision") == ("allow" if is_allowed else "deny"):
            made: dict[str, object] = {
                "@type": "odrl:Permission" if is_allowed else "odrl:Prohibition",
                "odrl:action": {"@id": "odrl:use"},
                "odrl:constraint": {
                    "@type": "odrl:Constraint",
                    "odrl:leftOperand": {"@id": "odrl:purpose"},
                    "odrl:operator": {"@id": "odrl:eq"},
                    "odrl:rightOperand": cell_text(row, "purpose"),
                },
            }
            decided_at = cell_text(row, "at")
            if decided_at is not None:
                made["reg:decidedAt"] = decided_at
            yield made


def _undecided(row: Row) -> str | None:
    is_decided = cell_text(row, "decision") in ("allow", "deny")
    return None if is_decided else cell_text(row, "purpose")
