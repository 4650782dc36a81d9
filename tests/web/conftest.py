"""Browsers of people, and a provider where they log in."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from registry.app import create_app
from registry.audit.tables import AuditEntry
from registry.canonical import canonical_json
from registry.request import House
from registry.settings import Settings
from registry.storage.columns import table_of
from tests.live import open_registry

ROOT = Path(__file__).resolve().parent.parent.parent
HTML = {"Accept": "text/html"}
PASSWORD = "four words of no sentence"
_entry = table_of(AuditEntry)


def browser_of(house: House, *, url: str = "http://127.0.0.1:8400", **options: Any) -> TestClient:
    """A browser on the application, with cookies of its own; it follows no redirect by itself."""
    app = create_app(house.settings, clock=house.clock, house=house, background=False)
    return TestClient(
        app,
        base_url=url,
        headers=HTML,
        follow_redirects=False,
        raise_server_exceptions=False,
        **options,
    )


@pytest.fixture
def browser(house: House) -> Iterator[TestClient]:
    """A browser on `house`, whose clock is frozen."""
    with browser_of(house) as opened:
        yield opened


def another(browser: TestClient, **options: Any) -> TestClient:
    """Another browser on the same application, which the first one keeps running."""
    options = {"base_url": str(browser.base_url), "headers": HTML, **options}
    return TestClient(browser.app, follow_redirects=False, raise_server_exceptions=False, **options)


def set_up(house: House, browser: TestClient, *, name: str = "administrator") -> None:
    """Set the local administrator up; the browser is logged in afterwards."""
    link = house.log_ins.offer_setup(anew=True)
    form = {"link": str(link), "name": name, "password": PASSWORD, "again": PASSWORD}
    answer = browser.post("/set-up", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text


def log_in(browser: TestClient, *, name: str = "administrator", password: str = PASSWORD) -> Any:
    """Send the log-in form; gives the answer."""
    return browser.post("/log-in", data={"name": name, "password": password, "next": "/"})


def csrf_in(page: str) -> str:
    """The CSRF token that a page's forms carry."""
    found = re.search(r'name="csrf" value="([\w-]{43})"', page)
    assert found, page
    return found[1]


def entries(house: House, prefix: str = "actors.") -> list[tuple[str, bytes]]:
    """Kind and payload of each audit entry, in order."""
    with house.database.read() as session:
        query = select(_entry.c.kind, _entry.c.payload).order_by(_entry.c.id)
        return [
            (kind, bytes(payload))
            for kind, payload in session.execute(query)
            if kind.startswith(prefix)
        ]


@dataclass
class Provider:
    """The provider's process, and where it serves."""

    url: str

    def say(self, path: str, body: dict[str, Any]) -> None:
        """PUT a JSON body."""
        request = urllib.request.Request(
            self.url + path,
            canonical_json(body),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        urllib.request.urlopen(request).close()

    def person(self, subject: str, **claims: Any) -> None:
        """Make somebody known, or change their claims."""
        self.say(f"/users/{subject}", claims)

    def lie(self, kind: str) -> None:
        """Give false id tokens from now on; none of a kind that is empty."""
        self.say("/lie", {"kind": kind})

    def log_in(self, browser: TestClient, subject: str, *, next_path: str = "/") -> Any:
        """Go through the whole log-in of somebody; gives the answer of the callback."""
        return browser.get(self.callback(browser, subject, next_path=next_path))

    def callback(self, browser: TestClient, subject: str, *, next_path: str = "/") -> str:
        """Log in at the provider; gives where it sends the browser back to (path and query)."""
        leaving = browser.get("/log-in/provider", params={"next": next_path})
        assert leaving.status_code == 303, leaving.text
        return self.answer(leaving.headers["location"], subject)

    def answer(self, url: str, subject: str) -> str:
        """What the provider answers when somebody logs in at this address of it."""
        urllib.request.urlopen(url).close()
        form = f"sub={subject}".encode()
        request = urllib.request.Request(url, form)
        opener = urllib.request.build_opener(_NoRedirect)
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(request)
        where = caught.value.headers["Location"]
        caught.value.close()
        return str(where[where.index("/log-in") :])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave it to the caller."""


@pytest.fixture(scope="session")
def provider_process() -> Iterator[Provider]:
    """One provider for all tests of a worker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.web.provider"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the provider did not start"
        yield Provider(f"http://127.0.0.1:{port}")
    finally:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()


@pytest.fixture
def provider(provider_process: Provider) -> Provider:
    """The provider, telling the truth."""
    provider_process.lie("")
    return provider_process


GROUPS = (
    "viewer@default=everybody",
    "auditor@default=audit",
    "administrator@default=operators",
    "steward@nowhere=everybody",
)


@pytest.fixture
def provided(settings: Settings, provider: Provider) -> Iterator[House]:
    """An open house whose people log in at the provider, on the machine's clock."""
    known = replace(
        settings,
        oidc_issuer=provider.url,
        oidc_client_id="registry",
        oidc_client_secret="a secret of the tests",
        oidc_groups=GROUPS,
    )
    with open_registry(known) as opened:
        yield opened.house


@pytest.fixture
def provided_browser(provided: House) -> Iterator[TestClient]:
    """A browser on `provided`."""
    with browser_of(provided) as opened:
        yield opened
