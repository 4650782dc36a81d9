"""Rows about backups: which exist and until when, and whether this database is being restored."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Moment, Sha256, table_of


class BackupKind(StrEnum):
    """What a backup holds: catalog and ledger, or the sealed keys."""

    DATA = "data"
    KEYS = "keys"


class Backup(SQLModel, table=True):
    """A backup that was made. What was erased after `made_at` may be in it until `expires_at`.

    `digest` and `size_bytes`: of the file as it was written.
    """

    __tablename__ = "backup"
    __table_args__ = (
        Index(None, "expires_at"),
        CheckConstraint("kind IN ('data', 'keys')", name="kind"),
    )
    id: str = Field(sa_column=Column(Text, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    label: str | None = Field(sa_column=Column(Text))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    expires_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    digest: bytes = Field(sa_column=Column(Sha256, nullable=False))
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    recorded_by: str = Field(sa_column=Column(Text, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class Restoration(SQLModel, table=True):
    """This database came from a backup. Nothing is answered before `finished_at` is set.

    `made_at`: the moment that the backup shows. `erasures`: where the list of erasures lies; NULL
    where an administrator said that nothing was erased since, and no list was replayed.
    """

    __tablename__ = "restoration"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    backup_id: str = Field(sa_column=Column(Text, nullable=False))
    archive_digest: bytes = Field(sa_column=Column(Sha256, nullable=False))
    made_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    began_at: datetime = Field(sa_column=Column(Moment, nullable=False))
    erasures: str | None = Field(sa_column=Column(Text))
    replayed: int | None = Field(sa_column=Column(BigInteger))
    finished_at: datetime | None = Field(sa_column=Column(Moment))


BACKUP, RESTORATION = table_of(Backup), table_of(Restoration)
