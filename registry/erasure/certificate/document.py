"""Certificates of erasure: facts, signed, with the proof that the audit log holds them. Pure.

A certificate is a DSSE envelope (`registry.audit.dsse`) over an in-toto Statement v1, whose subject
is the plan that was carried out and whose predicate is `CertificateFacts` with `audit`, a
`LogProof`.

Rules:
1. What is certified must not contradict itself (`contradictions`): *fulfilled* is refused while
   anything is withheld, deferred, not searched, unacknowledged or without a disposition.
2. The log's entry states the number, the request, the outcome and the digest of all facts, so that
   the proof is one of *these* facts, and a certificate made later than its entry shows.
3. A certificate verifies with the file and public keys and nothing else: envelope, statement,
   form, rule 1, leaf, inclusion and checkpoint, in this order; the first that fails is named.
4. The salt in a certificate opens one entry of the log, which holds what the certificate holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.audit.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from registry.audit.documents import leaf_data
from registry.audit.dsse import open_envelope, read_envelope, sign_envelope
from registry.audit.events import EntryKind
from registry.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json, digest_text, parse_digest
from registry.erasure.certificate.facts import (
    PREDICATE_TYPE,
    CertificateFacts,
    LogProof,
    Model,
    Outcome,
    Recipient,
    RecipientState,
    Right,
    Target,
    TargetKind,
    TargetState,
    facts_from,
    proof_from,
    to_json,
)
from registry.errors import InvalidInputError, NotVerifiedError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Facts and their proof. `keyid`: of the key that the envelope names."""

    facts: CertificateFacts
    audit: LogProof
    keyid: str


def entry_facts(facts: CertificateFacts) -> dict[str, object]:
    """The payload of the entry `erasure.certificate.issued` that a certificate needs (rule 2)."""
    return _entry_facts(facts, canonical_json(to_json(facts)))


def issue(facts: CertificateFacts, audit: LogProof, secret: bytes) -> bytes:
    """The certificate's file. `secret`: the signing key's 32 bytes.

    Raises InvalidInputError for facts that contradict themselves (rule 1) or that the form does not
    have, NotVerifiedError for a
    proof that is not one of these facts. Cost: well under a millisecond for a hundred targets.
    """
    against = list(contradictions(facts))
    if against:
        raise InvalidInputError(
            f"Certificate {facts.number} would contradict itself: {'; '.join(against)}.",
            remedy="State the outcome that its tasks have come to.",
        )
    facts_from(to_json(facts))
    written = canonical_json(to_json(facts))
    _check_entry(facts, written, audit)
    _check_inclusion(facts, audit, read_checkpoint(audit.checkpoint))
    return sign_envelope(PAYLOAD_TYPE, _statement(facts, written, audit), secret)


def read(envelope: bytes) -> Certificate:
    """What a file says, and nothing more: it is not verified. Raises NotVerifiedError (form)."""
    taken = read_envelope(envelope)
    facts, _, audit = _read_statement(taken.payload)
    return Certificate(facts, audit, taken.keyid)


def verify(envelope: bytes, keys: Sequence[VerifierKey]) -> Certificate:
    """Hold a certificate to keys that the reader trusts (rule 3).

    Raises NotVerifiedError with the first thing that is wrong, whatever the bytes are.
    """
    taken, signers = open_envelope(envelope, PAYLOAD_TYPE, keys)
    facts, written, audit = _read_statement(taken.payload)
    if not any(key.is_of(facts.issuer.origin) for key in signers):
        names = ", ".join(str(key.name) for key in signers)
        raise _refused(f"it is issued by {facts.issuer.origin}, and the key is that of {names}")
    for why in contradictions(facts):
        raise _refused(f"it contradicts itself: {why}")
    _check_entry(facts, written, audit)
    try:
        checkpoint = open_checkpoint(audit.checkpoint, keys)
    except (InvalidInputError, NotVerifiedError) as error:
        raise _refused(f"its checkpoint is not one of the log's: {error.detail}") from error
    _check_inclusion(facts, audit, checkpoint)
    return Certificate(facts, audit, taken.keyid)


