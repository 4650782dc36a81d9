"""The forms of the policy files: what an operator may write in each of them. Pure.

An entry that is left out has the default that stands here, which the shipped files spell out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from registry.rights.licenses import Permission

_PATTERN = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: a field that is not known is refused."""


class Basis(_Form, frozen=True):
    """What one legal basis needs (`use.yaml`, `bases`)."""

    law: str
    #: Each person of an example has given their consent to the purpose.
    consent: bool = False
    #: An activity of the register for the purpose names its balancing test (GDPR 6(1)(f)).
    balancing_test: bool = False
    #: An objection of a person counts against it (GDPR 21).
    objection: bool = False


class SpecialCategories(_Form, frozen=True):
    """Data of GDPR Art. 9 (`use.yaml`, `special_categories`)."""

    conditions: tuple[str, ...] = ()
    #: Of these conditions, those for which the consent must be explicit.
    explicit: tuple[str, ...] = ()


class LicenseNeeds(_Form, frozen=True):
    """What a licence must allow (`use.yaml`, `license`)."""

    #: For each purpose, the rights that the licence must allow; none: it must be known.
    rights: dict[str, tuple[str, ...]] = {}
    #: Kinds of origin that need no licence of somebody else.
    not_needed_for: tuple[str, ...] = ()
    #: What a right that is allowed under a condition comes to.
    demanded: Permission = Permission.ALLOWED


class OptOut(_Form, frozen=True):
    """Reservations of rightsholders (`use.yaml`, `opt_out`)."""

    #: Purposes that a reservation speaks against.
    purposes: tuple[str, ...] = ()
    #: Kinds of origin whose contract goes before a reservation, where one is recorded.
    contract_suffices: bool = True


class UnrecordedPersonalData(StrEnum):
    """What a batch is taken for that does not say whether it holds personal data."""

    NONE_WITHOUT_SUBJECTS = "none_without_subjects"
    CANNOT_TELL = "cannot_tell"


class UsePolicy(_Form, frozen=True):
    """`use.yaml`: what each legal basis needs, and what else a use must meet."""

    bases: dict[str, Basis]
    license: LicenseNeeds = LicenseNeeds()
    special_categories: SpecialCategories = SpecialCategories()
    opt_out: OptOut = OptOut()
    unrecorded_personal_data: UnrecordedPersonalData = UnrecordedPersonalData.CANNOT_TELL
    #: For a classification, the purposes that it may be used for; absent: every purpose.
    classifications: dict[str, tuple[str, ...]] = {}


class Scope(_Form, frozen=True):
    """Which batches a rule is about: every field that is given must match; patterns are globs."""

    namespace: _PATTERN | None = None
    dataset: _PATTERN | None = None
    legal_basis: tuple[str, ...] | None = None
    personal_data: tuple[str, ...] | None = None
    classification: tuple[str, ...] | None = None
    origin: tuple[str, ...] | None = None
    region: _PATTERN | None = None


class Trigger(StrEnum):
    """From when a duration counts."""

    COLLECTED = "collected"
    RECORDED = "recorded"
    LAST_USED = "last_used"


class Action(StrEnum):
    """What is to be done when it is due (`registry.rights.tables.DisposalAction`)."""

    ERASE = "erase"
    ANONYMISE = "anonymise"
    REVIEW = "review"


class Rank(StrEnum):
    """Precedence: hold > statutory minimum > erasure request > maximum > default."""

    STATUTORY_MINIMUM = "statutory_minimum"
    MAXIMUM = "maximum"
    DEFAULT = "default"


class RetentionRule(_Form, frozen=True):
    """One rule of `retention.yaml`. `at_most`: for `last_used`, after collection at the latest."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9-]{0,63}$")]
    scope: Scope
    trigger: Trigger
    duration: str
    legal_basis: str
    action: Action = Action.REVIEW
    rank: Rank = Rank.DEFAULT
    at_most: str | None = None


class RetentionPolicy(_Form, frozen=True):
    """`retention.yaml`: how long what may be kept."""

    rules: tuple[RetentionRule, ...] = ()
    #: The registry's own records: ISO 8601 durations.
    event_log: str | None = None
    audit_payloads: str | None = None


class Bound(_Form, frozen=True):
    """Where data of a classification may rest, and where it may travel; None: any known region."""

    law: str
    rest: tuple[str, ...] | None = None
    travel: tuple[str, ...] | None = None


class ResidencyPolicy(_Form, frozen=True, eq=False):
    """`residency.yaml`: the regions there are, as globs, and the bounds of classifications."""

    regions: dict[str, tuple[_PATTERN, ...]]
    classifications: dict[str, Bound] = {}


class Target(_Form, frozen=True):
    """What a dataset should represent: shares of the values of a recorded dimension."""

    namespace: _PATTERN
    dataset: _PATTERN
    dimension: str
    shares: dict[str, Annotated[float, msgspec.Meta(ge=0, le=1)]]


class VetPolicy(_Form, frozen=True):
    """`vet.yaml`: targets, and how far what is there may be from them."""

    tolerance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    targets: tuple[Target, ...] = ()
