"""What cannot be told of a tracked dataset is said, and what cannot be tracked refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import pandas as pd
import pytest

from registry.client.huggingface import derivations, lineage_of, track
from registry.client.sources import PARENTS
from registry.errors import InvalidInputError
from tests.client.steps import ALL, ROWS, SOURCE, add_length, rows

# Of datasets' own use of a newer pyarrow.
pytestmark = pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")


@pytest.fixture
def tracked() -> Any:
    return track(rows(), SOURCE)


LOST: dict[str, tuple[Callable[[Any], Any], str]] = {
    "concatenated with a stranger": (
        lambda ds: datasets.concatenate_datasets([ds, rows()]).shuffle(seed=1),
        "Dataset 1 of 2 that were concatenated is not tracked",
    ),
    "concatenated with what was lost": (
        lambda ds: datasets.concatenate_datasets(
            [datasets.concatenate_datasets([rows(), ds]).map(add_length).sort("row"), ds]
        ),
        "Dataset 0 of 2",
    ),
    "beside what was lost": (
        lambda ds: datasets.concatenate_datasets(
            [
                datasets.concatenate_datasets([rows(), ds]).add_item({"row": 1, "text": ""}),
                datasets.Dataset.from_dict({"y": [0] * (2 * ROWS + 1)}),
            ],
            axis=1,
        ),
        "Dataset 0 of 2",
    ),
    "a stranger": (lambda _: rows(), "The dataset is not tracked"),
    "through pandas": (
        lambda ds: datasets.Dataset.from_pandas(ds.to_pandas()),
        "The dataset is not tracked",
    ),
}


@pytest.mark.parametrize("step", LOST)
def test_what_cannot_be_told_is_said(tracked: Any, step: str) -> None:
    do, complaint = LOST[step]
    with pytest.raises(InvalidInputError, match=complaint):
        derivations(do(tracked), None)


def test_a_join_too_large_to_write_down_is_said(
    tracked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.client.huggingface.MOST_PARENTS", 100)
    made = tracked.map(
        lambda b: {"a": ["x", "y"]}, batched=True, batch_size=None, remove_columns=ALL
    )
    with pytest.raises(InvalidInputError, match="which is 120 parents; say which it came from"):
        lineage_of(made)


@pytest.mark.parametrize(
    ("dataset", "source", "complaint"),
    [
        (rows(9), SOURCE, "has 9 rows, but batch b of lake raw has 60"),
        (rows().to_iterable_dataset(), SOURCE, "IterableDataset cannot be tracked"),
        (pd.DataFrame({"a": [1]}), SOURCE, "DataFrame cannot be tracked"),
        (datasets.DatasetDict({"a": rows()}), SOURCE, r"the splits \['a'\], the sources are batch"),
        (datasets.DatasetDict({"a": rows()}), {"b": SOURCE}, r"the sources are \['b'\]"),
    ],
)
def test_what_cannot_be_tracked_is_refused(dataset: Any, source: Any, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        track(dataset, source)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [([ROWS], "row 60 is named"), ([-1], "row -1 is named"), (["a"], "registry_parents holds")],
)
def test_a_function_that_says_what_cannot_be_is_refused(
    tracked: Any, said: list[Any], complaint: str
) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        tracked.map(lambda b: {PARENTS: said}, batched=True, remove_columns=ALL)


def test_a_role_names_what_was_made_anew(tracked: Any) -> None:
    made = datasets.concatenate_datasets([tracked, tracked.map(add_length)])
    assert {each.role for each in derivations(made, None)} == {"kept", "transformed"}
    assert {each.role for each in derivations(made, "augmented")} == {"kept", "augmented"}
    assert [each.role for each in derivations(tracked, "duplicate_of")] == ["duplicate_of"]
