"""Checks the id token of a provider; pure but for the libraries it loads when it is asked.

Rules (OpenID Connect Core §3.1.3.7; RFC 8725):
1. The signature is one of the algorithms that the operator allows, by a key of the provider. `none`
   and shared secrets are never among them, whatever the token's header says.
2. `iss` is the issuer, exactly; `aud` holds our client id, and `azp` is it where there are others.
3. `nonce` is the one that this very log-in sent, compared in constant time.
4. `exp`, `iat` and `nbf` fit the clock within a minute. `at_hash`, where there is one, fits the
   access token that came with it.
5. Whatever is wrong, a stranger gets one answer; the log says which rule was broken, no more.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.errors import LogInError

LEEWAY_SECONDS = 60
TOKEN_LIMIT = 64 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an id token is held to."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Sequence[str]


class UnknownKeyError(Exception):
    """The token names a key that is not in the set: the provider may have new ones."""


def read_id_token(
    raw: object,
    keys: Mapping[str, Any],
    expected: Expected,
    *,
    access_token: str | None,
    now: datetime,
) -> dict[str, Any]:
    """The claims of an id token. `keys`: the provider's JSON Web Key Set.

    Raises LogInError (rule 5), UnknownKeyError.
    """
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import InvalidKeyIdError, JoseError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    if not isinstance(raw, str) or len(raw) > TOKEN_LIMIT:
        raise refused("there is no id token in the provider's answer")
    try:
        # Keys of kinds that nobody here knows must not hide those that are known.
        known = [key for key in keys.get("keys", ()) if key.get("kty") in ("RSA", "EC", "OKP")]
        registry = JWSRegistry(algorithms=list(expected.algorithms), strict_check_header=False)
        token = jwt.decode(raw, KeySet.import_key_set({"keys": known}), registry=registry)
        options = {
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
        }
        given = {
            "nonce": expected.nonce,
            "client_id": expected.client_id,
            "access_token": access_token,
        }
        claims = CodeIDToken(token.claims, token.header, options, given)
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
    except InvalidKeyIdError as error:
        raise UnknownKeyError from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise refused(f"{type(error).__name__}: {_words(error)}") from error
    found = dict(claims)
    _check_again(found, expected)
    return found


def _check_again(claims: Mapping[str, Any], expected: Expected) -> None:
    """Rules 2 and 3 once more in our own words, so that no library's default can loosen them."""
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    nonce = claims.get("nonce")
    if claims["iss"] != expected.issuer or expected.client_id not in audiences:
        raise refused("issuer or audience is another")
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), expected.nonce.encode()
    ):
        raise refused("the nonce is another")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise refused("the subject is missing, or longer than 255 characters")


def _words(error: Exception) -> str:
    """What a library says of it, as far as it is no part of the token."""
    return str(getattr(error, "error", "") or "")[:100]


def refused(why: str) -> LogInError:
    """The answer of rule 5. Effects: one line in the log."""
    _log.warning("a log-in by the provider is refused: %s", why)
    return LogInError(
        "The identity provider's answer is not one that this log-in can take.",
        remedy="Log in again at /log-in; tell the operator if it stays so.",
    )
