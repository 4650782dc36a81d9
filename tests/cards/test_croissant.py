"""Croissant files: valid for MLCommons' library and for our own check, whatever the facts are."""

from __future__ import annotations

import copy
import json
import string
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from registry.cards.catalogue import CATALOGUE
from registry.cards.croissant.check import check_croissant, require_valid
from registry.cards.croissant.document import as_croissant, croissant_bytes, properties_of
from registry.cards.croissant.rai import _SENTENCES
from registry.cards.croissant.records import data_type
from registry.cards.croissant.terms import (
    CORE_PROPERTIES,
    OWN_PROPERTIES,
    RAI_PROPERTIES,
    REQUIRED,
)
from registry.cards.fact_kinds import STATEMENT_KINDS
from registry.cards.known import ROWS_HERE
from registry.cards.values import CardFacts, Fact, State
from registry.errors import InvalidInputError
from tests.cards.extremes import (
    HOSTILE,
    MANY,
    declared,
    empty_facts,
    facts_in,
    facts_of_a_model,
    hostile_facts,
    many_facts,
    told_facts,
)
from tests.cards.samples import dataset_facts, with_fact, with_rows, without
from tests.cards.spoiling import spoiled as spoiled_files

URL = "https://registry.example/datasets/corpus/3"
# rdflib builds what it has deprecated itself; absl logs what is only recommended.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def warnings_of_mlcroissant(document: dict[str, Any]) -> list[str]:
    """What MLCommons' library warns of. Raises where it finds an error; reads no network."""
    import mlcroissant

    found = mlcroissant.Dataset(jsonld=copy.deepcopy(document))
    return sorted(text for text, _ in found.metadata.ctx.issues._warnings)


