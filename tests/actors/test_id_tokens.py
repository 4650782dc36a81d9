"""Id tokens: the one that is taken, and everything that is not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from registry.actors.id_tokens import Expected, UnknownKeyError, read_id_token
from registry.errors import LogInError

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
KEY = RSAKey.generate_key(2048, {"kid": "one"})
CURVE = ECKey.generate_key("P-256", {"kid": "two"})
KEYS: dict[str, Any] = {
    "keys": [
        {**KEY.as_dict(private=False), "use": "sig"},
        CURVE.as_dict(private=False),
        {"kty": "unheard of", "kid": "three"},
    ]
}
EXPECTED = Expected("https://id.test", "registry", "the nonce", ("RS256", "ES256"))


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def claims(**changes: Any) -> dict[str, Any]:
    complete = {
        "iss": "https://id.test",
        "aud": "registry",
        "sub": "s-1",
        "nonce": "the nonce",
        "iat": seconds(NOW),
        "exp": seconds(NOW + timedelta(minutes=5)),
        **changes,
    }
    return {name: value for name, value in complete.items() if value is not None}


def token(header: Mapping[str, Any] | None = None, key: Any = KEY, **changes: Any) -> str:
    head = {"alg": "RS256", "kid": "one", **(header or {})}
    return jwt.encode(head, claims(**changes), key, algorithms=[str(head["alg"])])


def read(raw: object, **changes: Any) -> dict[str, Any]:
    access_token = changes.pop("access_token", None)
    return read_id_token(raw, KEYS, EXPECTED, access_token=access_token, now=NOW)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "raw",
    [
        token(),
        token({"alg": "ES256", "kid": "two"}, CURVE),
        token({"typ": "anything"}),
        token(aud=["registry", "another"], azp="registry"),
        token(iat=seconds(NOW + timedelta(seconds=50))),
        token(exp=seconds(NOW - timedelta(seconds=50))),
    ],
)
def test_a_token_that_fits_is_taken(raw: str) -> None:
    assert read(raw)["sub"] == "s-1"


@pytest.mark.parametrize(
    "raw",
    [
        None,
        5,
        "",
        "a.b.c",
        "a" * 100_000,
        f"{part({'alg': 'none'})}.{part(claims())}.",
        f"{part({'alg': 'None'})}.{part(claims())}.",
        f"{part({})}.{part(claims())}.",
        f"{part({'alg': 'RS256', 'kid': 'one'})}.{part(claims())}.",
        f"{part({'alg': 'RS256', 'kid': 'one'})}.{part([])}.{part({})}",
        token({"alg": "RS512"}),
        token({"alg": "PS256"}),
        token(iss="https://id.test/"),
        token(iss="https://other.test"),
        token(iss=None),
        token(aud="another"),
        token(aud=["another"]),
        token(aud=["registry", "another"]),
        token(aud=["registry", "another"], azp="another"),
        token(aud=None),
        token(azp="another"),
        token(nonce="another"),
        token(nonce=None),
        token(nonce=7),
        token(exp=seconds(NOW - timedelta(minutes=2))),
        token(exp=None),
        token(exp="soon"),
        token(iat=seconds(NOW + timedelta(minutes=2))),
        token(nbf=seconds(NOW + timedelta(minutes=2))),
        token(sub=None),
        token(sub=""),
        token(sub="s" * 256),
        token(sub=["s-1"]),
    ],
)
def test_a_token_that_does_not_fit_is_refused_without_a_reason(raw: object) -> None:
    with pytest.raises(LogInError, match="not one that this log-in can take") as caught:
        read(raw)
    assert caught.value.code == "log_in_refused"


def test_a_shared_secret_signs_nothing() -> None:
    """The public key as an HMAC secret: the classic confusion of RS256 and HS256."""
    signed = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(claims())}"
    digest = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")
    raw = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    with pytest.raises(LogInError):
        read(raw)


def test_a_strangers_signature_is_refused() -> None:
    stranger = RSAKey.generate_key(2048)
    with pytest.raises(LogInError):
        read(token(key=stranger))


def test_a_key_that_is_not_known_is_said_to_be() -> None:
    with pytest.raises(UnknownKeyError):
        read(token({"kid": "new"}, RSAKey.generate_key(2048, {"kid": "new"})))


def test_the_access_token_is_held_to_its_digest() -> None:
    raw = token(at_hash="77QmUPtjPfzWtF2AnpK9RQ")
    assert read(raw, access_token="jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y")
    with pytest.raises(LogInError):
        read(raw, access_token="another")
