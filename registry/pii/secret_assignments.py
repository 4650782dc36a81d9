"""Secrets that show by the name they are given to in SQL, commands, settings and code.

Rules:
1. `name = value`, `name: value`, `--name value`, `PASSWORD 'value'`, `IDENTIFIED BY value`,
   `curl -u user:value`, where the name is secret (`secret_names`) and the value is none of what
   `secret_values` excepts. Only the value is the secret.
2. An `Authorization` keeps its scheme (RFC 9110 §11.6.2), a `Cookie` nothing (RFC 6265 §4).
3. Neither a part of an ARN nor a host with its port is an assignment: `arn:aws:…:1:secret:name`,
   `http://secret-service:8080/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry.pii.patterns import Pattern
from registry.pii.secret_names import RAW_WORDS, WORDS, is_placeholder, is_secret_name, plain_name
from registry.pii.secret_shapes import SecretKind, Span
from registry.pii.secret_values import (
    Values,
    is_bare_secret,
    is_line,
    is_quoted_secret,
    is_variable,
)

_I = rb"(?i)"
_assigned = Pattern(
    _I
    + rb"([\w.$-]*"
    + WORDS
    + rb"[\w.-]*)(?:#\d+L?)?(\\*[\"'`]|\])?([ \t]*)(=>|:=|[!=]?=|:)([ \t]*)"
)
_option = Pattern(_I + rb"(?:^|[\s\"'\[(,])(-[\w-]*" + WORDS + rb"[\w-]*)(?:\\*[\"'])?,?[ \t]+")
_phrase = Pattern(
    _I
    + rb"\b(?:passw(?:or)?d|passphrase|identified\s+by(?:\s+password)?"
    + rb"|identified\s+with\s+\S+\s+(?:by|as))\s+(\\*[\"'])"
)
_login = Pattern(
    _I
    + rb"\b(?:curl\b[^\n]*?\s(?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"']+:"
    + rb"|sshpass\s+-p\s*|(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;]*?\s(?-i:-p))([^\s])"
)

# What the raw JSON of an event must contain for the rules above to find anything in it. A quote
# inside a string is escaped there, white space may be too; an unescaped quote before a colon ends
# the key of a member, which matters where its value is a string or a list.
_BLANK = rb"(?:\s|\\[bfnrt])"
RAW_HINTS = (
    _I + RAW_WORDS + rb"(?:[^\"\\]|\\.)*\"\s*:\s*[\"\[]",
    _I + WORDS + rb"[\w.-]*(?:#\d+L?)?(?:\\+\"|\\*['`]|\])?" + _BLANK + rb"*(?:[!=:]?=|:)",
    _I + rb"-[\w-]*" + WORDS + rb"[\w-]*(?:(?:\\+\"|\\*')?,?(?:[ \t]|\\t)|\"\s*,\s*\")",
    _I
    + rb"(?:passw(?:or)?d|passphrase|identified"
    + _BLANK
    + rb"+[^\"]*(?:by|as))"
    + _BLANK
    + rb"+\\*[\"']",
    _I + rb"curl(?:[^\"\\]|\\.)*-(?:u|-user|-proxy-user)(?:[^\"\\]|\\.)*:",
    _I + rb"(?:sshpass|mysql|mysqldump|mysqladmin|mariadb)" + _BLANK + rb"(?:[^\"\\]|\\.)*-p",
)

_SCHEME = re.compile(
    rb"\\*[\"']?(?i:(bearer|basic|token|apikey|key|negotiate|ntlm)|(digest|[\w-]*hmac[\w-]*))[ \t]+"
)
_WHOLE_LINE = re.compile(rb"[\r\n]")
_COOKIE_END = re.compile(rb"[\r\n\"'\\]")
_CREDENTIAL_END = re.compile(rb"[\s\"'\\,;]")
_MIN_CREDENTIAL = 16


def find_assignments(data: bytes) -> Iterator[Span]:
    """The secret values that the text gives to secret names. Cost: one pass for each form."""
    values = Values(data)
    position = 0
    while (spans := _assigned.groups(data, position)) is not None:
        span = _assigned_secret(values, spans)
        position = spans[0][1] if span is None else max(span.end, spans[0][1])
        if span is not None:
            yield span
    for pattern in (_option, _phrase, _login):
        yield from _following(pattern, values)


def _assigned_secret(values: Values, spans: list[tuple[int, int]]) -> Span | None:
    (begin, start), name_span, closing, blanks, operator_span, blanks_after = spans
    data = values.data
    name = _text(data[slice(*name_span)])
    before = data[name_span[0] - 1 : name_span[0]] if name_span[0] else b""
    operator = data[slice(*operator_span)]
    if not is_secret_name(name) or _is_no_assignment(data, before, operator, closing, start):
        return None
    plain = plain_name(name)
    if plain.endswith("authorization"):
        return _authorization(values, start)
    if plain.endswith("cookie") and operator == b":":
        return _cookie(data, start)
    if operator == b"=" and before in (b"?", b"&", b";"):
        found = values.parameter(start, quotes=before == b";")
        secret = not is_placeholder(values.text(found))
        return Span(found.start, found.end, SecretKind.URL_PASSWORD) if secret else None
    found = values.at(start)
    value = values.text(found)
    if found.quoted:
        secret = is_quoted_secret(name, operator, value)
    elif closing[1] > closing[0] and is_variable(value):
        secret = False
    else:
        spaced = blanks[1] > blanks[0] or blanks_after[1] > blanks_after[0]
        alone = is_line(data, begin, found.end, indented=operator == b":")
        secret = is_bare_secret(name, operator, value, spaced=spaced, alone=alone)
    return Span(found.start, found.end, SecretKind.ASSIGNED_SECRET) if secret else None


def _is_no_assignment(
    data: bytes, before: bytes, operator: bytes, closing: tuple[int, int], start: int
) -> bool:
    """Part of an ARN, a host with its port (rule 3), or a label: `"Token: " + token`."""
    if operator == b":" and before in (b":", b"/", b"@"):
        return True
    label = before in (b'"', b"'") and closing[0] == closing[1]
    return label and data.startswith(before, start)


def _following(pattern: Pattern, values: Values) -> Iterator[Span]:
    """Values that follow a name without an operator; the pattern's group is the name or value."""
    data = values.data
    position = 0
    while (spans := pattern.groups(data, position)) is not None:
        position = spans[0][1]
        if pattern is _option:
            name, start = _text(data[slice(*spans[1])]), position
            if not is_secret_name(name) or data.startswith(b"-", start):
                continue
        else:
            start = spans[1][0]
        found = values.at(start)
        value = values.text(found)
        if not is_placeholder(value) and not value.startswith(("{{", "$")):
            yield Span(found.start, found.end, SecretKind.ASSIGNED_SECRET)
            position = max(position, found.end)


def _authorization(values: Values, start: int) -> Span | None:
    data = values.data
    scheme = _SCHEME.match(data, start)
    if scheme is None:
        found = values.at(start)
        long_enough = found.end - found.start >= _MIN_CREDENTIAL
        begin, end = found.start, found.end if long_enough else found.start
    else:
        begin = scheme.end()
        end = _end(_CREDENTIAL_END if scheme.group(1) else _WHOLE_LINE, data, begin)
    if is_placeholder(_text(data[begin:end])):
        return None
    return Span(begin, end, SecretKind.AUTHORIZATION)


def _cookie(data: bytes, start: int) -> Span | None:
    begin = start + (data[start : start + 1] in (b'"', b"'"))
    end = _end(_COOKIE_END, data, begin)
    if b"=" not in data[begin:end]:
        return None
    return Span(begin, end, SecretKind.AUTHORIZATION)


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    found = pattern.search(data, start)
    return len(data) if found is None else found.start()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
