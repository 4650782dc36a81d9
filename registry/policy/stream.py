"""A manifest as an Arrow stream: batch and ordinal of each allowed example, and its id if asked.

Rules:
1. Rows come in membership order, then by ordinal; the schema's metadata holds the answer in JSON
   (`registry.manifest`), so that a stream that was saved still says what it is.
2. Ids exist where examples enter; in a derived batch, and where none was recorded, the id is null.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from registry.ledger.addresses import unpack
from registry.policy.manifest import ManifestFile, Part
from registry.policy.masks import Ordinals

if TYPE_CHECKING:
    import pyarrow as pa

    from registry.ledger.sweep import Store

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
METADATA = b"registry.manifest"
_ROWS_AT_ONCE = 1 << 20


def stream(file: ManifestFile, about: bytes, ids: Store | None) -> Iterator[bytes]:
    """The bytes of the stream, piece by piece. `about`: JSON; `ids`: where example ids are read."""
    import pyarrow as pa

    fields = [pa.field("batch", pa.uint32()), pa.field("ordinal", pa.uint32())]
    if ids is not None:
        fields.append(pa.field("example_id", pa.string()))
    schema = pa.schema(fields, metadata={METADATA: about})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema) as writer:
        for part in file.parts:
            for columns in _pieces(part, ids):
                writer.write_batch(pa.record_batch(columns, schema=schema))
                yield sink.getvalue()
                sink.seek(0)
                sink.truncate()
    yield sink.getvalue()


def _pieces(part: Part, ids: Store | None) -> Iterator[list[pa.Array]]:
    import pyarrow as pa

    for start in range(0, part.rows, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, part.rows - start)
        bits = part.bits[start // 8 : (start + rows + 7) // 8]
        found = np.flatnonzero(np.unpackbits(bits, count=rows)).astype(np.uint32)
        if not found.size:
            continue
        ordinals = found + np.uint32(start)
        columns = [pa.array(np.full(found.size, part.batch, np.uint32)), pa.array(ordinals)]
        if ids is not None:
            columns.append(_ids(ids, part.batch, start, ordinals))
        yield columns


def _ids(store: Store, batch: int, start: int, ordinals: Ordinals) -> pa.Array:
    """The ids of these ordinals, which lie within one window of the index."""
    import pyarrow as pa

    rows = store.index.scan_window(batch, start, _ROWS_AT_ONCE, ["address", "example_id"])
    if not rows.num_rows:
        return pa.nulls(ordinals.size, pa.string())
    _, there = unpack(rows.column("address").to_numpy())
    texts = rows.column("example_id").combine_chunks()
    if there.size == ordinals.size and bool((there == ordinals).all()):
        return texts
    places = np.searchsorted(there, ordinals)
    places[places == there.size] = 0
    return texts.take(pa.array(places, mask=there[places] != ordinals))


def about_of(answer: Mapping[str, object]) -> bytes:
    """The answer as it stands in the schema's metadata."""
    import msgspec

    return msgspec.json.encode(answer)
