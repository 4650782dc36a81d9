"""What an operator may set, read once at the start and passed on as one frozen value.

Rules:
1. The environment wins over `registry.toml` (in the working folder, or where REGISTRY_CONFIG
   points); the file wins over the defaults. Keys of the file are the field names.
2. A value that cannot be used, or a key nobody knows, stops the start and says which.
3. Secrets are never printed: `repr` leaves them out.
"""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from registry.errors import SettingsError

CONFIG_VARIABLE = "REGISTRY_CONFIG"


def _setting(
    env: str, about: str, default: object, *, secret: bool = False
) -> Any:  # the type of a dataclass field is that of its annotation
    return field(
        default=default, repr=not secret, metadata={"env": env, "about": about, "secret": secret}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, with its environment variable and meaning in the field's metadata."""

    home: Path = _setting(
        "REGISTRY_HOME",
        "Folder of the embedded registry: database, ledger, lock file, first token.",
        Path("registry-data"),
    )
    database_url: str = _setting(
        "REGISTRY_DATABASE_URL",
        "SQLAlchemy URL of the catalog. Empty: SQLite in the home.",
        "",
        secret=True,
    )
    ledger_url: str = _setting(
        "REGISTRY_LEDGER_URL",
        "Folder or bucket URL of the example ledger. Empty: a folder in the home.",
        "",
    )
    s3_endpoint: str = _setting(
        "REGISTRY_S3_ENDPOINT",
        "Address of an S3-compatible store, for every `s3://` URL. Empty: AWS.",
        "",
    )
    s3_region: str = _setting(
        "REGISTRY_S3_REGION",
        "Region of the buckets. Empty: as the environment says (`AWS_REGION`).",
        "",
    )
    sweep_engine: str = _setting(
        "REGISTRY_SWEEP_ENGINE",
        "Where work over many batches runs: `threads` of this process, or a `ray` cluster.",
        "threads",
    )
    url: str = _setting(
        "REGISTRY_URL",
        "Server that the client and the command line talk to. Empty: in-process on the home.",
        "",
    )
    token: str = _setting(
        "REGISTRY_TOKEN",
        "Bearer token of the client and the command line. Empty: the home's admin-token.",
        "",
        secret=True,
    )
    master_key: str = _setting(
        "REGISTRY_MASTER_KEY",
        "32 random bytes in base64 or hex, under which all keys are wrapped. PostgreSQL needs it.",
        "",
        secret=True,
    )
    master_key_file: str = _setting(
        "REGISTRY_MASTER_KEY_FILE",
        "File that holds the master key instead. Empty: `master.key` in an embedded home.",
        "",
    )
    host: str = _setting("REGISTRY_HOST", "Address that `registry serve` listens on.", "127.0.0.1")
    port: int = _setting("REGISTRY_PORT", "Port that `registry serve` listens on.", 8400)
    public_url: str = _setting(
        "REGISTRY_PUBLIC_URL",
        "URL under which people reach the server. Empty: taken from each request.",
        "",
    )
    file_roots: tuple[str, ...] = _setting(
        "REGISTRY_FILE_ROOTS",
        "Folders and bucket URLs, separated by commas, that the server may read and erase in.",
        (),
    )
    policies: str = _setting(
        "REGISTRY_POLICIES",
        "Folder with policy files of your own. A file that it lacks, or empty: the shipped ones.",
        "",
    )
    alert_webhook: str = _setting(
        "REGISTRY_ALERT_WEBHOOK",
        "Address that violations are posted to (Standard Webhooks). Empty: nowhere.",
        "",
    )
    alert_secret: str = _setting(
        "REGISTRY_ALERT_SECRET",
        "Secret that webhooks are signed with: `whsec_` and base64 of 24 to 64 bytes.",
        "",
        secret=True,
    )
    alert_email: str = _setting(
        "REGISTRY_ALERT_EMAIL",
        "Whom violations are mailed to, separated by commas. Empty: nobody.",
        "",
    )
    smtp_url: str = _setting(
        "REGISTRY_SMTP_URL",
        "Mail server: `smtp://[USER:PASSWORD@]HOST:PORT`, or `smtps://` for TLS from the start.",
        "",
        secret=True,
    )
    body_limit_bytes: int = _setting(
        "REGISTRY_BODY_LIMIT_BYTES",
        "Largest request body taken, in bytes, both as sent and unpacked.",
        32 * 1024 * 1024,
    )
    object_limit_bytes: int = _setting(
        "REGISTRY_OBJECT_LIMIT_BYTES",
        "Largest object (examples, row map, parents) taken by upload, in bytes.",
        16 * 1024 * 1024 * 1024,
    )
    queue_limit: int = _setting(
        "REGISTRY_QUEUE_LIMIT",
        "Events that may wait for the writer; beyond it the server answers 503.",
        20_000,
    )
    group_limit: int = _setting(
        "REGISTRY_GROUP_LIMIT", "Most events written in one transaction.", 500
    )
    lock_timeout_seconds: float = _setting(
        "REGISTRY_LOCK_TIMEOUT_SECONDS",
        "How long a write waits for a locked database before it is answered 503.",
        10.0,
    )

    @property
    def database(self) -> str:
        """The catalog's URL with the default filled in."""
        return self.database_url or f"sqlite:///{(self.home / 'registry.db').absolute()}"

    @property
    def ledger(self) -> str:
        """The ledger's URL or folder with the default filled in."""
        return self.ledger_url or str((self.home / "ledger").absolute())

    @property
    def storage_options(self) -> tuple[tuple[str, str], ...]:
        """Options of the object stores, as object_store names them; credentials are not among
        them, as the stores take those from the environment.
        """
        options: list[tuple[str, str]] = []
        if self.s3_endpoint:
            options.append(("aws_endpoint", self.s3_endpoint))
            if urlsplit(self.s3_endpoint).scheme == "http":
                options.append(("allow_http", "true"))
        if self.s3_region:
            options.append(("aws_region", self.s3_region))
        return tuple(options)

    @property
    def policy_folder(self) -> Path | None:
        """The operator's folder of policy files; None for the shipped one."""
        return Path(self.policies).expanduser() if self.policies else None

    @property
    def embedded(self) -> bool:
        """Whether the catalog is SQLite: one folder, one serving process."""
        return self.database.startswith("sqlite")


def load_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings: overrides (None is skipped), environment, file, defaults, in this order.

    Raises SettingsError, naming the variable, for a value that cannot be used.
    """
    variables = os.environ if environment is None else environment
    from_file = _read_file(variables)
    values: dict[str, object] = {}
    for item in fields(Settings):
        env = str(item.metadata["env"])
        if overrides.get(item.name) is not None:
            values[item.name] = overrides[item.name]
        elif env in variables:
            values[item.name] = _parse(variables[env], item.default, env)
        elif item.name in from_file:
            values[item.name] = _parse(from_file[item.name], item.default, f"{item.name} (file)")
    settings = Settings(**values)  # type: ignore[arg-type]  # parsed to the default's type above
    _check(settings)
    return settings


def _read_file(variables: Mapping[str, str]) -> dict[str, object]:
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
    unknown = sorted(set(content) - {item.name for item in fields(Settings)})
    if unknown:
        raise SettingsError(
            f"{path} sets {', '.join(unknown)}, which nobody reads.",
            remedy="Remove the key, or correct its spelling; docs/settings.md lists them all.",
        )
    return content


def _parse(raw: object, default: object, name: str) -> object:
    """Bring a raw value to the type of the default."""
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


def _check(settings: Settings) -> None:
    scheme = urlsplit(settings.database).scheme.split("+")[0]
    if scheme not in ("sqlite", "postgresql"):
        raise SettingsError(
            f"REGISTRY_DATABASE_URL has the scheme {scheme!r}; SQLite and PostgreSQL are known.",
            remedy="Write sqlite:////path/registry.db or postgresql+psycopg://user@host/name.",
        )
    if not 0 <= settings.port <= 65535:
        raise SettingsError(
            f"REGISTRY_PORT is {settings.port}; a port is 0 to 65535.",
            remedy="Choose a free port, such as 8400.",
        )
    for name in (
        "body_limit_bytes",
        "object_limit_bytes",
        "queue_limit",
        "group_limit",
        "lock_timeout_seconds",
    ):
        if getattr(settings, name) <= 0:
            raise SettingsError(
                f"The setting {name} is {getattr(settings, name)}; it must be above zero.",
                remedy="Remove it to get the default.",
            )
    for name, url in (("URL", settings.url), ("S3_ENDPOINT", settings.s3_endpoint)):
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise SettingsError(
                f"REGISTRY_{name} is {url!r}, which is no HTTP address.",
                remedy="Write http://host:8400 or https://host.",
            )
    _check_alerts(settings)
    folder = settings.policy_folder
    if folder is not None and not folder.is_dir():
        raise SettingsError(
            f"REGISTRY_POLICIES names {settings.policies}, and there is no such folder.",
            remedy="Make the folder, or unset the variable to get the shipped policies.",
        )
    if settings.sweep_engine not in ("threads", "ray"):
        raise SettingsError(
            f"REGISTRY_SWEEP_ENGINE is {settings.sweep_engine!r}; threads and ray are known.",
            remedy="Write threads, or ray where a Ray cluster may be used.",
        )


def _check_alerts(settings: Settings) -> None:
    if settings.alert_email and urlsplit(settings.smtp_url).scheme not in ("smtp", "smtps"):
        raise SettingsError(
            "REGISTRY_ALERT_EMAIL is set, and REGISTRY_SMTP_URL names no mail server.",
            remedy="Set REGISTRY_SMTP_URL, such as smtp://mail.example.org:587.",
        )
    if not settings.alert_webhook:
        return
    if urlsplit(settings.alert_webhook).scheme not in ("http", "https"):
        raise SettingsError(
            "REGISTRY_ALERT_WEBHOOK is no HTTP address.",
            remedy="Write https://host/path.",
        )
    try:
        secret = base64.b64decode(settings.alert_secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if not 24 <= len(secret) <= 64:
        raise SettingsError(
            "REGISTRY_ALERT_SECRET is no secret of 24 to 64 bytes in base64.",
            remedy="Set it to whsec_ and the output of: openssl rand -base64 32",
        )
