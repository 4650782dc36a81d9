"""How much a version holds, and under which licences: counted by the ledger, and never guessed."""

from __future__ import annotations

from registry.cards.catalogue import CATALOGUE
from registry.cards.fact_kinds import NOT_RECORDED
from registry.cards.values import EvidenceKind, Grade, State
from registry.client.http import HttpClient
from registry.request import House
from tests.cards.lake import told
from tests.cards.reading import facts_of, rows
from tests.ledger.erasures import ROWS, chain, erase, raw, sets_of, work_off
from tests.ledger.pipelines import NAMESPACE, model, parquet, written
from tests.ledger.test_binding_faults import put, send


def test_every_name_of_the_catalogue_has_a_fact_and_its_evidence_is_counted(
    house: House, admin: HttpClient
) -> None:
    chain(house, admin)
    for name in ("raw", "cut", "packed"):
        facts = facts_of(house, name)
        assert list(facts.facts) == list(CATALOGUE)
        for fact in facts.facts.values():
            assert fact.evidence_total >= len(fact.evidence), fact
            assert (fact.value is not None) == (fact.state in (State.KNOWN, State.ZERO)), fact


def test_examples_are_counted_by_the_ledger_and_tokens_are_those_that_producers_recorded(
    house: House, admin: HttpClient
) -> None:
    chain(house, admin)
    facts = facts_of(house, "cut")
    examples, tokens = facts["quantity.examples"], facts["quantity.tokens"]
    assert (examples.value, examples.grade) == (ROWS // 2, Grade.MEASURED)
    assert (tokens.value, tokens.grade) == (sum(range(100, 100 + ROWS, 2)), Grade.ASSERTED)
    assert facts["quantity.bytes"].state is State.NOT_RECORDED
    assert facts["quantity.by_language"].state is State.NOT_RECORDED
    assert rows(facts, "rights.licenses") == [
        ("PSF-2.0", ROWS // 2, None, tokens.value),
    ]


def test_a_batch_that_is_not_summed_yet_is_being_counted_and_its_examples_are_known(
    house: House, admin: HttpClient
) -> None:
    digest = put(admin, parquet(raw()), "examples")
    send(admin, "collect", written("raw", "raw", examples=digest, license="MIT"), 1)
    facts = facts_of(house, "raw")
    assert facts["quantity.examples"].state is State.NOT_RECORDED
    assert facts["rights.licenses"].state is State.NOT_RECORDED
    work_off(house)
    with house.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM batch_sum")
    facts = facts_of(house, "raw")
    assert facts["quantity.examples"].value == ROWS
    for name in ("rights.licenses", "quantity.tokens", "quantity.by_split"):
        assert facts[name].state is State.COMPUTING, name
        assert facts[name].note == "1 of 1 batches are being summed up."


def test_what_was_erased_is_counted_apart_and_in_no_share(house: House, admin: HttpClient) -> None:
    numbers = chain(house, admin)
    assert facts_of(house, "raw")["quantity.erased"].state is State.ZERO
    erase(house, sets_of(numbers, raw=[0, 1, 2]))
    facts = facts_of(house, "raw")
    assert facts["quantity.examples"].value == ROWS - 3
    assert facts["quantity.erased"].value == 3
    assert [row[:2] for row in rows(facts, "rights.licenses")] == [("MIT", 5), ("PSF-2.0", 4)]


def test_a_count_that_only_a_producer_gave_is_asserted_and_its_licence_is_not_recorded(
    house: House, admin: HttpClient
) -> None:
    send(admin, "collect", written("told", "told", exampleCount=40), 1)
    work_off(house)
    facts = facts_of(house, "told")
    assert (facts["quantity.examples"].value, facts["quantity.examples"].grade) == (
        40,
        Grade.ASSERTED,
    )
    assert facts["rights.licenses"].state is State.NOT_RECORDED
    assert NOT_RECORDED not in str(facts["rights.licenses"].value)


def test_batches_of_one_run_and_one_name_are_told_apart_by_their_dataset(
    house: House, admin: HttpClient
) -> None:
    halves = [written(each, "all", exampleCount=4) for each in ("left", "right")]
    told(admin, "split", 1, *halves)
    told(admin, "train", 2, model("net"), reads=["left", "right"])
    work_off(house)
    evidence = facts_of(house, "net")["quantity.examples"].evidence
    batches = [each.id for each in evidence if each.kind is EvidenceKind.BATCH]
    assert [each.partition("/")[2] for each in batches] == [
        f"{NAMESPACE} left/all",
        f"{NAMESPACE} right/all",
    ]
