"""Where a value given to a secret name ends, and whether it is a secret.

Rules:
1. A quoted value ends at its own quote, whatever its level of escaping; a parameter of a URL or
   connection string at the next one; any other at white space, quote, comma, semicolon or bracket.
2. A reference is no secret: `a.token = b.token`, `token=get_token()`, `password=os.environ["X"]`,
   `secret#3 = secret#9`, `password: str`.
3. With blanks around `=`, and after `:`, a plain word counts only where the assignment is a line of
   its own, since SQL compares columns and prose goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from registry.pii.patterns import Ahead
from registry.pii.secret_names import (
    is_folder,
    is_placeholder,
    is_prose,
    is_secret_name,
    is_token_name,
    is_type,
    plain_name,
)

_BARE_END = re.compile(rb"[\s\"'`,;&)\]}<>|]")
_PARAMETER_END = re.compile(rb"[\s\"'`&;<>]")
_LINE_END = re.compile(rb"[\r\n]")
_QUOTE = re.compile(rb"(?i:[nrbufe]{0,2})(\\*)(\"\"\"|'''|''(?=[^\s',;)\]}])|[\"'`])")
_TO_QUOTE = {
    quote: re.compile(rb"(?:[^%(q)s\\]|\\.|%(q)s%(q)s)*+(?=%(q)s)" % {b"q": quote}, re.DOTALL)
    for quote in (b'"', b"'", b"`")
}
_LINE_AFTER = re.compile(rb"[ \t\"';]*(?:[\r\n]|$)")
_TEMPLATE = ("{{", "${", "$(", "%(", "{%", "#{")
_NO_VALUE = (*_TEMPLATE, "{", "[", "(")
_CALL = re.compile(r"[A-Za-z_][\w.]*[(\[].*", re.DOTALL)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_REFERENCE = re.compile(r"[\w.]+#\d+L?")
_PORT = re.compile(r"\d{1,5}(?:[/?#].*)?", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+[.:!?]?")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_IDENTIFIER = re.compile(r"[A-Za-z_]+")
_MARGIN = 64
_MAX_JUDGED = 4096


@dataclass(frozen=True, slots=True)
class Value:
    """Bytes `start` to `end` of a text, without the quotes around them."""

    start: int
    end: int
    quoted: bool


class Values:
    """The values of one text; it remembers where the next end of each kind is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._bare_end = Ahead(_BARE_END, data)
        self._parameter_end = Ahead(_PARAMETER_END, data)
        self._line_end = Ahead(_LINE_END, data)

    def text(self, value: Value) -> str:
        """The value as text, cut where it is longer than any rule looks."""
        return self.data[value.start : min(value.end, value.start + _MAX_JUDGED)].decode(
            "utf-8", "replace"
        )

    def bare(self, start: int) -> Value:
        """The value that begins at `start`, taken to have no quotes."""
        return Value(start, self._bare_end.of(start), quoted=False)

    def parameter(self, start: int, *, quotes: bool) -> Value:
        """The value of a parameter of a URL, or of a connection string, where quotes may be."""
        if quotes and _QUOTE.match(self.data, start):
            return self.at(start)
        return Value(start, self._parameter_end.of(start), quoted=False)

    def at(self, start: int) -> Value:
        """The value that begins at `start` (rule 1); an unclosed quote ends with its line."""
        opening = _QUOTE.match(self.data, start)
        if opening is None:
            return self.bare(start)
        escape, quote = opening.groups()
        begin = opening.end()
        if escape or len(quote) > 1:
            end = _closing(self.data, begin, escape, quote)
        elif self.data.startswith(quote, begin):
            end = begin
        else:
            found = _TO_QUOTE[quote].match(self.data, begin)
            end = -1 if found is None else found.end()
        return Value(begin, self._line_end.of(begin) if end < 0 else end, quoted=True)


def _closing(data: bytes, start: int, escape: bytes, quote: bytes) -> int:
    """The next quote with exactly that many backslashes before it; -1 if there is none."""
    end = data.find(escape + quote, start)
    while end > start and escape and data[end - 1] == 0x5C:
        end = data.find(escape + quote, end + 1)
    return end


def is_line(data: bytes, start: int, end: int, *, indented: bool) -> bool:
    """Whether `start` to `end` is all of its line, or a member of a `{mapping: in, braces: x}`.

    `indented`: blanks, dashes and quotes may come before it.
    """
    before = data[max(0, start - _MARGIN) : start]
    before = before.rstrip(b" \t\"'-") if indented else before
    if indented and before.endswith(b"{"):
        return True
    begins = before.endswith((b"\n", b"\r")) if before else start < _MARGIN
    return begins and _LINE_AFTER.match(data, end) is not None


def is_quoted_secret(name: str, operator: bytes, value: str) -> bool:
    """Whether a value in quotes is a secret."""
    if is_placeholder(value) or value.lstrip().startswith(_TEMPLATE):
        return False
    if operator == b":" and (is_type(value) or is_prose(value)):
        return False
    if _DOTTED.fullmatch(value) and is_secret_name(value):
        return False
    if is_token_name(name):
        compared = operator in (b"==", b"!=")
        return not compared and len(value) >= 6 and not (value.isdigit() and len(value) < 8)
    return True


def is_bare_secret(name: str, operator: bytes, value: str, *, spaced: bool, alone: bool) -> bool:
    """Whether a value without quotes is a secret (rules 2 and 3).

    `spaced`: blanks around the operator; `alone`: the assignment is a line of its own.
    """
    compared = spaced and not alone and operator != b":"
    if is_placeholder(value) or _is_reference(name, value, spaced=spaced, compared=compared):
        return False
    if operator in (b"==", b"!="):
        return False
    if is_token_name(name) and value.isdigit() and len(value) < 8:
        return False
    if operator == b":":
        return _is_labelled_secret(name, value, alone=alone and spaced)
    if spaced and _IDENTIFIER.fullmatch(value):
        return alone and "_" not in value
    return len(value) > 1 or not spaced


def _is_labelled_secret(name: str, value: str, *, alone: bool) -> bool:
    """Whether `value` is one after a colon, where types, ports and prose stand as well."""
    if is_token_name(name):
        return len(value) >= 8 and any(character.isdigit() for character in value)
    if is_type(value) or (_PORT.fullmatch(value) and "pass" not in name.lower()):
        return False
    return alone or _WORD.fullmatch(value) is None


def is_variable(value: str) -> bool:
    """Whether a value could be a variable: after a key in quotes it is one, `{"token": token}`."""
    return _VARIABLE.fullmatch(value) is not None


def _is_reference(name: str, value: str, *, spaced: bool, compared: bool) -> bool:
    if value.startswith(_NO_VALUE) or _CALL.fullmatch(value) or _REFERENCE.fullmatch(value):
        return True
    if is_folder(name, value):
        return True
    if "_" in value and value == name:  # an argument passed on: `client_token=client_token`
        return True
    if spaced and is_variable(value) and plain_name(name).endswith(plain_name(value)):
        return True
    return _DOTTED.fullmatch(value) is not None and (compared or is_secret_name(value))
