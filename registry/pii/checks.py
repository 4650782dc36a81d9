"""Checks that tell a payment card, an account, a number or an address from random characters.

Rules:
1. A payment card has a network's first digits and length and a Luhn digit (ISO/IEC 7812-1).
2. An IBAN has its country's length and leaves 1 when divided by 97 (ISO 13616-1, ISO/IEC 7064);
   how a country divides the rest into bank and account is not looked at.
3. A telephone number has an assigned country code and a length that country uses (ITU-T E.164).
4. An IP address can be a host's: no loopback, link-local or multicast one (RFC 6890).
5. An e-mail address has a domain that could be registered: a country's code of two letters, or a
   longer top-level domain that is no file extension (RFC 5321 §4.1.2, RFC 1035 §2.3.4).

Every function takes ASCII text and is pure. None raises for wrong input: it answers no.
"""

from __future__ import annotations

import ipaddress
import re

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# Country and length, from the IBAN registry of SWIFT.
_IBANS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18
DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23
IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27
MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19
SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBANS.split()}

# First digits (from, to), lengths. The ranges of the networks in use; Maestro's are its own only.
_NETWORKS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (4, 4, (13, 16, 19)),  # Visa
    (51, 55, (16,)),  # Mastercard
    (2221, 2720, (16,)),  # Mastercard
    (34, 34, (15,)),  # American Express
    (37, 37, (15,)),  # American Express
    (6011, 6011, (16, 19)),  # Discover
    (644, 659, (16, 19)),  # Discover
    (3528, 3589, (16, 17, 18, 19)),  # JCB
    (300, 305, (14, 16, 19)),  # Diners Club
    (3095, 3095, (14, 16, 19)),  # Diners Club
    (36, 36, (14, 16, 19)),  # Diners Club
    (38, 39, (14, 16, 19)),  # Diners Club
    (62, 62, (16, 17, 18, 19)),  # UnionPay
    (2200, 2204, (16, 17, 18, 19)),  # Mir
    *((first, first, (12, 13, 14, 15, 16, 17, 18, 19)) for first in (5018, 5020, 5038, 5893, 6304)),
    *((first, first, (12, 13, 14, 15, 16, 17, 18, 19)) for first in (6759, 6761, 6762, 6763)),
)

# Calling code, shortest and longest national number, where a country has few lengths.
_PLANS = """
1:10:10 7:10:10 20:8:10 27:9:9 30:10:10 31:9:9 32:8:9 33:9:9 34:9:9 36:8:9 39:6:11 40:9:9 41:9:9
43:7:13 44:9:10 45:8:8 46:7:10 47:8:8 48:9:9 49:6:12 51:8:9 52:10:10 53:8:8 54:10:11 55:10:11
56:9:9 57:8:10 58:10:10 60:8:10 61:9:9 62:8:12 63:8:10 64:8:10 65:8:8 66:8:9 81:9:10 82:8:10
84:9:10 86:10:11 90:10:10 91:10:10 92:9:10 93:9:9 94:9:9 95:7:10 98:10:10 351:9:9 352:6:11
353:7:9 354:7:9 357:8:8 358:6:11 359:7:9 370:8:8 371:8:8 372:7:8 385:8:9 386:8:8 420:9:9 421:9:9
"""
_NATIONAL_LENGTHS = {
    code: (int(shortest), int(longest))
    for code, shortest, longest in (entry.split(":") for entry in _PLANS.split())
}
_ANY_LENGTH = (6, 11)
# The other calling codes that are assigned.
_CODES = """
211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238
239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263
264 265 266 267 268 269 290 291 297 298 299 350 355 356 373 374 375 376 377 378 380 381 382 383
387 389 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670
672 673 674 675 676 677 678 679 680 681 682 683 685 686 687 688 689 690 691 692 852 853 855 856
880 886 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 992 993 994 995 996
998
"""
_OTHER_CODES = frozenset(_CODES.split())
# Top-level domains of two letters that exist.
_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt
bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg
er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn
hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li
lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne
nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb
sc sd se sg sh si sj sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr
tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw
"""
_COUNTRY_DOMAINS = frozenset(_COUNTRIES.split())
# What stands after the last point of a file, a host of a private network or a piece of code.
_ENDINGS = """
png jpg jpeg gif svg webp bmp ico css scss less html htm xml json yml yaml csv tsv txt pdf doc
docx xls xlsx ppt pptx zip tar whl egg jar war ipynb java scala cpp hpp exe dll deb rpm parquet
avro orc lock log map toml cfg ini conf sql tsx jsx mjs min dist local localdomain internal lan
home corp svc cluster localhost invalid setter getter deleter default
"""
_NO_DOMAINS = frozenset(_ENDINGS.split())
_LABEL = re.compile(r"[^\W_](?:[^\W_]|-)*(?<!-)")
_ZERO_TRUNK = "(0)"


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1 annex B)."""
    total = sum(map(int, digits[-1::-2])) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0


