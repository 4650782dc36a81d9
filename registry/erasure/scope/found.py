"""What an erasure request is about: what a person's examples reach, and where all of it went.

Rules (DESIGN §6; the governance page, cases 2, 5, 6, 7, 12 and 20):
1. The scope is what is known now, up to a batch; data that was collected after the request was
   received is not in it. It is computed over everything, not over what the asker may see.
2. What is erased and what is reviewed follows from `reach`; what was erased before is in neither.
3. What is held stays in the scope, named with its hold and ground, and is not executed.
4. What could not be searched is named; nothing is called complete that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session

from registry.erasure.rules import LoadedRules
from registry.erasure.scope.copies import (
    FileCopy,
    HeldVersions,
    Part,
    Received,
    SeenByModel,
    dataset_names,
    file_copies,
    held_versions,
    models_of,
    recipients_of,
)
from registry.erasure.scope.coverage import Searched, search_coverage
from registry.erasure.scope.explain import Link, explain
from registry.erasure.scope.ledger_world import LedgerWorld
from registry.erasure.scope.reach import Reached, Reason, reach
from registry.erasure.scope.sets import (
    Marks,
    Ordinals,
    Sets,
    add,
    add_marks,
    marks_without,
    merged,
    without,
)
from registry.erasure.scope.until import Until, until_now
from registry.erasure.scope.withheld import Withheld, withheld
from registry.erasure.scope.world import Output
from registry.ledger.batches import BatchNode
from registry.ledger.opened import Ledger
from registry.ledger.scans import scanned_among, scanned_for

#: Which ordinals of batches were erased before, sorted.
ErasedBefore = Callable[[Session, Collection[int]], Mapping[int, Ordinals]]


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Everything that a request is about.

    `erase`: sorted ordinals of batches; `review`: for each reason marks, of which None is a whole
    batch, less what is in `erase`. `own`: where the people who ask were found. `files`, `versions`,
    `models` and `recipients` say of which set they hold something; `outputs`: datasets that an
    unknown step wrote, of which no batch is known; `reached`: the closure, with what was erased
    before still in it.
    """

    until: Until
    rules: str
    own: Sets
    erase: Sets
    review: Mapping[Reason, Marks]
    reached: Reached
    nodes: Mapping[int, BatchNode]
    names: Mapping[bytes, tuple[str, str]]
    outputs: tuple[Output, ...]
    files: tuple[FileCopy, ...]
    versions: tuple[HeldVersions, ...]
    models: tuple[SeenByModel, ...]
    recipients: tuple[Received, ...]
    withheld: tuple[Withheld, ...]
    coverage: tuple[Searched, ...]

    @property
    def not_searched(self) -> tuple[Searched, ...]:
        """The batches of entry that do not count as searched."""
        return tuple(each for each in self.coverage if not each.counts)

    @property
    def without_files(self) -> tuple[int, ...]:
        """Batches of both sets of which nobody said where their rows lie."""
        placed = {file.batch for file in self.files}
        return tuple(sorted({*self.erase, *self.reviewed} - placed))

    @property
    def reviewed(self) -> Marks:
        """Everything that is reviewed, for whatever reason."""
        return all_marks(self.review)


def all_marks(review: Mapping[Reason, Marks]) -> Marks:
    """The marks of all reasons together."""
    found: Marks = {}
    for marks in review.values():
        add_marks(found, marks)
    return found


def find_scope(
    session: Session,
    ledger: Ledger,
    keys: Collection[bytes],
    *,
    schemes: Collection[str],
    rules: LoadedRules,
    at: datetime,
    received_at: datetime | None = None,
    up_to: int | None = None,
    erased_before: ErasedBefore | None = None,
    begun: Sets | None = None,
) -> Scope:
    """What a request is about, by the subject keys of its people under every live version.

    `schemes`: the kinds of its identifiers, to say which scans count. `at`: now, for holds.
    `received_at`: data that was collected after it is not the request's. `up_to`: the last batch
    that counts; the last there is unless given. `begun`: what a plan of the request that is being
    carried out erases: it is in the erase set, with all that follows, erased or not. Reads only.
    Cost: as `reach`, and a few queries in proportion to the batches, versions and files that are
    reached, one over all batches.
    """
    until = until_now(session, received_at=received_at, up_to=up_to)
    world = LedgerWorld(session, ledger, keys, until)
    carried = begun or {}
    own = world.own()
    found = reach(world, merged([own, carried]), rules.said, candidates=world.candidates())
    if carried:
        add(found.erase, carried)
        found.review = _without_marks(found.review, found.erase)
    touched = {*found.erase, *found.own}.union(*found.review.values(), found.model_batches)
    erased = {} if erased_before is None else erased_before(session, touched)
    gone = without(erased, carried)
    left = replace(
        found,
        own=without(own, gone),
        erase=without(found.erase, gone),
        review=_without_marks(found.review, gone),
    )
    covered = _covered(session, world, own, schemes, rules)
    held = withheld(session, ledger, without(left.erase, erased), keys=keys, at=at)
    known = (until, rules.digest, tuple(covered))
    return _placed(session, known, found, left, world.nodes(touched), held)


def _covered(
    session: Session, world: LedgerWorld, own: Sets, schemes: Collection[str], rules: LoadedRules
) -> list[Searched]:
    """How each batch of entry was searched for the people of a world."""
    scanned = scanned_for(session, world.ledger.keyring, world.keys)
    # Hits in a batch of which a file could not be read do not make it searched.
    in_part = scanned_among(session, own) - scanned
    return search_coverage(
        session,
        world.until,
        found=own.keys() - in_part,
        schemes=schemes,
        rules=rules.said,
        scanned=scanned,
    )


def _without_marks(review: Mapping[Reason, Marks], gone: Sets) -> dict[Reason, Marks]:
    return {
        reason: some for reason, marks in review.items() if (some := marks_without(marks, gone))
    }


def explain_example(
    session: Session,
    ledger: Ledger,
    scope: Scope,
    rules: LoadedRules,
    address: tuple[int, int],
) -> tuple[Link, ...]:
    """Why an example (batch number, ordinal) is in a scope: as `explain`, over the ledger.

    `rules`: those that the scope was found by. Raises NotFoundError where it is in neither set.
    """
    world = LedgerWorld(session, ledger, (), scope.until)
    return explain(world, scope.reached, rules.said, *address)


def _placed(
    session: Session,
    known: tuple[Until, str, tuple[Searched, ...]],
    found: Reached,
    left: Reached,
    nodes: Mapping[int, BatchNode],
    held: tuple[Withheld, ...],
) -> Scope:
    """The scope of what was reached, and of it what is left, with everywhere it went."""
    until, rules, covered = known
    reviewed = all_marks(left.review)
    versions = held_versions(session, left.erase, Part.ERASE)
    versions += held_versions(session, reviewed.keys() - left.erase.keys(), Part.REVIEW)
    models = models_of(session, found, nodes, until)
    outputs = found.outputs
    datasets = {node.dataset_id for node in nodes.values()} | {o.dataset_id for o in outputs}
    datasets |= {step.dataset_id for step in found.steps}
    datasets |= {step.output.dataset_id for step in found.steps}
    return Scope(
        until=until,
        rules=rules,
        own=left.own,
        erase=left.erase,
        review=left.review,
        reached=found,
        nodes=nodes,
        names=dataset_names(session, datasets),
        outputs=tuple(outputs),
        files=tuple(file_copies(session, left.erase, reviewed)),
        versions=tuple(versions),
        models=tuple(models),
        recipients=tuple(recipients_of(session, versions, models)),
        withheld=held,
        coverage=covered,
    )
