"""Croissant files and Hugging Face cards become statements; what has no kind is kept whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.cards.croissant.document import as_croissant, croissant_bytes
from registry.cards.fact_kinds import STATEMENT_KINDS, STATEMENTS
from registry.cards.huggingface.document import as_huggingface
from registry.cards.huggingface.vocabulary import load_vocabulary
from registry.cards.importing.files import LIMIT_BYTES, Imported, ImportForm, import_file
from registry.cards.importing.huggingface import FRONT_LIMIT_BYTES
from registry.cards.importing.imported import TEXT_LIMIT
from registry.cards.values import CardFacts
from registry.errors import BodyTooLargeError, InvalidInputError
from tests.cards.extremes import HOSTILE, declared, empty_facts, hostile_facts, told_facts
from tests.cards.spoiling import spoiled

WORDS = load_vocabulary()
FOREIGN: dict[str, Any] = {
    "@context": {"@vocab": "https://schema.org/", "rai": "http://mlcommons.org/croissant/RAI/"},
    "@type": "sc:Dataset",
    "conformsTo": "http://mlcommons.org/croissant/1.0",
    "name": "PASS",
    "description": "Images without humans.",
    "citeAs": "@article{asano21pass}",
    "license": "https://creativecommons.org/licenses/by/4.0/",
    "rai:dataCollection": "Taken from YFCC-100M.",
    "rai:dataCollectionRawData": "Photographs.",
    "rai:dataBiases": ["Few animals.", "Mostly Europe."],
    "rai:dataCollectionType": ["Web Scraping"],
    "http://mlcommons.org/croissant/RAI/dataLimitations": {"en": "Small.", "fr": "Petit."},
    "rai:dataUseCases": [{"@value": "Pre-training."}, "Evaluation."],
    "x:mood": {"deep": [1, 2.5, None, True]},
}
CARD = """---
# a comment
license: cc-by-4.0
language: [de, en]
annotations_creators:
- no-annotation
x_own: {a: 1, since: 2026-01-01, is: off}
---
<!-- written
by a person -->
# Dataset Card for PASS

A set of images.

## Dataset Details

### Dataset Description

<!-- Provide a longer summary. -->

Images without humans.

- **Curated by:** [More Information Needed]
- **Language(s) (NLP):** German

## Uses

### Direct Use

Pre-training.

```
# not a heading
```

### Out-of-Scope Use

[More Information Needed]

## Dataset Structure

One column.

#### Who are the annotators? ##

Nobody.

## Citation [optional]

**BibTeX:**

@article{asano21pass}

**APA:**

