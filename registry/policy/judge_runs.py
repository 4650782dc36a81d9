"""Judges what training runs read, after the fact: was it allowed then, and as their manifest says?

Rules (DESIGN §1.6):
1. A run is a training run when it says so (`registry_training`) or writes a model. Its purpose is
   the one it names, else `model_training`. It is judged as of the time it read.
2. A run without a manifest used the whole version it read, unless row maps lead from what it wrote
   to what it read: then those rows. With a manifest it used at most what the manifest allows, and
   is held to that: by its row maps, by the number of rows it says it read, and by dataset, version
   and purpose.
3. What was denied then is a violation; what nobody could tell is not, because there is no fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from sqlmodel import Session

from registry.catalog.versions import membership
from registry.errors import InvalidInputError, NotFoundError
from registry.ids import uuid_text
from registry.ledger.closure import parents
from registry.ledger.opened import Ledger
from registry.ledger.sweep import Sweep
from registry.moments import from_micros
from registry.policy.decide import read_manifest
from registry.policy.decision import DENY_BITS, Outcome, Rule
from registry.policy.evaluate import FACTS, Judged, evaluate
from registry.policy.gather import gather
from registry.policy.manifest import ManifestFile
from registry.policy.masks import as_array, counted, principal
from registry.policy.policy_set import PolicySet, question_of
from registry.policy.steps import copies
from registry.rights.violations import Breach
from registry.storage.bulk import select_by_ids

DEFAULT_PURPOSE = "model_training"
#: How a violation is called, by the rule that was broken.
KINDS = {
    Rule.CONSENT: "withdrawn_consent_used",
    Rule.OBJECTION: "objection_ignored",
    Rule.RESTRICTION: "restricted_data_used",
    Rule.SUPPRESSION: "suppressed_data_used",
    Rule.HOLD: "held_data_used",
    Rule.LICENSE: "license_breached",
    Rule.OPT_OUT: "opt_out_ignored",
    Rule.RESIDENCY: "out_of_region",
    Rule.RETENTION: "past_retention",
    Rule.PURPOSE: "purpose_breached",
    Rule.CLASSIFICATION: "classification_breached",
    Rule.LEGAL_BASIS: "legal_basis_missing",
    Rule.SPECIAL_CATEGORY: "special_category_breached",
    Rule.LEGITIMATE_INTERESTS: "balancing_test_missing",
    Rule.LINEAGE: "lineage_unknown",
}
_RUNS = """
SELECT DISTINCT r.id, r.job_id, o.project_id, f.payload, v.dataset_id, v.number, v.read_at,
  s.payload AS statistics
FROM {ids} AS t JOIN run r ON r.id = t.id AND r.state = 'COMPLETED'
JOIN run_read v ON v.run_id = r.id
LEFT JOIN run_facet f ON f.run_id = r.id AND f.name = 'registry_training'
LEFT JOIN name_owner o ON o.entity_id = v.dataset_id
LEFT JOIN scope_facet s ON s.scope_id = r.id AND s.direction = 'input'
  AND s.dataset_id = v.dataset_id AND s.kind = 'io' AND s.name = 'inputStatistics'
WHERE f.payload IS NOT NULL OR EXISTS (
  SELECT 1 FROM scope_dataset w JOIN dataset_facet d ON d.dataset_id = w.dataset_id
  WHERE w.scope_id = r.id AND w.direction = 'output' AND d.name = 'datasetType'
    AND d.payload LIKE '%"MODEL"%')
"""
_WRITTEN = "SELECT b.number FROM {ids} AS t JOIN batch b ON b.run_id = t.id"


@dataclass(frozen=True, slots=True)
class Reading:
    """A training run read a version. `rows`: how many it says it read."""

    run_id: bytes
    dataset_id: bytes
    project_id: str | None
    version: int
    read_at: datetime
    purpose: str
    manifest: str | None
    rows: int | None


def readings_of(session: Session, runs: list[bytes]) -> list[Reading]:
    """What the training runs among these read (rule 1); versions that nobody knows are left out."""
    found = []
    for run, _job, project, training, dataset, number, read_at, statistics in select_by_ids(
        session, _RUNS, runs
    ):
        if number is None:
            continue
        said, counted_rows = _decoded(training), _decoded(statistics).get("rowCount")
        purpose, manifest = said.get("purpose"), said.get("manifest")
        found.append(
            Reading(
                bytes(run),
                bytes(dataset),
                project,
                number,
                from_micros(read_at),
                purpose if isinstance(purpose, str) else DEFAULT_PURPOSE,
                manifest if isinstance(manifest, str) else None,
                counted_rows if isinstance(counted_rows, int) else None,
            )
        )
    return found


def _decoded(payload: str | None) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(payload) if payload else {}
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}


def judge_reading(
    session: Session, ledger: Ledger, sweep: Sweep, policies: PolicySet, reading: Reading
) -> Iterator[Breach]:
    """The violations in one reading (rules 2 and 3)."""
    purpose = reading.purpose
    if purpose not in policies.purposes:
        yield _breach(reading, policies, "purpose_unknown", f"nobody defined {purpose[:60]!r}")
        purpose = DEFAULT_PURPOSE
    question = question_of(policies, purpose, reading.read_at, is_past=True)
    members = membership(session, reading.dataset_id, reading.version)
    gathered = gather(session, ledger, policies, members, question)
    judged = evaluate(ledger, sweep, policies, gathered, question)
    used = _used(session, ledger, reading, judged)
    file: ManifestFile | None = None
    if reading.manifest is not None:
        file = _manifest(ledger, reading.manifest)
        yield from _against_manifest(reading, policies, file, used)
    yield from _denied(reading, policies, judged, used, file)


def _manifest(ledger: Ledger, digest: str) -> ManifestFile | None:
    try:
        return read_manifest(ledger, digest)
    except (NotFoundError, InvalidInputError):
        return None


Used = dict[int, npt.NDArray[np.bool_]]


def _used(session: Session, ledger: Ledger, reading: Reading, judged: Judged) -> Used | None:
    """Which rows the run's own row maps lead to, by batch read; None where it sent no map."""
    numbers = [row[0] for row in select_by_ids(session, _WRITTEN, [reading.run_id])]
    found: Used = {}
    is_mapped = False
    for node in ledger.graph.nodes(session, numbers).values():
        for part in copies(node):
            is_mapped = True
            for number, rows in parents(
                ledger.graph, part, np.arange(node.rows or 0, dtype=np.uint32)
            ):
                if number in judged.masks:
                    size = judged.rows.get(number) or 0
                    flags = found.setdefault(number, np.zeros(size, np.bool_))
                    flags[rows[rows < size]] = True
    return found if is_mapped else None


