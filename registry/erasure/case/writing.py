"""Writes letters from the facts of a case, in the words of `templates/letters`.

Rules:
1. Who writes, how to reach them and where to complain is in `policies/erasure.yaml`; what nobody
   filled in there is said in general words, and never invented.
2. A completion is written from what its certificate states, so the two cannot differ.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

from registry.erasure.case import letters
from registry.erasure.case.letters import render_letter
from registry.erasure.case.post import LetterFacts, LetterKind, Render
from registry.erasure.certificate.facts import (
    CertificateFacts,
    Disposition,
    RecipientState,
    Regime,
    Right,
    TargetKind,
    TargetState,
)
from registry.erasure.rules import ErasureRules, LetterRules

_GROUNDS = {
    "17_3_b": "a legal obligation demands it (Article 17(3)(b) GDPR)",
    "17_3_c": "public health demands it (Article 17(3)(c) GDPR)",
    "17_3_d": "archiving or research demands it (Article 17(3)(d) GDPR)",
    "17_3_e": "legal claims demand it (Article 17(3)(e) GDPR)",
}
_AUTHORITIES = {
    Regime.GDPR: "that of the Member State where you live or work",
    Regime.CCPA: "the California Privacy Protection Agency",
}
_QUESTION = "how can we see that the request is yours? The reference above is enough to answer."
_ENDED_WELL = frozenset({TargetState.VERIFIED, TargetState.NOT_PRESENT})


def writer(rules: LetterRules) -> Render:
    """What writes every letter but the completion (rule 1)."""

    def render(facts: LetterFacts) -> str:
        return render_letter(_letter(facts, rules))

    return render


def _letter(facts: LetterFacts, rules: LetterRules) -> letters.Letter:
    regime = Regime(facts.regime.value)
    head = _head(
        rules,
        facts.request_id,
        written_on=facts.written_on,
        received_on=facts.received_on,
        right=Right(facts.right.value),
        regime=regime,
    )
    match facts.kind:
        case LetterKind.ACKNOWLEDGEMENT:
            question = _QUESTION if facts.needs_identity else None
            return letters.Acknowledgement(head, facts.due_on, question)
        case LetterKind.EXTENSION:
            was = facts.extended_from or facts.due_on
            return letters.ExtensionLetter(head, was, facts.due_on, (facts.reasons or "",))
        case LetterKind.REFUSAL | LetterKind.COMPLETION:
            reason = facts.justification
            said = [] if reason is None else [f"{reason.label} ({reason.law})"]
            return letters.Refusal(
                head,
                facts.code or "",
                (*said, *([facts.reasons] if facts.reasons else [])),
                in_part=False,
                authority=_authority(rules, regime),
            )


def write_completion(facts: CertificateFacts, rules: ErasureRules, *, datasets: int) -> str:
    """The letter that tells of an outcome (rule 2). `datasets`: how many the plan is about."""
    regime = facts.request.regime
    head = _head(
        rules.letters,
        facts.request.id,
        written_on=facts.issued_at.date(),
        received_on=facts.clock.received_at.date(),
        right=facts.request.right,
        regime=regime,
    )
    done = [target for target in facts.targets if target.name == "ledger"]
    said = rules.regimes[regime.value].suppression
    kept = tuple(letters.Kept(w.examples, _GROUNDS.get(w.ground, w.ground)) for w in facts.withheld)
    return render_letter(
        letters.Completion(
            head=head,
            outcome=facts.outcome,
            certificate=facts.number,
            examples=sum(target.verified or 0 for target in done),
            datasets=datasets,
            kept=kept,
            pending=_pending(facts),
            not_searched=len(facts.not_searched),
            backups_until=max((each.until for each in facts.backups), default=None),
            recipients=_recipients(facts, RecipientState.ACKNOWLEDGED, RecipientState.NOTIFIED),
            unreachable=_recipients(facts, RecipientState.IMPOSSIBLE),
            models=_models(facts),
            suppression_basis=said.basis if facts.suppressions else None,
            authority=_authority(rules.letters, regime) if kept else None,
        )
    )


def _pending(facts: CertificateFacts) -> int:
    """Places where something is left to be done."""
    places = [
        target
        for target in facts.targets
        if target.kind is not TargetKind.REVIEW and target.state not in _ENDED_WELL
    ]
    reviewed = any(
        target.kind is TargetKind.REVIEW and target.state not in _ENDED_WELL
        for target in facts.targets
    )
    return len(places) + int(reviewed)


def _recipients(facts: CertificateFacts, *states: RecipientState) -> int:
    return sum(each.state in states for each in facts.recipients)


def _models(facts: CertificateFacts) -> tuple[letters.ModelNote, ...]:
    found: Counter[tuple[Disposition, date | None]] = Counter(
        (each.disposition, each.due_on) for each in facts.models if each.disposition is not None
    )
    return tuple(
        letters.ModelNote(count, disposition, until)
        for (disposition, until), count in sorted(found.items(), key=str)
    )


def _head(
    rules: LetterRules,
    request_id: str,
    *,
    written_on: date,
    received_on: date,
    right: Right,
    regime: Regime,
) -> letters.Head:
    sender = letters.Sender(
        rules.controller or "The controller of this data",
        rules.contact or "by the way on which you sent your request",
        None,
    )
    return letters.Head(sender, request_id, written_on, received_on, right, regime)


def _authority(rules: LetterRules, regime: Regime) -> letters.Authority:
    return letters.Authority(rules.complaints or _AUTHORITIES[regime], None)
