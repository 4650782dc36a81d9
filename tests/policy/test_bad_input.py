"""What is unknown, contradictory or malformed is told, and is never a silent allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.client.http import HttpClient
from registry.errors import InvalidInputError, PolicyError
from registry.policy.policy_set import FILES, load_policies
from registry.request import House
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.rights.asking import NAMESPACE, consent, person, write_batch

ASKED = {"dataset": {"namespace": NAMESPACE, "name": "raw"}, "purpose": "model_training"}
SAID = {"license": "MIT", "origin": {"kind": "first_party"}, "exampleCount": 3}
BOMBS = {
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nrules: [*b, *b]\n",
    "a merge key": "base: {x: 1}\nrules: {<<: {x: 2}}\n",
    "depth": "rules: " + "[" * 2_000 + "]" * 2_000,
    "length": "rules: [" + "x, " * 400_000 + "x]",
    "a tag": "rules: !!python/object/apply:os.system [x]\n",
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_yaml_bomb_in_any_file_is_refused(tmp_path: Path, file: str, bomb: str) -> None:
    (tmp_path / file).write_text(BOMBS[bomb])
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path)
    assert caught.value.detail.startswith(file)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("decisions", {**ASKED, "purpose": "conquest"}),
        ("decisions/explain", {**ASKED, "purpose": "conquest"}),
        ("manifests", {**ASKED, "purpose": "conquest"}),
        ("vettings", {**ASKED, "purpose": "conquest"}),
        ("consents", consent(1, "given", "2026-01-01T00:00:00Z") | {"purpose": "conquest"}),
        ("consents/standing", {"subject": person(1), "purpose": "conquest"}),
    ],
)
def test_a_purpose_that_nobody_defined_is_refused_with_those_there_are(
    admin: HttpClient, path: str, body: dict[str, Any]
) -> None:
    write_batch(admin, "raw", "one", **SAID)
    with pytest.raises(InvalidInputError, match="conquest") as caught:
        admin.post(f"/api/v1/{path}", body)
    assert "model_training" in caught.value.remedy


@pytest.mark.parametrize(
    ("said", "asked", "rule", "expected"),
    [
        ({}, {}, None, "allow"),
        ({"license": "you may read it"}, {}, "license", "cannot_tell"),
        ({"license": "LicenseRef-nobody-knows"}, {}, "license", "cannot_tell"),
        ({"license": "MIT AND LicenseRef-nobody-knows"}, {}, "license", "cannot_tell"),
        ({"license": "MIT AND ("}, {}, "license", "cannot_tell"),
        ({"license": " "}, {}, "license", "cannot_tell"),
        ({"license": None, "origin": {"kind": "licensed"}}, {}, "license", "cannot_tell"),
        ({}, {"region": "atlantis-1"}, "residency", "cannot_tell"),
        ({"purposes": ["conquest"]}, {}, "purpose", "deny"),
        ({"purposes": []}, {}, "purpose", "deny"),
    ],
)
def test_what_a_batch_says_badly_is_never_a_silent_allow(
    admin: HttpClient,
    house: House,
    said: dict[str, Any],
    asked: dict[str, Any],
    rule: str | None,
    expected: str,
) -> None:
    batch = {name: value for name, value in {**SAID, **said}.items() if value is not None}
    write_batch(admin, "raw", "one", **batch)
    Workers(house, threads=1).work_off()
    answer = admin.post("/api/v1/decisions", {**ASKED, **asked})
    assert answer["decision"] == expected, answer
    worst = {each["rule"] for each in answer["reasons"] if each["outcome"] == expected}
    assert rule is None or rule in worst


NEW_YEAR, LATER, LAST = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"
FUTURE = "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("events", "permits"),
    [
        ([("given", NEW_YEAR), ("withdrawn", NEW_YEAR)], False),
        ([("withdrawn", NEW_YEAR), ("given", NEW_YEAR)], False),
        ([("given", LAST), ("withdrawn", LATER)], True),
        ([("withdrawn", LAST), ("given", LATER)], False),
        ([("given", FUTURE)], False),
        ([("given", NEW_YEAR), ("withdrawn", FUTURE)], True),
        ([("given", NEW_YEAR), ("given", LATER), ("withdrawn", LAST)], False),
        ([("given", NEW_YEAR), ("requested", LATER), ("deferred", LAST)], True),
        ([("given", NEW_YEAR), ("renewed", LAST), ("invalidated", LATER)], True),
        ([("given", NEW_YEAR), ("objected", NEW_YEAR), ("renewed", NEW_YEAR)], False),
    ],
)
def test_contradictory_and_disordered_consent_is_settled_towards_no(
    admin: HttpClient, events: list[tuple[str, str]], *, permits: bool
) -> None:
    for status, at in events:
        admin.post("/api/v1/consents", consent(1, status, at))
    asked = {"subject": person(1), "purpose": "model_training"}
    assert admin.post("/api/v1/consents/standing", asked)["permits"] is permits


def test_a_narrower_no_overlaps_a_wider_yes(admin: HttpClient) -> None:
    admin.post("/api/v1/consents", consent(1, "given", NEW_YEAR))
    refused = consent(1, "refused", LATER) | {"purpose": "fine_tuning"}
    admin.post("/api/v1/consents", refused)
    permits = {
        purpose: admin.post(
            "/api/v1/consents/standing", {"subject": person(1), "purpose": purpose}
        )["permits"]
        for purpose in ("model_training", "fine_tuning", "pre_training")
    }
    assert permits == {"model_training": False, "fine_tuning": False, "pre_training": True}


RULES = """
rules:
  - {name: a-month, scope: {dataset: raw}, trigger: collected, duration: P1M, action: erase,
     legal_basis: test, rank: maximum}
  - {name: idle, scope: {dataset: "no-*"}, trigger: collected, duration: P1M, legal_basis: test}
"""


def test_a_month_from_31_january_ends_with_february_and_an_idle_rule_is_told(
    admin: HttpClient, house: House, frozen_clock: FrozenClock, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "retention.yaml").write_text(RULES)
    house.policies.folder = folder
    house.policies.reload()
    origin = {"kind": "first_party", "collectedUntil": "2026-01-31T09:30:00Z"}
    write_batch(admin, "raw", "one", **{**SAID, "origin": origin})
    Workers(house, threads=1).work_off()
    # The clock stands at the first of March.
    found = admin.get("/api/v1/retention/due")
    assert [item["due_at"] for item in found["due"]] == ["2026-02-28T09:30:00Z"]
    assert found["idle_rules"] == ["idle"]
    for as_of, expected in (("2026-02-28T09:29:59Z", "allow"), ("2026-02-28T09:30:00Z", "deny")):
        answer = admin.post("/api/v1/decisions", {**ASKED, "as_of": as_of})
        assert answer["decision"] == expected, answer
