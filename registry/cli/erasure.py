"""`registry erasure …`: requests of people, from their filing to what was decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path
from registry.cli.edge import Refused
from registry.cli.erasure_show import show_filed, show_many, show_request, show_status
from registry.cli.listing import LimitOption, some
from registry.cli.output import JsonOption, counted, note, say, show_facts, show_json
from registry.errors import RegistryError, UnavailableError

group = typer.Typer(
    name="erasure",
    help="Requests of people: to erase, restrict, object, see.",
    no_args_is_help=True,
)
PATH = "/api/v1/erasure-requests"
RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")]
ReasonOption = Annotated[str, typer.Option(help="Why, in words that the person may read.")]
RightOption = Annotated[str, typer.Option(help="erasure, restriction, objection or access.")]
RegimeOption = Annotated[str, typer.Option(help="gdpr or ccpa.")]
ChannelOption = Annotated[str, typer.Option(help="How it came: portal, letter …")]
IdentityOption = Annotated[str, typer.Option(help="authenticated, or to_verify.")]
ProjectOption = Annotated[str | None, typer.Option(help="Else the token's own.")]
RegionOption = Annotated[str | None, typer.Option(help="Whose holidays count, such as DE-BY.")]


@group.command()
def request(
    subject: Annotated[
        list[str], typer.Argument(metavar="SUBJECT...", help="The person, as SCHEME=VALUE.")
    ],
    right: RightOption = "erasure",
    regime: RegimeOption = "gdpr",
    channel: ChannelOption = "command",
    identity: IdentityOption = "to_verify",
    reference: Annotated[str | None, typer.Option(help="What the channel calls it.")] = None,
    received: Annotated[str | None, typer.Option(help="RFC 3339 time it came at.")] = None,
    region: RegionOption = None,
    purpose: Annotated[
        list[str] | None, typer.Option(help="Of an objection; several times for several.")
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """File what a person asks for; the same channel and reference twice is one request."""
    body = {
        "right": right,
        "regime": regime,
        "subjects": [_subject(each) for each in subject],
        "channel": channel,
        "identity": identity,
        "reference": reference,
        "received_at": received,
        "region": region,
        "purposes": purpose or [],
        "project": project,
    }
    with connected() as client:
        show_filed(client.post(PATH, body), as_json)


def _subject(text: str) -> dict[str, str]:
    scheme, mark, value = text.partition("=")
    if not mark:
        raise typer.BadParameter("write SCHEME=VALUE, such as email=ada@example.org")
    return {"scheme": scheme, "value": value}


@group.command()
def verify(
    request_id: RequestArgument,
    method: Annotated[str, typer.Option(help="How it was found out, in words.")],
    as_json: JsonOption = False,
) -> None:
    """Say that the person is who they say, and how that was found out."""
    _step(request_id, "verify-identity", {"method": method}, as_json)


@group.command()
def ask(
    request_id: RequestArgument,
    question: Annotated[str | None, typer.Option(help="What the person is asked.")] = None,
    answer: Annotated[str | None, typer.Option(help="What they answered.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record what the person was asked, or what they answered."""
    if (question is None) == (answer is None):
        raise typer.BadParameter("give one of --question and --answer")
    if question is not None:
        _step(request_id, "ask", {"question": question}, as_json)
    else:
        _step(request_id, "answer", {"answer": answer}, as_json)


