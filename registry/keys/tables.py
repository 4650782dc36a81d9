"""Rows of the keyring: key versions by purpose, record keys, and what the master key is held to.

None of these tables goes into a backup (`NOT_IN_BACKUPS`): a backup with its keys could be read
again after the keys were destroyed. The row of a destroyed key stays, without the key; these rows
are the list that a restore replays (`registry.keys.destruction`).
"""

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
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from registry.storage.columns import Moment, table_of


class Purpose(StrEnum):
    """What a key is for; no key serves two purposes.

    `root`: identifiers become pseudonyms under it, for ever. `subject`: pseudonyms become subject
    keys; rotates without the person. `digest`: keyed content digests, for ever. `data`: wraps
    record keys; rotates by wrapping them anew. `signing`: Ed25519; its public half outlives it.
    """

    ROOT = "root"
    SUBJECT = "subject"
    DIGEST = "digest"
    DATA = "data"
    SIGNING = "signing"


class KeyState(StrEnum):
    """Where a version stands: written and read under, only read under, gone."""

    ACTIVE = "active"
    RETIRING = "retiring"
    DESTROYED = "destroyed"


class KeyringHead(SQLModel, table=True):
    """The one row that says which master key belongs to this database.

    `check_value` is a constant sealed under the master key; `revision` counts the changes of the
    other rows, so that every process notices them; changing it is also the turn to change them.
    """

    __tablename__ = "keyring"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)
    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    check_value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class KeyVersion(SQLModel, table=True):
    """One version of the key of a purpose, sealed under the master key until it is destroyed.

    `public_key`: 32 bytes, of signing keys only; kept for ever, because signatures are.
    """

    __tablename__ = "key_version"
    __table_args__ = (
        UniqueConstraint("purpose", "version"),
        Index(
            "uq_key_version_active",
            "purpose",
            unique=True,
            sqlite_where=Column("state", Text) == "active",
            postgresql_where=Column("state", Text) == "active",
        ),
        CheckConstraint("version BETWEEN 1 AND 65535", name="version"),
        CheckConstraint("state IN ('active', 'retiring', 'destroyed')", name="state"),
        CheckConstraint("(state = 'destroyed') = (wrapped IS NULL)", name="wrapped"),
        CheckConstraint("(state = 'destroyed') = (destroyed_at IS NOT NULL)", name="destroyed_at"),
        CheckConstraint("(purpose = 'signing') = (public_key IS NOT NULL)", name="public_key"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    purpose: str = Field(sa_column=Column(Text, nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    wrapped: bytes | None = Field(sa_column=Column(LargeBinary))
    public_key: bytes | None = Field(sa_column=Column(LargeBinary(32)))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    destroyed_at: datetime | None = Field(sa_column=Column(Moment))


class RecordKey(SQLModel, table=True):
    """The key of one record's sealed values, itself sealed under a version of the data key.

    Destroying it is crypto-shredding: what it sealed, wherever a copy lies, can never be read.
    """

    __tablename__ = "record_key"
    __table_args__ = (
        Index(None, "wrapped_by"),
        CheckConstraint("(destroyed_at IS NULL) = (wrapped IS NOT NULL)", name="wrapped"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    wrapped_by: str = Field(sa_column=Column(Text, ForeignKey("key_version.id"), nullable=False))
    wrapped: bytes | None = Field(sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    destroyed_at: datetime | None = Field(sa_column=Column(Moment))


KEYRING, KEY_VERSION, RECORD_KEY = (table_of(m) for m in (KeyringHead, KeyVersion, RecordKey))
NOT_IN_BACKUPS = (KEYRING, KEY_VERSION, RECORD_KEY)
