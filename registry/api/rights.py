"""Routes for sources and terms: where batches come from, and what a version may be used for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session

from registry.api.answers import wanted_page
from registry.catalog.lookup import Named, find_dataset
from registry.catalog.paging import Cut
from registry.catalog.versions import current_numbers, membership
from registry.errors import InvalidInputError, NotFoundError
from registry.policy.actions import Action
from registry.request import CatalogSession, CurrentHouse, CurrentRightsEditor, see_as
from registry.rights.effective import effective_terms
from registry.rights.items import find_batch
from registry.rights.licenses import UNKNOWN_TERMS, Licenses, Terms, strictest
from registry.rights.sources import SourceView, read_sources
from registry.rights.verifications import verify_fact
from registry.wire.rights import (
    BatchTermsShown,
    EffectiveTermsShown,
    FactShown,
    NewVerification,
    SignalShown,
    SourceList,
    SourceShownInFull,
    TermsShown,
    VerificationShown,
)

router = APIRouter(prefix="/api/v1/rights", tags=["rights"])
NameGiven = Annotated[str, Query(max_length=2_048, pattern=r"^[^\x00]*$")]
VersionGiven = Annotated[
    int | None, Query(ge=1, lt=2**63, description="The current one, where left out.")
]


@router.get("/sources", summary="List the sources of a version")
def sources(
    namespace: NameGiven,
    name: NameGiven,
    house: CurrentHouse,
    session: CatalogSession,
    cut: Annotated[Cut, Depends(wanted_page)],
    version: VersionGiven = None,
) -> SourceList:
    """Where each batch of a version comes from and on what terms, each fact with its grade."""
    dataset, number = _version(session, namespace, name, version)
    members = membership(session, dataset.id, number)
    start = cut.offset + _place(cut.cursor)
    wanted = members[start : start + cut.limit]
    found = read_sources(session, wanted)
    licenses = house.policies.current().licenses
    shown = [_source(found[each], licenses) for each in wanted if each in found]
    end = start + cut.limit
    following = str(end) if end < len(members) else None
    return SourceList(version=number, sources=shown, total=len(members), next=following)


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise InvalidInputError(
            "The cursor is none that this list gave.",
            remedy="Take it from `next` of the page before.",
            path="after",
        )
    return int(cursor)


@router.get("/terms", summary="What a version may be used for")
def terms(
    namespace: NameGiven,
    name: NameGiven,
    house: CurrentHouse,
    session: CatalogSession,
    version: VersionGiven = None,
) -> EffectiveTermsShown:
    """The strictest terms over everything a version was made from, and those of each batch."""
    dataset, number = _version(session, namespace, name, version)
    licenses = house.policies.current().licenses
    with house.database.read() as everything:
        # Computed over everything, shown by right: a licence out of sight binds all the same.
        found = effective_terms(everything, house.ledger, licenses, dataset.id, number)
    return EffectiveTermsShown(
        namespace=dataset.namespace,
        name=dataset.name,
        version=number,
        terms=_terms(found.terms),
        reserved=found.reserved,
        batches=[
            BatchTermsShown(
                batch=each.batch_number,
                terms=_terms(each.terms),
                licenses=dict(each.licenses),
                reserved=each.reserved,
                unknown=list(each.unknown),
            )
            for each in found.batches
        ],
    )


@router.post("/verifications", status_code=201, summary="Verify a fact")
def verify(
    body: NewVerification, house: CurrentHouse, actor: CurrentRightsEditor
) -> VerificationShown:
    """Say what a recorded fact of a batch is, after looking at what proves it."""

    def work(session: Session) -> VerificationShown:
        see_as(session, house, actor, Action.EDIT_RIGHTS)
        dataset = find_dataset(session, body.namespace, body.name)
        batch = find_batch(session, dataset.id, body.batch, path="batch")
        source = read_sources(session, [batch]).get(batch)
        facts = {} if source is None else source.facts
        made = verify_fact(
            session,
            batch,
            body.fact,
            recorded=facts[body.fact].value if body.fact in facts else None,
            value=body.value,
            evidence=body.evidence,
            note=body.note,
            actor=actor.account_id,
            now=house.clock(),
        )
        return VerificationShown(
            id=made.id,
            batch=batch,
            fact=made.fact,
            value=made.value,
            evidence=made.evidence,
            note=made.note,
            verified_by=made.verified_by,
            verified_at=made.verified_at,
        )

    return house.database.transact(work)


def _version(session: Session, namespace: str, name: str, version: int | None) -> tuple[Named, int]:
    dataset = find_dataset(session, namespace, name)
    number = current_numbers(session, [dataset.id]).get(dataset.id) if version is None else version
    if number is None or not membership(session, dataset.id, number):
        which = "no version yet" if number is None else f"no batch in a version {number}"
        raise NotFoundError(
            f"{dataset.namespace} {dataset.name} has {which}.",
            remedy="See the versions of the dataset.",
            path="version",
        )
    return dataset, number


def _source(view: SourceView, licenses: Licenses) -> SourceShownInFull:
    read = [licenses.of(text) for text in view.licenses]
    known = [each for each in read if each is not None]
    return SourceShownInFull(
        batch=view.batch_number,
        name=view.name,
        origin_kind=view.origin_kind,
        origin_uri=view.origin_uri,
        collected_from=view.collected_from,
        collected_until=view.collected_until,
        facts={
            name: FactShown(
                value=fact.value,
                grade=None if fact.grade is None else fact.grade.value,
                verified_by=None if fact.verified is None else fact.verified.verified_by,
                evidence=None if fact.verified is None else fact.verified.evidence,
            )
            for name, fact in view.facts.items()
        },
        license=" AND ".join(each.expression for each in known) or None,
        is_spdx=all(each.is_spdx for each in known) if known else None,
        terms=_terms(strictest(each.terms for each in known) if known else UNKNOWN_TERMS),
        opt_out=[
            SignalShown(
                protocol=each.protocol,
                seen_at=each.seen_at,
                reserved=each.reserved,
                agent=each.agent,
            )
            for each in view.opt_out
        ],
    )


def _terms(terms: Terms) -> TermsShown:
    return TermsShown(
        ai_training=terms.ai_training.value,
        commercial_use=terms.commercial_use.value,
        redistribution=terms.redistribution.value,
        derivatives=terms.derivatives.value,
        conditions=list(terms.conditions),
        verified_by=list(terms.verified_by),
    )
