"""Notes and checkpoints are those of the C2SP specifications, and say no to everything else."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from registry.audit.checkpoint import (
    Checkpoint,
    open_checkpoint,
    read_checkpoint,
    sign_checkpoint,
)
from registry.audit.notes import (
    VerifierKey,
    pem_block,
    read_keys,
    read_note,
    sign_note,
    verify_note,
    vkey_line,
)
from registry.errors import InvalidInputError, NotVerifiedError

# The example key and note of the documentation of Go's golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
SECRET = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
ORIGIN = "lineage-registry/0197a0e2"
HEAD = Checkpoint(ORIGIN, 7, bytes(range(100, 132)))
SIGNED = sign_checkpoint(HEAD, SECRET)


def test_a_published_note_is_verified() -> None:
    (key,) = read_keys(PETER)
    assert verify_note(read_note(PETERS_NOTE), [key]) is key
    assert vkey_line("PeterNeumann", key.public_key) == PETER


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    origin, size, root, gap, signature, end = SIGNED.split("\n")
    assert (origin, size, gap, end) == (ORIGIN, "7", "", "")
    assert base64.b64decode(root) == HEAD.root
    assert signature.startswith(f"— {ORIGIN} ")
    assert open_checkpoint(SIGNED, [VerifierKey(None, PUBLIC)]) == HEAD


def test_keys_are_read_from_pem_from_lines_and_from_both() -> None:
    line, pem = vkey_line(ORIGIN, PUBLIC), pem_block(OTHER)
    assert read_keys(line) == [VerifierKey(ORIGIN, PUBLIC)]
    assert read_keys(pem) == [VerifierKey(None, OTHER)]
    both = read_keys(f"# the keys of the log\n{line}\n\n{pem}")
    assert sorted(key.public_key for key in both) == sorted([PUBLIC, OTHER])


def test_a_signature_by_a_stranger_beside_ours_is_passed_over() -> None:
    stranger = sign_note(HEAD.text(), "witness.example/w1", bytes(32)).split("\n\n")[1]
    assert open_checkpoint(SIGNED + stranger, [VerifierKey(ORIGIN, PUBLIC)]) == HEAD


def test_extension_lines_are_kept_and_mean_nothing() -> None:
    note = sign_note(HEAD.text() + "something else\n", ORIGIN, SECRET)
    assert open_checkpoint(note, [VerifierKey(None, PUBLIC)]) == HEAD


@pytest.mark.parametrize(
    ("note", "keys", "complaint"),
    [
        (SIGNED, [VerifierKey(None, OTHER)], "None of the 1 keys given signed"),
        (SIGNED, [VerifierKey("another-log", PUBLIC)], "None of the 0 keys given signed"),
        (SIGNED.replace("\n7\n", "\n8\n"), [VerifierKey(None, PUBLIC)], "is wrong"),
        (sign_note(HEAD.text(), "a-log", SECRET), [VerifierKey(None, PUBLIC)], "no signature of"),
    ],
)
def test_a_checkpoint_that_does_not_hold(
    note: str, keys: list[VerifierKey], complaint: str
) -> None:
    with pytest.raises(NotVerifiedError, match=complaint):
        open_checkpoint(note, keys)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "no signature\n",
        "a\nb\n\n— x\n",
        "a\nb\n\n— x AAAA\n",
        "a\nb\n\n- x " + base64.b64encode(bytes(68)).decode() + "\n",
        "a\tb\n\n— x " + base64.b64encode(bytes(68)).decode() + "\n",
        SIGNED[:-1],
        sign_note(f"{ORIGIN}\n07\n{base64.b64encode(bytes(32)).decode()}\n", ORIGIN, SECRET),
        sign_note(f"{ORIGIN}\n-7\n{base64.b64encode(bytes(32)).decode()}\n", ORIGIN, SECRET),
        sign_note(f"{ORIGIN}\n7\n{base64.b64encode(bytes(31)).decode()}\n", ORIGIN, SECRET),
        sign_note(f"{ORIGIN}\n7\nnot base64\n", ORIGIN, SECRET),
        sign_note(f"{ORIGIN}\n", ORIGIN, SECRET),
    ],
)
def test_what_is_no_checkpoint(note: str) -> None:
    with pytest.raises(InvalidInputError):
        read_checkpoint(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "not a key",
        vkey_line(ORIGIN, PUBLIC).replace("+", "+0", 1),
        vkey_line(ORIGIN, PUBLIC)[:-4],
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        X25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    ],
)
def test_what_is_no_file_of_keys(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no file of public keys"):
        read_keys(text)
