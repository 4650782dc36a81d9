"""Which tables a judgement follows from, and how changes of their rows are noticed.

Rules:
1. Every table that `gather` and what it calls read is named here: in `WATCHED`, or in `CONSTANT`
   with the reason why none of its changes can alter an answer. A test looks at what is really read.
2. Who adds such a table adds its `Watch` here and the same in the migration that makes the table
   (`registry.storage.revisions.watch`). Where triggers are missing nothing is kept at all.
"""

from __future__ import annotations

from registry.storage.revisions import Area, Verb, Watch

_UPDATE_DELETE = (Verb.UPDATE, Verb.DELETE)

WATCHED: tuple[Watch, ...] = (
    # What was said by and about persons. A rotation moves keys; a key more is one to look under.
    Watch("consent_event", Area.PEOPLE),
    Watch("suppression", Area.PEOPLE),
    Watch("restriction", Area.PEOPLE),
    Watch("hold", Area.PEOPLE),
    Watch("hold_item", Area.PEOPLE),
    Watch("key_version", Area.PEOPLE),
    # What people found, and the register.
    Watch("verification", Area.DATA),
    Watch("processing_activity", Area.DATA),
    # Batches: what was said of them, what is bound to them, and what they were made from.
    Watch("batch", Area.DATA),
    Watch("batch_binding", Area.DATA),
    Watch("batch_hole", Area.DATA),
    Watch("map_binding", Area.DATA),
    Watch("map_input", Area.DATA),
    Watch("batch_sum", Area.DATA, when="{row}.dimension IN ('license', 'total')"),
    Watch("ledger_object", Area.DATA, columns=("id", "subjects")),
    Watch(
        "dataset_facet",
        Area.DATA,
        when="{row}.name IN ('registry_rights', 'datasetType')",
        differs=("dataset_id", "name", "payload"),
    ),
    # A name more or less of a dataset; which of several it goes by makes no difference to a hold.
    Watch("symlink", Area.DATA, columns=("dataset_id", "alias_id"), by_row=True),
    # Runs that wrote no batch are most of them, and nothing is judged by what they read.
    Watch(
        "scope_dataset",
        Area.DATA,
        columns=("scope_id", "direction", "dataset_id"),
        when="{row}.direction = 'input'",
        of_run="scope_id",
    ),
    Watch("run_read", Area.DATA, columns=("run_id", "dataset_id", "number"), of_run="run_id"),
    # Allotted once and never changed; a row more says nothing about those there are.
    Watch("batch_number", Area.DATA, _UPDATE_DELETE),
    Watch("dataset_version", Area.DATA, _UPDATE_DELETE),
    Watch("version_batch", Area.DATA, _UPDATE_DELETE),
    Watch("dataset", Area.DATA, _UPDATE_DELETE, columns=("id", "namespace", "name"), by_row=True),
)

#: Tables that are read and need no watch, with the reason.
CONSTANT: dict[str, str] = {
    "run": "names the job of a batch, by which nothing is decided",
    "job": "the same",
    "keyring": "how often keys changed; the versions that are in use are compared themselves",
    "fact_revision": "the tokens themselves",
}
