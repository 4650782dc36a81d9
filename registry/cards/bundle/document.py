"""A card in one file: all its formats, its facts, the proof of its evidence, and a signature. Pure.

The file is a zip (`registry.cards.bundle.file`) of, in this order: `statement.dsse.json`, a DSSE
envelope over an in-toto Statement v1; `manifest.json`, which names every member after it with its
size and SHA-256; `facts.json`, the facts as canonical JSON, whose digest is the card's;
`evidence/proofs.json` (`registry.cards.bundle.proofs`); then what the caller gives, by name.

Rules:
1. The signature covers the manifest, and the manifest everything else.
2. A bundle verifies with the file and public keys and nothing else: file, envelope, statement,
   manifest, members, facts, proofs, in this order; the first that fails is named.
3. The key that signed is one of the log that the statement names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from registry.audit.dsse import open_envelope, sign_envelope
from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json, digest_text, parse_digest
from registry.cards.bundle.file import Member, pack, refused, unpack
from registry.cards.bundle.proofs import (
    Proofs,
    Proved,
    check_proofs,
    indexes_in,
    indexes_in_document,
    proofs_bytes,
    read_proofs_bytes,
)
from registry.cards.values import About, CardFacts
from registry.errors import InvalidInputError
from registry.moments import rfc3339

FORM: Final = "lineage-registry/card/1"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://w3id.org/lineage-registry/predicates/1-0-0/CardBundle.json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MEDIA_TYPE: Final = "application/zip"
STATEMENT, MANIFEST, FACTS = "statement.dsse.json", "manifest.json", "facts.json"
PROOFS: Final = "evidence/proofs.json"
_OWN: Final = (STATEMENT, MANIFEST, FACTS, PROOFS)


@dataclass(frozen=True, slots=True)
class CardBundleReport:
    """What a bundle holds that verified. `revision`: of the published card, None for a draft.

    `origin`: the log of the registry that signed. `members`: what the caller gave, by name.
    """

    about: About
    facts_digest: str
    origin: str
    made_at: datetime
    revision: int | None
    keyid: str
    members: tuple[str, ...]
    proved: Proved


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the statement says beside the digest of the manifest."""

    about: About
    facts_digest: str
    origin: str
    made_at: str
    revision: int | None

    @property
    def about_document(self) -> dict[str, object]:
        """The version as it stands in facts and statement."""
        each = self.about
        return {
            "kind": each.kind,
            "namespace": each.namespace,
            "name": each.name,
            "version": each.version,
            "contentDigest": each.content_digest,
        }


def make_bundle(
    facts: CardFacts,
    members: Mapping[str, bytes],
    proofs: Proofs,
    *,
    origin: str,
    made_at: datetime,
    secret: bytes,
    revision: int | None = None,
) -> bytes:
    """The bundle's file. `members`: formats and attachments by path, as `dataset/card.html`.

    `proofs`: of all entries that the facts name (`read_proofs`). `origin`: of the log of this
    registry. `secret`: the signing key's 32 bytes. The same arguments give the same bytes. Raises
    InvalidInputError for a name that is taken or none, and for proofs of other entries.
    """
    taken = sorted(name for name in members if name in _OWN or name.startswith("evidence/"))
    if taken:
        raise InvalidInputError(
            f"The bundle has a member {taken[0]!r} of its own.", remedy="Give it another name."
        )
    named = sorted([*(each.index for each in proofs.entries), *proofs.pending])
    if named != list(indexes_in(facts)):
        raise InvalidInputError(
            "The proofs are not of the entries that the facts name.",
            remedy="Collect them with read_proofs from the indexes in the facts.",
        )
    written = canonical_json(facts.document())
    inner: list[Member] = [
        (FACTS, written),
        (PROOFS, proofs_bytes(proofs)),
        *sorted(members.items()),
    ]
    manifest = _manifest(inner)
    # What `facts.digest` is, of bytes that are there already.
    digest = digest_text(hashlib.sha256(written).digest())
    claim = _Claim(facts.about, digest, origin, rfc3339(made_at), revision)
    envelope = sign_envelope(PAYLOAD_TYPE, _statement(claim, manifest), secret)
    return pack([(STATEMENT, envelope), (MANIFEST, manifest), *inner])


