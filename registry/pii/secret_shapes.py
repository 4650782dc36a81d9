"""Secrets that show by their own shape: URL passwords, vendors' tokens, JWTs, private keys.

Rules:
1. A URL's password stands between the first `:` of its authority and the last `@` before the next
   `/`, `?` or `#` (RFC 3986 §3.2.1); user and host stay readable. A password with an unescaped `/`
   is taken up to the first `@`, unless what follows the colon is a port. Each of several hosts may
   have its own (`scheme://user:password@host,user:password@host`).
2. A vendor's token starts with that vendor's published prefix and is long enough to be one.
3. Of a PEM private key the armour lines stay (RFC 7468 §2); a key cut off before its end counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum, auto
from typing import NamedTuple

from registry.pii.patterns import Ahead, Pattern
from registry.pii.secret_names import is_placeholder


class SecretKind(StrEnum):
    """What kind of secret was masked; the value is the name in lower case."""

    URL_PASSWORD = auto()
    AWS_KEY = auto()
    AZURE_KEY = auto()
    GITHUB_TOKEN = auto()
    GITLAB_TOKEN = auto()
    SLACK_TOKEN = auto()
    STRIPE_KEY = auto()
    OPENAI_KEY = auto()
    HUGGINGFACE_TOKEN = auto()
    GOOGLE_KEY = auto()
    SIGNED_URL = auto()
    VENDOR_TOKEN = auto()
    JSON_WEB_TOKEN = auto()
    PRIVATE_KEY = auto()
    AUTHORIZATION = auto()
    ASSIGNED_SECRET = auto()
    NAMED_SECRET = auto()
    ENVIRONMENT_VARIABLE = auto()


class Span(NamedTuple):
    """A secret within a text: bytes `start` to `end`."""

    start: int
    end: int
    kind: SecretKind


# Shapes as the vendors publish them; a group, where there is one, is the secret within the match.
_SHAPES: tuple[tuple[SecretKind, bytes], ...] = (
    (SecretKind.AWS_KEY, rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    (SecretKind.GITHUB_TOKEN, rb"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"),
    (SecretKind.GITLAB_TOKEN, rb"gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent|oas)-[\w-]{16,}"),
    (SecretKind.SLACK_TOKEN, rb"xox[abeoprs]-[\w-]{10,}|xapp-\d-[\w-]{10,}"),
    (SecretKind.SLACK_TOKEN, rb"hooks\.slack\.com/services/([\w/]{20,})"),
    (SecretKind.STRIPE_KEY, rb"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9]{20,}"),
    (SecretKind.OPENAI_KEY, rb"sk-(?:[a-z]+\d*-){0,3}\w{16,}[\w-]*"),
    (SecretKind.HUGGINGFACE_TOKEN, rb"(?:hf|api_org)_[A-Za-z0-9]{20,}"),
    (SecretKind.GOOGLE_KEY, rb"AIza[\w-]{30,}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}"),
    (SecretKind.AZURE_KEY, rb"(?:Account|SharedAccess)Key=([A-Za-z0-9+/]{40,}={0,2})"),
    (SecretKind.SIGNED_URL, rb"[?&](?:sig|X-(?:Amz|Goog)-Signature)=([\w%+/=-]{16,})"),
    (SecretKind.VENDOR_TOKEN, rb"npm_[A-Za-z0-9]{30,}|pypi-AgE[\w-]{20,}|dapi[0-9a-f]{32}"),
    (SecretKind.VENDOR_TOKEN, rb"SG\.[\w-]{16,}\.[\w-]{16,}|hv[bsr]\.[\w-]{20,}|glsa_\w{30,}"),
    (SecretKind.VENDOR_TOKEN, rb"dbt[cu]_[\w-]{20,}|dop_v1_[0-9a-f]{60,}|ATATT3[\w=-]{40,}"),
    (SecretKind.VENDOR_TOKEN, rb"shp(?:at|ss|ca|pa)_[0-9a-f]{32}|reg_[\w-]{43}"),
    (SecretKind.JSON_WEB_TOKEN, rb"eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]+){1,3}"),
    (SecretKind.JSON_WEB_TOKEN, rb"eyJ[\w-]{6,}\.eyJ[\w-]{4,}"),
)
_OPENAI_TAIL = re.compile(rb"\w{16,}")
_URL_HEAD = rb"://[^\s/?#@:\"'<>\[\]]*:"
_ORACLE_HEAD = rb"(?i:jdbc:oracle:\w+):[^\s/@\"']+/"
_PEM_HEAD = rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_BEARER_HEAD = rb"(?i:bearer)[ \t]+"

# What the raw JSON of an event must contain for `find_shapes` to find anything in it: the same
# shapes without their left edge, since JSON writes a line feed before a word as `\n`.
RAW_HINTS = (
    rb":\\?/\\?/[^\s/?#@:\"'<>\[\]]*:[^\s\"'<>]*@",
    _ORACLE_HEAD.replace(rb"/", rb"\\?/") + rb"[^\s\"']*@",
    rb"-----BEGIN [A-Z0-9 ]*PRIVATE",
    rb"(?i:bearer)(?:[ \t]|\\t)+[\w.~+/\\-]{16}",
    rb"gh[pousr]_[A-Za-z0-9]{30}|github_pat_|xox[abeoprs]-|xapp-\d-|hooks\.slack\.com",
    rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|gl(?:pat|dt|rt|ptt|soat|cbt|ft|imt|agent|oas)-",
    rb"[rs]k_(?:live|test)_|whsec_",
    rb"(?:[^A-Za-z0-9_]|\\(?:[bfnrt]|u[0-9A-Fa-f]{4}))sk-|(?:hf|api_org)_[A-Za-z0-9]{20}",
    rb"AIza[\w-]{30}|ya29\.|GOCSPX-|(?:Account|SharedAccess)Key=|[?&](?:sig|X-(?:Amz|Goog)-Sig)",
    rb"npm_[A-Za-z0-9]{30}|pypi-AgE|dapi[0-9a-f]{32}|SG\.[\w-]{16}|hv[bsr]\.[\w-]{20}|glsa_\w{30}",
    rb"dbt[cu]_[\w-]{20}|dop_v1_|ATATT3|shp(?:at|ss|ca|pa)_[0-9a-f]{32}|reg_[\w-]{43}|eyJ[\w-]{6}",
)

_url = Pattern(_URL_HEAD)
_oracle = Pattern(_ORACLE_HEAD)
_pem = Pattern(_PEM_HEAD)
_bearer = Pattern(_BEARER_HEAD + rb"([\w.~+/=-]{16,})")
_PORTS = re.compile(rb"\d*(?:,|$)")
_AUTHORITY_END = re.compile(rb"[/?#\s\"'<>]")
_BLANK = re.compile(rb"[\s\"'<>]")
_AT = re.compile(rb"@")
_NEXT_HOST = re.compile(rb"@[\w.:\[\]-]+,[^\s:@,/]*:(?=[^\s/,]*@)")


def _edged(shape: bytes) -> bytes:
    return shape if shape.startswith(b"[?&]") else rb"\b(?:" + shape + rb")"


_ALL_SHAPES = rb"|".join(_edged(shape) for _, shape in _SHAPES)
_any_shape = Pattern(_ALL_SHAPES)
_each_shape = tuple((kind, Pattern(shape)) for kind, shape in _SHAPES)

# What a text must contain for `find_url_passwords` or `find_shapes` to find anything in it.
HINT = rb"|".join((_URL_HEAD, _ORACLE_HEAD, _PEM_HEAD, _BEARER_HEAD, _ALL_SHAPES))


def find_url_passwords(data: bytes) -> Iterator[Span]:
    """Passwords in the authority of URLs (rule 1), and in Oracle's `thin:user/password@`."""
    blank, at = Ahead(_BLANK, data), Ahead(_AT, data)
    position = 0
    while (found := _url.find(data, position)) is not None:
        position = found[1]
        stop = Ahead(_AUTHORITY_END, data).of(position)
        ends = list(_authority_passwords(data, position, stop))
        first = at.of(position)
        if not ends and not _PORTS.match(data[position:stop]) and first < blank.of(position):
            ends = [(position, first)]
        for start, end in ends:
            if end > start and not data.startswith(b"@sha256:", end):
                yield from _unless_placeholder(data, start, end, SecretKind.URL_PASSWORD)
            position = max(position, end)
    blank, at = Ahead(_BLANK, data), Ahead(_AT, data)
    position = 0
    while (found := _oracle.find(data, position)) is not None:
        position = found[1]
        end = at.of(position)
        if position < end < blank.of(position):
            yield from _unless_placeholder(data, position, end, SecretKind.URL_PASSWORD)


