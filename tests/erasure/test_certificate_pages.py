"""A certificate for people: the page, the PDF and the text say what the facts say."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from pypdf import PdfReader

from registry.erasure.certificate import pages as certificate_pages
from registry.erasure.certificate.document import verify
from registry.erasure.certificate.facts import CertificateFacts
from registry.erasure.certificate.pages import CertificatePage, as_html, as_pdf, as_text, page_of
from registry.errors import SetupError
from registry.render import page_environment, text_environment
from tests.browser import look_at
from tests.erasure.certified import DENIED, FILE, KEYS, PARTLY, WHOLLY, certificate

ROOT = Path(__file__).resolve().parent.parent.parent
POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; """
ALL = pytest.mark.parametrize("facts", [PARTLY, WHOLLY, DENIED], ids=lambda facts: facts.outcome)


def page(facts: CertificateFacts = PARTLY, *, verified: bool = True) -> CertificatePage:
    envelope = certificate(facts)
    return page_of(verify(envelope, KEYS), envelope, verified=verified)


def without_policy(text: str) -> str:
    """The page without its policy against scripts, for the one that the test brings."""
    assert POLICY in text
    return re.sub(r'<meta http-equiv="Content-Security-Policy".*', "", text)


def test_the_account_is_the_one_that_was_agreed(golden: Callable[[str, str], None]) -> None:
    golden("certificate.txt", as_text(page()))
    golden("certificate-fulfilled.txt", as_text(page(WHOLLY)))
    golden("certificate-denied.txt", as_text(page(DENIED)))


def test_the_page_is_the_one_that_was_agreed(golden: Callable[[str, str], None]) -> None:
    text = as_html(page())
    golden("certificate.html", re.sub(r"(?s)<style>.*</style>", "<style></style>", text))


@ALL
@pytest.mark.parametrize(("dark", "width"), [(False, 1000), (True, 500)], ids=["light", "dark"])
def test_the_page_can_be_read_by_everybody(facts: CertificateFacts, dark: bool, width: int) -> None:
    text = as_html(page(facts, verified=not dark))
    found = look_at(without_policy(text), dark=dark, width=width)
    assert found["violations"] == []
    assert found["passes"] > 15
    assert (found["dark"], found["overflow"]) == (dark, 0)


def test_the_page_loads_nothing_and_escapes_everything() -> None:
    hostile = "</style><script>alert(1)</script><img src=http://192.0.2.1/x>"
    facts = replace(PARTLY, targets=(replace(FILE, name=hostile),))
    text = as_html(page(facts))
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not re.search(r'\b(src|href|action)\s*=\s*["\']?\w', text.replace("src=http", ""))
    assert as_pdf(page(facts)).startswith(b"%PDF-")


def test_a_page_from_an_unverified_file_says_so_first() -> None:
    for make in (as_html, as_text):
        said = make(page(verified=False))
        assert re.search("not verified", said, re.I)
        assert re.search("not verified", said, re.I).start() < said.index("done in part")  # type: ignore[union-attr]
        assert not re.search("not verified", make(page()), re.I)


def test_every_fact_is_in_the_text_and_on_the_page() -> None:
    text, html = as_text(page()), as_html(page())
    for said in (
        PARTLY.request.id,
        PARTLY.request.reference,
        PARTLY.clock.calculation,
        "the identity question was open",
        "many sources had to be searched",
        "part-0001.parquet",
        "not counted",
        "GDPR Art. 17(3)(e)",
        "matter-2026-4",
        "48,210",
        "28 May 2026",
        "it was dissolved in 2025",
        "retrain",
        "team-speech",
        PARTLY.suppressions[0],
        PARTLY.plan.digest if PARTLY.plan else "",
        "sha256:" + hashlib.sha256(certificate()).hexdigest(),
    ):
        assert said in text
        assert said in html
    assert "A17-3-e" in as_html(page(DENIED))
    assert "Nothing is withheld." in as_html(page(WHOLLY))
    assert text.endswith("\n")


def test_the_pdf_is_tagged_and_says_what_the_page_says() -> None:
    made = PdfReader(io.BytesIO(as_pdf(page())))
    root = made.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert "/StructTreeRoot" in root
    assert made.metadata is not None
    assert made.metadata.title == "Certificate 17: request for erasure, partially fulfilled"
    assert str(made.metadata.creation_date) == "2026-03-20 09:30:00+00:00"
    said = re.sub(r"\s+", " ", " ".join(each.extract_text() for each in made.pages))
    assert "Partially fulfilled" in said
    assert f"Page 1 of {len(made.pages)}" in said


def test_the_same_certificate_gives_the_same_pdf_in_every_process() -> None:
    program = (
        "import hashlib; from tests.erasure.test_certificate_pages import page, as_pdf;"
        "print(hashlib.sha256(as_pdf(page())).hexdigest())"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "SOURCE_DATE_EPOCH": "1"},
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        ).stdout.strip()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    here = hashlib.sha256(as_pdf(page())).hexdigest()
    assert answers == [here, here]
    assert as_pdf(page(WHOLLY)) != as_pdf(page())


def test_making_a_pdf_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        as_pdf(page())
    assert caplog.records == []


def test_without_the_extra_the_refusal_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(SetupError, match=r"lineage-registry\[pdf\]"):
        as_pdf(page())
    assert as_html(page())


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    for environment in (page_environment(), text_environment()):
        with pytest.raises(UndefinedError):
            environment.from_string("{{ nothing }}").render()
    assert certificate_pages.as_text(page()).count("\n") > 20
