"""The facts of a corpus that is made of sources of several kinds, and of the model on it."""

from __future__ import annotations

import contextlib
from datetime import date

import pytest

from registry.audit.reading import read_entries
from registry.audit.tree import root_at
from registry.cards.fact_kinds import BEYOND, NOT_RECORDED
from registry.cards.facts.keeping import GroundKeeper
from registry.cards.values import CardFacts, EvidenceKind, Grade, State
from registry.catalog.names import dataset_id
from registry.catalog.scope import Scope
from registry.client.http import HttpClient
from registry.request import House
from registry.rights.effective import effective_terms
from tests.cards.lake import STORY
from tests.cards.reading import facts_of, rows
from tests.ledger.pipelines import NAMESPACE, Pipeline
from tests.live import LiveServer


@pytest.fixture(scope="module")
def lake(shared_server: LiveServer) -> House:
    """A registry that holds the lake, for tests that only read it."""
    client = HttpClient(shared_server.url, shared_server.registry.token)
    with contextlib.closing(client):
        for tell in STORY:
            tell(client)
    with shared_server.client() as plain:
        Pipeline(shared_server, plain).settle()
    house = shared_server.registry.house
    house.audit.catch_up()
    return house


@pytest.fixture(scope="module")
def corpus(lake: House) -> CardFacts:
    return facts_of(lake, "corpus")


def name(dataset: str) -> str:
    return f"{NAMESPACE} {dataset}"


def test_each_example_counts_where_it_entered(corpus: CardFacts) -> None:
    kinds = {row[0]: row[1] for row in rows(corpus, "origin.kinds")}
    assert kinds == {"crawled": 4, "public": 4, "synthetic": 2}
    found = {(row[0], row[8]): (row[1], row[6], row[7]) for row in rows(corpus, "origin.sources")}
    assert found == {
        (name("web"), "text"): ("crawled", 4, 0.4),
        (name("books"), "text"): ("public", 3, 0.3),
        (name("books"), "image"): ("public", 1, 0.1),
        (name("dreams"), "text"): ("synthetic", 2, 0.2),
    }
    assert corpus["origin.unresolved"].state is State.ZERO
    assert corpus["synthetic.share"].value == 0.2
    assert rows(corpus, "synthetic.generators") == [("tests dream", name("net0"), 1, 2)]


def test_the_period_spans_the_days_of_all_sources(corpus: CardFacts) -> None:
    assert corpus["origin.collected_from"].value == date(2024, 1, 15)
    assert corpus["origin.collected_until"].value == date(2025, 4, 30)


def test_domains_are_those_of_the_rows_that_are_left(corpus: CardFacts) -> None:
    assert rows(corpus, "origin.domains") == [
        ("site0.example.org", "text", 3, 300, 60),
        ("site1.example.org", "text", 1, 100, 20),
    ]


def test_a_crawl_names_its_agent(corpus: CardFacts) -> None:
    assert rows(corpus, "origin.crawls") == [
        ("web", "tests crawl", "crawlbot/2.1", date(2025, 3, 1), date(2025, 4, 30))
    ]


def test_amounts_are_by_split_modality_and_language(corpus: CardFacts) -> None:
    assert corpus["quantity.examples"].value == 10
    assert corpus["quantity.bytes"].state is State.NOT_RECORDED
    modalities = {row[0]: row[1:] for row in rows(corpus, "quantity.by_modality")}
    assert modalities == {"text": (9, None, None), "image": (1, 1_000, None)}
    languages = {row[0]: row[1] for row in rows(corpus, "quantity.by_language")}
    assert languages == {"en": 6, "de": 1, NOT_RECORDED: 3}
    assert rows(corpus, "quantity.by_language")[-1][0] == NOT_RECORDED


def test_hours_are_those_of_the_batches_that_recorded_how_long_their_examples_last(
    lake: House, corpus: CardFacts
) -> None:
    assert corpus["quantity.hours"].state is State.NOT_RECORDED
    # One chapter does not say how long it is, so the batch as a whole does not either.
    assert facts_of(lake, "books")["quantity.hours"].state is State.NOT_RECORDED
    hours = facts_of(lake, "seeds")["quantity.hours"]
    assert (hours.value, hours.grade) == (0.5, Grade.ASSERTED)


