"""The one-example rule: may this example be used for this purpose, here, now? Pure.

Rules (the governance page):
1. Each rule is a function from facts to one reason. None of them allows because a fact is missing:
   what is not recorded is cannot_tell, unless a policy file says in words what it is taken for,
   and then the reason says so too.
2. A derived batch is judged by what it says itself; what it leaves unsaid is said by the batches
   that its maps lead to, which are judged beside it.
3. The legal basis of a batch decides which rule applies to its people: consent asks each of them,
   an objection counts where the basis gives way to one, and where the basis is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from registry.policy.decision import Outcome, Reason, Rule
from registry.policy.facts import (
    BatchFacts,
    ExampleFacts,
    Question,
    Standing,
    SubjectFacts,
)
from registry.policy.forms import Basis, UnrecordedPersonalData
from registry.policy.policy_set import PolicySet
from registry.policy.residency import judge_residency
from registry.policy.retention import judge_retention
from registry.rights.licenses import Permission

_ALLOW, _DENY, _UNSURE = Outcome.ALLOW, Outcome.DENY, Outcome.CANNOT_TELL
_WITHOUT_PERSONS = ("none",)
_WEIGHT = {_ALLOW: 0, _UNSURE: 1, _DENY: 2}


def judge_batch(policies: PolicySet, batch: BatchFacts, question: Question) -> list[Reason]:
    """What every example of a batch has in common, one reason for each rule that applies."""
    found = [judge(policies, batch, question) for judge in _BATCH_RULES]
    return [reason for reason in found if reason is not None]


def judge_example(
    policies: PolicySet, batch: BatchFacts, example: ExampleFacts, question: Question
) -> list[Reason]:
    """The reasons for one example of a batch: of each rule the one that weighs most."""
    found: dict[Rule, Reason] = {}
    for reason in [
        *judge_batch(policies, batch, question),
        *judge_one(policies, batch, example, question),
    ]:
        known = found.get(reason.rule)
        if known is None or _WEIGHT[reason.outcome] > _WEIGHT[known.outcome]:
            found[reason.rule] = reason
    return list(found.values())


def judge_one(
    policies: PolicySet, batch: BatchFacts, example: ExampleFacts, question: Question
) -> Iterable[Reason]:
    """What is said of one example beside what its batch has in common."""
    people = example.subjects
    for rule, is_so, fact in (
        (Rule.RESTRICTION, example.restricted, "the example is restricted"),
        (Rule.SUPPRESSION, example.suppressed, "the content is suppressed"),
        (Rule.HOLD, example.held, "the example is held"),
        (Rule.RESTRICTION, any(p.restricted for p in people), "a person's data is restricted"),
        (Rule.SUPPRESSION, any(p.suppressed for p in people), "a person is suppressed"),
        (Rule.HOLD, any(p.held for p in people), "a person's data is held"),
    ):
        if is_so:
            yield Reason(rule, _DENY, fact)
    if example.grants is not None:
        yield _granted(policies, example.grants, question, "its own licence")
    elif _lacks_license(policies, batch):
        yield Reason(Rule.LICENSE, _UNSURE, "no licence is recorded")
    basis = _basis(policies, batch)
    for person in people:
        yield from judge_person(policies, batch, basis, person)
    if asks_consent(policies, batch) and not people and not batch.derived:
        yield Reason(Rule.CONSENT, _UNSURE, "nobody recorded whose data it is")


def asks_consent(policies: PolicySet, batch: BatchFacts) -> bool:
    """Whether each person of a batch is asked for consent."""
    basis = _basis(policies, batch)
    return basis is not None and basis.consent


def judge_person(
    policies: PolicySet, batch: BatchFacts, basis: Basis | None, person: SubjectFacts
) -> Iterable[Reason]:
    """What one person's consent and objection come to under a batch's basis (rule 3)."""
    gives_way = basis is None or basis.objection or basis.consent
    if person.consent is Standing.OBJECTED and gives_way:
        yield Reason(Rule.OBJECTION, _DENY, "a person objected")
    if basis is None or not basis.consent:
        return
    match person.consent:
        case Standing.GIVEN:
            yield _explicit(policies, batch, person)
        case Standing.ENDED | Standing.OBJECTED:
            yield Reason(Rule.CONSENT, _DENY, "a person's consent was withdrawn or ended")
        case Standing.PENDING:
            yield Reason(Rule.CONSENT, _UNSURE, "a person has not answered")
        case None:
            yield Reason(Rule.CONSENT, _UNSURE, "a person's consent is not recorded")


def _explicit(policies: PolicySet, batch: BatchFacts, person: SubjectFacts) -> Reason:
    condition = batch.special_category_condition
    needs = batch.personal_data == "special" and (
        condition in policies.use.special_categories.explicit
    )
    if needs and not person.explicit:
        known = "is not explicit" if person.explicit is False else "is not said to be explicit"
        return Reason(Rule.CONSENT, _UNSURE, f"a consent {known}, as Art. 9 needs")
    return Reason(Rule.CONSENT, _ALLOW, "consent given")


def _basis(policies: PolicySet, batch: BatchFacts) -> Basis | None:
    return policies.use.bases.get(batch.legal_basis or "")


def _legal_basis(policies: PolicySet, batch: BatchFacts, _asked: Question) -> Reason | None:
    said = batch.legal_basis
    if said is not None:
        if said in policies.use.bases:
            return Reason(Rule.LEGAL_BASIS, _ALLOW, f"legal basis {said}")
        return Reason(Rule.LEGAL_BASIS, _UNSURE, f"the legal basis {said[:60]!r} is not known")
    if batch.personal_data in _WITHOUT_PERSONS:
        return Reason(Rule.LEGAL_BASIS, _ALLOW, "no personal data")
    if batch.derived:
        return None
    if batch.personal_data is not None:
        return Reason(
            Rule.LEGAL_BASIS, _UNSURE, f"personal data ({batch.personal_data}) and no legal basis"
        )
    if batch.has_subjects:
        return Reason(Rule.LEGAL_BASIS, _UNSURE, "it has subjects, and no legal basis is recorded")
    match policies.use.unrecorded_personal_data:
        case UnrecordedPersonalData.NONE_WITHOUT_SUBJECTS:
            fact = "personal data is not recorded; without subjects use.yaml takes it for none"
            return Reason(Rule.LEGAL_BASIS, _ALLOW, fact)
        case UnrecordedPersonalData.CANNOT_TELL:
            fact = "neither personal data nor a legal basis is recorded"
            return Reason(Rule.LEGAL_BASIS, _UNSURE, fact)


def _special(policies: PolicySet, batch: BatchFacts, _asked: Question) -> Reason | None:
    if batch.personal_data != "special":
        return None
    condition = batch.special_category_condition
    if condition is None:
        return Reason(Rule.SPECIAL_CATEGORY, _UNSURE, "no condition of Art. 9 is recorded")
    if condition not in policies.use.special_categories.conditions:
        return Reason(Rule.SPECIAL_CATEGORY, _UNSURE, f"{condition[:60]!r} is no known condition")
    return Reason(Rule.SPECIAL_CATEGORY, _ALLOW, f"condition {condition}")


def _interests(policies: PolicySet, batch: BatchFacts, _asked: Question) -> Reason | None:
    basis = _basis(policies, batch)
    if basis is None or not basis.balancing_test:
        return None
    if batch.balancing_test is None:
        fact = "no activity of the register names a balancing test for this purpose"
        return Reason(Rule.LEGITIMATE_INTERESTS, _UNSURE, fact)
    fact = f"balancing test {batch.balancing_test[:60]}"
    return Reason(Rule.LEGITIMATE_INTERESTS, _ALLOW, fact)


def _purpose(_policies: PolicySet, batch: BatchFacts, asked: Question) -> Reason | None:
    if batch.purposes is None:
        return None
    if asked.covering & set(batch.purposes):
        return Reason(Rule.PURPOSE, _ALLOW, "collected for this purpose")
    said = ", ".join(batch.purposes)[:80] or "no purpose"
    return Reason(Rule.PURPOSE, _DENY, f"collected for {said} alone")


def _license(policies: PolicySet, batch: BatchFacts, asked: Question) -> Reason | None:
    if batch.grants is not None:
        return _granted(policies, batch.grants, asked, (batch.license or "a licence")[:80])
    if batch.license is not None:
        return Reason(Rule.LICENSE, _UNSURE, f"nobody knows what {batch.license[:80]} allows")
    if batch.origin_kind in policies.use.license.not_needed_for:
        return Reason(Rule.LICENSE, _ALLOW, f"none is needed: {batch.origin_kind}")
    return None


def _lacks_license(policies: PolicySet, batch: BatchFacts) -> bool:
    """Whether an example of this batch needs a licence of its own, because nobody else has one."""
    not_needed = batch.origin_kind in policies.use.license.not_needed_for
    return batch.license is None and not not_needed and not batch.derived


def _granted(
    policies: PolicySet, grants: Mapping[str, Permission], asked: Question, name: str
) -> Reason:
    """Whether a licence grants every right that the purpose needs."""
    worst = Reason(Rule.LICENSE, _ALLOW, name)
    for right in policies.use.license.rights.get(asked.purpose, ()):
        grant = grants.get(right, Permission.UNKNOWN)
        if grant is Permission.DEMANDED:
            grant = policies.use.license.demanded
        words = right.replace("_", " ")
        match grant:
            case Permission.DENIED:
                return Reason(Rule.LICENSE, _DENY, f"{name} does not allow {words}")
            case Permission.UNKNOWN | Permission.DEMANDED:
                worst = Reason(Rule.LICENSE, _UNSURE, f"{name} does not settle {words}")
            case Permission.ALLOWED:
                continue
    if not grants and worst.outcome is _ALLOW:
        return Reason(Rule.LICENSE, _UNSURE, f"nobody knows what {name} allows")
    return worst


def _opt_out(policies: PolicySet, batch: BatchFacts, asked: Question) -> Reason | None:
    if not batch.opt_out or asked.purpose not in policies.use.opt_out.purposes:
        return None
    said = ", ".join(batch.opt_out)
    if batch.contract is not None and policies.use.opt_out.contract_suffices:
        return Reason(Rule.OPT_OUT, _ALLOW, f"reserved by {said}, and a contract allows it")
    return Reason(Rule.OPT_OUT, _DENY, f"the rightsholder reserved it: {said}")


def _classified(policies: PolicySet, batch: BatchFacts, asked: Question) -> Reason | None:
    bounds = policies.use.classifications
    if batch.classification is None:
        if not bounds or batch.derived:
            return None
        return Reason(Rule.CLASSIFICATION, _UNSURE, "no classification is recorded")
    allowed = bounds.get(batch.classification)
    if allowed is None or asked.covering & set(allowed):
        return Reason(Rule.CLASSIFICATION, _ALLOW, f"classified {batch.classification}")
    return Reason(Rule.CLASSIFICATION, _DENY, f"{batch.classification} is not for this purpose")


def _resident(policies: PolicySet, batch: BatchFacts, asked: Question) -> Reason | None:
    return judge_residency(
        policies.residency,
        classification=batch.classification,
        rests=batch.region,
        goes=asked.region,
    )


def _retained(policies: PolicySet, batch: BatchFacts, asked: Question) -> Reason | None:
    return judge_retention(policies.retention, batch, asked.at)


def _traced(_policies: PolicySet, batch: BatchFacts, _asked: Question) -> Reason | None:
    if batch.owed:
        return Reason(Rule.LINEAGE, _UNSURE, "a step without a map: its sources are not known")
    return None


def _marked(_policies: PolicySet, batch: BatchFacts, _asked: Question) -> Reason | None:
    return Reason(Rule.RESTRICTION, _DENY, "the batch is restricted") if batch.restricted else None


def _held(_policies: PolicySet, batch: BatchFacts, _asked: Question) -> Reason | None:
    return Reason(Rule.HOLD, _DENY, "the batch is held") if batch.held else None


_BATCH_RULES: tuple[Callable[[PolicySet, BatchFacts, Question], Reason | None], ...] = (
    _marked,
    _held,
    _legal_basis,
    _special,
    _interests,
    _purpose,
    _license,
    _opt_out,
    _resident,
    _classified,
    _retained,
    _traced,
)
