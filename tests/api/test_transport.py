"""What travels without TLS, whose word about it counts, and what every answer says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from registry.app import create_app
from registry.settings import Settings
from tests.live import Registry

FAR, PROXY = "203.0.113.9", "192.0.2.7"


@pytest.fixture
def reach(shared_registry: Registry) -> Iterator[Any]:
    """`reach(FAR)`: a client whose connection comes from there, with the first token."""

    def connect(
        host: str, *, url: str = "http://registry.test", headers: Any = None, **changed: Any
    ) -> TestClient:
        settings: Settings = replace(shared_registry.house.settings, **changed)
        app = create_app(settings, house=shared_registry.house, background=False)
        # Its lifespan would run the house a second time.
        app.state.house = shared_registry.house
        token = {"Authorization": f"Bearer {shared_registry.token}"}
        return TestClient(
            app,
            base_url=url,
            client=(host, 4000),
            headers=token if headers is None else headers,
            follow_redirects=False,
        )

    return connect


PATH = "/api/v1/projects"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_no_tls(reach: Any, host: str) -> None:
    assert reach(host).get(PATH).status_code == 200


@pytest.mark.parametrize("host", [FAR, "10.0.0.1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0"])
def test_a_token_in_the_clear_is_refused(reach: Any, host: str) -> None:
    answer = reach(host).get(PATH)
    assert answer.status_code == 403
    problem = answer.json()
    assert problem["code"] == "insecure_transport"
    assert "make a new token" in problem["remedy"]


def test_so_are_events_sessions_and_passwords(reach: Any) -> None:
    far = reach(FAR, headers={})
    token = reach(FAR)
    assert token.post("/api/v1/lineage", json={}).json()["code"] == "insecure_transport"
    cookie = {"Cookie": "registry-session=x"}
    assert far.get(PATH, headers=cookie).json()["code"] == "insecure_transport"
    form = {"name": "a", "password": "b"}
    assert far.post("/log-in", data=form).json()["code"] == "insecure_transport"
    page = far.get("/log-in", headers={"Accept": "text/html"})
    assert page.status_code == 403
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert far.get("/healthz").status_code == 200
    assert far.get(PATH).status_code == 401


def test_tls_and_the_setting_permit_it(reach: Any) -> None:
    assert reach(FAR, url="https://registry.test").get(PATH).status_code == 200
    assert reach(FAR, allow_plain_http=True).get(PATH).status_code == 200


FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.4"}


@pytest.mark.parametrize(
    ("host", "proxies", "forwarded", "status"),
    [
        (PROXY, (PROXY,), FORWARDED, 200),
        (PROXY, ("192.0.2.0/24",), FORWARDED, 200),
        # Whoever claims to be a proxy and is not named is not believed.
        (PROXY, (), FORWARDED, 403),
        (FAR, (PROXY,), FORWARDED, 403),
        # A proxy that took it in the clear says so, and where it came from is not this machine.
        (PROXY, (PROXY,), {"X-Forwarded-Proto": "http", "X-Forwarded-For": FAR}, 403),
        (PROXY, (PROXY,), {"X-Forwarded-Proto": "http", "X-Forwarded-For": "unknown"}, 403),
        ("127.0.0.1", ("127.0.0.1",), {"X-Forwarded-For": FAR}, 403),
        (PROXY, (PROXY,), {}, 403),
        (FAR, (PROXY,), {"X-Forwarded-For": "127.0.0.1"}, 403),
    ],
)
def test_a_proxy_is_believed_where_it_is_named(
    reach: Any, host: str, proxies: tuple[str, ...], forwarded: dict[str, str], status: int
) -> None:
    assert reach(host, trusted_proxies=proxies).get(PATH, headers=forwarded).status_code == status


@pytest.mark.parametrize(
    "path", [PATH, "/healthz", "/nowhere", "/api/v1/lineage", "/log-in", "/metrics"]
)
def test_every_answer_says_how_it_may_be_used(reach: Any, path: str) -> None:
    headers = reach("127.0.0.1").get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers
    safe = reach(FAR, url="https://registry.test").get(path).headers
    assert safe["strict-transport-security"] == "max-age=31536000"
    for name in ("cache-control", "content-security-policy", "x-content-type-options"):
        assert len(safe.get_list(name)) == 1, name
