"""Routes for bearer tokens; an administrator's alone.

Each change commits before the cached answers are forgotten, so that this process refuses a revoked
token from the next request on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from fastapi import APIRouter

from registry.actors.accounts import TokenView, create_token, list_tokens, revoke_token
from registry.actors.tables import Role
from registry.durations import parse_duration
from registry.errors import InvalidInputError
from registry.request import CurrentAdministrator, CurrentHouse, ReadSession
from registry.wire.actors import NewToken, TokenList, TokenMade, TokenShown

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])
Choice = TypeVar("Choice", bound=StrEnum)


@router.post("", status_code=201, summary="Make a token")
def create(body: NewToken, house: CurrentHouse, actor: CurrentAdministrator) -> TokenMade:
    """Make a token for a service account; its secret is in this answer and nowhere else."""
    now = house.clock()
    roles = frozenset(chosen(Role, role, path="roles") for role in body.roles)
    expires_at = None
    if body.expires is not None:
        expires_at = parse_duration(body.expires, path="expires").after(now)
    secret, view = house.database.transact(
        lambda session: create_token(
            session,
            name=body.name,
            roles=roles,
            project=body.project,
            actor=actor.account_id,
            now=now,
            expires_at=expires_at,
            conflicts=house.access.rules.conflicts,
        )
    )
    house.tokens.clear()
    house.access.refresh()
    return TokenMade(token=secret, **_shown(view).model_dump())


@router.get("", summary="List the tokens")
def index(house: CurrentHouse, _actor: CurrentAdministrator, session: ReadSession) -> TokenList:
    """Every token, the newest first."""
    return TokenList(tokens=_all_shown(list_tokens(session, now=house.clock())))


@router.post("/{token_id}/revoke", summary="Revoke a token")
def revoke(token_id: str, house: CurrentHouse, actor: CurrentAdministrator) -> TokenShown:
    """Revoke a token for good; other processes refuse it within one second."""
    view = house.database.transact(
        lambda session: revoke_token(session, token_id, actor=actor.account_id, now=house.clock())
    )
    house.tokens.clear()
    return _shown(view)


def chosen(kind: type[Choice], text: str, *, path: str) -> Choice:
    """The member of an enumeration. Raises InvalidInputError, which lists them."""
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{text[:40]!r} is not one of the values of {path}.",
            remedy=f"Choose from: {', '.join(kind)}.",
            path=path,
        ) from error


def _all_shown(views: Iterable[TokenView]) -> list[TokenShown]:
    return [_shown(view) for view in views]


def _shown(view: TokenView) -> TokenShown:
    return TokenShown(
        id=view.id,
        account=view.account,
        project=view.project,
        roles=list(view.roles),
        hint=view.hint,
        created_at=view.created_at,
        expires_at=view.expires_at,
        revoked_at=view.revoked_at,
        last_used_at=view.last_used_at,
    )
