"""What can go wrong, as one tree; nothing here knows HTTP or the command line.

    RegistryError
    ├── InvalidInputError          the caller sent something that cannot be taken
    │   ├── MalformedEventError        not JSON, or not an OpenLineage event
    │   ├── BodyTooLargeError          more bytes than the setting allows
    │   └── UnsupportedEncodingError   a Content-Encoding nobody here reads
    ├── NotFoundError              no such thing, or none that the actor may see
    │   └── ErasedError                an example that was erased
    ├── ConflictError              the state of a thing does not permit this
    ├── UnauthenticatedError       no token, or none that is valid
    │   └── LogInError                 a log-in that is not taken
    ├── ForbiddenError             an actor who may not do this
    │   ├── InsecureTransportError     a secret that came in the clear
    │   └── ForgedRequestError         a change that another site asked for
    ├── KeyDestroyedError          what is sealed under a destroyed key stays sealed
    ├── TamperedError              sealed bytes that were changed, or moved to another place
    ├── NotVerifiedError           a proof, signature or log that does not hold
    ├── UnavailableError           cannot be done now; the same call may succeed later
    │   ├── OverloadedError            the queue is full
    │   ├── StorageUnavailableError    database locked, disk full, server gone
    │   ├── ProviderError              the OpenID provider does not answer
    │   └── ThrottledError             too many log-ins failed
    └── SetupError                 the installation is not fit to start
        ├── SettingsError              a setting that cannot be used
        ├── PolicyError                a policy file that cannot be read
        ├── TemplateError              a template of a document that cannot be filled
        ├── MasterKeyError             the master key is lost, or is another one
        ├── SchemaOutdatedError        the database needs `registry db upgrade`
        └── HomeInUseError             another process serves this home

Rules:
1. Each class has a stable `code` (lower_snake); renaming one is a breaking change.
2. A message names the thing and the two values that disagree; `remedy` says what to do.
3. `path` is the JSON path or parameter the message is about, or None where there is none.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar


class RegistryError(Exception):
    """The root of the tree. Not raised itself."""

    code: ClassVar[str] = "registry_error"

    def __init__(self, detail: str, *, remedy: str, path: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.path = path

    def __str__(self) -> str:
        where = f" (at {self.path})" if self.path else ""
        return f"{self.detail}{where} {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        """How an error travels to another process, which an exception with keywords cannot."""
        made = partial(type(self), remedy=self.remedy, path=self.path)
        return made, (self.detail,)


class InvalidInputError(RegistryError):
    """The caller sent something that cannot be taken as it is."""

    code = "invalid_input"


class MalformedEventError(InvalidInputError):
    """The bytes are not JSON, or the JSON is not an OpenLineage event."""

    code = "malformed_event"


class BodyTooLargeError(InvalidInputError):
    """The body, or what it unpacks to, is larger than the setting allows."""

    code = "body_too_large"


class UnsupportedEncodingError(InvalidInputError):
    """The body has a Content-Encoding or Content-Type that is not read here."""

    code = "unsupported_encoding"


class NotFoundError(RegistryError):
    """There is no such thing, or none that the actor may see."""

    code = "not_found"


class ErasedError(NotFoundError):
    """The example was there and was erased: nothing of it is kept but its place."""

    code = "example_erased"


class ConflictError(RegistryError):
    """The thing exists, but its state does not permit what was asked."""

    code = "conflict"


class UnauthenticatedError(RegistryError):
    """No bearer token, or one that is malformed, unknown, expired or revoked."""

    code = "unauthenticated"


class LogInError(UnauthenticatedError):
    """Name and password, set-up link, or the provider's answer are not those of a log-in."""

    code = "log_in_refused"


class ForbiddenError(RegistryError):
    """A known actor asks for something they may not do."""

    code = "forbidden"


class InsecureTransportError(ForbiddenError):
    """A token, session or password came without TLS from another machine."""

    code = "insecure_transport"


class ForgedRequestError(ForbiddenError):
    """A change by a session came without its CSRF token, or from another site."""

    code = "forged_request"


class KeyDestroyedError(RegistryError):
    """The key was destroyed on purpose, so what it sealed can never be read again."""

    code = "key_destroyed"


class TamperedError(RegistryError):
    """Sealed bytes do not open: they were changed, or belong to another place."""

    code = "tampered"


class NotVerifiedError(RegistryError):
    """A proof, a signature or a log was checked, and does not hold."""

    code = "not_verified"


class UnavailableError(RegistryError):
    """Cannot be done now; `retry_after_seconds` says when to try again (0: nobody said)."""

    code = "unavailable"
    retry_after_seconds: int = 1


class OverloadedError(UnavailableError):
    """More work waits than the bounded queue takes."""

    code = "overloaded"


class StorageUnavailableError(UnavailableError):
    """The database is locked, full or gone; nothing of the request was kept."""

    code = "storage_unavailable"
    retry_after_seconds = 2


class ProviderError(UnavailableError):
    """The OpenID provider does not answer, or not as one."""

    code = "provider_unavailable"
    retry_after_seconds = 10


class ThrottledError(UnavailableError):
    """Too many log-ins failed under this name or from this address; wait."""

    code = "too_many_attempts"

    def __init__(
        self, detail: str, *, remedy: str, path: str | None = None, retry_after_seconds: int = 60
    ) -> None:
        super().__init__(detail, remedy=remedy, path=path)
        self.retry_after_seconds = retry_after_seconds


class SetupError(RegistryError):
    """The installation is not fit to start."""

    code = "setup_error"


class SettingsError(SetupError):
    """A setting is missing or cannot be used."""

    code = "settings_error"


class PolicyError(SetupError):
    """A policy file is missing, or a line of it cannot be taken; the message names the line."""

    code = "policy_error"


class TemplateError(SetupError):
    """A template of a document cannot be filled; the message names template and line."""

    code = "template_error"


class MasterKeyError(SetupError):
    """The master key is lost, or is not the one that this registry's keys are wrapped under."""

    code = "master_key_error"


class SchemaOutdatedError(SetupError):
    """The schema of the database is not the one this program needs."""

    code = "schema_outdated"


class HomeInUseError(SetupError):
    """Another process serves this home, and what was asked needs it alone."""

    code = "home_in_use"