@group.command()
def approve(
    requests: Annotated[
        list[str],
        typer.Argument(metavar="REQUEST...", help="Id of the request; several as ID=PLAN each."),
    ],
    plan: Annotated[str | None, typer.Option(help="Digest of the plan of one request.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Approve the plan with this digest, or several plain plans; exit 1 where one is refused."""
    if plan is not None:
        if len(requests) != 1:
            raise typer.BadParameter("--plan is of one request; write several as ID=sha256:…")
        _step(requests[0], "approve", {"plan": plan}, as_json)
        return
    items = []
    for each in requests:
        request_id, mark, digest = each.partition("=")
        if not mark:
            raise typer.BadParameter("say which plan: --plan sha256:…, or ID=sha256:…")
        items.append({"id": request_id, "plan": digest})
    with connected() as client:
        answer = client.post(f"{PATH}/approvals", items)
    refused = [each for each in answer["approvals"] if not each["approved"]]
    if as_json:
        show_json(answer)
    else:
        for each in refused:
            note(f"{each['id']}: {each['detail']} {each['remedy']}")
        done = len(items) - len(refused)
        say(f"{counted(done, 'plan', 'plans')} approved, {len(refused)} refused.")
    if refused:
        raise Refused


@group.command()
def deny(
    request_id: RequestArgument,
    justification: Annotated[str, typer.Option(help="A code of policies/requests.yaml.")],
    reasons: ReasonOption,
    as_json: JsonOption = False,
) -> None:
    """Refuse a request; the person gets a letter."""
    body = {"justification": justification, "reasons": reasons}
    _step(request_id, "deny", body, as_json)


@group.command()
def extend(request_id: RequestArgument, reasons: ReasonOption, as_json: JsonOption = False) -> None:
    """Take the longer period, inside the first one; the person gets a letter."""
    _step(request_id, "extend", {"reasons": reasons}, as_json)


@group.command()
def cancel(request_id: RequestArgument, reasons: ReasonOption, as_json: JsonOption = False) -> None:
    """End a request that the person withdrew."""
    _step(request_id, "cancel", {"reasons": reasons}, as_json)


def _step(request_id: str, verb: str, body: dict[str, Any], as_json: bool) -> None:
    with connected() as client:
        show_request(client.post(f"{PATH}/{in_path(request_id)}/{verb}", body), as_json)


@group.command()
def status(as_json: JsonOption = False) -> None:
    """Count the requests by state, and say how many are late or soon due."""
    with connected() as client:
        show_status(client.get(f"{PATH}/status"), as_json)


@group.command()
def show(request_id: RequestArgument, as_json: JsonOption = False) -> None:
    """Show a request: when it is due and why, what happened, what is to be done."""
    with connected() as client:
        show_request(client.get(f"{PATH}/{in_path(request_id)}"), as_json)


@group.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    right: Annotated[str | None, typer.Option(help="Only those that ask for this.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those that are late.")] = False,
    due_before: Annotated[str | None, typer.Option(help="Only due before this day.")] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the requests, the last received first."""
    wanted = {
        "state": state,
        "right": right,
        "overdue": "true" if overdue else None,
        "due_before": due_before,
        "project": project,
    }
    with connected() as client:
        requests, total = some(client, PATH, "requests", limit, wanted)
    show_many(requests, total, as_json)


@group.command()
def letters(request_id: RequestArgument, as_json: JsonOption = False) -> None:
    """Show the letters to the person, with their texts; that is recorded."""
    with connected() as client:
        answer = client.get(f"{PATH}/{in_path(request_id)}/letters")
    if as_json:
        show_json(answer)
        return
    for letter in answer["letters"]:
        note(f"{letter['kind']}, {letter['made_at']}")
        say(letter["text"])


@group.command()
def shred(request_id: RequestArgument, as_json: JsonOption = False) -> None:
    """Destroy the key of a closed request: what the person gave can never be read again."""
    with connected() as client:
        made = client.post(f"{PATH}/{in_path(request_id)}/shred")
    if as_json:
        show_json(made)
        return
    show_facts([("Request", made["id"]), ("Proof", made["proof"])])
    if not made["scrubbed"]:
        note("The database was busy, and its files may still hold the key: run it again.")


@group.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header.")],
    right: RightOption = "erasure",
    regime: RegimeOption = "gdpr",
    channel: ChannelOption = "import",
    identity: IdentityOption = "to_verify",
    region: RegionOption = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """File the requests of a CSV file, one a row; run again, it takes nothing twice."""
    from registry.cli.erasure_file import read_rows

    defaults = {
        "right": right,
        "regime": regime,
        "channel": channel,
        "identity": identity,
        "region": region,
        "project": project,
    }
    taken: list[dict[str, Any]] = []
    rejections: list[dict[str, Any]] = []
    with connected() as client:
        for row in read_rows(file, defaults):
            found = {"line": row.line, "reference": row.reference}
            if row.body is None:
                rejections.append({**found, "field": None, "reason": row.problem})
                continue
            try:
                answer = client.post(PATH, row.body)
            except UnavailableError:
                raise
            except RegistryError as error:
                reason = f"{error.detail} {error.remedy}"
                rejections.append({**found, "field": error.path, "reason": reason})
                continue
            taken.append({**found, "id": answer["id"], "state": answer["state"]})
    if as_json:
        counts = {"accepted": len(taken), "rejected": len(rejections)}
        show_json({**counts, "requests": taken, "rejections": rejections})
    else:
        for each in rejections:
            note(f"Line {each['line']}: {each['reason']}")
        say(f"{counted(len(taken), 'request', 'requests')} taken, {len(rejections)} rejected.")
    if rejections:
        raise Refused
