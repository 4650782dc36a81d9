"""What a form may hold, where it may come from and lead to, and how a refusal looks."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from registry.actors.log_ins import LogIns
from tests.live import LiveServer
from tests.web.conftest import HTML, PASSWORD

OWN = "the address of the server"


@pytest.fixture
def visitor(shared_server: LiveServer) -> Iterator[httpx2.Client]:
    """A browser on a served registry that the module shares."""
    with httpx2.Client(base_url=shared_server.url, headers=HTML, timeout=60.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def administrator(shared_server: LiveServer) -> str:
    """The local administrator's name; they log in with PASSWORD."""
    log_ins: LogIns = shared_server.registry.house.log_ins
    log_ins.set_up(str(log_ins.offer_setup(anew=True)), name="administrator", password=PASSWORD)
    return "administrator"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": OWN}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({}, 303),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_another_site_logs_nobody_in(
    visitor: httpx2.Client, administrator: str, headers: dict[str, str], status: int
) -> None:
    headers = {n: str(visitor.base_url).rstrip("/") if v == OWN else v for n, v in headers.items()}
    form = {"name": administrator, "password": PASSWORD}
    assert visitor.post("/log-in", data=form, headers=headers).status_code == status


BAD_NEXT = [
    "//evil.test",
    "/\\evil.test",
    "https://evil.test",
    "https:evil.test",
    "javascript:alert(1)",
    "/\t/evil.test",
    "\\\\evil.test",
    "evil.test",
    "/ok\r\nSet-Cookie: a=b",
    " /",
    "/" + "a" * 3000,
]


@pytest.mark.parametrize("path", BAD_NEXT)
def test_no_link_to_the_log_in_leads_elsewhere(visitor: httpx2.Client, path: str) -> None:
    shown = visitor.get("/log-in", params={"next": path})
    assert shown.status_code == 422
    assert "no page of this server" in shown.text
    form = {"name": "a", "password": "b", "next": path}
    assert visitor.post("/log-in", data=form).status_code == 422
    assert visitor.get("/log-in/provider", params={"next": path}).status_code == 422


@pytest.mark.parametrize("path", ["/", "/?a=b", "/datasets/s3:%2F%2Flake?x=/y", ""])
def test_a_page_of_this_server_is_gone_to(
    visitor: httpx2.Client, administrator: str, path: str
) -> None:
    form = {"name": administrator, "password": PASSWORD, "next": path}
    assert visitor.post("/log-in", data=form).headers["location"] == (path or "/")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"name=a&name=b", 422),
        (b"name=%ff", 422),
        (b"\xff=a", 422),
        (b"name", 422),
        (b"&".join(b"a%d=1" % n for n in range(50)), 422),
        (b"a=" + b"x" * 20_000, 413),
        (b"", 401),
    ],
)
def test_a_form_that_cannot_be_read_is_the_senders_fault(
    visitor: httpx2.Client, body: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.post("/log-in", content=body, headers=headers).status_code == status
