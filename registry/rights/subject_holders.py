"""Where the tables of rights hold subject keys: every rotation moves these."""

from __future__ import annotations

from registry.keys.holders import HoldsSubjectKeys, SqlSubjectKeys
from registry.rights.tables import ConsentEvent, HoldItem, Restriction, Suppression
from registry.storage.columns import table_of
from registry.storage.database import Database


def rights_subject_keys(database: Database) -> list[HoldsSubjectKeys]:
    """One holder for each table with a subject key."""
    models = (ConsentEvent, HoldItem, Suppression, Restriction)
    return [SqlSubjectKeys(database, table_of(model)) for model in models]
