"""Passwords: what may be one, how it rests, and how it is checked without telling who has one.

Rules:
1. argon2id with the second recommended parameters of RFC 9106 §4: 3 passes, 64 MiB, 4 lanes.
2. 12 to 256 characters, any of Unicode, in the form NFKC (NIST SP 800-63B §3.1.1.2); no rules of
   composition. Neither the account's name nor one character over and over.
3. A name that nobody has costs the same time: its password is checked against a hash of nothing.
4. At most two checks run at once, each takes 64 MiB; others wait for their turn.
"""

from __future__ import annotations

import threading
import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING

from registry.actors.sessions import new_secret
from registry.errors import InvalidInputError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 256
_AT_ONCE = 2


class Passwords:
    """Hashes and checks passwords. Thread-safe; argon2 is loaded by the first that asks."""

    def __init__(self) -> None:
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._making = threading.Lock()

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher
        from argon2.profiles import RFC_9106_LOW_MEMORY

        return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

    @cached_property
    def _of_nobody(self) -> str:
        return self._hasher.hash(new_secret())

    def encode(self, password: str) -> str:
        """The argon2id hash of a password, in the PHC form. Cost: 64 MiB, some 50 ms."""
        with self._turn:
            return self._hasher.hash(_normal(password))

    def matches(self, encoded: str | None, password: str) -> bool:
        """Whether the password is the one of that hash; None: of nobody, never (rule 3)."""
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._making:
            against = encoded if encoded is not None else self._of_nobody
        with self._turn:
            try:
                found = self._hasher.verify(against, _normal(password)[: 4 * LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return found and encoded is not None


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def check_new_password(password: str, *, name: str) -> None:
    """Raise InvalidInputError for what cannot be a password (rule 2)."""
    normal = _normal(password)
    if not SHORTEST <= len(normal) <= LONGEST:
        raise InvalidInputError(
            f"The password has {len(normal)} characters; {SHORTEST} to {LONGEST} are needed.",
            remedy="Choose some words that do not belong together.",
            path="password",
        )
    # A database would keep text that cannot be typed; a browser never sends it.
    if any(0xD800 <= ord(each) <= 0xDFFF for each in password):
        raise InvalidInputError(
            "The password holds half of a character.", remedy="Type it anew.", path="password"
        )
    if normal.casefold() == name.casefold() or len(set(normal)) == 1:
        raise InvalidInputError(
            "The password is the account's name, or one character over and over.",
            remedy="Choose some words that do not belong together.",
            path="password",
        )
