"""`registry binding …` and `registry access …`: who has which role, and asking for one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path
from registry.cli.output import JsonOption, moment_text, note, show_facts, show_json, show_table

bindings = typer.Typer(name="binding", help="Who has which role, where.", no_args_is_help=True)
access = typer.Typer(
    name="access", help="Ask for a role for a while, and decide.", no_args_is_help=True
)
BINDINGS, REQUESTS = "/api/v1/bindings", "/api/v1/access-requests"

ProjectOption = Annotated[
    str | None, typer.Option(help="Project that the role is in; '*' for every one.")
]
LineageOption = Annotated[
    str | None,
    typer.Option(
        metavar="DATASET",
        help='Only for the lineage of this dataset or model, "NAMESPACE NAME", across projects.',
    ),
]
RequestArgument = Annotated[str, typer.Argument(metavar="ID", help="From `registry access list`.")]


def _scope(lineage: str | None) -> dict[str, str] | None:
    """A dataset as an answer to --lineage-of. Raises typer.BadParameter."""
    if lineage is None:
        return None
    namespace, _, name = lineage.partition(" ")
    if not namespace or not name:
        raise typer.BadParameter('write a dataset as "NAMESPACE NAME"')
    return {"namespace": namespace, "name": name}


@bindings.command("list")
def list_bindings(
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that have ended.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List who has which role in which project, until when."""
    with connected() as client:
        found = client.get(BINDINGS, {"account": account, "ended": ended or None})
    if as_json:
        show_json(found)
        return
    show_table(
        ["ID", "ACCOUNT", "ROLE", "PROJECT", "UNTIL", "GIVEN BY"],
        [
            (
                one["id"],
                one["account"],
                one["role"],
                _where_text(one),
                moment_text(one["expires_at"]) or "no end",
                one["granted_by"],
            )
            for one in found["bindings"]
        ],
        empty="There are no bindings.",
        whole=["ID", "ROLE", "UNTIL"],
    )


@bindings.command()
def add(
    account: Annotated[str, typer.Argument(help="Account that gets the role.")],
    role: Annotated[str, typer.Argument(help="The role.")],
    project: ProjectOption = None,
    lineage_of: LineageOption = None,
    expires: Annotated[
        str | None, typer.Option(help="Time from now as ISO 8601, such as P90D.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give an account a role in a project, or for one dataset's lineage."""
    body = {
        "account": account,
        "role": role,
        "project": project,
        "expires": expires,
        "scope": _scope(lineage_of),
    }
    with connected() as client:
        made = client.post(BINDINGS, body)
    _show_binding(made, as_json)


@bindings.command()
def remove(
    binding: Annotated[str, typer.Argument(metavar="ID", help="From `registry binding list`.")],
    as_json: JsonOption = False,
) -> None:
    """Take a role away; it ends everywhere within a second."""
    with connected() as client:
        gone = client.delete(f"{BINDINGS}/{in_path(binding)}")
    _show_binding(gone, as_json)


def _show_binding(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(one)
        return
    show_facts(
        [
            ("Binding", one["id"]),
            ("Account", one["account"]),
            ("Role", one["role"]),
            ("Project", _where_text(one)),
            ("Until", moment_text(one["expires_at"]) or "no end"),
        ]
    )


def _where_text(one: dict[str, Any]) -> str:
    return f"lineage of {one['scope']}" if one["scope"] else str(one["project"])


@access.command()
def request(
    role: Annotated[str, typer.Argument(help="The role that is wanted.")],
    why: Annotated[str, typer.Option(help="What it is for.")],
    for_: Annotated[
        str, typer.Option("--for", help="How long, as ISO 8601, such as P7D.", metavar="DURATION")
    ],
    project: ProjectOption = None,
    lineage_of: LineageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a role for a while; another person decides."""
    body = {
        "role": role,
        "why": why,
        "for": for_,
        "project": project,
        "scope": _scope(lineage_of),
    }
    with connected() as client:
        made = client.post(REQUESTS, body)
    _show_request(made, as_json)
    if not as_json:
        note("Another person decides: registry access approve ID.")


@access.command("list")
def list_requests(
    state: Annotated[
        str | None, typer.Option(help="waiting, approved or denied; all without it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List your own requests and those that are yours to decide, the newest first."""
    with connected() as client:
        found = client.get(REQUESTS, {"state": state, "limit": limit})
    if as_json:
        show_json(found)
        return
    show_table(
        ["ID", "ACCOUNT", "ROLE", "PROJECT", "FOR", "STATE", "WHY"],
        [
            (
                one["id"],
                one["account"],
                one["role"],
                _where_text(one),
                one["for"],
                one["state"],
                one["why"],
            )
            for one in found["requests"]
        ],
        empty="There are no requests for access.",
        whole=["ID", "STATE", "FOR"],
    )
    if len(found["requests"]) < found["totalCount"]:
        note(f"{len(found['requests']):,} of {found['totalCount']:,}; more with --limit.")


@access.command()
def show(request_id: RequestArgument, as_json: JsonOption = False) -> None:
    """Show one request for access."""
    with connected() as client:
        found = client.get(f"{REQUESTS}/{in_path(request_id)}")
    _show_request(found, as_json)


@access.command()
def approve(request_id: RequestArgument, as_json: JsonOption = False) -> None:
    """Approve somebody else's request; the role ends by itself."""
    with connected() as client:
        decided = client.post(f"{REQUESTS}/{in_path(request_id)}/approve")
    _show_request(decided, as_json)


@access.command()
def deny(
    request_id: RequestArgument,
    why: Annotated[str, typer.Option(help="What to tell who asked.")],
    as_json: JsonOption = False,
) -> None:
    """Deny somebody else's request, with the reason."""
    with connected() as client:
        decided = client.post(f"{REQUESTS}/{in_path(request_id)}/deny", {"why": why})
    _show_request(decided, as_json)


def _show_request(one: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(one)
        return
    show_facts(
        [
            ("Request", one["id"]),
            ("Account", one["account"]),
            ("Role", one["role"]),
            ("Project", _where_text(one)),
            ("For", one["for"]),
            ("Why", one["why"]),
            ("State", one["state"]),
            ("Decided by", one["decided_by"]),
            ("Reason", one["note"]),
        ]
    )
