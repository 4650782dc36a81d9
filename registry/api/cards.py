"""Routes for cards: every kind in every format, what is missing, and publishing.

Rules (RFC 9110 §12.5.1 and §13.1.2; decision 0015):
1. Without `format`, the header Accept says which; JSON where it does not.
2. The entity tag is the digest of all that a card is made of: facts, questions, templates. It is
   weak, since a card also says when its facts were read, and they may have been read again.
3. A bundle is signed when it is asked for, and has no tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from sqlmodel import Session
from starlette.responses import Response

from registry.actors.accounts import Actor
from registry.api.accepting import preferred
from registry.api.answers import OneLine, RowId
from registry.api.card_answers import diff_shown, gaps_shown, revision_shown
from registry.api.feeds import is_known
from registry.cards.card import Card, Format, Kind
from registry.cards.desk import Version, find_version
from registry.cards.formats import MEDIA_TYPES, Reader, file_name, in_format
from registry.cards.json_form import card_document
from registry.cards.json_reading import card_from
from registry.cards.publishing import Publisher, publish
from registry.cards.revisions import (
    RevisionView,
    card_document_of,
    list_revisions,
    read_revision,
    signed_card,
)
from registry.catalog.lookup import Named, find_dataset
from registry.catalog.scope import Scope, scope_of
from registry.errors import ConflictError, InvalidInputError
from registry.policy.actions import Action
from registry.request import (
    CurrentHouse,
    CurrentReader,
    CurrentReleaser,
    House,
    reading_for,
)
from registry.wire.cards import (
    CardDiffShown,
    CardRevisionList,
    CardRevisionShown,
    GapsShown,
    PublishBody,
)

router = APIRouter(prefix="/api/v1/cards", tags=["cards"])
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
NOW = "now"
_OFFERED: Mapping[str, Format] = {
    "application/json": Format.JSON,
    "application/*": Format.JSON,
    "*/*": Format.JSON,
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "text/*": Format.HTML,
    "text/markdown": Format.MARKDOWN,
    "application/pdf": Format.PDF,
    "application/ld+json": Format.CROISSANT,
    "application/zip": Format.BUNDLE,
}
_VARY = "Accept, Authorization"
_PAGE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
Text = Annotated[str, Query(max_length=2_048, pattern=r"^[^\x00]*$")]
VersionAsked = Annotated[
    int | None, Query(ge=1, lt=2**63, description="The current one, where left out.")
]
KindAsked = Annotated[
    str, Query(max_length=40, description="dataset, article-10 or training-summary.")
]
FormatAsked = Annotated[
    str | None,
    Query(
        alias="format",
        max_length=40,
        description="html, md, pdf, json, croissant, huggingface or bundle; else as Accept says.",
    ),
]
E_ = TypeVar("E_", Kind, Format)
_DOCUMENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The card, in the format that was asked for.",
        "content": {each.partition(";")[0]: {} for each in MEDIA_TYPES.values()},
    },
    304: {"description": "It is what If-None-Match names."},
}


@router.get("", summary="Get a card", response_class=Response, responses=_DOCUMENT)
def show(
    request: Request,
    house: CurrentHouse,
    actor: CurrentReader,
    namespace: Text,
    name: Text,
    version: VersionAsked = None,
    kind: KindAsked = Kind.DATASET.value,
    format_: FormatAsked = None,
) -> Response:
    """The card of a version of a dataset, or of everything behind one of a model, as it is now."""
    wanted, form = _kind(kind), _format(request, format_)
    found, scope = _find(house, actor, namespace, name, version)
    desk = house.cards
    facts = desk.facts(found, scope=scope)
    card = desk.card(wanted, facts)
    if form is Format.BUNDLE:
        return _answer(house, actor, card, form)
    etag = f'"{desk.shelf.tag_of(card, form)[:32]}"'
    cached = {"ETag": f"W/{etag}", "Cache-Control": "private, no-cache", "Vary": _VARY}
    if is_known(etag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=cached)
    answer = _answer(house, actor, card, form)
    # A browser may keep it, and asks each time whether it still is what it was.
    answer.headers.update(cached)
    return answer


@router.get("/gaps", summary="List what a card lacks")
def gaps(
    house: CurrentHouse,
    actor: CurrentReader,
    namespace: Text,
    name: Text,
    version: VersionAsked = None,
    kind: KindAsked = Kind.DATASET.value,
) -> GapsShown:
    """The questions that are not answered, each with its clause and who can close it."""
    wanted = _kind(kind)
    found, scope = _find(house, actor, namespace, name, version)
    return gaps_shown(house.cards.card(wanted, house.cards.facts(found, scope=scope)))


@router.post("", status_code=201, summary="Publish a card")
def publish_card(
    body: PublishBody, house: CurrentHouse, actor: CurrentReleaser
) -> CardRevisionShown:
    """Publish the card as it stands: signed, numbered, never changed; the same facts once."""
    kind = _kind(body.kind)
    action = Action.RELEASE_FINDINGS
    found, _ = _find(house, actor, body.namespace, body.name, body.version, action)
    with reading_for(house, actor, Action.READ_CATALOG) as session:
        by = Publisher(actor.account_id, actor.name, scope_of(session))
    made = publish(house.cards, found, kind, by=by)
    return revision_shown(made, overtaken=False)


@router.get("/revisions", summary="List the published cards of a dataset")
def revisions(
    house: CurrentHouse,
    actor: CurrentReader,
    namespace: Text,
    name: Text,
    version: VersionAsked = None,
    kind: OneLine = None,
) -> CardRevisionList:
    """Every published card of a dataset, of a version or kind if given, the last first."""
    wanted = None if kind is None else _kind(kind)
    with reading_for(house, actor, Action.READ_CATALOG) as session:
        dataset = find_dataset(session, namespace, name)
        found = list_revisions(session, dataset.id, version=version, kind=wanted)
    return CardRevisionList(
        revisions=[revision_shown(each, overtaken=house.cards.is_overtaken(each)) for each in found]
    )


@router.get(
    "/revisions/{revision_id}",
    summary="Read a published card",
    response_model=CardRevisionShown,
    responses=_DOCUMENT,
)
def revision(
    revision_id: RowId, house: CurrentHouse, actor: CurrentReader, format_: FormatAsked = None
) -> Response | CardRevisionShown:
    """What a published card is, or with `format` the card itself, made from what was signed."""
    form = None if format_ is None else _choice(Format, format_, "format")
    with reading_for(house, actor, Action.READ_CATALOG) as session:
        found = read_revision(session, revision_id)
        envelope = signed_card(session, revision_id)
    overtaken = house.cards.is_overtaken(found)
    if form is None:
        return revision_shown(found, overtaken=overtaken)
    document = card_document_of(envelope)
    document["revision"]["isOvertaken"] = overtaken
    return _answer(house, actor, card_from(document), form)


@router.get(
    "/revisions/{revision_id}/envelope",
    summary="Get a signed card",
    response_class=Response,
    responses={200: {"content": {ENVELOPE: {}}, "description": "The envelope (DSSE)."}},
)
def envelope(revision_id: RowId, house: CurrentHouse, actor: CurrentReader) -> Response:
    """A published card as it was signed; `registry card verify` holds it to a key."""
    with reading_for(house, actor, Action.READ_CATALOG) as session:
        return Response(signed_card(session, revision_id), media_type=ENVELOPE)


@router.get("/revisions/{revision_id}/diff", summary="Compare published cards")
def diff(
    revision_id: RowId,
    house: CurrentHouse,
    actor: CurrentReader,
    against: Annotated[
        str | None,
        Query(max_length=40, description="Id of another revision, or `now`; else the one before."),
    ] = None,
) -> CardDiffShown:
    """Which facts changed: since the revision before, between two, or since this one until now."""
    with reading_for(house, actor, Action.READ_CATALOG) as session:
        found = read_revision(session, revision_id)
        mine = card_document_of(signed_card(session, revision_id))
        scope = scope_of(session)
        other = None if against == NOW else _other(session, found, against)
        theirs = {} if other is None else card_document_of(signed_card(session, other.id))
    if other is None:
        version = Version(Named(found.dataset_id, found.namespace, found.name), found.version)
        facts = house.cards.facts(version, scope=scope)
        now = card_document(house.cards.card(found.kind, facts))
        return diff_shown(found.revision, None, mine, now)
    if other.revision < found.revision:
        return diff_shown(other.revision, found.revision, theirs, mine)
    return diff_shown(found.revision, other.revision, mine, theirs)


def _other(session: Session, found: RevisionView, against: str | None) -> RevisionView:
    """The revision that one is compared with. Raises NotFoundError, ConflictError."""
    if against is not None:
        other = read_revision(session, against)
        if (other.dataset_id, other.version, other.kind) != (
            found.dataset_id,
            found.version,
            found.kind,
        ):
            raise ConflictError(
                f"{other.id} is the {other.kind} card of {other.namespace} {other.name} version "
                f"{other.version}, and not of the same as {found.id}.",
                remedy="Compare cards of one kind and version.",
                path="against",
            )
        return other
    mine = list_revisions(session, found.dataset_id, version=found.version, kind=found.kind)
    before = [each for each in mine if each.revision == found.revision - 1]
    if not before:
        raise ConflictError(
            f"{found.id} is the first revision, so there is none before it.",
            remedy="Compare it with another, or with what holds now: against=now.",
            path="against",
        )
    return before[0]


def _find(
    house: House,
    actor: Actor,
    namespace: str,
    name: str,
    version: int | None,
    action: Action = Action.READ_CATALOG,
) -> tuple[Version, Scope]:
    """The version that is meant, and what the actor sees. Raises NotFoundError."""
    with reading_for(house, actor, action) as session:
        return find_version(session, namespace, name, version), scope_of(session)


def _kind(text: str) -> Kind:
    return _choice(Kind, text, "kind")


def _format(request: Request, text: str | None) -> Format:
    """The format that is asked for (rule 1). Raises InvalidInputError."""
    if text is not None:
        return _choice(Format, text, "format")
    accept = request.headers.get("accept")
    found = preferred(accept, _OFFERED)
    if found is None and accept:
        raise InvalidInputError(
            f"There is no card as {accept[:80]!r}.",
            remedy=f"Accept one of: {', '.join(each for each in _OFFERED if '*' not in each)}; "
            "or give `format`.",
            path="Accept",
        )
    return found or Format.JSON


def _choice(choices: type[E_], text: str, path: str) -> E_:
    try:
        return choices(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text[:40]!r} is no {path} of a card.",
            remedy=f"Choose one of: {', '.join(choices)}.",
            path=path,
        ) from error


def _answer(house: House, actor: Actor, card: Card, form: Format) -> Response:
    opens = house.access.allows(actor.account_id, actor.project_id, Action.READ_AUDIT)
    body = in_format(house.cards, card, form, Reader(opens_log=opens))
    headers = {"Content-Disposition": f'inline; filename="{file_name(card, form)}"'}
    if form is Format.HTML:
        headers["Content-Security-Policy"] = _PAGE
    return Response(body, media_type=MEDIA_TYPES[form], headers=headers)
