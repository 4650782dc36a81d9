"""The template's bands, thresholds and counting rules, at every edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from registry.cards.card import Revision
from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.questions.reading import load_questions
from registry.cards.summary.bands import band_of
from registry.cards.summary.domains import choose, how_many
from registry.cards.summary.rules import add_months, compute, month, month_key
from registry.cards.values import CardFacts, Fact, Grade, State, Table
from tests.cards.samples import NOON, Row, dataset_facts, with_fact, with_rows, with_value, without

TEMPLATE = load_questions().template
WHOLE = dataset_facts()


def made(facts: CardFacts, name: str, revision: Revision | None = None) -> Fact:
    return compute(facts, TEMPLATE, revision)[f"summary.{name}"]


def rows(fact: Fact) -> tuple[Row, ...]:
    assert isinstance(fact.value, Table), fact
    return fact.value.rows


def source(dataset: str, kind: str | None, size: int | None = 100, **other: object) -> Row:
    """A row of `origin.sources`."""
    named = {"modality": "text", "examples": 10, "known": None, "name": dataset} | other
    return (  # type: ignore[return-value]
        dataset, kind, f"https://{dataset}.example/", named["name"], named["known"], None,
        named["examples"], 0.1, named["modality"], size, size,
    )  # fmt: skip


def sourced(*some: Row) -> CardFacts:
    """Facts whose sources are these, with the kinds that follow from them."""
    kinds = {row[1]: 0 for row in some}
    facts = with_rows(WHOLE, "origin.sources", *some)
    return with_rows(facts, "origin.kinds", *((kind, 10, 1, 1) for kind in kinds if kind))


BANDS: dict[str, list[tuple[float, str]]] = {
    "text": [
        (0, "less than 1 billion tokens"),
        (999_999_999, "less than 1 billion tokens"),
        (1_000_000_000, "1 billion to 10 trillion tokens"),
        (10_000_000_000_000, "1 billion to 10 trillion tokens"),
        (10_000_000_000_001, "more than 10 trillion tokens"),
    ],
    "image": [
        (999_999, "less than 1 million images"),
        (1_000_000, "1 million to 1 billion images"),
        (1_000_000_000, "1 million to 1 billion images"),
        (1_000_000_001, "more than 1 billion images"),
    ],
    "audio": [
        (9_999.9, "less than 10,000 hours"),
        (10_000, "10,000 to 1 million hours"),
        (1_000_000, "10,000 to 1 million hours"),
        (1_000_000.5, "more than 1 million hours"),
    ],
    "video": [
        (9_999, "less than 10,000 hours"),
        (10_000, "10,000 to 1 million hours"),
        (1_000_001, "more than 1 million hours"),
    ],
}


@pytest.mark.parametrize("modality", BANDS)
def test_each_modality_has_its_bands(modality: str) -> None:
    for size, label in BANDS[modality]:
        assert band_of(size, TEMPLATE.bands[modality]) == label


def sized(*some: Row, hours: float | None = 412) -> Fact:
    facts = with_rows(WHOLE, "quantity.by_modality", *some)
    facts = (
        without(facts, "quantity.hours")
        if hours is None
        else with_value(facts, "quantity.hours", hours)
    )
    return made(facts, "size_bands")


def test_sizes_are_in_the_unit_of_the_template() -> None:
    fact = sized(
        ("text", 7, 70, 10**9), ("image", 10**6, 7, None), ("speech", 3, 3, None), hours=10**4
    )
    assert rows(fact) == (
        ("text", "1 billion to 10 trillion tokens", 10**9, "tokens"),
        ("image", "1 million to 1 billion images", 10**6, "examples"),
        ("speech", "10,000 to 1 million hours", 10**4, "hours"),
    )


def test_text_without_tokens_and_other_modalities_have_a_unit_of_their_own() -> None:
    fact = sized(("text", 7, 70, None), ("tabular", 5, None, None), hours=None)
    assert rows(fact) == (
        ("text", "no band: other unit", 70, "bytes"),
        ("tabular", "no band: other unit", 5, "examples"),
    )


@pytest.mark.parametrize(
    ("some", "hours", "why"),
    [
        ([("audio", 7, 70, None)], None, "Of audio the hours are not recorded."),
        ([("(not recorded)", 7, 70, 7)], 1, "Of 7 examples the modality is not recorded."),
        ([("audio", 7, 70, None), ("video", 7, 70, None)], 10_000, "only together with others."),
        ([], 1, "No modality was counted."),
    ],
)
def test_a_modality_without_a_size_leaves_the_sizes_open(
    some: list[Row], hours: float | None, why: str
) -> None:
    fact = sized(*some, hours=hours)
    assert fact.state is State.NOT_RECORDED
    assert why in (fact.note or "")


def test_sound_and_video_share_hours_only_in_the_lowest_band() -> None:
    fact = sized(("audio", 7, 70, None), ("video", 7, 70, None), hours=9_999)
    assert {row[1] for row in rows(fact)} == {"less than 10,000 hours"}


def test_a_public_dataset_is_large_over_three_percent_of_a_modality() -> None:
    fact = made(
        sourced(
            source("over", "public", 301),
            source("at", "public", 300),
            source("rest", "public", 9_399),
            source("private", "third_party", 10**9),
        ),
        "large_public",
    )
    assert [(row[0], row[4], row[5]) for row in rows(fact)] == [
        ("rest", 0.9399, "tokens"),
        ("over", 0.0301, "tokens"),
    ]


def test_a_dataset_is_measured_whole_and_in_each_of_its_modalities() -> None:
    facts = sourced(
        source("split", "public", 200),
        source("split", "public", 200),
        source("split", "public", 1, modality="image", examples=500),
        source("rest", "public", 9_600),
        source("rest", "public", 1, modality="image", examples=500),
        source("tiny", "public", 1),
    )
    fact = made(facts, "large_public")
    assert [(row[0], row[3], row[5]) for row in rows(fact)] == [
        ("rest", "image", "examples"),
        ("split", "image", "examples"),
        ("rest", "text", "tokens"),
        ("split", "text", "tokens"),
    ]
    assert rows(made(facts, "other_public")) == (("text", 1, 10, 1, 1),)


def test_one_measure_is_taken_for_all_of_a_modality() -> None:
    fact = made(
        sourced(source("a", "public", 970), source("b", "public", None, examples=1)),
        "large_public",
    )
    assert [(row[0], row[5]) for row in rows(fact)] == [("a", "examples"), ("b", "examples")]


def test_a_dataset_stands_in_one_category_except_its_synthetic_part() -> None:
    facts = sourced(
        source("mixed", "public", examples=60),
        source("mixed", "crawled", examples=40),
        source("mixed", "synthetic", examples=900),
    )
    assert made(facts, "public_used").value is True
    assert made(facts, "crawled_used").value is False
    assert made(facts, "synthetic_used").value is True
    draw = sourced(source("mixed", "public"), source("mixed", "crawled"))
    assert made(draw, "public_used").value is True
    assert made(draw, "crawled_used").value is False


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("public", "public_used"),
        ("licensed", "licensed_used"),
        ("third_party", "private_used"),
        ("crawled", "crawled_used"),
        ("user_model", "user_model_used"),
        ("user_service", "user_service_used"),
        ("synthetic", "synthetic_used"),
        ("other", "other_used"),
        ("first_party", "other_used"),
        ("human_generated", "other_used"),
    ],
)
def test_every_kind_of_origin_has_its_section(kind: str, name: str) -> None:
    used = {
        each: fact.value
        for each, fact in compute(sourced(source("one", kind)), TEMPLATE).items()
        if each.endswith("_used")
    }
    assert {each for each, value in used.items() if value} == {f"summary.{name}"}


def test_no_is_said_only_where_the_kind_of_every_source_is_recorded() -> None:
    facts = sourced(source("one", "public"), source("two", None))
    assert made(facts, "public_used").value is True
    fact = made(facts, "crawled_used")
    assert (fact.state, fact.note) == (
        State.NOT_RECORDED,
        "Of 10 examples it is not recorded where they are from.",
    )
    counted = sourced(source("one", "public"))
    counted = with_rows(counted, "origin.kinds", ("(not recorded)", 3, None, None))
    assert made(counted, "licensed_used").state is State.NOT_RECORDED


def test_a_kind_that_no_source_names_is_used_all_the_same() -> None:
    facts = with_rows(sourced(source("one", "public")), "origin.kinds", ("crawled", 3, 1, 1))
    assert made(facts, "crawled_used").value is True
    assert made(facts, "crawled_modalities").state is State.NOT_RECORDED
    assert made(facts, "licensed_modalities").state is State.NOT_APPLICABLE


def test_modalities_of_which_none_is_recorded_are_no_answer() -> None:
    silent = source("one", "public", modality=None)
    found = made(sourced(silent), "public_modalities")
    assert (found.state, found.note) == (State.NOT_RECORDED, "No source names its modality.")
    in_part = made(sourced(silent, source("two", "public")), "public_modalities")
    assert in_part.value == (NOT_RECORDED, "text")


def test_private_datasets_are_named_only_where_they_are_publicly_known() -> None:
    facts = sourced(
        source("known", "third_party", known=True, name="Known set"),
        source("hidden", "third_party", known=False),
        source("unsaid", "third_party"),
    )
    fact = made(facts, "private_known")
    assert [row[0] for row in rows(fact)] == ["Known set"]
    assert fact.note == "Of 1 it is not recorded whether they are publicly known."
    assert made(sourced(source("a", "third_party", known=False)), "private_known").state is (
        State.ZERO
    )
    assert made(sourced(source("a", "third_party")), "private_known").state is State.NOT_RECORDED


@pytest.mark.parametrize(
    ("count", "is_sme", "named"),
    [
        (0, False, 0),
        (1, False, 1),
        (10, False, 1),
        (11, False, 2),
        (100_000, False, 10_000),
        (1, True, 1),
        (20, True, 1),
        (21, True, 2),
        (19_999, True, 1_000),
        (20_000, True, 1_000),
        (20_001, True, 1_000),
        (100_000, True, 1_000),
    ],
)
def test_how_many_domains_are_named(count: int, is_sme: bool, named: int) -> None:
    assert how_many(count, is_sme=is_sme, template=TEMPLATE) == named


def test_domains_are_chosen_in_proportion_from_every_modality() -> None:
    ranked = {
        "text": [f"t{at:03}" for at in range(80)],
        "image": [f"i{at:03}" for at in range(20)],
    }
    chosen = choose(ranked, 10)
    assert sorted(chosen) == ["i000", "i001", *(f"t{at:03}" for at in range(8))]
    shared = {"text": ["both", "t1", "t2"], "image": ["both", "i1"]}
    assert choose(shared, 2)[0] == "both"
    assert len(choose(shared, 99)) == 4
    assert choose({}, 5) == []


def domains(*some: tuple[str, str, int | None]) -> CardFacts:
    full = ((domain, modality, 1, size, None) for domain, modality, size in some)
    return with_rows(WHOLE, "origin.domains", *full)


def test_domains_are_ranked_by_what_was_scraped_of_them() -> None:
    some = [(f"d{at:02}.example", "text", at) for at in range(1, 21)]
    fact = made(domains(*some, ("d01.example", "image", 1_000)), "domains")
    assert rows(fact) == (
        (1, "d01.example", "image, text", 1_001),
        (2, "d20.example", "text", 20),
    )
    assert fact.note == "2 of 20 domains by bytes (rule for others than an SME)."
    small = with_value(domains(*some), "provider.size_class", "SME")
    assert [row[1] for row in rows(made(small, "domains"))] == ["d20.example"]
    unsaid = made(without(domains(*some), "provider.size_class"), "domains")
    assert "size of the provider is not recorded" in (unsaid.note or "")
    assert len(rows(unsaid)) == 2


def test_a_hundred_thousand_domains_are_cut_by_the_rule() -> None:
    some = [(f"{at:06}.example", "text", at) for at in range(100_000)]
    assert len(rows(made(domains(*some), "domains"))) == 10_000
    small = with_value(domains(*some), "provider.size_class", "sme")
    assert len(rows(made(small, "domains"))) == 1_000
    cut = Table(("domain", "modality", "examples", "bytes", "tokens"), (("a", "b", 1, 1, 1),), 500)
    assert "of 500 domains" in (
        made(with_value(WHOLE, "origin.domains", cut), "domains").note or ""
    )


def test_languages_of_the_union_come_first() -> None:
    some = (("ar", 9), ("en-GB", 8), ("(not recorded)", 7), ("ja", 6), ("de", 5))
    facts = with_rows(WHOLE, "quantity.by_language", *((*each, None, None) for each in some))
    assert made(facts, "languages").value == ("en-GB", "de", "ar", "ja", "(not recorded)")


def test_months_are_written_as_the_template_has_them() -> None:
    assert made(WHOLE, "latest_acquisition").value == "01/2026"
    assert made(WHOLE, "crawl_period").value == "01/2025 to 11/2025"
    assert month("2026-03-01T00:00:00Z") == "03/2026"
    assert (month(None), month_key("soon")) == ("", "")
    crawl = ("7", "crawl", None, date(2025, 1, 1), None)
    open_end = with_rows(WHOLE, "origin.crawls", crawl)
    assert made(open_end, "crawl_period").note == "Of 1 of 1 crawls the period is not recorded."
    assert made(open_end, "crawlers").state is State.NOT_RECORDED


def test_an_update_is_due_six_months_after_training_goes_on() -> None:
    assert made(WHOLE, "update_due").state is State.NOT_APPLICABLE
    run = ("job", "run", "m", "1", "fine_tuning", date(2026, 8, 31), "sha256:0")
    facts = with_rows(WHOLE, "system.training_runs", run)
    facts = with_value(facts, "system.market_date", date(2026, 8, 30))
    assert made(facts, "update_due").value == date(2027, 2, 28)
    same = with_value(facts, "system.market_date", date(2026, 8, 31))
    assert made(same, "update_due").state is State.NOT_APPLICABLE
    unsaid = with_rows(facts, "system.training_runs", (*run[:5], None, None))
    assert made(unsaid, "update_due").state is State.NOT_RECORDED
    assert add_months(date(2026, 12, 31), 2) == date(2027, 2, 28)


def test_one_summary_covers_several_models_only_where_it_is_the_same() -> None:
    assert made(WHOLE, "models").note is None
    second = ("2", "small", "1", "train", date(2026, 9, 1), None)
    value = WHOLE["system.systems"].value
    assert isinstance(value, Table)
    fact = made(with_rows(WHOLE, "system.systems", *value.rows, second), "models")
    assert fact.value == ("whisper-eu 2", "small 1")
    assert "only where it is the same for each" in (fact.note or "")
    bare = with_rows(WHOLE, "system.systems", second)
    assert made(bare, "dependencies").state is State.NOT_RECORDED


def test_the_summary_says_which_revision_it_is() -> None:
    assert made(WHOLE, "version").value == "Draft of dataset version 3, not published"
    revision = Revision(2, "sha256:b", NOON, "ana", previous="sha256:a")
    assert made(WHOLE, "version", revision).value == "Revision 2; before it: sha256:a"
    assert made(WHOLE, "last_update", revision).value == NOON.date()


def test_a_computed_fact_is_as_good_as_the_weakest_it_rests_on() -> None:
    weak = with_fact(WHOLE, replace(WHOLE["origin.kinds"], grade=Grade.ASSERTED))
    strong = with_fact(weak, replace(WHOLE["origin.sources"], grade=Grade.MEASURED))
    fact = made(strong, "public_used")
    assert fact.grade is Grade.ASSERTED
    assert set(fact.evidence) == {
        *WHOLE["origin.kinds"].evidence,
        *WHOLE["origin.sources"].evidence,
    }
    held = with_fact(strong, Fact("origin.kinds", State.BEYOND_SCOPE))
    assert made(held, "public_used").state is State.BEYOND_SCOPE
