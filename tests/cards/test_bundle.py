"""Bundles verify with the file and a key alone, and fail after any change."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.audit.checkpoint import Checkpoint, sign_checkpoint
from registry.audit.documents import document, leaf_data
from registry.audit.dsse import read_envelope, sign_envelope
from registry.audit.merkle import inclusion_proof, leaf_hash, root_hash
from registry.audit.notes import VerifierKey
from registry.canonical import canonical_json
from registry.cards.bundle.document import (
    FACTS,
    MANIFEST,
    PAYLOAD_TYPE,
    PROOFS,
    STATEMENT,
    make_bundle,
    read_members,
    verify_bundle,
)
from registry.cards.bundle.evidence import read_proofs
from registry.cards.bundle.file import LIMIT_MEMBERS, Member, pack, unpack
from registry.cards.bundle.proofs import Proofs, ProvedEntry, indexes_in
from registry.cards.values import CardFacts, Evidence, EvidenceKind
from registry.errors import InvalidInputError, NotVerifiedError
from tests.audit.conftest import site as site
from tests.audit.logs import Site
from tests.cards.extremes import HOSTILE, empty_facts, hostile_facts, many_facts, told_facts
from tests.cards.spoiling import spoiled

ORIGIN = "lineage-registry/0197a0e2-0000-7000-8000-00000000000a"
SECRET, STRANGER = bytes(range(32)), bytes(range(1, 33))
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
MEMBERS = {
    "dataset/card.html": b"<!doctype html>",
    "dataset/card.json": b"{}",
    "dataset/README.md": b"---\n",
    "attachments/origin.domains.csv": b"domain\r\n",
}
SIZE = 200


def keys_of(secret: bytes, name: str | None = ORIGIN) -> list[VerifierKey]:
    """The public half of a key."""
    public = Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    return [VerifierKey(name, public)]


KEYS = keys_of(SECRET)


def entry(index: int) -> tuple[bytes, bytes]:
    """Salt and document of an entry."""
    facts = canonical_json({"entry": index})
    return hashlib.sha256(b"%d" % index).digest(), document("alice", index, facts, "event.accepted")


LEAVES = [leaf_hash(leaf_data(*entry(index))) for index in range(SIZE)]


def checkpoint(*, secret: bytes = SECRET, origin: str = ORIGIN) -> str:
    """The log's signed head."""
    return sign_checkpoint(Checkpoint(origin, SIZE, root_hash(LEAVES)), secret)


def proofs_of(facts: CardFacts, note: str | None = None) -> Proofs:
    """The proofs of everything that facts name; every third is closed."""
    entries = [proved(index) for index in indexes_in(facts) if index < SIZE]
    pending = tuple(index for index in indexes_in(facts) if index >= SIZE)
    return Proofs(note or checkpoint(), tuple(entries), pending)


def proved(index: int) -> ProvedEntry:
    """The proof of one entry."""
    salt, text = entry(index)
    hashes = tuple(inclusion_proof(LEAVES, index, SIZE))
    made = ProvedEntry(index, leaf_data(salt, text), hashes, salt, text.decode())
    return replace(made, salt=None, document=None) if index % 3 == 0 else made


def bundle(facts: CardFacts | None = None, proofs: Proofs | None = None, **more: Any) -> bytes:
    """A bundle's file."""
    held = facts or told_facts()
    given = {"members": MEMBERS, "origin": ORIGIN, "made_at": AT, "secret": SECRET} | more
    members = given.pop("members")
    return make_bundle(held, members, proofs or proofs_of(held), **given)


def test_a_bundle_verifies_and_says_what_it_holds() -> None:
    facts = told_facts()
    report = verify_bundle(bundle(facts, revision=4), KEYS)
    assert report.about == facts.about
    assert report.facts_digest == facts.digest
    assert (report.origin, report.made_at, report.revision) == (ORIGIN, AT, 4)
    assert report.members == tuple(sorted(MEMBERS))
    indexes = indexes_in(facts)
    assert report.proved.proved == len(indexes) > 100
    assert report.proved.closed == sum(index % 3 == 0 for index in indexes)
    assert report.proved.checkpoint is not None
    assert report.proved.checkpoint.size == SIZE


