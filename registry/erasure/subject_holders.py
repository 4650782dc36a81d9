"""Where cases hold subject keys: every rotation moves these."""

from __future__ import annotations

from registry.erasure.tables import ErasureIdentifier
from registry.keys.holders import HoldsSubjectKeys, SqlSubjectKeys
from registry.ledger.tables import SubjectScan
from registry.storage.columns import table_of
from registry.storage.database import Database


def erasure_subject_keys(database: Database) -> list[HoldsSubjectKeys]:
    """One holder for each table with a subject key."""
    models = (ErasureIdentifier, SubjectScan)
    return [SqlSubjectKeys(database, table_of(model)) for model in models]
