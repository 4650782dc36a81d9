"""Names of datasets and jobs, and the rows of a dataset that others come from. Pure.

Rules (CONTRACTS, "Commands" and facets):
1. A name is written `"NAMESPACE NAME"`, split at the first space, or given as a pair.
2. The rows of a source are those of one batch, or of one version (its member batches in membership
   order), counted through from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from registry.errors import InvalidInputError

# A column under this name in what a mapped function gives says which rows each row came from.
PARENTS = "registry_parents"


class Name(NamedTuple):
    """A dataset or a job."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace} {self.name}"


NameLike: TypeAlias = "str | tuple[str, str] | Source"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that others come from: one batch of a dataset, or one of its versions (rule 2).

    `rows` is how many there are, None where that is not known. `ids` are their example ids, in the
    order of rows, where the pipeline has them at hand.
    """

    namespace: str
    name: str
    batch: str | None = None
    version: int | None = None
    external_version: str | None = None
    rows: int | None = None
    ids: Sequence[str] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.batch is not None:
            return f"batch {self.batch} of {self.namespace} {self.name}"
        if self.version is not None:
            return f"version {self.version} of {self.namespace} {self.name}"
        return f"{self.namespace} {self.name}"

    @property
    def dataset(self) -> Name:
        """The dataset whose rows these are."""
        return Name(self.namespace, self.name)

    def as_input(self) -> dict[str, Any]:
        """One element of `registry_rowMaps.maps[].inputs`."""
        found: dict[str, Any] = {"namespace": self.namespace, "name": self.name}
        if self.batch is not None:
            found["batch"] = self.batch
        elif self.version is not None:
            found["version"] = self.version
        return found


def as_name(value: NameLike, what: str) -> Name:
    """The name that `value` stands for (rule 1). Raises InvalidInputError, naming `what`."""
    if isinstance(value, Source):
        return value.dataset
    given: Any = value
    pair = (*value.partition(" ")[::2],) if isinstance(value, str) else given
    match pair:
        case (str() as namespace, str() as name) if namespace and name:
            return Name(namespace, name)
    raise InvalidInputError(
        f"{what} is {value!r}, which names nothing.",
        remedy='Write "NAMESPACE NAME", such as "s3://lake raw/docs", or a pair of both.',
    )


def rows_of(sources: Sequence[Source]) -> int | None:
    """The rows of all of them together; None where one's are not known."""
    total = 0
    for source in sources:
        if source.rows is None:
            return None
        total += source.rows
    return total
