"""Reads `policies/erasure.yaml`: what is erased with a person's example, and what is reviewed.

Rules (the governance page, cases 5 to 7 and 9):
1. Every role has an effect, so that nothing follows from a role that the file forgot.
2. A file that cannot be used is refused with its line; one that the operator's folder lacks is the
   shipped one. The version of the rules is the digest of the file's bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from registry.canonical import digest_text
from registry.durations import parse_duration
from registry.errors import InvalidInputError
from registry.ledger.rowmap import Role
from registry.policy.policy_set import policy_path
from registry.policy.yaml_file import parse_form, refuse

FILE = "erasure.yaml"


class Effect(StrEnum):
    """What becomes of an example that was made of one that is erased."""

    ERASE = "erase"
    REVIEW = "review"
    ASSESS = "assess"


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: a field that is not known is refused."""


class DuplicateRules(_Form, frozen=True):
    """Exact duplicates: from how many bytes on they are erased."""

    minimum_bytes: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 64


class SharedRules(_Form, frozen=True):
    """Examples of several: those that name another person, and rows that were made of several.

    `packed`: drop the row, review it where it is another person's too, or redact: cut out what was
    made of the person's example. Row maps say of no part of a row what it was made of, so a row
    that others are in too cannot be cut in any format, and is reviewed as `packed_span`.
    """

    example: Literal["erase", "review"] = "review"
    packed: Literal["erase", "review", "redact"] = "erase"


class SearchRules(_Form, frozen=True):
    """What batches count for that say they hold no personal data, and were not searched."""

    declared_none: Literal["not_searched", "accepted"] = "not_searched"


class SuppressionRule(_Form, frozen=True):
    """How long an erased record is kept out (None: without end), and on which footing."""

    basis: str
    period: str | None = None


class Regime(_Form, frozen=True):
    """One law's say. `record_kept`: how long the case record is kept; None: without end."""

    law: str
    suppression: SuppressionRule
    record_kept: str | None = None


class LetterRules(_Form, frozen=True):
    """Who writes to the person, how to reach them, and where to complain."""

    controller: str | None = None
    contact: str | None = None
    complaints: str | None = None


class ErasureRules(_Form, frozen=True):
    """`erasure.yaml` as a whole."""

    roles: dict[Role, Effect]
    regimes: dict[Literal["gdpr", "ccpa"], Regime]
    duplicates: DuplicateRules = DuplicateRules()
    shared: SharedRules = SharedRules()
    search: SearchRules = SearchRules()
    letters: LetterRules = LetterRules()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedRules:
    """The rules with their version, `sha256:…` over the bytes of the file."""

    digest: str
    said: ErasureRules

    @property
    def roles(self) -> Mapping[Role, Effect]:
        """The effect of each role."""
        return self.said.roles


def load_rules(folder: Path | None = None) -> LoadedRules:
    """The rules of a folder, or the shipped ones. Raises PolicyError (rule 2)."""
    path = policy_path(folder, FILE)
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(FILE, f"It cannot be read: {error}.", "Put it back as UTF-8 text.") from error
    return parse_rules(text)


def parse_rules(text: str, *, file: str = FILE) -> LoadedRules:
    """The rules in a text. Raises PolicyError (rules 1 and 2)."""
    said = parse_form(text, ErasureRules, file=file)
    _check(said, file)
    return LoadedRules(digest_text(hashlib.sha256(text.encode()).digest()), said)


def _check(said: ErasureRules, file: str) -> None:
    missing = [role.value for role in Role if role not in said.roles]
    if missing:
        raise refuse(file, f"roles lacks {', '.join(missing)}.", "Say what follows from each role.")
    if said.roles[Role.DUPLICATE_OF] is Effect.ASSESS:
        raise refuse(
            file, "duplicate_of is to be assessed, and is no derivation.", "Write erase or review."
        )
    lacking = [name for name in ("gdpr", "ccpa") if name not in said.regimes]
    if lacking:
        raise refuse(file, f"regimes lacks {', '.join(lacking)}.", "Put it back.")
    durations: dict[str, str] = {}
    for name, regime in said.regimes.items():
        durations[f"regimes.{name}.suppression.period"] = regime.suppression.period or "P1D"
        durations[f"regimes.{name}.record_kept"] = regime.record_kept or "P1D"
    for where, text in durations.items():
        try:
            parse_duration(text)
        except InvalidInputError as error:
            raise refuse(file, f"{where}: {error.detail}", error.remedy) from error