def verify_beside(
    certificate: Certificate, kept: str, keys: Sequence[VerifierKey], growth: Sequence[bytes] | None
) -> Checkpoint:
    """Hold the certificate's log to a checkpoint that the reader kept; gives that one.

    `growth`: the consistency proof from the smaller to the larger (RFC 9162 §2.1.4), needed where
    they are of different sizes. Raises InvalidInputError for what is no
    checkpoint, NotVerifiedError where they are not of one log, or nothing shows that they are.
    """
    mine, other = read_checkpoint(certificate.audit.checkpoint), open_checkpoint(kept, keys)
    if mine.origin != other.origin:
        raise _refused(f"it is in the log {mine.origin}, and the checkpoint is of {other.origin}")
    first, second = sorted((mine, other), key=lambda each: each.size)
    if first.size != second.size and growth is None:
        raise NotVerifiedError(
            f"The certificate's checkpoint is of {mine.size} entries and yours of {other.size}; "
            "nothing here shows that one log grew into the other.",
            remedy=f"Ask the registry for GET /api/v1/audit/proofs/consistency?first={first.size}"
            f"&second={second.size}, and give the answer as --growth FILE.",
        )
    hashes = growth if growth is not None and first.size != second.size else ()
    try:
        verify_consistency(first.size, second.size, hashes, first.root, second.root)
    except NotVerifiedError as error:
        raise _refused(f"its log is not the one of your checkpoint: {error.detail}") from error
    return other


def contradictions(facts: CertificateFacts) -> Iterator[str]:
    """What in the facts cannot be true together, in words (rule 1); nothing for good ones."""
    left = list(unfinished(facts))
    match facts.outcome:
        case Outcome.FULFILLED:
            yield from (f"it says fulfilled, and {each}" for each in left)
        case Outcome.PARTIALLY_FULFILLED:
            if not left:
                yield "it says partially fulfilled, and nothing is left to do"
        case Outcome.DENIED:
            if any(target.erased for target in facts.targets):
                yield "it says denied, and something was erased"
    denied = facts.outcome is Outcome.DENIED
    if denied != (facts.justification is not None):
        yield "a justification belongs to a denied request, and to no other"
    if facts.request.right is Right.ERASURE and facts.plan is None and not denied:
        yield "nothing is erased without a plan, and it names none"
    if facts.number < 1:
        yield "certificates are counted from 1"


def unfinished(facts: CertificateFacts) -> Iterator[str]:
    """What keeps a request from being fulfilled, in words."""
    yield from (why for each in facts.targets if (why := _target_left(each)))
    yield from (f"{each.examples} examples of {each.name} are withheld" for each in facts.withheld)
    for batch in facts.not_searched:
        yield f"the batch {batch.batch} of {batch.dataset} was not searched"
    yield from (f"{each.name} holds them until {each.until}" for each in facts.backups)
    yield from (why for each in facts.recipients if (why := _recipient_left(each)))
    yield from (why for each in facts.models if (why := _model_left(each)))


def _target_left(target: Target) -> str | None:
    match target.state:
        case TargetState.VERIFIED:
            # Zero rows where some were expected is a failure, whatever the state says. What a scan
            # found is erased by other targets, once the plan holds it.
            erased = target.found if target.kind is TargetKind.CONTENT_SCAN else target.erased
            if not target.found == erased == target.verified or (
                target.expected and not target.found
            ):
                return f"the counts of {target.name} do not agree"
            return None
        case TargetState.NOT_PRESENT:
            if target.expected or target.found:
                return f"{target.name} should hold some of them and held none"
            return None
        case _:
            return f"{target.name} is {target.state.value.replace('_', ' ')}"


def _recipient_left(recipient: Recipient) -> str | None:
    match recipient.state:
        case RecipientState.ACKNOWLEDGED:
            return None
        case RecipientState.IMPOSSIBLE:
            return None if recipient.reason else f"why {recipient.id} cannot be told is not said"
        case _:
            return f"the recipient {recipient.id} has not acknowledged"


def _model_left(model: Model) -> str | None:
    if model.disposition and model.owner and model.due_on:
        return None
    return f"what is done about the model {model.name} is not recorded with owner and date"


