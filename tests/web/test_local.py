"""The local administrator: set-up link, log-in, throttle, password, ways out."""

from __future__ import annotations

from sqlalchemy import select, update
from starlette.testclient import TestClient

from registry.actors.accounts import SYSTEM
from registry.actors.person_tables import LocalPassword, LogInThrottle
from registry.actors.projects import change_project
from registry.actors.sessions import roles_by_project
from registry.actors.tables import Account, Role
from registry.request import House
from registry.storage.columns import table_of
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.stores import dump_all
from tests.web.conftest import PASSWORD, another, csrf_in, entries, log_in, set_up

_account = table_of(Account)


def held(house: House, name: str = "administrator") -> set[Role]:
    with house.database.read() as session:
        account = session.execute(select(_account.c.id).where(_account.c.name == name)).scalar_one()
        found = roles_by_project(session, account, now=house.clock())
    return {role for one in found for role in one.roles}


def test_a_set_up_link_works_once(house: House, browser: TestClient) -> None:
    link = house.log_ins.offer_setup()
    page = browser.get("/set-up", params={"link": link})
    assert page.status_code == 200
    assert 'value="administrator"' in page.text
    form = {"link": link, "name": "the owner", "password": PASSWORD, "again": PASSWORD}
    answer = browser.post("/set-up", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "<strong>the owner</strong>" in browser.get("/").text
    stranger = another(browser)
    for again in (stranger.post("/set-up", data=form), stranger.get("/set-up?link=" + str(link))):
        assert again.status_code == 401
        assert "unknown, was used, or has expired" in again.text
    assert house.log_ins.offer_setup() is None
    kinds = [kind for kind, _ in entries(house) if kind != "actors.binding.added"]
    assert kinds[-6:] == [
        "actors.setup.offered",
        "actors.account.created",
        "actors.setup.done",
        "actors.password.changed",
        "actors.sessions.ended",
        "actors.session.started",
    ]
    told = repr(entries(house, ""))
    assert "the owner" not in told
    assert str(link) not in repr(dump_all(house.database))


def test_a_set_up_link_ends_by_itself_and_with_the_next(
    house: House, browser: TestClient, frozen_clock: FrozenClock
) -> None:
    first = house.log_ins.offer_setup()
    second = house.log_ins.offer_setup()
    assert browser.get(f"/set-up?link={first}").status_code == 401
    assert browser.get(f"/set-up?link={second}").status_code == 200
    frozen_clock.advance(days=1)
    answer = browser.get(f"/set-up?link={second}")
    assert answer.text == browser.get("/set-up?link=never").text
    assert answer.text == browser.get("/set-up").text


NO_SET_UP: list[tuple[dict[str, str], int, str]] = [
    ({"password": "short", "again": "short"}, 422, "12 to 256 are needed"),
    ({"password": "a" * 12, "again": "a" * 12}, 422, "over and over"),
    ({"again": "something else"}, 422, "The two passwords differ"),
    ({"password": "x" * 257, "again": "x" * 257}, 422, "12 to 256"),
    ({"name": "the four words", "password": "The Four Words", "again": "The Four Words"}, 422, ""),
    ({"name": " "}, 422, "no name for an account"),
    ({"name": "a\x00b"}, 422, "no name for an account"),
    ({"name": "admin"}, 409, "There is an account"),
]


def test_what_cannot_be_set_up_is_said_on_the_page(house: House, browser: TestClient) -> None:
    link = house.log_ins.offer_setup()
    for changes, status, said in NO_SET_UP:
        form = {"link": link, "name": "owner", "password": PASSWORD, "again": PASSWORD, **changes}
        answer = browser.post("/set-up", data=form)
        assert answer.status_code == status, answer.text
        assert said in answer.text
        assert 'role="alert"' in answer.text
        assert changes.get("password", PASSWORD) not in answer.text
        # The link is as good as it was.
        assert browser.get(f"/set-up?link={link}").status_code == 200


def test_name_and_password_log_in(house: House, browser: TestClient) -> None:
    set_up(house, another(browser))
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("registry-session=")
    assert all(word in cookie for word in ("HttpOnly", "Path=/", "SameSite=lax", "Max-Age=43200"))
    assert "Secure" not in cookie
    secret = cookie.split("=")[1].split(";")[0]
    assert len(secret) == 43
    assert secret not in repr(dump_all(house.database))
    with house.database.read() as session:
        encoded = session.execute(select(table_of(LocalPassword).c.encoded)).scalar_one()
    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_over_tls_the_cookie_is_bound_to_host_and_tls(house: House, browser: TestClient) -> None:
    safe = another(browser, base_url="https://registry.test")
    set_up(house, safe)
    (cookie,) = log_in(safe).headers.get_list("set-cookie")
    assert cookie.startswith("__Host-registry-session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert safe.get("/").status_code == 200


def test_a_wrong_name_and_a_wrong_password_look_alike(house: House, browser: TestClient) -> None:
    set_up(house, another(browser))
    pages = [
        log_in(browser, **given)
        for given in (
            {"password": "not the password"},
            {"name": "nobody"},
            {"name": "admin"},
            {"name": "", "password": ""},
            {"name": "a\x00b"},
            {"name": "n" * 5000},
            {"password": "p" * 9000},
        )
    ]
    assert {page.status_code for page in pages} == {401}
    assert len({p.text.split('value="')[0] for p in pages}) == 1
    assert {"set-cookie" in page.headers for page in pages} == {False}
    refused = [payload for kind, payload in entries(house) if kind == "actors.session.refused"]
    assert len(refused) == 2
    assert b"testclient" not in refused[0]


def test_who_guesses_has_to_wait(
    house: House, browser: TestClient, frozen_clock: FrozenClock
) -> None:
    set_up(house, another(browser))
    for name in ("administrator", "nobody"):
        for _ in range(5):
            assert log_in(browser, name=name, password="guess").status_code == 401
        blocked = log_in(browser, name=name, password=PASSWORD)
        assert blocked.status_code == 429
        assert blocked.headers["retry-after"] == "2"
        assert "Too many" in blocked.text
    frozen_clock.advance(seconds=2)
    assert log_in(browser, name="administrator", password="guess").status_code == 401
    assert log_in(browser).headers["retry-after"] == "3"
    frozen_clock.advance(seconds=3)
    assert log_in(browser).status_code == 303
    assert log_in(browser, password="guess").status_code == 401
    kept = repr(dump_all(house.database)["log_in_throttle"])
    assert "administrator" not in kept
    frozen_clock.advance(hours=2)
    assert log_in(browser).status_code == 303
    with house.database.read() as session:
        # Its own name is forgotten, and what is old of others.
        assert len(session.execute(select(table_of(LogInThrottle))).all()) == 1


def test_an_address_has_to_wait_whatever_names_it_tries(house: House, browser: TestClient) -> None:
    answers = [log_in(browser, name=f"name {n}").status_code for n in range(21)]
    assert answers == [401] * 20 + [429]


def test_changes_by_a_session_need_its_csrf_token(house: House, browser: TestClient) -> None:
    set_up(house, browser)
    csrf = csrf_in(browser.get("/").text)
    json = {"Accept": "application/json"}
    body = {"name": "speech"}
    refused = browser.post("/api/v1/projects", json=body, headers=json)
    assert refused.status_code == 403
    assert refused.json()["code"] == "forged_request"
    for bad in ("", "x", csrf[:-1], "ä"):
        headers = json | {"Registry-CSRF": bad.encode()}
        assert browser.post("/api/v1/projects", json=body, headers=headers).status_code == 403
    headers = json | {"Registry-CSRF": csrf}
    assert browser.post("/api/v1/projects", json=body, headers=headers).status_code == 201
    for path in ("/log-out", "/log-out-everywhere", "/password"):
        assert browser.post(path, data={"csrf": "x"}).status_code == 403
    assert browser.get("/").status_code == 200


def test_logging_out_ends_one_session_or_all(house: House, browser: TestClient) -> None:
    set_up(house, browser)
    second, third = another(browser), another(browser)
    log_in(second)
    log_in(third)
    out = second.post("/log-out", data={"csrf": csrf_in(second.get("/").text)})
    assert "Max-Age=0" in out.headers["set-cookie"]
    stolen = dict(browser.cookies)
    assert second.get("/").headers["location"] == "/log-in"
    assert third.get("/").status_code == 200
    everywhere = third.post("/log-out-everywhere", data={"csrf": csrf_in(third.get("/").text)})
    assert everywhere.status_code == 303
    for gone in (browser, third, another(browser, cookies=stolen)):
        assert gone.get("/").headers["location"] == "/log-in"
        answer = gone.get("/api/v1/projects", headers={"Accept": "application/json"})
        assert answer.status_code == 401
    kinds = [kind for kind, _ in entries(house)]
    assert kinds.count("actors.session.ended") == 1
    assert kinds[-1] == "actors.sessions.ended"


def test_a_session_ends_without_use_and_in_any_case(
    house: House, browser: TestClient, frozen_clock: FrozenClock
) -> None:
    set_up(house, browser)
    for _ in range(3):
        frozen_clock.advance(minutes=29)
        assert browser.get("/").status_code == 200
    frozen_clock.advance(minutes=30)
    assert browser.get("/").status_code == 303
    log_in(browser)
    for _ in range(28):
        frozen_clock.advance(minutes=25)
        assert browser.get("/").status_code == 200
    frozen_clock.advance(minutes=20)
    assert browser.get("/").status_code == 303


def test_the_last_use_of_a_session_outlives_its_server(
    house: House, browser: TestClient, frozen_clock: FrozenClock
) -> None:
    set_up(house, browser)
    frozen_clock.advance(minutes=20)
    browser.get("/")
    house.log_ins.sessions.write_uses()
    rows = dump_all(house.database)["web_session"]
    micros = int(house.clock().timestamp() * 1_000_000)
    assert micros in rows[0]


def test_a_password_is_changed_by_who_knows_it(house: House, browser: TestClient) -> None:
    set_up(house, another(browser))
    log_in(browser)
    other = another(browser)
    log_in(other)
    csrf = csrf_in(browser.get("/password").text)
    new = "another four words here"
    form = {"csrf": csrf, "old": "wrong", "password": new, "again": new}
    assert browser.post("/password", data=form).status_code == 422
    form["old"] = PASSWORD
    assert browser.post("/password", data=form | {"again": "x"}).status_code == 422
    assert browser.post("/password", data=form).headers["location"] == "/"
    assert browser.get("/").status_code == 200
    assert other.get("/").status_code == 303
    assert log_in(other).status_code == 401
    assert log_in(other, password=new).status_code == 303


def test_a_lost_password_is_set_anew_by_a_new_link(
    house: House, browser: TestClient, make_token: TokenMaker
) -> None:
    set_up(house, browser)
    program = another(browser, headers={"Authorization": f"Bearer {make_token(*Role)}"})
    made = program.post("/api/v1/setup-links").json()
    assert made["url"] is None
    fresh = another(browser)
    page = fresh.get(made["path"])
    assert "A new password for <strong>administrator</strong>" in page.text
    link = made["path"].partition("=")[2]
    new = "another four words here"
    form = {"link": link, "name": "x", "password": new, "again": new}
    assert fresh.post("/set-up", data=form).status_code == 303
    assert browser.get("/").status_code == 303
    assert log_in(browser, password=new).status_code == 303


def test_the_local_administrator_holds_what_the_first_token_does(
    house: House, browser: TestClient
) -> None:
    set_up(house, browser)
    strict = not house.settings.embedded
    assert held(house) == ({Role.ADMINISTRATOR} if strict else set(Role))
    if not strict:
        with house.database.write() as session:
            change_project(session, "default", strict=True, actor=SYSTEM, now=house.clock())
    assert held(house) == {Role.ADMINISTRATOR}


def test_a_person_without_a_role_sees_that(house: House, browser: TestClient) -> None:
    set_up(house, browser)
    with house.database.write() as session:
        past = house.clock()
        session.connection().exec_driver_sql("SELECT 1")
        from registry.actors.tables import RoleBinding

        session.execute(update(table_of(RoleBinding)).values(expires_at=past))
    house.log_ins.sessions.clear()
    page = browser.get("/")
    assert page.status_code == 200
    assert "You have no role in any project yet" in page.text


def test_pages_are_plain_and_strict(house: House, browser: TestClient) -> None:
    link = house.log_ins.offer_setup()
    pages = [browser.get("/log-in"), browser.get(f"/set-up?link={link}"), browser.get("/nowhere")]
    set_up(house, browser)
    pages += [browser.get("/"), browser.get("/password")]
    for page in pages:
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert '<html lang="en">' in page.text
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.text.count("<label") == page.text.count("<input") - page.text.count(
            'type="hidden"'
        )
    style = pages[0].text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    sheet = browser.get(style)
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in sheet.headers["cache-control"]
    assert browser.get("/static/0000.css").status_code == 404


def test_what_a_page_shows_is_escaped(house: House, browser: TestClient) -> None:
    page = browser.post("/log-in", data={"name": '"><script>alert(1)</script>', "password": "x"})
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


def test_a_program_gets_problems_where_a_browser_gets_pages(
    house: House, browser: TestClient
) -> None:
    program = another(browser, headers={"Accept": "application/json"})
    for path in ("/nowhere", "/set-up", "/log-in?next=//x", "/password"):
        answer = program.get(path)
        assert answer.headers["content-type"] == "application/problem+json", path
        assert browser.get(path).headers["content-type"] == "text/html; charset=utf-8"
    assert program.get("/").status_code == 405
    assert program.get("/").headers["allow"] == "POST"
    assert browser.get("/api/v1/projects").json()["code"] == "unauthenticated"
