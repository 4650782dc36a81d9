"""What a person's examples reach: what is erased with them, and what somebody must look at.

Rules (DESIGN §6; the governance page, cases 5, 6, 7 and 20):
1. The erase set is the least set that holds the person's own examples, the exact duplicates of
   what is in it (long enough, of nobody else), and what was made of it by a role that is erased.
2. Whatever may be the person's and is not in it is reviewed, each example with every reason:
   another person's example too, a duplicate that is short, of unknown length or shared, a near
   duplicate, an aggregate, something synthetic, what an own example was made of, an unknown step,
   a text that may name the person, a row that is to be cut and cannot be.
   What was made of a reviewed example is reviewed for the same reason.
3. A run that read a batch of either set and says of no example what it made of it is an unknown
   step: what it wrote is reviewed whole, and so on from there.
4. Near duplicates are those of recorded `duplicate_of` maps, in both directions, and the rows that
   these were kept from. They are sought for examples that are erased, not for reviewed ones.
5. Models are no examples: nothing is erased in them row by row; they are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from registry.erasure.rules import Effect, ErasureRules
from registry.erasure.scope.sets import (
    Addresses,
    Marks,
    Ordinals,
    Sets,
    add,
    add_marks,
    as_addresses,
    as_sets,
    common,
    marks_without,
    merged,
    without,
)
from registry.erasure.scope.walks import children_of_marks, examples_alone, others_behind, push_back
from registry.erasure.scope.world import Contents, Output, Step, World
from registry.ledger.batches import MapNode
from registry.ledger.closure import children, parents
from registry.ledger.rowmap import Role


class Reason(StrEnum):
    """Why somebody must look at an example."""

    SEVERAL_SUBJECTS = "several_subjects"
    SHORT_DUPLICATE = "short_duplicate"
    UNSIZED_DUPLICATE = "unsized_duplicate"
    SHARED_DUPLICATE = "shared_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    AGGREGATE = "aggregate"
    SYNTHETIC = "synthetic"
    DERIVED = "derived"
    ORIGIN = "origin"
    UNKNOWN_STEP = "unknown_step"
    MAY_BE_NAMED = "may_be_named"
    PACKED_SPAN = "packed_span"


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Rows of a recorded `duplicate_of` map that meet the erase set."""

    batch: int
    position: int
    score: float | None
    method: str | None
    examples: int


@dataclass(slots=True)
class Reached:
    """The closure. `duplicates` pairs each exact duplicate with an erased example of the same
    content: two arrays of n addresses. `model_batches`: batches of models that a map leads to, and
    whether it leads there from the erase set. `candidates`: examples that may name the person.
    """

    own: Sets
    candidates: Sets = field(default_factory=dict)
    erase: Sets = field(default_factory=dict)
    review: dict[Reason, Marks] = field(default_factory=dict)
    duplicates: list[tuple[Addresses, Addresses]] = field(default_factory=list)
    near: list[NearDuplicate] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    model_batches: dict[int, bool] = field(default_factory=dict)

    def review_seeds(self, reason: Reason) -> Marks:
        """The marks of a reason, made where there are none yet."""
        return self.review.setdefault(reason, {})

    @property
    def outputs(self) -> list[Output]:
        """Datasets that an unknown step wrote, of which no batch is known, in order."""
        return sorted({s.output for s in self.steps if s.target is None and not s.is_model})


_REASON_OF = {Role.AGGREGATED: Reason.AGGREGATE, Role.SYNTHESISED_FROM: Reason.SYNTHETIC}


def reach(
    world: World, own: Sets, rules: ErasureRules, *, candidates: Sets | None = None
) -> Reached:
    """The closure of a person's own examples. `candidates`: examples that may name the person.

    Cost: each map once for the erase set, and once for each reason that there is; both in
    proportion to what is reached, but for maps that are not sorted: one pass over them.
    """
    return _Reach(world, own, rules, candidates or {}).run()


