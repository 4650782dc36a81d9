"""Changed policy files go into force as one set, for rights and for decisions alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from registry.client.http import HttpClient
from registry.errors import InvalidInputError, PolicyError
from registry.files import shipped
from registry.policy import book
from registry.policy.book import PolicyBook
from registry.policy.policy_set import PolicySet, load_policies
from registry.request import House
from tests.rights.asking import NAMESPACE, consent, write_batch

PURPOSES = "purposes.yaml"
OWN = "  juggling: {label: Juggling}\n"


@pytest.fixture
def folder(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of policy files that a house goes by, and looks at for every question."""
    monkeypatch.setattr(book, "_LOOKED_AT_MOST_EVERY_SECONDS", 0.0)
    made = tmp_path / "own"
    made.mkdir()
    house.policies.folder = made
    house.policies.reload()
    return made


def put(folder: Path, name: str, text: str, moment: int) -> None:
    (folder / name).write_text(text)
    os.utime(folder / name, (moment, moment))


def gauge(client: HttpClient) -> float:
    (line,) = [
        line
        for line in client.request("GET", "/metrics").text.splitlines()
        if line.startswith("registry_policies_refused ")
    ]
    return float(line.split()[1])


def said(client: HttpClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/policies")
    return found


def test_rights_and_decisions_go_over_to_new_files_together(
    admin: HttpClient, folder: Path
) -> None:
    given = consent(1, "given", "2026-01-01T00:00:00Z") | {"purpose": "juggling"}
    with pytest.raises(InvalidInputError):
        admin.post("/api/v1/consents", given)
    before = said(admin)
    text = (shipped("policies") / PURPOSES).read_text()
    put(folder, PURPOSES, text.replace("purposes:\n", f"purposes:\n{OWN}", 1), 1)
    assert admin.post("/api/v1/consents", given)["recorded"] == 1
    after = said(admin)
    assert ("juggling" in before["purposes"], "juggling" in after["purposes"]) == (False, True)
    assert before["policy"] != after["policy"]
    assert (after["refused"], gauge(admin)) == (None, 0.0)


def test_licences_are_read_by_the_new_file_too(admin: HttpClient, folder: Path) -> None:
    write_batch(admin, "raw", "one", license="MIT")
    asked = {"namespace": NAMESPACE, "name": "raw"}
    terms = [admin.get("/api/v1/rights/terms", asked)["terms"]["ai_training"]]
    text = (shipped("policies") / "licenses.yaml").read_text()
    stricter = text.replace("  MIT: {ai_training: allowed", "  MIT: {ai_training: denied", 1)
    assert stricter != text
    put(folder, "licenses.yaml", stricter, 1)
    terms.append(admin.get("/api/v1/rights/terms", asked)["terms"]["ai_training"])
    assert terms[0] != "denied"
    assert terms[1] == "denied"


def test_a_change_that_cannot_be_used_changes_nothing_and_is_shown_until_it_can(
    admin: HttpClient, folder: Path
) -> None:
    before = said(admin)
    put(folder, "vet.yaml", "tolerance: [", 1)
    broken = said(admin)
    assert broken["refused"].startswith("vet.yaml, line")
    assert {**broken, "refused": None} == before
    assert gauge(admin) == 1.0
    put(folder, "vet.yaml", "tolerance: 0.25", 2)
    mended = said(admin)
    assert (mended["refused"], gauge(admin)) == (None, 0.0)
    assert mended["policy"] != before["policy"]


def test_files_that_change_while_they_are_read_make_no_set(tmp_path: Path) -> None:
    moments, disturbed = iter(range(1, 100)), [False]

    def load(folder: Path | None) -> PolicySet:
        found = load_policies(folder)
        if disturbed[0]:
            put(tmp_path, "vet.yaml", "tolerance: 0.25", next(moments))
        return found

    own = PolicyBook(tmp_path, load)
    first = own.current()
    disturbed[0] = True
    with pytest.raises(PolicyError, match="changed while they were read"):
        own.reload()
    assert own.current() is first
    disturbed[0] = False
    assert own.reload().vet.tolerance == 0.25
