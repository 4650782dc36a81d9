"""Examples at a URL are fetched where the operator allows it, and nowhere else."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.errors import BodyTooLargeError, InvalidInputError, UnavailableError
from registry.ledger.fetch import content_type_of, fetch, is_under
from registry.request import House
from registry.workers.loop import Workers
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.ledger.pipelines import NAMESPACE, digest_of, parquet, written
from tests.ledger.test_tracing import ROWS, raw_table

DATA = parquet(raw_table())
DIGEST = digest_of(DATA)


@dataclass
class Web:
    """A web server on loopback: bodies by path, and paths that lead elsewhere."""

    url: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    leads: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            body = found.bodies.get(self.path)
            if self.path in found.leads:
                self.send_response(302)
                self.send_header("Location", found.leads[self.path])
            else:
                self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A folder that the server may read."""
    folder = tmp_path.resolve() / "lake"
    folder.mkdir()
    return folder


def get(
    url: object, target: Path, *roots: object, digest: str = DIGEST, limit: int = 1 << 20
) -> bytes:
    fetch(
        str(url),
        target,
        digest=digest,
        roots=[str(root) for root in roots],
        limit_bytes=limit,
        storage_options={},
    )
    return target.read_bytes()


def test_a_file_under_a_root_is_fetched(lake: Path, tmp_path: Path) -> None:
    (lake / "a b.parquet").write_bytes(DATA)
    for url in (lake / "a b.parquet", (lake / "a b.parquet").as_uri()):
        assert get(url, tmp_path / "got", "/elsewhere", lake) == DATA
    assert content_type_of(tmp_path / "got") == "application/vnd.apache.parquet"


def test_what_a_fetched_object_is_shows_in_its_first_bytes(tmp_path: Path) -> None:
    target = tmp_path / "x"
    for begin, kind in ((b"\xff\xff\xff\xff\x10", "arrow.stream"), (b'{"a": 1}\n', "ndjson")):
        target.write_bytes(begin)
        assert kind in content_type_of(target)


def symlink_out(lake: Path) -> str:
    outside = lake.parent / "secret.parquet"
    outside.write_bytes(DATA)
    (lake / "link.parquet").symlink_to(outside)
    return str(lake / "link.parquet")


def folder_link_out(lake: Path) -> str:
    outside = lake.parent / "secrets"
    outside.mkdir()
    (outside / "a.parquet").write_bytes(DATA)
    (lake / "inner").symlink_to(outside)
    return str(lake / "inner" / "a.parquet")


def way_up(lake: Path) -> str:
    (lake.parent / "up.parquet").write_bytes(DATA)
    return f"{lake}/../up.parquet"


def sibling(lake: Path) -> str:
    (lake.parent / "lakeside").mkdir()
    (lake.parent / "lakeside" / "a.parquet").write_bytes(DATA)
    return f"{lake}side/a.parquet"


def pipe(lake: Path) -> str:
    os.mkfifo(lake / "pipe.parquet")
    return str(lake / "pipe.parquet")


@pytest.mark.parametrize("make", [symlink_out, folder_link_out, way_up, sibling, pipe])
def test_no_path_leads_out_of_a_root(
    lake: Path, tmp_path: Path, make: Callable[[Path], str]
) -> None:
    with pytest.raises(InvalidInputError, match="may not read") as refused:
        get(make(lake), tmp_path / "got", lake)
    assert "REGISTRY_FILE_ROOTS" in refused.value.remedy


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("s3://lake/raw/a.parquet", True),
        ("s3://lake/raw/deep/er/a.parquet", True),
        ("s3://lake/rawer/a.parquet", False),
        ("s3://lake/raw/../other/a.parquet", False),
        ("s3://lake/raw/./a.parquet", False),
        ("s3://lake/raw//a.parquet", False),
        ("s3://other/raw/a.parquet", False),
        ("s3://lake@evil/raw/a.parquet", False),
        ("https://data.example.org/set/a.parquet", True),
        ("https://DATA.example.org/set/a%20b.parquet", True),
        ("http://data.example.org/set/a.parquet", False),
        ("https://data.example.org/set/%2e%2e/a.parquet", False),
        ("https://data.example.org/set/a%2f..%2f..%2fb", False),
        ("https://data.example.org/set/%252e%252e/a", False),
        ("https://data.example.org/set\\..\\a", False),
        ("https://data.example.org.evil.example/set/a", False),
        ("https://data.example.org:8443/set/a", False),
        ("https://user@data.example.org/set/a", False),
        ("https://data.example.org/set/a?x=/../..", False),
        ("https://data.example.org/set/a#b", False),
        ("https://data.example.org/set/\u0000a", False),
        ("ftp://data.example.org/set/a", False),
    ],
)
def test_a_prefix_is_compared_part_by_part(url: str, allowed: bool) -> None:
    roots = ["/srv", "s3://lake/raw/", "https://data.example.org/set"]
    assert is_under(url, roots) is allowed


def test_an_address_on_the_web_is_fetched(web: Web, tmp_path: Path) -> None:
    web.bodies["/set/a.parquet"] = DATA
    assert get(f"{web.url}/set/a.parquet", tmp_path / "got", f"{web.url}/set") == DATA
    with pytest.raises(InvalidInputError, match="may not read"):
        get(f"{web.url}/set/a.parquet", tmp_path / "got", f"{web.url}/other")
    assert web.asked == ["/set/a.parquet"]


def test_a_redirect_is_not_followed(web: Web, tmp_path: Path) -> None:
    web.bodies["/set/b.parquet"] = DATA
    web.leads["/set/a.parquet"] = f"{web.url}/set/b.parquet"
    with pytest.raises(InvalidInputError, match="redirects are not followed"):
        get(f"{web.url}/set/a.parquet", tmp_path / "got", web.url)
    assert web.asked == ["/set/a.parquet"]


