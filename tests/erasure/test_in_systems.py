"""Other systems are told to erase and answer, signed; nothing but a right answer moves a task."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.actors.tables import Role
from registry.client.http import HttpClient
from registry.erasure.case.cases import read_case
from registry.erasure.certificate.facts import Outcome, RecipientState
from registry.erasure.connectors.credentials import Credential
from registry.erasure.connectors.notices import signed
from registry.erasure.execution.carrying_out import carry_out
from registry.erasure.execution.in_files import erase_in_files
from registry.erasure.execution.in_systems import read_answers
from registry.erasure.tasks import read_task
from registry.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NotVerifiedError,
    RegistryError,
    UnavailableError,
)
from registry.request import House
from registry.settings import Settings
from tests.clock import FrozenClock
from tests.conftest import TokenMaker
from tests.connectors.peer import Peer, listening
from tests.erasure.copied import VENDOR, settings_of, write_credentials
from tests.erasure.town import KEYED, RIGHTS, email, examples, held, lifted, told
from tests.erasure.working import REQUESTS, approved, certificate_of, filed, finished, plan, show
from tests.ledger.erasures import work_off
from tests.ledger.pipelines import NAMESPACE, parquet, written
from tests.ledger.test_binding_faults import put

PEOPLE = ["ann", "bob", "ann", "cay", "ann", "bob"]
ANSWERS = "/api/v1/erasure-acknowledgements"
CREDENTIAL = Credential("vendor", {"secret": VENDOR})
Json = dict[str, Any]


@dataclass
class Vendor:
    """A system that holds a copy of `raw`, and the registry that tells it."""

    peer: Peer
    house: House
    client: HttpClient
    clock: FrozenClock

    def told(self, person: str) -> tuple[str, Json]:
        """The case of a person, carried out, and its task about the system."""
        request_id = filed(self.client, email(person))
        approved(self.house, plan(self.client, request_id))
        self.client.post(f"{REQUESTS}/{request_id}/execute", None)
        self.go_on()
        return request_id, self.task(request_id)

    def go_on(self) -> None:
        work_off(self.house)
        finished(self.house, self.clock)

    def task(self, request_id: str) -> Json:
        """The task of a case about the system."""
        found = [each for each in show(self.client, request_id)["tasks"] if _is_copy(each)]
        (task,) = found
        return dict(task)

    def asked(self) -> list[tuple[str, list[str]]]:
        """The message ids of the notices, and the examples that each names."""
        return [(headers["webhook-id"], _data(body)["examples"]) for headers, body in self.peer.got]

    def answer(
        self,
        task: Mapping[str, Any],
        said: Mapping[str, Any] | None = None,
        *,
        message: str = "msg_of_theirs",
        credential: Credential = CREDENTIAL,
        late: int = 0,
        at: str | None = None,
        changed: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """What the registry answers to an answer of the system, signed `late` seconds ago."""
        data = {"task": task["id"], "outcome": "erased", "evidence": "their job 5", **(said or {})}
        body = json.dumps({"type": "erasure.acknowledged", "data": data}).encode()
        stamp = int(self.clock.now.timestamp()) - late
        headers = {
            "webhook-id": message,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signed(credential, message, stamp, body),
            **(changed or {}),
        }
        path = f"{ANSWERS}/{at or task['id']}"
        return self.client.request("POST", path, content=body, headers=headers)


def _is_copy(task: Mapping[str, Any]) -> bool:
    return str(task["target"]).startswith("copy:")


def _data(body: bytes) -> Json:
    return dict(json.loads(body)["data"])


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening() as found:
        yield found


@pytest.fixture
def settings(database_url: str, tmp_path: Path, peer: Peer) -> Settings:
    path = tmp_path / "credentials.json"
    write_credentials(path, "sqlite://")
    settings = settings_of(database_url, tmp_path / "home", tmp_path / "lake", path, peer.url)
    return replace(settings, public_url="https://registry.example")


@pytest.fixture
def vendor(house: House, admin: HttpClient, frozen_clock: FrozenClock, peer: Peer) -> Vendor:
    digest = put(admin, parquet(examples([[person] for person in PEOPLE])), "examples")
    told(admin, "collect", 1, written("raw", "raw", examples=digest, **RIGHTS, **KEYED))
    work_off(house)
    frozen_clock.advance(hours=1)
    bound = {
        "namespace": NAMESPACE,
        "name": "raw",
        "uri": f"{peer.url}/erase",
        "executor": "webhook",
        "credential": "vendor",
    }
    admin.post("/api/v1/erasure-targets", bound)
    return Vendor(peer, house, admin, frozen_clock)


@pytest.fixture
def second(connect: Callable[[str], HttpClient], make_token: TokenMaker) -> HttpClient:
    """Somebody else who may decide."""
    return connect(make_token(Role.APPROVER, name="second"))


def by_hand(vendor: Vendor, request_id: str) -> None:
    """End the task that waits for a person: nobody said in which files the batch lies."""
    for task in show(vendor.client, request_id)["tasks"]:
        if task["kind"] == "manual":
            path = f"{REQUESTS}/{request_id}/tasks/{task['id']}/record"
            vendor.client.post(path, {"state": "verified", "evidence": "ticket 17"})
    work_off(vendor.house)


def test_a_system_is_told_and_its_signed_answer_ends_the_task(vendor: Vendor) -> None:
    request_id, task = vendor.told("ann")
    ((headers, body),) = vendor.peer.got
    assert headers["webhook-id"] == f"msg_{task['id']}"
    data = _data(body)
    assert data["examples"] == [f"example-number-{row}" for row in (0, 2, 4)]
    assert data["answer_to"] == f"https://registry.example{ANSWERS}/{task['id']}"
    assert (task["kind"], task["state"]) == ("recipient", "awaiting_recipient_ack")
    by_hand(vendor, request_id)
    assert show(vendor.client, request_id)["state"] == "partially_fulfilled"
    (one,) = certificate_of(vendor.house, vendor.client, request_id).facts.recipients
    assert one.state is RecipientState.NOTIFIED
    answer = vendor.answer(task, {"erased": 3}).json()
    assert answer == {"task": task["id"], "state": "acknowledged"}
    after = vendor.task(request_id)
    assert [after[name] for name in ("expected", "found", "erased", "verified")] == [3, 3, 3, None]
    assert "their job 5" in after["evidence"]
    work_off(vendor.house)
    assert show(vendor.client, request_id)["state"] == "fulfilled"
    facts = certificate_of(vendor.house, vendor.client, request_id).facts
    assert facts.outcome is Outcome.FULFILLED
    assert facts.recipients[0].state is RecipientState.ACKNOWLEDGED
    assert list(vendor.house.ledger.objects.names("erasures/names")) == []
    # The same message again is the same answer, and nothing is told twice.
    steps = len(show(vendor.client, request_id)["timeline"])
    assert vendor.answer(task, {"erased": 3}).json() == answer
    assert len(show(vendor.client, request_id)["timeline"]) == steps
    with pytest.raises(ConflictError, match="by another message"):
        vendor.answer(task, message="msg_of_theirs_2")
    with vendor.house.database.read() as session:
        case, view = read_case(session, request_id), read_task(session, task["id"])
        (kept,) = read_answers(session, vendor.house.keyring, case, view)
    assert kept.headers["webhook-signature"] == signed(
        CREDENTIAL, "msg_of_theirs", int(kept.headers["webhook-timestamp"]), kept.body
    )


NOBODY = "00000000-0000-0000-0000-000000000000"
OTHER = Credential("other", {"secret": "whsec_" + base64.b64encode(bytes(32)).decode()})
WRONG: dict[str, tuple[Json, type[RegistryError], str]] = {
    "another secret": ({"credential": OTHER}, NotVerifiedError, "not signed by the key"),
    "no signature": (
        {"changed": {"webhook-signature": ""}},
        NotVerifiedError,
        "not signed by the key",
    ),
    "a changed id": ({"changed": {"webhook-id": "msg_8"}}, NotVerifiedError, "not signed"),
    "an old one": ({"late": 400}, NotVerifiedError, "not just now"),
    "one of the future": ({"late": -400}, NotVerifiedError, "not just now"),
    "another task": ({"said": {"task": "no-such-task"}}, ConflictError, "about another task"),
    "an outcome that is none": ({"said": {"outcome": "maybe"}}, InvalidInputError, "no ack"),
    "more than can be counted": ({"said": {"erased": 10**30}}, InvalidInputError, "no ack"),
    "words about the person": (
        {"said": {"evidence": f"erased {email('ann')}"}},
        InvalidInputError,
        "holds an identifier",
    ),
    "a task that is none": ({"at": NOBODY}, NotFoundError, "No system was told"),
}


def test_a_wrong_answer_is_refused_and_moves_nothing(vendor: Vendor) -> None:
    request_id, task = vendor.told("ann")
    other, other_task = vendor.told("bob")
    for name, (how, error, words) in WRONG.items():
        with pytest.raises(error, match=words) as refused:
            vendor.answer(task, **how)
        assert refused.value.remedy, name
        assert vendor.task(request_id) == task, name
    # A message that answered one task answers no other, also where it names that one.
    vendor.answer(other_task)
    with pytest.raises(ConflictError, match="about another task"):
        vendor.answer(task)
    with pytest.raises(ConflictError, match="about another task"):
        vendor.answer(other_task, at=task["id"])
    assert vendor.task(request_id) == task
    assert vendor.task(other)["state"] == "acknowledged"
    ledger = next(t for t in show(vendor.client, request_id)["tasks"] if t["kind"] == "own_data")
    with pytest.raises(NotFoundError, match="No system was told"):
        vendor.answer(ledger)
    with pytest.raises(ConflictError, match="by its webhook"):
        vendor.client.post(f"{REQUESTS}/{request_id}/tasks/{task['id']}/notice", None)


def test_an_answer_that_is_no_good_is_kept_and_for_a_person(vendor: Vendor) -> None:
    request_id, task = vendor.told("ann")
    assert vendor.answer(task, {"erased": 2}).json()["state"] == "failed_final"
    assert "erased 2 rows, and was told of 3" in vendor.task(request_id)["detail"]
    # More than was named is somebody else's.
    assert vendor.answer(task, {"erased": 4}, message="m0").json()["state"] == "failed_final"
    assert "erased 4 rows, and was told of 3" in vendor.task(request_id)["detail"]
    # Somebody asks again: the notice is another one, for the others were answered.
    vendor.client.post(f"{REQUESTS}/{request_id}/execute", None)
    work_off(vendor.house)
    assert vendor.task(request_id)["state"] == "awaiting_recipient_ack"
    (first, named), (second, again) = vendor.asked()
    assert (first, named) == (f"msg_{task['id']}", again)
    assert second == f"msg_{task['id']}_2"
    said = {"outcome": "impossible", "evidence": "archived on tape"}
    assert vendor.answer(task, said, message="m2").json()["state"] == "failed_final"
    assert "archived on tape" in vendor.task(request_id)["evidence"]
    # It corrects itself.
    said = {"outcome": "not_present", "evidence": "the tape was destroyed"}
    assert vendor.answer(task, said, message="m3").json()["state"] == "acknowledged"
    assert vendor.task(request_id)["erased"] == 0


def test_a_system_that_does_not_take_a_notice_is_told_again(vendor: Vendor) -> None:
    vendor.peer.status = 503
    request_id = filed(vendor.client, email("ann"))
    approved(vendor.house, plan(vendor.client, request_id))
    vendor.client.post(f"{REQUESTS}/{request_id}/execute", None)
    carry_out(vendor.house.hands, request_id)
    assert not erase_in_files(vendor.house.hands, request_id)
    assert vendor.task(request_id)["state"] == "failed_retryable"
    assert vendor.task(request_id)["detail"].startswith("out_of_reach: ")
    vendor.peer.status = 202
    assert erase_in_files(vendor.house.hands, request_id)
    assert vendor.task(request_id)["state"] == "awaiting_recipient_ack"
    (first, again) = vendor.asked()
    assert first == again


def test_an_answer_may_come_before_the_notice_is_noted(vendor: Vendor) -> None:
    request_id = filed(vendor.client, email("ann"))
    approved(vendor.house, plan(vendor.client, request_id))
    vendor.client.post(f"{REQUESTS}/{request_id}/execute", None)
    carry_out(vendor.house.hands, request_id)

    def report(progress: str) -> None:
        if progress == "notice sent":
            vendor.answer(vendor.task(request_id))

    assert erase_in_files(replace(vendor.house.hands, report=report), request_id)
    assert vendor.task(request_id)["state"] == "acknowledged"
    assert len(vendor.peer.got) == 1


class _StoppedError(Exception):
    """The process ended here."""


@pytest.mark.parametrize("at", ["notice begun", "notice sent"])
def test_a_notice_that_was_cut_off_is_one_notice(vendor: Vendor, at: str) -> None:
    request_id = filed(vendor.client, email("ann"))
    approved(vendor.house, plan(vendor.client, request_id))
    vendor.client.post(f"{REQUESTS}/{request_id}/execute", None)
    carry_out(vendor.house.hands, request_id)

    def report(progress: str) -> None:
        if progress == at:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        erase_in_files(replace(vendor.house.hands, report=report), request_id)
    assert vendor.task(request_id)["state"] == "running"
    assert erase_in_files(vendor.house.hands, request_id)
    assert vendor.task(request_id)["state"] == "awaiting_recipient_ack"
    assert len({message for message, _ in vendor.asked()}) == 1


def test_what_a_hold_keeps_is_told_when_it_is_lifted(
    vendor: Vendor, admin: HttpClient, second: HttpClient
) -> None:
    hold = held(admin, "raw", 0, "a case in court")
    request_id, task = vendor.told("ann")
    vendor.answer(task)
    assert vendor.task(request_id)["state"] == "withheld"
    told_of = len(vendor.peer.got)
    vendor.go_on()
    assert len(vendor.peer.got) == told_of
    lifted(admin, second, hold)
    vendor.go_on()
    assert vendor.task(request_id)["state"] == "awaiting_recipient_ack"
    (first, some), (last, every) = vendor.asked()
    assert first != last
    assert some == [f"example-number-{row}" for row in (2, 4)]
    assert every == [f"example-number-{row}" for row in (0, 2, 4)]
    assert vendor.answer(task, message="msg_2").json()["state"] == "acknowledged"
    by_hand(vendor, request_id)
    assert show(admin, request_id)["state"] == "fulfilled"


def test_nothing_is_believed_while_the_key_cannot_be_read(vendor: Vendor) -> None:
    request_id, task = vendor.told("ann")
    path = Path(vendor.house.settings.credentials_file)
    kept = path.read_text()
    path.write_text("{}")
    with pytest.raises(UnavailableError, match="key of this target"):
        vendor.answer(task)
    path.write_text(kept)
    assert vendor.answer(task).json()["state"] == "acknowledged"
    assert vendor.task(request_id)["state"] == "acknowledged"