def test_the_terms_are_those_of_the_rights_room(lake: House, corpus: CardFacts) -> None:
    licenses = lake.policies.current().licenses
    with lake.database.read() as session:
        key = dataset_id(NAMESPACE, "corpus")
        terms = effective_terms(session, lake.ledger, licenses, key, 1).terms
    found = {row[0]: row[1] for row in rows(corpus, "rights.effective_terms")}
    uses = ("ai_training", "commercial_use", "redistribution", "derivatives")
    assert found == {use: getattr(terms, use).value for use in uses}
    assert rows(corpus, "rights.conflicts") == [
        (
            "CC-BY-SA-4.0",
            "LicenseRef-first-party",
            "CC-BY-SA-4.0 asks for passing on alike, which LicenseRef-first-party denies",
        )
    ]


def test_reservations_contracts_and_bases_are_listed(corpus: CardFacts) -> None:
    signals = {row[:2]: row[3] for row in rows(corpus, "rights.opt_out")}
    assert signals == {(name("web"), "robots"): False, (name("web"), "tdmrep"): True}
    assert rows(corpus, "rights.contracts") == [(name("web"), "terms of the sites")]
    bases = {row[0]: row[1] for row in rows(corpus, "rights.legal_bases")}
    assert bases == {"consent": 4, NOT_RECORDED: 6}
    assert corpus["purposes.asserted"].value == ("model_training",)


def test_steps_come_first_to_last_with_rows_in_and_out(corpus: CardFacts) -> None:
    steps = rows(corpus, "preparation.steps")
    assert [row[0] for row in steps] == list(range(1, len(steps) + 1))
    order = [row[2] for row in steps]
    for chain in (("crawl", "filter", "put together"), ("write seeds", "dream", "put together")):
        places = [order.index(f"tests {job}") for job in chain]
        assert places == sorted(places), order
    by_job = {row[2]: row[5:] for row in steps}
    assert by_job["tests filter"] == ("https://git.example.org/clean", "kept", 6, 4, 2)
    assert by_job["tests put together"] == (None, "kept", 10, 10, 0)
    assert rows(corpus, "preparation.filters") == [("tests filter", 6, 4, 2)]
    assert corpus["preparation.unrecorded"].state is State.ZERO


def test_personal_data_that_was_not_scanned_is_not_none(corpus: CardFacts) -> None:
    found = corpus["personal.pii"]
    assert [row[:2] for row in rows(corpus, "personal.pii")] == [
        ("email", 2),
        ("phone", 1),
        (NOT_RECORDED, 6),
    ]
    assert found.note == "6 of 10 examples were not scanned."
    assert ("keyed by author", 1, 6) in rows(corpus, "personal.coverage")
    assert corpus["personal.subjects"].value == 4


def test_measures_checks_and_labelling_are_asserted(corpus: CardFacts) -> None:
    assert rows(corpus, "quality.metrics") == [(name("corpus"), "accuracy", 0.9, None, 100, None)]
    assert [row[3] for row in rows(corpus, "bias.slices")] == ["language=de"]
    assert rows(corpus, "quality.split_overlap") == [("train", "test", 0)]
    assert rows(corpus, "quality.assertions") == [(name("corpus"), "not_null", "text", True)]
    assert rows(corpus, "quality.missing") == [(name("corpus"), "text", 1, 10, 0.1)]
    assert rows(corpus, "annotation.agreement") == [(name("corpus"), "kappa", 0.8)]
    assert corpus["annotation.guideline"].value == "https://example.org/guide/3"
    assert corpus["annotation.labels_per_item"].value == "3"


def test_identity_is_what_facets_say(corpus: CardFacts) -> None:
    described = corpus["identity.description"]
    assert described.value == "A corpus of text and one image."
    assert [each.kind for each in described.evidence] == [EvidenceKind.EVENT]
    assert rows(corpus, "identity.owners") == [("team:data", "MAINTAINER")]
    assert rows(corpus, "identity.schema") == [("text", "VARCHAR", "It.")]
    assert corpus["identity.tags"].state is State.NOT_RECORDED
    assert corpus["identity.base_version"].state is State.NOT_APPLICABLE


def test_lineage_goes_up_to_every_source_and_down_to_the_model(corpus: CardFacts) -> None:
    upstream = {row[0]: row[1:] for row in rows(corpus, "lineage.upstream")}
    assert upstream == {
        name("web"): ("1", 6),
        name("clean"): ("1", 4),
        name("books"): ("1", 4),
        name("seeds"): ("1", 2),
        name("dreams"): ("1", 2),
    }
    assert rows(corpus, "lineage.models") == [(name("net"), "1", "saw")]
    assert [row[2:5] for row in rows(corpus, "system.training_runs")] == [
        ("net", "1.0", "pre_training")
    ]


