"""What is found in a text, and what only looks like it.

No value belongs to a person: example domains, numbers kept for fiction, test cards, the examples of
the IBAN registry and of the registers, or numbers generated for this test.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.pii.checks import passes_luhn
from registry.pii.identifiers import (
    SCHEME_OF_KIND,
    Found,
    IdentifierKind,
    find_identifiers,
    subject_of,
)

EMAIL = IdentifierKind.EMAIL
PHONE = IdentifierKind.PHONE
CARD = IdentifierKind.PAYMENT_CARD
IBAN = IdentifierKind.IBAN
IP = IdentifierKind.IP_ADDRESS
NATIONAL = IdentifierKind.NATIONAL_ID

# Sentence, text with what is to be found in «», kind, value.
FOUND: list[tuple[str, str, IdentifierKind, str]] = [
    ("an e-mail address", "write to «jane.doe@example.org».", EMAIL, "jane.doe@example.org"),
    ("one with a tag", "<«a+b@mail.example.co.uk»>", EMAIL, "a+b@mail.example.co.uk"),
    ("one with an apostrophe", "'«o'hara@example.org»'", EMAIL, "o'hara@example.org"),
    ("one with umlauts", "an «jörg@bücher.example.org»!", EMAIL, "jörg@bücher.example.org"),
    ("one among Chinese", "请联系«a@example.org»谢谢", EMAIL, "a@example.org"),
    ("one before the next sentence", "«a@example.org».The end", EMAIL, "a@example.org"),
    ("one in a URL's query", "https://x.org/?to=«a@example.org»&n=1", EMAIL, "a@example.org"),
    ("one after mailto", "mailto:«a@example.org»", EMAIL, "a@example.org"),
    ("a number with its country", "+ «+49 30 1234567» !", PHONE, "+49301234567"),
    ("one with its trunk zero", "«+44 (0)20 7946 0958»", PHONE, "+442079460958"),
    ("one with zeros for the plus", "dial «0044 20 7946 0958»", PHONE, "+442079460958"),
    ("one before another number", "«+1 202-555-0143» 22", PHONE, "+12025550143"),
    ("a North American one", "call «(202) 555-0143»", PHONE, "+12025550143"),
    ("one with points", "«202.555.0143»", PHONE, "+12025550143"),
    ("one without its country", "tel. «020 7946 0958»", PHONE, "02079460958"),
    ("a French one", "Téléphone : «01.99.00.12.34»", PHONE, "0199001234"),
    ("a card", "paid «4111111111111111» today", CARD, "4111111111111111"),
    ("a card in groups", "«4111 1111 1111 1111» 12/26 123", CARD, "4111111111111111"),
    ("a card with hyphens", "«5555-5555-5555-4444»", CARD, "5555555555554444"),
    ("a card of the second range", "«2223003122003222»", CARD, "2223003122003222"),
    ("an American Express card", "«3782 822463 10005»", CARD, "378282246310005"),
    ("a Diners card", "«30569309025904»", CARD, "30569309025904"),
    ("a short card that is named", "card no. «4222222222222»", CARD, "4222222222222"),
    ("a Maestro card in groups", "«6759 6498 2643 8453»", CARD, "6759649826438453"),
    ("an IBAN", "«DE89370400440532013000»", IBAN, "DE89370400440532013000"),
    ("an IBAN in groups", "«DE89 3704 0044 0532 0130 00» IS MINE", IBAN, "DE89370400440532013000"),
    ("an IBAN with letters", "«GB29 NWBK 6016 1331 9268 19»", IBAN, "GB29NWBK60161331926819"),
    ("an IBAN in small letters", "«nl91abna0417164300»", IBAN, "NL91ABNA0417164300"),
    ("the shortest IBAN", "«NO9386011117947»", IBAN, "NO9386011117947"),
    ("a long one", "«MT84MALT011000012345MTLCAST001S»", IBAN, "MT84MALT011000012345MTLCAST001S"),
    ("an address", "from «192.0.2.17» at", IP, "192.0.2.17"),
    ("a private address", "«10.20.30.40»:80", IP, "10.20.30.40"),
    ("an address of version 6", "at «2001:DB8:0::17»: no", IP, "2001:db8::17"),
    ("a German tax number", "«86095742719»", NATIONAL, "DE:86095742719"),
    ("one in groups", "«86 095 742 719»", NATIONAL, "DE:86095742719"),
    ("a Polish PESEL", "«44051401359»", NATIONAL, "PL:44051401359"),
    ("a Polish PESEL of this century", "«05232189262»", NATIONAL, "PL:05232189262"),
    ("a Belgian number", "«85.07.30-033.28»", NATIONAL, "BE:85073003328"),
    ("a Norwegian number", "«140609 40410»", NATIONAL, "NO:14060940410"),
    ("a French number", "«2 55 08 14 168 025 38»", NATIONAL, "FR:255081416802538"),
    ("a Corsican number", "«1 85 05 2A 351 551 82»", NATIONAL, "FR:185052A35155182"),
    ("an Italian code", "«RSSMRA85T10A562S»", NATIONAL, "IT:RSSMRA85T10A562S"),
    ("a Spanish DNI", "«12345678Z»", NATIONAL, "ES:12345678Z"),
    ("a Spanish NIE", "«X-1234567-L»", NATIONAL, "ES:X1234567L"),
    ("a Swedish number", "«811228-9874»", NATIONAL, "SE:8112289874"),
    ("a Swedish number with century", "«19811228-9874»", NATIONAL, "SE:8112289874"),
    ("a Finnish number", "«131052-308T»", NATIONAL, "FI:131052308T"),
    ("a Finnish number of this century", "«131052A308T»", NATIONAL, "FI:131052A308T"),
    ("an Irish number", "«1234567T»", NATIONAL, "IE:1234567T"),
    ("a British number", "«AB 12 34 56 C» AND", NATIONAL, "GB:AB123456C"),
    ("an Austrian number", "«1237 010180»", NATIONAL, "AT:1237010180"),
    ("a Swiss number", "«756.9217.0769.85»", NATIONAL, "CH:7569217076985"),
    ("a Dutch number that is named", "BSN: «111222333»", NATIONAL, "NL:111222333"),
    ("a Dutch number in its form", "«1112.22.333»", NATIONAL, "NL:111222333"),
    ("a Portuguese number that is named", "NIF «223 875 643»", NATIONAL, "PT:223875643"),
    ("a Danish number that is named", "CPR-nr. «010180-1234»", NATIONAL, "DK:0101801234"),
    ("an American number", "«123-45-6789»", NATIONAL, "US:123456789"),
    ("an American number that is named", "his SSN is «123456789»", NATIONAL, "US:123456789"),
]

NOTHING: list[tuple[str, str]] = [
    ("plain words", "Natalia sold clips to 48 of her friends in April."),
    ("a URL", "https://example.org/item/4111111111111111?ip=192.0.2.1"),
    ("the user of a URL", "ssh://ann@example.org/x postgres://a:b@example.org/x"),
    ("an address for git", "git@example.org:team/repo.git"),
    ("a picture", "logo@2x.png icon@home.svg"),
    ("a package and its version", "react@18.2.0 pkg@1.0.0-beta"),
    ("a host of a private network", "root@db.internal a@b.svc.cluster.local"),
    ("a decorator", "@property.setter @app.route x@self.weight"),
    ("a matrix product in code", "y = x@w.transpose(1)"),
    ("a social handle", "@ann@social.example.org"),
    ("a top-level domain that is none", "a@example.js a@example.x1 a@b"),
    ("a time", "2026-03-01T09:30:00.123456789+02:00 12:30:45"),
    ("a UUID of digits", "01908224-8410-4111-8111-446655440000"),
    ("milliseconds since 1970", "local-1729156674719 1729156674"),
    ("a 64-bit number", "snapshot 4111111111111111110 is 9223372036854775807"),
    ("a fraction", "0.4111111111111111 and 4111111111111111.5"),
    ("a card with a wrong digit", "4111111111111112 4111-1111-1111-1113"),
    ("a card of one digit", "4444444444444444 0000000000000000"),
    ("a short card that is not named", "4222222222222"),
    ("an IBAN with a wrong digit", "DE89370400440532013001"),
    ("an IBAN of no country", "XX89370400440532013000"),
    ("an IBAN that goes on", "DE89370400440532013000A"),
    ("a version", "v1.2.3.40 version 10.20.30.40 libs-1.2.3.40 1.2.3.4"),
    ("an object identifier", "1.3.6.1.4.1.311"),
    ("an address that none can have", "256.1.1.1 192.0.2.01 0.1.2.3 127.0.0.1 224.0.0.1"),
    ("a loopback and a name in C++", "::1 std::vector fe80::1 Fab::add"),
    ("a number of no country", "+999 123456789 +0 123456789"),
    ("a number that is too short or too long", "+49 12345 +33 1234567890123"),
    ("an operation", "C++11 a+4930123456789 3+4930123456789"),
    ("a decimal with a plus", "z +6073641856.9"),
    ("ten digits", "2025550143"),
    ("a trunk zero without a word", "020 7946 0958"),
    ("a range of North America", "123-456-7890"),
    ("nine digits", "111222333 123456789 223875643"),
    ("a date and a time of day", "20240131-0930 240131-1200"),
    ("an exponent", "99585767E-22"),
    ("a Spanish number with a wrong letter", "12345678A X1234567M"),
    ("an Italian code with a wrong letter", "RSSMRA85T10A562T"),
    ("a British number that is not issued", "QQ123456C GB123456A"),
    ("an American number that is not issued", "000-12-3456 666-12-3456 900-12-3456 123-00-4567"),
    ("a Finnish number with a wrong sign", "131052-308U"),
    ("a Polish number of the thirteenth month", "44131401359"),
    ("a hash", "d41d8cd98f00b204e9800998ecf8427e 9e107d9d372bb6826bd81d3542a419d6"),
    ("a calculation", "<<450000-2000=448000>>448,000"),
]


@pytest.mark.parametrize(
    ("marked", "kind", "value"), [case[1:] for case in FOUND], ids=[case[0] for case in FOUND]
)
@pytest.mark.parametrize("before", ["", "Müßig €: ", "x\n"])
def test_an_identifier_is_found_where_it_stands(
    before: str, marked: str, kind: IdentifierKind, value: str
) -> None:
    written = marked[marked.index("«") + 1 : marked.index("»")]
    start = len(before) + marked.index("«")
    text = before + marked.replace("«", "").replace("»", "")
    assert find_identifiers(text) == [Found(kind, value, start, start + len(written))]


@pytest.mark.parametrize("text", [case[1] for case in NOTHING], ids=[case[0] for case in NOTHING])
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert find_identifiers(text) == []


def test_several_are_found_in_order() -> None:
    text = "Ann, a@example.org, +49 30 1234567, card 4111111111111111; b@example.org"
    assert [found.kind for found in find_identifiers(text)] == [EMAIL, PHONE, CARD, EMAIL]


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Ann@Example.org", ("email", "Ann@Example.org")),
        ("+49 30 1234567", ("phone", "+49301234567")),
        ("86095742719", ("national_id", "DE:86095742719")),
        ("4111 1111 1111 1111", ("account", "card/4111111111111111")),
        ("DE89 3704 0044 0532 0130 00", ("account", "iban/DE89370400440532013000")),
        ("tel 020 7946 0958", None),
        ("192.0.2.1 said", None),
    ],
)
def test_a_person_can_be_found_again_by_what_was_found(
    text: str, subject: tuple[str, str] | None
) -> None:
    (found,) = find_identifiers(text)
    assert subject_of(found) == subject


def test_every_kind_but_the_shared_one_has_a_scheme() -> None:
    assert set(IdentifierKind) - set(SCHEME_OF_KIND) == {IP}


@pytest.mark.parametrize("size", range(6, 20))
def test_random_digits_are_seldom_taken_for_a_person(size: int) -> None:
    """Sixteen digits are the worst case: a fifth has a network's first digits, a tenth Luhn's."""
    random_digits = random.Random(size)
    texts = ["n " + "".join(random_digits.choices("0123456789", k=size)) for _ in range(5_000)]
    hits = sum(bool(find_identifiers(text)) for text in texts)
    assert hits / len(texts) < (0.03 if size == 16 else 0.015)


@pytest.mark.parametrize("unit", ["1.2.3.4.", "a@b.", "1234 ", "AA12 3456 ", "a.", "+1 "])
def test_a_long_text_costs_no_more_than_its_length(unit: str) -> None:
    """Had each candidate to look for its own end, this would take minutes."""
    assert find_identifiers(unit * 20_000) is not None


@given(st.text(st.sampled_from("4111 -"), min_size=12, max_size=40))
def test_what_is_found_as_a_card_passes_luhn(text: str) -> None:
    for found in find_identifiers(text):
        if found.kind is CARD:
            assert passes_luhn(found.value)


@given(st.text() | st.text(st.sampled_from("aZ09@.:+-/() \u00e9\n"), max_size=60))
def test_whatever_the_text_what_is_found_lies_in_it_in_order(text: str) -> None:
    position = 0
    for found in find_identifiers(text):
        assert position <= found.start < found.end <= len(text)
        written = "".join(filter(str.isalnum, text[found.start : found.end])).casefold()
        if found.kind in (EMAIL, CARD, IBAN):
            assert written == "".join(filter(str.isalnum, found.value)).casefold()
        position = found.end
