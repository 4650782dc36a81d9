"""Checkpoints beside the ledger, in a folder and in a bucket: the newest is found, none is lost."""

from __future__ import annotations

import pytest

from registry.audit.kept import KeptCheckpoint, KeptCheckpoints, block_of
from registry.storage.objects import Objects
from tests.ledger.conftest import Place


@pytest.fixture
def objects(place: Place) -> Objects:
    return Objects(place.url, place.storage_options)


def test_nothing_is_kept_at_first(objects: Objects) -> None:
    kept = KeptCheckpoints(objects)
    assert kept.newest() is None
    assert kept.newest(known=(3, 17)) is None
    assert list(kept.all()) == []


def test_the_newest_is_found_from_wherever_one_looks(objects: Objects) -> None:
    kept = KeptCheckpoints(objects)
    sizes = [1, 7, 4_095, 4_096, 4_100, 50_000]
    for size in sizes:
        kept.keep(1, size, f"note {size}\n")
    kept.keep(2, 50_001, "note of the second\n")
    newest = KeptCheckpoint(2, block_of(50_001), "note of the second\n")
    for known in ((0, 0), (1, 0), (1, block_of(4_100)), (2, block_of(50_001)), (9, 9)):
        assert kept.newest(known=known) == newest
    assert [(each.number, each.block, each.note) for each in kept.all()] == [
        (1, 0, "note 4095\n"),
        (1, 1, "note 4100\n"),
        (1, 12, "note 50000\n"),
        (2, 12, "note of the second\n"),
    ]


def test_a_late_writer_does_not_hide_the_newest(objects: Objects) -> None:
    kept = KeptCheckpoints(objects)
    kept.keep(1, 9_000, "new\n")
    kept.keep(1, 100, "late\n")
    assert [each.note for each in kept.all()] == ["new\n"]


def test_other_objects_are_passed_over(objects: Objects) -> None:
    kept = KeptCheckpoints(objects)
    objects.put("audit/checkpoints/0001/readme.txt", b"not one of ours")
    objects.put("audit/other", b"nor this")
    objects.put("objects/abc", b"nor this")
    assert kept.newest() is None
    kept.keep(1, 1, "one\n")
    assert [each.note for each in kept.all()] == ["one\n"]
