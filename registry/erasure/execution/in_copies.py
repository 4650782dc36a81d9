"""Erases in the bound copies of datasets that a plan erases from, by the executor of each.

Rules (issue "Erasure, the hands"):
1. A binding that covers a file of the plan is erased through that file. Any other is a copy with a
   task of its own: of a file, or of a recipient where another system erases (`webhook`).
2. Bindings that hold when the plan is taken up count. One that is made later, as in the place of a
   wrong one, is taken up when somebody asks to carry out again; one that was removed leaves its
   task to a person, as does `manual`.
3. By key, a row of a copy is known by the id of its example, which is kept for that until the last
   copy is done with (`keepsake`). An id by which an example that stays goes too names two rows, and
   stops the work.
4. By position a copy is the rows of its dataset's one batch in their order. Of several batches
   nobody recorded how they lie in it.
5. Rows whose ids are not known any more, because another request erased them first, are that
   request's to take out of the copy; until that is proven, this one waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlmodel import Session

from registry.actors.accounts import SYSTEM
from registry.catalog.version_tables import BatchNumber
from registry.erasure.case.cases import read_case
from registry.erasure.connectors.protocol import Executor, Ordinals, Target
from registry.erasure.connectors.trouble import Reason, Trouble
from registry.erasure.execution.hands import Hands, read_planned
from registry.erasure.execution.in_systems import Telling, part_of, tell_system
from registry.erasure.execution.keepsake import Names, recall_names
from registry.erasure.execution.marking import is_carried_out
from registry.erasure.execution.taking_out import (
    NO_ROOT,
    NOTHING,
    Begun,
    Part,
    free_of,
    keep_back,
    known_of,
    may_touch,
    stop,
    take_out,
    wait,
)
from registry.erasure.lifecycle import ENDED_WELL, WORKABLE, TaskKind, TaskState
from registry.erasure.plan.members import read_erase_set
from registry.erasure.scope.ledger_world import indexed_among
from registry.erasure.scope.sets import Sets, as_sets, merged, sets_of, size, without
from registry.erasure.tables import ErasureTask
from registry.erasure.targets.bindings import (
    BY_ROOTS,
    TargetView,
    copy_name,
    covers,
    read_bound,
    target_for_file,
    targets_of,
)
from registry.erasure.targets.file_states import (
    FileNow,
    copy_key,
    copy_target,
    file_target,
    note_leaving,
    read_states,
)
from registry.erasure.tasks import NewTask, TaskChange, TaskView, read_task, turn_task
from registry.ids import named_id
from registry.ledger.closure import push_forward
from registry.ledger.erasing import without_holes
from registry.ledger.rowmap import Role
from registry.ledger.source_files import BatchFileNode, files_of
from registry.ledger.trace import SAME, same_at_source
from registry.storage.columns import table_of

_task, _number = table_of(ErasureTask), table_of(BatchNumber)
_BY_HAND = "A copy that is erased in by hand: do it, look again, and record that with evidence."
_REMOVED = (
    "Its binding was removed: look there, and record with evidence what became of the rows. One "
    "that was made in its place has a task of its own once the plan is carried out again."
)
_IS_BATCH = (
    "Files of a batch lie in it, which are erased in by position: bind the copy apart from them, "
    "or record with evidence what became of it."
)


def copy_tasks(session: Session, document: Mapping[str, Any], *, due_on: date) -> list[NewTask]:
    """The tasks of the bound copies of what a plan's document erases from (rules 1 and 2)."""
    expected: dict[bytes, int] = {}
    for group in document["erase"]["by_dataset"]:
        dataset_id = named_id("dataset", group["namespace"], group["name"])
        expected[dataset_id] = expected.get(dataset_id, 0) + group["examples"]
    uris = [file["uri"] for file in document["files"]]
    opened = []
    for dataset_id, targets in sorted(targets_of(session, expected).items()):
        covering = {found.id for uri in uris if (found := target_for_file(targets, uri))}
        opened += [
            NewTask(
                TaskKind.RECIPIENT if _is_told(each) else TaskKind.FILE,
                copy_name(each),
                dataset_id=dataset_id,
                expected=expected[dataset_id],
                due_on=due_on,
                detail=_BY_HAND if each.said.executor is Executor.MANUAL else None,
            )
            for each in targets
            if each.id not in covering
        ]
    return opened


def _is_told(binding: TargetView) -> bool:
    return binding.said.executor is Executor.WEBHOOK


