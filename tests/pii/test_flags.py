"""Which identifiers are flagged in an event, where, and that no flag tells the value."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.pii.flags import Flag, flag_identifiers, may_hold_identifiers
from registry.pii.identifiers import IdentifierKind
from tests.pii.events import FACET, clean_events, run_event, wordy_event

EMAIL = IdentifierKind.EMAIL
IP = IdentifierKind.IP_ADDRESS
CLEAN_EVENTS = dict(clean_events())
PIECES = st.sampled_from(
    [
        "a@example.org", "jörg@bücher.example.org", "4111111111111111", "DE89370400440532013000",
        "+49 30 1234567", "192.0.2.1", "12345678Z", "811228-9874", "19811228-9874", "tel ", "CPR ",
        "01.99.00.12.34", "010180-1234", "04/12/34 56 78", " ", ".", "-", "/", "1", "x", "é", "\n",
        "\u2028", '"', "\\", "2026-03-01", "https://", "01908224-8410-4111-8111-446655440000",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=6).map("".join)
EVENTS = st.dictionaries(TEXTS, st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=3)))


@pytest.mark.parametrize("name", CLEAN_EVENTS)
def test_an_event_without_identifiers_has_no_flag(name: str) -> None:
    assert flag_identifiers(json.loads(CLEAN_EVENTS[name])) == []


def test_most_events_without_identifiers_are_not_even_walked() -> None:
    walked = [name for name, body in CLEAN_EVENTS.items() if may_hold_identifiers(body)]
    assert len(walked) <= len(CLEAN_EVENTS) / 10, walked


def test_an_event_that_speaks_of_secrets_has_no_flag() -> None:
    assert flag_identifiers(wordy_event()) == []


def test_identifiers_are_flagged_where_they_stand() -> None:
    event = run_event(
        run_facets={
            "errorMessage": {**FACET, "message": "no mail to a@example.org, b@example.org"},
            "ours": {**FACET, "it's": ["x", "tel +49 30 1234567, IBAN DE89370400440532013000"]},
        }
    )
    event["job"]["name"] = "/Users/ann@example.org/notebook"
    before = copy.deepcopy(event)
    assert may_hold_identifiers(json.dumps(event).encode())
    assert flag_identifiers(event) == [
        Flag("$.run.facets.errorMessage.message", EMAIL),
        Flag("$.run.facets.ours['it\\'s'][1]", IdentifierKind.IBAN),
        Flag("$.run.facets.ours['it\\'s'][1]", IdentifierKind.PHONE),
        Flag("$.job.name", EMAIL),
    ]
    assert event == before


@pytest.mark.parametrize(
    ("facet", "flagged"),
    [
        ({"message": "refused by 192.0.2.17"}, True),
        ({"message": "refused by 10.0.0.7"}, False),
        ({"message": "refused by http://192.0.2.17:80/x"}, False),
        ({"message": "refused by spark://192.0.2.17:7077"}, False),
        ({"host": "192.0.2.17"}, False),
        ({"namespace": "postgres-192.0.2.17"}, False),
        ({"message": "client 2001:db8::17 left"}, True),
    ],
)
def test_an_ip_address_is_flagged_where_it_can_be_a_persons(
    facet: dict[str, Any], flagged: bool
) -> None:
    event = run_event(run_facets={"ours": {**FACET, **facet}})
    assert [flag.kind for flag in flag_identifiers(event)] == ([IP] if flagged else [])


@pytest.mark.parametrize(
    "field", ["producer", "_producer", "schemaURL", "_schemaURL", "runId", "eventTime"]
)
def test_technical_fields_are_not_looked_at(field: str) -> None:
    assert flag_identifiers({field: "a@example.org", "x": {field: "a@example.org"}}) == []


def test_a_key_that_holds_an_identifier_is_not_told() -> None:
    event: Any = {"by": {"a@example.org": {"mail": ["b@example.org"], "4111111111111111": "x"}}}
    flags = flag_identifiers(event)
    assert flags == [
        Flag("$.by[*]", EMAIL),
        Flag("$.by[*][*]", IdentifierKind.PAYMENT_CARD),
        Flag("$.by[*].mail[0]", EMAIL),
    ]
    assert "example" not in repr(flags)
    assert "4111" not in repr(flags)


@given(EVENTS, st.booleans())
def test_a_body_with_something_to_flag_is_never_passed_over(
    event: dict[str, Any], ensure_ascii: bool
) -> None:
    if flag_identifiers(event):
        assert may_hold_identifiers(json.dumps(event, ensure_ascii=ensure_ascii).encode())


@given(TEXTS)
def test_escaping_hides_nothing(text: str) -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in text)
    slashed = json.dumps({"x": text}).replace("/", "\\/")
    if flag_identifiers({"x": text}):
        assert may_hold_identifiers(f'{{"x": "{escaped}"}}'.encode())
        assert may_hold_identifiers(slashed.encode())
