"""Where data of a classification may rest and travel. Pure.

Rules:
1. A region is known when it matches a pattern of the file; one that nobody defined is cannot_tell,
   never allowed.
2. A bound names groups of regions. A region is inside when it is in one of the groups.
3. What has no bound may be in every known region; what does not say where it is, or goes, is
   cannot_tell only where there is a bound that it might break.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

from registry.policy.decision import Outcome, Reason, Rule
from registry.policy.forms import Bound, ResidencyPolicy


@lru_cache(maxsize=1024)
def groups_of(policy: ResidencyPolicy, region: str) -> frozenset[str]:
    """The groups that a region is in; empty where nobody defined it."""
    text = region.strip().lower()
    return frozenset(
        name
        for name, patterns in policy.regions.items()
        if any(fnmatchcase(text, pattern.lower()) for pattern in (name, *patterns))
    )


def judge_residency(
    policy: ResidencyPolicy, *, classification: str | None, rests: str | None, goes: str | None
) -> Reason:
    """May data of this classification rest where it rests and travel where it goes?

    `classification` None: not recorded, so every bound of the file might be its own.
    """
    if classification is None:
        bounds = tuple(policy.classifications.values())
    else:
        bound = policy.classifications.get(classification)
        bounds = () if bound is None else (bound,)
    found = [
        _judged(policy, bounds, rests, travels=False),
        _judged(policy, bounds, goes, travels=True),
    ]
    worst = max(found, key=lambda reason: _WEIGHT[reason.outcome])
    if classification is None and worst.outcome is Outcome.DENY:
        return Reason(Rule.RESIDENCY, Outcome.CANNOT_TELL, f"no classification, and {worst.fact}")
    return worst


_WEIGHT = {Outcome.ALLOW: 0, Outcome.CANNOT_TELL: 1, Outcome.DENY: 2}


def _judged(
    policy: ResidencyPolicy, bounds: tuple[Bound, ...], region: str | None, *, travels: bool
) -> Reason:
    limits = [bound.travel if travels else bound.rest for bound in bounds]
    allowed = [limit for limit in limits if limit is not None]
    verb = "may travel to" if travels else "may rest in"
    if region is None:
        if not allowed:
            return Reason(Rule.RESIDENCY, Outcome.ALLOW, "no bound on regions")
        within = " or ".join(allowed[0]) or "no region"
        asked = "the question names no region" if travels else "no region is recorded"
        return Reason(Rule.RESIDENCY, Outcome.CANNOT_TELL, f"{asked}; it {verb} {within}")
    groups = groups_of(policy, region)
    if not groups:
        return Reason(
            Rule.RESIDENCY, Outcome.CANNOT_TELL, f"nobody defined the region {region[:60]}"
        )
    for named in allowed:
        if not groups & set(named):
            within = " or ".join(named) or "no region"
            return Reason(
                Rule.RESIDENCY, Outcome.DENY, f"{region[:60]} is outside: it {verb} {within}"
            )
    return Reason(Rule.RESIDENCY, Outcome.ALLOW, f"region {region[:60]}")
