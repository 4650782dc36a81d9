"""Holds a Croissant file to what its specifications require, property by property. Pure.

Rules (Croissant 1.1; Croissant RAI 1.0). mlcroissant reads files leniently: it asks for few of the
required properties, and passes over what it does not know. So this asks for all of them.
1. Each required property is there and has a value of its type. One that is not there is an error,
   unless `reg:gaps` says so: then it is *missing*, and whoever reads the file knows why.
2. Ids are unique and without white space, and what refers to one refers to one that is there.
3. A property under `rai:` is one that the specification has, with as many values as it may have.
4. Every finding has the JSON path of what it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from registry.cards.croissant.terms import (
    CROISSANT,
    CROISSANT_1_0,
    MISNAMED,
    RAI,
    RAI_PROPERTIES,
    REQUIRED,
    SCHEMA_ORG,
)
from registry.errors import InvalidInputError

_RAI_BY_NAME: Final = {each.name: each for each in RAI_PROPERTIES}
_DATASET_TYPES: Final = frozenset({"sc:Dataset", "Dataset", f"{SCHEMA_ORG}Dataset"})
_AGENTS: Final = frozenset({"Organization", "Person"})
_WORKS: Final = frozenset({"CreativeWork"})
Members = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a JSON path, in a sentence."""

    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class CroissantReport:
    """`errors`: what the specification forbids. `missing`: required, and its gap is said."""

    errors: tuple[Finding, ...]
    missing: tuple[Finding, ...]


def require_valid(document: object) -> CroissantReport:
    """The report of a file without errors. Raises InvalidInputError with the first one's path."""
    report = check_croissant(document)
    if report.errors:
        first, others = report.errors[0], len(report.errors) - 1
        more = f" ({others} more findings.)" if others else ""
        raise InvalidInputError(
            f"This is no valid Croissant 1.1: {first.detail}{more}",
            remedy="Correct the file, or the fact that the property is made of.",
            path=first.path,
        )
    return report


def check_croissant(document: object) -> CroissantReport:
    """Everything that is wrong with a file, in the order of its properties.

    `document`: decoded JSON. Cost: in proportion to the file.
    """
    if not isinstance(document, dict):
        return CroissantReport((Finding("$", "The file is no JSON object."),), ())
    said = _said_gaps(document)
    errors: list[Finding] = [*_context(document)]
    missing: list[Finding] = []
    for name in REQUIRED:
        if not _is_empty(document.get(name)):
            continue
        found = Finding(f"$.{name}", f"The required property {name} is not there.")
        (missing if name in said else errors).append(found)
    errors += _dataset(document)
    errors += _rai(document)
    ids = dict(_ids(document, errors))
    for part in (_distribution(document, ids), _record_sets(document, ids)):
        errors += part
    missing += _sources(document, said, errors)
    return CroissantReport(tuple(errors), tuple(missing))


def _said_gaps(document: Members) -> set[str]:
    return {
        str(name)
        for _, gap in _objects(document.get("reg:gaps"), "$")
        for name in _listed(gap.get("reg:property"))
    }


def _context(document: Members) -> Iterator[Finding]:
    context = document.get("@context")
    if not isinstance(context, dict):
        yield Finding("$.@context", "The context is no JSON object of terms.")
    elif context.get("@vocab") != SCHEMA_ORG:
        yield Finding("$.@context.@vocab", f"The vocabulary is not {SCHEMA_ORG}.")
    if not {str(each) for each in _listed(document.get("@type"))} & _DATASET_TYPES:
        yield Finding("$.@type", "The type is not sc:Dataset.")
    claimed = _listed(document.get("conformsTo"))
    if not {CROISSANT, CROISSANT_1_0} & {str(each) for each in claimed}:
        yield Finding("$.conformsTo", f"It does not say that it conforms to {CROISSANT}.")
    if RAI not in claimed and any(name.startswith("rai:") for name in document):
        yield Finding("$.conformsTo", f"It has properties of RAI and does not name {RAI}.")


