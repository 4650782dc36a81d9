"""Log-in at a real OpenID provider, and every lie it may tell."""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from registry.actors.accounts import SYSTEM
from registry.actors.people import give_role
from registry.actors.person_tables import LogInState, PersonIdentity, ProviderBinding
from registry.actors.projects import create_project
from registry.actors.sessions import roles_by_project
from registry.actors.tables import Account, Role
from registry.request import House
from registry.settings import Settings
from registry.storage.columns import table_of
from tests.live import open_registry
from tests.stores import dump_all
from tests.web.conftest import Provider, another, browser_of, csrf_in, entries

_account, _identity = table_of(Account), table_of(PersonIdentity)


def account_named(house: House, name: str) -> str:
    with house.database.read() as session:
        query = select(_account.c.id).where(_account.c.name == name)
        return str(session.execute(query).scalar_one())


def roles(house: House, name: str) -> dict[str, tuple[Role, ...]]:
    account = account_named(house, name)
    with house.database.read() as session:
        held = roles_by_project(session, account, now=house.clock())
    return {one.project: one.roles for one in held}


def test_somebody_logs_in_and_is_an_actor(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    provider.person("s-1", preferred_username="ada", groups=["everybody", "audit", "others"])
    page = provided_browser.get("/log-in?next=/%3Fa%3Db").text
    assert 'href="/log-in/provider?next=/%3Fa%3Db"' in page
    assert "password" not in page.lower()
    answer = provider.log_in(provided_browser, "s-1", next_path="/?a=b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?a=b"), answer.text
    home = provided_browser.get("/").text
    assert "<strong>ada</strong>" in home
    assert '<th scope="row">default</th><td>auditor, viewer</td>' in home
    listed = provided_browser.get("/api/v1/projects", headers={"Accept": "application/json"})
    assert listed.status_code == 200, listed.text
    assert roles(provided, "ada") == {"default": (Role.AUDITOR, Role.VIEWER)}


def test_what_leaves_for_the_provider_has_state_nonce_and_a_challenge(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    leaving = provided_browser.get("/log-in/provider")
    asked = urlsplit(leaving.headers["location"])
    query = {name: value for name, (value,) in parse_qs(asked.query).items()}
    assert f"{asked.scheme}://{asked.netloc}" == provider.url
    assert query["response_type"] == "code"
    assert query["redirect_uri"] == "http://127.0.0.1:8400/log-in/callback"
    assert query["code_challenge_method"] == "S256"
    assert {len(query[name]) for name in ("state", "nonce", "code_challenge")} == {43}
    assert query["scope"] == "openid profile"
    cookie = leaving.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    kept = repr(dump_all(provided.database))
    assert query["state"] not in kept
    assert query["nonce"] not in kept
    assert cookie.split("=")[1].split(";")[0] not in kept


def test_roles_are_made_anew_at_each_log_in(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    provider.person("s-2", preferred_username="grace", groups=["everybody", "audit"])
    provider.log_in(provided_browser, "s-2")
    with provided.database.write() as session:
        made = create_project(session, "speech", actor=SYSTEM, now=provided.clock())
        # What somebody here granted is no business of the provider's.
        account = account_named(provided, "grace")
        give_role(session, account, made.id, Role.STEWARD, now=provided.clock())
    provider.person("s-2", preferred_username="another name", groups=["operators"])
    provider.log_in(provided_browser, "s-2")
    assert roles(provided, "grace") == {
        "default": (Role.ADMINISTRATOR,),
        "speech": (Role.STEWARD,),
    }
    provider.person("s-2", groups="everybody")
    provider.log_in(provided_browser, "s-2")
    assert roles(provided, "grace")["default"] == (Role.VIEWER,)
    provider.person("s-2")
    provider.log_in(provided_browser, "s-2")
    assert roles(provided, "grace") == {"speech": (Role.STEWARD,)}
    with provided.database.read() as session:
        assert session.execute(select(table_of(ProviderBinding))).all() == []
    changes = [payload for kind, payload in entries(provided) if kind == "actors.roles.changed"]
    assert len(changes) == 4
    assert b"administrator" in changes[1]


def test_groups_that_conflict_refuse_the_log_in(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    provider.person("s-3", preferred_username="joan", groups=["everybody"])
    provider.log_in(provided_browser, "s-3")
    provider.person("s-3", preferred_username="joan", groups=["operators", "audit"])
    answer = provider.log_in(provided_browser, "s-3")
    assert answer.status_code == 409
    assert "administrator and auditor" in answer.text
    assert roles(provided, "joan") == {"default": (Role.VIEWER,)}
    assert entries(provided)[-1][0] == "actors.session.refused"


def test_a_name_is_no_identity(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    """`admin` is the first account; somebody who calls themselves so at the provider is not it."""
    provider.person("s-4", preferred_username="admin", groups=["everybody"])
    provider.log_in(provided_browser, "s-4")
    home = provided_browser.get("/").text
    assert "<strong>admin (" in home
    assert "administrator" not in home


def test_nothing_personal_is_in_the_journal(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    provider.person("s-secret-5", preferred_username="hedy@example.org", groups=["everybody"])
    provider.log_in(provided_browser, "s-secret-5")
    told = repr(entries(provided, ""))
    assert "hedy" not in told
    assert "s-secret-5" not in told
    assert [kind for kind, _ in entries(provided)][-4:] == [
        "actors.account.created",
        "actors.binding.added",
        "actors.roles.changed",
        "actors.session.started",
    ]


@pytest.mark.parametrize(
    "lie", ["alg_none", "alg_hs256", "unsigned", "changed", "stranger", "missing"]
)
def test_a_forged_id_token_is_refused(
    provided: House, provided_browser: TestClient, provider: Provider, lie: str
) -> None:
    provider.person("s-6", preferred_username="mary")
    back = provider.callback(provided_browser, "s-6")
    provider.lie(lie)
    answer = provided_browser.get(back)
    assert answer.status_code == 401, answer.text
    assert "not one that this log-in can take" in answer.text
    assert provided_browser.get("/").headers["location"] == "/log-in"
    with provided.database.read() as session:
        assert session.execute(select(_identity)).all() == []


def test_a_state_is_used_once_and_by_its_own_browser(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    provider.person("s-7", preferred_username="rosa")
    back = provider.callback(provided_browser, "s-7")
    stolen = another(provided_browser).get(back)
    assert stolen.status_code == 401
    assert "another browser" in stolen.text
    # Who holds a stolen answer has used it up, too: the rightful browser begins anew.
    assert provided_browser.get(back).status_code == 401
    again = provider.callback(provided_browser, "s-7")
    assert provided_browser.get(again).status_code == 303
    replayed = provided_browser.get(again)
    assert replayed.status_code == 401
    with provided.database.read() as session:
        assert session.execute(select(table_of(LogInState))).all() == []


@pytest.mark.parametrize(
    "query",
    ["", "?code=x", "?state=x", "?error=access_denied&state=x", "?code=x&state=" + "y" * 5000],
)
def test_an_answer_that_is_none_is_refused(provided_browser: TestClient, query: str) -> None:
    answer = provided_browser.get(f"/log-in/callback{query}")
    assert answer.status_code == 401
    assert "log-in" in answer.text


def test_a_code_of_nobody_is_refused(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    state = parse_qs(provided_browser.get("/log-in/provider").headers["location"])["state"][0]
    answer = provided_browser.get("/log-in/callback", params={"state": state, "code": "guessed"})
    assert answer.status_code == 401


def test_a_code_of_another_log_in_fails_its_verifier(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    """PKCE: an attacker who injects their code into somebody's log-in gets nowhere."""
    provider.person("s-8", preferred_username="lise")
    theirs = parse_qs(urlsplit(provider.callback(provided_browser, "s-8")).query)["code"][0]
    victim = another(provided_browser)
    state = parse_qs(victim.get("/log-in/provider").headers["location"])["state"][0]
    answer = victim.get("/log-in/callback", params={"state": state, "code": theirs})
    assert answer.status_code == 401


def test_neither_log_nor_rows_hold_the_client_secret(
    provided: House,
    provided_browser: TestClient,
    provider: Provider,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.person("s-9", preferred_username="emmy")
    with caplog.at_level(logging.DEBUG):
        provider.log_in(provided_browser, "s-9")
    assert "a secret of the tests" not in caplog.text
    assert "a secret of the tests" not in repr(dump_all(provided.database))
    assert "a secret of the tests" not in repr(provided.settings)


def test_there_is_no_other_door_beside_a_provider(
    provided: House, provided_browser: TestClient
) -> None:
    for path, form in (("/log-in", {"name": "a", "password": "b"}), ("/set-up", {"link": "x"})):
        assert provided_browser.post(path, data=form).status_code == 409
    assert provided.log_ins.offer_setup() is None


def test_a_provider_that_is_gone_is_no_fault_of_ours(settings: Settings) -> None:
    gone = replace(settings, oidc_issuer="http://127.0.0.1:9", oidc_client_id="registry")
    with open_registry(gone) as opened, browser_of(opened.house) as browser:
        answer = browser.get("/log-in/provider")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"


def test_logging_out_ends_the_session(
    provided: House, provided_browser: TestClient, provider: Provider
) -> None:
    provider.person("s-10", preferred_username="vera")
    provider.log_in(provided_browser, "s-10")
    csrf = csrf_in(provided_browser.get("/").text)
    assert provided_browser.post("/log-out", data={"csrf": csrf}).status_code == 303
    assert provided_browser.get("/").headers["location"] == "/log-in"
