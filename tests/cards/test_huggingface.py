"""Cards for the Hugging Face Hub: words that it knows, a form that its tools read, no blanks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import STATEMENTS
from registry.cards.huggingface.document import _PARTS, as_huggingface, yaml_text
from registry.cards.huggingface.front import front_matter
from registry.cards.huggingface.vocabulary import FILE, check_front_matter, load_vocabulary
from registry.cards.values import CardFacts, Fact, State
from registry.cards.wording import state_words
from registry.errors import PolicyError
from registry.files import shipped
from tests.cards.extremes import (
    HOSTILE,
    declared,
    empty_facts,
    facts_in,
    facts_of_a_model,
    hostile_facts,
    many_facts,
    told_facts,
)
from tests.cards.samples import dataset_facts, with_fact, with_rows, with_value, without

WORDS = load_vocabulary()
_READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
CASES: dict[str, Callable[[], CardFacts]] = {
    "the samples' dataset": dataset_facts,
    "the samples' model": facts_of_a_model,
    "fields and places as producers record them": told_facts,
    "nothing recorded": empty_facts,
    "a hundred thousand sources and domains": many_facts,
    **{f"every fact is {state.value}": partial(facts_in, state) for state in State},
    **{f"hostile: {name}": partial(hostile_facts, text) for name, text in HOSTILE.items()},
}


def taken_apart(card: bytes) -> tuple[dict[str, Any], str]:
    """Front matter and text, as the Hub's own library takes them apart."""
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    text = card.decode()
    found = REGEX_YAML_BLOCK.search(text)
    assert found is not None
    front = yaml.safe_load(found[2])
    assert isinstance(front, dict)
    return front, text[found.end() :]