def _dataset(document: Members) -> Iterator[Finding]:
    checks: Mapping[str, Callable[[object], str | None]] = {
        "name": _text,
        "description": _text,
        "url": _address,
        "license": _license,
        "creator": _agent,
        "publisher": _agent,
        "datePublished": _date,
        "citeAs": _text,
        "version": _text,
        "keywords": _text,
        "inLanguage": _text,
    }
    one = {"name", "description", "url", "datePublished", "citeAs", "version"}
    for name, check in checks.items():
        values = _listed(document.get(name))
        if name in one and len(values) > 1:
            yield Finding(f"$.{name}", f"{name} has {len(values)} values, and one may be.")
        for path, value in _paths(document.get(name), f"$.{name}"):
            wrong = check(value)
            if wrong is not None:
                yield Finding(path, f"{name} {wrong}.")


def _rai(document: Members) -> Iterator[Finding]:
    for name, value in document.items():
        if not name.startswith("rai:"):
            continue
        path, known = f"$.{name}", _RAI_BY_NAME.get(name)
        if known is None:
            right = MISNAMED.get(name)
            hint = f"; its name is {right}" if right else ""
            yield Finding(path, f"Croissant RAI 1.0 has no property {name}{hint}.")
            continue
        if isinstance(value, list) and not known.is_many:
            yield Finding(path, f"{name} has a list of values, and one text may be.")
        check = _date if name == "rai:dataCollectionTimeframe" else _text
        for at, each in _paths(value, path):
            wrong = check(each)
            if wrong is not None:
                yield Finding(at, f"{name} {wrong}.")


def _ids(document: Members, errors: list[Finding]) -> Iterator[tuple[str, str]]:
    """Every id of a file, a record set or a field, with its path; what repeats is an error."""
    seen: set[str] = set()
    for path, each in _identified(document):
        name = each.get("@id")
        if not isinstance(name, str) or not name:
            errors.append(Finding(f"{path}.@id", "It has no @id."))
        elif any(letter.isspace() for letter in name):
            errors.append(Finding(f"{path}.@id", "The @id holds white space."))
        elif name in seen:
            errors.append(Finding(f"{path}.@id", f"The @id {name[:80]} stands twice."))
        else:
            seen.add(name)
            yield name, path


def _identified(document: Members) -> Iterator[tuple[str, Members]]:
    yield from _objects(document.get("distribution"), "$.distribution")
    for path, records in _objects(document.get("recordSet"), "$.recordSet"):
        yield path, records
        yield from _fields(records, path)


def _fields(within: Members, path: str) -> Iterator[tuple[str, Members]]:
    for name in ("field", "subField"):
        for at, each in _objects(within.get(name), f"{path}.{name}"):
            yield at, each
            yield from _fields(each, at)


def _distribution(document: Members, ids: Mapping[str, str]) -> Iterator[Finding]:
    is_live = document.get("isLiveDataset") is True
    for path, value in _paths(document.get("distribution"), "$.distribution"):
        if not isinstance(value, dict):
            yield Finding(path, "It is no FileObject and no FileSet.")
            continue
        kind = value.get("@type")
        needed = ["encodingFormat"]
        if kind == "cr:FileSet":
            needed.append("includes")
        elif kind == "cr:FileObject":
            needed += ["contentUrl"]
            has_digest = value.get("sha256") or value.get("md5")
            if not (is_live or has_digest or value.get("containedIn")):
                yield Finding(f"{path}.sha256", "A file of a dataset that stands has a checksum.")
        else:
            yield Finding(f"{path}.@type", "The type is neither cr:FileObject nor cr:FileSet.")
        for name in needed:
            if _is_empty(value.get(name)):
                yield Finding(f"{path}.{name}", f"The required property {name} is not there.")
        yield from _references(value.get("containedIn"), f"{path}.containedIn", ids)


