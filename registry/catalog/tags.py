"""Lists the tags that producers put on datasets, fields, jobs and runs."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from registry.catalog.facets import parse_facet, read_tags
from registry.catalog.paging import Cut, Page, decode_cursor, page_of
from registry.catalog.scope import visible_sql, visible_text
from registry.catalog.tables import DatasetFacet, JobFacet, RunFacet
from registry.storage.columns import table_of

_SOURCES = {
    "datasets": table_of(DatasetFacet),
    "jobs": table_of(JobFacet),
    "runs": table_of(RunFacet),
}
_LISTING = "tags"


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag, and how many things of each kind carry it."""

    name: str
    datasets: int
    fields: int
    jobs: int
    runs: int


def _seen(session: Session, kind: str) -> str:
    """The condition that what carries a facet is in sight."""
    match kind:
        case "datasets":
            return visible_sql(session, "dataset_facet.dataset_id")
        case "jobs":
            return visible_sql(session, "job_facet.job_id")
        case _:
            job = visible_sql(session, "r.job_id")
            return f"EXISTS (SELECT 1 FROM run r WHERE r.id = run_facet.run_id AND {job})"  # noqa: S608 - our own words


def list_tags(session: Session, cut: Cut) -> Page[TagView]:
    """Every tag, in alphabetical order. Cost: reads every `tags` facet, along an index of those."""
    uses: Counter[tuple[str, str]] = Counter()
    for kind, table in _SOURCES.items():
        query = select(table.c.payload).where(
            table.c.name == "tags",
            table.c.payload != "",
            visible_text(session, _seen(session, kind)),
        )
        for (payload,) in session.execute(query):
            carried = {(tag.name, tag.field) for tag in read_tags(parse_facet(payload))}
            uses.update((name, "fields" if field else kind) for name, field in carried)
    names = sorted({name for name, _ in uses})
    start = cut.offset
    if cut.cursor is not None:
        (last,) = decode_cursor(_LISTING, cut.cursor, (str,))
        start += bisect_right(names, str(last))
    page = page_of(
        names[start : start + cut.limit + 1], cut, len(names), _LISTING, lambda name: (name,)
    )
    kinds = ("datasets", "fields", "jobs", "runs")
    return page.map([TagView(name, *(uses[name, kind] for kind in kinds)) for name in page.items])
