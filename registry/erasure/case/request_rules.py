"""What `policies/requests.yaml` says of requests: calendars, reasons to refuse, how long to keep.

Rules:
1. A file that cannot be used is refused with its line; a region whose holidays nobody knows, or a
   duration that is none, is too.
2. A request keeps the region that it was filed with; an edited file moves no deadline.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import msgspec

from registry.durations import Duration, parse_duration
from registry.erasure.case.deadlines import parse_region
from registry.erasure.lifecycle import Regime
from registry.erasure.rules import LoadedRules, load_rules
from registry.errors import InvalidInputError
from registry.policy.policy_set import policy_path
from registry.policy.yaml_file import read_form, refuse

FILE = "requests.yaml"


class Justification(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A reason to refuse: the law it stands on, and what the person is told."""

    law: str
    label: str


class _Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    justifications: dict[str, Justification]
    regions: dict[str, str | None] = {}
    pause_for_identity: bool = False
    due_soon_days: int = 7
    identifiers_kept: str = "P6M"


class RequestRules(msgspec.Struct, frozen=True):
    """The file, read. `identifiers_kept`: from the close of a request on."""

    regions: dict[Regime, str | None]
    pause_for_identity: bool
    due_soon_days: int
    identifiers_kept: Duration
    justifications: dict[str, Justification]

    def region_of(self, regime: Regime, asked: str | None) -> str | None:
        """Whose holidays count for a request. Raises InvalidInputError for an unknown region."""
        if asked is None:
            return self.regions.get(regime)
        return parse_region(asked, path="region")

    def justification(self, code: str) -> Justification:
        """A reason by its code. Raises InvalidInputError."""
        found = self.justifications.get(code)
        if found is None:
            raise InvalidInputError(
                f"{code[:80]!r} is no reason to refuse a request.",
                remedy=f"Choose one of: {', '.join(self.justifications)}; or add it to "
                f"policies/{FILE}.",
                path="justification",
            )
        return found


class RequestShelf:
    """The rules of one folder of policies, read when somebody asks first."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @cached_property
    def rules(self) -> RequestRules:
        """How requests are taken in and answered. Raises PolicyError (rule 1)."""
        return load_request_rules(self._folder)

    @cached_property
    def erasure(self) -> LoadedRules:
        """What is erased with a person's example. Raises PolicyError."""
        return load_rules(self._folder)


def load_request_rules(folder: Path | None = None) -> RequestRules:
    """The rules of a folder, else the shipped ones. Raises PolicyError (rule 1)."""
    form = read_form(policy_path(folder, FILE), _Form)
    try:
        regions = {
            Regime(name): None if region is None else parse_region(region)
            for name, region in form.regions.items()
        }
        kept = parse_duration(form.identifiers_kept)
    except InvalidInputError as error:
        raise refuse(FILE, error.detail, error.remedy) from error
    except ValueError as error:
        raise refuse(
            FILE, f"{error}.", f"Name the regimes: {', '.join(each.value for each in Regime)}."
        ) from error
    if form.due_soon_days < 0 or not form.justifications:
        raise refuse(
            FILE,
            "`due_soon_days` is below zero, or there is no justification.",
            "Correct the entry; without a reason nothing can be refused (GDPR Art. 12(4)).",
        )
    return RequestRules(
        regions, form.pause_for_identity, form.due_soon_days, kept, form.justifications
    )
