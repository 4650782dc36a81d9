"""Whatever facts there are, they are written and read without loss, as the schema has it."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from registry.canonical import MAX_SAFE_INTEGER, canonical_json
from registry.erasure.certificate import facts as certificate_facts
from registry.erasure.certificate.document import contradictions, issue, verify
from registry.erasure.certificate.facts import (
    SCHEMA_FILE,
    CertificateFacts,
    Digest,
    Issuer,
    LogProof,
    facts_from,
    proof_from,
    to_json,
)
from registry.erasure.certificate.pages import as_html, as_text, page_of
from tests.erasure.certified import KEYS, ORIGIN, SECRET, log_of

SCHEMA = Draft202012Validator(
    json.loads(
        (Path(certificate_facts.__file__).parent / "schemas" / SCHEMA_FILE).read_text("utf-8")
    )
)
BEGIN, END = datetime(1970, 1, 1), datetime(2999, 1, 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    int: st.integers(1, MAX_SAFE_INTEGER),
    bytes: st.binary(max_size=33),
    datetime: st.datetimes(BEGIN, END, timezones=st.just(UTC)),
    date: st.dates(BEGIN.date(), END.date()),
    NoneType: st.none(),
    Digest: st.binary(min_size=32, max_size=32).map(lambda value: "sha256:" + value.hex()),
}


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, of a whole dataclass, or of many of them."""
    if kind in PLAIN:
        return PLAIN[kind]
    if get_origin(kind) is Annotated:
        return anything(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return st.lists(anything(get_args(kind)[0]), max_size=2).map(tuple)
    if get_args(kind):
        return st.one_of(*map(anything, get_args(kind)))
    if is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return st.builds(kind, **{each.name: anything(hints[each.name]) for each in fields(kind)})
    assert issubclass(kind, StrEnum)
    return st.sampled_from(kind)


ANY_FACTS = anything(CertificateFacts).map(
    lambda facts: replace(
        facts,
        issuer=Issuer(ORIGIN, facts.issuer.url),
        timeline=tuple(replace(step, state="executing") for step in facts.timeline),
    )
)


@given(ANY_FACTS)
def test_facts_survive_the_way_through_json(facts: CertificateFacts) -> None:
    written = canonical_json(to_json(facts))
    assert facts_from(json.loads(written)) == facts
    assert canonical_json(to_json(facts_from(json.loads(written)))) == written


@given(anything(LogProof))
def test_proofs_survive_the_way_through_json(proof: LogProof) -> None:
    assert proof_from(json.loads(canonical_json(to_json(proof)))) == proof


@given(ANY_FACTS)
def test_whatever_is_stated_follows_the_schema(facts: CertificateFacts) -> None:
    predicate = to_json(facts)
    assert isinstance(predicate, dict)
    SCHEMA.validate(predicate | {"audit": to_json(log_of(facts).proof())})


@given(ANY_FACTS)
def test_whatever_does_not_contradict_itself_is_certified_and_shown(
    facts: CertificateFacts,
) -> None:
    facts = facts if not list(contradictions(facts)) else _denied(facts)
    envelope = issue(facts, log_of(facts).proof(), SECRET)
    found = verify(envelope, KEYS)
    assert found.facts == facts
    page = page_of(found, envelope, verified=True)
    assert as_html(page).endswith("</html>\n")
    assert as_text(page).endswith("\n")


def _denied(facts: CertificateFacts) -> CertificateFacts:
    denied = certificate_facts.Outcome.DENIED
    return replace(facts, outcome=denied, justification="A12-5", targets=())
