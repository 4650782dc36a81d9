"""The policy cases hold with the shipped policies; each is data with a sentence for a name."""

from __future__ import annotations

import pytest

from registry.files import shipped
from registry.policy.cases import Case, read_cases, run_case
from registry.policy.policy_set import load_policies

POLICIES = load_policies()
CASES = list(read_cases(shipped("policies") / "cases"))


@pytest.mark.parametrize(("file", "case"), CASES, ids=[case.name for _, case in CASES])
def test_a_case_is_decided_as_it_says(file: str, case: Case) -> None:
    assert run_case(POLICIES, case, file).wrong == ()


def test_a_case_that_expects_too_much_says_what_came_out() -> None:
    (file, case), *_ = CASES
    wrong = type(case)(name=case.name, expect=CASES[1][1].expect, batch=case.batch)
    assert run_case(POLICIES, wrong, file).wrong == (
        "decision is cannot_tell, not deny",
        "consent is cannot_tell, not deny",
    )
