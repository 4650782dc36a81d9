"""Approved plans take rows out of bound copies by their executors: exactly theirs, and seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets

from registry.erasure.certificate.facts import Outcome, TargetKind, TargetState
from tests.erasure.copied import COPIES, PEOPLE, Copied, counts
from tests.erasure.town import email
from tests.erasure.working import certificate_of, show


def without(rows: list[dict[str, Any]], *gone: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["person"] not in gone]


def test_two_contributors_are_erased_one_after_the_other_from_every_copy(
    lake: Copied, lake_folder: Path
) -> None:
    """Exactly their rows are gone from everything, and it is certified."""
    lake.bind_all()
    before = lake.rows()
    assert {name: len(rows) for name, rows in before.items()} == {
        **dict.fromkeys(COPIES, len(PEOPLE)),
        "a": len(PEOPLE) // 2,
        "b": len(PEOPLE) // 2,
    }
    gone: list[str] = []
    for person in ("ann", "bob"):
        request_id = lake.erased(person)
        gone.append(person)
        after = lake.rows()
        assert after == {name: without(rows, *gone) for name, rows in before.items()}
        theirs = PEOPLE.count(person)
        found = lake.tasks(request_id)
        assert len(found) == 6
        for name in ("copy.jsonl", "set", "table.lance", "sql:warehouse"):
            assert counts(found[name]) == ("verified", theirs, theirs, theirs, theirs), found[name]
        assert show(lake.client, request_id)["state"] == "fulfilled"
        facts = certificate_of(lake.house, lake.client, request_id).facts
        assert facts.outcome is Outcome.FULFILLED
        told_of = [each for each in facts.targets if each.kind is TargetKind.FILE]
        assert [each.state for each in told_of] == [TargetState.VERIFIED] * 6
        assert lake.names_kept() == []
    loaded = datasets.load_from_disk(str(lake_folder / "set"))
    assert sorted(loaded["person"]) == sorted(p for p in PEOPLE if p not in gone)
    texts = [row["content"].encode() for row in before["lines"] if row["person"] in gone]
    content = b"".join(path.read_bytes() for path in lake_folder.rglob("*") if path.is_file())
    assert not [text for text in texts if text in content]
    assert email("ann") not in json.dumps(lake.rows())