def _authority_passwords(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The passwords of an authority, of which several hosts may each have their own."""
    while (host := _NEXT_HOST.search(data, start, stop)) is not None:
        yield start, host.start()
        start = host.end()
    end = data.rfind(b"@", start, stop)
    if end >= 0:
        yield start, end


def _unless_placeholder(data: bytes, start: int, end: int, kind: SecretKind) -> Iterator[Span]:
    if not is_placeholder(data[start:end].decode("utf-8", "replace")):
        yield Span(start, end, kind)


def find_shapes(data: bytes) -> Iterator[Span]:
    """Private keys, bearer credentials and vendors' tokens (rules 2 and 3)."""
    position = 0
    while (found := _pem.find(data, position)) is not None:
        end = data.find(b"-----END", found[1])
        position = len(data) if end < 0 else end
        yield from _unless_placeholder(data, found[1], position, SecretKind.PRIVATE_KEY)
    position = 0
    while (spans := _bearer.groups(data, position)) is not None:
        position = spans[0][1]
        if any(48 <= byte < 58 for byte in data[spans[1][0] : spans[1][1]]):
            yield Span(*spans[1], SecretKind.AUTHORIZATION)
    position = 0
    while (found := _any_shape.find(data, position)) is not None:
        position = found[1]
        span = _shape_at(data, *found)
        if span is not None:
            yield span


def _shape_at(data: bytes, start: int, end: int) -> Span | None:
    token = data[start:end]
    for kind, pattern in _each_shape:
        spans = pattern.groups(token)
        if spans is not None and spans[0] == (0, len(token)):
            if kind is SecretKind.OPENAI_KEY and not _is_random(token):
                return None
            return Span(start + spans[-1][0], start + spans[-1][1], kind)
    return None


def _is_random(token: bytes) -> bool:
    """Whether a token that starts like many kebab-case names has a long part with a digit."""
    return any(
        re.search(rb"\d", part) and re.search(rb"[A-Za-z]", part)
        for part in _OPENAI_TAIL.findall(token)
    )
