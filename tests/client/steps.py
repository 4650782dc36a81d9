"""Steps of Hugging Face datasets, on rows that carry their own number."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from registry.client.huggingface import lineage_of
from registry.client.sources import PARENTS, Source

ROWS = 60
SOURCE = Source("lake", "raw", batch="b", rows=ROWS)
Parents = list[list[int]]


def rows(count: int = ROWS) -> datasets.Dataset:
    """Rows that know their own number, in two columns that steps may drop or change."""
    texts = [" ".join(f"w{row}.{word}" for word in range(row % 4)) for row in range(count)]
    return datasets.Dataset.from_dict({"row": list(range(count)), "text": texts})


def parents(dataset: Any) -> Parents:
    """The rows of the source that each row leads to, over all roles."""
    found = lineage_of(dataset)
    each = [
        sorted({p for step in found.maps.values() for p in step.parents_of(row).tolist()})
        for row in range(len(dataset))
    ]
    assert found.rows == len(dataset)
    return each


def roles(dataset: Any) -> set[str]:
    return {role.value for role in lineage_of(dataset).maps}


def carried(dataset: Any) -> Parents:
    """The number that each row carries in its column `row`."""
    return [[int(row)] for row in dataset.with_format(None)["row"][:]]


def explode(batch: Any) -> dict[str, list[Any]]:
    """A row for each word of a text: none, one or more."""
    pairs = [
        (row, word)
        for row, text in zip(batch["row"], batch["text"], strict=True)
        for word in text.split()
    ]
    return {"row": [row for row, _ in pairs], "text": [word for _, word in pairs]}


def is_even(example: Any) -> bool:
    return bool(example["row"] % 2 == 0)


def add_length(example: Any) -> dict[str, int]:
    return {"length": len(example["text"])}


KEPT: dict[str, Callable[[Any], Any]] = {
    "filter": lambda ds: ds.filter(is_even),
    "filter, batched": lambda ds: ds.filter(lambda b: [r > 9 for r in b["row"]], batched=True),
    "filter, with indices": lambda ds: ds.filter(lambda _, i: i % 3 == 0, with_indices=True),
    "filter, in two processes": lambda ds: ds.filter(is_even, num_proc=2),
    "filter everything": lambda ds: ds.filter(lambda _: False),
    "select": lambda ds: ds.select([3, 1, 1, 59]),
    "select a range": lambda ds: ds.select(range(10, 20)),
    "select nothing": lambda ds: ds.select([]),
    "shuffle": lambda ds: ds.shuffle(seed=3),
    "shuffle, without a seed": lambda ds: ds.shuffle(),
    "sort": lambda ds: ds.sort("text", reverse=True),
    "split, first part": lambda ds: ds.train_test_split(test_size=0.2, seed=1)["train"],
    "split, second part": lambda ds: ds.train_test_split(test_size=0.2, seed=1)["test"],
    "split in order": lambda ds: ds.train_test_split(test_size=0.3, shuffle=False)["test"],
    "skip and take": lambda ds: ds.skip(5).take(7),
    "shard": lambda ds: ds.shard(4, 1),
    "shard, not contiguous": lambda ds: ds.shard(4, 1, contiguous=False),
    "repeat": lambda ds: ds.repeat(3),
    "concatenate": lambda ds: datasets.concatenate_datasets(
        [ds.select([5, 4]), ds, ds.filter(is_even)]
    ),
    "concatenate with nothing": lambda ds: datasets.concatenate_datasets([ds.select([]), ds]),
    "concatenate one": lambda ds: datasets.concatenate_datasets([ds.shuffle(seed=1)]),
    "interleave": lambda ds: datasets.interleave_datasets(
        [ds.select(range(9)), ds.shuffle(seed=2)]
    ),
    "interleave by chance": lambda ds: datasets.interleave_datasets(
        [ds.select(range(9)), ds], probabilities=[0.7, 0.3], seed=1
    ),
    "beside itself": lambda ds: datasets.concatenate_datasets(
        [ds.select_columns("row"), ds.select_columns("text")], axis=1
    ),
    "flatten the indices": lambda ds: ds.shuffle(seed=1).flatten_indices(),
    "rename a column": lambda ds: ds.shuffle(seed=1).rename_column("text", "t"),
    "remove a column": lambda ds: ds.shuffle(seed=1).remove_columns("text"),
    "a format": lambda ds: ds.with_format("numpy").filter(lambda e: int(e["row"]) < 5),
    "a map that gives nothing": lambda ds: ds.shuffle(seed=1).map(lambda _: None),
    "a map that gives nothing, in two processes": lambda ds: ds.shuffle(seed=1).map(
        lambda _: None, num_proc=2
    ),
    "a copy": copy.copy,
    "a deep copy": lambda ds: copy.deepcopy(ds.shuffle(seed=1)),
    "pickled": lambda ds: pickle.loads(pickle.dumps(ds.shuffle(seed=1))),
    "filter, then select, then filter": lambda ds: (
        ds.filter(is_even).select(range(3, 20)).filter(lambda e: e["row"] % 3 == 0)
    ),
}


def reverse(batch: Any) -> dict[str, Any]:
    return {"row": batch["row"][::-1]}


ALL = ["row", "text"]
MADE: dict[str, Callable[[Any], Any]] = {
    "map": lambda ds: ds.map(add_length),
    "map, in two processes": lambda ds: ds.map(add_length, num_proc=2),
    "map after a shuffle": lambda ds: ds.shuffle(seed=1).map(add_length),
    "map that drops columns": lambda ds: ds.map(
        lambda e: {"row": e["row"]}, remove_columns=["text"]
    ),
    "map in batches beside columns that stay": lambda ds: ds.map(
        lambda b: {"length": [len(t) for t in b["text"]]}, batched=True, batch_size=7
    ),
    "map that changes the batch in place": lambda ds: ds.map(
        lambda b: b.__setitem__("text", ["x"] * len(b["text"])) or b, batched=True
    ),
    "map with indices and rank": lambda ds: ds.map(
        lambda b, i, r: {"x": [r or 0] * len(i)}, batched=True, with_indices=True, with_rank=True
    ),
    "map of single columns": lambda ds: ds.map(
        lambda texts, k: {"n": [len(t) + k for t in texts]},
        batched=True,
        input_columns="text",
        fn_kwargs={"k": 1},
    ),
    "map whose function takes what ours takes": lambda ds: ds.map(
        lambda b, watch: {"n": [watch] * len(b["row"])}, batched=True, fn_kwargs={"watch": 1}
    ),
    "map with features": lambda ds: ds.map(
        lambda b: {"n": [1.0] * len(b["row"])},
        batched=True,
        features=datasets.Features({**ds.features, "n": datasets.Value("float32")}),
    ),
    "explode": lambda ds: ds.map(explode, batched=True, remove_columns=ALL, batch_size=8),
    "explode in one batch": lambda ds: ds.map(
        explode, batched=True, remove_columns=ALL, batch_size=None
    ),
    "explode in two processes": lambda ds: ds.map(
        explode, batched=True, remove_columns=ALL, batch_size=8, num_proc=2
    ),
    "explode, the last batch dropped": lambda ds: ds.map(
        explode, batched=True, remove_columns=ALL, batch_size=7, drop_last_batch=True
    ),
    "explode after a shuffle and a filter": lambda ds: (
        ds.shuffle(seed=5).filter(is_even).map(explode, batched=True, remove_columns=ALL)
    ),
    "explode twice": lambda ds: (
        ds.map(explode, batched=True, remove_columns=ALL)
        .map(lambda b: {k: [v for v in b[k] for _ in "ab"] for k in b}, batched=True)
        .shuffle(seed=1)
    ),
    "explode with columns and indices": lambda ds: ds.map(
        lambda rows, texts, numbers: (
            explode({"row": rows, "text": texts})
            | {"n": [n for n, t in zip(numbers, texts, strict=True) for _ in t.split()]}
        ),
        batched=True,
        input_columns=["row", "text"],
        with_indices=True,
        remove_columns=ALL,
    ),
    "explode with features": lambda ds: ds.map(
        explode, batched=True, remove_columns=ALL, features=ds.features
    ),
    "explode arrays": lambda ds: ds.with_format("numpy").map(
        lambda b: {
            "row": np.repeat(b["row"], 2),
            "x": np.random.default_rng(0).random((len(b["row"]) * 2, 3)) * 0 + 1,
        },
        batched=True,
        remove_columns=ALL,
    ),
    "explode an arrow table": lambda ds: ds.with_format("arrow").map(
        lambda t: t.take(pa.array(np.repeat(np.arange(len(t)), 2))), batched=True
    ),
    "explode a pandas frame": lambda ds: ds.with_format("pandas").map(
        lambda f: (
            pd.concat([f.iloc[i : i + 1] for i in range(len(f)) for _ in range(i % 2 + 1)])
            if len(f) > 1
            else f
        ),
        batched=True,
        batch_size=1,
    ),
    "explode a polars frame": lambda ds: ds.with_format("polars").map(
        lambda f: f.with_columns(pl.col("text").str.split(" ")).explode("text"), batched=True
    ),
    "dropped in batches": lambda ds: ds.map(
        lambda b: {"row": [r for r in b["row"] if r % 3]}, batched=True, remove_columns=ALL
    ),
    "numbers of rows that stay the same by chance": lambda ds: ds.map(
        lambda b: {
            "row": [r for r in b["row"] for _ in range(2 * (r % 2) if r < 50 else 1 + r % 2)]
        },
        batched=True,
        batch_size=10,
        remove_columns=ALL,
    ),
    "numbers of rows that change late": lambda ds: ds.map(
        lambda b: {"row": [r for r in b["row"] for _ in range(1 if r < 40 else r % 3)]},
        batched=True,
        batch_size=10,
        remove_columns=ALL,
    ),
    "concatenate what was made with what was kept": lambda ds: datasets.concatenate_datasets(
        [ds, ds.map(explode, batched=True), ds.select([4])]
    ),
    "a cast": lambda ds: ds.cast(
        datasets.Features({"row": datasets.Value("int16"), "text": datasets.Value("string")})
    ),
    "a cast of a column": lambda ds: ds.cast_column("row", datasets.Value("int16")),
    "classes": lambda ds: ds.class_encode_column("text"),
    "a new column": lambda ds: ds.shuffle(seed=1).add_column("y", [0] * len(ds)),
    "columns of a dataset that is not tracked": lambda ds: datasets.concatenate_datasets(
        [ds.shuffle(seed=1), datasets.Dataset.from_dict({"y": [0] * len(ds)})], axis=1
    ),
    "said by the function": lambda ds: ds.map(
        lambda b, i: {"row": b["row"][::-1], PARENTS: i[::-1]},
        batched=True,
        with_indices=True,
        remove_columns=ALL,
    ),
    "said of a single row": lambda ds: ds.map(
        lambda _, i: {"row": 59 - i, PARENTS: 59 - i}, with_indices=True
    ),
    "said by a tokenizer": lambda ds: ds.map(
        lambda b: (
            explode(b)
            | {
                "overflow_to_sample_mapping": [
                    at for at, text in enumerate(b["text"]) for _ in text.split()
                ]
            }
        ),
        batched=True,
        batch_size=11,
        remove_columns=ALL,
    ),
}


def batches(size: int) -> Parents:
    return [[*range(at, min(at + size, ROWS))] for at in range(0, ROWS, size)]


JOINED: dict[str, tuple[Callable[[Any], Any], Parents]] = {
    "batch": (lambda ds: ds.batch(7), batches(7)),
    "batch by a column": (
        lambda ds: ds.map(lambda e: {"k": e["row"] // 7}).batch(by_column="k", batch_size=20),
        batches(7),
    ),
    "packed": (
        lambda ds: ds.map(
            lambda b: {"all": [" ".join(b["text"])]}, batched=True, batch_size=8, remove_columns=ALL
        ),
        batches(8),
    ),
    "packed in two processes": (
        lambda ds: ds.map(
            lambda b: {"all": [" ".join(b["text"])]},
            batched=True,
            batch_size=10,
            remove_columns=ALL,
            num_proc=2,
        ),
        batches(10),
    ),
    "sorted within the batch": (
        lambda ds: ds.map(reverse, batched=True, batch_size=6, remove_columns=ALL),
        [each for each in batches(6) for _ in each],
    ),
    "said by the function": (
        lambda ds: ds.map(
            lambda b, i: {"sum": [sum(b["row"][:2]), 0], PARENTS: [i[:2], []]},
            batched=True,
            batch_size=30,
            with_indices=True,
            remove_columns=ALL,
        ),
        [[0, 1], [], [30, 31], []],
    ),
}
