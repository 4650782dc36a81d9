"""Signatures of webhooks, going out and coming in, as Standard Webhooks has them. Pure.

Rules (standardwebhooks.com, "Signature scheme"):
1. What is signed is `id.timestamp.body`, by HMAC-SHA-256 under a secret of 24 to 64 bytes, written
   `whsec_` and base64. The header holds one or several of `v1,` and base64, apart by spaces.
2. A signature is compared in constant time; a timestamp that is over five minutes away from the
   clock is refused, so that what was overheard is not worth keeping.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"


def webhook_key(secret: str) -> bytes | None:
    """The key in a secret; None where it is none (rule 1)."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return None
    return key if 24 <= len(key) <= 64 else None


def webhook_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for a message; the secret must hold a key."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def is_signed(
    secret: str, message_id: str, timestamp: str, signatures: str, body: bytes, *, now: datetime
) -> bool:
    """Whether one of the signatures is right and the message fresh (rule 2)."""
    if webhook_key(secret) is None or not message_id:
        return False
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    right = webhook_signature(secret, message_id, int(timestamp), body).encode()
    # Every one is looked at, so that the time tells nothing.
    found = [hmac.compare_digest(each.encode(), right) for each in signatures.split()]
    return any(found)
