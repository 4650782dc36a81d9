"""The closure by brute force, one example at a time, from the words of the rules alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from registry.erasure.rules import Effect, ErasureRules
from registry.erasure.scope.reach import Reason
from registry.erasure.scope.world import Output
from registry.ledger.rowmap import Role
from tests.erasure.worlds import Address, Story

Parent = tuple[Role, Address]


class Naive:
    """What a story's examples are to the people who ask."""

    def __init__(self, story: Story, asked: frozenset[int], rules: ErasureRules) -> None:
        self.story = story
        self.asked = asked
        self.rules = rules
        self.models: set[int] = {n for n, b in story.known.items() if b.is_model}
        self.all = {
            (n, row) for n, b in story.known.items() if not b.is_model for row in range(b.rows)
        }

    @cached_property
    def parents(self) -> dict[Address, list[Parent]]:
        found: dict[Address, list[Parent]] = {}
        here = set(self.story.known) - self.models
        for number, batch in self.story.known.items():
            for made in batch.maps:
                for row, some in enumerate(made.parents):
                    known = [(made.role, at) for at in some if at[0] in here]
                    found.setdefault((number, row), []).extend(known)
        return found

    def people(self, at: Address) -> frozenset[int]:
        return self.story.batches[at[0]].people.get(at[1], frozenset())

    def digest(self, at: Address) -> int | None:
        return self.story.batches[at[0]].digests.get(at[1])

    def in_time(self, at: Address) -> bool:
        return self.story.batches[at[0]].in_time

    @cached_property
    def size_of(self) -> dict[int, int]:
        """How long each content is, where anybody in sight says so."""
        found: dict[int, int] = {}
        for at in self.all:
            batch = self.story.batches[at[0]]
            content, said = batch.digests.get(at[1]), batch.sizes.get(at[1])
            if content is not None and said is not None and batch.in_time:
                found[content] = min(said, found.get(content, said))
        return found

    def is_of_others(self, at: Address) -> bool:
        seen, waiting = set(), [at]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if self.people(one) - self.asked:
                return True
            waiting += [p for role, p in self.parents.get(one, ()) if role != Role.DUPLICATE_OF]
        return False

    @cached_property
    def own(self) -> set[Address]:
        return {at for at in self.all if self.people(at) & self.asked and self.in_time(at)}

    @cached_property
    def shared(self) -> set[Address]:
        if self.rules.shared.example == "erase":
            return set()
        return {at for at in self.own if self.people(at) - self.asked}

    def _is_made(self, at: Address, of: set[Address], fits: Callable[[Role], bool]) -> bool:
        return any(fits(role) and parent in of for role, parent in self.parents.get(at, ()))

    def _erases(self, role: Role) -> bool:
        return self.rules.roles[role] is Effect.ERASE

    def _is_in_part(self, at: Address, found: set[Address]) -> bool:
        """Whether it was made, by a role that is erased, of something that is not erased too: also
        of what came too late, or is no example.
        """
        return any(
            parent not in found
            for made in self.story.batches[at[0]].maps
            if self._erases(made.role) and made.role != Role.DUPLICATE_OF
            for parent in (made.parents[at[1]] if at[1] < len(made.parents) else ())
        )

    @cached_property
    def erase(self) -> set[Address]:
        found = self.own - self.shared
        while True:
            digests = {self.digest(at) for at in found} - {None}
            more = {
                at
                for at in self.all - found
                if (
                    self._is_made(at, found, self._erases)
                    and not (self.rules.shared.packed == "review" and self.is_of_others(at))
                    and not (self.rules.shared.packed == "redact" and self._is_in_part(at, found))
                )
                or (
                    (content := self.digest(at)) in digests
                    and content is not None
                    and self.in_time(at)
                    and self.size_of.get(content, -1) >= self.rules.duplicates.minimum_bytes
                    and not self.is_of_others(at)
                )
            }
            if not more:
                return found
            found |= more

    def _duplicates(self, fits: Callable[[Address, int], bool]) -> set[Address]:
        digests = {self.digest(at) for at in self.erase} - {None}
        return {
            at
            for at in self.all - self.erase
            if (content := self.digest(at)) in digests
            and content is not None
            and self.in_time(at)
            and fits(at, self.size_of.get(content, -1))
        }

    def _near(self) -> set[Address]:
        found: set[Address] = set()
        for at in self.all:
            for role, parent in self.parents.get(at, ()):
                if role == Role.DUPLICATE_OF:
                    if parent in self.erase and not self._erases(role):
                        found.add(at)
                    if at in self.erase:
                        found.add(parent)
        return found | self._before(found, lambda role: role == Role.KEPT)

    def _before(self, starts: Iterable[Address], fits: Callable[[Role], bool]) -> set[Address]:
        found: set[Address] = set()
        waiting = list(starts)
        while waiting:
            for role, parent in self.parents.get(waiting.pop(), ()):
                if fits(role) and parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return found

    def made_of(self, starts: set[Address]) -> set[Address]:
        """These, and everything that was made of them."""
        found = set(starts)
        while True:
            more = {
                at
                for at in self.all - found
                if self._is_made(at, found, lambda role: role != Role.DUPLICATE_OF)
            }
            if not more:
                return found
            found |= more

    def seeds(self) -> dict[Reason, set[Address]]:
        made_by: dict[Reason, list[Role]] = {
            Reason.AGGREGATE: [Role.AGGREGATED],
            Reason.SYNTHETIC: [Role.SYNTHESISED_FROM],
            Reason.DERIVED: [
                role
                for role in Role
                if role not in (Role.AGGREGATED, Role.SYNTHESISED_FROM, Role.DUPLICATE_OF)
            ],
        }
        minimum = self.rules.duplicates.minimum_bytes
        found = {reason: self._made_by(roles) for reason, roles in made_by.items()}
        found[Reason.SEVERAL_SUBJECTS] = set(self.shared)
        if self.rules.shared.packed == "review":
            found[Reason.SEVERAL_SUBJECTS] |= {
                at
                for at in self.all - self.erase
                if self._is_made(at, self.erase, self._erases) and self.is_of_others(at)
            }
        if self.rules.shared.packed == "redact":
            found[Reason.PACKED_SPAN] = {
                at for at in self.all - self.erase if self._is_made(at, self.erase, self._erases)
            }
        found[Reason.UNSIZED_DUPLICATE] = self._duplicates(lambda _at, size: size < 0)
        found[Reason.SHORT_DUPLICATE] = self._duplicates(lambda _at, size: 0 <= size < minimum)
        found[Reason.SHARED_DUPLICATE] = self._duplicates(
            lambda at, size: size >= minimum and self.is_of_others(at)
        )
        found[Reason.NEAR_DUPLICATE] = self._near()
        found[Reason.ORIGIN] = (
            self._before(
                self.own - self.shared,
                lambda role: self._erases(role) and role != Role.DUPLICATE_OF,
            )
            - self.own
        )
        return found

    def _made_by(self, roles: list[Role]) -> set[Address]:
        """What was made of the erase set by a role that is not erased."""
        fitting = {role for role in roles if not self._erases(role)}
        return {at for at in self.all if self._is_made(at, self.erase, fitting.__contains__)}

    @cached_property
    def review(self) -> dict[Reason, set[Address]]:
        found = {reason: self.made_of(seeds - self.erase) for reason, seeds in self.seeds().items()}
        unknown: set[Address] = set()
        outputs: set[Output] = set()
        while True:
            touched = {n for n, _ in self.erase.union(unknown, *found.values())}
            targets: set[Address] = set()
            new_outputs: set[Output] = set()
            for each in self.story.unmapped:
                if not (each.reads & touched or each.reads_outputs & outputs):
                    continue
                if each.target is None:
                    new_outputs.add(each.output)
                elif each.target in self.story.known and each.target not in self.models:
                    rows = self.story.batches[each.target].rows
                    targets |= {(each.target, row) for row in range(rows)}
            reached = self.made_of(unknown | targets)
            if reached == unknown and new_outputs <= outputs:
                break
            unknown, outputs = reached, outputs | new_outputs
        found[Reason.UNKNOWN_STEP] = unknown
        return {reason: marks for reason, marks in found.items() if marks}
