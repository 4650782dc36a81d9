"""Licences and purposes: what the files say, and how a file that is wrong is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from registry.errors import InvalidInputError, PolicyError
from registry.rights.licenses import Licenses, load_licenses, read_licenses, strictest
from registry.rights.policy_file import LIMIT_BYTES, parse_policy
from registry.rights.purposes import load_purposes, read_purposes


@pytest.fixture(scope="module")
def licenses() -> Licenses:
    return load_licenses()


@pytest.mark.parametrize(
    ("text", "expression", "is_spdx", "training", "commercial"),
    [
        ("MIT", "MIT", True, "allowed", "allowed"),
        (" mit ", "MIT", True, "allowed", "allowed"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later", True, "allowed", "allowed"),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0", True, "demanded", "denied"),
        ("MIT AND CC-BY-NC-4.0", "MIT AND CC-BY-NC-4.0", True, "demanded", "denied"),
        ("MIT OR CC-BY-NC-4.0", "MIT OR CC-BY-NC-4.0", True, "allowed", "allowed"),
        ("MIT AND Aladdin", "MIT AND Aladdin", True, "unknown", "unknown"),
        ("LicenseRef-proprietary", "LicenseRef-proprietary", False, "denied", "denied"),
        ("LicenseRef-ours", "LicenseRef-ours", False, "unknown", "unknown"),
        ("you may read it", "LicenseRef-you-may-read-it", False, "unknown", "unknown"),
        ("first party", "LicenseRef-first-party", False, "unknown", "unknown"),
        ("MIT AND", "LicenseRef-MIT-AND", False, "unknown", "unknown"),
        ("((((", "LicenseRef-unnamed", False, "unknown", "unknown"),
        ("(" * 5_000, "LicenseRef-unnamed", False, "unknown", "unknown"),
    ],
)
def test_a_licence_is_read(
    licenses: Licenses, text: str, expression: str, is_spdx: bool, training: str, commercial: str
) -> None:
    found = licenses.of(text)
    assert found is not None
    assert (found.expression, found.is_spdx) == (expression, is_spdx)
    assert (found.terms.ai_training, found.terms.commercial_use) == (training, commercial)


def test_no_licence_is_none(licenses: Licenses) -> None:
    assert licenses.of(None) is None
    assert licenses.of("  ") is None


@pytest.mark.parametrize(
    ("texts", "training", "derivatives"),
    [
        (["MIT"], "allowed", "demanded"),
        (["CC0-1.0", "MIT"], "allowed", "demanded"),
        (["MIT", None], "unknown", "unknown"),
        (["MIT", "who knows"], "unknown", "unknown"),
        (["who knows", "LicenseRef-proprietary"], "denied", "denied"),
        (["CC0-1.0", "CC-BY-ND-4.0"], "unknown", "denied"),
        ([], "unknown", "unknown"),
    ],
)
def test_the_strictest_of_several_counts(
    licenses: Licenses, texts: list[str | None], training: str, derivatives: str
) -> None:
    read = [licenses.of(text) for text in texts]
    joined = strictest(None if each is None else each.terms for each in read)
    assert (joined.ai_training, joined.derivatives) == (training, derivatives)


def test_what_is_demanded_is_said(licenses: Licenses) -> None:
    found = licenses.of("CC-BY-SA-4.0")
    assert found is not None
    assert found.terms.conditions == ("name the author", "pass on under the same licence")
    assert found.terms.verified_by == ("shipped defaults",)


ALLOWED = "ai_training: allowed, commercial_use: allowed, redistribution: allowed"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "f.yaml is empty"),
        ("licenses: [", "f.yaml, line 1"),
        ("a: 1", "line 1: The file has no member 'a'"),
        ("licenses: &x {}\nmore: *x", "line 1: anchors and aliases are not taken"),
        ("licenses:\n  MIT: !!python/name:os.system x", "line 2"),
        ("licenses:\n  MIT: {}\n  MIT: {}", "line 3: 'MIT' stands twice, first in line 2"),
        ("licenses:\n  No Such: {}", "line 2: 'No Such' is no SPDX identifier"),
        ("licenses:\n  MIT: {ai_training: yes}", "line 2: The licence MIT lacks"),
        (
            f"licenses:\n  MIT: {{{ALLOWED}, derivatives: perhaps, verified_by: [a]}}",
            "line 2: `derivatives` is 'perhaps'",
        ),
        (
            f"licenses:\n  MIT: {{{ALLOWED}, derivatives: demanded, verified_by: [a]}}",
            "line 2: MIT demands something",
        ),
        ("licenses: " + "[" * 200, "f.yaml"),
        ("licenses: " + "[" * 40 + "]" * 40, "nests over 32 levels"),
        ("licenses:\n  MIT: \x01", "f.yaml"),
    ],
)
def test_a_wrong_file_of_licences_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_licenses(parse_policy(text, "f.yaml"))
    assert complaint in refused.value.detail
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("purposes: {a: {label: A, implies: [b]}}", "line 1: a implies 'b', which is no purpose"),
        (
            "purposes:\n  a: {label: A, implies: [b]}\n  b: {label: B, implies: [a]}",
            "line 2: a implies itself",
        ),
        ("purposes:\n  a: {label: A, implies: [a]}", "line 2: a implies itself"),
        ("purposes:\n  a: {}", "line 2: The purpose a lacks 'label'"),
        ("purposes:\n  a: {label: 3}", "line 2: `label` is no text"),
        ("purposes: []", "line 1: `purposes` is no mapping"),
    ],
)
def test_a_wrong_file_of_purposes_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(PolicyError) as refused:
        read_purposes(parse_policy(text, "f.yaml"))
    assert complaint in refused.value.detail


def test_the_shipped_purposes_are_those_of_the_contracts() -> None:
    purposes = load_purposes()
    implied = ("model_training", "pre_training", "fine_tuning", "alignment")
    assert purposes.implied("model_training") == implied
    assert set(purposes.entries) == {
        *implied,
        "evaluation",
        "research",
        "analytics",
        "quality_assurance",
    }
    assert purposes.covering("alignment") == ("alignment", "model_training")
    with pytest.raises(InvalidInputError, match="There is no purpose 'training'"):
        purposes.require("training")


def test_a_long_file_is_refused(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "licenses.yaml"
    path.write_text("#" * (LIMIT_BYTES + 1))
    with pytest.raises(PolicyError, match="1048577 bytes"):
        load_licenses(path)


def test_an_application_starts_without_what_only_policies_need() -> None:
    code = "import sys, registry.app\nassert not {'yaml', 'license_expression'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
