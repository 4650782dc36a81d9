"""What a certificate of erasure states: frozen facts, and their one form as JSON.

Rules:
1. The form is published under `PREDICATE_TYPE` and never changes: a new field is a new version of
   it. So its words are spelled here, and not taken from the states that the program uses inside.
2. Facts hold pseudonyms, digests and counts. No identifier of a person goes in; names of datasets
   and texts that people wrote (reasons, matters) are the caller's to keep clean.
3. None stands for "not known" or "there is none yet" and is written as null; nothing is left out.
4. Times are UTC with six decimals and `Z`, days `YYYY-MM-DD`, digests `sha256:…`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from registry.errors import InvalidInputError
from registry.moments import rfc3339

PREDICATE_TYPE = "https://w3id.org/lineage-registry/predicates/1-0-0/ErasureCertificate.json"
SCHEMA_FILE = "ErasureCertificate.json"
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]
_T = TypeVar("_T")


class Right(StrEnum):
    """What was asked for."""

    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    ACCESS = "access"


class Regime(StrEnum):
    """Under whose rules."""

    GDPR = "gdpr"
    CCPA = "ccpa"


class Outcome(StrEnum):
    """What it came to."""

    FULFILLED = "fulfilled"
    PARTIALLY_FULFILLED = "partially_fulfilled"
    DENIED = "denied"


class TargetKind(StrEnum):
    """What kind of place was looked into."""

    OWN_DATA = "own_data"
    FILE = "file"
    CONTENT_SCAN = "content_scan"
    REVIEW = "review"
    MANUAL = "manual"


class TargetState(StrEnum):
    """Where the work on a place stands."""

    PENDING = "pending"
    RUNNING = "running"
    ERASED = "erased"
    VERIFIED = "verified"
    NOT_PRESENT = "not_present"
    WITHHELD = "withheld"
    DEFERRED_BACKUP = "deferred_backup"
    NOT_SEARCHED = "not_searched"
    CHANGED_OUTSIDE = "changed_outside"
    FAILED_RETRYABLE = "failed_retryable"
    FAILED_FINAL = "failed_final"


class RecipientState(StrEnum):
    """What came of telling a recipient (GDPR Art. 19)."""

    PENDING = "pending"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    IMPOSSIBLE = "impossible"


class Disposition(StrEnum):
    """What is done about a model that saw what was erased."""

    RETRAIN = "retrain"
    FILTER = "filter"
    ANONYMITY_ASSESSMENT = "anonymity_assessment"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who certifies. `origin`: the name of the audit log; `url`: where people find the registry."""

    origin: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """Which request. `reference`: the keyed pseudonym of the person that the case record keeps."""

    id: str
    reference: str
    right: Right
    regime: Regime


@dataclass(frozen=True, slots=True)
class Pause:
    """A while in which the clock stood. `until` None: it still stands."""

    since: datetime
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Extension:
    """A later day to answer by, which the person was told of, with reasons."""

    told_at: datetime
    until: date
    reason: str


@dataclass(frozen=True, slots=True)
class Clock:
    """The time there was. `calculation`: how `due_on` follows from the receipt, in words."""

    received_at: datetime
    due_on: date
    calculation: str
    pauses: tuple[Pause, ...]
    extension: Extension | None


@dataclass(frozen=True, slots=True)
class Step:
    """The request came into a state."""

    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What was approved to be erased, by digest. `policy`: digest of the policies that applied."""

    digest: Digest
    revision: Count
    policy: Digest
    made_at: datetime
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Target:
    """One place, and how many examples were expected, found, erased, and looked for in vain after.

    Counts are over every run of the work together; None where nobody counted yet.
    """

    kind: TargetKind
    name: str
    expected: Count | None
    found: Count | None
    erased: Count | None
    verified: Count | None
    state: TargetState


@dataclass(frozen=True, slots=True)
class Withheld:
    """Examples that are kept on a legal ground (`17_3_b` … `17_3_e`, or another regime's)."""

    name: str
    examples: Count
    ground: str
    matter: str


@dataclass(frozen=True, slots=True)
class NotSearched:
    """A batch that could not be searched for the person; `examples` in all, where known."""

    dataset: str
    batch: str
    examples: Count | None


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that goes by itself on a day; restored before, it is erased in again."""

    name: str
    until: date


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who was given the data. `reason`: why telling them is impossible."""

    id: str
    state: RecipientState
    at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that saw the data, what is done about it, whose duty that is, and until when."""

    name: str
    version: str | None
    disposition: Disposition | None
    owner: str | None
    due_on: date | None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """Everything that is certified, without the proof that the log holds it."""

    number: int
    issuer: Issuer
    issued_at: datetime
    outcome: Outcome
    #: Why a request was denied (a DPV justification, such as `A17-3-e`); None where it was not.
    justification: str | None
    request: Request
    clock: Clock
    timeline: tuple[Step, ...]
    plan: Plan | None
    targets: tuple[Target, ...]
    withheld: tuple[Withheld, ...]
    not_searched: tuple[NotSearched, ...]
    backups: tuple[Backup, ...]
    recipients: tuple[Recipient, ...]
    models: tuple[Model, ...]
    #: Ids of the suppression entries that keep the data from coming back.
    suppressions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogProof:
    """That the audit log holds the entry about these facts (RFC 9162 §2.1.3).

    `leaf_data` is SHA-256(`salt` ‖ `document`); `hashes` lead from its leaf, at `index`, to the
    root of `size` entries that `checkpoint`, a signed note, states.
    """

    index: Count
    size: Count
    hashes: tuple[bytes, ...]
    leaf_data: bytes
    salt: bytes
    document: str
    checkpoint: str


@cache
def json_name(name: str) -> str:
    """How a field is called in JSON: `issued_at` is `issuedAt`."""
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def to_json(value: object) -> object:
    """Facts as JSON values with camelCase names (rules 3 and 4)."""
    match value:
        case str() | int() | None:
            return value.value if isinstance(value, StrEnum) else value
        case tuple():
            return [to_json(item) for item in value]
        case datetime():
            return rfc3339(value)
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            kind: type = type(value)
            return {said: to_json(getattr(value, name)) for name, said in _names(kind)}


def facts_from(value: object) -> CertificateFacts:
    """The facts that JSON values state. Raises InvalidInputError with the path of what is wrong.

    Fields that the form does not have are passed over: compare with `to_json` of what is given.
    """
    return _read(value, CertificateFacts)


def proof_from(value: object) -> LogProof:
    """The proof that JSON values state. Raises as `facts_from`."""
    return _read(value, LogProof)


def _read(value: object, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(_snake_keys(value), kind)
    except msgspec.ValidationError as error:
        said, _, path = str(error).partition(" - at ")
        raise InvalidInputError(
            f"This is no statement of {PREDICATE_TYPE}: {said}.",
            remedy="Compare it with the schema of the predicate, which the package ships.",
            path=path.strip("`") or "$",
        ) from error


def _snake_keys(value: object) -> object:
    match value:
        case Mapping():
            return {_snake(str(name)): _snake_keys(each) for name, each in value.items()}
        case list():
            return [_snake_keys(item) for item in value]
        case _:
            return value


@cache
def _names(kind: type) -> tuple[tuple[str, str], ...]:
    return tuple((each.name, json_name(each.name)) for each in fields(kind))


@cache
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)
