"""What waits on disk is kept in order, once, whole, within bounds, whoever crashes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from registry.client.payload import JSON, Payload, payload_of
from registry.client.spool import Delivery, Entry, Spool
from registry.errors import (
    ForbiddenError,
    InvalidInputError,
    OverloadedError,
    RegistryError,
    UnauthenticatedError,
    UnavailableError,
)


def payload(text: str) -> Payload:
    return payload_of(text.encode(), JSON)


class Receiver:
    """Takes what is sent until told to raise."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.entries: list[Entry] = []
        self.error: RegistryError | None = None

    def __call__(self, entry: Entry, body: BinaryIO) -> None:
        if self.error is not None:
            raise self.error
        self.entries.append(entry)
        self.bodies.append(body.read().decode())


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def kept(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_what_waits_is_delivered_in_order_and_gone(kept: Spool, receiver: Receiver) -> None:
    assert kept.is_empty()
    for text in ("first", "second", "third"):
        kept.append(payload(text), "examples" if text == "second" else "")
    assert not kept.is_empty()
    assert kept.usage().waiting == 3
    assert kept.usage().bytes == len("firstsecondthird")
    assert kept.deliver(receiver) == Delivery(delivered=3)
    assert receiver.bodies == ["first", "second", "third"]
    assert [entry.object_kind for entry in receiver.entries] == ["", "examples", ""]
    assert receiver.entries[0].content_type == JSON
    assert kept.is_empty()
    assert (kept.usage().waiting, kept.usage().bytes) == (0, 0)
    assert kept.deliver(receiver) == Delivery()


def test_the_same_bytes_are_kept_and_sent_once(kept: Spool, receiver: Receiver) -> None:
    for text in ("a", "b", "a", "a"):
        kept.append(payload(text))
    assert kept.usage().bytes == 2
    kept.deliver(receiver)
    assert receiver.bodies == ["a", "b"]
    assert kept.is_empty()


@pytest.mark.parametrize("kind", [UnavailableError, UnauthenticatedError, ForbiddenError])
def test_the_order_waits_for_what_may_pass(
    kept: Spool, receiver: Receiver, kind: type[RegistryError]
) -> None:
    kept.append(payload("first"))
    kept.append(payload("second"))
    receiver.error = kind("No.", remedy="Wait.")
    assert kept.deliver(receiver) == Delivery(stopped_by=receiver.error)
    assert kept.usage().waiting == 2
    receiver.error = None
    kept.append(payload("third"))
    assert kept.deliver(receiver).delivered == 3
    assert receiver.bodies == ["first", "second", "third"]


def test_what_is_refused_for_good_makes_way_and_is_told(kept: Spool, receiver: Receiver) -> None:
    kept.append(payload("bad"), "row_map")
    receiver.error = InvalidInputError("It is no map.", remedy="Send one.")
    assert kept.deliver(receiver) == Delivery(refused=1)
    assert kept.is_empty()
    (entry,) = kept.refused()
    assert entry.reason == "It is no map. Send one."
    assert entry.object_kind == "row_map"
    assert kept.usage().refused == 1
    assert kept.usage().bytes > 3
    assert (kept.folder / "refused" / entry.digest).read_text() == "bad"
    kept.put_aside(payload("worse"), "", "No event.")
    assert [each.reason for each in kept.refused()] == ["It is no map. Send one.", "No event."]
    assert kept.forget_refused() == 2
    assert kept.refused() == []
    assert kept.usage().bytes == 0


def test_what_came_first_stays_when_it_is_full(tmp_path: Path, receiver: Receiver) -> None:
    kept = Spool(tmp_path / "spool", limit_bytes=10)
    kept.append(payload("12345"))
    kept.append(payload("67890"))
    with pytest.raises(OverloadedError, match="holds 10 bytes of 10, and 1 more do not fit"):
        kept.append(payload("x"))
    kept.append(payload("12345"))  # is there already
    kept.put_aside(payload("x"), "", "Refused.")  # no room for it either
    assert kept.usage().dropped == 1
    assert kept.refused() == []
    kept.deliver(receiver)
    assert receiver.bodies == ["12345", "67890"]
    kept.append(payload("x"))
    assert kept.usage().dropped == 1


def test_only_the_user_can_read_it(kept: Spool) -> None:
    kept.append(payload("personal"))
    for folder, names, files in os.walk(kept.folder):
        for name in (*names, *files):
            mode = stat.S_IMODE((Path(folder) / name).stat().st_mode)
            assert mode & 0o077 == 0, name
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_a_process_that_delivers_is_not_joined_by_another(kept: Spool, receiver: Receiver) -> None:
    kept.append(payload("only once"))
    other = Spool(kept.folder)
    found: list[Delivery] = []

    def send(entry: Entry, body: BinaryIO) -> None:
        found.append(other.deliver(receiver))
        receiver(entry, body)

    kept.deliver(send)
    assert found == [Delivery(busy=True)]
    assert receiver.bodies == ["only once"]


def append_many(folder: Path, writer: int, count: int) -> None:
    kept = Spool(folder)
    for number in range(count):
        kept.append(payload(f"{writer} {number}"))


def test_many_processes_share_a_spool(kept: Spool, receiver: Receiver) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=append_many, args=(kept.folder, writer, 40)) for writer in range(3)
    ]
    for writer in writers:
        writer.start()
    delivered = 0
    while any(writer.is_alive() for writer in writers):
        delivered += kept.deliver(receiver).delivered
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    delivered += kept.deliver(receiver).delivered
    assert delivered == len(receiver.bodies) == len(set(receiver.bodies)) == 120
    for writer in range(3):
        own = [body for body in receiver.bodies if body.startswith(f"{writer} ")]
        assert own == [f"{writer} {number}" for number in range(40)]