def test_a_model_whose_output_is_in_its_own_training_data_is_a_loop(corpus: CardFacts) -> None:
    # net0 was trained on books, which are in the corpus together with what it dreamt.
    path = f"{name('net0')} → tests dream → {name('dreams')} → the model"
    assert rows(corpus, "lineage.feedback_loops") == [(name("net0"), path, 2)]


def test_a_models_facts_are_those_of_what_its_run_read(lake: House, corpus: CardFacts) -> None:
    net = facts_of(lake, "net")
    assert (net.about.kind, net.about.name) == ("model", "net")
    same = {"quantity.examples", "origin.kinds", "rights.licenses", "origin.sources"}
    for each in sorted(same):
        assert net[each] == corpus[each], each
    assert name("corpus") in {row[0] for row in rows(net, "lineage.upstream")}
    assert net["lineage.models"].state is State.ZERO
    assert net["identity.description"].state is State.NOT_RECORDED
    assert [row[2:5] for row in rows(net, "system.training_runs")] == [
        ("net", "1.0", "pre_training")
    ]
    assert net["quality.metrics"].value == corpus["quality.metrics"].value


def test_a_source_alone_has_no_step_but_its_own_and_no_generator(
    lake: House, corpus: CardFacts
) -> None:
    books = facts_of(lake, "books")
    assert books["synthetic.share"].state is State.ZERO
    assert books["synthetic.share"].grade is Grade.ASSERTED
    assert books["synthetic.generators"].state is State.ZERO
    assert books["origin.crawls"].state is State.ZERO
    assert books["lineage.upstream"].state is State.ZERO
    assert books["personal.pii"].state is State.NOT_SCANNED
    downstream = {row[0] for row in rows(books, "lineage.downstream")}
    assert downstream == {name("corpus")}
    assert {row[0] for row in rows(books, "lineage.models")} == {name("net"), name("net0")}
    assert corpus.digest != books.digest


def test_evidence_names_the_entries_of_the_log_and_the_head_covers_them(
    lake: House, corpus: CardFacts
) -> None:
    events = [each for each in corpus["origin.batches"].evidence if each.kind is EvidenceKind.EVENT]
    assert events
    for each in events:
        assert each.audit_index is not None, each
        with lake.database.read() as session:
            (entry,) = read_entries(session, each.audit_index, each.audit_index)
        assert entry.payload is not None
        assert entry.payload["event"] == each.id
    size, digest = str(corpus["audit.head"].value).split()
    assert corpus["audit.entries"].value == int(size)
    used = {e.audit_index for fact in corpus.facts.values() for e in fact.evidence}
    assert int(size) == 1 + max(index for index in used if index is not None)
    with lake.database.read() as session:
        assert digest == "sha256:" + root_at(session, int(size)).hex()
    assert corpus.origin


def test_two_readings_have_one_digest_and_a_kept_one_is_equal(
    lake: House, corpus: CardFacts
) -> None:
    keeper = GroundKeeper()
    for _ in range(2):
        again = facts_of(lake, "corpus", keeper=keeper)
        assert again.document() == corpus.document()
        assert again.digest == corpus.digest


def test_a_reader_who_sees_the_corpus_alone_gets_counts_without_names(
    lake: House, corpus: CardFacts
) -> None:
    scope = Scope(frozenset(), frozenset({dataset_id(NAMESPACE, "corpus")}))
    narrow = facts_of(lake, "corpus", scope=scope)
    for hidden in ("web", "books", "dreams", "seeds", "clean", "net"):
        assert name(hidden) not in str(narrow.document()), hidden
        assert f"/{hidden}'" not in str(narrow.document()), hidden
    kinds, whole = narrow["origin.kinds"], corpus["origin.kinds"]
    assert (kinds.value, kinds.evidence) == (whole.value, ())
    assert kinds.evidence_total == whole.evidence_total
    assert narrow["quantity.examples"] == corpus["quantity.examples"]
    assert [(row[0], row[6]) for row in rows(narrow, "origin.sources")] == [(BEYOND, 10)]
    assert (BEYOND, None, 18) in rows(narrow, "lineage.upstream")
    assert rows(narrow, "lineage.models") == [(BEYOND, "1 version", "saw")]
    assert narrow["preparation.steps"].note == "5 steps lie beyond your scope."