@pytest.mark.parametrize("case", CASES)
def test_whatever_the_facts_are_the_card_is_valid(case: str) -> None:
    facts = CASES[case]()
    front, text = taken_apart(as_huggingface(facts, WORDS))
    assert front == front_matter(facts, WORDS)
    assert check_front_matter(front, WORDS) == ()
    _read_by_the_libraries(front)
    assert re.search(r"\|[ \t]*\|", text) is None, "a cell is blank"
    assert re.search(r"\*\* *\n(?!\n\|)", text) is None, "a value is blank"
    tokens = _READER.parse(text)
    kinds = {token.type for token in tokens}
    assert kinds <= {
        *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline"),
        *("table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
        *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
    }
    inner = [each for token in tokens for each in token.children or ()]
    assert {each.type for each in inner} <= {"text", "strong_open", "strong_close", "code_inline"}
    headings = [
        f"{'#' * int(a.tag[1])} {b.content}"
        for a, b in pairwise(tokens)
        if a.type == "heading_open"
    ]
    assert [each for each in headings[1:] if each != "## What is not known"] == [
        part.heading for part in _PARTS
    ]


def _read_by_the_libraries(front: dict[str, Any]) -> None:
    from datasets import Features
    from datasets.splits import SplitDict
    from huggingface_hub import DatasetCardData

    assert str(DatasetCardData(**front))
    info = front.get("dataset_info", {})
    if "features" in info:
        Features._from_yaml_list(info["features"])
    if "splits" in info:
        SplitDict._from_yaml_list(info["splits"])


def test_every_fact_of_the_sections_says_its_state() -> None:
    for state in State:
        if state is State.KNOWN:
            continue
        facts = facts_in(state)
        _, text = taken_apart(as_huggingface(facts, WORDS))
        names = [name for part in _PARTS for name in part.facts]
        assert text.count(state_words(state)) >= len(names), state
    assert {name for part in _PARTS for name in part.facts} <= {*CATALOGUE}


def test_what_is_missing_is_listed_with_who_supplies_it() -> None:
    _, text = taken_apart(as_huggingface(without(told_facts(), "personal.pii"), WORDS))
    line = "| Personal data found by scans | Not recorded | the examples object, column pii |"
    assert line in text
    assert "## What is not known" not in as_huggingface(told_facts(), WORDS).decode()


def test_the_same_facts_give_the_same_bytes_whenever_they_were_read() -> None:
    facts = told_facts()
    later = replace(facts, as_of=datetime(2030, 1, 1, tzinfo=UTC))
    assert as_huggingface(facts, WORDS) == as_huggingface(later, WORDS)


LICENCES: list[tuple[str, tuple[str, ...], dict[str, object]]] = [
    ("one that the Hub has", ("CC-BY-4.0",), {"license": "cc-by-4.0"}),
    ("one that it calls otherwise", ("ODbL-1.0",), {"license": "odbl"}),
    ("one of two forms", ("GPL-3.0-or-later",), {"license": "gpl-3.0"}),
    ("two", ("MIT", "Apache-2.0"), {"license": ["mit", "apache-2.0"]}),
    ("none recorded for any", ("(not recorded)",), {"license": "unknown"}),
    (
        "none recorded for some",
        ("MIT", "(not recorded)"),
        {"license": ["mit", "unknown"]},
    ),
    (
        "one of SPDX that the Hub lacks",
        ("EUPL-1.2",),
        {
            "license": "other",
            "license_name": "eupl-1.2",
            "license_link": "https://spdx.org/licenses/EUPL-1.2.html",
        },
    ),
    (
        "one of somebody's own",
        ("LicenseRef-deal-7",),
        {"license": "other", "license_name": "licenseref-deal-7", "license_link": "README.md"},
    ),
    (
        "words",
        ("ask Bob first!",),
        {
            "license": "other",
            "license_name": "licenseref-ask-bob-first",
            "license_link": "README.md",
        },
    ),
    (
        "a choice",
        ("MIT OR EUPL-1.2",),
        {"license": "other", "license_name": "mit-or-eupl-1.2", "license_link": "README.md"},
    ),
]


@pytest.mark.parametrize(
    ("recorded", "expected"), [each[1:] for each in LICENCES], ids=[each[0] for each in LICENCES]
)
def test_licences_are_words_of_the_hub(
    recorded: tuple[str, ...], expected: dict[str, object]
) -> None:
    rows = [(each, 1, None, None) for each in recorded]
    front = front_matter(with_rows(dataset_facts(), "rights.licenses", *rows), WORDS)
    found = {name: front[name] for name in front if name.startswith("license")}
    assert found == expected
    assert check_front_matter(front, WORDS) == ()


def test_a_licence_that_nobody_recorded_is_unknown_and_never_open() -> None:
    assert front_matter(empty_facts(), WORDS)["license"] == "unknown"


@pytest.mark.parametrize(
    ("examples", "band"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (9_999, "1K<n<10K"),
        (10_000, "10K<n<100K"),
        (10**6, "1M<n<10M"),
        (10**9 - 1, "100M<n<1B"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_sizes_are_bands_at_their_edges(examples: int, band: str) -> None:
    facts = with_value(dataset_facts(), "quantity.examples", examples)
    assert front_matter(facts, WORDS)["size_categories"] == [band]


def test_a_size_that_nobody_counted_has_no_band() -> None:
    assert "size_categories" not in front_matter(empty_facts(), WORDS)


def test_languages_are_codes_and_others_stay_in_the_text() -> None:
    rows = [(tag, 1, None, None) for tag in ("de-AT", "DE", "zh_Hant", "klingon", "yue", "no")]
    facts = with_rows(dataset_facts(), "quantity.by_language", *rows)
    assert front_matter(facts, WORDS)["language"] == ["de", "zh", "yue", "no"]
    front, text = taken_apart(as_huggingface(facts, WORDS))
    assert front["language"] == ["de", "zh", "yue", "no"]
    assert "| klingon |" in text


def test_tasks_sources_and_creators_are_those_that_were_recorded() -> None:
    facts = with_value(
        dataset_facts(), "identity.tags", ("text-classification", "sentiment-analysis", "birds")
    )
    facts = with_value(facts, "annotation.workforce", "Crowd")
    source = ("in", "public", "hf://datasets/laion/laion-2b@main", *(None,) * 8)
    other = ("hf", "public", "https://huggingface.co/datasets/a/b/tree/main", *(None,) * 8)
    facts = with_rows(facts, "origin.sources", source, other, ("x", "crawled", *(None,) * 9))
    front = front_matter(facts, WORDS)
    assert front["task_categories"] == ["text-classification"]
    assert front["task_ids"] == ["sentiment-analysis"]
    assert front["tags"] == ["text-classification", "sentiment-analysis", "birds"]
    assert front["annotations_creators"] == ["crowdsourced"]
    assert front["source_datasets"] == ["laion/laion-2b", "a/b"]
    made_of_none = with_fact(facts, Fact("lineage.upstream", State.ZERO))
    assert front_matter(made_of_none, WORDS)["source_datasets"][0] == "original"  # type: ignore[index]
    unlabelled = declared(facts, "statement.labels_none", True)
    assert front_matter(unlabelled, WORDS)["annotations_creators"] == ["no-annotation"]


def test_splits_that_the_library_does_not_take_are_told_in_the_text_alone() -> None:
    for rows in ((("a b", 1, 1, 1),), (("a", 1, 1, 1), ("a", 2, 2, 2)), (("a", 1, None, 1),)):
        facts = with_rows(dataset_facts(), "quantity.by_split", *rows)
        assert "splits" not in str(front_matter(facts, WORDS).get("dataset_info"))


def test_features_are_all_of_the_fields_or_none() -> None:
    known = with_rows(
        dataset_facts(),
        "identity.schema",
        ("id", "BIGINT", None),
        ("text", "varchar(20)", None),
        ("tags", "list<string>", None),
        ("at", "timestamp[us, tz=UTC]", None),
    )
    info = front_matter(known, WORDS)["dataset_info"]
    assert isinstance(info, dict)
    assert info["features"] == [
        {"name": "id", "dtype": "int64"},
        {"name": "text", "dtype": "string"},
        {"name": "tags", "list": "string"},
        {"name": "at", "dtype": "timestamp[us, tz=UTC]"},
    ]
    _read_by_the_libraries({"dataset_info": info})
    unknown = front_matter(told_facts(), WORDS)["dataset_info"]
    assert isinstance(unknown, dict)
    assert "features" not in unknown


def test_what_people_stated_stands_word_for_word() -> None:
    front, _ = taken_apart(as_huggingface(told_facts(), WORDS))
    for name, text in HOSTILE.items():
        if text.strip():
            facts = declared(told_facts(), "statement.comments", text)
            front, _ = taken_apart(as_huggingface(facts, WORDS))
            assert front["registry"]["statements"]["comments"] == text, name
    assert {*front["registry"]["statements"]} == {kind.statement for kind in STATEMENTS}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=30) | st.lists(st.text(max_size=9))))
def test_any_texts_are_written_as_yaml_that_reads_back(document: dict[str, object]) -> None:
    written = yaml_text(document)
    assert yaml.safe_load(written) == document
    assert not re.search("[\u200e\u202a-\u202e\u2066-\u2069]", written)
    assert re.search(r"^(---|\.\.\.)\s*$", written, re.M) is None


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"license": "CC-BY-4.0"}, "$.license"),
        ({"license": "other"}, "$.license_name"),
        ({"license": "mit", "license_name": "x"}, "$.license_name"),
        ({"license": "other", "license_name": "x", "license_link": "file:///a"}, "$.license_link"),
        ({"language": ["de", "german"]}, "$.language[1]"),
        ({"language": [False]}, "$.language[0]"),
        ({"size_categories": "1K<n<1M"}, "$.size_categories"),
        ({"task_categories": ["text_classification"]}, "$.task_categories[0]"),
        ({"task_ids": ["x"]}, "$.task_ids[0]"),
        ({"annotations_creators": ["me"]}, "$.annotations_creators[0]"),
        ({"source_datasets": ["s3://lake x"]}, "$.source_datasets[0]"),
        ({"tags": [" "]}, "$.tags[0]"),
        ({"pretty_name": 3}, "$.pretty_name"),
        ({"dataset_info": []}, "$.dataset_info"),
        ({"dataset_info": {"splits": [{"name": "a b"}]}}, "$.dataset_info.splits[0].name"),
        ({"dataset_info": {"splits": [{"name": "a"}]}}, "$.dataset_info.splits[0]"),
        ({"dataset_info": {"features": [3]}}, "$.dataset_info.features[0].name"),
    ],
)
def test_each_word_that_the_hub_lacks_is_found_with_its_path(
    change: dict[str, object], path: str
) -> None:
    assert [finding.path for finding in check_front_matter(change, WORDS)] == [path]


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_what_is_no_front_matter_is_an_error_and_no_crash(document: object) -> None:
    assert check_front_matter(document, WORDS)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{band: n<1K, from: 0}", "{band: n<1K, from: 5}", "do not rise from 0"),
        ("crowd: crowdsourced", "crowd: crowds", "names 'crowds'"),
        ("odbl-1.0: odbl", "odbl-1.0: odbl-1", "names 'odbl-1'"),
        ("sizes:\n", "sises:\n", "sises"),
    ],
)
def test_a_vocabulary_that_cannot_be_used_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = (shipped("policies") / FILE).read_text()
    assert old in text
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text.replace(old, new, 1))
    with pytest.raises(PolicyError) as caught:
        load_vocabulary(tmp_path)
    assert said in str(caught.value)


def test_the_words_are_those_of_the_installed_library() -> None:
    from datasets.utils import metadata, resources

    folder = Path(resources.__file__).parent
    assert metadata is not None
    sizes = yaml.safe_load((folder / "size_categories.json").read_text())
    assert [band for band, _ in WORDS.sizes] == [each for each in sizes if each != "unknown"]
    assert {*yaml.safe_load((folder / "creators.json").read_text())["annotations"]} == (
        WORDS.annotations_creators
    )
