"""Rewrites an object without the examples that were turned away when a batch was bound to it.

Rules (the governance page, case 9; DESIGN §1.5):
1. A row that goes leaves a hole: the others keep their ordinals. Its links to people go whole.
2. The rewritten object takes the place of the old one, which goes, unless another batch is bound to
   that: whether its examples may go is for who erases in it to say.
3. What is sent again under the same digest is taken in anew, not taken to be here: what may come in
   is asked again then.
4. New parts are written before the transaction that names them, and old ones are dropped after it.
   What a crash leaves in between has no row, and expires.
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sqlalchemy import delete, insert, select, update
from sqlmodel import Session

from registry.errors import ConflictError
from registry.ids import fresh_id
from registry.ledger.door import NOBODY, Ordinals, without
from registry.ledger.expire import object_name
from registry.ledger.holes import Holes
from registry.ledger.plan import FoundObject
from registry.ledger.tables import BatchBinding, LedgerObject
from registry.ledger.uploads import KEPT_EXAMPLES, KEPT_SUBJECTS
from registry.storage.columns import table_of
from registry.storage.objects import Objects
from registry.storage.temporary import writing_temporary

_AT_ONCE = 65_536
_object, _binding = table_of(LedgerObject), table_of(BatchBinding)


def strip_object(objects: Objects, old: FoundObject, away: Ordinals) -> FoundObject:
    """Write an examples object without the rows in `away`, under an id of its own.

    Effects: two files of the store. Cost: one pass over the object.
    """
    new = fresh_id()
    with writing_temporary(), tempfile.TemporaryDirectory(prefix="registry-strip-") as folder:
        rows, links = Path(folder) / "examples.parquet", Path(folder) / "subjects.parquet"
        _strip(objects, object_name(old.id, "examples"), rows, away)
        subjects = _strip(objects, object_name(old.id, "subjects"), links, away)
        objects.put_file(object_name(new, "examples"), rows)
        objects.put_file(object_name(new, "subjects"), links)
    return replace(old, id=new, subjects=subjects, turned_away=Holes(away).to_bytes())


def gone_already(examples: FoundObject) -> Ordinals:
    """The ordinals of an object that were turned away when another batch was bound to it; sorted.

    They are none of the new batch's, too.
    """
    packed = examples.turned_away
    return NOBODY if packed is None else Holes.from_bytes(packed).ordinals()


def _strip(objects: Objects, name: str, target: Path, away: Ordinals) -> int:
    """Write one part without what is of `away`; how many rows it has."""
    source = objects.open(name)
    first = count = 0
    with pq.ParquetFile(source, memory_map=isinstance(source, str)) as file:
        has_ordinals = "ordinal" in file.schema_arrow.names
        schema = KEPT_SUBJECTS if has_ordinals else KEPT_EXAMPLES
        with pq.ParquetWriter(target, schema, compression="zstd") as out:
            for batch in file.iter_batches(_AT_ONCE):
                if has_ordinals:
                    ordinals = batch.column("ordinal").to_numpy()
                else:
                    ordinals = np.arange(first, first + batch.num_rows, dtype=np.uint32)
                first += batch.num_rows
                kept = without(batch, ordinals, away)
                out.write_batch(kept)
                count += kept.num_rows
    return count


def swap_object(session: Session, number: int, old: FoundObject, new: FoundObject) -> bool:
    """Let a rewritten object take the place of the one it was made of (rule 2).

    Whether nothing uses the old one any more, so that its files can go after the commit. Raises
    ConflictError where it is gone already. Does not commit.
    """
    mine = _object.c.id == old.id
    row = session.execute(select(_object).where(mine).with_for_update()).one_or_none()
    if row is None:
        raise ConflictError(
            f"An object of batch {number} expired or was replaced while the batch was bound.",
            remedy="The worker does it again.",
        )
    others = (_binding.c.object_id == old.id) & (_binding.c.number != number)
    used = select(_binding.c.number).where(others).limit(1)
    is_shared = session.execute(used).first() is not None
    values = {
        **row._mapping,
        "id": new.id,
        "subjects": new.subjects,
        "turned_away": new.turned_away,
    }
    if is_shared:
        # The uploaded digest stays with the object that still is what was uploaded.
        values["match"] = secrets.token_bytes(len(row.match))
    else:
        session.execute(delete(_object).where(mine))
    session.execute(insert(_object).values(values))
    return not is_shared


def forget_match(session: Session, object_id: str) -> None:
    """Let an object not be found any more by the digest of what was uploaded (rule 3)."""
    mine = _object.c.id == object_id
    session.execute(update(_object).where(mine).values(match=secrets.token_bytes(32)))


def drop_object(objects: Objects, object_id: str) -> None:
    """Delete the files of an object that no row names."""
    for part in ("examples", "subjects"):
        objects.delete(object_name(object_id, part))
