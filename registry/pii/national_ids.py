"""National identification numbers, by country and by the shape in which people write them.

Rules:
1. A number counts only with the check characters and the date its country's rules demand.
2. What random digits would pass too often counts only in its usual written form (`123-45-6789`), or
   where the words before it say what it is (`BSN 111222333`). Each rule below names its case.
3. The value is `CC:` and the digits and letters only. A Swedish number loses its century, which
   people leave out as often as not.

What is not looked at: whether a date is still to come, and which series of numbers a country has
issued so far; both change with time.

A shape is the text with `9` for each digit and `A` for each letter. Sources: each country's tax or
population register, as collected in OECD "TIN country sheets" and ISO/IEC 7064.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from registry.pii.checks import passes_luhn

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_ITALIAN_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ITALIAN_LETTERS = (*_ITALIAN_DIGITS, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ITALIAN_ODD = dict(
    zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (*_ITALIAN_DIGITS, *_ITALIAN_LETTERS), strict=True)
)
_OMOCODIA = str.maketrans("LMNPQRSTUV", "0123456789")


def _is_date(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= _DAYS[int(month) - 1]


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))


def is_german(digits: str) -> bool:
    """Steuerliche Identifikationsnummer: 11 digits, one twice or thrice, MOD 11,10 (§ 139b AO)."""
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in (2, 3) or sum(count > 1 for count in counts) != 1:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_polish(digits: str) -> bool:
    """PESEL: 11 digits, a date with its century in the month (1900 to 2039), weights 1 3 7 9."""
    century, month = divmod(int(digits[2:4]), 20)
    if century > 1 or (century == 1 and digits[0] > "3") or not 1 <= month <= 12:
        return False
    dated = 1 <= int(digits[4:6]) <= _DAYS[month - 1]
    return dated and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def is_belgian(digits: str) -> bool:
    """Rijksregisternummer: 11 digits, a date, 97 less the rest; since 2000 with a 2 before it."""
    month = int(digits[2:4]) % 20
    if int(digits[2:4]) > 52 or month > 12 or int(digits[4:6]) > _DAYS[month - 1]:
        return False
    check = int(digits[9:])
    born_since_2000 = digits[0] < "4" and check == 97 - int("2" + digits[:9]) % 97
    return born_since_2000 or check == 97 - int(digits[:9]) % 97


def is_norwegian(digits: str) -> bool:
    """Fødselsnummer or D-number: 11 digits, a date, two checks modulo 11."""
    day = int(digits[:2]) % 40
    if not _is_date(digits[2:4], str(day)):
        return False
    first = _weighted(digits[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    return first % 11 == 0 and _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def is_french(compact: str) -> bool:
    """NIR: sex, year, month, department, order and a key of 97 (INSEE); 2A and 2B are Corsica."""
    month = int(compact[3:5]) if compact[3:5].isdigit() else 0
    digits = compact.upper().replace("2A", "19", 1).replace("2B", "18", 1)
    if compact[0] not in "123478" or not (1 <= month <= 12 or 20 <= month <= 42):
        return False
    return digits.isdigit() and 97 - int(digits[:13]) % 97 == int(digits[13:])


def is_italian(compact: str) -> bool:
    """Codice fiscale: 16 characters, a date, a check letter; digits may be letters (omocodia)."""
    text = compact.upper()
    year_day = (text[6:8] + text[9:11] + text[12:15]).translate(_OMOCODIA)
    if not year_day.isdigit() or text[8] not in "ABCDEHLMPRST":
        return False
    day = int(year_day[2:4]) % 40
    if not _is_date(str("ABCDEHLMPRST".index(text[8]) + 1), str(day)):
        return False
    odd = sum(_ITALIAN_ODD[character] for character in text[0:15:2])
    even = sum(
        int(character) if character.isdigit() else ord(character) - 65 for character in text[1:15:2]
    )
    return (odd + even) % 26 == ord(text[15]) - 65


def is_spanish(compact: str) -> bool:
    """DNI or NIE: 8 digits, or X, Y, Z and 7, and the letter of their rest by 23 (RD 1553/2005)."""
    text = compact.upper()
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and int(number) > 0 and _DNI_LETTERS[int(number) % 23] == text[-1]


def is_dutch(digits: str) -> bool:
    """Burgerservicenummer: 9 digits, weights 9 to 2 and -1 divisible by 11 (the "elfproef")."""
    return digits != "000000000" and _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def is_portuguese(digits: str) -> bool:
    """NIF: 9 digits, a check modulo 11 that is 0 for 10 and 11."""
    check = 11 - _weighted(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return digits[0] != "0" and int(digits[8]) == (0 if check > 9 else check)


def is_austrian(digits: str) -> bool:
    """Sozialversicherungsnummer: 10 digits, the fourth a check modulo 11, a date at the end."""
    check = _weighted(digits[:3] + digits[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11
    return digits[0] != "0" and check == int(digits[3]) and _is_date(digits[6:8], digits[4:6])


def is_swiss(digits: str) -> bool:
    """AHV number: 756 and 10 digits with the check digit of an EAN-13."""
    weights = (1, 3) * 6 + (1,)
    return digits.startswith("756") and _weighted(digits, weights) % 10 == 0


def is_swedish(digits: str) -> bool:
    """Personnummer, of 10 or 12 digits: a date (day + 60 for samordningsnummer) and Luhn."""
    short = digits[-10:]
    if len(digits) == 12 and digits[:2] not in ("18", "19", "20"):
        return False
    return _is_date(short[2:4], str(int(short[4:6]) % 60)) and passes_luhn(short)


def is_swedish_and_no_time(digits: str) -> bool:
    """As `is_swedish`, but for what could be a date and a time of day: `20240131-0930`."""
    return is_swedish(digits) and not (digits[-4:-2] < "24" and digits[-2:] < "60")


def is_danish(digits: str) -> bool:
    """CPR: 10 digits with a date; there is no check digit since 2007."""
    return _is_date(digits[2:4], digits[:2])


def is_finnish(compact: str) -> bool:
    """Henkilötunnus, without its century sign: a date and the character of the rest by 31."""
    text = compact.upper()
    digits = text[:6] + text[-4:-1]
    dated = digits.isdigit() and _is_date(digits[2:4], digits[:2]) and int(digits[6:]) >= 2
    return dated and _HETU_LETTERS[int(digits) % 31] == text[-1]


def is_irish(compact: str) -> bool:
    """PPS number: 7 digits, a check letter modulo 23, perhaps one letter more."""
    text = compact.upper()
    second = ord(text[8]) - 64 if len(text) == 9 and text[8] != "W" else 0
    rest = (_weighted(text[:7], (8, 7, 6, 5, 4, 3, 2)) + second * 9) % 23
    return text[7] == ("W" if rest == 0 else chr(64 + rest))


def is_british(compact: str) -> bool:
    """National Insurance number: letters that are issued (HMRC NIM39110); it has no check digit."""
    text = compact.upper()
    prefix = text[:2]
    if prefix in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ") or set(prefix) & set("DFIQUV"):
        return False
    return prefix[1] != "O" and text[-1] in "ABCD"


def is_american(digits: str) -> bool:
    """Social Security number: no area 000, 666 or 9xx, no group 00, no serial 0000 (SSA)."""
    area_issued = digits[:3] not in ("000", "666") and digits[0] != "9"
    return area_issued and digits[3:5] != "00" and digits[5:] != "0000"


class Rule(NamedTuple):
    """One way in which a country's number is written."""

    country: str
    is_valid: Callable[[str], bool]
    words: re.Pattern[bytes] | None  # what must stand before it in lower case (rule 2), if anything


