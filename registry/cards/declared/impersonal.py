"""Refuses texts with an obvious identifier of a person, at the doors of what cards keep.

A card is kept for ten years and shown to strangers; an address or a number of a person in it could
be neither found nor erased. What was found is not told, only what kind it is of and where.
"""

from __future__ import annotations

from registry.errors import InvalidInputError
from registry.pii.identifiers import IdentifierKind, find_identifiers

_WORDS = {
    IdentifierKind.EMAIL: "an e-mail address",
    IdentifierKind.PHONE: "a phone number",
    IdentifierKind.PAYMENT_CARD: "the number of a payment card",
    IdentifierKind.IBAN: "an account number",
    IdentifierKind.NATIONAL_ID: "a national number",
}


def require_impersonal(text: str, *, path: str) -> str:
    """The text itself. Raises InvalidInputError where it holds an identifier of a person."""
    for found in find_identifiers(text):
        # An address of a machine is not a person's, and the text does not tell whose it is.
        if found.kind is IdentifierKind.IP_ADDRESS:
            continue
        raise InvalidInputError(
            f"The text holds {_WORDS[found.kind]} (at character {found.start + 1}), and cards keep "
            "no personal data.",
            remedy="Name the office or the document instead of the person.",
            path=path,
        )
    return text
