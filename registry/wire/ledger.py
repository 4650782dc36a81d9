"""What travels about the example ledger: objects, traces, samples, subjects."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ObjectStored(BaseModel):
    """An object that was taken."""

    object: str = Field(description="sha256 of the bytes that were sent.")
    rows: int = Field(description="How many rows it holds.")


class DatasetAsked(_Asked):
    """A dataset, and which of its versions; without one the current."""

    namespace: str
    name: str
    version: int | None = Field(default=None, ge=1)


class AddressAsked(_Asked):
    """An example by its place: batch (name or number) and ordinal."""

    batch: str | int
    ordinal: int = Field(ge=0, lt=2**32)


class TraceAsked(_Asked):
    """One example, named in one of four ways, and which way to walk."""

    dataset: DatasetAsked
    example_id: str | None = Field(default=None, max_length=2048)
    digest: str | None = Field(default=None, description="sha256 of the content.")
    content: str | None = Field(default=None, description="Hashed, never stored.")
    address: AddressAsked | None = None
    direction: Literal["backward", "forward"] = "backward"


class Place(BaseModel):
    """Where an example is: its batch by number and name, its ordinal, its dataset."""

    batch: int
    batch_name: str
    ordinal: int
    namespace: str
    dataset: str


class FileRow(BaseModel):
    """The file that a source example lies in, and its row there (from 0)."""

    uri: str
    row: int
    sha256: str | None


class StepShown(BaseModel):
    """One map on the way: what was made from what, by which run, and when."""

    role: str
    job: str
    job_namespace: str
    run: str
    at: datetime
    from_: list[Place] = Field(serialization_alias="from")
    to: Place


class SourceShown(BaseModel):
    """Where an example entered, and on what terms its producer said."""

    batch: int
    batch_name: str
    ordinal: int
    namespace: str
    dataset: str
    example_id: str | None
    source_uri: str | None
    origin: str | None = Field(description="Source kind of the batch.")
    origin_uri: str | None
    license: str | None
    legal_basis: str | None
    file: FileRow | None
    erased: bool = Field(description="It was erased: nothing but its place is kept.")


class UnknownShown(BaseModel):
    """A step that nobody described: who owes the map, and from which dataset."""

    job: str
    job_namespace: str
    run: str
    batch: int
    namespace: str
    dataset: str
    reason: str


class BackwardShown(BaseModel):
    """The way of one example back to its sources."""

    example: Place
    also: list[Place] = Field(description="Other examples that the question fits.")
    steps: list[StepShown]
    sources: list[SourceShown]
    unknown: list[UnknownShown]
    cut: bool = Field(description="There were more steps than are shown.")
    beyond_scope: bool = Field(description="Something on the way is not yours to see.")


class BatchReached(BaseModel):
    """A batch that holds the example or something made from it, and how often."""

    batch: int
    batch_name: str
    namespace: str
    dataset: str
    count: int


class VersionReached(BaseModel):
    """A version, and whether it holds the example or something made from it."""

    namespace: str
    dataset: str
    version: int
    state: Literal["saw", "did_not_see", "unknown"]


class ModelReached(BaseModel):
    """A model by the run that made it, and whether that run saw the example."""

    namespace: str
    name: str
    run: str
    state: Literal["saw", "did_not_see", "unknown"]


class ForwardShown(BaseModel):
    """What became of one example."""

    example: Place
    also: list[Place]
    batches: list[BatchReached]
    versions: list[VersionReached]
    models: list[ModelReached]
    unknown: list[UnknownShown]
    beyond_scope: bool


class SampleAsked(_Asked):
    """How many examples of a version to draw, and by which seed."""

    dataset: DatasetAsked
    version: int | None = Field(default=None, ge=1)
    size: int = Field(default=5, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, lt=2**63)


class SampledExample(BaseModel):
    """One drawn example, walked back; and its file row read again, where the server may."""

    trace: BackwardShown
    reread: Literal["identical", "differs", "not_readable", "no_digest"]


class SampleShown(BaseModel):
    """A seeded sample: the same seed on the same version draws the same examples."""

    examples: list[SampledExample]
    seed: int
    population: int


class SubjectAsked(_Asked):
    """A person by an identifier; it is normalised, keyed and forgotten."""

    scheme: str
    value: str = Field(max_length=2048)


class LocateAsked(_Asked):
    """Where examples of a person are."""

    subject: SubjectAsked


class LocatedIn(BaseModel):
    """How many examples of the person a batch holds."""

    namespace: str
    dataset: str
    batch: int
    batch_name: str
    count: int


class CoverageShown(BaseModel):
    """How far a batch could be searched for the person."""

    batch: int
    batch_name: str
    namespace: str
    dataset: str
    searched: Literal["keyed", "scanned", "not_searched"]


class LocatedShown(BaseModel):
    """Where examples of a person are, and where nobody could look."""

    examples: int
    by_dataset: list[LocatedIn]
    coverage: list[CoverageShown]
    beyond_scope: bool = Field(description="Some batches are not yours to see.")


class VersionAsked(_Asked):
    """A version of a dataset; without one the current."""

    dataset: DatasetAsked


class CheckedShown(BaseModel):
    """One file or map, and what reading it again gave."""

    batch: int
    batch_name: str
    what: str
    found: Literal["identical", "differs", "missing", "not_readable", "no_digest"]
    detail: str | None


class VerificationShown(BaseModel):
    """Whether a version is still what was recorded."""

    verdict: Literal["identical", "differs", "not_verified"]
    batches: int
    unbound: list[int]
    checked: list[CheckedShown]


class FileShown(BaseModel):
    """A file of a batch."""

    uri: str
    sha256: str | None
    rows: int | None


class ObjectShown(BaseModel):
    """An object that a batch was made of, by the digest that its event named."""

    kind: Literal["examples", "row_map"] = Field(description="row_map: of any form, or parent ids.")
    sha256: str


class MemberShown(BaseModel):
    """A batch of a version."""

    batch: int
    batch_name: str
    rows: int | None = Field(description="Erased ones included, which keep their place.")
    erased: int = Field(description="How many of them were erased.")
    state: str | None = Field(description="pending, bound or failed; null: not looked at yet.")
    files: list[FileShown]
    objects: list[ObjectShown]


class InputShown(BaseModel):
    """A dataset that was read, and its version; null where it is not known."""

    namespace: str
    dataset: str
    version: int | None
    external_version: str | None = Field(description="What the dataset's own store calls it.")


class CodeShown(BaseModel):
    """Where the code lies that made the version; null where nobody said."""

    url: str | None
    commit: str | None
    branch: str | None
    path: str | None
    changed: bool | None = Field(description="It had changes that were in no commit.")


class RecipeShown(BaseModel):
    """What is needed to make a version again."""

    namespace: str
    dataset: str
    version: int
    mode: str
    run: str
    job_namespace: str
    job: str
    code: CodeShown | None
    parameters: dict[str, str]
    seed: str | None
    facets: dict[str, Any]
    inputs: list[InputShown]
    batches: list[MemberShown]
