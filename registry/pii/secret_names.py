"""Which names hold secrets, and which values under such names are none.

Rules:
1. A name is read by its parts: `clientSecret`, `CLIENT_SECRET` and `client.secret` are one name.
   The secret word must end a part, so that `secretary`, `tokenizer` and `secretsmanager` are none.
2. What is said *about* a secret is none: `token_count`, `password_changed_at`, `secret.provider`.
3. Names of machine learning are none: `eos_token`, `pad_token_id`, `max_tokens`.
4. A placeholder is no secret: `${PASSWORD}`, `:password`, `{{ env_var('X') }}`, `***`, `None`.
"""

from __future__ import annotations

import re
from functools import lru_cache


def _words(joint: bytes) -> bytes:
    """A pattern that every secret name matches in any case; `joint` is what may join two parts."""
    return (
        rb"(?:pass(?:%(j)s(?:wo?r?d|phrase)|code)|pwd|secret|credential|authorization|cookie|token"
        rb"|(?:api|access|private|signing|encryption|master|fernet|hmac|account)%(j)skey"
        rb"|(?:db|user|my|root|admin|smtp|redis|ftp|ldap|jdbc|proxy)%(j)spass)"
    ) % {b"j": joint}


# Wider than `_SECRET` and `_TOKEN`, which decide. In the raw JSON of an event any escape may join.
WORDS = _words(rb"[_.-]?")
RAW_WORDS = _words(rb"(?:\\u[0-9A-Fa-f]{4}|\\.|[^A-Za-z0-9\"\\])*")

_SECRET = re.compile(
    r"(?:pass_?wo?r?d|pass_?phrase|passcode|pwd|secret|credential|authorization|cookie"
    r"|(?:api|access|private|signing|encryption|master|fernet|hmac|azure_account)_?key"
    r"|(?:^|_)(?:db|user|my|root|admin|smtp|redis|ftp|ldap|jdbc|proxy)_?pass)s?\d*(?=_|$)"
)
_TOKEN = re.compile(r"token\d*(?:_(?:value|secret|key))?$")
_NO_TOKEN = re.compile(
    r"(?:^|_)(?:pad|eos|bos|unk|cls|sep|mask|special|page|next|prev|previous|stop|start|end|image"
    r"|audio|first|last|unexpected|expected|invalid|max|min|num|per|total|prompt|completion"
    r"|continuation|text|word|sub|cancellation|sync|stack|input|output|current|lookup)_?token\d*$"
)
_ABOUT = re.compile(
    r"_(?:name|file|filename|path|dir|directory|location|url|uri|endpoint|host|port|arn|type|counts?"
    r"|length|len|size|limit|ttl|policy|providers?|manager|expiry|expires|expiration|expired|in|at"
    r"|date|time|age|enabled|disabled|required|version|format|algorithm|scopes?|issuer|audience"
    r"|index|idx|ids|usage|ratio|rate|prob|fields?|columns?|class|backend|rotation|reset|strength|ref"
    r"|reference|mode|method|needed|present|valid|status|errors?|set|stdin|hint|store|only)\d*$"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ASKS = re.compile(r"^(?:is|has|uses?|needs|num|no|requires?|enable|allow|skip)_")
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")
_VARIABLE = re.compile(r"(?:^|_)(?:pass|auth|salt|pat|key|cert)$")
_PUBLIC_KEY = re.compile(
    r"(?:^|_)(?:primary|foreign|partition|sort|public|group|cache|order|unique|natural|surrogate"
    r"|row|join|cluster|clustering|dedup|idempotency|routing|message|object|s3)_key$"
)
_PLACEHOLDER = re.compile(
    r"[*•.x?]+|\$\{.*\}|\$[a-z_]+|\$\d+|%\w+%|\{\{.*\}\}|<[^<>]*>|:[a-z_]+"
    r"|(?:%(?:\(\w+\))?[sdr]|\{[\w.!:]*\}|[\s:/,@;=.|-])+|arn:[\w-]*:.*"
    r"|\[?\(?(?:redacted|masked|hidden|removed|secret hidden)\]?\)?"
    r"|none|null|nil|undefined|true|false|yes|no|required|optional|empty",
    re.IGNORECASE | re.DOTALL,
)
_TYPE = re.compile(
    r"(?:optional|nullable)?\[?(?:str|string|text|utf8|bytes|binary|varbinary|int|integer|bigint"
    r"|smallint|long|float|double|bool|boolean|decimal|numeric|number|date|timestamp|uuid|json|jsonb"
    r"|variant|object|any|struct|array|map|list|dict|n?varchar2?|n?char|clob|character varying)\]?"
    r"(?:[(<\[].*)?",
    re.IGNORECASE | re.DOTALL,
)
_PROSE = re.compile(r"(?:\S+ ){4,}\S+[.!?]")
_FOLDER = re.compile(r"(?:/|~|\.{1,2}/|[A-Za-z]:[\\/])")
_MAX_NAME = 200


@lru_cache(maxsize=4096)
def _is_secret(tail: str) -> bool:
    plain = plain_name(tail)
    if _ABOUT.search(plain) or _ASKS.match(plain):
        return False
    if _SECRET.search(plain):
        return True
    return _TOKEN.search(plain) is not None and not _NO_TOKEN.search(plain)


def plain_name(name: str) -> str:
    """The name in lower case with its parts joined by `_`; cut to its last 200 characters."""
    return _NO_WORD.sub("_", _HUMP.sub("_", name[-_MAX_NAME:])).strip("_").lower()


def is_secret_name(name: str) -> bool:
    """Whether a key, column or option of that name holds a secret (rules 1 to 3)."""
    return _is_secret(name[-_MAX_NAME:])


def is_secret_variable(name: str) -> bool:
    """As `is_secret_name` for an environment variable, where `..._KEY` and `..._PASS` count too."""
    if is_secret_name(name):
        return True
    plain = plain_name(name)
    return _VARIABLE.search(plain) is not None and not _PUBLIC_KEY.search(plain)


def is_token_name(name: str) -> bool:
    """Whether the name is secret only because it ends in `token`, a word with other meanings."""
    return _SECRET.search(plain_name(name)) is None


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret without being one (rule 4); also the empty value."""
    stripped = value.strip()
    return not stripped or (len(stripped) <= 200 and _PLACEHOLDER.fullmatch(stripped) is not None)


def is_type(value: str) -> bool:
    """Whether a value names a data type, as in `password: string` of a schema."""
    return len(value) <= 200 and _TYPE.fullmatch(value.strip()) is not None


def is_prose(value: str) -> bool:
    """Whether a value is a sentence about a secret, as descriptions of columns are."""
    return len(value) <= 2000 and _PROSE.fullmatch(value.strip()) is not None


def is_folder(name: str, value: str) -> bool:
    """Whether this is a shell's `PWD=/home/…`, the working folder and no password."""
    return plain_name(name) in ("pwd", "oldpwd") and _FOLDER.match(value) is not None


def is_named_secret(name: str, value: str) -> bool:
    """Whether the value of a JSON member or variable whose name is secret is to be masked.

    A short number is no token; a type, a sentence or a folder is no password.
    """
    if is_placeholder(value) or is_type(value) or is_prose(value):
        return False
    if is_folder(name, value):
        return False
    return not (is_token_name(name) and value.isdigit() and len(value) < 8)
