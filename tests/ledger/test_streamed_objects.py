"""Objects are read and written in pieces, in a folder and in a bucket."""

from __future__ import annotations

import io

import pytest

from registry.errors import NotFoundError
from registry.storage.objects import Objects
from tests.ledger.conftest import Place

SMALL, LARGE = b"a few bytes", bytes(range(251)) * 80_000


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_an_object_is_streamed_both_ways(place: Place, content: bytes) -> None:
    objects = Objects(place.url, place.storage_options)
    objects.put_stream("folder/it", len(content), io.BytesIO(content))
    size, pieces = objects.stream("folder/it")
    assert (size, b"".join(pieces)) == (len(content), content)
    assert objects.get("folder/it") == content


def test_a_missing_object_is_named(place: Place) -> None:
    objects = Objects(place.url, place.storage_options)
    with pytest.raises(NotFoundError, match="folder/other"):
        objects.stream("folder/other")


def test_a_place_is_the_same_however_it_is_written(place: Place) -> None:
    slash = Objects(place.url + "/", place.storage_options)
    assert slash.place == Objects(place.url, place.storage_options).place
