"""The front matter of a dataset card for the Hugging Face Hub, from facts. Pure.

Rules:
1. A field is there where a fact says so in the Hub's words; everything else is in the text.
2. Licences that are recorded and that the Hub has no word for are `other`, with their names, and
   the address of one that is on the SPDX list. Where nobody recorded one, it is `unknown`.
3. Features and splits are what the datasets library reads: all of them, or none.
4. Under `registry` stands which version it is, and what people stated, word for word, so that
   reading the card again gives the same statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from registry.cards.croissant.usage import spdx_address
from registry.cards.fact_kinds import NOT_RECORDED, STATEMENTS
from registry.cards.huggingface.vocabulary import Vocabulary, is_split_name
from registry.cards.known import (
    Row,
    cell_count,
    cell_text,
    count_of,
    fact_of,
    list_of,
    rows_of,
    text_of,
    value_of,
)
from registry.cards.values import CardFacts, State
from registry.rights.licenses import normal_expression

_HUB_DATASET = re.compile(
    r"(?:hf://datasets/|https://huggingface\.co/datasets/)([\w.-]+/[\w.-]+)(?:[@/?#].*)?"
)
_PLAIN: Final = re.compile(
    r"(?:large_)?string|bool|u?int(?:8|16|32|64)|float(?:16|32|64)|(?:large_)?binary|date32|"
    r"image|audio|video"
)
_MOMENT: Final = re.compile(r"timestamp\[(?:s|ms|us|ns)(?:, ?tz=[\w/+:-]+)?\]")
_CALLED: Final = {
    "utf8": "string",
    "text": "string",
    "varchar": "string",
    "boolean": "bool",
    "bigint": "int64",
    "long": "int64",
    "smallint": "int16",
    "tinyint": "int8",
    "float": "float32",
    "real": "float32",
    "double": "float64",
    "double precision": "float64",
    "halffloat": "float16",
    "date": "date32",
    "date32[day]": "date32",
}
_LIST = re.compile(r"(?:large_)?list<(?:item: |element: )?([^<>]+)>")
_NAME_LETTERS = 100


def front_matter(facts: CardFacts, words: Vocabulary) -> dict[str, object]:
    """The fields, in the order of the Hub's template."""
    tags = [tag.strip() for tag in list_of(facts, "identity.tags")]
    examples = count_of(facts, "quantity.examples")
    made: dict[str, object] = {
        "language": [each for each in _languages(facts) if each in words.languages],
        **_licenses(facts, words),
        "pretty_name": facts.about.name.strip(),
        "size_categories": [] if examples is None else [words.size_of(examples)],
        "source_datasets": list(dict.fromkeys(_sources(facts))),
        "task_categories": [tag for tag in tags if tag in words.task_categories],
        "task_ids": [tag for tag in tags if tag in words.task_ids],
        "annotations_creators": list(_creators(facts, words)),
        "tags": list(dict.fromkeys(tags)),
        "dataset_info": _info(facts),
        "registry": _version(facts),
    }
    return {name: value for name, value in made.items() if value}


def _languages(facts: CardFacts) -> Iterator[str]:
    """The language of each recorded tag (BCP 47), each once."""
    tags = (cell_text(row, "value") for row in rows_of(facts, "quantity.by_language").rows)
    yield from dict.fromkeys(
        tag.replace("_", "-").partition("-")[0].lower() for tag in tags if tag is not None
    )


def _licenses(facts: CardFacts, words: Vocabulary) -> dict[str, object]:
    """`license`, and the name and link of what the Hub has no word for (rule 2)."""
    values = [cell_text(row, "value") for row in rows_of(facts, "rights.licenses").rows]
    known: dict[str, None] = {}
    others: list[str] = []
    for value in values:
        if value is None or value == NOT_RECORDED:
            known["unknown"] = None
            continue
        expression = normal_expression(value)
        called = words.license_of(expression)
        known[called or "other"] = None
        if called is None:
            others.append(expression)
    if not known:
        return {"license": "unknown"}
    made: dict[str, object] = {"license": next(iter(known)) if len(known) == 1 else [*known]}
    if others:
        made["license_name"] = _license_name(others)
        address = spdx_address(others[0]) if len(others) == 1 else None
        made["license_link"] = address or "README.md"
    return made


def _license_name(expressions: list[str]) -> str:
    """An identifier, as the Hub wants for a name: lower case, without spaces."""
    names = (re.sub(r"[^a-z0-9.]+", "-", each.lower()).strip("-") for each in expressions)
    return "-and-".join(filter(None, names))[:_NAME_LETTERS] or "unnamed"


def _sources(facts: CardFacts) -> Iterator[str]:
    """Datasets of the Hub that it is made of; `original` where it was counted: of none."""
    if fact_of(facts, "lineage.upstream").state is State.ZERO:
        yield "original"
    for row in rows_of(facts, "origin.sources").rows:
        for column in ("uri", "dataset"):
            found = _HUB_DATASET.fullmatch(cell_text(row, column) or "")
            if found:
                yield found[1]


def _creators(facts: CardFacts, words: Vocabulary) -> Iterator[str]:
    if value_of(facts, "statement.labels_none") is True:
        yield "no-annotation"
        return
    workforce = (text_of(facts, "annotation.workforce") or "").strip().lower()
    if workforce in words.annotations_creators:
        yield workforce
    elif workforce in words.workforce:
        yield words.workforce[workforce]


def _info(facts: CardFacts) -> dict[str, object]:
    fields, parts = rows_of(facts, "identity.schema"), rows_of(facts, "quantity.by_split")
    made: dict[str, object] = {}
    for what, rows, read in (("features", fields, _feature), ("splits", parts, _split)):
        found = [read(row) for row in rows.rows]
        names = {str(each["name"]) for each in found if each is not None}
        if found and len(names) == rows.total:
            made[what] = found
    size = count_of(facts, "quantity.bytes")
    if made and size is not None:
        made["dataset_size"] = size
    return {"config_name": "default", **made} if made else {}


def _feature(row: Row) -> dict[str, object] | None:
    name, recorded = cell_text(row, "field"), cell_text(row, "type")
    if name is None or recorded is None:
        return None
    text = recorded.strip()
    array = _LIST.fullmatch(text)
    kind = _dtype(array[1].strip() if array else text)
    return None if kind is None else {"name": name, "list" if array else "dtype": kind}


def _dtype(recorded: str) -> str | None:
    if _MOMENT.fullmatch(recorded):
        return recorded
    text = recorded.lower()
    if _PLAIN.fullmatch(text):
        return text
    return _CALLED.get(re.sub(r"^(varchar)\(\d+\)$", r"\1", text))


def _split(row: Row) -> dict[str, object] | None:
    name, size = cell_text(row, "value"), cell_count(row, "bytes")
    examples = cell_count(row, "examples")
    if name is None or size is None or examples is None or not is_split_name(name):
        return None
    return {"name": name, "num_bytes": size, "num_examples": examples}


def _version(facts: CardFacts) -> dict[str, object]:
    about = facts.about
    stated = {
        str(kind.statement): value
        for kind in STATEMENTS
        if (value := value_of(facts, kind.name)) is not None
    }
    return {
        "namespace": about.namespace,
        "name": about.name,
        "kind": about.kind,
        "version": about.version,
        "content_digest": about.content_digest,
        "facts_digest": facts.digest,
        **({"statements": stated} if stated else {}),
    }