def erase_in_copy(hands: Hands, request_id: str, task_id: str, *, is_last: bool) -> None:
    """Have a bound copy erased in by its executor, as far as one does. Effects: commits."""
    with hands.database.read() as session:
        task = read_task(session, task_id, request_id=request_id)
        binding = read_bound(session, task.target)
        names = recall_names(session, hands.ledger, read_case(session, request_id))
    work = _Copy(hands, request_id, task_id, binding, names, is_last)
    if _is_told(binding):
        tell_system(hands, binding, work.tell, is_last=is_last)
    else:
        take_out(hands, work.begin, is_last=is_last)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What of a plan is asked to leave a copy now: of each batch its rows, with their `names`;
    `kept` by holds, and gone `before`.
    """

    task: TaskView
    rows: Sets
    names: Names
    kept: int
    before: int
    states: Mapping[int, FileNow]


@dataclass(frozen=True, slots=True, eq=False)
class _Copy:
    """A bound copy that a case has to do with."""

    hands: Hands
    request_id: str
    task_id: str
    binding: TargetView
    names: Names
    is_last: bool

    def begin(self, session: Session) -> Begun | None:
        """Begin it, unless nothing may be done in it now."""
        asked = self._asked(session)
        if asked is None:
            return None
        target = copy_target(self.binding)
        begun = self._keyed(target, asked) if target.is_keyed else self._lying(session, asked)
        now = self.hands.clock()
        if begun is None:
            said = "Its dataset has several batches, and nobody recorded how they lie in it; "
            trouble = Trouble(Reason.NOT_RECORDED, f"{said}bind it by key (--by-key).")
            stop(session, asked.task, trouble, now, is_last=self.is_last)
            return None
        turn_task(session, asked.task, TaskState.RUNNING, actor=SYSTEM, now=now)
        return replace(begun, known=known_of(session, begun.parts))

    def tell(self, session: Session) -> Telling | None:
        """What another system is to be told, unless nothing may be done now."""
        asked = self._asked(session)
        if asked is None:
            return None
        ids = sorted({name for each in asked.names.values() for name in each.values()})
        now = self.hands.clock()
        part = part_of(session, asked.task, ids, kept=asked.kept)
        for number, ordinals in asked.rows.items():
            note_leaving(session, copy_key(self.binding, number), ordinals, now=now)
        change = TaskChange(expected=len(ids) + asked.kept, found=len(ids))
        turn_task(session, asked.task, TaskState.RUNNING, change, actor=SYSTEM, now=now)
        return Telling(self.request_id, self.task_id, ids, asked.task.due_on, part)

    def _asked(self, session: Session) -> _Asked | None:
        """Ask what may go now (rules 2, 3 and 5); the task says why where nothing may."""
        now = self.hands.clock()
        case, plan = read_planned(session, self.request_id, held=True)
        task = read_task(session, self.task_id, request_id=self.request_id)
        if not is_carried_out(case) or task.state not in WORKABLE:
            return None
        why = self._left_to_people(session)
        if why is not None:
            wait(session, task, why, now)
            return None
        planned = read_erase_set(session, plan.id)
        free = free_of(session, self.hands, case.id, planned, now)
        mine = self._batches(session)
        all_rows, rows = _of(planned, mine), _of(free, mine)
        kept = size(all_rows) - size(rows)
        done = task.erased if _is_told(self.binding) else task.verified
        if keep_back(session, task, size(rows), kept, now, done=done):
            return None
        asked, trouble = self._named(session, task, rows, kept)
        trouble = trouble or self._also_staying(session, asked, mine)
        if trouble is not None:
            stop(session, task, trouble, now, is_last=self.is_last)
            return None
        return asked

    def _left_to_people(self, session: Session) -> str | None:
        if self.binding.said.executor is Executor.MANUAL:
            return _BY_HAND
        if self.binding.ended_at is not None:
            return _REMOVED
        said, roots = self.binding.said, self.hands.connectors.file_roots
        if said.executor in BY_ROOTS and not may_touch(said.uri, roots):
            return NO_ROOT
        files = files_of(session, self._batches(session))
        if any(covers(self.binding, file.uri) for some in files.values() for file in some):
            return _IS_BATCH
        return None

    def _named(
        self, session: Session, task: TaskView, rows: Sets, kept: int
    ) -> tuple[_Asked, Trouble | None]:
        """The rows that are known by their ids; the others must have gone before (rule 5)."""
        keys = {number: copy_key(self.binding, number) for number in rows}
        found = read_states(session, keys.values())
        states = {number: found[key] for number, key in keys.items() if key in found}
        if not _needs_names(self.binding):
            return _Asked(task, rows, self.names, kept, 0, states), None
        named: Sets = {}
        before = unknown = 0
        for number, ordinals in rows.items():
            is_named = np.isin(ordinals, np.array(list(self.names.get(number, {})), np.uint32))
            named[number] = ordinals[is_named]
            left = ordinals[~is_named]
            if number in states:
                left = states[number].holes.present(left)
            unknown += int(left.size)
            before += int(ordinals.size - is_named.sum() - left.size)
        names = {
            number: {ordinal: self.names[number][ordinal] for ordinal in ordinals.tolist()}
            for number, ordinals in named.items()
            if ordinals.size
        }
        asked = _Asked(task, named, names, kept, before, states)
        if not unknown:
            return asked, None
        if self._is_others(session, task):
            return asked, Trouble(Reason.BUSY, f"Another request takes {unknown} rows out of it.")
        said = f"Nobody recorded by which ids {unknown} rows are known in {self.binding.said.uri}."
        return asked, Trouble(Reason.NOT_RECORDED, said)

    def _is_others(self, session: Session, task: TaskView) -> bool:
        """Whether another request has to do with this copy still."""
        query = select(_task.c.id).where(
            _task.c.kind == task.kind.value,
            _task.c.target == task.target,
            _task.c.request_id != self.request_id,
            _task.c.state.not_in([state.value for state in ENDED_WELL]),
        )
        return session.execute(query.limit(1)).first() is not None

    def _also_staying(self, session: Session, asked: _Asked, mine: Sequence[int]) -> Trouble | None:
        """Whether an id is also that of an example which stays (rule 3)."""
        ids = {name for each in asked.names.values() for name in each.values()}
        if not ids or not _needs_names(self.binding):
            return None
        ledger = self.hands.ledger
        there = as_sets(ledger.index.find_ids(sorted(ids)).addresses)
        # Examples without ids of their own go by those of a source: all that it became may.
        nameless = set(mine) - indexed_among(session, mine)
        sources = same_at_source(session, ledger.graph, _of(asked.rows, nameless))
        starts = sets_of(sources.values())
        became = push_forward(session, ledger.graph, starts, without=set(Role) - SAME).reached
        same = merged([_of(there, mine), _of(became, nameless)])
        staying = without(without_holes(session, same), asked.rows)
        if not staying:
            return None
        said = f"{size(staying)} examples that stay have the id of one that goes"
        where = ", ".join(str(number) for number in sorted(staying)[:5])
        return Trouble(Reason.DUPLICATE_KEYS, f"{said} (batch {where}).")

    def _keyed(self, target: Target, asked: _Asked) -> Begun:
        """The copy with its rows by key: they are numbered through."""
        parts = tuple(
            Part(copy_key(self.binding, number), ordinals)
            for number, ordinals in sorted(asked.rows.items())
            if ordinals.size
        )
        ids = [
            asked.names[part.key.batch_number][ordinal]
            for part in parts
            for ordinal in part.rows.tolist()
        ]
        has_begun = any(
            (state.holes | state.next_rows).present(ordinals).size < ordinals.size
            for number, ordinals in asked.rows.items()
            if (state := asked.states.get(number)) is not None
        )
        # An example of an older version of the dataset is the same row of the copy.
        keys = dict(enumerate(dict.fromkeys(ids)))
        return Begun(
            f"{self.binding.said.executor} copy",
            self.request_id,
            self.task_id,
            replace(target, keys=keys, begun=has_begun),
            np.arange(len(keys), dtype=np.uint32),
            parts,
            asked.kept,
            (),
            before=asked.before + len(ids) - len(keys),
        )

    def _lying(self, session: Session, asked: _Asked) -> Begun | None:
        """The copy with its rows by position (rule 4); None where nobody knows how they lie."""
        mine = self._batches(session)
        number = mine[0]
        node = self.hands.ledger.graph.nodes(session, [number]).get(number)
        if len(mine) > 1 or node is None or node.rows is None:
            return None
        key, state = copy_key(self.binding, number), asked.states.get(number)
        file = BatchFileNode(self.binding.said.uri, None, node.rows, 0)
        names = asked.names.get(number, {})
        rows: Ordinals = asked.rows.get(number, NOTHING)
        return Begun(
            f"{self.binding.said.executor} copy",
            self.request_id,
            self.task_id,
            file_target(file, state, self.binding, keys=names),
            rows,
            (Part(key, rows),),
            asked.kept,
            (),
            intended_rows=NOTHING if state is None else state.next_rows.ordinals(),
        )

    def _batches(self, session: Session) -> list[int]:
        query = select(_number.c.number).where(_number.c.dataset_id == self.binding.dataset_id)
        return sorted(session.execute(query).scalars())


def _needs_names(binding: TargetView) -> bool:
    return _is_told(binding) or copy_target(binding).is_keyed


def _of(sets: Sets, numbers: Collection[int]) -> Sets:
    wanted = set(numbers)
    return {number: ordinals for number, ordinals in sets.items() if number in wanted}