CASES: dict[str, Callable[[], CardFacts]] = {
    "the samples' dataset": dataset_facts,
    "the samples' model": facts_of_a_model,
    "fields, places and terms as producers record them": told_facts,
    "nothing recorded": empty_facts,
    "a hundred thousand sources and domains": many_facts,
    **{f"every fact is {state.value}": partial(facts_in, state) for state in State},
    **{f"hostile text: {name}": partial(hostile_facts, text) for name, text in HOSTILE.items()},
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_the_facts_are_the_file_is_valid(case: str) -> None:
    document = json.loads(croissant_bytes(CASES[case](), url=URL))
    assert check_croissant(document).errors == ()
    missing = {f'Property "{each}" is recommended, but does not exist.' for each in _RECOMMENDED}
    assert set(warnings_of_mlcroissant(document)) <= missing


_RECOMMENDED = (
    "http://mlcommons.org/croissant/citeAs",
    "https://schema.org/datePublished",
)


def test_a_file_of_known_facts_lacks_no_required_property() -> None:
    document = as_croissant(told_facts(), url=URL)
    assert require_valid(document).missing == ()
    assert warnings_of_mlcroissant(document) == []
    assert [name for name in REQUIRED if name not in document] == []


def test_what_is_missing_is_said_and_never_made_up() -> None:
    document = as_croissant(empty_facts())
    missing = {finding.path for finding in require_valid(document).missing}
    assert missing == {"$.url", "$.creator", "$.datePublished", "$.distribution"}
    named = {gap.get("reg:fact") for gap in _listed(document, "reg:gaps")}
    assert named == {*CATALOGUE, None}
    assert not any(name.startswith(("rai:", "prov:", "odrl:")) for name in document)
    assert document["license"] == [
        {"@type": "CreativeWork", "name": "Licence not recorded", "reg:state": "not_recorded"}
    ]
    assert "reg:statements" not in document


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_a_fact_that_is_removed_becomes_a_gap_and_changes_nothing_but_what_it_feeds(
    name: str,
) -> None:
    whole, less = as_croissant(told_facts()), as_croissant(without(told_facts(), name))
    (gap,) = [gap for gap in _listed(less, "reg:gaps") if gap.get("reg:fact") == name]
    assert gap["reg:state"] == "not_recorded"
    assert gap["reg:suppliedBy"] == CATALOGUE[name].supplied_by
    changed = {key for key in {*whole, *less} if whole.get(key) != less.get(key)}
    about_all = {"reg:gaps", "reg:factsDigest", "reg:statements"}
    assert changed - about_all <= {*properties_of(CATALOGUE[name])}


def test_the_same_facts_give_the_same_bytes_whenever_they_were_read() -> None:
    facts = told_facts()
    later = replace(facts, as_of=datetime(2030, 1, 1, tzinfo=UTC))
    assert croissant_bytes(facts, url=URL) == croissant_bytes(later, url=URL)


def test_every_statement_stands_with_its_kind_and_in_the_property_for_it() -> None:
    facts = dataset_facts()
    for kind in STATEMENT_KINDS:
        if kind not in ("personal_data_none", "labels_none"):
            facts = declared(facts, f"statement.{kind}", f"About {kind}: 100 % <true>.")
    document = as_croissant(facts)
    stated = {each["reg:kind"]: each for each in _listed(document, "reg:statements")}
    assert set(stated) == {*STATEMENT_KINDS}
    for rai in RAI_PROPERTIES:
        for kind in rai.statements:
            text = stated[kind].get("reg:text")
            assert text is None or text in str(document[rai.name]), (rai.name, kind)


def test_sentences_and_properties_name_facts_and_columns_that_there_are() -> None:
    for name, sentence in _SENTENCES.items():
        columns = {field for _, field, _, _ in string.Formatter().parse(sentence) if field}
        assert columns <= {*CATALOGUE[name].columns}, name
    for each in RAI_PROPERTIES:
        assert {*each.facts} <= {*CATALOGUE}, each.name
        assert {*each.statements} <= {*STATEMENT_KINDS}, each.name
        for name in each.facts:
            is_told = name in _SENTENCES or not CATALOGUE[name].columns
            assert is_told or name == "origin.kinds", name
    assert {*CORE_PROPERTIES, *OWN_PROPERTIES} <= {*CATALOGUE}


def test_provenance_has_sources_steps_crawls_and_generators() -> None:
    document = as_croissant(told_facts())
    sources = _listed(document, "prov:wasDerivedFrom")
    assert [each["@id"] for each in sources][:2] == [
        "source/lake%2Fcommon-voice",
        "source/lake%2Fparliament",
    ]
    assert sources[0]["url"] == "https://voice.example/cv"
    activities = _listed(document, "prov:wasGeneratedBy")
    assert [each["@id"] for each in activities] == ["crawl/1", "step/1", "step/2", "step/3"]
    assert activities[0]["prov:wasAssociatedWith"] == {
        "@type": "prov:SoftwareAgent",
        "prov:label": "ExampleBot/2.1",
    }
    assert (activities[1]["reg:rowsIn"], activities[1]["reg:rowsOut"]) == (160_000, 130_000)
    assert _listed(document, "prov:wasAttributedTo")[0]["prov:label"] == "tts-large"


def test_long_tables_are_cut_and_say_so() -> None:
    document = as_croissant(many_facts())
    assert len(_listed(document, "prov:wasDerivedFrom")) == ROWS_HERE
    assert _listed(document, "reg:cut") == [
        {"reg:fact": "origin.sources", "reg:rows": MANY, "reg:rowsHere": ROWS_HERE}
    ]
    assert f"{MANY - 50} more, of {MANY}." in str(document["rai:dataCollectionRawData"])


def test_terms_of_use_are_permissions_duties_prohibitions_and_what_nobody_knows() -> None:
    usage = as_croissant(told_facts())["usageInfo"]
    assert isinstance(usage, dict)
    allowed = [each["odrl:action"]["@id"] for each in usage["odrl:permission"]]
    assert allowed == ["reg:aiTraining", "odrl:distribute", "odrl:use"]
    assert "odrl:duty" in usage["odrl:permission"][1]
    denied = [each["odrl:action"]["@id"] for each in usage["odrl:prohibition"]]
    assert denied == ["odrl:commercialize", "odrl:use"]
    purpose = usage["odrl:prohibition"][1]["odrl:constraint"]
    assert purpose["odrl:rightOperand"] == "advertising"
    assert usage["reg:unknownUse"] == ["derivatives", "evaluation"]


def _work(name: str) -> dict[str, object]:
    return {"@type": "CreativeWork", "name": name, "reg:examples": 5}


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("mit", "https://spdx.org/licenses/MIT.html"),
        (
            "MIT OR Apache-2.0",
            _work("MIT OR Apache-2.0"),
        ),
        ("LicenseRef-x", _work("LicenseRef-x")),
        ("ask Bob", _work("ask Bob")),
        (
            "(not recorded)",
            _work("Licence not recorded"),
        ),
    ],
)
def test_a_licence_is_an_address_or_a_work_of_its_name(recorded: str, expected: object) -> None:
    facts = with_rows(dataset_facts(), "rights.licenses", (recorded, 5, None, None))
    assert as_croissant(facts)["license"] == [expected]


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("string", ("sc:Text", False)),
        ("VARCHAR(255)", ("sc:Text", False)),
        ("BIGINT", ("sc:Integer", False)),
        ("uint8", ("sc:Integer", False)),
        ("decimal(10, 2)", ("sc:Float", False)),
        ("bool", ("sc:Boolean", False)),
        ("date32[day]", ("sc:Date", False)),
        ("timestamp[us, tz=UTC]", ("sc:DateTime", False)),
        ("list<item: float>", ("sc:Float", True)),
        ("ARRAY<STRING>", ("sc:Text", True)),
        ("text[]", ("sc:Text", True)),
        ("struct<a: int64>", None),
        ("GEOGRAPHY", None),
        ("", None),
    ],
)
def test_recorded_types_become_types_of_croissant(recorded: str, expected: object) -> None:
    assert data_type(recorded) == expected


