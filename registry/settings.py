"""What an operator may set, read once at the start and passed on as one frozen value.

Rules:
1. The environment wins over `registry.toml` (in the working folder, or where REGISTRY_CONFIG
   points); the file wins over the defaults. Keys of the file are the field names.
2. A value that cannot be used, or a key nobody knows, stops the start and says which.
3. Secrets are never printed: `repr` leaves them out.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from registry.errors import SettingsError
from registry.setting_values import parse_setting, read_settings_file

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# Signatures by a key that only the provider has: neither `none` nor the shared secrets of HS256.
_SIGNATURES = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"EdDSA"}


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
    credentials_file: str = _setting(
        "REGISTRY_CREDENTIALS_FILE",
        "TOML or JSON file, readable by its owner alone, with named credentials of other systems.",
        "",
    )
    private_networks: tuple[str, ...] = _setting(
        "REGISTRY_PRIVATE_NETWORKS",
        "Private networks, separated by commas, that webhooks of erasure may go to.",
        (),
    )
    erase_together_seconds: int = _setting(
        "REGISTRY_ERASE_TOGETHER_SECONDS",
        "How long work on the files of a request waits for others that touch the same files.",
        0,
    )
    oidc_issuer: str = _setting(
        "REGISTRY_OIDC_ISSUER",
        "Issuer URL of the OpenID provider where people log in. Empty: a local administrator.",
        "",
    )
    oidc_client_id: str = _setting(
        "REGISTRY_OIDC_CLIENT_ID", "Client id of this registry at the provider.", ""
    )
    oidc_client_secret: str = _setting(
        "REGISTRY_OIDC_CLIENT_SECRET",
        "Its client secret. Empty: the next setting, else a public client.",
        "",
        secret=True,
    )
    oidc_client_secret_file: str = _setting(
        "REGISTRY_OIDC_CLIENT_SECRET_FILE", "File that holds the client secret instead.", ""
    )
    oidc_algorithms: tuple[str, ...] = _setting(
        "REGISTRY_OIDC_ALGORITHMS",
        "Signatures taken on id tokens, separated by commas. Empty: RS256 and ES256.",
        (),
    )
    oidc_scopes: tuple[str, ...] = _setting(
        "REGISTRY_OIDC_SCOPES",
        "Scopes asked for, separated by commas. Empty: openid and profile.",
        (),
    )
    oidc_group_claim: str = _setting(
        "REGISTRY_OIDC_GROUP_CLAIM", "Claim of the id token that lists a person's groups.", "groups"
    )
    oidc_name_claim: str = _setting(
        "REGISTRY_OIDC_NAME_CLAIM",
        "Claim that names a person's account here.",
        "preferred_username",
    )
    oidc_groups: tuple[str, ...] = _setting(
        "REGISTRY_OIDC_GROUPS",
        "Roles that groups give, each ROLE@PROJECT=GROUP, separated by commas.",
        (),
    )
    session_idle_minutes: int = _setting(
        "REGISTRY_SESSION_IDLE_MINUTES", "A session that nobody uses ends after this time.", 30
    )
    session_hours: int = _setting(
        "REGISTRY_SESSION_HOURS", "Every session ends this long after its log-in.", 12
    )
    tls_certificate: str = _setting(
        "REGISTRY_TLS_CERTIFICATE",
        "PEM file with the server's certificate chain, for TLS without a proxy.",
        "",
    )
    tls_key: str = _setting("REGISTRY_TLS_KEY", "PEM file with the key of the certificate.", "")
    trusted_proxies: tuple[str, ...] = _setting(
        "REGISTRY_TRUSTED_PROXIES",
        "Addresses and networks, separated by commas, whose X-Forwarded headers are believed.",
        (),
    )
    allow_plain_http: bool = _setting(
        "REGISTRY_ALLOW_PLAIN_HTTP",
        "Take tokens, sessions and passwords without TLS from other machines, too.",
        False,
    )
    policies: str = _setting(
        "REGISTRY_POLICIES", "Folder of your own policy files; what it lacks is shipped.", ""
    )
    alert_webhook: str = _setting(
        "REGISTRY_ALERT_WEBHOOK", "Where violations are posted to (Standard Webhooks).", ""
    )
    alert_secret: str = _setting(
        "REGISTRY_ALERT_SECRET", "Signs webhooks: `whsec_` and base64.", "", secret=True
    )
    alert_email: str = _setting(
        "REGISTRY_ALERT_EMAIL", "Whom violations are mailed to, separated by commas.", ""
    )
    ticket_secret: str = _setting(
        "REGISTRY_TICKET_SECRET",
        "Signs tickets that become requests of people: `whsec_` and base64. Empty: none are taken.",
        "",
        secret=True,
    )
    ticket_account: str = _setting(
        "REGISTRY_TICKET_ACCOUNT",
        "Account that tickets are filed as; a data owner of the project below.",
        "tickets",
    )
    ticket_project: str = _setting(
        "REGISTRY_TICKET_PROJECT", "Project that tickets are filed in.", "default"
    )
    smtp_url: str = _setting(
        "REGISTRY_SMTP_URL", "`smtp://[USER:PASSWORD@]HOST:PORT`, or `smtps://`.", "", secret=True
    )
    backup_retention: str = _setting(
        "REGISTRY_BACKUP_RETENTION", "How long a backup is kept, as ISO 8601.", "P90D"
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
        "REGISTRY_QUEUE_LIMIT", "Events that may wait for the writer; more get a 503.", 20_000
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
    def tls(self) -> bool:
        """Whether this server itself speaks TLS."""
        return bool(self.tls_certificate)

    @property
    def embedded(self) -> bool:
        """Whether the catalog is SQLite: one folder, one serving process."""
        return self.database.startswith("sqlite")


def load_settings(environment: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Read the settings: overrides (None is skipped), environment, file, defaults, in this order.

    Raises SettingsError, naming the variable, for a value that cannot be used.
    """
    variables = os.environ if environment is None else environment
    from_file = read_settings_file(variables, {item.name for item in fields(Settings)})
    values: dict[str, object] = {}
    for item in fields(Settings):
        env = str(item.metadata["env"])
        if overrides.get(item.name) is not None:
            values[item.name] = overrides[item.name]
        elif env in variables:
            values[item.name] = parse_setting(variables[env], item.default, env)
        elif item.name in from_file:
            values[item.name] = parse_setting(
                from_file[item.name], item.default, f"{item.name} (file)"
            )
    settings = Settings(**values)  # type: ignore[arg-type]  # parsed to the default's type above
    _check(settings)
    return settings


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
        "session_idle_minutes",
        "session_hours",
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
    if settings.sweep_engine not in ("threads", "ray"):
        raise SettingsError(
            f"REGISTRY_SWEEP_ENGINE is {settings.sweep_engine!r}; threads and ray are known.",
            remedy="Write threads, or ray where a Ray cluster may be used.",
        )
    if not 0 <= settings.erase_together_seconds <= 86_400:
        raise SettingsError(
            f"REGISTRY_ERASE_TOGETHER_SECONDS is {settings.erase_together_seconds}; it is 0 to a "
            "day (86400).",
            remedy="Choose some minutes: requests wait that long before files are touched.",
        )
    _check_transport(settings)
    _check_provider(settings)