def verify_bundle(data: bytes, keys: Sequence[VerifierKey]) -> CardBundleReport:
    """Hold a bundle to keys that the reader trusts (rule 2).

    Raises NotVerifiedError with the first thing that is wrong, whatever the bytes are.
    """
    # 1. The file, and the members that each bundle has, in their places.
    members = unpack(data)
    if tuple(name for name, _ in members[: len(_OWN)]) != _OWN:
        raise refused(f"its first members are not {', '.join(_OWN)}")
    (_, envelope), (_, manifest), *inner = members
    # 2. The envelope, and 3. that its statement is of this manifest.
    taken, signers = open_envelope(envelope, PAYLOAD_TYPE, keys)
    claim = _read_statement(taken.payload, manifest)
    if not any(key.is_of(claim.origin) for key in signers):
        names = ", ".join(str(key.name) for key in signers)
        raise refused(f"it is of the registry {claim.origin}, and the key is that of {names}")
    # 4. The manifest, and 5. that the members are those that it names.
    if _manifest(inner) != manifest:
        raise refused(_difference(manifest, inner))
    # 6. The facts, and 7. that the log holds what they rest on.
    document = _read_facts(inner[0][1], claim)
    proved = check_proofs(read_proofs_bytes(inner[1][1]), indexes_in_document(document), keys)
    if proved.checkpoint is not None and proved.checkpoint.origin != claim.origin:
        raise refused(f"its checkpoint is of the log {proved.checkpoint.origin}")
    given = tuple(name for name, _ in inner[2:])
    return CardBundleReport(
        claim.about,
        claim.facts_digest,
        claim.origin,
        _moment(claim.made_at),
        claim.revision,
        taken.keyid,
        given,
        proved,
    )


def read_members(data: bytes) -> dict[str, bytes]:
    """The members of a bundle by name, and nothing more: it is not verified.

    Raises NotVerifiedError for what is no bundle's file.
    """
    return dict(unpack(data))


def _manifest(members: Sequence[Member]) -> bytes:
    listed = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members
    ]
    return canonical_json({"bundle": FORM, "members": listed})


def _statement(claim: _Claim, manifest: bytes) -> bytes:
    subject = [
        {"name": MANIFEST, "digest": {"sha256": hashlib.sha256(manifest).hexdigest()}},
        {"name": FACTS, "digest": {"sha256": parse_digest(claim.facts_digest).hex()}},
    ]
    predicate = {
        "about": claim.about_document,
        "auditLog": claim.origin,
        "factsDigest": claim.facts_digest,
        "madeAt": claim.made_at,
        "revision": claim.revision,
    }
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": subject,
            "predicateType": PREDICATE_TYPE,
            "predicate": predicate,
        }
    )


def _read_statement(payload: bytes, manifest: bytes) -> _Claim:
    """What was signed. Raises NotVerifiedError where it is of another manifest or form."""
    try:
        predicate: dict[str, Any] = json.loads(payload)["predicate"]
        about, revision = predicate["about"], predicate["revision"]
        if not isinstance(about["version"], int) or not isinstance(revision, int | None):
            raise TypeError
        claim = _Claim(
            About(
                str(about["kind"]),
                str(about["namespace"]),
                str(about["name"]),
                about["version"],
                str(about["contentDigest"]),
            ),
            str(predicate["factsDigest"]),
            str(predicate["auditLog"]),
            str(predicate["madeAt"]),
            revision,
        )
        _moment(claim.made_at)
        same = _statement(claim, manifest) == payload
    except (KeyError, TypeError, ValueError, RecursionError, InvalidInputError) as error:
        raise refused("what was signed is no statement about a card") from error
    if not same:
        raise refused("what was signed is about another manifest, or of another form")
    return claim


def _read_facts(data: bytes, claim: _Claim) -> dict[str, Any]:
    if digest_text(hashlib.sha256(data).digest()) != claim.facts_digest:
        raise refused("its facts are not those that were signed")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refused("its facts are no JSON") from error
    if not isinstance(document, dict) or document.get("about") != claim.about_document:
        raise refused("its facts are of another version than was signed")
    return document


def _difference(manifest: bytes, inner: Sequence[Member]) -> str:
    """The first member that is not as the manifest, which was signed, says."""
    listed = json.loads(manifest)["members"]
    for said, (name, data) in zip(listed, inner, strict=False):
        if said["name"] != name:
            return f"where {said['name']} should stand, there is {name}"
        if hashlib.sha256(data).hexdigest() != said["sha256"]:
            return f"{name} was changed"
    return f"it should have {len(listed)} members, and has {len(inner)}"


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
