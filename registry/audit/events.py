"""The closed vocabulary of the audit journal: every kind of entry there is.

Retired kinds stay, with a note, because old entries carry them.
"""

from __future__ import annotations

from enum import StrEnum


class EntryKind(StrEnum):
    """`noun.noun.verb`, in the past tense."""

    LINEAGE_EVENT_RECEIVED = "lineage.event.received"
    LINEAGE_EVENT_QUARANTINED = "lineage.event.quarantined"
    LINEAGE_EVENT_RELEASED = "lineage.event.released"
    LINEAGE_EVENT_REJECTED = "lineage.event.rejected"
    CATALOG_REBUILT = "catalog.projection.rebuilt"
    ACCOUNT_CREATED = "actors.account.created"
    TOKEN_CREATED = "actors.token.created"  # noqa: S105 - a kind, no secret
    TOKEN_REVOKED = "actors.token.revoked"  # noqa: S105 - a kind, no secret
    PROJECT_CREATED = "actors.project.created"
    PROJECT_CHANGED = "actors.project.changed"
    PROJECT_CLAIM_ADDED = "actors.claim.added"
    PROJECT_CLAIM_REMOVED = "actors.claim.removed"
    SESSION_STARTED = "actors.session.started"
    SESSION_REFUSED = "actors.session.refused"
    SESSION_ENDED = "actors.session.ended"
    SESSIONS_ENDED = "actors.sessions.ended"
    PASSWORD_CHANGED = "actors.password.changed"  # noqa: S105 - a kind, no secret
    SETUP_OFFERED = "actors.setup.offered"
    SETUP_DONE = "actors.setup.done"
    PROVIDER_ROLES_CHANGED = "actors.roles.changed"
    BINDING_ADDED = "actors.binding.added"
    BINDING_REMOVED = "actors.binding.removed"
    ACCESS_REQUESTED = "actors.access.requested"
    ACCESS_APPROVED = "actors.access.approved"
    ACCESS_DENIED = "actors.access.denied"
    ACTION_REFUSED = "policy.action.refused"
    NAMES_REASSIGNED = "catalog.names.reassigned"
    KEY_CREATED = "keys.key.created"
    KEY_ROTATED = "keys.key.rotated"
    KEY_DESTROYED = "keys.key.destroyed"
    KEY_USES_MOVED = "keys.uses.moved"
    OBJECT_FETCHED = "ledger.object.fetched"
    OBJECTS_EXPIRED = "ledger.objects.expired"
    EXAMPLE_TRACED = "ledger.example.traced"
    SAMPLE_DRAWN = "ledger.sample.drawn"
    SUBJECT_LOCATED = "ledger.subject.located"
    TASK_DIED = "workers.task.died"
    ORIGIN_OPENED = "audit.origin.opened"
    PAYLOAD_REDACTED = "audit.payload.redacted"
    ENTRIES_READ = "audit.entries.read"
