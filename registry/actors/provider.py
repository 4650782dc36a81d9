"""Talks to the OpenID provider: code flow with PKCE (RFC 6749 §4.1, RFC 7636, OIDC Core §3.1).

Rules:
1. The provider's description is read from the issuer, must name that very issuer (OIDC Discovery
   §4.3), and only addresses with TLS in it are used (loopback excepted).
2. Description and keys are kept for an hour; a key that is not known makes them read again, at most
   once a minute.
3. The client secret travels to the token endpoint and nowhere else; it is in no row and no log.
4. What the provider answers besides the id token is thrown away: no access token is kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from registry.actors.id_tokens import Expected, UnknownKeyError, read_id_token, refused
from registry.clock import Clock
from registry.errors import ProviderError

if TYPE_CHECKING:
    from authlib.integrations.httpx_client import OAuth2Client

TIMEOUT_SECONDS = 10.0
KEPT = timedelta(hours=1)
READ_AGAIN_AFTER = timedelta(minutes=1)
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How this registry is known at the provider."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    algorithms: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """One log-in on its way: where the provider sends the browser back to, and its secrets."""

    redirect_uri: str
    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    description: Mapping[str, Any]
    keys: Mapping[str, Any]
    read_at: datetime


class Provider:
    """The provider of these settings. Thread-safe; nothing is asked before the first log-in."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def log_in_url(self, journey: Journey) -> str:
        """Where the browser goes to log in. Raises ProviderError."""
        endpoint = self._read().description["authorization_endpoint"]
        with self._client(journey.redirect_uri) as client:
            url, _state = client.create_authorization_url(
                endpoint,
                state=journey.state,
                code_verifier=journey.verifier,
                nonce=journey.nonce,
            )
        return str(url)

    def claims(self, journey: Journey, code: str) -> dict[str, Any]:
        """The claims of whoever came back with this code. Raises LogInError, ProviderError."""
        known = self._read()
        answer = self._exchange(known.description, journey, code)
        access_token = answer.get("access_token")
        expected = Expected(
            self.settings.issuer,
            self.settings.client_id,
            journey.nonce,
            self.settings.algorithms,
        )
        for last in (False, True):
            try:
                return read_id_token(
                    answer.get("id_token"),
                    known.keys,
                    expected,
                    access_token=access_token if isinstance(access_token, str) else None,
                    now=self._clock(),
                )
            except UnknownKeyError as error:
                if last:
                    raise refused("the id token is signed by a key of nobody's") from error
                known = self._read(older_than=READ_AGAIN_AFTER)
        raise AssertionError("the loop above returns or raises")

    def _exchange(
        self, description: Mapping[str, Any], journey: Journey, code: str
    ) -> Mapping[str, Any]:
        from authlib.integrations.base_client import OAuthError
        from httpx2 import HTTPError

        offered = description.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        try:
            with self._client(journey.redirect_uri) as client:
                client.token_endpoint_auth_method = method if client.client_secret else "none"
                answer: Mapping[str, Any] = client.fetch_token(
                    description["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=journey.verifier,
                )
                return answer
        except OAuthError as error:
            raise refused(f"the provider refuses the code: {str(error.error)[:100]}") from error
        except (HTTPError, ValueError) as error:
            raise _silent(self.settings.issuer, error) from error

    def _client(self, redirect_uri: str) -> OAuth2Client:
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            self.settings.client_id,
            self.settings.client_secret or None,
            scope=" ".join(self.settings.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
        )

    def _read(self, *, older_than: timedelta = KEPT) -> _Known:
        now = self._clock()
        with self._lock:
            if self._known is None or not timedelta() <= now - self._known.read_at < older_than:
                self._known = self._ask(now)
            return self._known

    def _ask(self, now: datetime) -> _Known:
        from httpx2 import Client, HTTPError

        issuer = self.settings.issuer
        try:
            with Client(timeout=TIMEOUT_SECONDS) as client:
                address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
                description = client.get(address).raise_for_status().json()
                _check_description(description, issuer)
                keys = client.get(description["jwks_uri"]).raise_for_status().json()
        except (HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _silent(issuer, error) from error
        if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
            raise _silent(issuer, ValueError("its keys are no JSON Web Key Set"))
        return _Known(description, keys, now)


def _check_description(description: Mapping[str, Any], issuer: str) -> None:
    """Rule 1. Raises ValueError."""
    if description["issuer"] != issuer:
        raise ValueError("it says that it is another issuer")
    for name in _ENDPOINTS:
        address = urlsplit(str(description[name]))
        if address.scheme != "https" and address.hostname not in _LOOPBACK:
            raise ValueError(f"its {name} is without TLS")


def _silent(issuer: str, error: Exception) -> ProviderError:
    _log.warning("the provider %s: %s: %s", issuer, type(error).__name__, str(error)[:200])
    return ProviderError(
        "The identity provider does not answer as one.",
        remedy="Try again; the operator finds the reason in the server's log.",
    )