def _against_manifest(
    reading: Reading, policies: PolicySet, file: ManifestFile | None, used: Used | None
) -> Iterator[Breach]:
    if file is None:
        yield _breach(reading, policies, "manifest_unknown", "it names a manifest nobody was given")
        return
    asked = file.asked
    is_same = asked.dataset == uuid_text(reading.dataset_id) and asked.version == reading.version
    if not is_same:
        detail = f"its manifest is of another dataset or of version {asked.version}"
        yield _breach(reading, policies, "manifest_mismatch", detail)
        return
    covering = {asked.purpose, *policies.purposes.implied(asked.purpose)}
    if reading.purpose not in covering:
        detail = f"its manifest is for {asked.purpose}, and it trained for {reading.purpose}"
        yield _breach(reading, policies, "manifest_mismatch", detail[:200])
    allowed = sum(part.allowed for part in file.parts)
    if reading.rows is not None and reading.rows > allowed:
        detail = f"it read {reading.rows} rows, and its manifest allows {allowed}"
        yield _breach(reading, policies, "trained_on_withheld", detail)
    elif used is not None:
        bits = {p.batch: np.unpackbits(p.bits, count=p.rows).astype(np.bool_) for p in file.parts}
        extra = sum(
            int((flags & ~bits[number]).sum()) if number in bits else int(flags.sum())
            for number, flags in used.items()
        )
        if extra:
            detail = f"it used {extra} examples that its manifest withholds"
            yield _breach(reading, policies, "trained_on_withheld", detail)


def _denied(
    reading: Reading,
    policies: PolicySet,
    judged: Judged,
    used: Used | None,
    file: ManifestFile | None,
) -> Iterator[Breach]:
    """What was denied at the time of reading and used all the same (rule 3)."""
    bits = {} if file is None else {part.batch: part for part in file.parts}
    counts: dict[int, int] = {}
    for number in judged.members:
        rows = judged.rows[number] or 0
        masks = as_array(judged.masks[number], rows)
        chosen = used.get(number, np.zeros(rows, np.bool_)) if used is not None else None
        if chosen is None and number in bits:
            part = bits[number]
            chosen = np.unpackbits(part.bits, count=part.rows).astype(np.bool_)
        kept = masks if chosen is None else masks[: chosen.size][chosen[: masks.size]]
        for mask, count in counted(kept, kept.size).items():
            counts[mask] = counts.get(mask, 0) + count
    _, denied = principal(counts, DENY_BITS)
    for (rule, _outcome), count in denied.items():
        key = (rule, Outcome.DENY)
        fact = judged.told.get(key) or FACTS.get(key) or rule.value
        detail = f"it read {count} examples that were not allowed: {fact}"
        yield _breach(reading, policies, KINDS[rule], detail, rule=rule, count=count)


def _breach(
    reading: Reading,
    policies: PolicySet,
    kind: str,
    detail: str,
    *,
    rule: Rule | None = None,
    count: int | None = None,
) -> Breach:
    facts: dict[str, object] = {"purpose": reading.purpose}
    if count is not None:
        facts["examples"] = count
    if reading.manifest is not None:
        facts["manifest"] = reading.manifest[:100]
    place = f"{reading.run_id.hex()}:{reading.dataset_id.hex()}:{reading.version}"
    return Breach(
        kind=kind,
        sameness=f"{kind}:{place}",
        detail=f"Run {uuid_text(reading.run_id)}: {detail}.",
        project_id=reading.project_id,
        dataset_id=reading.dataset_id,
        number=reading.version,
        run_id=reading.run_id,
        rule=None if rule is None else rule.value,
        policy=policies.digest,
        facts=facts,
    )