def _entry_facts(facts: CertificateFacts, written: bytes) -> dict[str, object]:
    return {
        "certificate": facts.number,
        "certified": digest_text(hashlib.sha256(written).digest()),
        "outcome": facts.outcome.value,
        "request": facts.request.id,
    }


def _statement(facts: CertificateFacts, written: bytes, audit: LogProof) -> bytes:
    """The statement as canonical JSON. `written`: the facts as such.

    It is put together from parts that are canonical, so that a thousand places are written once;
    `audit` sorts before every other field.
    """
    name, digest = f"erasure-request/{facts.request.id}", hashlib.sha256(written).hexdigest()
    if facts.plan is not None:
        name = f"erasure-plan/{facts.request.id}/{facts.plan.revision}"
        digest = parse_digest(facts.plan.digest).hex()
    head = canonical_json({"_type": STATEMENT_TYPE})
    proof = canonical_json({"audit": to_json(audit)})
    subject = [{"name": name, "digest": {"sha256": digest}}]
    tail = canonical_json({"predicateType": PREDICATE_TYPE, "subject": subject})
    return b'%b,"predicate":%b,%b,%b' % (head[:-1], proof[:-1], written[1:], tail[1:])


def _read_statement(payload: bytes) -> tuple[CertificateFacts, bytes, LogProof]:
    """Facts, how they are written, and proof. Raises NotVerifiedError for any other bytes."""
    try:
        statement = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused("what was signed is no JSON") from error
    if not isinstance(statement, dict) or not isinstance(statement.get("predicate"), dict):
        raise _refused("it has no predicate")
    for name, known in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if statement.get(name) != known:
            raise _refused(f"its {name} is {str(statement.get(name))[:120]!r}, not {known!r}")
    predicate = statement["predicate"]
    try:
        audit = proof_from(predicate.get("audit"))
        facts = facts_from(predicate)
        written = canonical_json(to_json(facts))
        # What the form does not have, and every other way to write what it has, shows here.
        same = _statement(facts, written, audit) == payload
    except (InvalidInputError, ValueError, RecursionError) as error:
        said = error.detail if isinstance(error, InvalidInputError) else str(error)
        raise _refused(f"its form is another: {said}") from error
    if not same:
        raise _refused(
            "its form is another: fields beside those of its schema, a subject that is not its "
            "plan, or other JSON than canonical (RFC 8785)"
        )
    return facts, written, audit


def _check_entry(facts: CertificateFacts, written: bytes, audit: LogProof) -> None:
    """The leaf is of an entry about these facts (rule 2)."""
    if leaf_data(audit.salt, audit.document.encode("utf-8", "surrogatepass")) != audit.leaf_data:
        raise _refused("the document in its proof is not the one that the log's leaf is made of")
    try:
        document = json.loads(audit.document)
        said, kind = document["facts"], document["kind"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise _refused("the document in its proof is no entry of the log") from error
    if kind != EntryKind.CERTIFICATE_ISSUED or said != _entry_facts(facts, written):
        raise _refused("the entry in its proof is about something else than these facts")


def _check_inclusion(facts: CertificateFacts, audit: LogProof, checkpoint: Checkpoint) -> None:
    if checkpoint.origin != facts.issuer.origin:
        raise _refused(
            f"it is issued by {facts.issuer.origin}, and its checkpoint is of {checkpoint.origin}"
        )
    if checkpoint.size != audit.size:
        raise _refused(
            f"its proof is of a tree of {audit.size}, its checkpoint of {checkpoint.size}"
        )
    leaf = leaf_hash(audit.leaf_data)
    try:
        verify_inclusion(leaf, audit.index, audit.size, audit.hashes, checkpoint.root)
    except NotVerifiedError as error:
        raise _refused(f"the log does not hold its entry: {error.detail}") from error


def _refused(why: str) -> NotVerifiedError:
    return NotVerifiedError(
        f"The certificate does not hold: {why}.",
        remedy="Get the file again from who issued it, byte for byte; if it stays so, keep both, "
        "and tell an auditor.",
    )
