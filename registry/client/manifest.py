"""A manifest in a pipeline: asks which examples may be used, and takes those rows of a table.

Rules:
1. Rows are chosen by their example id where a column of ids is named, else by their position: then
   the table is the whole version, its batches in order, and another number of rows is refused.
2. A row whose id the manifest does not hold is left out; so is one without an id.
3. The kind of the table stays: Hugging Face `Dataset`, Arrow `Table`, pandas, polars.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from registry.client.sources import NameLike, as_name
from registry.client.tables import column_names, is_of, row_count
from registry.errors import InvalidInputError

if TYPE_CHECKING:
    import pyarrow as pa

    from registry.client.http import HttpClient

METADATA = b"registry.manifest"
Chosen = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Manifest:
    """What may be used of a version. `rows`: Arrow columns batch, ordinal and maybe example_id.

    `digest` goes into a training run: `registry.run(..., manifest=manifest.digest)`.
    """

    about: dict[str, Any]
    rows: pa.Table

    @property
    def digest(self) -> str:
        """The name of the manifest, `sha256:…`."""
        return str(self.about["manifest"])

    @property
    def allowed(self) -> int:
        """How many examples may be used."""
        return int(self.about["allowed"])

    @property
    def withheld(self) -> dict[str, int]:
        """How many may not, by rule; each counted once."""
        return dict(self.about["withheld"])

    @cached_property
    def positions(self) -> Chosen:
        """The allowed rows of the version, counted through its batches in order; sorted."""
        starts: dict[int, int] = {}
        total = 0
        for each in self.about["batches"]:
            starts[each["batch"]] = total
            total += each["rows"]
        batches = self.rows.column("batch").to_numpy()
        ordinals = self.rows.column("ordinal").to_numpy().astype(np.int64)
        first = np.array(list(starts.values()), np.int64)
        numbers = np.array(list(starts), np.uint32)
        order = np.argsort(numbers)
        positions: Chosen = first[order][np.searchsorted(numbers[order], batches)] + ordinals
        return positions

    def filter(self, dataset: Any, *, ids: str | None = None) -> Any:
        """The rows of `dataset` that may be used, in their order (rules 1 to 3).

        `ids`: the column with example ids; the manifest must have been asked for with ids then.
        Raises InvalidInputError where the table does not fit the manifest.
        """
        chosen = self._by_position(dataset) if ids is None else self._by_id(dataset, ids)
        if is_of(dataset, "datasets", "Dataset"):
            return dataset.select(chosen)
        if is_of(dataset, "pandas", "DataFrame"):
            return dataset.iloc[chosen]
        if is_of(dataset, "polars", "DataFrame"):
            return dataset[chosen]
        if is_of(dataset, "pyarrow", "Table", "RecordBatch"):
            return dataset.take(chosen)
        raise InvalidInputError(
            f"A {type(dataset).__name__} cannot be filtered.",
            remedy="Give a Hugging Face Dataset, an Arrow Table, or a pandas or polars DataFrame.",
        )

    def _by_position(self, dataset: Any) -> Chosen:
        rows, expected = row_count(dataset), sum(b["rows"] for b in self.about["batches"])
        if rows != expected:
            raise InvalidInputError(
                f"The table has {rows} rows, and version {self.about['version']} of "
                f"{self.about['namespace']} {self.about['name']} has {expected}.",
                remedy="Filter the whole version, or name the column of example ids: ids=…",
            )
        return self.positions

    def _by_id(self, dataset: Any, ids: str) -> Chosen:
        import pyarrow as pa
        import pyarrow.compute as pc

        from registry.client.tables import as_table

        if "example_id" not in self.rows.column_names:
            raise InvalidInputError(
                "This manifest has no example ids.", remedy="Ask for it with_ids=True."
            )
        if ids not in column_names(dataset):
            raise InvalidInputError(
                f"The table has no column {ids!r}.", remedy="Name the column of example ids."
            )
        known = self.rows.column("example_id").combine_chunks().drop_null()
        asked = as_table(dataset, [ids]).column(ids).cast(pa.string())
        found = pc.is_in(asked, value_set=known).to_numpy(zero_copy_only=False)
        is_known = pc.is_valid(asked).to_numpy(zero_copy_only=False)
        return np.flatnonzero(found & is_known)


def ask_manifest(
    client: HttpClient,
    dataset: NameLike,
    purpose: str,
    *,
    version: int | None = None,
    region: str | None = None,
    with_ids: bool = False,
) -> Manifest:
    """Ask the registry. Raises its errors: NotFoundError, ForbiddenError, InvalidInputError, …"""
    import pyarrow as pa

    name = as_name(dataset, "The dataset")
    body: dict[str, Any] = {
        "dataset": {"namespace": name.namespace, "name": name.name},
        "purpose": purpose,
        "with_ids": with_ids,
    }
    for key, value in (("version", version), ("region", region)):
        if value is not None:
            body[key] = value
    answer = client.request("POST", "/api/v1/manifests", json=body)
    rows = pa.ipc.open_stream(answer.content).read_all()
    return Manifest(json.loads(rows.schema.metadata[METADATA]), rows)
