"""Rows of accounts, tokens, role bindings and projects."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, Integer, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Moment, Sha256


class Role(StrEnum):
    """The roles of the contracts; `administrator` is never implied by another."""

    ADMINISTRATOR = "administrator"
    STEWARD = "steward"
    DATA_OWNER = "data_owner"
    APPROVER = "approver"
    AUDITOR = "auditor"
    PIPELINE = "pipeline"
    VIEWER = "viewer"


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
    """Who has which role in which project, until when (NULL: without end)."""

    __tablename__ = "role_binding"
    __table_args__ = (UniqueConstraint("account_id", "project_id", "role"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), nullable=False))
    project_id: str = Field(sa_column=Column(Text, ForeignKey("project.id"), nullable=False))
    role: str = Field(sa_column=Column(Text, nullable=False))
    expires_at: datetime | None = Field(sa_column=Column(Moment))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))


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