def test_fields_point_to_files_and_splits_and_untyped_ones_are_named() -> None:
    records, splits = _listed(as_croissant(told_facts()), "recordSet")
    assert [field["name"] for field in records["field"]] == ["text", "tags", "seconds", "split"]
    assert records["field"][0]["source"] == {
        "fileSet": {"@id": "files"},
        "extract": {"column": "text"},
    }
    assert records["field"][1]["isArray"] is True
    assert records["field"][3]["references"] == {"field": {"@id": "splits/name"}}
    assert [each["name"] for each in records["reg:untypedField"]] == ["where", "untold"]
    assert splits["data"][0] == {
        "splits/name": "train",
        "splits/url": "cr:TrainingSplit",
        "splits/examples": 90_000,
    }


def test_a_split_of_an_unknown_name_keeps_its_name_alone() -> None:
    facts = with_rows(
        told_facts(), "quantity.by_split", ("train", 1, None, None), ("holdout-b", None, None, None)
    )
    _, splits = _listed(as_croissant(facts), "recordSet")
    assert splits["data"] == [{"splits/name": "train"}, {"splits/name": "holdout-b"}]


def test_fields_of_the_same_name_have_ids_of_their_own() -> None:
    facts = with_rows(
        told_facts(), "identity.schema", ("a b", "string", None), ("a b", "string", None)
    )
    records, _ = _listed(as_croissant(facts), "recordSet")
    assert [each["@id"] for each in records["field"]] == ["examples/a%20b", "examples/a%20b~2"]


def test_none_counted_and_none_declared_are_told_and_not_looked_is_not() -> None:
    def told(state: State) -> str:
        facts = with_fact(empty_facts(), Fact("personal.pii", state))
        return str(as_croissant(facts).get("rai:personalSensitiveInformation"))

    assert told(State.ZERO) == "['Personal data found by scans: none (counted).']"
    assert told(State.DECLARED_NONE) == "['Personal data found by scans: declared: none.']"
    assert told(State.NOT_SCANNED) == "None"


def _without(document: dict[str, Any], *, name: str) -> None:
    del document[name]


