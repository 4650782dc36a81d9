"""Finds in a text what identifies a person: e-mail, phone, card, IBAN, IP, national number.

Rules:
1. One RE2 pass finds candidates; each is confirmed by its own checks (`checks`, `national_ids`).
2. A URL, a UUID and a date are no identifiers, and digits inside them are none; an e-mail address
   in a URL is one, but not the user and host of its authority.
3. What random digits pass too often counts only with the words before it (`CONTEXT_BYTES`).
4. The value is what the subject scheme's normaliser takes (CONTRACTS, Subjects): a phone number in
   E.164 where its country is known, a national number with `CC:`, a card's or IBAN's characters
   alone. `text[start:end]` is how it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from registry.pii import checks, national_ids
from registry.pii.patterns import Pattern


class IdentifierKind(StrEnum):
    """What kind of identifier was found; the values of the ledger's `pii` column."""

    EMAIL = "email"
    PHONE = "phone"
    PAYMENT_CARD = "payment_card"
    IBAN = "iban"
    IP_ADDRESS = "ip_address"
    NATIONAL_ID = "national_id"


class Found(NamedTuple):
    """An identifier in a text: characters `start` to `end`, and its value (rule 4)."""

    kind: IdentifierKind
    value: str
    start: int
    end: int


# An IP address is missing: many people share one, and an erasure must not reach the others.
SCHEME_OF_KIND: Mapping[IdentifierKind, str] = MappingProxyType(
    {
        IdentifierKind.EMAIL: "email",
        IdentifierKind.PHONE: "phone",
        IdentifierKind.NATIONAL_ID: "national_id",
        IdentifierKind.PAYMENT_CARD: "account",
        IdentifierKind.IBAN: "account",
    }
)
_PROVIDERS = {IdentifierKind.PAYMENT_CARD: "card/", IdentifierKind.IBAN: "iban/"}
CONTEXT_BYTES = 48

_WORD = "[0-9A-Za-z_\u00c0-\u024f]"
# The bound keeps a long run of such characters from being read anew for each candidate in it.
_LOCAL = rf"{_WORD}(?:{_WORD}|[.%+'-]){{0,63}}"
_EMAIL = rf"{_LOCAL}@{_WORD}(?:{_WORD}|-)*(?:\.(?:{_WORD}|-)+)+"
_NOISE = (
    r"https?://[^\s\"'<>]+",
    r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b",
    r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?",
)
_FORMS = (
    r"\b[A-Z]{2}\d\d(?:[ -]?[0-9A-Z]){11,30}\b|\b[a-z]{2}\d\d[0-9a-z]{11,30}\b",  # IBAN
    r"\b[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]\b",  # IT
    r"\b[a-z]{6}\d\d[a-ehlmpr-t]\d\d[a-z]\d{3}[a-z]\b",  # IT
    r"\b\d{8}-?[A-Z]\b|\b[XYZ]-?\d{7}-?[A-Z]\b|\b\d{7}[A-W][A-IW]?\b",  # ES, IE
    r"\b[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]\b",  # GB
    r"\b\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]\b",  # FI, SE, DK
    r"\b[1-478] ?\d\d ?\d\d ?2[AB] ?\d{3} ?\d{3} ?\d\d\b",  # FR, Corsica
    r"\b(?:[23][0-9A-Fa-f]{3}|[Ff][CDcd][0-9A-Fa-f]{2}):[0-9A-Fa-f:]{2,34}[0-9A-Fa-f:]",  # IPv6
    r"(?:\+|\b00)[1-9][\d ().\-/]{5,22}\d\b",  # phone
    r"\(\d{3}\) ?\d{3}[ .-]\d{4}\b|\b(?:1[ .-])?[2-9]\d\d[.-]\d{3}[.-]\d{4}\b",  # phone
    r"\b\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,4}(?:[ -]\d{1,3})?\b",  # card
    r"\b3\d{3}[ -]\d{6}[ -]\d{4,5}\b",  # card
    r"\b[1-478] \d\d \d\d \d\d \d{3} \d{3} \d\d\b|\b\d\d \d{3} \d{3} \d{3}\b",  # FR, DE
    r"\b\d\d\.\d\d\.\d\d-\d{3}[.-]\d\d\b|\b\d{6}-\d{3}-\d\d\b|\b\d{8}-\d{4}\b",  # BE, SE
    r"\b\d{3}[- ]\d\d[- ]\d{4}\b",  # US
    r"\b756\.\d{4}\.\d{4}\.\d\d\b|\b\d{4}\.\d\d\.\d{3}\b",  # CH, NL
    r"\b\d{6} \d{5}\b|\b\d{4} \d{6}\b|\b\d{3} \d{3} \d{3}\b",  # NO, AT, NL and PT
    r"\b0[1-9](?:\.\d\d){4}\b",  # phone
    r"\b\d{1,3}(?:\.\d{1,3}){3}\b",  # IPv4
    r"\(?\b0[1-9]\d{0,3}\)?[ /-]{1,2}\d{2,8}(?:[ /-]\d{2,8}){0,4}\b",  # phone
    r"\b\d{9,12}\b|\b(?:756|4\d\d)\d{10}\b|\b\d{14,16}\b|\b(?:62|4\d)\d{15,17}\b",
)
# Matches wherever `find_identifiers` may find something; Arrow's kernels take the same text.
CANDIDATES = "|".join((_EMAIL, *_FORMS))
_candidates = Pattern("|".join((*_NOISE, CANDIDATES)).encode(), utf8=True)
_email = Pattern(_EMAIL.encode(), utf8=True)

