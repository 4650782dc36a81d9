"""The master key: where it is found, what is refused, and that it is never printed."""

from __future__ import annotations

import base64
import stat
import threading
from pathlib import Path

import pytest

from registry.errors import SettingsError, SetupError
from registry.keys.master import MasterKey, make_master_key, parse_master_key, read_master_key
from registry.settings import Settings, load_settings

SECRET = bytes(range(100, 132))
POSTGRESQL = "postgresql+psycopg://registry@localhost/registry"


@pytest.mark.parametrize(
    "text",
    [
        SECRET.hex(),
        SECRET.hex().upper(),
        base64.b64encode(SECRET).decode(),
        base64.b64encode(SECRET).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET).decode(),
        f"  {SECRET.hex()}\n",
    ],
)
def test_the_forms_of_a_master_key(text: str) -> None:
    assert parse_master_key(text, "the test").secret == SECRET


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("changeme", "holds 6 bytes"),
        ("not base64 at all!", "holds text of another form"),
        ("ключ", "holds text of another form"),
        (SECRET[:31].hex(), "holds 46 bytes"),
        (base64.b64encode(SECRET + b"!").decode(), "holds 33 bytes"),
        ("0" * 64, "32 bytes of only 1 values"),
        ("zz" * 32, "holds text of another form"),
    ],
)
def test_what_is_no_master_key_is_refused_without_being_shown(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as refused:
        parse_master_key(text, "REGISTRY_MASTER_KEY")
    assert "REGISTRY_MASTER_KEY" in str(refused.value)
    assert text not in str(refused.value)


def test_the_setting_wins_over_the_home(tmp_path: Path) -> None:
    make_master_key(tmp_path)
    found = read_master_key(Settings(home=tmp_path, master_key=SECRET.hex()))
    assert found == MasterKey(SECRET, "REGISTRY_MASTER_KEY")


def test_a_named_file_wins_over_the_home(tmp_path: Path) -> None:
    make_master_key(tmp_path)
    (tmp_path / "secret").write_text(SECRET.hex() + "\n")
    found = read_master_key(Settings(home=tmp_path, master_key_file=str(tmp_path / "secret")))
    assert found == MasterKey(SECRET, str(tmp_path / "secret"))


def test_both_settings_at_once_are_refused(tmp_path: Path) -> None:
    both = Settings(home=tmp_path, master_key=SECRET.hex(), master_key_file="elsewhere")
    with pytest.raises(SettingsError, match="both set"):
        read_master_key(both)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"short"])
def test_a_named_file_that_is_of_no_use_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match="secret"):
        read_master_key(Settings(home=tmp_path, master_key_file=str(path)))


def test_postgresql_needs_a_master_key(tmp_path: Path) -> None:
    make_master_key(tmp_path)
    with pytest.raises(SettingsError, match="PostgreSQL needs it") as refused:
        read_master_key(Settings(home=tmp_path, database_url=POSTGRESQL))
    assert "openssl rand -base64 32" in refused.value.remedy


def test_an_embedded_home_may_have_none_yet(tmp_path: Path) -> None:
    assert read_master_key(Settings(home=tmp_path)) is None


def test_a_made_master_key_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    made = make_master_key(tmp_path)
    path = tmp_path / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]
    assert read_master_key(Settings(home=tmp_path)) == made
    assert len(made.secret) == 32


def test_a_master_key_is_never_made_over_another(tmp_path: Path) -> None:
    assert make_master_key(tmp_path) == make_master_key(tmp_path)


def test_processes_that_make_one_at_once_agree(tmp_path: Path) -> None:
    made: list[MasterKey] = []
    gate = threading.Barrier(8)

    def make() -> None:
        gate.wait()
        made.append(make_master_key(tmp_path))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({each.secret for each in made}) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["master.key"]


def test_a_home_that_takes_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"master\.key"):
        make_master_key(tmp_path / "missing")


def test_the_master_key_is_never_printed(tmp_path: Path) -> None:
    settings = load_settings(
        {"REGISTRY_MASTER_KEY": SECRET.hex()}, home=tmp_path, database_url=POSTGRESQL
    )
    assert SECRET.hex() not in repr(settings)
    assert repr(SECRET)[2:10] not in repr(read_master_key(settings))
