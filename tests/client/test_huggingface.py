"""Every row of a tracked dataset leads to the row it came from, whatever was done in between."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.client.huggingface import TrackedDataset, derivations, lineage_of, track
from registry.client.sources import PARENTS, Source
from registry.errors import InvalidInputError
from registry.ledger.rowmap import RowMap
from tests.client.steps import (
    ALL,
    JOINED,
    KEPT,
    MADE,
    ROWS,
    SOURCE,
    add_length,
    batches,
    carried,
    explode,
    is_even,
    parents,
    roles,
    rows,
)

# Of datasets' own use of a newer pyarrow.
pytestmark = pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")


@pytest.fixture
def tracked() -> Any:
    return track(rows(), SOURCE)


@pytest.mark.parametrize("step", KEPT)
def test_steps_that_keep_rows(tracked: Any, step: str) -> None:
    made = KEPT[step](tracked)
    assert isinstance(made, TrackedDataset)
    assert parents(made) == carried(made)
    assert roles(made) == {"kept"}
    assert not lineage_of(made).assumed


@pytest.mark.parametrize("step", MADE)
def test_steps_that_make_rows(tracked: Any, step: str) -> None:
    made = MADE[step](tracked)
    assert isinstance(made, TrackedDataset)
    assert parents(made) == carried(made)
    assert "transformed" in roles(made)
    assert set(made.column_names).isdisjoint({PARENTS, "registry_first_row", "registry_row_count"})


@pytest.mark.parametrize("step", [*KEPT, *MADE])
def test_the_data_is_the_librarys_own(step: str) -> None:
    do = {**KEPT, **MADE}[step]
    if step == "shuffle, without a seed":
        return
    own, with_us = do(rows()), do(track(rows(), SOURCE))
    if PARENTS in own.column_names:
        own = own.remove_columns(PARENTS)
    assert with_us.with_format(None)[:] == own.with_format(None)[:]
    assert with_us.features == own.features
    assert with_us.format["type"] == own.format["type"]
    assert with_us.column_names == own.column_names


@pytest.mark.parametrize("step", JOINED)
def test_steps_that_join_rows(tracked: Any, step: str) -> None:
    do, expected = JOINED[step]
    made = do(tracked)
    assert parents(made) == expected
    assert roles(made) == {"aggregated"}


def test_values_that_look_like_another_order_are_told_from_one(tracked: Any) -> None:
    made = tracked.map(
        lambda b: {"row": [59 - r for r in b["row"]]}, batched=True, remove_columns=ALL
    )
    assert parents(made) == [[row] for row in range(ROWS)]


def test_an_order_that_nobody_can_tell_is_said_to_be_assumed(tracked: Any) -> None:
    def pad(batch: Any) -> dict[str, list[Any]]:
        longest = max(map(len, batch["text"]))
        return {"text": [text.ljust(longest) for text in batch["text"]]}

    made = tracked.map(pad, batched=True, remove_columns=ALL)
    assert parents(made) == [[row] for row in range(ROWS)]
    assert [each.method for each in derivations(made, None)] == ["equal_row_counts"]


def test_a_function_is_called_twice_only_where_it_must_be(tracked: Any) -> None:
    def count(step: Callable[[Any], Any], **options: Any) -> int:
        seen: list[int] = []

        def watched(batch: Any) -> Any:
            seen.extend(batch["row"])
            return step(batch)

        tracked.map(watched, batched=True, batch_size=10, **options)
        return len(seen)

    assert count(lambda b: {"n": b["row"]}) == ROWS
    # The first of six batches by its rows, and one row in 200 of what comes after.
    assert count(lambda b: {"n": b["row"]}, remove_columns=ALL) == ROWS + 10
    assert count(explode, remove_columns=ALL) == 2 * ROWS
    # Each of the first three batches shows with its first row that it is more than its rows.
    packed = count(lambda b: {"all": [str(b["row"])]}, remove_columns=ALL)
    assert packed == ROWS + 3


def test_a_split_that_is_cached_is_traced(tmp_path: Path) -> None:
    rows().to_parquet(tmp_path / "rows.parquet")

    def steps() -> Any:
        loaded = datasets.Dataset.from_parquet(
            str(tmp_path / "rows.parquet"), cache_dir=str(tmp_path / "cache")
        )
        split = track(loaded, SOURCE).filter(is_even).shuffle(seed=1)
        made = split.train_test_split(test_size=0.5, seed=2)["train"].sort("row")
        return made.map(explode, batched=True, remove_columns=ALL, batch_size=3)

    first = steps()
    assert first.cache_files
    again = steps()
    assert again.cache_files == first.cache_files
    assert parents(again) == parents(first) == carried(first)


def test_a_batched_map_out_of_a_strangers_cache_has_no_trace(tracked: Any, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache.arrow")
    rows().map(explode, batched=True, remove_columns=ALL, cache_file_name=cache)
    made = tracked.map(explode, batched=True, remove_columns=ALL, cache_file_name=cache)
    with pytest.raises(InvalidInputError, match="in a cache file that tells no parents"):
        lineage_of(made)


def test_an_asynchronous_function(tracked: Any) -> None:
    async def length(batch: Any) -> dict[str, Any]:
        return {"n": [len(text) for text in batch["text"]]}

    async def pack(batch: Any) -> dict[str, Any]:
        return {"all": [" ".join(batch["text"])]}

    with warnings.catch_warnings():
        # The library leaves its event loops open.
        warnings.simplefilter("ignore", ResourceWarning)
        made = tracked.map(length, batched=True)
        packed = tracked.map(pack, batched=True, batch_size=20, remove_columns=ALL)
        gc.collect()
    assert parents(made) == carried(made)
    assert parents(packed) == batches(20)


def test_an_item_that_is_added_comes_from_nowhere(tracked: Any) -> None:
    for before in (tracked, tracked.shuffle(seed=1)):
        made = before.add_item({"row": -1, "text": "new"})
        assert parents(made) == [*carried(before), []]
        assert parents(made.sort("row"))[0] == []


def test_the_splits_of_a_dictionary(tracked: Any) -> None:
    plain = datasets.DatasetDict({"train": rows(), "test": rows(9)})
    sources = {"train": SOURCE, "test": Source("lake", "test", version=2)}
    both = track(plain, sources).map(add_length).filter(is_even).shuffle(seed=1)
    for split, source in sources.items():
        assert parents(both[split]) == carried(both[split])
        assert lineage_of(both[split]).sources[0].dataset == source.dataset
    joined = datasets.concatenate_datasets([both["test"], both["train"]])
    assert [source.name for source in lineage_of(joined).sources] == ["test", "raw"]


def test_rows_that_were_selected_before_they_are_tracked() -> None:
    chosen = rows().select([9, 3, 30])
    made = track(chosen, Source("lake", "raw", batch="b")).sort("row")
    assert parents(made) == [[1], [0], [2]]
    twice = track(rows().select([9, 9, 3]), Source("lake", "raw", batch="b")).sort("row")
    assert parents(twice) == [[2], [0], [1]]


def test_a_plain_dataset_stays_plain() -> None:
    plain = rows()
    track(plain, SOURCE)
    assert type(plain) is datasets.Dataset
    assert type(datasets.concatenate_datasets([plain, plain])) is datasets.Dataset


ANY_STEP = st.sampled_from(
    [
        lambda ds: ds.filter(lambda e: e["row"] % 3 != 1),
        lambda ds: ds.shuffle(seed=len(ds)),
        lambda ds: ds.select(range(len(ds) // 4, len(ds))),
        lambda ds: ds.sort("text"),
        lambda ds: ds.train_test_split(test_size=0.4, seed=1)["train"] if len(ds) > 3 else ds,
        lambda ds: ds.map(lambda e: {"text": e["text"] + " x"}),
        lambda ds: ds.map(explode, batched=True, batch_size=5),
        lambda ds: datasets.concatenate_datasets([ds, ds.select(range(min(3, len(ds))))]),
        lambda ds: ds.flatten_indices(),
        lambda ds: ds.map(
            lambda b: {k: [v for v in b[k] for _ in "ab"][:40] for k in b},
            batched=True,
            batch_size=9,
        ),
    ]
)


@settings(max_examples=25)
@given(st.lists(ANY_STEP, max_size=6))
def test_chains_of_steps(steps: list[Callable[[Any], Any]]) -> None:
    made = track(rows(30), Source("lake", "raw", batch="b"))
    for step in steps:
        made = step(made)
    if len(made):
        assert parents(made) == carried(made)
    for role, step_map in lineage_of(made).maps.items():
        assert isinstance(step_map, RowMap), role
