"""`registry token …`: who may call."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path
from registry.cli.output import (
    JsonOption,
    moment_text,
    note,
    say,
    show_facts,
    show_json,
    show_table,
)

group = typer.Typer(name="token", help="Make, list and revoke bearer tokens.", no_args_is_help=True)
PATH = "/api/v1/tokens"


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group)
    app.command("setup-link")(setup_link)


def setup_link(as_json: JsonOption = False) -> None:
    """Make a link that sets the local administrator's password, once, within a day."""
    with connected() as client:
        made = client.post("/api/v1/setup-links", {})
    if as_json:
        show_json(made)
        return
    say(made["url"] or made["path"])
    ends = moment_text(made["expires_at"])
    where = "" if made["url"] else " Open that path on the server."
    note(f"It works once, until {ends}, and ends those made before it.{where}")


@group.command()
def create(
    name: Annotated[str, typer.Argument(help="Account that the token is for; made if new.")],
    role: Annotated[list[str], typer.Option(help="A role to hold; may be given several times.")],
    project: Annotated[str, typer.Option(help="Project that the token writes in.")] = "default",
    expires: Annotated[
        str | None, typer.Option(help="Time from now as ISO 8601, such as P90D.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token; it is shown this once."""
    body = {"name": name, "roles": role, "project": project, "expires": expires}
    with connected() as client:
        made = client.post(PATH, body)
    if as_json:
        show_json(made)
        return
    say(made["token"])
    note("Keep it: it is not shown again.")
    ends = moment_text(made["expires_at"]) or "never"
    note(f"{made['account']} in {made['project']}: {', '.join(made['roles'])}; expires {ends}.")


@group.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List every token, the newest first; never the secrets."""
    with connected() as client:
        tokens = client.get(PATH)
    if as_json:
        show_json(tokens)
        return
    show_table(
        ["ID", "ACCOUNT", "PROJECT", "ROLES", "STATE", "LAST USED"],
        [
            (
                token["id"],
                token["account"],
                token["project"],
                token["roles"],
                _state(token),
                moment_text(token["last_used_at"]),
            )
            for token in tokens["tokens"]
        ],
        empty="There are no tokens.",
        whole=["ID", "STATE", "LAST USED"],
    )


@group.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="From `registry token list`.")],
    as_json: JsonOption = False,
) -> None:
    """Revoke a token for good; it is refused everywhere within a second."""
    with connected() as client:
        token = client.post(f"{PATH}/{in_path(token_id)}/revoke")
    if as_json:
        show_json(token)
        return
    show_facts([("Token", token["id"]), ("Account", token["account"]), ("State", _state(token))])


def _state(token: dict[str, Any]) -> str:
    if token["revoked_at"] is not None:
        return f"revoked {moment_text(token['revoked_at'])}"
    if token["expires_at"] is not None:
        return f"until {moment_text(token['expires_at'])}"
    return "valid"
