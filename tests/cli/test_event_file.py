"""Files of events are read as they stand, and an import remembers how far it got."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from registry.cli.event_file import EventFile, ImportState, Item, open_events
from registry.errors import InvalidInputError

BIG = b'{"n": 9007199254740993123}'


def items(path: Path) -> list[Item]:
    with open_events(path) as events:
        return list(events)


def write(folder: Path, content: bytes, name: str = "events.ndjson") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["events.ndjson", "events.json.gz"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n \n", []),
        (BIG, [Item(1, BIG)]),
        (BIG + b"\n" + b"{}\r\n", [Item(1, BIG), Item(2, b"{}")]),
        (b"\n\n{}\n\n{}\n", [Item(3, b"{}"), Item(5, b"{}")]),
        (b"\xef\xbb\xbf{}\n", [Item(1, b"{}")]),
        (b"{}\n{bad\n{}", [Item(1, b"{}"), Item(2, b"{bad"), Item(3, b"{}")]),
        (b"[]", []),
        (b"[" + BIG + b", {}]", [Item(1, BIG), Item(2, b"{}")]),
        (b'\n [\n  {"a": 1},\n  5\n]\n', [Item(1, b'{"a": 1}'), Item(2, b"5")]),
        (b'{\n  "a": "}{"\n}\n', [Item(1, b'{\n  "a": "}{"\n}')]),
        (b'\n{"a": [\n1,\n{"b": "\\"]"}]\n}', [Item(2, b'{"a": [\n1,\n{"b": "\\"]"}]\n}')]),
        (
            b'{\n"a": 1\n}\n\n{\n"a": 2\n}\n{}\n',
            [Item(1, b'{\n"a": 1\n}'), Item(5, b'{\n"a": 2\n}'), Item(8, b"{}")],
        ),
        (b'{"cut":\n{}\n{}\n', [Item(1, b'{"cut":'), Item(2, b"{}"), Item(3, b"{}")]),
        (b'{\n"never": "ends",\n', [Item(1, b'{\n"never": "ends",')]),
        (b"{bad\n{bad\n", [Item(1, b"{bad"), Item(2, b"{bad")]),
    ],
)
def test_each_event_comes_with_its_number_and_its_own_bytes(
    tmp_path: Path, name: str, content: bytes, expected: list[Item]
) -> None:
    assert items(write(tmp_path, content, name)) == expected


def test_an_event_that_does_not_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.cli.event_file._EVENT_LIMIT_BYTES", 1_000)
    with pytest.raises(InvalidInputError, match="event of line 3 does not end"):
        items(write(tmp_path, b"{\n}\n{\n" + b'"a": 1,\n' * 1_000))


def test_an_array_that_is_none_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no JSON array"):
        items(write(tmp_path, b"[{}, {]"))


@pytest.mark.parametrize("damage", [b"no gzip", None])
def test_a_file_that_cannot_be_unpacked_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "events.ndjson.gz"
    path.write_bytes(damage or gzip.compress(b"{}\n" * 10_000)[:-20])
    with pytest.raises(InvalidInputError, match="cannot be unpacked"):
        items(path)


def test_the_position_reaches_the_size(tmp_path: Path) -> None:
    path = write(tmp_path, b"{}\n" * 1000, "events.ndjson.gz")
    with open_events(path) as events:
        list(events)
        assert isinstance(events, EventFile)
        assert events.position == events.size == path.stat().st_size


def test_an_import_is_remembered_until_it_ends(tmp_path: Path) -> None:
    path = write(tmp_path, b"{}\n")
    state = ImportState(path, "here")
    assert state.read() is None
    assert state.write(done=7, taken=5, rejected=2)
    found = ImportState(path, "here").read()
    assert found is not None
    assert (found.done, found.taken, found.rejected) == (7, 5, 2)
    state.clear()
    assert state.read() is None
    state.clear()


def test_another_registry_or_another_file_begins_anew(tmp_path: Path) -> None:
    path = write(tmp_path, b"{}\n")
    ImportState(path, "here").write(done=1, taken=1, rejected=0)
    assert ImportState(path, "there").read() is None
    write(tmp_path, b"[]\n")
    assert ImportState(path, "here").read() is None


def test_a_state_that_is_none_begins_anew(tmp_path: Path) -> None:
    path = write(tmp_path, b"{}\n")
    (tmp_path / "events.ndjson.import-state").write_text("{}")
    assert ImportState(path, "here").read() is None


def test_a_folder_that_takes_no_state_is_no_obstacle(tmp_path: Path) -> None:
    path = write(tmp_path, b"{}\n")
    state = ImportState(path, "here")
    # A folder in the place of the new state cannot be replaced by a file, whoever runs this.
    (tmp_path / "events.ndjson.import-state.new").mkdir()
    assert state.write(done=1, taken=1, rejected=0) is False
