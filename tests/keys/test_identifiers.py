"""Normal forms: tables of what meets and what is refused, and what holds for any text."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.errors import InvalidInputError
from registry.keys import identifiers
from registry.keys.identifiers import (
    LONGEST_BYTES,
    NORMALISERS,
    Normaliser,
    RefusedError,
    Scheme,
    checked,
    normal_forms,
    parse_scheme,
)

# Each line: a scheme, the normal form, and spellings that come to it.
MEETING: list[tuple[Scheme, str, list[str]]] = [
    (
        Scheme.EMAIL,
        "ada@example.org",
        ["ada@example.org", " Ada@Example.ORG\n", "ＡＤＡ＠example.org", "ada@example.org\u00a0"],
    ),
    (Scheme.EMAIL, "ada+tag@example.org", ["Ada+Tag@example.org"]),
    (Scheme.EMAIL, "müller@exämple.org", ["Mu\u0308ller@EXÄMPLE.org", "MÜLLER@exa\u0308mple.org"]),
    (
        Scheme.PHONE,
        "+493012345678",
        [
            "+493012345678",
            "+49 30 12345678",
            "0049 30 / 123 456-78",
            "+49 (0)30 12345678",
            "0049(0)30 12345678",
            "tel:+49-30-12345678",
            "TEL:+493012345678",
            "＋４９ ３０ 12345678",
            "+49\u00a030\u201112345678",
            "\u202a+493012345678\u202c",
            "+٤٩٣٠١٢٣٤٥٦٧٨",
        ],
    ),
    (Scheme.PHONE, "+442079460958", ["+44 (0)20 7946 0958", "00442079460958"]),
    (Scheme.PHONE, "+390612345678", ["+39 06 12345678", "+39 (0)6 12345678"]),
    (Scheme.PHONE, "+12015550123", ["+1 (201) 555-0123", "+1.201.555.0123"]),
    (Scheme.ACCOUNT, "github/Octo Cat", ["github/Octo Cat"]),
    (Scheme.ACCOUNT, "did/did:web:example.org/ada", ["did/did:web:example.org/ada"]),
    (
        Scheme.NATIONAL_ID,
        "DE:12345678X9",
        ["DE:12345678X9", "de: 12 345.678-x/9", "DE:１２３４５６７８X9", " De :12345678x9"],
    ),
    (Scheme.NATIONAL_ID, "RU:АБ1234", ["RU:аб 1234"]),
    (
        Scheme.URL,
        "https://example.org/~ada",
        [
            "https://example.org/~ada",
            "HTTPS://Example.ORG:443/~ada",
            "https://example.org/%7Eada",
            "https://example.org/%7eada?#",
            "https://example.org/x/../~ada",
            "https://example.org/x/%2E%2e/./~ada",
            "https:\\\\example.org\\~ada",
            "https:///example.org/~ada",
            " https://example.org/~\nada\t",
            "https://:@example.org/~ada",
        ],
    ),
    (
        Scheme.URL,
        "https://xn--mnchen-3ya.example/",
        ["https://München.example", "HTTPS://MÜNCHEN.example/"],
    ),
    (Scheme.URL, "https://xn--fa-hia.example/", ["https://faß.example/"]),
    (Scheme.URL, "http://example.org:8080/", ["http://example.org:08080"]),
    (Scheme.URL, "https://[2001:db8::1]/", ["https://[2001:DB8:0:0::1]:443/"]),
    (Scheme.URL, "https://example.org/a%2Fb%20%C3%BC", ["https://example.org/a%2fb ü"]),
    (Scheme.URL, "https://ada@example.org/#me", ["https://ada@EXAMPLE.org#me"]),
    (Scheme.URL, "https://example.org/?q=100%25", ["https://example.org?q=100%"]),
    (Scheme.URL, "gemini://example.org/a\\b".replace("\\", "%5C"), ["GEMINI://example.org/a\\b"]),
    (Scheme.EXTERNAL, " Kept \tas it is ", [" Kept \tas it is "]),
]

REFUSED: list[tuple[Scheme, str, str]] = [
    (Scheme.EMAIL, "ada.example.org", "name@domain"),
    (Scheme.EMAIL, "@example.org", "name@domain"),
    (Scheme.EMAIL, "ada@", "name@domain"),
    (Scheme.EMAIL, "ada@example.org, bob@example.org", "name@domain"),
    (Scheme.EMAIL, "Ada <ada@example.org>", "name@domain"),
    (Scheme.EMAIL, "<ada@example.org>", "name@domain"),
    (Scheme.EMAIL, "mailto:ada@example.org", "name@domain"),
    (Scheme.EMAIL, "a da@example.org", "name@domain"),
    (Scheme.EMAIL, "ada@example.org\x00", "name@domain"),
    (Scheme.EMAIL, "ada\u200b@exämple.org", "invisible"),
    (Scheme.EMAIL, "a\ud800da@example.org", "Unicode"),
    (Scheme.PHONE, "030 12345678", "country code"),
    (Scheme.PHONE, "(201) 555-0123", "country code"),
    (Scheme.PHONE, "+49", "7 to 15 digits"),
    (Scheme.PHONE, "+49 30 12345678 ext. 9", "7 to 15 digits"),
    (Scheme.PHONE, "+1-800-FLOWERS", "7 to 15 digits"),
    (Scheme.PHONE, "+0 30 12345678", "7 to 15 digits"),
    (Scheme.PHONE, "+1234567890123456", "7 to 15 digits"),
    (Scheme.PHONE, "+49_3012345678", "7 to 15 digits"),
    (Scheme.ACCOUNT, "octocat", "provider/account"),
    (Scheme.ACCOUNT, "/octocat", "provider/account"),
    (Scheme.ACCOUNT, "github/", "provider/account"),
    (Scheme.ACCOUNT, "git hub/octocat", "provider/account"),
    (Scheme.NATIONAL_ID, "123456789", "begin with a country"),
    (Scheme.NATIONAL_ID, "DEU:123456789", "begin with a country"),
    (Scheme.NATIONAL_ID, "D1:123456789", "begin with a country"),
    (Scheme.NATIONAL_ID, "DE:", "digits and letters"),
    (Scheme.NATIONAL_ID, "DE:*****6789", "digits and letters"),
    (Scheme.URL, "example.org/ada", "no scheme"),
    (Scheme.URL, "mailto:ada@example.org", "no host"),
    (Scheme.URL, "https://", "no host"),
    (Scheme.URL, "https://example.org:x/", "no number"),
    (Scheme.URL, "https://example.org:70000/", "65535"),
    (Scheme.URL, "https://exa mple.org/", "no host has"),
    (Scheme.URL, "https://[::g]/", "IPv6"),
    (Scheme.URL, "https://\u2603\u200d.example/", "ASCII form"),
    (Scheme.URL, "https://example.org/\ud800", "Unicode"),
    (Scheme.EXTERNAL, "", "empty"),
    (Scheme.EXTERNAL, " \t", "empty"),
    (Scheme.EXTERNAL, "x" * (LONGEST_BYTES + 1), "more than 2048 bytes"),
    (Scheme.EXTERNAL, "ü" * (LONGEST_BYTES // 2 + 1), "more than 2048 bytes"),
    (Scheme.EXTERNAL, "a" * 1_000_000, "more than 2048 bytes"),
]
every_scheme = pytest.mark.parametrize("scheme", Scheme)


def newest(scheme: Scheme, text: str) -> str:
    return normal_forms(scheme, text)[0][1]


@pytest.mark.parametrize(
    ("scheme", "form", "spelling"),
    [(scheme, form, each) for scheme, form, spellings in MEETING for each in spellings],
)
def test_spellings_of_one_identifier_meet(scheme: Scheme, form: str, spelling: str) -> None:
    assert newest(scheme, spelling) == form
    assert newest(scheme, form) == form


@pytest.mark.parametrize(("scheme", "text", "reason"), REFUSED)
def test_what_is_no_identifier_is_refused_and_not_shown(
    scheme: Scheme, text: str, reason: str
) -> None:
    with pytest.raises(InvalidInputError, match=reason) as refused:
        normal_forms(scheme, text, path="subject.value")
    said = str(refused.value)
    assert said.startswith(f"This is no identifier of the scheme {scheme}: ")
    assert refused.value.path == "subject.value"
    assert refused.value.remedy
    assert refused.value.__cause__ is None
    shown = [part for part in re.findall(r"\w{4,}", text) if part in said]
    assert set(shown) <= {"example", "mple", "https", "github", "octocat"}  # those of remedies


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        (Scheme.EMAIL, "ada@example.org", "a.da@example.org"),
        (Scheme.PHONE, "+493012345678", "+493012345679"),
        (Scheme.ACCOUNT, "github/octocat", "github/Octocat"),
        (Scheme.ACCOUNT, "github/octocat", "github/octocat "),
        (Scheme.NATIONAL_ID, "DE:123456789", "AT:123456789"),
        (Scheme.URL, "https://example.org/Ada", "https://example.org/ada"),
        (Scheme.URL, "https://example.org/ada", "http://example.org/ada"),
        (Scheme.URL, "https://example.org/ada", "https://example.org/ada/"),
        (Scheme.URL, "https://example.org/a%2Fb", "https://example.org/a/b"),
        (Scheme.URL, "https://example.org/#me", "https://example.org/#you"),
        (Scheme.EXTERNAL, "a", "A"),
    ],
)
def test_identifiers_of_two_people_stay_apart(scheme: Scheme, one: str, other: str) -> None:
    assert newest(scheme, one) != newest(scheme, other)


def near(scheme: Scheme) -> st.SearchStrategy[str]:
    """Texts of which many, not all, are identifiers of the scheme."""
    known = [form for each, form, _ in MEETING if each is scheme]
    part = st.text(max_size=8)
    return st.text(max_size=20) | st.builds(
        lambda before, middle, after: before + middle + after, part, st.sampled_from(known), part
    )


@every_scheme
@settings(max_examples=200)
@given(data=st.data())
def test_a_normal_form_normalises_to_itself(scheme: Scheme, data: st.DataObject) -> None:
    try:
        form = newest(scheme, data.draw(near(scheme)))
    except InvalidInputError:
        return
    assert newest(scheme, form) == form
    assert form.encode()


@given(st.from_regex(r"[a-z0-9.+_-]{1,20}@[a-z0-9-]{1,20}(\.[a-z]{2,5}){1,2}", fullmatch=True))
@example("i@x.tr")
def test_case_and_space_around_an_address_do_not_count(address: str) -> None:
    for spelling in (address.upper(), address.title(), f"  {address}\t", f"\u3000{address}\r\n"):
        assert newest(Scheme.EMAIL, spelling) == address


marks = st.lists(st.sampled_from(["", "", " ", "-", ".", "/", "\u2011"]), min_size=15, max_size=15)


@given(st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True), marks)
def test_marks_in_a_number_do_not_count(digits: str, between: list[str]) -> None:
    spaced = "".join(digit + mark for digit, mark in zip(digits, between, strict=False))
    assert newest(Scheme.PHONE, f"+{spaced}") == newest(Scheme.PHONE, f"00{spaced}") == f"+{digits}"


@every_scheme
def test_every_scheme_has_normalisers_of_rising_versions(scheme: Scheme) -> None:
    versions = [each.version for each in NORMALISERS[scheme]]
    assert versions == list(range(1, len(versions) + 1))


def test_look_ups_take_every_version_of_a_normaliser(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> str:
        raise RefusedError("of another rule", "remedy")

    first, third = Normaliser(1, str.upper), Normaliser(3, str.title)
    rules = {Scheme.EXTERNAL: (first, Normaliser(2, refuse), third)}
    monkeypatch.setattr(identifiers, "NORMALISERS", rules)
    assert normal_forms(Scheme.EXTERNAL, "ada") == [(3, "Ada"), (1, "ADA")]


def test_an_unknown_scheme_is_refused_with_those_there_are() -> None:
    assert parse_scheme("email") is Scheme.EMAIL
    with pytest.raises(InvalidInputError, match=r"'E-mail' is no scheme.*email, phone"):
        parse_scheme("E-mail")


def test_refusals_are_constant_words() -> None:
    said = set()
    for text in ("030 1", "030 22", "0301 333"):
        with pytest.raises(RefusedError) as refused:
            checked(NORMALISERS[Scheme.PHONE][0], text)
        said.add((refused.value.reason, refused.value.remedy))
    assert len(said) == 1
