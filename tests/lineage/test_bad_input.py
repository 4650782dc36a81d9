"""Bad input over HTTP: a problem document with code, place and remedy, and nothing half written."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from registry.settings import Settings
from tests.lineage.making import Json, changed, dataset, encoded, facet, run_event
from tests.lineage.test_refusals import REFUSED
from tests.live import LiveServer
from tests.stores import Dump, dump_all

ONE, MANY = "/api/v1/lineage", "/api/v1/lineage/batch"
LIMIT = Settings().body_limit_bytes


@pytest.fixture
def client(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as made:
        yield made


def everything(server: LiveServer) -> Dump:
    """Every row there is; when a token was last used is written beside requests."""
    return dump_all(server.registry.house.database)


def check_problem(response: httpx.Response, status: int, code: str, path: str | None) -> Json:
    """Hold an answer to RFC 9457 and to CONTRACTS: code, detail, remedy, path."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: Json = response.json()
    assert set(problem) == {"type", "title", "status", "code", "detail", "remedy", "path"}
    assert (problem["status"], problem["code"], problem["path"]) == (status, code, path)
    assert problem["detail"].endswith(".")
    assert problem["remedy"].endswith(".")
    return problem


def test_every_refusal_is_a_problem_document_and_leaves_nothing(
    shared_server: LiveServer, client: httpx.Client
) -> None:
    before = everything(shared_server)
    for case, (spoilt, path) in REFUSED.items():
        body = spoilt if isinstance(spoilt, bytes) else encoded(spoilt)
        response = client.post(ONE, content=body)
        check_problem(response, 400, "malformed_event", path)
        assert "Traceback" not in response.text, case
    assert everything(shared_server) == before


def packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def bomb() -> bytes:
    """A hundred million zeros in a tenth of a megabyte."""
    packer = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    zeros = bytes(1_000_000)
    return b"".join([*(packer.compress(zeros) for _ in range(100)), packer.flush()])


GOOD = encoded(run_event())
NO_GZIP = (422, "invalid_input", "Content-Encoding")
NO_EVENT = (400, "malformed_event", "$")
UNREADABLE = (415, "unsupported_encoding", "Content-Encoding")
TOO_LARGE = (413, "body_too_large", None)
# (body, its Content-Encoding, (status, code, path))
BODIES: dict[str, tuple[bytes, str, tuple[int, str, str | None]]] = {
    "an encoding nobody reads": (GOOD, "br", UNREADABLE),
    "an encoding of a thousand characters": (GOOD, "x" * 1000, UNREADABLE),
    "gzip that is none": (GOOD, "gzip", NO_GZIP),
    "gzip that is cut off": (packed(GOOD)[:-9], "gzip", NO_GZIP),
    "gzip with a wrong checksum": (packed(GOOD)[:-8] + bytes(8), "gzip", NO_GZIP),
    "gzip with something after it": (packed(GOOD) + b"more", "gzip", NO_GZIP),
    "gzip of nothing": (packed(b""), "gzip", NO_EVENT),
    "gzip within gzip": (packed(packed(GOOD)), "gzip", NO_EVENT),
    "a gzip bomb": (bomb(), "gzip", TOO_LARGE),
    "a gzip bomb in many members": (packed(bytes(1_000_000)) * 40, "gzip", TOO_LARGE),
}


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize("case", BODIES)
def test_a_bad_body(shared_server: LiveServer, client: httpx.Client, case: str, path: str) -> None:
    body, encoding, expected = BODIES[case]
    before = everything(shared_server)
    response = client.post(path, content=body, headers={"Content-Encoding": encoding})
    check_problem(response, *expected)
    assert everything(shared_server) == before