def spoiled() -> Iterator[tuple[str, Callable[[dict[str, Any]], object], str]]:
    """Each required property or rule, how to break it, and the path that is named."""
    for name in ("name", "description", "conformsTo", "license", "url", "creator",
                 "datePublished", "distribution"):  # fmt: skip
        yield f"without {name}", partial(_without, name=name), f"$.{name}"
    yield "no context", lambda made: made.pop("@context"), "$.@context"
    yield (
        "http schema.org",
        lambda made: made["@context"].update({"@vocab": "http://schema.org/"}),
        "$.@context.@vocab",
    )
    yield "another type", lambda made: made.update({"@type": "sc:Thing"}), "$.@type"
    yield "a text as date", lambda made: made.update(datePublished="soon"), "$.datePublished"
    yield "a name as creator", lambda made: made.update(creator="Ann"), "$.creator"
    yield "a licence in words", lambda made: made.update(license=["free"]), "$.license[0]"
    yield "two descriptions", lambda made: made.update(description=["a", "b"]), "$.description"
    yield (
        "RAI not claimed",
        lambda made: made["conformsTo"].pop(),
        "$.conformsTo",
    )
    yield (
        "mlcroissant's name for the time frame",
        lambda made: made.update({"rai:dataCollectionTimeFrame": "2026-01-01"}),
        "$.rai:dataCollectionTimeFrame",
    )
    yield "a property RAI lacks", lambda made: made.update({"rai:mood": "x"}), "$.rai:mood"
    yield (
        "many where one may be",
        lambda made: made.update({"rai:dataCollection": ["a"]}),
        "$.rai:dataCollection",
    )
    yield (
        "a number in RAI",
        lambda made: made.update({"rai:dataBiases": ["a", 3]}),
        "$.rai:dataBiases[1]",
    )
    yield (
        "a file set without pattern",
        lambda made: made["distribution"][0].pop("includes"),
        "$.distribution[0].includes",
    )
    yield (
        "a file without checksum",
        lambda made: made["distribution"].append(
            {"@type": "cr:FileObject", "@id": "f", "contentUrl": "x", "encodingFormat": "a/b"}
        ),
        "$.distribution[3].sha256",
    )
    yield (
        "a container that is not there",
        lambda made: made["distribution"][2].update(containedIn={"@id": "nowhere"}),
        "$.distribution[2].containedIn.@id",
    )
    yield (
        "an id twice",
        lambda made: made["distribution"][1].update({"@id": "files/1"}),
        "$.distribution[1].@id",
    )
    yield (
        "white space in an id",
        lambda made: made["recordSet"][0]["field"][0].update({"@id": "a b"}),
        "$.recordSet[0].field[0].@id",
    )
    yield (
        "a field without type",
        lambda made: made["recordSet"][0]["field"][1].pop("dataType"),
        "$.recordSet[0].field[1].dataType",
    )
    yield (
        "a field without source",
        lambda made: made["recordSet"][0]["field"][1].pop("source"),
        "$.recordSet[0].field[1].source",
    )
    yield (
        "a source that is not there",
        lambda made: made["recordSet"][0]["field"][0]["source"].update(fileSet={"@id": "x"}),
        "$.recordSet[0].field[0].source.fileSet.@id",
    )
    yield (
        "a record set without fields",
        lambda made: made["recordSet"][0].update(field=[]),
        "$.recordSet[0].field",
    )
    yield (
        "a record with another member",
        lambda made: made["recordSet"][1]["data"][1].update(more=1),
        "$.recordSet[1].data[1]",
    )


@pytest.mark.parametrize(
    ("spoil", "path"), [case[1:] for case in spoiled()], ids=[case[0] for case in spoiled()]
)
def test_each_fault_is_found_with_its_path(
    spoil: Callable[[dict[str, Any]], object], path: str
) -> None:
    document = json.loads(croissant_bytes(told_facts(), url=URL))
    spoil(document)
    with pytest.raises(InvalidInputError) as caught:
        require_valid(document)
    assert caught.value.path == path


@pytest.mark.parametrize("document", [None, [], "text", 3, {}, {"recordSet": 3, "reg:gaps": "x"}])
def test_what_is_no_croissant_at_all_is_an_error_and_no_crash(document: object) -> None:
    assert check_croissant(document).errors


def test_anything_anywhere_in_a_file_is_found_or_passes_and_never_crashes() -> None:
    document = json.loads(croissant_bytes(told_facts(), url=URL))
    reports = [check_croissant(each) for each in spoiled_files(document, 300)]
    assert sum(bool(report.errors) for report in reports) > 50


def _listed(document: dict[str, object], name: str) -> list[Any]:
    found = document[name]
    assert isinstance(found, list)
    return found
