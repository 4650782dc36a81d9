"""A certificate says what was done, and no other bytes do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from registry.audit.dsse import encoded, read_envelope
from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json
from registry.erasure.certificate import facts as certificate_facts
from registry.erasure.certificate.document import (
    PAYLOAD_TYPE,
    contradictions,
    entry_facts,
    issue,
    read,
    verify,
    verify_beside,
)
from registry.erasure.certificate.facts import (
    PREDICATE_TYPE,
    SCHEMA_FILE,
    CertificateFacts,
    Disposition,
    Model,
    NotSearched,
    Outcome,
    Recipient,
    RecipientState,
    Right,
    Target,
    TargetKind,
    TargetState,
    facts_from,
    to_json,
)
from registry.errors import InvalidInputError, NotVerifiedError
from tests.erasure.certified import (
    DENIED,
    FILE,
    KEYID,
    KEYS,
    ORIGIN,
    OWN,
    PARTLY,
    PUBLIC,
    SECRET,
    STRANGER,
    WHOLLY,
    at,
    certificate,
    envelope_of,
    forged,
    log_of,
    statement_in,
)

ENVELOPE = certificate()
SCHEMA = json.loads(
    (Path(certificate_facts.__file__).parent / "schemas" / SCHEMA_FILE).read_text("utf-8")
)
Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize("facts", [PARTLY, WHOLLY, DENIED], ids=lambda facts: facts.outcome)
def test_a_certificate_verifies_and_says_what_was_certified(facts: CertificateFacts) -> None:
    found = verify(certificate(facts), KEYS)
    assert (found.facts, found.keyid) == (facts, KEYID)
    assert found.audit == log_of(facts).proof()
    assert read(certificate(facts)) == found


def test_the_certificate_is_the_one_that_was_agreed(golden: Callable[[str, str], None]) -> None:
    golden("certificate.dsse.json", ENVELOPE.decode())
    statement = json.dumps(statement_in(ENVELOPE), indent=2, ensure_ascii=False)
    golden("certificate-statement.json", statement + "\n")


def test_a_bare_key_and_a_key_among_others_verify_too() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(STRANGER).public_key().public_bytes_raw()
    assert verify(ENVELOPE, [VerifierKey(None, stranger), VerifierKey(None, PUBLIC)])
    # A key file names each key after the log's origin of today, and holds it without a name too.
    assert verify(ENVELOPE, [VerifierKey(f"{ORIGIN}/2", PUBLIC), VerifierKey(None, PUBLIC)])


def test_any_tool_for_dsse_verifies_the_signature() -> None:
    envelope = json.loads(ENVELOPE)
    payload = base64.b64decode(envelope["payload"])
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    Ed25519PrivateKey.from_private_bytes(SECRET).public_key().verify(signature, signed)
    assert encoded("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"  # the protocol's own example
    )


def test_the_subject_is_the_plan_or_the_facts_where_there_was_none() -> None:
    (subject,) = statement_in(ENVELOPE)["subject"]
    assert PARTLY.plan is not None
    assert "sha256:" + subject["digest"]["sha256"] == PARTLY.plan.digest
    (subject,) = statement_in(certificate(DENIED))["subject"]
    assert subject["name"] == f"erasure-request/{DENIED.request.id}"
    assert "sha256:" + subject["digest"]["sha256"] == entry_facts(DENIED)["certified"]


# One byte, anywhere.


def refused(envelope: bytes, why: str = "does not hold|none of the") -> None:
    with pytest.raises(NotVerifiedError, match=why):
        verify(envelope, KEYS)


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(1, 255))
def test_another_byte_anywhere_is_refused(place: int, by: int) -> None:
    changed = bytearray(ENVELOPE)
    changed[place] ^= by
    refused(bytes(changed))


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 7))
def test_one_other_bit_anywhere_is_refused(place: int, bit: int) -> None:
    changed = bytearray(ENVELOPE)
    changed[place] ^= 1 << bit
    refused(bytes(changed))


def test_every_single_byte_counts() -> None:
    held = [
        place
        for place in range(len(ENVELOPE))
        if _verifies(ENVELOPE[:place] + bytes([ENVELOPE[place] ^ 1]) + ENVELOPE[place + 1 :])
    ]
    assert held == []


def _verifies(envelope: bytes) -> bool:
    try:
        verify(envelope, KEYS)
    except NotVerifiedError:
        return False
    return True


@given(st.integers(0, len(ENVELOPE)), st.integers(0, 255))
def test_a_byte_put_in_anywhere_is_refused(place: int, byte: int) -> None:
    refused(ENVELOPE[:place] + bytes([byte]) + ENVELOPE[place:])


@given(st.integers(0, len(ENVELOPE) - 1))
def test_a_byte_left_out_anywhere_is_refused(place: int) -> None:
    refused(ENVELOPE[:place] + ENVELOPE[place + 1 :])


@given(st.integers(0, len(ENVELOPE) - 1))
def test_a_certificate_cut_short_is_refused(length: int) -> None:
    refused(ENVELOPE[:length])


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    refused(data)


STATEMENT = canonical_json(statement_in(ENVELOPE))


def test_the_statement_is_canonical_json() -> None:
    assert read_envelope(ENVELOPE).payload == STATEMENT
    assert canonical_json(json.loads(ENVELOPE)) == ENVELOPE


@given(st.data())
def test_another_byte_in_the_statement_is_refused_under_the_old_signature(
    data: st.DataObject,
) -> None:
    place = data.draw(st.integers(0, len(STATEMENT) - 1))
    changed = bytearray(STATEMENT)
    changed[place] ^= data.draw(st.integers(1, 255))
    envelope = json.loads(ENVELOPE)
    envelope["payload"] = base64.b64encode(bytes(changed)).decode()
    refused(canonical_json(envelope), "signature")


def test_every_other_writing_of_the_same_is_refused() -> None:
    envelope = json.loads(ENVELOPE)
    text, payload = ENVELOPE.decode(), envelope["payload"]
    refused(ENVELOPE + b"\n", "written|wrote")
    refused(json.dumps(envelope).encode(), "wrote it anew")
    refused(json.dumps(envelope, indent=2).encode(), "wrote it anew")
    refused(text.replace('{"payload":', '{"payload":"",' + '"payload":').encode(), "wrote it anew")
    refused(text.replace("payloadType", "payload\\u0054ype").encode(), "wrote it anew")
    refused(b"\xef\xbb\xbf" + ENVELOPE)
    envelope["payload"] = payload.replace("=", "") if "=" in payload else payload + "===="
    refused(canonical_json(envelope))
    for other in (payload + "\n", payload.replace("+", "-").replace("/", "_") + "=", [payload]):
        refused(canonical_json({**envelope, "payload": other}))


def test_base64_of_the_same_bytes_with_other_idle_bits_is_refused() -> None:
    # 64 bytes of signature end in "==": the last digit before it has four bits that mean nothing.
    envelope = json.loads(ENVELOPE)
    signature = envelope["signatures"][0]["sig"]
    assert signature.endswith("==")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = signature[:-3] + digits[digits.index(signature[-3]) ^ 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    envelope["signatures"][0]["sig"] = other
    refused(canonical_json(envelope), "other base64")


def test_more_or_fewer_signatures_are_refused() -> None:
    envelope = json.loads(ENVELOPE)
    (signature,) = envelope["signatures"]
    other = json.loads(envelope_of(STATEMENT, secret=STRANGER))["signatures"]
    for signatures in ([], [signature, signature], [signature, *other], [*other, signature], {}):
        refused(canonical_json({**envelope, "signatures": signatures}))
    refused(canonical_json({**envelope, "note": "hello"}), "holds more")
    refused(canonical_json([envelope]), "no envelope")
    extended = {**signature, "cert": "x"}
    refused(canonical_json({**envelope, "signatures": [extended]}), "holds more")


def test_a_swapped_key_is_refused() -> None:
    theirs = envelope_of(STATEMENT, secret=STRANGER)
    refused(theirs, "none of the 1 keys given is that one")
    envelope, their_envelope = json.loads(ENVELOPE), json.loads(theirs)
    their_envelope["signatures"][0]["keyid"] = envelope["signatures"][0]["keyid"]
    refused(canonical_json(their_envelope), "signature")
    envelope["signatures"][0]["keyid"] = json.loads(theirs)["signatures"][0]["keyid"]
    refused(canonical_json(envelope), "none of the 1 keys")
    with pytest.raises(NotVerifiedError, match="none of the 0 keys"):
        verify(ENVELOPE, [])
    with pytest.raises(NotVerifiedError, match="the key is that of other-log"):
        verify(ENVELOPE, [VerifierKey("other-log", PUBLIC)])


# Signed by the right key, and still wrong.


def predicate(change: Change) -> Change:
    return lambda statement: change(statement["predicate"])


def audit(**changes: Any) -> Change:
    return lambda statement: statement["predicate"]["audit"].update(changes)


OTHERS = log_of(WHOLLY)
PROOF = log_of(PARTLY).proof()


def swap_hash(statement: dict[str, Any]) -> None:
    hashes = statement["predicate"]["audit"]["hashes"]
    hashes[0] = hashes[1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "its _type is"),
        (lambda s: s.update(predicateType=PREDICATE_TYPE.replace("1-0-0", "2-0-0")), "2-0-0"),
        (lambda s: s.update(note="x"), "fields beside those of its schema"),
        (lambda s: s.pop("predicate"), "no predicate"),
        (lambda s: s["subject"][0]["digest"].update(sha256="0" * 64), "a subject that is not"),
        (lambda s: s["subject"].append(s["subject"][0]), "a subject that is not"),
        (predicate(lambda p: p.update(note="x")), "fields beside"),
        (predicate(lambda p: p.pop("targets")), "missing required field `targets`"),
        (predicate(lambda p: p.update(number="17")), "Expected `int`"),
        (predicate(lambda p: p.update(outcome="done")), "Invalid enum value 'done'"),
        (predicate(lambda p: p["targets"][0].update(expected=-1)), "Expected `int` >= 0"),
        (predicate(lambda p: p.update(issuedAt="2026-03-20T09:30:00Z")), "form is another"),
        (predicate(lambda p: p.update(issuedAt="2026-03-20T09:30:00.000000")), "form is another"),
        (predicate(lambda p: p["plan"].update(digest="sha256:12")), "its form is another"),
        (predicate(lambda p: p.update(number=18)), "about something else"),
        (predicate(lambda p: p["request"].update(id="another")), "about something else|subject"),
        (predicate(lambda p: p["targets"][1].update(state="verified")), "about something else"),
        (predicate(lambda p: p.update(outcome="fulfilled")), "is pending"),
        (predicate(lambda p: p["withheld"].clear()), "about something else"),
        (audit(document="{}"), "not the one that the log's leaf"),
        (audit(salt=base64.b64encode(bytes(32)).decode()), "not the one that the log's leaf"),
        (audit(leafData=base64.b64encode(bytes(32)).decode()), "not the one that the log's leaf"),
        (audit(index=8), "does not hold its entry"),
        (audit(index=11), "does not hold its entry"),
        (audit(size=12), "its proof is of a tree of 12, its checkpoint of 11"),
        (audit(hashes=[]), "too few"),
        (audit(hashes=["AAAA"]), "every hash has 32 bytes"),
        (swap_hash, "does not hold its entry"),
        (audit(checkpoint=log_of(PARTLY).checkpoint(10)), "its checkpoint of 10"),
        (audit(checkpoint=OTHERS.checkpoint(11)), "does not hold its entry"),
        (audit(checkpoint=log_of(PARTLY).checkpoint(11, secret=STRANGER)), "None of the 1 keys"),
        (audit(checkpoint=log_of(PARTLY).checkpoint(11, origin="other")), "None of the 0 keys"),
        (audit(checkpoint="hello"), "This is no signed note"),
        (predicate(lambda p: p["issuer"].update(origin="other")), "the key is that of"),
    ],
)
def test_what_the_key_should_not_have_signed_is_refused(change: Change, why: str) -> None:
    refused(forged(change), why)


def test_an_entry_of_another_kind_proves_nothing() -> None:
    for kind in ("lineage.event.received", "erasure.certificate.revoked"):
        with pytest.raises(NotVerifiedError, match="about something else"):
            issue(PARTLY, log_of(PARTLY, kind=kind).proof(), SECRET)
    with pytest.raises(NotVerifiedError, match="about something else"):
        issue(PARTLY, log_of(WHOLLY).proof(), SECRET)


def test_a_checkpoint_of_another_log_is_refused_by_a_bare_key_too() -> None:
    note = log_of(PARTLY).checkpoint(11, origin="other")
    envelope = forged(audit(checkpoint=note))
    with pytest.raises(NotVerifiedError, match="its checkpoint is of other"):
        verify(envelope, [VerifierKey(None, PUBLIC)])


def test_a_payload_of_another_type_or_writing_is_refused() -> None:
    refused(envelope_of(STATEMENT, kind="application/json"), "not 'application/vnd.in-toto")
    refused(envelope_of(json.dumps(json.loads(STATEMENT)).encode()), "other JSON than canonical")
    twice = b'{"_type":"x",' + STATEMENT[1:]
    refused(envelope_of(twice), "other JSON than canonical")
    refused(envelope_of(b"[]"), "no predicate")
    refused(envelope_of(b"[" * 100_000), "no JSON")
    assert read_envelope(envelope_of(b"")).payload == b""


# What it may say.


def target(state: TargetState, *counts: int | None) -> Target:
    expected, found, erased, verified = counts or (1, 1, 1, 1)
    return Target(TargetKind.FILE, "a file", expected, found, erased, verified, state)


SENT = Recipient("vendor", RecipientState.NOTIFIED, at(16), None)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"targets": (OWN, FILE)}, "part-0001.parquet is pending"),
        ({"targets": (target(TargetState.CHANGED_OUTSIDE),)}, "a file is changed outside"),
        ({"targets": (target(TargetState.ERASED),)}, "a file is erased"),
        ({"targets": (target(TargetState.VERIFIED, 3, 0, 0, 0),)}, "do not agree"),
        ({"targets": (target(TargetState.VERIFIED, 3, 3, 2, 2),)}, "do not agree"),
        ({"targets": (target(TargetState.VERIFIED, 3, 3, 3, None),)}, "do not agree"),
        ({"targets": (target(TargetState.NOT_PRESENT, 3, 0, 0, 0),)}, "held none"),
        ({"withheld": PARTLY.withheld}, "2 examples of s3://lake raw/docs, batch 3 are withheld"),
        ({"not_searched": (NotSearched("d", "b", None),)}, "batch b of d was not searched"),
        ({"backups": PARTLY.backups}, "holds them until 2026-05-28"),
        ({"recipients": (SENT,)}, "vendor has not acknowledged"),
        ({"recipients": (replace(SENT, state=RecipientState.IMPOSSIBLE),)}, "is not said"),
        ({"models": (Model("m", None, Disposition.NONE, "me", None),)}, "owner and date"),
        ({"models": (Model("m", None, None, "me", date(2026, 4, 1)),)}, "owner and date"),
        ({"outcome": Outcome.PARTIALLY_FULFILLED}, "nothing is left to do"),
        ({"outcome": Outcome.DENIED, "justification": "A12"}, "something was erased"),
        ({"outcome": Outcome.DENIED, "targets": ()}, "a justification belongs to a denied"),
        ({"justification": "A12"}, "a justification belongs to a denied"),
        ({"plan": None}, "without a plan"),
        ({"number": 0}, "counted from 1"),
    ],
)
def test_a_certificate_that_contradicts_itself_is_not_issued(
    changes: Mapping[str, Any], why: str
) -> None:
    facts = replace(WHOLLY, **changes)
    with pytest.raises(InvalidInputError, match=why):
        issue(facts, log_of(facts).proof(), SECRET)


def test_what_was_found_nowhere_and_what_needs_no_plan_may_be_certified() -> None:
    nothing = replace(WHOLLY, targets=(), recipients=(), models=())
    assert list(contradictions(nothing)) == []
    restricted = replace(nothing, plan=None, request=replace(nothing.request, right=Right.ACCESS))
    assert list(contradictions(restricted)) == []
    assert verify(certificate(restricted), KEYS).facts == restricted


def test_facts_that_the_form_does_not_have_are_not_issued() -> None:
    facts = replace(PARTLY, targets=(replace(FILE, expected=-1),))
    with pytest.raises(InvalidInputError, match="no statement of"):
        issue(facts, log_of(facts).proof(), SECRET)


# A checkpoint of the reader's own.


def test_a_kept_checkpoint_of_the_same_log_holds() -> None:
    log, found = log_of(PARTLY), read(ENVELOPE)
    assert verify_beside(found, log.checkpoint(11), KEYS, None).size == 11
    assert verify_beside(found, log.checkpoint(5), KEYS, log.growth(5, 11)).size == 5
    assert verify_beside(found, log.checkpoint(16), KEYS, log.growth(11, 16)).size == 16


def test_a_kept_checkpoint_of_another_history_is_refused() -> None:
    log, other, found = log_of(PARTLY), log_of(WHOLLY), read(ENVELOPE)
    for kept, growth, why in (
        (other.checkpoint(11), None, "different roots"),
        (other.checkpoint(16), other.growth(11, 16), "not the one of your checkpoint"),
        (log.checkpoint(5), None, "nothing here shows"),
        (log.checkpoint(5), log.growth(4, 11), "not the one of your checkpoint"),
        (log.checkpoint(11, origin="other"), None, "None of the 0 keys"),
        (log.checkpoint(11, secret=STRANGER), None, "None of the 1 keys"),
    ):
        with pytest.raises(NotVerifiedError, match=why):
            verify_beside(found, kept, KEYS, growth)
    bare = [VerifierKey(None, PUBLIC)]
    with pytest.raises(NotVerifiedError, match="the checkpoint is of other"):
        verify_beside(found, log.checkpoint(11, origin="other"), bare, None)
    with pytest.raises(InvalidInputError, match="no signed note"):
        verify_beside(found, "hello", KEYS, None)


# Its form.


@pytest.mark.parametrize("facts", [PARTLY, WHOLLY, DENIED], ids=lambda facts: facts.outcome)
def test_what_is_issued_follows_the_schema_that_ships(facts: CertificateFacts) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == PREDICATE_TYPE
    validator = Draft202012Validator(SCHEMA)
    validator.validate(statement_in(certificate(facts))["predicate"])
    assert facts_from(to_json(facts)) == facts
    for name in SCHEMA["properties"]:
        broken = statement_in(certificate(facts))["predicate"]
        del broken[name]
        assert not validator.is_valid(broken)


def test_the_schema_has_every_field_and_no_other() -> None:
    classes = [
        each
        for each in vars(certificate_facts).values()
        if isinstance(each, type) and is_dataclass(each)
    ]
    for each in classes:
        is_top = each is CertificateFacts
        definition = SCHEMA if is_top else SCHEMA["$defs"][each.__name__]
        names = {certificate_facts.json_name(field.name) for field in fields(each)}
        assert set(definition["properties"]) == names | ({"audit"} if is_top else set())
        assert set(definition["required"]) == set(definition["properties"])
        assert definition["additionalProperties"] is False
    assert set(SCHEMA["$defs"]) == {each.__name__ for each in classes} - {"CertificateFacts"}


def test_nothing_in_it_names_the_key_it_was_not_made_with() -> None:
    assert read_envelope(ENVELOPE).payload_type == PAYLOAD_TYPE
    assert statement_in(ENVELOPE)["predicate"]["issuer"]["origin"] == ORIGIN