_SHAPE = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", b"9" * 10 + b"A" * 52
)
_FIRST_RUN = re.compile(rb"[^0-9A-Za-z]*[0-9A-Za-z]*")
_LAST_GROUP = re.compile(rb"[^0-9]*[0-9]+$")
_NO_DIGIT = re.compile(rb"[^0-9]")
_PATH = re.compile(rb"[/?#]")
_AUTHORITY = re.compile(rb"//[^\s/]*$")
_NO_MAILBOX = ("git", "hg", "svn")
_CODE = ("self", "this", "np", "jnp", "torch")
_GOES_ON = re.compile(rb"-[0-9A-Za-z]")
_CARD = re.compile(r"9{12,19}|(9999[ -]){3}9{1,4}([ -]9{1,3})?|9999[ -]999999[ -]9{4,5}")
_BRITISH = re.compile(rb"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]\b")
_NORTH_AMERICAN = re.compile(r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[ .-]\d{4}")
_DOTTED = re.compile(r"9{1,3}(?:\.9{1,3}){3}")
_DECIMAL = re.compile(rb"\+\d+\.\d+")
_TRUNK = re.compile(
    rb"\(?0[1-9]\d{0,3}\)?[ /-]{1,2}\d{2,8}(?:[ /-]\d{2,8}){0,4}\b|0[1-9](?:\.\d\d){4}\b"
    rb"|0[1-9]\d{7,10}\b"
)
_CARD_WORDS = re.compile(rb"card|visa|master|credit|debit|amex|maestro|\bpan\b|kart|carte|tarjeta")
_PHONE_WORDS = re.compile(
    rb"phone|\btel|fon\b|t\xc3\xa9l|mobil|\bcell|\bcall|\bfax|handy|whatsapp|\bsms\b|\bgsm\b|contact"
)
_IP_WORDS = re.compile(rb"\bip|addr|host|from|server|client|dns|peer|remote")


def subject_of(found: Found) -> tuple[str, str] | None:
    """The scheme and value under which the person can be found again; None if there is none.

    That is an IP address, and a phone number whose country the text does not tell.
    """
    scheme = SCHEME_OF_KIND.get(found.kind)
    if scheme is None or (found.kind is IdentifierKind.PHONE and found.value[0] != "+"):
        return None
    return scheme, _PROVIDERS.get(found.kind, "") + found.value


def find_identifiers(text: str) -> list[Found]:
    """The identifiers in a text, in order, none overlapping.

    Cost: about 1.5 µs and 2.5 µs per kB of text without candidates, 3 to 10 µs for each candidate.
    """
    data = text.encode("utf-8", "surrogatepass")
    found: list[Found] = []
    position = 0
    while (span := _candidates.find(data, position)) is not None:
        hits, position = _confirm(data, *span)
        found.extend(hits)
    if found and len(data) != len(text):
        return _in_characters(found, data)
    return found


def _in_characters(found: list[Found], data: bytes) -> list[Found]:
    """The same with offsets in characters where they were in bytes."""
    moved, at_byte, at_character = [], 0, 0
    for hit in found:
        start = at_character + _characters(data[at_byte : hit.start])
        at_character = start + _characters(data[hit.start : hit.end])
        at_byte = hit.end
        moved.append(hit._replace(start=start, end=at_character))
    return moved


def _characters(data: bytes) -> int:
    return len(data.decode("utf-8", "surrogatepass"))


def _confirm(data: bytes, start: int, end: int) -> tuple[list[Found], int]:
    """What a candidate holds, and where to look on."""
    token = data[start:end]
    if token.startswith((b"http://", b"https://")):
        return list(_emails_in_url(data, start, end)), end
    if b"@" in token:
        hit = _confirm_email(data, start, end)
        return ([] if hit is None else [hit]), end if hit is None else hit.end
    shape = token.translate(_SHAPE)
    if shape.startswith(b"9999-99-99") or (len(token) == 36 and token.count(b"-") == 4):
        return [], end
    hit = _confirm_characters(data, start, token, shape.decode())
    if hit is not None:
        return [hit], hit.end
    run = _FIRST_RUN.match(data, start)
    return [], max(start + 1, run.end() if run is not None else end)


def _emails_in_url(data: bytes, start: int, end: int) -> Iterator[Found]:
    """E-mail addresses in the path or query of a URL (rule 2)."""
    path = _PATH.search(data, start + len("https://"), end)
    position = end if path is None else path.start()
    while (span := _email.find(data[:end], position)) is not None:
        hit = _confirm_email(data, *span)
        position = span[1] if hit is None else hit.end
        if hit is not None:
            yield hit


def _confirm_email(data: bytes, start: int, end: int) -> Found | None:
    local, _, rest = data[start:end].decode("utf-8", "surrogatepass").partition("@")
    domain = checks.email_domain(rest)
    before = data[max(0, start - 64) : start]
    if domain is None or before[-1:] == b"@" or before[-1:].isalnum() or _AUTHORITY.search(before):
        return None
    value = f"{local}@{domain}"
    end = start + len(value.encode("utf-8", "surrogatepass"))
    if local in _NO_MAILBOX or data[end : end + 1] == b"(" or domain.split(".")[0] in _CODE:
        return None
    if local.endswith(".") or ".." in local:
        return None
    return Found(IdentifierKind.EMAIL, value, start, end)


def _confirm_characters(data: bytes, start: int, token: bytes, shape: str) -> Found | None:
    """A candidate of digits, letters and separators, by its shape."""
    end = start + len(token)
    if _is_inside_number(data, start, end):
        return None
    if token.startswith(b"+"):
        return _confirm_international(data, start, token)
    text = token.decode()
    compact = "".join(filter(str.isalnum, text))
    before = data[max(0, start - CONTEXT_BYTES) : start].lower()
    national = _national_id(compact, shape, before)
    if national is not None and not _GOES_ON.match(data, end):
        return Found(IdentifierKind.NATIONAL_ID, national, start, end)
    if token.startswith(b"00") and "A" not in shape:
        return _confirm_international(data, start, token)
    if shape.startswith("AA"):
        return _confirm_iban(data, start, text) or _confirm_british(start, token)
    if ":" in text or _DOTTED.fullmatch(shape):
        return _confirm_ip(start, text, before)
    if _CARD.fullmatch(shape):
        return _confirm_card(start, text, compact, before)
    if _NORTH_AMERICAN.fullmatch(text) and compact[-10] in "23456789":
        return Found(IdentifierKind.PHONE, "+1" + compact[-10:], start, end)
    trunk = _TRUNK.match(data, start)
    if trunk is not None and _PHONE_WORDS.search(before):
        value = _NO_DIGIT.sub(b"", trunk.group()).decode()
        if 8 <= len(value) <= 12:
            return Found(IdentifierKind.PHONE, value, start, trunk.end())
    return None


def _is_inside_number(data: bytes, start: int, end: int) -> bool:
    """Whether digits and a point come right before, or a point or an exponent right after."""
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if before[1:] == b"." and before[:1].isdigit():
        return True
    exponent = data[end - 1 : end] == b"E" and after[:1] in (b"+", b"-")
    return (exponent or after[:1] == b".") and after[1:].isdigit()


def _national_id(compact: str, shape: str, before: bytes) -> str | None:
    if len(compact) == 16 and shape.startswith("AAAAAA"):
        return f"IT:{compact.upper()}" if national_ids.is_italian(compact) else None
    for rule in national_ids.RULES.get(shape, ()):
        if rule.is_valid(compact) and (rule.words is None or rule.words.search(before)):
            return national_ids.value_of(rule.country, compact)
    return None


def _confirm_iban(data: bytes, start: int, text: str) -> Found | None:
    """An IBAN, cut to its country's length, where a capitalised word may follow it."""
    size = checks.iban_length(text)
    position = 0
    compact = ""
    while size is not None and position < len(text) and len(compact) < size:
        compact += text[position] if text[position].isalnum() else ""
        position += 1
    end = start + position
    if not checks.is_iban(compact) or data[end : end + 1].isalnum():
        return None
    return Found(IdentifierKind.IBAN, compact.upper(), start, end)


def _confirm_british(start: int, token: bytes) -> Found | None:
    """A National Insurance number where an IBAN was looked for and capitals follow."""
    number = _BRITISH.match(token)
    if number is None or not national_ids.is_british(number.group().decode()):
        return None
    value = national_ids.value_of("GB", number.group().replace(b" ", b"").decode())
    return Found(IdentifierKind.NATIONAL_ID, value, start, start + number.end())


def _confirm_ip(start: int, text: str, before: bytes) -> Found | None:
    if ":" in text:
        text = text if text.endswith("::") else text.rstrip(":")
        value = checks.host_ipv6(text)
    else:
        # Four single digits are rather a version or a section, and so is what stands after a "v".
        version = before.endswith((b"v", b"-")) or b"version" in before[-12:]
        said = len(text) > len("1.2.3.4") or _IP_WORDS.search(before) is not None
        value = text if checks.is_host_ipv4(text) and said and not version else None
    if value is None:
        return None
    return Found(IdentifierKind.IP_ADDRESS, value, start, start + len(text))


def _confirm_card(start: int, text: str, compact: str, before: bytes) -> Found | None:
    """A card; the digits of the expiry date may follow, and rare lengths need a word before."""
    said = _CARD_WORDS.search(before) is not None
    if checks.is_payment_card(compact) and (said or text != compact or len(text) in (14, 15, 16)):
        return Found(IdentifierKind.PAYMENT_CARD, compact, start, start + len(text))
    sixteen = text[: len("9999 9999 9999 9999")]
    if len(sixteen) < len(text) and text != compact and checks.is_payment_card(compact[:16]):
        return Found(IdentifierKind.PAYMENT_CARD, compact[:16], start, start + len(sixteen))
    return None


def _confirm_international(data: bytes, start: int, token: bytes) -> Found | None:
    """A number with its country code, cut from the end until the country has such numbers."""
    before = data[max(0, start - CONTEXT_BYTES) : start]
    if token.startswith(b"+"):
        if before[-1:].isalnum() or before.endswith(b"+") or _DECIMAL.fullmatch(token):
            return None
    elif token.isdigit() and not _PHONE_WORDS.search(before.lower()):
        return None
    rest = token
    while len(rest) > 7:
        value = checks.e164(rest.decode())
        if value is not None:
            return Found(IdentifierKind.PHONE, value, start, start + len(rest))
        rest = _LAST_GROUP.sub(b"", rest)
    return None
