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


class SetupLinkMade(BaseModel):
    """A set-up link, which is shown this once. `url` is null where nobody set a public URL."""

    path: str
    url: str | None
    expires_at: datetime


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


class DatasetScope(Body):
    """The dataset or model to whose lineage a role is confined."""

    namespace: str
    name: str


class NewBinding(Body):
    """Gives a role to an account. `expires` is an ISO 8601 duration from now, or null for no end.

    With a `scope` the role is confined to that dataset's lineage, across projects, and has an end.
    """

    account: str
    role: str
    project: str | None = Field(default=None, description="A project, or * for every one.")
    expires: str | None = Field(default=None, description="ISO 8601 duration, such as P90D.")
    scope: DatasetScope | None = None


class BindingShown(BaseModel):
    """Who has which role where, until when, and by whom it was given (an account id)."""

    id: str
    account: str
    role: str
    project: str
    scope: str | None = Field(description="Node id of the dataset whose lineage it is for.")
    granted_by: str
    created_at: datetime
    expires_at: datetime | None


class BindingList(BaseModel):
    """The bindings, by account, project and role."""

    bindings: list[BindingShown]


class NewAccessRequest(Body):
    """Asks for a role for a while. `for` is an ISO 8601 duration from the approval on."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    role: str
    why: str
    duration: str = Field(alias="for", description="ISO 8601 duration, such as P7D.")
    project: str | None = Field(default=None, description="A project, or * for every one.")
    scope: DatasetScope | None = None


class AccessDenial(Body):
    """Why a request is denied."""

    why: str


class AccessRequestShown(BaseModel):
    """A request for access and what became of it."""

    id: str
    account: str
    role: str
    project: str
    scope: str | None
    duration: str = Field(serialization_alias="for")
    why: str
    state: str
    asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    note: str | None
    binding: str | None = Field(description="The binding that an approval gave.")


class AccessRequestList(BaseModel):
    """Requests, the newest first: the actor's own, and those that are theirs to decide."""

    requests: list[AccessRequestShown]
    total_count: int = Field(serialization_alias="totalCount")