def _words(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"\b(?:national id|id number|identity|tax id|tin|" + pattern + rb")")


_DE = Rule("DE", is_german, None)
_PL = Rule("PL", is_polish, None)
_BE = Rule("BE", is_belgian, None)
_NO = Rule("NO", is_norwegian, None)
_FR = Rule("FR", is_french, None)
_SE = Rule("SE", is_swedish_and_no_time, None)
_FI = Rule("FI", is_finnish, None)
_IE = Rule("IE", is_irish, None)
_ES = Rule("ES", is_spanish, None)
_GB = Rule("GB", is_british, None)
_US = Rule("US", is_american, None)
_NL = Rule("NL", is_dutch, None)
_AT = Rule("AT", is_austrian, None)
_CH = Rule("CH", is_swiss, None)
_SE_SAID = Rule("SE", is_swedish, _words(rb"personnummer|personnr|samordningsnummer"))
_DK_SAID = Rule("DK", is_danish, _words(rb"cpr|personnummer"))
_AT_SAID = _AT._replace(words=_words(rb"svnr|sv-nr|sv-nummer|sozialversicherung"))
_NL_SAID = _NL._replace(words=_words(rb"bsn|burgerservice|sofi"))
_PT_SAID = Rule("PT", is_portuguese, _words(rb"nif\b|contribuinte"))
_US_SAID = _US._replace(words=_words(rb"ssn|social security"))

RULES: dict[str, tuple[Rule, ...]] = {
    "99999999999": (_DE, _PL, _BE, _NO),
    "99 999 999 999": (_DE,),
    "99.99.99-999.99": (_BE,),
    "99.99.99-999-99": (_BE,),
    "999999-999-99": (_BE,),
    "999999 99999": (_NO,),
    "999999999999999": (_FR,),
    "9 99 99 99 999 999 99": (_FR,),
    "9 99 99 9A 999 999 99": (_FR,),
    "999999A99999999": (_FR,),
    "999999-9999": (_SE, _SE_SAID, _FI, _DK_SAID),
    "999999+9999": (_SE, _FI),
    "99999999-9999": (_SE, _SE_SAID),
    "999999999999": (_SE_SAID,),
    "9999999999": (_SE_SAID, _DK_SAID, _AT_SAID),
    "9999 999999": (_AT,),
    "999999-999A": (_FI,),
    "999999+999A": (_FI,),
    "999999A999A": (_FI,),
    "999999A9999": (_FI,),
    "9999999A": (_IE,),
    "9999999AA": (_IE,),
    "99999999A": (_ES,),
    "99999999-A": (_ES,),
    "A9999999A": (_ES,),
    "A9999999-A": (_ES,),
    "A-9999999-A": (_ES,),
    "AA999999A": (_GB,),
    "AA 99 99 99 A": (_GB,),
    "AA 999999 A": (_GB,),
    "999-99-9999": (_US,),
    "999 99 9999": (_US_SAID,),
    "999999999": (_US_SAID, _NL_SAID, _PT_SAID),
    "9999.99.999": (_NL,),
    "999 999 999": (_NL_SAID, _PT_SAID),
    "999.9999.9999.99": (_CH,),
    "9999999999999": (_CH,),
}


def value_of(country: str, compact: str) -> str:
    """The number as the subject scheme `national_id` takes it (rule 3)."""
    return f"{country}:{compact[-10:] if country == 'SE' else compact.upper()}"
