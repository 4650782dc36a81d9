"""The route for a new set-up link: how a lost password of the local administrator is set anew."""

from __future__ import annotations

from fastapi import APIRouter

from registry.actors.local_people import LINK_LASTS
from registry.errors import ConflictError
from registry.request import CurrentAdministrator, CurrentHouse
from registry.wire.actors import SetupLinkMade

router = APIRouter(prefix="/api/v1/setup-links", tags=["tokens"])


@router.post("", status_code=201, summary="Make a set-up link")
def create(house: CurrentHouse, actor: CurrentAdministrator) -> SetupLinkMade:
    """Make a link that sets the local administrator's password, once; earlier ones end.

    409 where people log in at an identity provider.
    """
    link = house.log_ins.offer_setup(actor=actor.account_id, anew=True)
    if link is None:
        raise ConflictError("People log in at the identity provider.", remedy="Go to /log-in.")
    public = house.settings.public_url.rstrip("/")
    path = f"/set-up?link={link}"
    return SetupLinkMade(
        path=path,
        url=f"{public}{path}" if public else None,
        expires_at=house.clock() + LINK_LASTS,
    )