def test_the_same_arguments_give_the_same_bytes() -> None:
    shuffled = dict(reversed(MEMBERS.items()))
    assert bundle() == bundle(members=shuffled)


def test_any_zip_reader_reads_the_members() -> None:
    data = bundle()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == [STATEMENT, MANIFEST, FACTS, PROOFS, *sorted(MEMBERS)]
        assert {name: archive.read(name) for name in MEMBERS} == MEMBERS
        assert read_members(data) == {name: archive.read(name) for name in names}


@pytest.mark.parametrize(
    "make",
    [empty_facts, many_facts, *(partial(hostile_facts, text) for text in HOSTILE.values())],
)
def test_whatever_the_facts_are_the_bundle_verifies(make: Callable[[], CardFacts]) -> None:
    facts = make()
    assert verify_bundle(bundle(facts), KEYS).facts_digest == facts.digest


def test_without_a_checkpoint_every_entry_is_pending() -> None:
    facts = told_facts()
    report = verify_bundle(bundle(facts, Proofs(None, (), indexes_in(facts))), KEYS)
    assert report.proved.checkpoint is None
    assert report.proved.pending == indexes_in(facts)


def test_no_byte_of_a_bundle_can_be_changed() -> None:
    data = bundle()
    step = 61
    places = {*range(0, len(data), step), *range(200), *range(len(data) - 1_200, len(data))}
    for place in sorted(places):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(NotVerifiedError):
            verify_bundle(bytes(changed), KEYS)


