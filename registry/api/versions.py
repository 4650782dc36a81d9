"""Routes about one version: how it was made, and whether its files are still the same."""

from __future__ import annotations

import functools
from dataclasses import asdict

from fastapi import APIRouter

from registry.ids import uuid_text
from registry.ledger.recipe import read_recipe
from registry.ledger.verify import verify_version
from registry.lineage.run_reads import job_facets_of_run
from registry.request import CatalogSession, CurrentHouse
from registry.wire.ledger import (
    CheckedShown,
    CodeShown,
    FileShown,
    InputShown,
    MemberShown,
    ObjectShown,
    RecipeShown,
    VerificationShown,
    VersionAsked,
)

router = APIRouter(prefix="/api/v1/versions", tags=["ledger"])


@router.post("/recipe")
def recipe(asked: VersionAsked, house: CurrentHouse, session: CatalogSession) -> RecipeShown:
    """Code, parameters, inputs and digests: what is needed to make a version again."""
    dataset = asked.dataset
    found = read_recipe(
        session,
        house.ledger,
        dataset.namespace,
        dataset.name,
        dataset.version,
        job_facets=functools.partial(job_facets_of_run, session),
    )
    return RecipeShown(
        namespace=found.namespace,
        dataset=found.name,
        version=found.version,
        mode=found.mode,
        run=uuid_text(found.run_id),
        job_namespace=found.job_namespace,
        job=found.job,
        code=None if found.code is None else CodeShown(**asdict(found.code)),
        parameters=found.parameters,
        seed=found.seed,
        facets=found.facets,
        inputs=[
            InputShown(
                namespace=item.namespace,
                dataset=item.name,
                version=item.version,
                external_version=item.external_version,
            )
            for item in found.inputs
        ],
        batches=[
            MemberShown(
                batch=batch.number,
                batch_name=batch.name,
                rows=batch.rows,
                erased=batch.erased,
                state=batch.state,
                files=[
                    FileShown(uri=file.uri, sha256=file.sha256, rows=file.rows)
                    for file in batch.files
                ],
                objects=[ObjectShown.model_validate(asdict(made)) for made in batch.objects],
            )
            for batch in found.batches
        ],
    )


@router.post("/verify")
def verify(asked: VersionAsked, house: CurrentHouse, session: CatalogSession) -> VerificationShown:
    """Read the files and maps of a version again: identical, or which one differs."""
    dataset = asked.dataset
    found = verify_version(
        session,
        house.ledger,
        dataset.namespace,
        dataset.name,
        dataset.version,
        file_roots=house.settings.file_roots,
        sweep=house.sweep,
    )
    return VerificationShown(
        verdict=found.verdict,
        batches=found.batches,
        unbound=list(found.unbound),
        checked=[
            CheckedShown(
                batch=item.batch,
                batch_name=item.batch_name,
                what=item.what,
                found=item.found,
                detail=item.detail,
            )
            for item in found.checked
        ],
    )