def is_payment_card(digits: str) -> bool:
    """Whether 12 to 19 digits can be a card of a known network (rule 1)."""
    size = len(digits)
    for first, last, sizes in _NETWORKS:
        if size in sizes and first <= int(digits[: len(str(first))]) <= last:
            return len(set(digits)) > 1 and passes_luhn(digits)
    return False


def iban_length(text: str) -> int | None:
    """How many characters an IBAN that starts like this text has; None for no such country."""
    return IBAN_LENGTHS.get(text[:2].upper())


def is_iban(compact: str) -> bool:
    """Whether a compact IBAN, in any case, has its country's length and check digits (rule 2)."""
    if len(compact) != iban_length(compact) or not compact.isalnum() or not compact.isascii():
        return False
    return (
        int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1
    )


def e164(international: str) -> str | None:
    """`+` and digits of a number written with its country code, `+` or `00` before it (rule 3).

    None if the code is not assigned or the country has no numbers of that length.
    """
    digits = re.sub(r"\D", "", international.replace(_ZERO_TRUNK, ""))
    if not international.startswith("+"):
        digits = digits.removeprefix("00")
    for size in (1, 2, 3):
        code = digits[:size]
        if code in _NATIONAL_LENGTHS or code in _OTHER_CODES:
            shortest, longest = _NATIONAL_LENGTHS.get(code, _ANY_LENGTH)
            national = digits[size:]
            possible = shortest <= len(national) <= longest and len(set(national)) > 1
            return f"+{digits}" if possible and not _is_no_area(code, national) else None
    return None


def _is_no_area(code: str, national: str) -> bool:
    """Area codes of North America start with 2 to 9 (NANP); no other plan is looked into."""
    return code == "1" and national[0] in "01"


def is_host_ipv4(text: str) -> bool:
    """Whether dotted decimals can be a host's (rule 4); none may have a leading zero."""
    octets = text.split(".")
    if any(len(octet) > 1 and octet[0] == "0" for octet in octets):
        return False
    numbers = [int(octet) for octet in octets]
    return (
        max(numbers) <= 255
        and 0 < numbers[0] < 224
        and numbers[0] != 127
        and numbers[:2] != [169, 254]
    )


def host_ipv6(text: str) -> str | None:
    """The compressed form (RFC 5952) of an address a host can have (rule 4), None for any other."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    refused = address.is_loopback or address.is_unspecified or address.is_multicast
    return None if refused or address.is_link_local else str(address)


def is_private_ip(text: str) -> bool:
    """Whether an address is one of a private network (RFC 1918, RFC 6598, RFC 4193)."""
    address = ipaddress.ip_address(text)
    networks = _PRIVATE_4 if address.version == 4 else _PRIVATE_6
    return any(address in network for network in networks)


_PRIVATE_4 = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
)
_PRIVATE_6 = (ipaddress.ip_network("fc00::/7"),)


def email_domain(domain: str) -> str | None:
    """The part of `domain` that could be registered (rule 5), without what follows it in the text.

    None if there is none: `2x.png`, `host.internal`, `1.2.3`.
    """
    labels = domain.rstrip("-").split(".")
    while len(labels) > 1:
        last, before = labels[-1], labels[-2]
        # The next sentence may follow without a blank: `a@example.org.The`.
        runs_on = last.istitle() and before.islower() and len(labels) > 2 and _is_top_level(before)
        if _is_top_level(last) and not runs_on:
            break
        labels.pop()
    well_formed = all(len(label) < 64 and _LABEL.fullmatch(label) for label in labels)
    return ".".join(labels) if len(labels) > 1 and well_formed else None


def _is_top_level(label: str) -> bool:
    lower = label.lower()
    if lower.startswith("xn--"):
        return 4 < len(lower) < 64
    if len(lower) == 2 and lower.isascii():
        return lower in _COUNTRY_DOMAINS
    return 2 <= len(lower) <= 24 and lower.isalpha() and lower not in _NO_DOMAINS