def test_no_bundle_can_be_cut_or_added_to() -> None:
    data = bundle()
    for cut in (0, 1, 21, 22, 23, 400, len(data) // 2, len(data) - 1):
        with pytest.raises(NotVerifiedError):
            verify_bundle(data[:cut], KEYS)
    for more in (data + b"\0", b"\0" + data, data + data):
        with pytest.raises(NotVerifiedError):
            verify_bundle(more, KEYS)


def tampered() -> Iterator[tuple[str, Callable[[list[Member]], list[Member]], str]]:
    """What somebody without the key may do to the members, and what is said of it."""

    def at(name: str, change: Callable[[bytes], bytes]) -> Callable[[list[Member]], list[Member]]:
        return lambda members: [(n, change(d) if n == name else d) for n, d in members]

    yield (
        "a member changed",
        at("dataset/card.html", lambda data: data + b"!"),
        "dataset/card.html was changed",
    )
    yield "a member left out", lambda members: members[:-1], "should have 6 members, and has 5"
    yield (
        "a member put in",
        lambda members: [*members, ("x.html", b"x")],
        "should have 6 members, and has 7",
    )
    yield (
        "two members in another order",
        lambda members: [*members[:4], members[5], members[4], *members[6:]],
        "should stand, there is",
    )
    yield (
        "the statement moved",
        lambda members: [*members[1:], members[0]],
        "its first members are not",
    )
    yield (
        "a member renamed",
        lambda members: [(name.replace("html", "htm"), data) for name, data in members],
        "dataset/card.html should stand, there is dataset/card.htm",
    )
    yield (
        "facts changed",
        at(FACTS, lambda data: data.replace(b"as it was recorded", b"as was recorded", 1)),
        "facts.json was changed",
    )
    yield "proofs emptied", at(PROOFS, lambda _: b"{}"), "evidence/proofs.json was changed"
    yield (
        "the manifest of other members",
        at(MANIFEST, lambda data: data.replace(b'"bytes":2,', b'"bytes":3,')),
        "about another manifest",
    )
    yield "no envelope", at(STATEMENT, lambda _: b"{}"), "no envelope"


@pytest.mark.parametrize(
    ("change", "said"), [case[1:] for case in tampered()], ids=[case[0] for case in tampered()]
)
def test_members_that_were_changed_are_named(
    change: Callable[[list[Member]], list[Member]], said: str
) -> None:
    changed = pack(change(unpack(bundle())))
    with pytest.raises(NotVerifiedError) as caught:
        verify_bundle(changed, KEYS)
    assert said in caught.value.detail


def test_the_key_of_another_registry_is_not_taken() -> None:
    for keys in (keys_of(STRANGER), keys_of(SECRET, "lineage-registry/other"), []):
        with pytest.raises(NotVerifiedError):
            verify_bundle(bundle(), keys)


def resigned(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The bundle with its proofs changed, and all of it signed again by who has the key."""
    members = dict(unpack(bundle()))
    read = json.loads(members[PROOFS])
    change(read)
    return _signed_again(members | {PROOFS: canonical_json(read)})


def _signed_again(members: dict[str, bytes]) -> bytes:
    inner = [(name, data) for name, data in members.items() if name not in (STATEMENT, MANIFEST)]
    listed = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in inner
    ]
    manifest = canonical_json({"bundle": "lineage-registry/card/1", "members": listed})
    statement = json.loads(read_envelope(members[STATEMENT]).payload)
    statement["subject"][0]["digest"]["sha256"] = hashlib.sha256(manifest).hexdigest()
    envelope = sign_envelope(PAYLOAD_TYPE, canonical_json(statement), SECRET)
    return pack([(STATEMENT, envelope), (MANIFEST, manifest), *inner])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda read: read["entries"].pop(0), "of other entries"),
        (lambda read: read["pending"].append(7_000), "of other entries"),
        (lambda read: read["entries"][1].update(document="{}"), "was edited"),
        (lambda read: read["entries"][1].pop("salt"), "another form"),
        (lambda read: read["entries"][1].update(more=1), "another form"),
        (lambda read: read["entries"][1].update(index="1"), "another form"),
        (lambda read: read["entries"][0]["hashes"].pop(), "does not hold entry 0"),
        (lambda read: read["entries"][0].update(leafData="AAAA"), "another length"),
        (lambda read: read.update(checkpoint=None), "proofs and no checkpoint"),
        (lambda read: read.update(checkpoint=3), "another form"),
        (lambda read: read.update(checkpoint="x"), "not one of the log's"),
        (lambda read: read.update(checkpoint=checkpoint(secret=STRANGER)), "not one of the log's"),
        (
            lambda read: (
                read["entries"].pop(),
                read["pending"].append(indexes_in(told_facts())[-1]),
            ),
            "has no proof",
        ),
        (lambda read: read.update(pending=["a"]), "another form"),
    ],
)
def test_proofs_that_do_not_hold_are_refused_whoever_signs_them(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    with pytest.raises(NotVerifiedError) as caught:
        verify_bundle(resigned(change), KEYS)
    assert said in caught.value.detail


def test_anything_anywhere_in_the_proofs_is_refused_whoever_signs_it() -> None:
    read = json.loads(dict(unpack(bundle()))[PROOFS])
    for changed in spoiled(read, 100):
        if changed == read:
            continue
        members = dict(unpack(bundle()))
        try:
            members[PROOFS] = canonical_json(changed)
        except InvalidInputError:
            continue
        with pytest.raises(NotVerifiedError):
            verify_bundle(_signed_again(members), KEYS)


def test_a_bundle_that_was_only_signed_again_still_holds() -> None:
    assert verify_bundle(resigned(lambda _: None), KEYS).about == told_facts().about


@pytest.mark.parametrize(
    "name",
    [
        "../card.html",
        "/card.html",
        "a/../b",
        "a//b",
        "a\\b",
        "",
        ".hidden",
        "c:x",
        "a b",
        "é",
        "x" * 101,
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError):
        bundle(members={name: b""})


@pytest.mark.parametrize("name", [STATEMENT, MANIFEST, FACTS, PROOFS, "evidence/more.json"])
def test_a_name_of_its_own_is_not_for_others(name: str) -> None:
    with pytest.raises(InvalidInputError):
        bundle(members={name: b""})


def test_names_that_differ_in_case_alone_are_one_name() -> None:
    with pytest.raises(InvalidInputError):
        bundle(members={"a/card.html": b"", "a/Card.html": b""})


def test_proofs_of_other_entries_make_no_bundle() -> None:
    with pytest.raises(InvalidInputError):
        bundle(told_facts(), Proofs(checkpoint(), (), ()))


def foreign_zips() -> Iterator[tuple[str, bytes]]:
    """Zips that other programs would read."""
    members = unpack(bundle())

    def written(how: int, names: list[str] | None = None, comment: bytes = b"") -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", how) as archive:
            archive.comment = comment
            for (name, data), other in zip(members, names or [n for n, _ in members], strict=True):
                archive.writestr(other or name, data)
        return file.getvalue()

    yield "compressed", written(zipfile.ZIP_DEFLATED)
    yield "stored by another program", written(zipfile.ZIP_STORED)
    yield "with a comment", written(zipfile.ZIP_STORED, comment=b"hello")
    yield (
        "with a path outside",
        written(zipfile.ZIP_STORED, ["../../etc/passwd", *(name for name, _ in members[1:])]),
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * 50_000_000)
    yield "a bomb", file.getvalue()
    yield "no zip", b"PK\x03\x04" * 1_000
    yield "an empty zip", b"PK\x05\x06" + b"\0" * 18
    yield "one that claims four gigabytes", b"PK\x03\x04" + b"\xff" * 26 + b"x" * 100


@pytest.mark.parametrize("name", [name for name, _ in foreign_zips()])
def test_zips_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(NotVerifiedError):
        verify_bundle(dict(foreign_zips())[name], KEYS)


def test_a_member_that_stands_twice_is_refused() -> None:
    members = unpack(bundle())
    with pytest.raises(InvalidInputError):
        pack([*members, members[-1]])
    single = pack([("one", b"1"), ("two", b"2")])
    doubled = single.replace(b"two", b"one")
    with pytest.raises(NotVerifiedError):
        unpack(doubled)


def test_there_is_a_most_of_members() -> None:
    with pytest.raises(InvalidInputError):
        pack([(f"m{at}", b"") for at in range(LIMIT_MEMBERS + 1)])


def test_proofs_come_from_the_stored_log(site: Site) -> None:
    site.write(700)
    log = site.log()
    signed = log.catch_up()
    site.write(20, first=700)
    facts = _resting_on(0, 3, 255, 256, 640, 699, 10_000)
    with site.database.read() as session:
        opened = read_proofs(session, indexes_in(facts), opened=True)
        closed = read_proofs(session, indexes_in(facts), opened=False)
        nothing = read_proofs(session, (), opened=True)
    origin = signed.note.partition("\n")[0]
    for proofs, shown in ((opened, 0), (closed, 6)):
        data = bundle(facts, proofs, origin=origin)
        report = verify_bundle(data, [*site.keys(), *keys_of(SECRET, origin)])
        assert (report.proved.proved, report.proved.closed) == (6, shown)
        assert report.proved.pending == (10_000,)
    assert nothing.entries == ()


def test_a_log_without_a_checkpoint_proves_nothing_yet(site: Site) -> None:
    with site.database.read() as session:
        proofs = read_proofs(session, (1, 2), opened=True)
    assert proofs == Proofs(None, (), (1, 2))


def _resting_on(*indexes: int) -> CardFacts:
    facts = empty_facts()
    evidence = tuple(Evidence(EvidenceKind.EVENT, f"{index}", index) for index in indexes)
    name = "quantity.examples"
    fact = replace(facts[name], evidence=evidence, evidence_total=len(evidence))
    return replace(facts, facts={**facts.facts, name: fact})
