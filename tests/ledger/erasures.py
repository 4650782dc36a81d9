"""A chain of batches with people, ids and labels in it, and what is done to erase some of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select

from registry.catalog.version_tables import Batch
from registry.client.http import HttpClient
from registry.ledger.closure import Sets
from registry.ledger.erasing import mark_erased
from registry.ledger.wiping import Wiped, wipe
from registry.request import House
from registry.storage.columns import table_of
from registry.workers.loop import Workers
from tests.ledger.pipelines import mapped, parquet, written
from tests.ledger.test_binding_faults import put, send

ROWS = 12
_batch = table_of(Batch)


def raw(rows: int = ROWS) -> pa.Table:
    """Examples of which every column tells them apart."""
    people = [[{"scheme": "email", "value": f"u{row % 4}@example.org"}] for row in range(rows)]
    return pa.table(
        {
            "example_id": [f"example-number-{row}" for row in range(rows)],
            "content": [f"the text of example {row}" for row in range(rows)],
            "subjects": people,
            "license": ["MIT" if row % 2 else "PSF-2.0" for row in range(rows)],
            "label": [f"label-{row}" for row in range(rows)],
            "source_uri": [f"https://site{row}.example.org/x" for row in range(rows)],
            "tokens": pa.array(range(100, 100 + rows), pa.int64()),
            "pii": [["email"] if row % 3 else [] for row in range(rows)],
            "attributes": pa.array(
                [[("k", f"v{row}")] for row in range(rows)], pa.map_(pa.string(), pa.string())
            ),
        }
    )


def chain(house: House, client: HttpClient) -> dict[str, int]:
    """raw → cut (a filter), raw → packed (pairs), raw → named (by ids of parents); the numbers."""
    digest = put(client, parquet(raw()), "examples")
    send(client, "collect", written("raw", "raw", examples=digest, license="MIT"), 1)
    inputs = [("raw", "raw")]
    cut = {"form": "take", "parents": list(range(0, ROWS, 2)), "size": ROWS}
    send(client, "cut", written("cut", "cut", maps=[mapped(inputs, cut)]), 2)
    pairs = {
        "form": "lists",
        "offsets": list(range(0, ROWS + 1, 2)),
        "parents": list(range(ROWS)),
        "size": ROWS,
    }
    send(client, "pack", written("packed", "packed", maps=[mapped(inputs, pairs, "aggregated")]), 3)
    ids = [[f"example-number-{row}", f"example-number-{ROWS - 1 - row}"] for row in range(3)]
    own = [f"named-example-{row}" for row in range(3)]
    parents = put(client, parquet(pa.table({"example_id": own, "parent_ids": ids})), "parents")
    named = [mapped(inputs, parents, "transformed")]
    send(client, "name", written("named", "named", maps=named), 4)
    work_off(house)
    with house.database.read() as session:
        return {row.name: row.number for row in session.execute(select(_batch))}


def work_off(house: House) -> None:
    """Do all work that is due."""
    Workers(house, threads=1).work_off()


def sets_of(numbers: dict[str, int], **ordinals: list[int]) -> Sets:
    """Ordinals by the names of batches."""
    return {numbers[name]: np.array(each, np.uint32) for name, each in ordinals.items()}


def mark(house: House, sets: Sets) -> Sets:
    """Mark them as a case does: in a transaction."""
    return house.database.transact(
        lambda session: mark_erased(session, sets, now=house.clock(), under="case 1")
    )


def wipe_now(house: House, sets: Sets, **changed: Any) -> Wiped:
    """Wipe what is marked."""
    given: dict[str, Any] = {"ledger": house.ledger, "database": house.database, **changed}
    ledger, database = given["ledger"], given["database"]
    return wipe(ledger, database, sets, turns=house.turns, now=house.clock())


def erase(house: House, sets: Sets) -> None:
    """Mark, wipe, and do what follows."""
    mark(house, sets)
    wipe_now(house, sets)
    work_off(house)


def index_rows(house: House) -> dict[int, dict[str, Any]]:
    """Every row of the index by its address, with its subjects."""
    found: dict[int, dict[str, Any]] = {}
    for number in range(1, 8):
        for part in house.ledger.index.scan_batch(number):
            found |= {row["address"]: {**row, "people": []} for row in part.to_pylist()}
        for part in house.ledger.index.scan_subjects(number):
            for row in part.to_pylist():
                found[row["address"]]["people"].append(row["subject_key"])
    return found
