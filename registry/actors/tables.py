"""Rows of accounts, tokens, role bindings, requests for access, and projects."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Id16, Moment, Sha256


class Role(StrEnum):
    """The roles of the contracts; `administrator` is never implied by another."""

    ADMINISTRATOR = "administrator"
    STEWARD = "steward"
    DATA_OWNER = "data_owner"
    APPROVER = "approver"
    AUDITOR = "auditor"
    PIPELINE = "pipeline"
    VIEWER = "viewer"


class RequestState(StrEnum):
    """Where a request for access stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"


class ProjectMode(StrEnum):
    """How a project's policies act: count, warn, or withhold."""

    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"


class AccountKind(StrEnum):
    """A person logs in; a service holds tokens."""

    PERSON = "person"
    SERVICE = "service"


class Account(SQLModel, table=True):
    """Somebody or something that acts."""

    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("name"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Project(SQLModel, table=True):
    """A domain of access: a name, a mode, and claims on names."""

    __tablename__ = "project"
    __table_args__ = (UniqueConstraint("name"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    mode: str = Field(sa_column=Column(Text, nullable=False))
    strict: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class ProjectClaim(SQLModel, table=True):
    """What a project claims: a namespace glob, and optionally names that begin with a prefix."""

    __tablename__ = "project_claim"
    __table_args__ = (UniqueConstraint("project_id", "namespace_glob", "name_prefix"),)
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    project_id: str = Field(sa_column=Column(Text, ForeignKey("project.id"), nullable=False))
    namespace_glob: str = Field(sa_column=Column(Text, nullable=False))
    name_prefix: str = Field(sa_column=Column(Text, nullable=False))


class RoleBinding(SQLModel, table=True):
    """Who has which role in which project, until when (NULL: without end).

    `project_id` is a project's id, or `*` for every project. `scope_id` is empty, or the id of the
    dataset to whose lineage the role is confined, and `scope` its node id. `granted_by` is an
    account's id.
    """

    __tablename__ = "role_binding"
    __table_args__ = (UniqueConstraint("account_id", "project_id", "role", "scope_id"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), nullable=False))
    project_id: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    scope_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    granted_by: str = Field(sa_column=Column(Text, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(Moment))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class AccessRevision(SQLModel, table=True):
    """One row, counted up by whatever changes bindings or projects; every process polls it."""

    __tablename__ = "access_revision"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))


class AccessRequest(SQLModel, table=True):
    """Somebody asks for a role for a while; `binding_id` is what an approval gave."""

    __tablename__ = "access_request"
    __table_args__ = (
        Index(None, "state", "id"),
        CheckConstraint("state IN ('waiting', 'approved', 'denied')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name="decided"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), nullable=False))
    project_id: str = Field(sa_column=Column(Text, nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    scope_id: bytes = Field(sa_column=Column(Id16, nullable=False))
    scope: str = Field(sa_column=Column(Text, nullable=False))
    duration: str = Field(sa_column=Column(Text, nullable=False))
    why: str = Field(sa_column=Column(Text, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    asked_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    decided_at: datetime | None = Field(sa_column=Column(Moment))
    decided_by: str | None = Field(sa_column=Column(Text))
    note: str | None = Field(sa_column=Column(Text))
    binding_id: str | None = Field(sa_column=Column(Text))


class Token(SQLModel, table=True):
    """A bearer token, of which only the SHA-256 and the first characters are kept."""

    __tablename__ = "token"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "account_id"))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), nullable=False))
    project_id: str = Field(sa_column=Column(Text, ForeignKey("project.id"), nullable=False))
    digest: bytes = Field(sa_column=Column(Sha256, nullable=False))
    hint: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(Moment))
    revoked_at: datetime | None = Field(sa_column=Column(Moment))
    last_used_at: datetime | None = Field(sa_column=Column(Moment))
