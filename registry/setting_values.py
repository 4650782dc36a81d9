"""Reads raw values of settings: the file, and texts brought to the type of a default."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

from registry.errors import SettingsError

CONFIG_VARIABLE = "REGISTRY_CONFIG"


def read_settings_file(variables: Mapping[str, str], known: Collection[str]) -> dict[str, object]:
    """What the file sets; nothing where there is none. `known`: the keys that somebody reads.

    Raises SettingsError for a file that is missing, broken, or sets what nobody reads.
    """
    named = variables.get(CONFIG_VARIABLE)
    path = Path(named) if named else Path("registry.toml")
    if not path.is_file():
        if named:
            raise SettingsError(
                f"{CONFIG_VARIABLE} names {named}, and there is no such file.",
                remedy="Correct the path, or unset the variable.",
            )
        return {}
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.", remedy="Correct the file.") from error
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise SettingsError(
            f"{path} sets {', '.join(unknown)}, which nobody reads.",
            remedy="Remove the key, or correct its spelling; docs/settings.md lists them all.",
        )
    return content


def parse_setting(raw: object, default: object, name: str) -> object:
    """Bring a raw value to the type of the default. Raises SettingsError."""
    try:
        match default:
            case bool():
                return _parse_bool(raw)
            case int():
                return int(str(raw))
            case float():
                return float(str(raw))
            case Path():
                return Path(str(raw)).expanduser()
            case tuple():
                parts = raw if isinstance(raw, list) else str(raw).split(",")
                return tuple(str(part).strip() for part in parts if str(part).strip())
            case _:
                return str(raw)
    except ValueError as error:
        raise SettingsError(
            f"{name} is {str(raw)[:80]!r}, and a {type(default).__name__} is needed.",
            remedy="Correct the value; docs/settings.md shows the form.",
        ) from error


def _parse_bool(raw: object) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return known[str(raw).strip().lower()]
    except KeyError as error:
        raise ValueError(str(raw)) from error
