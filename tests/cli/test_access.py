"""Bindings and requests for access on the command line."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def auditor(run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """The token of `ann`, who is a viewer of `default`."""
    made = run("token", "create", "ann", "--role", "viewer", "--json")
    return str(made.json["token"])


def test_a_role_is_given_listed_and_taken_away(run: Run, auditor: str) -> None:
    made = run("binding", "add", "ann", "auditor", "--expires", "P30D", "--json")
    assert (made.code, made.json["role"], made.json["project"]) == (0, "auditor", "default")
    listed = run("binding", "list", "--account", "ann", "--json").json["bindings"]
    assert [one["role"] for one in listed] == ["auditor", "viewer"]
    assert "auditor" in run("binding", "list").out
    gone = run("binding", "remove", made.json["id"])
    assert (gone.code, "auditor" in gone.out) == (0, True)
    left = run("binding", "list", "--account", "ann", "--json").json["bindings"]
    assert [one["role"] for one in left] == ["viewer"]


def test_a_lineage_is_opened_for_a_while(run: Run, auditor: str) -> None:
    scoped = ("binding", "add", "ann", "auditor", "--lineage-of", "s3://models classifier")
    assert run(*scoped).code == 1
    made = run(*scoped, "--expires", "P30D", "--json").json
    assert made["scope"] == "dataset:s3://models:classifier"
    assert run("binding", "add", "ann", "auditor", "--lineage-of", "nameless").code == 2


def test_access_is_asked_for_and_decided_by_another(
    run: Run, auditor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("REGISTRY_TOKEN", auditor)
        words = ("access", "request", "auditor", "--why", "yearly review", "--for", "P7D")
        asked = run(*words, "--json").json
        other = run(*words)
        assert "Another person decides" in other.err + other.out
        assert run("access", "approve", asked["id"]).code == 1
        assert run("access", "list", "--json").json["totalCount"] == 2
    decided = run("access", "approve", asked["id"], "--json").json
    assert (decided["state"], decided["account"]) == ("approved", "ann")
    assert "approved" in run("access", "show", asked["id"]).out
    waiting = run("access", "list", "--state", "waiting", "--json").json["requests"]
    denied = run("access", "deny", waiting[0]["id"], "--why", "one is enough")
    assert "one is enough" in denied.out
    assert "yearly review" in run("access", "list").out


def test_nobody_decides_for_themselves(run: Run) -> None:
    words = ("access", "request", "viewer", "--why", "to look", "--for", "P1D", "--json")
    mine = run(*words).json["id"]
    refused = run("access", "approve", mine)
    assert refused.code == 1
    assert "nobody decides on what they filed" in refused.err
