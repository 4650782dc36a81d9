"""What a pipeline may say of a batch, checked before it travels. Pure.

Rules: the names and values are those of `registry_batch` (CONTRACTS), in Python's spelling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from registry.errors import InvalidInputError
from registry.moments import rfc3339

NAME_LIMIT = 512
MODES = ("append", "overwrite", "replace_partition")
CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
PERSONAL_DATA = ("none", "pseudonymised", "personal", "special", "unknown")
SOURCE_KINDS = (
    "first_party",
    "licensed",
    "third_party",
    "public",
    "crawled",
    "human_generated",
    "synthetic",
    "user_model",
    "user_service",
    "other",
)
_WIRE = {
    "legal_basis": "legalBasis",
    "special_category_condition": "specialCategoryCondition",
    "personal_data": "personalData",
    "collected_from": "collectedFrom",
    "collected_until": "collectedUntil",
}
_CHOICES: Mapping[str, Sequence[str]] = {
    "mode": MODES,
    "classification": CLASSIFICATIONS,
    "personal_data": PERSONAL_DATA,
    "kind": SOURCE_KINDS,
}


class Origin(TypedDict, total=False):
    """Where the examples of a batch come from; times are aware datetimes or RFC 3339."""

    kind: str
    uri: str
    description: str
    collected_from: datetime | str
    collected_until: datetime | str


class BatchTerms(TypedDict, total=False):
    """What is said of a batch besides its examples; `origin` may be its kind alone."""

    mode: Literal["append", "overwrite", "replace_partition"] | None
    partition: str | None
    origin: Origin | str | None
    license: str | None
    legal_basis: str | None
    special_category_condition: str | None
    purposes: Sequence[str] | None
    region: str | None
    classification: str | None
    personal_data: str | None


def check_terms(terms: BatchTerms) -> dict[str, Any]:
    """The terms under their names in the facet. Raises InvalidInputError, naming the term."""
    _known(terms, BatchTerms.__annotations__, "A batch")
    found = _wire({key: value for key, value in terms.items() if value is not None})
    if terms.get("mode") == "replace_partition" and not terms.get("partition"):
        raise InvalidInputError(
            "The mode is replace_partition, and no partition is named.",
            remedy="Name the partition that the batch replaces.",
        )
    origin = terms.get("origin")
    if isinstance(origin, str):
        origin = Origin(kind=origin)
    if origin is not None:
        _known(origin, Origin.__annotations__, "An origin")
        found["origin"] = _wire(origin)
    if "purposes" in found:
        if isinstance(found["purposes"], str):
            found["purposes"] = [found["purposes"]]
        found["purposes"] = list(found["purposes"])
    return found


def check_batch_name(name: str) -> str:
    """The name as it is. Raises InvalidInputError for an empty or overlong one."""
    if not name or len(name) > NAME_LIMIT or "\x00" in name:
        raise InvalidInputError(
            f"A batch is named {name[:80]!r}, of {len(name)} characters.",
            remedy=f"Name it with 1 to {NAME_LIMIT} characters, none of them NUL.",
        )
    return name


def _known(given: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InvalidInputError(
            f"{what} has no {unknown[0]!r}.", remedy=f"Say one of {', '.join(known)}."
        )


def _wire(values: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in values.items():
        if key in _CHOICES and value not in _CHOICES[key]:
            raise InvalidInputError(
                f"{key} is {value!r}.", remedy=f"Use one of {', '.join(_CHOICES[key])}."
            )
    return {_WIRE.get(key, key): _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # A moment without a zone is taken as UTC, as it is at the door.
        return rfc3339(value if value.tzinfo else value.replace(tzinfo=UTC))
    return value