# Every call by which the spool changes the disk. The program forks a process for each time that one
# of them is made, lets it die right before or after (a write: half-way), and says how it ended.
CALLS = ("open", "write", "fsync", "replace", "unlink")
PROGRAM = """
import os, sys
from pathlib import Path
from registry.client.payload import JSON, payload_of
from registry.client.spool import Spool

root, call, after = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "after"

def dying(original, left):
    def die_at(*arguments, **named):
        left[0] -= 1
        if left[0] == 0 and not after:
            os._exit(9)
        answer = original(*arguments, **named)
        if left[0] == 0:
            os._exit(9)
        return answer
    return die_at

class Dying:
    def __init__(self, file, left):
        self.file, self.left = file, left
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self.file.close()
    def __getattr__(self, name):
        return getattr(self.file, name)
    def write(self, data):
        self.left[0] -= 1
        if self.left[0] == 0:
            self.file.write(data[: len(data) // 2] if not after else data)
            self.file.flush()
            os._exit(9)
        return self.file.write(data)

def live(folder, at):
    kept, left = Spool(folder), [at]
    if call == "write":
        fdopen = os.fdopen
        os.fdopen = lambda *a, **k: Dying(fdopen(*a, **k), left)
    else:
        where = Path if call in ("replace", "unlink") else os
        setattr(where, call, dying(getattr(where, call), left))
    kept.append(payload_of(b"one", JSON))
    kept.append(payload_of(b"two", JSON))
    with open(folder / "sent", "a") as sent:
        def send(entry, body):
            sent.write(body.read().decode() + "\\n")
            sent.flush()
        kept.deliver(send)
    os._exit(0)

for at in range(1, 100):
    folder = root / str(at)
    folder.mkdir()
    child = os.fork()
    if child == 0:
        live(folder, at)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status)
    if status == 0:
        break
"""


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_crash_at_any_step_loses_nothing(call: str, after: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, call, after],
        check=True,
        capture_output=True,
        text=True,
    )
    statuses = done.stdout.split()
    assert set(statuses[:-1]) == {"9"}
    assert statuses[-1] == "0"
    for at in range(1, len(statuses)):
        sent = tmp_path / str(at) / "sent"
        before = sent.read_text().split() if sent.exists() else []
        # The pipeline runs again, and so does the delivery.
        again = Receiver()
        kept = Spool(tmp_path / str(at))
        kept.append(payload("one"))
        kept.append(payload("two"))
        kept.deliver(again)
        assert sorted(again.bodies) == ["one", "two"], at
        assert before or again.bodies == ["one", "two"], at
        assert kept.is_empty()
        assert (kept.usage().waiting, kept.usage().bytes) == (0, 0)
        left = {path.name for path in kept.folder.rglob(".*")}
        assert left <= {".usage"}, at


def test_a_damaged_entry_does_not_stop_the_others(kept: Spool, receiver: Receiver) -> None:
    kept.append(payload("first"))
    kept.append(payload("second"))
    first = min((kept.folder / "queue").iterdir())
    first.write_bytes(b"{")
    assert kept.deliver(receiver).delivered == 1
    assert receiver.bodies == ["second"]
    assert kept.is_empty()


def test_a_folder_that_somebody_took_away_is_made_again(kept: Spool, receiver: Receiver) -> None:
    kept.append(payload("gone"))
    shutil.rmtree(kept.folder)
    assert kept.is_empty()
    kept.append(payload("there"))
    kept.deliver(receiver)
    assert receiver.bodies == ["there"]
