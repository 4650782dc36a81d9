"""Sets of ordinals as the tables of rights keep them: serialised Roaring bitmaps. Pure.

The bytes are the portable format (github.com/RoaringBitmap/RoaringFormatSpec).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap

Ordinals = npt.NDArray[np.uint32]


def pack_ordinals(ordinals: Ordinals) -> bytes:
    """The bytes of a set; `ordinals`: n uint32 in any order."""
    return bytes(BitMap(np.asarray(ordinals, np.uint32)).serialize())


def unpack_ordinals(packed: bytes) -> Ordinals:
    """The sorted ordinals (n uint32) of a set."""
    return np.array(BitMap.deserialize(packed).to_array(), np.uint32)
