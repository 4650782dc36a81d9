"""What travels about tokens and projects."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A request body: unknown members are refused, so that a misspelt one is not lost."""

    model_config = ConfigDict(extra="forbid")


class NewToken(Body):
    """Asks for a token. `expires` is an ISO 8601 duration from now, or null for no end."""

    name: str = Field(description="Name of the account; made if it is new.")
    roles: list[str]
    project: str = "default"
    expires: str | None = Field(default=None, description="ISO 8601 duration, such as P90D.")


class TokenShown(BaseModel):
    """A token without its secret."""

    id: str
    account: str
    project: str
    roles: list[str]
    hint: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenMade(TokenShown):
    """A token with its secret, which is shown this once."""

    token: str


class TokenList(BaseModel):
    """Every token, the newest first."""

    tokens: list[TokenShown]


class NewProject(Body):
    """Asks for a project."""

    name: str
    mode: str = "enforce"
    strict: bool = False


class ProjectChange(Body):
    """Changes a project; null leaves a thing as it is."""

    mode: str | None = None
    strict: bool | None = None


class NewClaim(Body):
    """Asks for a claim: a namespace glob (`*`, `?`) and optionally a prefix of names in it."""

    namespace: str
    name_prefix: str = ""


class ClaimShown(BaseModel):
    """A claim; `id` is what removes it."""

    id: int
    namespace: str
    name_prefix: str


class ProjectShown(BaseModel):
    """A project with its claims."""

    name: str
    mode: str
    strict: bool
    created_at: datetime
    claims: list[ClaimShown]


class ProjectList(BaseModel):
    """Every project by name."""

    projects: list[ProjectShown]
