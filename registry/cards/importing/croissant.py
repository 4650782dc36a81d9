"""What a Croissant file (1.0 or 1.1, with or without RAI) says in statements. Pure.

Rules:
1. A key is read under its prefix, its full address, or the name that tools misspell it with.
2. A text may stand as itself, as a JSON-LD value, as texts by language (English, else the first of
   them), or as a list of those. A key whose value is anything else is an error.
3. Properties that no statement answers are kept whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from registry.cards.croissant.terms import (
    CROISSANT,
    CROISSANT_1_0,
    MISNAMED,
    RAI_NAMESPACE,
    SCHEMA_ORG,
)
from registry.cards.fact_kinds import STATEMENT_KINDS
from registry.cards.importing.imported import ImportedStatement, Said, joined, require_whole
from registry.errors import InvalidInputError

_OURS: Final = "reg:statements"
#: What only a file that this registry wrote has.
_WRITTEN_HERE: Final = "reg:factsDigest"
_LEVELS: Final = 64
_KINDS: Final = {
    "description": "description",
    "citeAs": "citation",
    "rai:dataCollection": "collection",
    "rai:dataCollectionRawData": "collection",
    "rai:dataCollectionMissingData": "cleaning",
    "rai:dataImputationProtocol": "cleaning",
    "rai:dataManipulationProtocol": "cleaning",
    "rai:dataPreprocessingProtocol": "cleaning",
    "rai:dataAnnotationProtocol": "annotation",
    "rai:dataAnnotationAnalysis": "annotation",
    "rai:annotatorDemographics": "annotators",
    "rai:dataReleaseMaintenancePlan": "maintenance",
    "rai:dataSocialImpact": "social_impact",
    "rai:dataBiases": "bias_assessment",
    "rai:dataLimitations": "known_gaps",
    "rai:dataUseCases": "intended_use",
}
_PREFIXES: Final = (
    (RAI_NAMESPACE, "rai:"),
    ("http://mlcommons.org/croissant/", ""),
    (SCHEMA_ORG, ""),
    ("http://schema.org/", ""),
    ("http://purl.org/dc/terms/", ""),
    ("cr:", ""),
    ("sc:", ""),
    ("dct:", ""),
)
_TYPES: Final = frozenset({"Dataset"})


def read_croissant(text: str) -> tuple[list[ImportedStatement], dict[str, object]]:
    """Statements and rest. Raises InvalidInputError with the JSON path of what is wrong."""
    document = _json(text)
    _require_croissant(document)
    taken = set[str]()
    strange: list[object] = []
    kept: dict[str, object] = {}
    if _WRITTEN_HERE in document:
        stated = document.get(_OURS, [])
        said = list(_ours(stated))
        strange += [each for each in stated if each["reg:kind"] not in STATEMENT_KINDS]
        taken.add(_OURS)
        kept |= {_OURS: strange} if strange else {}
    else:
        found = {key: list(_of_key(key, value)) for key, value in document.items()}
        taken |= {key for key, texts in found.items() if texts}
        said = [each for texts in found.values() for each in texts]
    statements, left = joined(said)
    too_long = {each.source.removeprefix("$.") for each in left}
    for key, value in document.items():
        if key not in taken or key in too_long:
            kept[key] = value
    if left and _WRITTEN_HERE in document:
        long = [{"reg:kind": each.kind, "reg:text": each.value} for each in left]
        kept[_OURS] = [*strange, *long]
    return statements, kept


def plain_name(key: str) -> str:
    """A key as this reads it (rule 1): `rai:dataBiases`, `description`."""
    for prefix, short in _PREFIXES:
        if key.startswith(prefix):
            key = short + key.removeprefix(prefix)
            break
    return MISNAMED.get(key, key)


def _json(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        depth = _depth(read)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"The file is no JSON: line {error.lineno}, column {error.colno}: {error.msg}.",
            remedy="Correct the JSON.",
            path="$",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"The file is no JSON that is read here: it nests too deep, or has {error}.",
            remedy="Nest it less, and write numbers in digits.",
            path="$",
        ) from error
    if depth > _LEVELS:
        _refuse(f"It nests over {_LEVELS} levels.", "Nest it less.", "$")
    if not isinstance(read, dict):
        _refuse("The file is no JSON object.", "Give one dataset's Croissant.", "$")
    require_whole(read)
    return read


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"the number {name}")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def _depth(value: object) -> int:
    """How deep a value nests; without recursion, since it may be deep on purpose."""
    level, deepest = [value], 0
    while level:
        deepest += 1
        level = [inner for each in level for inner in _inner(each)]
    return deepest


def _inner(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _require_croissant(document: dict[str, Any]) -> None:
    if "@graph" in document:
        _refuse("It is a graph of several things.", "Give the one sc:Dataset of it.", "$.@graph")
    types = _listed(document.get("@type"))
    if not any(isinstance(each, str) and plain_name(each) in _TYPES for each in types):
        _refuse("Its type is not sc:Dataset.", "Give the Croissant of a dataset.", "$.@type")
    claimed: list[object] = []
    for key, value in document.items():
        if plain_name(key) == "conformsTo":
            claimed += [
                each.get("@id") if isinstance(each, dict) else each for each in _listed(value)
            ]
    if not {CROISSANT, CROISSANT_1_0} & {each for each in claimed if isinstance(each, str)}:
        _refuse(
            f"It does not say that it conforms to {CROISSANT_1_0} or {CROISSANT}.",
            "Add conformsTo, or convert the file.",
            "$.conformsTo",
        )


def _ours(value: object) -> Iterator[Said]:
    if not isinstance(value, list):
        _refuse("The statements are no list.", "Write a list of statements.", f"$.{_OURS}")
    for at, each in enumerate(value):
        path = f"$.{_OURS}[{at}]"
        if not isinstance(each, dict) or not isinstance(each.get("reg:kind"), str):
            _refuse("A statement has no reg:kind.", "Name its kind.", path)
        said = each.get("reg:flag", each.get("reg:text"))
        if not isinstance(said, str | bool):
            _refuse("A statement has no text.", "Write reg:text, or reg:flag.", path)
        if each["reg:kind"] in STATEMENT_KINDS:
            yield Said(each["reg:kind"], said, path)


def _of_key(key: str, value: object) -> Iterator[Said]:
    kind = _KINDS.get(plain_name(key))
    if kind is not None:
        path = f"$.{key}"
        yield from (Said(kind, text, path) for text in _texts(value, path) if text.strip())


def _texts(value: object, path: str) -> Iterator[str]:
    match value:
        case None:
            return
        case str():
            yield value
        case list():
            for at, each in enumerate(value):
                yield from _texts(each, f"{path}[{at}]")
        case {"@value": str(text)}:
            yield text
        case dict() if value and all(isinstance(each, str) for each in value.values()):
            yield value.get("en", next(iter(value.values())))
        case _:
            _refuse(f"{type(value).__name__} is no text.", "Write a text.", path)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _refuse(detail: str, remedy: str, path: str) -> NoReturn:
    raise InvalidInputError(detail, remedy=remedy, path=path)