def test_what_is_not_there_may_come(web: Web, lake: Path, tmp_path: Path) -> None:
    for url in (f"{web.url}/set/a.parquet", lake / "a.parquet"):
        with pytest.raises(UnavailableError, match="cannot be read"):
            get(url, tmp_path / "got", web.url, lake)


def test_another_digest_and_too_many_bytes_are_refused(web: Web, tmp_path: Path) -> None:
    web.bodies["/a"] = DATA
    with pytest.raises(InvalidInputError, match=f"{DIGEST}, and the event says sha256:00"):
        get(f"{web.url}/a", tmp_path / "got", web.url, digest="sha256:" + "00" * 32)
    with pytest.raises(BodyTooLargeError, match="over 100 bytes"):
        get(f"{web.url}/a", tmp_path / "got", web.url, limit=100)


def allowing(house: House, *roots: object) -> House:
    """The house with other file roots, as after a start with another setting."""
    return replace(house, settings=replace(house.settings, file_roots=tuple(map(str, roots))))


def event(url: str, *, minute: int = 1) -> dict[str, Any]:
    output = written("raw", "b1", examples={"url": url, "sha256": DIGEST})
    return {
        "eventType": "COMPLETE",
        "eventTime": f"2026-02-01T00:{minute:02}:00Z",
        "producer": "https://example.org/tests",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": f"0190a0f0-0000-7000-8000-0000000000{minute:02}"},
        "job": {"namespace": "tests", "name": "collect"},
        "outputs": [output],
    }


def standing(client: HttpClient) -> dict[str, Any]:
    found = client.get(f"/api/v1/namespaces/{NAMESPACE.replace('/', '%2F')}/datasets/raw/batches")
    answer: dict[str, Any] = found["batches"][0]["ledger"]
    return answer


def work(house: House) -> int:
    return Workers(house).work_off()


def test_a_batch_waits_visibly_until_its_url_is_allowed(
    house: House, admin: HttpClient, frozen_clock: FrozenClock, lake: Path
) -> None:
    (lake / "a.parquet").write_bytes(DATA)
    admin.post("/api/v1/lineage", event((lake / "a.parquet").as_uri()))
    work(house)
    first = standing(admin)
    assert (first["state"], first["waitsFor"]) == ("pending", [f"object {DIGEST}"])
    assert "may not read" in first["detail"]
    assert "REGISTRY_FILE_ROOTS" in first["detail"]
    opened = allowing(house, lake)
    assert work(opened) == 0
    frozen_clock.advance(hours=1)
    work(opened)
    assert standing(admin) == {"state": "bound", "rows": ROWS, "detail": None, "waitsFor": []}
    assert house.ledger.index.count() == ROWS


def test_a_fetched_object_is_the_senders_and_holds_no_identifier(
    house: House, connect: Callable[[str], HttpClient], make_token: TokenMaker, lake: Path
) -> None:
    (lake / "a.parquet").write_bytes(DATA)
    sender = connect(make_token(Role.PIPELINE, name="crawler"))
    sender.post("/api/v1/lineage", event(str(lake / "a.parquet")))
    work(allowing(house, lake))
    with house.database.read() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT a.name, p.name, o.rows FROM ledger_object o "
            "JOIN account a ON a.id = o.account_id JOIN project p ON p.id = o.project_id"
        )
        assert [tuple(row) for row in rows] == [("crawler", "default", ROWS)]
        entries = session.connection().exec_driver_sql(
            "SELECT count(*) FROM audit_entry WHERE kind = 'ledger.object.fetched'"
        )
        assert entries.scalar_one() == 1
    kept = [path.read_bytes() for path in Path(house.settings.ledger).rglob("*") if path.is_file()]
    assert kept
    assert not any(b"example.org" in content for content in kept)


def test_what_cannot_be_fetched_is_tried_later_and_later(
    house: House, admin: HttpClient, frozen_clock: FrozenClock, web: Web
) -> None:
    url = f"{web.url}/set/a.parquet"
    admin.post("/api/v1/lineage", event(url))
    opened = allowing(house, web.url)
    work(opened)
    assert "HTTP 404" in standing(admin)["detail"]
    for _ in range(60):
        frozen_clock.advance(minutes=1)
        work(opened)
    assert 3 < len(web.asked) < 10
    web.bodies["/set/a.parquet"] = DATA[:-1]
    frozen_clock.advance(hours=1)
    work(opened)
    assert f"the event says {DIGEST}" in standing(admin)["detail"]
    web.bodies["/set/a.parquet"] = DATA
    frozen_clock.advance(hours=1)
    work(opened)
    assert standing(admin)["state"] == "bound"
    asked = len(web.asked)
    frozen_clock.advance(hours=9)
    work(opened)
    assert len(web.asked) == asked


def test_an_upload_does_as_well(house: House, admin: HttpClient, frozen_clock: FrozenClock) -> None:
    admin.post("/api/v1/lineage", event("s3://nowhere/a.parquet"))
    work(house)
    assert standing(admin)["state"] == "pending"
    admin.request(
        "PUT",
        f"/api/v1/ledger/objects/{DIGEST.removeprefix('sha256:')}",
        params={"kind": "examples"},
        content=DATA,
        headers={"Content-Type": "application/vnd.apache.parquet"},
    )
    work(house)
    frozen_clock.advance(hours=2)
    work(house)
    assert standing(admin)["state"] == "bound"
    assert house.ledger.index.count() == ROWS
