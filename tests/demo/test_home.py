"""The demo deletes what an earlier demo made, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.demo.home import begin_anew
from registry.errors import ConflictError, HomeInUseError, SetupError
from registry.storage.homelock import hold_alone


def test_a_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    assert begin_anew(home) is False
    assert home.stat().st_mode & 0o777 == 0o700


def test_an_earlier_demo_is_deleted(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    begin_anew(home)
    (home / "registry.db").write_text("old")
    assert begin_anew(home) is True
    assert not (home / "registry.db").exists()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert begin_anew(tmp_path) is False


def test_what_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "registry.db"
    kept.write_text("mine")
    with pytest.raises(ConflictError, match="no demo made it"):
        begin_anew(tmp_path)
    assert kept.read_text() == "mine"


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    path.write_text("mine")
    with pytest.raises(ConflictError):
        begin_anew(path)


def test_a_demo_that_somebody_serves_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    begin_anew(home)
    with hold_alone(home, "registry serve") as lock:
        lock.announce("http://127.0.0.1:1")
        with pytest.raises(HomeInUseError, match=r"http://127\.0\.0\.1:1"):
            begin_anew(home)
    assert begin_anew(home) is True


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SetupError, match="Not a directory"):
        begin_anew(tmp_path / "file" / "demo")
