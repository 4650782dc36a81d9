"""Rows of people: how they are known, their sessions, set-up links, and log-ins on their way.

No row holds a secret that opens something: of session ids, links and states only the SHA-256 rests
here, of passwords the argon2id hash, and whom an identity or a throttle is about is a keyed digest.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, Integer, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from registry.storage.columns import Moment, Sha256


class PersonIdentity(SQLModel, table=True):
    """Which account a person of the provider has. `pseudonym`: digest of issuer and subject."""

    __tablename__ = "person_identity"
    __table_args__ = (UniqueConstraint("account_id"),)
    pseudonym: bytes = Field(sa_column=Column(Sha256, primary_key=True))
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class ProviderBinding(SQLModel, table=True):
    """A role that an account holds by the word of the provider's groups."""

    __tablename__ = "provider_binding"
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), primary_key=True))
    project_id: str = Field(sa_column=Column(Text, primary_key=True))
    role: str = Field(sa_column=Column(Text, primary_key=True))


class LocalPassword(SQLModel, table=True):
    """The password of a person who logs in here; `encoded` is argon2id in the PHC form."""

    __tablename__ = "local_password"
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), primary_key=True))
    encoded: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class SetupLink(SQLModel, table=True):
    """A link that sets the local administrator's password, once."""

    __tablename__ = "setup_link"
    digest: bytes = Field(sa_column=Column(Sha256, primary_key=True))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class WebSession(SQLModel, table=True):
    """A browser that is logged in. It ends at `expires_at`, when it idles, or when it is ended."""

    __tablename__ = "web_session"
    __table_args__ = (
        UniqueConstraint("digest"),
        Index(None, "account_id"),
        Index(None, "expires_at"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    account_id: str = Field(sa_column=Column(Text, ForeignKey("account.id"), nullable=False))
    digest: bytes = Field(sa_column=Column(Sha256, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    seen_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class LogInState(SQLModel, table=True):
    """A log-in that went to the provider and is not back yet; gone with its first use.

    `digest` is of the state, `browser` of the cookie that the same browser has to bring back.
    """

    __tablename__ = "log_in_state"
    __table_args__ = (Index(None, "expires_at"),)
    digest: bytes = Field(sa_column=Column(Sha256, primary_key=True))
    browser: bytes = Field(sa_column=Column(Sha256, nullable=False))
    next_path: str = Field(sa_column=Column(Text, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class LogInThrottle(SQLModel, table=True):
    """How often log-ins failed under a name or from an address (`key`, a keyed digest of it)."""

    __tablename__ = "log_in_throttle"
    __table_args__ = (Index(None, "last_at"),)
    key: bytes = Field(sa_column=Column(Sha256, primary_key=True))
    failures: int = Field(sa_column=Column(Integer, nullable=False))
    last_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    blocked_until: datetime = Field(sa_column=Column(Moment, nullable=False))
