"""The steps between collecting and training: which rows go on, and who contributed them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.demo.contributors import CONTRIBUTORS, contributor_of
from registry.demo.preparation import deduplicate, drop_short, split, tidy


def test_text_is_tidied() -> None:
    assert tidy("  Return\n\tthe  cafe\u0301 \x00now\u00a0. ") == "Return the café now ."


@given(st.text())
def test_tidying_again_changes_nothing(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


def test_what_says_too_little_is_dropped() -> None:
    assert drop_short(["", "Two words", "Here are three", "And here are four"]).tolist() == [2, 3]


@given(st.lists(st.sampled_from("abcd")))
def test_the_first_of_each_text_stays(texts: list[str]) -> None:
    kept = deduplicate(texts).tolist()
    assert kept == sorted(texts.index(text) for text in set(texts))


@given(st.lists(st.text(), unique=True))
def test_each_row_is_on_one_side_of_the_split(ids: list[str]) -> None:
    train, validation = split(ids)
    assert sorted([*train.tolist(), *validation.tolist()]) == list(range(len(ids)))


@given(st.lists(st.text(), unique=True), st.text())
def test_a_side_does_not_depend_on_the_other_examples(ids: list[str], one: str) -> None:
    others = [each for each in ids if each != one]
    assert (0 in split([one])[0].tolist()) == (len(others) in split([*others, one])[0].tolist())


def test_about_a_tenth_is_put_aside() -> None:
    _, validation = split([f"example-{number}" for number in range(10_000)])
    assert 900 < len(validation) < 1_100


def test_two_hundred_people_are_generated_and_marked_so() -> None:
    emails = {person.email for person in CONTRIBUTORS}
    assert len(emails) == 200
    assert all(email.startswith("generated.") for email in emails)
    assert all(email.endswith("@example.org") for email in emails)


def test_everybody_contributed_something_and_always_the_same() -> None:
    ids = [f"example-{number}" for number in range(10_000)]
    first = [contributor_of(example_id) for example_id in ids]
    assert set(first) == set(CONTRIBUTORS)
    assert first == [contributor_of(example_id) for example_id in ids]
    assert contributor_of("json.loads#299").email == "generated.quinn.jarrow@example.org"
