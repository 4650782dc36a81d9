"""Reads `registry_rights`, our facet on the terms a dataset may be used under. Pure.

A facet of ours that breaks its schema is refused with the JSON path: its sender can mend it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from registry.lineage.batch_facet import check_digest, convert_facet
from registry.lineage.events import DatasetRef
from registry.lineage.values import read_time
from registry.wire.facets import RIGHTS


class TermsAt(msgspec.Struct, rename="camel", frozen=True):
    """`registry_rights.terms`."""

    uri: str | None = None
    sha256: str | None = None


class OptOut(msgspec.Struct, rename="camel", frozen=True):
    """One element of `registry_rights.optOut`: a signal that was seen at the source."""

    protocol: Literal["robots", "tdmrep", "ai_txt"]
    seen_at: str
    reserved: bool
    agent: str | None = None


class RightsFacet(msgspec.Struct, rename="camel", frozen=True):
    """`registry_rights`."""

    license: str | None = None
    terms: TermsAt | None = None
    opt_out: list[OptOut] | None = None
    contract: str | None = None


def read_rights(dataset: DatasetRef) -> RightsFacet | None:
    """The `registry_rights` of a dataset, None where there is none or it takes the former away.

    Raises MalformedEventError with the JSON path.
    """
    for key, facets in dataset.facets_by_key():
        facet = facets.get(RIGHTS)
        if facet is None or facet.get("_deleted") is True:
            continue
        path = f"{dataset.path}.{key}.{RIGHTS}"
        read = convert_facet(facet, RightsFacet, path)
        if read.terms is not None:
            check_digest(read.terms.sha256, f"{path}.terms.sha256")
        for place, signal in enumerate(read.opt_out or ()):
            read_time(signal.seen_at, f"{path}.optOut[{place}].seenAt", [])
        return read
    return None
