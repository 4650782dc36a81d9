"""Rows of the audit journal.

`leaf_data` is SHA-256(salt ‖ payload). Salt and payload can be erased (set to NULL) and the tree,
whose leaf hash is SHA-256(0x00 ‖ leaf_data) (RFC 6962 §2.1), still verifies. `leaf_index` is NULL
until the sequencer gives the entry its place.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from registry.storage.columns import Counter, Moment, Sha256


class AuditEntry(SQLModel, table=True):
    """One fact about who did what, written in the transaction of the change."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index(None, "leaf_index", unique=True),
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
