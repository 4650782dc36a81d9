"""The statuses of consent (W3C DPV), and which of them permit. Pure."""

from __future__ import annotations

from enum import StrEnum


class ConsentStatus(StrEnum):
    """What a consent event says."""

    REQUESTED = "requested"
    GIVEN = "given"
    REFUSED = "refused"
    DEFERRED = "deferred"
    RENEWED = "renewed"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    OBJECTED = "objected"


PERMITTING = frozenset({ConsentStatus.GIVEN, ConsentStatus.RENEWED})
#: Not an answer yet: where consent stands it goes on standing.
UNANSWERED = frozenset({ConsentStatus.REQUESTED, ConsentStatus.DEFERRED})
