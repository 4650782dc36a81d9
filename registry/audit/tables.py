"""Rows of the audit log: the journal's entries, the tree over them, and what was signed of it.

`leaf_data` is SHA-256(salt ‖ document); the document holds payload, kind, actor and time
(`registry.audit.documents`). Salt and payload can be erased (set to NULL) and the tree, whose leaf
hash is SHA-256(0x00 ‖ leaf_data) (RFC 6962 §2.1), still verifies. `leaf_index` is NULL until the
sequencer gives the entry its place.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Moment, Sha256, table_of


class AuditEntry(SQLModel, table=True):
    """One fact about who did what, written in the transaction of the change."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index(None, "leaf_index", unique=True),
        # An entry and what it tells of have one moment, so one leads to the other.
        Index(None, "at"),
        # What the sequencer looks for, oldest first, however long the log is.
        Index(
            "ix_audit_entry_waiting",
            "id",
            sqlite_where=Column("leaf_index", BigInteger).is_(None),
            postgresql_where=Column("leaf_index", BigInteger).is_(None),
        ),
        {"sqlite_autoincrement": True},
    )
    id: int | None = Field(
        default=None, sa_column=Column(Counter, primary_key=True, autoincrement=True)
    )
    at: datetime = Field(sa_column=Column(Moment, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    actor: str = Field(sa_column=Column(Text, nullable=False))
    leaf_data: bytes = Field(sa_column=Column(Sha256, nullable=False))
    salt: bytes | None = Field(sa_column=Column(Sha256))
    payload: bytes | None = Field(sa_column=Column(LargeBinary))
    leaf_index: int | None = Field(default=None, sa_column=Column(BigInteger))


class AuditTile(SQLModel, table=True):
    """Up to 256 hashes of one level of the tree (`registry.audit.tiles`); it only grows."""

    __tablename__ = "audit_tile"
    level: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hashes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class AuditOrigin(SQLModel, table=True):
    """A name under which checkpoints are signed; the one with the greatest number is in use.

    There is a second one only where the log could not show that it grew out of what was signed
    under the first; `reason` says why.
    """

    __tablename__ = "audit_origin"
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    opened_at: datetime = Field(sa_column=Column(Moment, nullable=False))


class AuditCheckpoint(SQLModel, table=True):
    """The last checkpoint that was signed within each block of 4,096 entries."""

    __tablename__ = "audit_checkpoint"
    origin: int = Field(
        sa_column=Column(Integer, ForeignKey("audit_origin.number"), primary_key=True)
    )
    block: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    root: bytes = Field(sa_column=Column(Sha256, nullable=False))
    note: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(Moment, nullable=False))


ENTRY, TILE, ORIGIN, CHECKPOINT = (
    table_of(m) for m in (AuditEntry, AuditTile, AuditOrigin, AuditCheckpoint)
)
