"""The frozen facts that rules judge: a question, a batch, an example and its subjects. Pure.

None means that nobody recorded it, and nothing else (DESIGN §1.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from registry.rights.licenses import Permission
from registry.rights.statuses import PERMITTING, UNANSWERED, ConsentStatus


class Standing(StrEnum):
    """Where a person's consent to a purpose stands; only `given` permits.

    `given` also stands for renewed, `ended` for withdrawn, revoked, expired, refused and
    invalidated, `pending` for requested and deferred, `objected` for an objection (GDPR Art. 21).
    """

    GIVEN = "given"
    PENDING = "pending"
    ENDED = "ended"
    OBJECTED = "objected"


def standing_of(status: ConsentStatus) -> Standing:
    """What a status of consent comes to."""
    if status in PERMITTING:
        return Standing.GIVEN
    if status in UNANSWERED:
        return Standing.PENDING
    return Standing.OBJECTED if status is ConsentStatus.OBJECTED else Standing.ENDED


@dataclass(frozen=True, slots=True)
class Question:
    """May it be used for this purpose, in this region (None: not said), by whom, when?"""

    purpose: str
    at: datetime
    region: str | None = None
    recipient: str | None = None
    #: The purpose and those that imply it: a batch or a consent for one of them covers it.
    covered_by: frozenset[str] = frozenset()
    #: Whether `at` was named: then what was recorded after it does not count, and what was lifted
    #: after it does. A question of now leaves nothing in force out, whatever clock recorded it.
    is_past: bool = False

    @property
    def known_at(self) -> datetime | None:
        """The moment after which nothing recorded counts; None for a question of now."""
        return self.at if self.is_past else None

    @property
    def covering(self) -> frozenset[str]:
        """Every purpose that covers the one asked for."""
        return self.covered_by | {self.purpose}


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """One person of an example; `consent` for the purpose asked for, None: nothing is recorded."""

    consent: Standing | None = None
    explicit: bool | None = None
    restricted: bool = False
    suppressed: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class ExampleFacts:
    """What may differ from one example of a batch to the next.

    `grants`: of a licence that the example has beside its batch's.
    """

    subjects: tuple[SubjectFacts, ...] = ()
    grants: Mapping[str, Permission] | None = None
    restricted: bool = False
    suppressed: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What is the same for every example of a batch.

    `grants`: what its licence says by right, None where no licence is recorded. `derived`: maps
    lead to all it was made from, so what it does not say itself is said by those. `has_subjects`:
    subjects of its examples are recorded. `owed`: datasets that its run read and no map leads to,
    of which the version is not known either.
    """

    dataset: str = ""
    legal_basis: str | None = None
    license: str | None = None
    grants: Mapping[str, Permission] | None = None
    origin_kind: str | None = None
    opt_out: tuple[str, ...] = ()
    contract: str | None = None
    personal_data: str | None = None
    special_category_condition: str | None = None
    balancing_test: str | None = None
    purposes: tuple[str, ...] | None = None
    region: str | None = None
    classification: str | None = None
    collected_at: datetime | None = None
    recorded_at: datetime | None = None
    last_used_at: datetime | None = None
    has_subjects: bool = False
    derived: bool = False
    owed: int = 0
    restricted: bool = False
    held: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