def _check_transport(settings: Settings) -> None:
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError(
            "TLS needs a certificate and its key, and one of the two is not set.",
            remedy="Set REGISTRY_TLS_CERTIFICATE and REGISTRY_TLS_KEY, or neither.",
        )
    for name in ("trusted_proxies", "private_networks"):
        for network in getattr(settings, name):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError as error:
                raise SettingsError(
                    f"REGISTRY_{name.upper()} names {network[:80]!r}, which is no address or "
                    "network.",
                    remedy="Write addresses such as 10.0.0.7 or networks such as 10.0.0.0/24.",
                ) from error


def _check_provider(settings: Settings) -> None:
    if not settings.oidc_issuer:
        return
    issuer = urlsplit(settings.oidc_issuer)
    if issuer.scheme != "https" and not (
        issuer.scheme == "http" and issuer.hostname in _LOOPBACK_NAMES
    ):
        raise SettingsError(
            f"REGISTRY_OIDC_ISSUER is {settings.oidc_issuer[:200]!r}, which is not https.",
            remedy="Write the issuer as the provider does; only on this machine may it be http.",
        )
    if not settings.oidc_client_id:
        raise SettingsError(
            "REGISTRY_OIDC_ISSUER is set and REGISTRY_OIDC_CLIENT_ID is not.",
            remedy="Register this registry at the provider, and set the client id it gives.",
        )
    wrong = sorted(set(settings.oidc_algorithms) - _SIGNATURES)
    if wrong:
        raise SettingsError(
            f"REGISTRY_OIDC_ALGORITHMS names {', '.join(wrong)[:80]}.",
            remedy=f"Choose from: {', '.join(sorted(_SIGNATURES))}.",
        )
