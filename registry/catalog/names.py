"""Says in text which dataset, job, field, run or version is meant, and reads it back. Pure.

Rules:
1. A node id is a known prefix, then names joined by `:` (Marquez's form): `dataset:NS:NAME`,
   `job:NS:NAME`, `datasetField:NS:NAME:FIELD`, `run:UUID`; a version follows as `#UUID`.
2. Namespaces and names hold `:`, `/` and `#` themselves (`s3://bucket:9000`), so beyond the prefix
   an id has no one reading. Parsing gives every reading; who knows the catalog picks the one that
   exists (`registry.catalog.lookup`), and refuses where two do.
3. The UUID of a version is one of its dataset with the number folded in, so that either gives the
   other without a look-up.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from registry.errors import InvalidInputError
from registry.ids import named_id, uuid_text

#: More of them is no name that anybody means, and every one doubles the readings of a field id.
MAX_COLONS = 48
MAX_LENGTH = 8_192
_NUMBER_BITS = 62
_UUID_LENGTH = 36


class NodeKind(StrEnum):
    """What a node id can stand for; the value is its prefix."""

    DATASET = "dataset"
    DATASET_FIELD = "datasetField"
    JOB = "job"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a node id. `field` is empty and `version` None where there is none."""

    namespace: str
    name: str
    field: str = ""
    version: bytes | None = None


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A node id taken apart as far as text alone allows.

    `readings` has at least one member, but for a run: there it is empty and `run_id` is set.
    """

    kind: NodeKind
    text: str
    readings: tuple[Reading, ...] = ()
    run_id: bytes | None = None


def dataset_id(namespace: str, name: str) -> bytes:
    """The 16-byte id of a dataset."""
    return named_id("dataset", namespace, name)


def job_id(namespace: str, name: str) -> bytes:
    """The 16-byte id of a job."""
    return named_id("job", namespace, name)


def version_uuid(dataset: bytes, number: int) -> bytes:
    """The UUID (version 8) of version `number` (0 to 2^62 - 1) of the dataset with that id."""
    if not 0 <= number < 1 << _NUMBER_BITS:
        raise InvalidInputError(f"{number} is no version number.", remedy="Versions count from 1.")
    return (_version_base(dataset) ^ number).to_bytes(16, "big")


def version_number(dataset: bytes, version: bytes) -> int | None:
    """The number in a version's UUID; None where it is one of another dataset."""
    number = _version_base(dataset) ^ int.from_bytes(version, "big")
    return number if number < 1 << _NUMBER_BITS else None


def _version_base(dataset: bytes) -> int:
    return int.from_bytes(named_id("version", dataset.hex()), "big")


def dataset_node(namespace: str, name: str, version: bytes | None = None) -> str:
    """The node id of a dataset, or of one of its versions."""
    return f"dataset:{namespace}:{name}{_suffix(version)}"


def field_node(namespace: str, name: str, field: str) -> str:
    """The node id of a field of a dataset."""
    return f"datasetField:{namespace}:{name}:{field}"


def job_node(namespace: str, name: str) -> str:
    """The node id of a job."""
    return f"job:{namespace}:{name}"


def run_node(run_id: bytes) -> str:
    """The node id of a run."""
    return f"run:{uuid_text(run_id)}"


def _suffix(version: bytes | None) -> str:
    return "" if version is None else f"#{uuid_text(version)}"


def parse_uuid(text: str, *, path: str) -> bytes:
    """The 16 bytes of a UUID in its 36-character form. Raises InvalidInputError for another."""
    found = _uuid_or_none(text)
    if found is None:
        raise InvalidInputError(
            f"{text[:80]!r} is no UUID.",
            remedy="Write 32 hex digits as 8-4-4-4-12.",
            path=path,
        )
    return found


def _uuid_or_none(text: str) -> bytes | None:
    if len(text) != _UUID_LENGTH or text.count("-") != 4:
        return None
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None


def parse_node(text: str, *, path: str = "nodeId") -> NodeRef:
    """Take a node id apart (rule 2).

    Raises InvalidInputError where the prefix is unknown, a part is missing, or the text is too
    long or cannot be a name. `readings` come shortest namespace first, versioned ones before.
    """
    prefix, colon, rest = text.partition(":")
    kinds = {kind.value: kind for kind in NodeKind}
    if not colon or prefix not in kinds:
        raise _unreadable(text, "its prefix is none of dataset, datasetField, job, run", path)
    if len(text) > MAX_LENGTH or rest.count(":") > MAX_COLONS:
        raise _unreadable(text, f"it is over {MAX_LENGTH} characters or {MAX_COLONS} colons", path)
    require_name(text, path=path)
    kind = kinds[prefix]
    if kind is NodeKind.RUN:
        return NodeRef(kind, text, run_id=parse_uuid(rest, path=path))
    readings = tuple(_readings(rest, with_field=kind is NodeKind.DATASET_FIELD))
    if not readings:
        raise _unreadable(text, "a namespace or a name is missing", path)
    return NodeRef(kind, text, readings)


def _readings(rest: str, *, with_field: bool) -> Iterator[Reading]:
    """Every reading of what follows the prefix; first those with the `#UUID` taken as a version."""
    for text, version in _versioned(rest):
        for namespace, name in _splits(text):
            if not with_field:
                yield Reading(namespace, name, version=version)
                continue
            for shorter, field in _splits(name):
                yield Reading(namespace, shorter, field, version)


def _versioned(text: str) -> Iterator[tuple[str, bytes | None]]:
    head, _, tail = text.rpartition("#")
    version = _uuid_or_none(tail)
    if head and version is not None:
        yield head, version
    yield text, None


def _splits(text: str) -> Iterator[tuple[str, str]]:
    """Every way to cut at a colon into two parts that are not empty."""
    at = text.find(":", 1)
    while 0 < at < len(text) - 1:
        yield text[:at], text[at + 1 :]
        at = text.find(":", at + 1)


def require_name(text: str, *, path: str) -> None:
    """Raise InvalidInputError for text that no name can be: with NUL or a lone surrogate."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInputError(
            "The text holds NUL or half a surrogate pair, which no name does.",
            remedy="Send the name as UTF-8.",
            path=path,
        )


def _unreadable(text: str, why: str, path: str) -> InvalidInputError:
    return InvalidInputError(
        f"{text[:80]!r} is no node id: {why}.",
        remedy="Write dataset:NAMESPACE:NAME, job:NAMESPACE:NAME, "
        "datasetField:NAMESPACE:NAME:FIELD or run:UUID.",
        path=path,
    )
