"""What each page is made of: one frozen context for each template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class LogInPage:
    """Where people log in. `by_provider`: at the identity provider, else by name and password.

    `next_path`: where to go afterwards. `failure`: why the last attempt was not taken, or empty.
    """

    template: ClassVar[str] = "log-in.html"
    by_provider: bool
    next_path: str
    name: str = ""
    failure: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class SetUpPage:
    """Where the local administrator chooses a password. `known`: their name, if it is there."""

    template: ClassVar[str] = "set-up.html"
    link: str
    known: str
    name: str
    shortest: int
    failure: str = ""
    remedy: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class PasswordPage:
    """Where somebody who logs in here changes their password."""

    template: ClassVar[str] = "password.html"
    name: str
    csrf: str
    shortest: int
    failure: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class RolesInProject:
    """One line of the table of roles. `project`: a name, or a phrase for every one."""

    project: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HomePage:
    """Who is logged in, and as what."""

    template: ClassVar[str] = "home.html"
    name: str
    csrf: str
    roles: tuple[RolesInProject, ...]
    has_password: bool


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """A refusal, for people. `status`: of HTTP."""

    template: ClassVar[str] = "error.html"
    status: int
    title: str
    detail: str
    remedy: str
    code: str


Page = LogInPage | SetUpPage | PasswordPage | HomePage | ErrorPage
