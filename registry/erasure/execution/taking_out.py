"""Takes rows out of one copy, a file or whatever an executor reaches, and looks again.

Rules (DESIGN §1.5, §1.10, §1.12; issue "Erasure, the hands"):
1. Only rows that are marked as erased leave a copy, and none that a hold keeps now: that is asked
   in the transaction that begins each copy. What is kept leaves its task withheld.
2. What a copy is about to be is kept before it is changed. Of one whose rows are known by their
   places, what it is afterwards is kept before it is looked at again; of one whose rows are known
   by their keys, that they are gone is kept once that was seen. So a round that was cut off
   anywhere is begun again and ends the same.
3. Only a proof makes a copy verified.
4. A file that a later batch of the dataset was written over holds that batch, and not this one:
   its rows are that batch's to lose. Only a file that is byte for byte the later batch's says so.
5. Rows that other requests ask out of the same file, and that may go now, leave it in one writing.
   Each of these requests finds its own gone, counts and proves them, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

import numpy as np
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.erasure.case.identifiers import kept_keys, people_of, under_every_version
from registry.erasure.connectors.protocol import (
    Connector,
    Erased,
    Intent,
    Ordinals,
    Progress,
    Proof,
    Target,
    Watch,
)
from registry.erasure.connectors.trouble import Reason, StoppedError, Trouble
from registry.erasure.execution.hands import Hands
from registry.erasure.lifecycle import TaskState
from registry.erasure.scope.sets import Sets, without
from registry.erasure.scope.withheld import all_withheld, withheld
from registry.erasure.targets.file_states import (
    FileKey,
    drop_intent,
    note_erased,
    note_gone,
    note_intent,
    note_leaving,
    read_states,
)
from registry.erasure.tasks import TaskChange, TaskView, read_task, turn_task
from registry.ledger.erasing import without_holes
from registry.ledger.fetch import is_under
from registry.ledger.source_files import readable_path

# Where a task may go from *erased* without being begun again.
_FROM_ERASED = frozenset({TaskState.VERIFIED, TaskState.FAILED_RETRYABLE, TaskState.FAILED_FINAL})
#: The ground of a copy's task that a hold keeps, and not its store.
BY_HOLD = "hold"
NOTHING: Ordinals = np.empty(0, np.uint32)
NO_ROOT = (
    "It does not lie where this registry may erase, or only a link leads there: have its folder or "
    "bucket added to REGISTRY_FILE_ROOTS by its real path, or erase there and record that with "
    "evidence."
)
_OTHERS = Trouble(Reason.BUSY, "Another erasure took rows out of it meanwhile.")
_UNCHANGED = Trouble(Reason.REMAINS, "Byte for byte it is as it was, with the rows in it.")
_Known = tuple[tuple[bytes | None, bytes | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of one batch that leave a copy, and the name under which that is kept."""

    key: FileKey
    rows: Ordinals


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A copy that is being worked on: `rows` leave it, as the target numbers them, which are those
    of its `parts`; `kept` rows of the plan stay, and `before` left it for other requests, proven.
    `along` are rows that other requests ask out of it, and that leave it in the same writing.

    `known`: what was recorded of it when it was begun; `intended_rows`: what an erasure that broke
    off was taking out. `word`: how reports call it. `later` gives the batches that may have been
    written over it, by number (rule 4).
    """

    word: str
    request_id: str
    task_id: str
    target: Target
    rows: Ordinals
    parts: tuple[Part, ...]
    kept: int
    known: _Known
    before: int = 0
    intended_rows: Ordinals = field(default_factory=lambda: NOTHING)
    along: Ordinals = field(default_factory=lambda: NOTHING)
    later: Callable[[Session], Mapping[int, Target]] = field(default=lambda _session: {})

    @property
    def taken(self) -> Ordinals:
        """All rows that leave the copy now, sorted."""
        return np.union1d(self.rows, self.along)

    @property
    def all_rows(self) -> int:
        """How many rows of the plan must be gone in the end."""
        return int(self.rows.size) + self.before


Begin = Callable[[Session], Begun | None]


def take_out(hands: Hands, begin: Begin, *, is_last: bool) -> None:
    """Take rows out of one copy. `begin` begins it in its transaction (rule 1), or says that
    nothing may be done now; `is_last`: what fails now has failed for good.

    Effects: commits; the copy is changed.
    """
    begun = hands.database.transact(begin)
    if begun is None:
        return
    at = _telling(hands, begun)
    watch = Watch(progress=at, intend=lambda intent: _intend(hands, begun, intent))
    try:
        connector = hands.connectors.of(begun.target)
    except StoppedError as error:
        trouble = error.trouble
        hands.database.transact(lambda s: _stop(s, hands, begun, trouble, is_last=is_last))
        return
    if begun.target.intended is not None:
        if _settle(hands, begun, connector, is_last=is_last):
            take_out(hands, begin, is_last=is_last)
        return
    done = connector.erase(begun.target, begun.taken, watch)
    over = _written_over(hands, begun, done.trouble)
    if over is not None:
        hands.database.transact(lambda s: _note_over(s, hands, begun, over))
        return
    hands.database.transact(lambda s: _note_erased(s, hands, begun, done, is_last=is_last))
    hands.report(f"{begun.word} noted")
    if done.trouble is not None:
        return
    sha256 = None if begun.target.is_keyed else done.sha256
    after = begun if begun.target.is_keyed else replace(begun, known=((sha256, None),))
    proof = connector.prove(begun.target.after(begun.taken, sha256), begun.rows, watch)
    hands.database.transact(lambda s: _note_proof(s, hands, after, proof, is_last=is_last))


def _written_over(hands: Hands, begun: Begun, trouble: Trouble | None) -> int | None:
    """The later batch that a changed file holds now, if it does (rule 4). Cost: one reading."""
    if trouble is None or trouble.reason is not Reason.CHANGED_OUTSIDE:
        return None
    with hands.database.read() as session:
        later = begun.later(session)
    watch = Watch(progress=_telling(hands, begun))
    for number, target in later.items():
        try:
            found = hands.connectors.of(target).find(target, NOTHING, watch)
        except StoppedError:
            continue
        if found.trouble is None:
            return number
    return None


def _note_over(session: Session, hands: Hands, begun: Begun, number: int) -> None:
    said = (
        f"Batch {number} was written over it: the rows that lie there now are seen to as its own."
    )
    change = TaskChange(found=0, erased=0, verified=0, detail=said)
    task = read_task(session, begun.task_id)
    turn(session, task, TaskState.NOT_PRESENT, change, hands.clock())


def free_of(session: Session, hands: Hands, case_id: str, planned: Sets, now: datetime) -> Sets:
    """What of a plan is marked, and kept by no hold now (rule 1)."""
    marked = without(planned, without_holes(session, planned))
    keyring = hands.ledger.keyring
    people = people_of(keyring, kept_keys(session, case_id))
    keys = under_every_version(keyring, people)
    return without(marked, all_withheld(withheld(session, hands.ledger, marked, keys=keys, at=now)))


def may_touch(uri: str, roots: Sequence[str]) -> bool:
    """Whether the settings let the registry erase in files there."""
    if urlsplit(uri).scheme in ("", "file"):
        return readable_path(uri.rstrip("/"), roots) is not None
    return is_under(uri, roots)


def keep_back(
    session: Session, task: TaskView, rows: int, kept: int, now: datetime, *, done: int | None
) -> bool:
    """Leave a task withheld where a hold keeps all that could go, or all else has gone: `done` of
    the `rows`.
    """
    is_done = task.state is TaskState.WITHHELD and kept > 0 and done == rows
    if (rows or not kept) and not is_done:
        return False
    turn(session, task, TaskState.WITHHELD, kept_by_hold(kept), now)
    return True


def kept_by_hold(count: int) -> TaskChange:
    """What a task says of rows that a hold keeps."""
    return TaskChange(ground=BY_HOLD, detail=f"{count} of its rows are kept by a hold.")


def wait(session: Session, task: TaskView, why: str, now: datetime) -> None:
    """Leave a task to a person, and say why. Effects: one row; does not commit."""
    if task.state is not TaskState.PENDING or task.detail != why:
        turn(session, task, TaskState.PENDING, TaskChange(detail=why), now)


def stop(
    session: Session, task: TaskView, trouble: Trouble, now: datetime, *, is_last: bool
) -> None:
    """Bring a task to where a trouble leaves it. Effects: one row; does not commit."""
    is_over = is_last and trouble.state is TaskState.FAILED_RETRYABLE
    to = TaskState.FAILED_FINAL if is_over else trouble.state
    said = f"{trouble.reason.value}: {trouble.detail} {trouble.remedy}"[:2_000]
    turn(session, task, to, TaskChange(detail=said, until=trouble.until), now)


def turn(
    session: Session, task: TaskView, to: TaskState, change: TaskChange, now: datetime
) -> None:
    """Turn a task, begun again first where it may not go there from its state."""
    must_begin = {
        TaskState.ERASED: to not in _FROM_ERASED,
        TaskState.WITHHELD: to not in (TaskState.WITHHELD, TaskState.PENDING, TaskState.RUNNING),
    }.get(task.state, False)
    if must_begin:
        task = turn_task(session, task, TaskState.RUNNING, actor=SYSTEM, now=now)
    turn_task(session, task, to, change, actor=SYSTEM, now=now)


def known_of(session: Session, parts: tuple[Part, ...]) -> _Known:
    """What is recorded of a copy: of each part its digest after erasures, and the one it was about
    to have.
    """
    keys = [part.key for part in parts]
    states = read_states(session, keys)
    found = [states.get(key) for key in keys]
    return tuple(
        (None, None) if each is None else (each.sha256, each.next_sha256) for each in found
    )


def _telling(hands: Hands, begun: Begun) -> Callable[[Progress], None]:
    return lambda said: hands.report(f"{begun.word} {said.step}: {said.bytes_done} bytes")


def _settle(hands: Hands, begun: Begun, connector: Connector, *, is_last: bool) -> bool:
    """Find out whether an erasure that broke off had swapped the file (rule 2); whether that is
    known now. Its rows may have been another request's.
    """
    rows, key = begun.intended_rows, begun.parts[0].key
    found = connector.find(begun.target, rows, Watch(progress=_telling(hands, begun)))
    target, trouble = begun.target, found.trouble

    def work(session: Session) -> None:
        now = hands.clock()
        if trouble is not None:
            _stop(session, hands, begun, trouble, is_last=is_last)
        elif known_of(session, begun.parts) != begun.known:
            return
        elif found.present:
            drop_intent(session, key, now=now)
        else:
            left = _left(target.after(rows, target.intended))
            sha256 = target.intended
            note_erased(session, key, rows, sha256=sha256, left=left, actor=SYSTEM, now=now)

    hands.database.transact(work)
    return trouble is None


def _intend(hands: Hands, begun: Begun, intent: Intent) -> None:
    def work(session: Session) -> None:
        now = hands.clock()
        for part in begun.parts:
            if begun.target.is_keyed:
                note_leaving(session, part.key, part.rows, now=now)
            else:
                note_intent(session, part.key, intent.sha256, begun.taken, now=now)

    hands.database.transact(work)
    hands.report(f"{begun.word} intended")


def _note_erased(
    session: Session, hands: Hands, begun: Begun, done: Erased, *, is_last: bool
) -> None:
    """Keep what the file is now, also beside a trouble (rule 2)."""
    now = hands.clock()
    if done.sha256 is not None and not begun.target.is_keyed:
        key, rows = begun.parts[0].key, begun.taken
        there = read_states(session, [key]).get(key)
        is_noted = there is not None and not there.holes.present(rows).size
        if not (is_noted and there is not None and there.sha256 == done.sha256):
            if there is not None and there.sha256 not in (None, begun.target.sha256):
                _stop(session, hands, begun, _OTHERS, is_last=is_last)
                return
            if done.sha256 == begun.target.sha256 and not is_noted:
                _stop(session, hands, begun, _UNCHANGED, is_last=is_last)
                return
            left = _left(begun.target.after(rows, done.sha256)) if done.rows is None else done.rows
            digest = done.sha256
            note_erased(session, key, rows, sha256=digest, left=left, actor=SYSTEM, now=now)
    if done.trouble is not None:
        _stop(session, hands, begun, done.trouble, is_last=is_last)
        return
    # Each request counts its own; where rows are missing they are missed by this one.
    others = begun.taken.size - begun.rows.size
    counted = int(done.erased + done.already - others) + begun.before
    task = read_task(session, begun.task_id)
    turn(session, task, TaskState.ERASED, TaskChange(found=counted, erased=counted), now)


def _left(target: Target) -> int | None:
    if target.rows is None:
        return None
    return target.holes.left(target.first, target.first + target.rows)


def _note_proof(
    session: Session, hands: Hands, begun: Begun, proof: Proof, *, is_last: bool
) -> None:
    """Say what looking again came to (rule 3)."""
    now = hands.clock()
    task = read_task(session, begun.task_id)
    if proof.trouble is not None:
        _stop(session, hands, begun, proof.trouble, is_last=is_last)
        return
    if begun.target.is_keyed:
        for part in begun.parts:
            note_gone(session, part.key, part.rows, actor=SYSTEM, now=now)
    verified = begun.all_rows
    if task.erased != verified:
        said = TaskChange(detail=f"{task.erased} rows are said to be erased, of {verified}.")
        to = TaskState.FAILED_FINAL if is_last else TaskState.FAILED_RETRYABLE
    elif begun.kept:
        said = replace(kept_by_hold(begun.kept), verified=verified)
        to = TaskState.WITHHELD
    else:
        said = TaskChange(verified=verified, detail="Looked into again, and not found.")
        to = TaskState.VERIFIED
    turn(session, task, to, said, now)


def _stop(session: Session, hands: Hands, begun: Begun, trouble: Trouble, *, is_last: bool) -> None:
    """Stop a copy. What the registry itself changed meanwhile, for another request or another
    worker, is nobody else's change.
    """
    if trouble.state is TaskState.CHANGED_OUTSIDE and known_of(session, begun.parts) != begun.known:
        trouble = _OTHERS
    stop(session, read_task(session, begun.task_id), trouble, hands.clock(), is_last=is_last)
