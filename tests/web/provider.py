"""A real OpenID provider on loopback, as a process of its own that can be told to lie.

    python -m tests.web.provider

prints its port and serves until its standard input ends. It is `oidc-provider-mock` behind a layer
that checks PKCE, which that provider does not, and that changes the answers of the token endpoint
when it is asked to: `PUT /lie {"kind": "alg_none"}`; an empty kind ends it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

warnings.simplefilter("ignore")

from joserfc import jwt  # noqa: E402
from joserfc.jwk import RSAKey  # noqa: E402
from oidc_provider_mock import app as provider_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

Start = Callable[..., Any]
Environment = dict[str, Any]


class Layer:
    """WSGI around the provider: PKCE, and lies."""

    def __init__(self) -> None:
        self._app = provider_app(require_nonce=True)
        self._lie = ""
        self._challenge = ""
        self._stranger = RSAKey.generate_key(2048)

    def __call__(self, environment: Environment, start: Start) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/lie":
            self._lie = json.loads(_body(environment))["kind"]
            start("204 No Content", [])
            return [b""]
        if path == "/oauth2/authorize" and environment["REQUEST_METHOD"] == "GET":
            self._challenge = parse_qs(environment["QUERY_STRING"]).get("code_challenge", [""])[0]
        if path != "/oauth2/token":
            return self._app(environment, start)
        return self._token(environment, start)

    def _token(self, environment: Environment, start: Start) -> Iterable[bytes]:
        body = _body(environment)
        verifier = parse_qs(body.decode()).get("code_verifier", [""])[0]
        digest = hashlib.sha256(verifier.encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self._challenge:
            return _answer(start, "400 Bad Request", {"error": "invalid_grant"})
        environment["wsgi.input"] = io.BytesIO(body)
        said: list[Any] = []
        parts = self._app(environment, lambda *given: said.extend(given))
        answer = json.loads(b"".join(parts))
        if self._lie and "id_token" in answer:
            answer["id_token"] = self._forged(answer["id_token"])
        return _answer(start, said[0], answer)

    def _forged(self, token: str) -> str:
        head, payload, _signature = token.split(".")
        claims = json.loads(_unpacked(payload))
        header = {"alg": "RS256", "kid": json.loads(_unpacked(head)).get("kid", "")}
        match self._lie:
            case "alg_none":
                return f"{_packed({'alg': 'none'})}.{payload}."
            case "alg_hs256":
                return f"{_packed({'alg': 'HS256'})}.{payload}.{_packed({})}"
            case "unsigned":
                return f"{head}.{payload}."
            case "changed":
                return f"{head}.{_packed({**claims, 'sub': 'somebody else'})}.{_signature}"
            case "stranger":
                return jwt.encode({**header, "kid": "stranger"}, claims, self._stranger)
            case "missing":
                return ""
            case kind:
                raise ValueError(kind)


def _answer(start: Start, status: str, answer: object) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def _body(environment: Environment) -> bytes:
    return environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))


def _packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main() -> None:
    """Serve until standard input ends."""
    server = make_server("127.0.0.1", 0, Layer(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