class _Reach:
    def __init__(self, world: World, own: Sets, rules: ErasureRules, candidates: Sets) -> None:
        self._world = world
        self._rules = rules
        self._erased = tuple(r for r in Role if rules.roles[r] is Effect.ERASE)
        self._asked: set[bytes] = set()
        self._found = Reached(own, candidates)

    def run(self) -> Reached:
        found = self._found
        if found.candidates:
            add_marks(found.review_seeds(Reason.MAY_BE_NAMED), found.candidates)
        shared: Sets = {}
        if self._rules.shared.example == "review":
            shared = self._world.of_others(found.own)
            add_marks(found.review_seeds(Reason.SEVERAL_SUBJECTS), shared)
        starts = without(found.own, shared)
        self._erase(starts)
        self._near()
        self._origins(starts)
        self._leave_erased()
        for reason in list(found.review):
            self._spread(reason, found.review[reason])
        self._unknown()
        self._leave_erased()
        return found

    def _leave_erased(self) -> None:
        """What came into the erase set after all is not reviewed."""
        self._found.review = {
            reason: left
            for reason, marks in sorted(self._found.review.items())
            if (left := marks_without(marks, self._found.erase))
        }

    def _erase(self, starts: Sets) -> None:
        """Rule 1: duplicates first, so that every map is pushed through once where that is all."""
        fresh = add(self._found.erase, starts)
        waiting = fresh
        while waiting or fresh:
            copies = add(self._found.erase, self._duplicates(fresh))
            fresh = self._push(merged([waiting, copies]))
            waiting = {}

    def _push(self, frontier: Sets) -> Sets:
        """Everything new that was made of these by a role that is erased."""
        all_new: list[Sets] = []
        while frontier:
            made: list[Sets] = []
            for target, part, rows in self._children(frontier):
                role = Role(part.role)
                if role in self._erased:
                    made.append({target: rows})
                elif role is Role.DUPLICATE_OF:
                    self._note_near(target, part, {target: rows})
                else:
                    reason = _REASON_OF.get(role, Reason.DERIVED)
                    add_marks(self._found.review_seeds(reason), {target: rows})
            reached = without(merged(made), self._found.erase)
            if self._rules.shared.packed == "review" and reached:
                shared = others_behind(self._world, reached)
                add_marks(self._found.review_seeds(Reason.SEVERAL_SUBJECTS), shared)
                reached = without(reached, shared)
            if self._rules.shared.packed == "redact" and reached:
                packed = self._packed(reached)
                add_marks(self._found.review_seeds(Reason.PACKED_SPAN), packed)
                reached = without(reached, packed)
            frontier = add(self._found.erase, reached)
            all_new.append(frontier)
        return merged(all_new)

    def _packed(self, rows: Sets) -> Sets:
        """Those of these rows that were made of something too that is not erased."""
        roles = set(self._erased) - {Role.DUPLICATE_OF}
        found: list[Sets] = []
        for number, seen in sorted(self._world.batches(rows).items()):
            for part in seen.maps:
                if Role(part.role) in roles:
                    behind = merged(
                        {b: some} for b, some in parents(self._world, part, rows[number])
                    )
                    staying = without(behind, self._found.erase)
                    if staying:
                        found.append({number: children(self._world, part, staying)})
        return common(rows, merged(found))

    def _children(self, frontier: Sets) -> Iterator[tuple[int, MapNode, Ordinals]]:
        outputs = self._world.outputs(frontier)
        targets = self._world.batches({t for each in outputs.values() for t in each})
        for number, target in sorted(targets.items()):
            for part in target.maps:
                rows = children(self._world, part, frontier)
                if rows.size and target.is_model:
                    self._found.model_batches[number] = True
                elif rows.size:
                    yield number, part, rows

    def _duplicates(self, fresh: Sets) -> Sets:
        """Exact duplicates of newly erased examples that are erased; others are reviewed."""
        known = self._world.contents_of(fresh)
        digests, first = np.unique(known.digests, return_index=True)
        new = np.array([each.tobytes() not in self._asked for each in digests], np.bool)
        digests, of = digests[new], known.addresses[first[new]]
        if not digests.size:
            return {}
        self._asked.update(each.tobytes() for each in digests)
        which, addresses = self._world.same_contents(digests)
        others = ~np.isin(addresses, as_addresses(self._found.erase))
        found, which = addresses[others], which[others]
        sizes = _sizes(digests, known, self._world.contents_of(as_sets(found)))
        self._found.duplicates.append((found, of[which]))
        long_enough = sizes[which] >= max(0, self._rules.duplicates.minimum_bytes)
        unsized = sizes[which] < 0
        candidates = as_sets(found[long_enough & ~unsized])
        shared = others_behind(self._world, candidates)
        for reason, marks in (
            (Reason.UNSIZED_DUPLICATE, as_sets(found[unsized])),
            (Reason.SHORT_DUPLICATE, as_sets(found[~long_enough & ~unsized])),
            (Reason.SHARED_DUPLICATE, shared),
        ):
            if marks:
                add_marks(self._found.review_seeds(reason), marks)
        return without(candidates, shared)

    def _note_near(self, batch: int, part: MapNode, marks: Sets) -> None:
        examples = sum(int(rows.size) for rows in marks.values())
        self._found.near.append(
            NearDuplicate(batch, part.position, part.score, part.method, examples)
        )
        add_marks(self._found.review_seeds(Reason.NEAR_DUPLICATE), marks)

    def _near(self) -> None:
        """Rule 4: dropped rows whose survivor is erased, then the same rows before and after."""
        for number, seen in sorted(self._world.batches(self._found.erase).items()):
            for part in seen.maps:
                if part.role == Role.DUPLICATE_OF:
                    dropped = parents(self._world, part, self._found.erase[number])
                    marks = merged({batch: rows} for batch, rows in dropped)
                    if marks := examples_alone(self._world, marks):
                        self._note_near(number, part, marks)
        seeds = self._found.review.get(Reason.NEAR_DUPLICATE)
        if seeds:
            named = {number: rows for number, rows in seeds.items() if rows is not None}
            add_marks(seeds, push_back(self._world, named, (Role.KEPT,)))

    def _origins(self, starts: Sets) -> None:
        """What own examples were made of, where nobody said whose that is."""
        roles = tuple(role for role in self._erased if role is not Role.DUPLICATE_OF)
        origins = without(push_back(self._world, starts, roles), self._found.own)
        if origins:
            add_marks(self._found.review_seeds(Reason.ORIGIN), origins)

    def _spread(self, reason: Reason, seeds: Marks) -> Marks:
        """Rule 2, last sentence: everything that was made of these, but for duplicates dropped.

        Gives the batches that were reached, seeds included.
        """
        known = self._found.review_seeds(reason)
        touched: Marks = dict(seeds)
        frontier: Marks = dict(seeds)
        while frontier:
            made: Marks = {}
            outputs = self._world.outputs(frontier)
            targets = self._world.batches({t for each in outputs.values() for t in each})
            for number, target in sorted(targets.items()):
                for part in target.maps:
                    if part.role == Role.DUPLICATE_OF:
                        continue
                    rows = children_of_marks(self._world, part, frontier, target.rows)
                    if rows is not None and not rows.size:
                        continue
                    if target.is_model:
                        self._found.model_batches.setdefault(number, False)
                    else:
                        add_marks(made, {number: rows})
            frontier = add_marks(known, made)
            touched.update(frontier)
        return touched

    def _unknown(self) -> None:
        """Rule 3, to the end."""
        batches = set(self._found.erase).union(*self._found.review.values())
        asked: set[int] = set()
        seen_outputs: set[Output] = set()
        outputs: set[Output] = set()
        done: set[tuple[Output, int | None]] = set()
        while batches or outputs:
            steps = self._world.steps_after(batches, outputs)
            asked |= batches
            seen_outputs |= outputs
            self._found.steps += steps
            whole = self._whole(
                {s.target for s in steps if (s.output, s.target) not in done and not s.is_model}
            )
            done.update((step.output, step.target) for step in steps)
            new: Marks = {}
            if whole:
                marks = self._found.review_seeds(Reason.UNKNOWN_STEP)
                new = self._spread(Reason.UNKNOWN_STEP, add_marks(marks, whole))
            batches = set(new) - asked
            unnamed = {s.output for s in steps if s.target is None and not s.is_model}
            outputs = unnamed - seen_outputs

    def _whole(self, targets: set[int | None]) -> Marks:
        """These batches whole, less those that are known to be empty."""
        numbers = sorted(number for number in targets if number is not None)
        seen = self._world.batches(numbers)
        return {n: None for n in numbers if n not in seen or seen[n].rows != 0}


def _sizes(digests: npt.NDArray[np.bytes_], *said: Contents) -> npt.NDArray[np.int64]:
    """How many bytes each content has, of sorted digests; -1 where nobody says."""
    most = np.iinfo(np.int64).max
    sizes = np.full(digests.size, most)
    for each in said:
        which = np.minimum(np.searchsorted(digests, each.digests), digests.size - 1)
        counts = (each.sizes >= 0) & (digests[which] == each.digests)
        np.minimum.at(sizes, which[counts], each.sizes[counts])
    return np.where(sizes == most, -1, sizes)
