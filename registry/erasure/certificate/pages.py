"""A certificate for people: a page, a PDF and a text, all from the same facts.

Rules:
1. A page says whether it was verified, and by which key; one made from an unverified file says that
   first. What counts is always the file.
2. A page stands alone: no script, no font, no picture, no address that is loaded. It reads in light
   and dark, on paper and by ear (WCAG 2.1 AA).
3. The same certificate gives the same bytes of PDF on one machine: dates and identifier come from
   the certificate. The PDF is tagged (PDF/UA-1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from registry.audit.checkpoint import read_checkpoint
from registry.canonical import digest_text
from registry.erasure.certificate.document import Certificate, unfinished
from registry.erasure.certificate.facts import CertificateFacts, Outcome, Regime, Right
from registry.erasure.certificate.sections import Section, sections_of
from registry.files import shipped
from registry.moments import rfc3339
from registry.render import page_environment, pdf_of, text_environment

_RIGHTS: Mapping[Right, str] = {
    Right.ERASURE: "erasure",
    Right.RESTRICTION: "restriction of processing",
    Right.OBJECTION: "objection to processing",
    Right.ACCESS: "access",
}
_REGIMES: Mapping[Regime, str] = {
    Regime.GDPR: "General Data Protection Regulation (EU) 2016/679",
    Regime.CCPA: "California Consumer Privacy Act",
}
_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.FULFILLED: "Everything that was asked for was done, and looked for again in vain.",
    Outcome.PARTIALLY_FULFILLED: "What was asked for was done in part. This is still open:",
    Outcome.DENIED: "What was asked for was denied.",
}


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """What the templates of a certificate are given."""

    facts: CertificateFacts
    right: str
    regime: str
    summary: str
    open_points: tuple[str, ...]
    sections: tuple[Section, ...]
    #: The log's head that the proof leads to.
    log_size: int
    entry: int
    root: str
    keyid: str
    file_digest: str
    issued: str
    verified: bool


def page_of(certificate: Certificate, envelope: bytes, *, verified: bool) -> CertificatePage:
    """What to show of a certificate, whose file is `envelope`. `verified`: whether it was (rule 1).

    Raises InvalidInputError for a checkpoint that cannot be read, which a verified one never has.
    """
    facts = certificate.facts
    checkpoint = read_checkpoint(certificate.audit.checkpoint)
    return CertificatePage(
        facts=facts,
        right=_RIGHTS[facts.request.right],
        regime=_REGIMES[facts.request.regime],
        summary=_OUTCOMES[facts.outcome],
        open_points=tuple(unfinished(facts)),
        sections=tuple(sections_of(facts)),
        log_size=checkpoint.size,
        entry=certificate.audit.index,
        root=checkpoint.root.hex(),
        keyid=certificate.keyid,
        file_digest=digest_text(hashlib.sha256(envelope).digest()),
        issued=rfc3339(facts.issued_at),
        verified=verified,
    )


def as_html(page: CertificatePage) -> str:
    """The page (rules 1 and 2)."""
    style = (shipped("templates") / "certificate" / "style.css").read_text("utf-8")
    template = page_environment().get_template("certificate/certificate.html")
    return template.render(_values(page), style=style)


def as_text(page: CertificatePage) -> str:
    """The account as plain text; control characters in it are the caller's to mask."""
    return text_environment().get_template("certificate/certificate.txt").render(_values(page))


def as_pdf(page: CertificatePage) -> bytes:
    """The page as PDF (rule 3). Raises SetupError where WeasyPrint or its libraries are missing.

    Cost: about half a second, most of it the first time.
    """
    return pdf_of(as_html(page), identity=page.file_digest)


def _values(page: CertificatePage) -> dict[str, Any]:
    return {item.name: getattr(page, item.name) for item in fields(page)}