[More Information Needed]
"""


def stated(imported: Imported) -> dict[str, object]:
    """Text or flag by kind."""
    return {
        each.kind: each.text if each.value is None else each.value for each in imported.statements
    }


def statements_of(facts: CardFacts) -> dict[str, object]:
    """The same of facts."""
    return {
        str(kind.statement): facts[kind.name].value
        for kind in STATEMENTS
        if facts[kind.name].value is not None
    }


def hf(facts: CardFacts) -> bytes:
    """The Hugging Face card of facts."""
    return as_huggingface(facts, WORDS)


ROUND_TRIPS: dict[str, Callable[[], CardFacts]] = {
    "every statement": told_facts,
    "no statement": empty_facts,
    **{
        f"hostile: {name}": partial(hostile_facts, text)
        for name, text in HOSTILE.items()
        if text.strip() and "\0" not in text and len(text) < 1_000
    },
}


@pytest.mark.parametrize("case", ROUND_TRIPS)
@pytest.mark.parametrize("write", [croissant_bytes, hf])
def test_reading_what_was_written_gives_the_same_statements(
    case: str, write: Callable[[CardFacts], bytes]
) -> None:
    facts = ROUND_TRIPS[case]()
    imported = import_file(write(facts))
    assert stated(imported) == statements_of(facts)
    assert [each.kind for each in imported.statements] == [
        kind for kind in STATEMENT_KINDS if kind in stated(imported)
    ]


def test_nothing_of_a_croissant_file_is_lost() -> None:
    document = as_croissant(told_facts())
    imported = import_file(json.dumps(document).encode())
    assert imported.form is ImportForm.CROISSANT
    assert {**imported.rest, "reg:statements": document["reg:statements"]} == document


def test_a_file_without_our_words_still_gives_its_texts() -> None:
    document = {
        name: value
        for name, value in as_croissant(told_facts()).items()
        if not name.startswith("reg:")
    }
    found = stated(import_file(json.dumps(document).encode()))
    facts = told_facts()
    for kind in ("collection", "cleaning", "bias_assessment", "known_gaps", "intended_use"):
        assert str(facts[f"statement.{kind}"].value) in str(found[kind])


def test_a_foreign_croissant_file_becomes_statements_and_the_rest_is_kept() -> None:
    imported = import_file(json.dumps(FOREIGN).encode())
    assert stated(imported) == {
        "description": "Images without humans.",
        "citation": "@article{asano21pass}",
        "collection": "Taken from YFCC-100M.\n\nPhotographs.",
        "bias_assessment": "Few animals.\n\nMostly Europe.",
        "known_gaps": "Small.",
        "intended_use": "Pre-training.\n\nEvaluation.",
    }
    sources = {each.kind: each.source for each in imported.statements}
    assert sources["collection"] == "$.rai:dataCollection, $.rai:dataCollectionRawData"
    assert sources["bias_assessment"] == "$.rai:dataBiases"
    assert {*imported.rest} == {
        *("@context", "@type", "conformsTo", "name", "license", "rai:dataCollectionType"),
        "x:mood",
    }
    assert imported.rest["x:mood"] == FOREIGN["x:mood"]


def test_a_hugging_face_card_becomes_statements_and_the_rest_is_kept() -> None:
    imported = import_file(CARD.encode())
    assert imported.form is ImportForm.HUGGINGFACE
    assert stated(imported) == {
        "description": "Images without humans.",
        "intended_use": "Pre-training.\n\n```\n# not a heading\n```",
        "annotators": "Nobody.",
        "labels_none": True,
        "citation": "@article{asano21pass}",
    }
    assert imported.rest == {
        "front_matter": {
            "license": "cc-by-4.0",
            "language": ["de", "en"],
            "annotations_creators": ["no-annotation"],
            "x_own": {"a": 1, "since": "2026-01-01", "is": False},
        },
        "sections": [
            {"heading": "# Dataset Card for PASS", "text": "A set of images."},
            {"heading": "## Dataset Structure", "text": "One column."},
            {"heading": "### Dataset Description", "text": "- **Language(s) (NLP):** German"},
        ],
    }


def test_the_hubs_empty_template_states_nothing() -> None:
    from huggingface_hub import DatasetCard, DatasetCardData

    card = DatasetCard.from_template(DatasetCardData(license="mit"), pretty_name="X")
    imported = import_file(str(card).encode())
    assert imported.statements == ()
    assert imported.rest["front_matter"] == {"license": "mit"}


def test_a_text_that_is_too_long_for_a_statement_is_kept_whole() -> None:
    long = "x" * (TEXT_LIMIT + 1)
    imported = import_file(json.dumps({**FOREIGN, "description": long}).encode())
    assert "description" not in stated(imported)
    assert imported.rest["description"] == long
    card = import_file(CARD.replace("Nobody.", long).encode())
    assert "annotators" not in stated(card)
    assert long in json.dumps(card.rest)
    ours = declared(told_facts(), "statement.comments", long)
    for write in (croissant_bytes, hf):
        imported = import_file(write(ours))
        assert "comments" not in stated(imported)
        assert long in json.dumps(imported.rest)


def croissant(**changes: object) -> bytes:
    """The foreign file, changed."""
    return json.dumps(FOREIGN | changes).encode()


def ours(*stated: object) -> bytes:
    """A file that this registry wrote, with other statements."""
    return croissant(**{"reg:factsDigest": "sha256:0", "reg:statements": list(stated)})


def card(front: str, body: str = "") -> bytes:
    """A Hugging Face card."""
    return f"---\n{front}\n---\n{body}".encode()


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "$"),
    ("no format at all", b"hello", "$"),
    ("bytes", b"\xff\xfe\x00{", "$"),
    ("half JSON", b'{"@type": ', "$"),
    ("a list", b"[1]", "$"),
    ("JSON of many levels", b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "$"),
    ("JSON of a hundred levels", b'{"a":' * 100 + b"1" + b"}" * 100, "$"),
    ("NaN", b'{"a": NaN}', "$"),
    ("infinity in digits", b'{"a": 1e999}', "$"),
    ("a number of many digits", b'{"a": ' + b"9" * 10_000 + b"}", "$"),
    ("half a letter", b'{"@type":"sc:Dataset","a":"\\ud800",'
     b'"conformsTo":"http://mlcommons.org/croissant/1.0"}', "$"),
    ("another type", croissant(**{"@type": "sc:Person"}), "$.@type"),
    ("a type that is a number", croissant(**{"@type": 3}), "$.@type"),
    ("a graph", croissant(**{"@graph": []}), "$.@graph"),
    ("another specification", croissant(conformsTo="http://example.org"), "$.conformsTo"),
    ("a number as text", croissant(description=3), "$.description"),
    ("an object in a list", croissant(**{"rai:dataBiases": ["a", {"b": 3}]}),
     "$.rai:dataBiases[1]"),
    ("NUL in a text", croissant(description="a\0b"), "$.description"),
    ("statements that are no list", croissant(**{"reg:factsDigest": "x", "reg:statements": {}}),
     "$.reg:statements"),
    ("a statement without kind", ours({"reg:text": "x"}), "$.reg:statements[0]"),
    ("a statement without text", ours({"reg:kind": "comments"}), "$.reg:statements[0]"),
    ("a flag with a text", ours({"reg:kind": "labels_none", "reg:text": "x"}),
     "$.reg:statements[0]"),
    ("a text with a flag", ours({"reg:kind": "comments", "reg:flag": True}),
     "$.reg:statements[0]"),
    ("a front matter without end", b"---\nlicense: mit\n", "README.md, line 1"),
    ("a list as front matter", card("- a"), "README.md, line 2"),
    ("an alias", card("a: 1\nb: &x 2\nc: *x"), "README.md, line 3"),
    ("a bomb of aliases", card(BOMB), "README.md, line 2"),
    ("a cycle", card("a: &a [*a]"), "README.md, line 2"),
    ("a tag that makes an object", card("a: !!python/object/apply:os.system ['id']"),
     "README.md, line 2"),
    ("a key that stands twice", card("a: 1\nb: 2\na: 3"), "README.md, line 4"),
    ("brackets without end", card("a: " + "[" * 4_000), "README.md"),
    ("many brackets", card("a: " + "[" * 200_000), "README.md, line 1"),
    ("a broken line", card("a: 1\n b: : 2"), "README.md, line 3"),
    ("a long front matter", card("a: " + "x" * FRONT_LIMIT_BYTES), "README.md, line 1"),
    ("our statements as a list", card("registry: {facts_digest: x, statements: [a]}"),
     "$.registry.statements"),
    ("our statement as a number", card("registry: {facts_digest: x, statements: {comments: 3}}"),
     "$.registry.statements.comments"),
    ("our text as a flag", card("registry: {facts_digest: x, statements: {comments: true}}"),
     "$.registry.statements.comments"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "path"), [case[1:] for case in BAD], ids=[c[0] for c in BAD])
def test_bad_input_is_told_with_its_place_and_a_remedy(data: bytes, path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        import_file(data)
    assert caught.value.path == path
    assert caught.value.remedy


@pytest.mark.parametrize("data", [b"{" * 10_000_000, b"---\n" + b"x" * LIMIT_BYTES])
def test_ten_megabytes_are_refused_before_they_are_read(data: bytes) -> None:
    with pytest.raises(BodyTooLargeError) as caught:
        import_file(data)
    assert str(LIMIT_BYTES) in caught.value.detail


@pytest.mark.parametrize(
    "line", ["#" * 500_000 + "x", "# " + "# " * 250_000 + "x", "<!--" * 300_000, "- **" * 200_000]
)
def test_a_text_that_is_made_to_be_slow_is_read(line: str) -> None:
    assert import_file(card("a: 1", line)).form is ImportForm.HUGGINGFACE


def test_an_unknown_kind_of_statement_is_kept() -> None:
    imported = import_file(ours({"reg:kind": "from_the_future", "reg:text": "x"}))
    assert imported.statements == ()
    assert imported.rest["reg:statements"] == [{"reg:kind": "from_the_future", "reg:text": "x"}]


@given(st.dictionaries(st.text(max_size=8), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
), max_size=5))  # fmt: skip
def test_whatever_else_a_croissant_file_holds_is_kept(more: dict[str, Any]) -> None:
    document = {**more, **FOREIGN}
    try:
        imported = import_file(json.dumps(document).encode())
    except InvalidInputError as error:
        assert error.path  # noqa: PT017 - a generated key may be one that has a form
        return
    lost = {key for key in document if key not in imported.rest}
    assert lost <= {*FOREIGN}


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"---\n{text}".encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        import_file(data)
    except InvalidInputError as error:
        assert error.remedy  # noqa: PT017 - both ends are good


def test_anything_anywhere_in_a_croissant_file_is_read_or_refused() -> None:
    written = json.loads(croissant_bytes(told_facts()))
    for document in (*spoiled(FOREIGN, 300), *spoiled(written, 100)):
        try:
            import_file(json.dumps(document).encode())
        except InvalidInputError as error:
            assert error.path  # noqa: PT017 - both ends are good