@pytest.mark.parametrize(
    "body",
    [packed(GOOD), packed(GOOD[:50]) + packed(GOOD[50:])],
    ids=["in one member", "in two members"],
)
def test_gzip_is_read(client: httpx.Client, body: bytes) -> None:
    response = client.post(ONE, content=body, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 201


class TestTooLarge:
    """A body of 100 MB is refused before it is read, and whoever goes on sending is let finish."""

    SIZE = 100_000_000

    def test_the_declared_length_is_enough(self, shared_server: LiveServer) -> None:
        head = f"Content-Length: {self.SIZE}\r\n\r\n"
        with self.begun(shared_server, head) as connection:
            assert b" 413 " in connection.recv(65536).partition(b"\r\n")[0]

    def test_without_a_length_it_ends_at_the_limit(self, shared_server: LiveServer) -> None:
        piece = b"%x\r\n%s\r\n" % (1_000_000, b" " * 1_000_000)
        with self.begun(shared_server, "Transfer-Encoding: chunked\r\n\r\n") as connection:
            sent = 0
            while sent <= LIMIT:
                connection.sendall(piece)
                sent += 1_000_000
            assert b" 413 " in connection.recv(65536).partition(b"\r\n")[0]

    def test_who_sends_it_all_gets_the_problem(
        self, shared_server: LiveServer, client: httpx.Client
    ) -> None:
        before = everything(shared_server)
        pieces = (b" " * 1_000_000 for _ in range(self.SIZE // 1_000_000))
        check_problem(client.post(ONE, content=pieces), 413, "body_too_large", None)
        assert everything(shared_server) == before
        assert client.post(ONE, content=GOOD).status_code == 201

    @staticmethod
    def begun(server: LiveServer, rest_of_head: str) -> socket.socket:
        """A connection on which a POST is begun, and its body not yet."""
        address = urlsplit(server.url)
        connection = socket.create_connection((address.hostname, address.port), timeout=60)
        connection.sendall(
            f"POST {ONE} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {server.registry.token}\r\n{rest_of_head}".encode()
        )
        return connection


def test_who_hangs_up_half_way_leaves_nothing(
    shared_server: LiveServer, client: httpx.Client
) -> None:
    before = everything(shared_server)
    for _ in range(5):
        head = f"Content-Length: {len(GOOD)}\r\n\r\n"
        with TestTooLarge.begun(shared_server, head) as connection:
            connection.sendall(GOOD[:-1])
    assert client.get("/healthz").status_code == 200
    assert everything(shared_server) == before


def test_a_bad_event_among_good_ones_fails_alone(
    shared_server: LiveServer, client: httpx.Client
) -> None:
    good = [run_event(run=f"good {n}") for n in range(3)]
    nul = changed(run_event(run="bad"), "job.name", "a\0b")
    body = json.dumps([good[0], nul, good[1], 5, good[2], changed(run_event(run="bad"), "job", 5)])
    response = client.post(MANY, content=body)
    assert response.status_code == 200
    report = response.json()
    assert report["status"] == "partial_success"
    assert report["summary"] == {
        "received": 6,
        "successful": 3,
        "failed": 3,
        "retriable": 0,
        "non_retriable": 3,
    }
    assert [
        (f["index"], f["code"], f["path"], f["retriable"]) for f in report["failed_events"]
    ] == [
        (1, "malformed_event", "$.job.name", False),
        (3, "malformed_event", "$", False),
        (5, "malformed_event", "$.job", False),
    ]
    assert all(failed["reason"].endswith(".") for failed in report["failed_events"])
    rows = repr(everything(shared_server))
    assert all(f"good {n}" in rows for n in range(3))
    assert "'bad'" not in rows


def test_a_batch_of_bad_events_alone_is_a_report_of_failure(
    shared_server: LiveServer, client: httpx.Client
) -> None:
    before = everything(shared_server)
    response = client.post(MANY, json=[{}, [], None])
    assert response.status_code == 200
    report = response.json()
    assert report["status"] == "failure"
    assert report["summary"]["failed"] == 3
    assert everything(shared_server) == before


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{}", "A batch is a JSON array"),
        (b"[" + GOOD, "The body is not JSON"),
        (b'[{"a": }]', "The body is not JSON"),
        (b"", "The body is not JSON"),
        (b"[" * 10_000 + b"]" * 10_000, "nested"),
    ],
    ids=["an object", "half an array", "a hole", "nothing", "ten thousand deep"],
)
def test_a_batch_that_is_no_array(
    shared_server: LiveServer, client: httpx.Client, body: bytes, detail: str
) -> None:
    before = everything(shared_server)
    response = client.post(MANY, content=body)
    assert detail in check_problem(response, 400, "malformed_event", "$")["detail"]
    assert everything(shared_server) == before


def test_an_empty_batch_has_nothing_to_say(shared_server: LiveServer, client: httpx.Client) -> None:
    before = everything(shared_server)
    response = client.post(MANY, content=b"[]")
    assert (response.status_code, response.content) == (204, b"")
    assert everything(shared_server) == before


@pytest.mark.parametrize("order", ["early first", "late first"])
def test_a_run_id_used_by_two_jobs_goes_to_the_earlier_whatever_comes_first(
    client: httpx.Client, order: str
) -> None:
    run = f"shared run, {order}"
    identity = "0195d4b0-7c1a-7a2b-8f3c-" + f"{zlib.crc32(order.encode()):012x}"
    early = run_event(run=identity, job=("etl", f"early {run}"), minute=1)
    late = run_event(run=identity, job=("etl", f"late {run}"), minute=2)
    sent = [early, late] if order == "early first" else [late, early]
    answers = {event["job"]["name"]: client.post(ONE, json=event).json() for event in sent}
    assert answers[f"early {run}"]["quarantined"] is False
    assert answers[f"late {run}"]["quarantined"] is (order == "early first")
    again = {event["job"]["name"]: client.post(ONE, json=event).json() for event in sent}
    assert {name: answer["quarantined"] for name, answer in again.items()} == {
        f"early {run}": False,
        f"late {run}": True,
    }
    assert all(answer["duplicate"] for answer in again.values())


def test_a_clock_fifty_years_ahead_is_told_of(client: httpx.Client) -> None:
    event = changed(run_event(run="ahead"), "eventTime", "2076-02-01T00:00:00Z")
    warnings = client.post(ONE, json=event).json()["warnings"]
    assert [w["code"] for w in warnings] == ["run_id_not_uuid", "clock_ahead"]


def test_names_at_the_limit_are_taken(client: httpx.Client) -> None:
    # 384 characters of four bytes each that compress badly: what an index has to hold whole.
    name = "".join(chr(0x1F300 + n * 7 % 1500) for n in range(384))
    namespace = "".join(chr(0x4E00 + n * 131 % 20000) for n in range(341))
    event = run_event(
        run="long",
        job=(namespace, name),
        outputs=[
            dataset(
                name,
                namespace,
                facets={name: facet(), "version": facet(datasetVersion=name)},
                output_facets={
                    "registry_batch": facet(batch=name, partition=name, license=name * 50)
                },
            )
        ],
    )
    answer = client.post(ONE, json=event).json()
    assert answer["quarantined"] is False


class TestOtherRequests:
    """What is no event at all."""

    @pytest.mark.parametrize(
        "header",
        [None, "", "Bearer", "Basic abc", "Bearer reg_nobody", "Bearer " + "x" * 5000],
    )
    def test_without_a_good_token_nothing_is_read(
        self, shared_server: LiveServer, header: str | None
    ) -> None:
        before = everything(shared_server)
        headers = {} if header is None else {"Authorization": header}
        with httpx.Client(base_url=shared_server.url) as anonymous:
            for path in (ONE, MANY):
                response = anonymous.post(path, content=GOOD, headers=headers)
                assert response.status_code == 401
                assert response.headers["www-authenticate"] == "Bearer"
                assert response.json()["code"] == "unauthenticated"
        assert everything(shared_server) == before

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("POST", "/api/v1/nothing", 404, "not_found"),
            ("DELETE", "/api/v1/lineage", 405, "bad_method"),
            ("PUT", "/api/v1/lineage/batch", 405, "bad_method"),
            ("GET", "/api/v1/lineage?nodeId=dataset:a:b", 404, "not_found"),
            ("GET", "/api/v1/lineage?nodeId=nonsense", 422, "invalid_input"),
            ("GET", "/api/v1/namespaces/%00/datasets/%00", 422, "invalid_input"),
        ],
    )
    def test_other_paths_answer_with_problems(
        self, client: httpx.Client, method: str, path: str, status: int, code: str
    ) -> None:
        response = client.request(method, path)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"
