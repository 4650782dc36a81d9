"""The file of a backup: written whole or not at all, and read only if it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.backups.archive import (
    FORMAT,
    HEAD,
    ArchiveWriter,
    check_archive,
    each_member,
    new_archive,
)
from registry.errors import ConflictError, NotFoundError, NotVerifiedError

LARGE = bytes(range(256)) * 20_000


def closed(archive: ArchiveWriter) -> None:
    archive.close({"payload": {"format": FORMAT, "members": archive.members}})


def write(path: Path) -> bytes:
    """An archive of three members, of which one counts no more; its digest."""
    with new_archive(path) as (archive, done):
        archive.add(HEAD, b"{}")
        archive.add("index/1/a", b"given up")
        archive.forget("index/")
        archive.add_stream("index/2/a", len(LARGE), [LARGE[:7], LARGE[7:]])
        closed(archive)
    return done[0].digest


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    digest = write(tmp_path / "b")
    checked = check_archive(tmp_path / "b")
    assert checked.digest == digest
    found = {name: file.read() for name, _size, file in each_member(checked)}
    assert found == {HEAD: b"{}", "index/2/a": LARGE}
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"mine")
    with pytest.raises(ConflictError, match="replaces none"):
        write(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"mine"


def test_a_file_that_came_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    def race() -> None:
        with new_archive(tmp_path / "b") as (archive, _done):
            (tmp_path / "b").write_bytes(b"theirs")
            archive.add(HEAD, b"{}")
            closed(archive)

    with pytest.raises(ConflictError):
        race()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("b", b"theirs")]


def test_what_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    def break_off() -> None:
        with new_archive(tmp_path / "b") as (archive, _done):
            archive.add(HEAD, b"{}")
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_is_shorter_than_it_said_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError), new_archive(tmp_path / "b") as (archive, _done):
        archive.add_stream("a", 10, [b"short"])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing-here"):
        check_archive(tmp_path / "nothing-here")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x28\xb5\x2f\xfd" + b"\x00" * 50])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(NotVerifiedError, match="other is damaged, or is none"):
        check_archive(tmp_path / "other")


@pytest.mark.parametrize("part", range(1, 10))
def test_a_cut_file_is_named(tmp_path: Path, part: int) -> None:
    write(tmp_path / "b")
    whole = (tmp_path / "b").read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) * part // 10])
    with pytest.raises(NotVerifiedError, match="cut is damaged"):
        check_archive(tmp_path / "cut")


@pytest.mark.parametrize("part", range(10))
def test_a_file_with_a_byte_changed_is_named(tmp_path: Path, part: int) -> None:
    write(tmp_path / "b")
    content = bytearray((tmp_path / "b").read_bytes())
    content[len(content) * part // 10] ^= 0xFF
    (tmp_path / "changed").write_bytes(content)
    with pytest.raises(NotVerifiedError, match="changed is damaged"):
        check_archive(tmp_path / "changed")


def test_an_archive_without_a_member_that_it_lists_is_named(tmp_path: Path) -> None:
    with new_archive(tmp_path / "b") as (archive, _done):
        archive.add(HEAD, b"{}")
        listed = {**archive.members, "catalog/a": [3, "ab"]}
        archive.close({"payload": {"format": FORMAT, "members": listed}})
    with pytest.raises(NotVerifiedError, match="catalog/a is not what the manifest lists"):
        check_archive(tmp_path / "b")


def test_an_archive_of_another_form_is_named(tmp_path: Path) -> None:
    with new_archive(tmp_path / "b") as (archive, _done):
        archive.add(HEAD, b"{}")
        archive.close({"payload": {"format": "lineage-registry/backup/9", "members": {}}})
    with pytest.raises(NotVerifiedError, match="backup/9"):
        check_archive(tmp_path / "b")
