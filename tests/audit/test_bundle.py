"""A bundle verifies with the file and a key, and any change of it is refused."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from registry.audit.bundle import bundle_lines, verify_bundle
from registry.audit.checkpoint import Checkpoint, sign_checkpoint
from registry.audit.documents import document, leaf_data
from registry.audit.merkle import leaf_hash, root_hash
from registry.audit.notes import VerifierKey
from registry.errors import InvalidInputError, NotVerifiedError, RegistryError

SECRET = bytes(range(32))
KEYS = [
    VerifierKey(None, Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw())
]
SIZE = 40
REDACTED = 7


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def made(size: int = SIZE) -> list[str]:
    """The lines of a bundle; entry 7 is redacted, entry 3 speaks more than ASCII."""
    entries: list[dict[str, Any]] = []
    leaves = []
    for number in range(size):
        salt = bytes([number]) * 32
        facts = json.dumps({"n": number, "name": "ä" if number == 3 else "a"}, ensure_ascii=False)
        whole = document("pipeline", 1_000 * number, facts.encode(), "lineage.event.received")
        data = leaf_data(salt, whole)
        leaves.append(leaf_hash(data))
        gone = number == REDACTED
        entries.append(
            {
                "leaf_data": b64(data),
                "salt": None if gone else b64(salt),
                "document": None if gone else whole.decode(),
            }
        )
    head = Checkpoint("lineage-registry/x", size, root_hash(leaves))
    return list(bundle_lines(sign_checkpoint(head, SECRET), entries))


def test_a_bundle_verifies() -> None:
    report = verify_bundle(made(), KEYS)
    assert (report.checkpoint.size, report.redacted) == (SIZE, 1)


def test_an_empty_log_verifies() -> None:
    assert verify_bundle(made(0), KEYS).checkpoint.size == 0


def changed(index: int, change: Callable[[dict[str, Any]], object]) -> list[str]:
    lines = made()
    entry = json.loads(lines[1 + index])
    change(entry)
    lines[1 + index] = json.dumps(entry) + "\n"
    return lines


def redo(entry: dict[str, Any]) -> None:
    """Change an entry and let it fit itself again."""
    entry["document"] = entry["document"].replace("pipeline", "somebody")
    salt = base64.b64decode(entry["salt"])
    entry["leaf_data"] = b64(leaf_data(salt, entry["document"].encode()))


CASES: dict[str, tuple[Callable[[], list[str]], type[RegistryError], str]] = {
    "an edited document": (
        lambda: changed(5, lambda e: e.update(document=e["document"].replace("pipe", "pope"))),
        NotVerifiedError,
        "entry 5 was edited",
    ),
    "another salt": (
        lambda: changed(5, lambda e: e.update(salt=b64(bytes(32)))),
        NotVerifiedError,
        "entry 5 was edited",
    ),
    "an entry that fits itself alone": (lambda: changed(5, redo), NotVerifiedError, "do not lead"),
    "a document that was put where one was redacted": (
        lambda: changed(REDACTED, lambda e: e.update(document="{}", salt=b64(bytes(32)))),
        NotVerifiedError,
        "entry 7 was edited",
    ),
    "a deleted entry": (
        lambda: made()[:9] + made()[10:],
        NotVerifiedError,
        "holds 39 entries, and the checkpoint was signed over 40",
    ),
    "a tail cut off": (lambda: made()[:-3], NotVerifiedError, "holds 37 entries"),
    "an entry more": (lambda: [*made(), made()[-1]], NotVerifiedError, "holds 41 entries"),
    "two entries that changed places": (
        lambda: [*made()[:5], made()[6], made()[5], *made()[7:]],
        NotVerifiedError,
        "do not lead",
    ),
    "another checkpoint's size": (
        lambda: [made()[0].replace("\\n40\\n", "\\n41\\n"), *made()[1:]],
        NotVerifiedError,
        "is wrong",
    ),
    "nothing": (list, InvalidInputError, "line 1"),
    "no JSON": (lambda: [made()[0], "{"], InvalidInputError, "line 2: the line is no JSON"),
    "deep JSON": (lambda: [made()[0], "[" * 10**5], InvalidInputError, "line 2"),
    "a list": (lambda: [made()[0], "[]"], InvalidInputError, "no JSON object"),
    "something else": (lambda: ['{"bundle": "x"}'], InvalidInputError, "first line"),
    "no leaf data": (
        lambda: changed(5, lambda e: e.pop("leaf_data")),
        InvalidInputError,
        "line 7: leaf_data is no base64",
    ),
    "short leaf data": (
        lambda: changed(5, lambda e: e.update(leaf_data="AAAA")),
        InvalidInputError,
        "another length",
    ),
    "a document without its salt": (
        lambda: changed(5, lambda e: e.pop("salt")),
        InvalidInputError,
        "salt is no base64",
    ),
    "a document that is a number": (
        lambda: changed(5, lambda e: e.update(document=5)),
        InvalidInputError,
        "document is no text",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bundle_that_does_not_hold(name: str) -> None:
    lines, refusal, complaint = CASES[name]
    with pytest.raises(refusal, match=complaint):
        verify_bundle(lines(), KEYS)


def test_a_bundle_is_not_believed_by_its_own_key() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(NotVerifiedError, match="None of the 1 keys"):
        verify_bundle(made(), [VerifierKey(None, other)])


def test_verifying_a_bundle_loads_no_database() -> None:
    code = (
        "import sys, registry.audit.bundle, registry.audit.notes\n"
        "assert not {'sqlalchemy', 'sqlmodel', 'fastapi', 'obstore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
