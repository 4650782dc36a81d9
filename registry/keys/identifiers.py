"""Brings a person's identifiers to one normal form, so that the same person is found again.

Rules (CONTRACTS, "Subjects"):
1. `email`: NFKC, trimmed, lower case. `phone`: E.164. `account`: exact, with `provider/` before
   it. `national_id`: `CC:`, then digits and letters only, upper case. `url`: as `url_form` says.
   `external`: exact.
2. A normaliser never changes: another rule is another version of it, the newest last. What is
   written takes the newest; look-ups take every one, so that older subject keys are still found.
3. A normal form normalises to itself.
4. What cannot be an identifier of its scheme is refused with the reason and a remedy. No message
   holds the identifier or a part of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from registry.errors import InvalidInputError
from registry.keys.url_form import UrlFormError, normal_url

LONGEST_BYTES = 2_048


class Scheme(StrEnum):
    """What kind of identifier it is."""

    EMAIL = "email"
    PHONE = "phone"
    ACCOUNT = "account"
    NATIONAL_ID = "national_id"
    URL = "url"
    EXTERNAL = "external"


class RefusedError(Exception):
    """Why an identifier is refused, in constant words, so that refusals can be counted."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Normaliser:
    """One version of a scheme's rule. `apply` gives the normal form or raises RefusedError."""

    version: int
    apply: Callable[[str], str]


def parse_scheme(text: str, *, path: str | None = None) -> Scheme:
    """The scheme of that name. Raises InvalidInputError."""
    try:
        return Scheme(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text[:40]!r} is no scheme of identifiers.",
            remedy=f"Choose one of: {', '.join(Scheme)}.",
            path=path,
        ) from error


def normal_forms(scheme: Scheme, text: str, *, path: str | None = None) -> list[tuple[int, str]]:
    """(normaliser version, normal form) for every version, the newest first.

    A form that only an older version accepts is left out. Raises InvalidInputError where the newest
    refuses.
    """
    newest, *older = reversed(NORMALISERS[scheme])
    try:
        forms = [(newest.version, checked(newest, text))]
    except RefusedError as refusal:
        raise InvalidInputError(
            f"This is no identifier of the scheme {scheme}: {refusal.reason}.",
            remedy=refusal.remedy,
            path=path,
        ) from None  # the cause would show the identifier
    for each in older:
        try:
            forms.append((each.version, checked(each, text)))
        except RefusedError:
            continue
    return forms


def checked(normaliser: Normaliser, text: str) -> str:
    """The normal form: not empty, at most 2,048 bytes of UTF-8. Raises RefusedError."""
    if not text or text.isspace():
        raise RefusedError("it is empty", "Leave the subject out, or give its identifier.")
    if len(text) > LONGEST_BYTES:
        raise _too_long()
    form = normaliser.apply(text)
    if not form.isascii():
        try:
            if len(form.encode()) > LONGEST_BYTES:
                raise _too_long()
        except UnicodeEncodeError:
            raise RefusedError(
                "it is no valid Unicode", "Send text without lone surrogates."
            ) from None
    return form


def _too_long() -> RefusedError:
    return RefusedError(
        f"it has more than {LONGEST_BYTES} bytes", "Give a shorter one, or a digest."
    )


# Brackets, quotes and lists are how an address is shown, not what it is (RFC 5322 §3.4).
_EMAIL_PART = r'[^\s@<>()\[\]\\,;:"\x00-\x1f\x7f]+'
_EMAIL = re.compile(f"{_EMAIL_PART}@{_EMAIL_PART}")


def _email_1(text: str) -> str:
    if text.isascii():
        form = text.strip().lower()
    else:
        form = unicodedata.normalize("NFKC", text).strip().lower()
        form = unicodedata.normalize("NFKC", form)
    if not _EMAIL.fullmatch(form):
        raise RefusedError(
            "it is not of the form name@domain", "Give the address alone, without name or brackets."
        )
    if not form.isascii():
        _refuse_invisible(form)
    return form


# Marks between digits, and the invisible ones that address books put around a number.
_PHONE_MARKS = re.compile(
    r"[\s().\-/\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
#: Where a written "(0)" is dialled from abroad too: Italy, San Marino, the Vatican.
_ZERO_KEPT = ("39", "378", "379")
_E164 = re.compile(r"[1-9][0-9]{6,14}")


def _phone_1(text: str) -> str:
    if not text.isascii():
        text = _ascii_digits(unicodedata.normalize("NFKC", text))
    has_trunk_zero = "(0)" in text
    compact = _PHONE_MARKS.sub("", text.replace("(0)", "(_)"))
    if compact[:4].lower() == "tel:":
        compact = compact[4:]
    if compact.startswith("+"):
        number = compact[1:]
    elif compact.startswith("00"):
        number = compact[2:]
    else:
        raise RefusedError(
            "it does not begin with a country code",
            "Write it in international form: + and country code, such as +49 for Germany.",
        )
    if has_trunk_zero:
        number = number.replace("_", "0" if number.startswith(_ZERO_KEPT) else "", 1)
    if not _E164.fullmatch(number):
        raise RefusedError(
            "it is not + and 7 to 15 digits (E.164)",
            "Leave out extensions and words; an internal number alone is no telephone number.",
        )
    return "+" + number


_ACCOUNT = re.compile(r"[^/\s]+/.+", re.DOTALL)


def _account_1(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise RefusedError(
            "it is not of the form provider/account",
            "Put the provider before it, such as github/octocat.",
        )
    return text


_COUNTRY = re.compile(r"[A-Z]{2}")
_ID_MARKS = re.compile(r"[\s.\-/_\u2010-\u2015\u2212]+")


def _national_id_1(text: str) -> str:
    country, colon, number = unicodedata.normalize("NFKC", text).strip().partition(":")
    country = country.strip().upper()
    if not colon or not _COUNTRY.fullmatch(country):
        raise RefusedError(
            "it does not begin with a country",
            "Put the country's two letters (ISO 3166-1) and a colon before it, such as DE:.",
        )
    form = unicodedata.normalize("NFKC", _ascii_digits(_ID_MARKS.sub("", number)).upper())
    if not form.isalnum():
        raise RefusedError(
            "it holds something else than digits and letters, or nothing",
            "Give the whole number; one that is masked in part finds nobody.",
        )
    return f"{country}:{form}"


def _url_1(text: str) -> str:
    try:
        return normal_url(text)
    except UrlFormError as error:
        raise RefusedError(
            str(error), "Give an absolute URL, such as https://example.org/ada."
        ) from None


def _exact_1(text: str) -> str:
    return text


def _ascii_digits(text: str) -> str:
    """Decimal digits of any script as 0 to 9."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(each, each)) for each in text)


def _refuse_invisible(form: str) -> None:
    if any(unicodedata.category(each) in ("Cc", "Cf", "Cn", "Co") for each in form):
        raise RefusedError(
            "it holds an invisible character", "Remove it; it is a copying accident."
        )


#: Every version of each scheme's rule, the newest last (rule 2).
NORMALISERS: dict[Scheme, tuple[Normaliser, ...]] = {
    Scheme.EMAIL: (Normaliser(1, _email_1),),
    Scheme.PHONE: (Normaliser(1, _phone_1),),
    Scheme.ACCOUNT: (Normaliser(1, _account_1),),
    Scheme.NATIONAL_ID: (Normaliser(1, _national_id_1),),
    Scheme.URL: (Normaliser(1, _url_1),),
    Scheme.EXTERNAL: (Normaliser(1, _exact_1),),
}