def _record_sets(document: Members, ids: Mapping[str, str]) -> Iterator[Finding]:
    for path, records in _objects(document.get("recordSet"), "$.recordSet"):
        if records.get("@type") != "cr:RecordSet":
            yield Finding(f"{path}.@type", "The type is not cr:RecordSet.")
        fields = [*_objects(records.get("field"), f"{path}.field")]
        if not fields:
            yield Finding(f"{path}.field", "A record set has fields, and this has none.")
        yield from _references(records.get("key"), f"{path}.key", ids)
        for at, field in _fields(records, path):
            yield from _field(field, at, ids)
        yield from _data(records, path, {str(field.get("@id")) for _, field in fields})


def _field(field: Members, path: str, ids: Mapping[str, str]) -> Iterator[Finding]:
    if field.get("@type") != "cr:Field":
        yield Finding(f"{path}.@type", "The type is not cr:Field.")
    has_parts = not _is_empty(field.get("subField"))
    if _is_empty(field.get("dataType")) and not has_parts:
        yield Finding(f"{path}.dataType", "A field has a data type, and this has none.")
    source = field.get("source")
    for at, each in _objects(source, f"{path}.source"):
        for name in ("fileObject", "fileSet", "recordSet"):
            yield from _references(each.get(name), f"{at}.{name}", ids)
    for at, each in _objects(field.get("references"), f"{path}.references"):
        yield from _references(each.get("field", each), at, ids)


def _data(records: Members, path: str, names: set[str]) -> Iterator[Finding]:
    for at, row in _paths(records.get("data"), f"{path}.data"):
        if not isinstance(row, dict) or set(row) != names:
            yield Finding(at, "A record has other members than the record set has fields.")


def _sources(document: Members, said: set[str], errors: list[Finding]) -> Iterator[Finding]:
    """Fields that do not say where their values are: missing where the files' gap is said."""
    for path, records in _objects(document.get("recordSet"), "$.recordSet"):
        if not _is_empty(records.get("data")):
            continue
        for at, field in _fields(records, path):
            if all(_is_empty(field.get(name)) for name in ("source", "value", "subField")):
                found = Finding(f"{at}.source", "The field says neither its source nor a value.")
                if "distribution" in said:
                    yield found
                else:
                    errors.append(found)


def _references(value: object, path: str, ids: Mapping[str, str]) -> Iterator[Finding]:
    for at, each in _objects(value, path):
        name = each.get("@id")
        if name is not None and str(name) not in ids:
            yield Finding(f"{at}.@id", f"There is nothing with the @id {str(name)[:80]}.")


def _text(value: object) -> str | None:
    is_text = isinstance(value, str) and value.strip()
    return None if is_text else "is no text, or an empty one"


def _address(value: object) -> str | None:
    if isinstance(value, str):
        try:
            parts = urlsplit(value)
        except ValueError:
            return "is no address"
        if parts.scheme and (parts.netloc or parts.path):
            return None
    return "is no address"


def _date(value: object) -> str | None:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return "is no date (ISO 8601)"
        return None
    return "is no date (ISO 8601)"


def _license(value: object) -> str | None:
    if isinstance(value, dict):
        return _named(value, _WORKS)
    return _address(value)


def _agent(value: object) -> str | None:
    return _named(value, _AGENTS) if isinstance(value, dict) else "is no Organization and no Person"


def _named(value: Members, kinds: frozenset[str]) -> str | None:
    types = {str(each).removeprefix("sc:") for each in _listed(value.get("@type"))}
    if not types & kinds:
        return f"has the type {', '.join(sorted(types)) or '(none)'}, not {' or '.join(kinds)}"
    return None if _text(value.get("name")) is None else "has no name"


def _listed(value: object) -> Sequence[object]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _paths(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        yield from ((f"{path}[{at}]", each) for at, each in enumerate(value))
    elif value is not None:
        yield path, value


def _objects(value: object, path: str) -> Iterator[tuple[str, Members]]:
    for at, each in _paths(value, path):
        if isinstance(each, dict):
            yield at, each


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})
