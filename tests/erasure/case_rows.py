"""Rows of cases for tests that need no request by HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session

from registry.erasure.lifecycle import RequestState
from registry.erasure.tables import ErasurePlan, ErasureRequest
from registry.ids import fresh_id
from registry.storage.columns import table_of

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def insert_request(session: Session, **said: Any) -> str:
    """A request of somebody whose identity is known; its id."""
    row = {
        "id": fresh_id(),
        "project_id": "p",
        "right": "erasure",
        "regime": "gdpr",
        "channel": "mail",
        "state": RequestState.APPROVED.value,
        "received_at": NOW,
        "filed_by": "owner",
        "filed_at": NOW,
        "identity": "authenticated",
        "record_key": "k",
        "due_on": "2026-04-02",
        "due_because": "one month",
        "paused_days": 0,
    } | said
    session.execute(insert(table_of(ErasureRequest)).values(row))
    return str(row["id"])


def insert_plan(session: Session, request_id: str, **said: Any) -> str:
    """A plan of a request; its id."""
    row = {
        "id": fresh_id(),
        "request_id": request_id,
        "revision": 1,
        "digest": bytes(32),
        "document": "{}",
        "policy": "sha256:" + "0" * 64,
        "made_by": "owner",
        "made_at": NOW,
    } | said
    session.execute(insert(table_of(ErasurePlan)).values(row))
    return str(row["id"])
