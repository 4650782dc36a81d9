"""`registry erasure plan|explain|execute|members` and `erasure task …`: the work on a request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, waits_for_a_worker
from registry.cli.erasure import PATH, RequestArgument, group
from registry.cli.erasure_plan import show_chain, show_plan
from registry.cli.erasure_show import show_request
from registry.cli.output import JsonOption, note, say, show_facts, show_json

tasks = typer.Typer(
    name="task", help="What is left to be done for a request.", no_args_is_help=True
)
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Id of the task.")]


@group.command()
def plan(
    request_id: RequestArgument,
    erase: Annotated[
        list[str] | None, typer.Option(metavar="REASON", help="Erase what is reviewed for this.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="REASON", help="Keep what is reviewed for this.")
    ] = None,
    why: Annotated[str | None, typer.Option(help="Why it was decided so.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Work out and freeze what a request is about; its digest is what is approved."""
    decided = [("erase", each) for each in erase or []] + [("keep", each) for each in keep or []]
    if decided and why is None:
        raise typer.BadParameter("say why: --why …")
    decisions = [{"reason": r, "decision": d, "why": why} for d, r in decided]
    with connected() as client:
        made = client.post(f"{PATH}/{in_path(request_id)}/plan", {"decisions": decisions})
    show_plan(made, as_json)


@group.command()
def explain(
    request_id: RequestArgument,
    batch: Annotated[int, typer.Argument(help="Number of the batch.")],
    ordinal: Annotated[int, typer.Argument(help="Place of the example in it, from 0.")],
    as_json: JsonOption = False,
) -> None:
    """Say why an example is in the scope: from the person's own example to this one."""
    with connected() as client:
        asked = {"batch": batch, "ordinal": ordinal}
        show_chain(client.post(f"{PATH}/{in_path(request_id)}/explain", asked), as_json)


@group.command()
def execute(request_id: RequestArgument, as_json: JsonOption = False) -> None:
    """Carry an approved plan out; asked again, go on with it."""
    with connected() as client:
        show_request(client.post(f"{PATH}/{in_path(request_id)}/execute", None), as_json)
    if waits_for_a_worker():
        note("No server works on this home now: registry worker --until-idle, or registry serve.")


@group.command()
def certificate(
    request_id: RequestArgument,
    output: Annotated[Path, typer.Option(help="Where to write it; never over another file.")],
    number: Annotated[int | None, typer.Option(help="Which one; else the newest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a request's certificate to a file: check it with `registry certificate verify`."""
    with connected() as client:
        path = f"{PATH}/{in_path(request_id)}/certificate"
        answer = client.request("GET", path, params={"number": number})
    try:
        with output.open("xb") as file:
            file.write(answer.content)
    except OSError as error:
        raise typer.BadParameter(f"{output} cannot be written: {error.strerror}") from error
    if as_json:
        show_json({"request": request_id, "file": str(output), "bytes": len(answer.content)})
        return
    note(f"Written to {output}; see what it says: registry certificate show {output}")


@tasks.command()
def dispose(
    request_id: RequestArgument,
    task_id: TaskArgument,
    disposition: Annotated[
        str, typer.Option(help="retrain, filter, anonymity_assessment or none.")
    ],
    owner: Annotated[str, typer.Option(help="Whose duty it is.")],
    due_on: Annotated[str, typer.Option(help="Until when, YYYY-MM-DD.")],
    reason: Annotated[str, typer.Option(help="Why, in words without the person's name.")],
    as_json: JsonOption = False,
) -> None:
    """Record what is done about a model that saw the data."""
    body = {"disposition": disposition, "owner": owner, "due_on": due_on, "reason": reason}
    _change(request_id, task_id, "dispose", body, as_json)


@tasks.command()
def record(
    request_id: RequestArgument,
    task_id: TaskArgument,
    state: Annotated[str, typer.Option(help="verified, not_present, acknowledged or impossible.")],
    evidence: Annotated[str, typer.Option(help="What shows it.")],
    text: Annotated[str | None, typer.Option("--note", help="Anything else.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record with evidence what only a person can do."""
    body = {"state": state, "evidence": evidence, "note": text}
    _change(request_id, task_id, "record", body, as_json)


@tasks.command()
def notice(request_id: RequestArgument, task_id: TaskArgument, as_json: JsonOption = False) -> None:
    """Make the notice to a recipient (GDPR Art. 19); its secret is shown this once."""
    with connected() as client:
        made = client.post(_task_path(request_id, task_id, "notice"), None)
    if as_json:
        show_json(made)
        return
    say(made["text"])


def _change(request_id: str, task_id: str, verb: str, body: dict[str, Any], as_json: bool) -> None:
    with connected() as client:
        task = client.post(_task_path(request_id, task_id, verb), body)
    if as_json:
        show_json(task)
        return
    show_facts(
        [
            ("Task", task["id"]),
            ("About", f"{task['kind']} {task['target']}"),
            ("State", task["state"]),
            ("Due", task["due_on"]),
        ]
    )


def _task_path(request_id: str, task_id: str, verb: str) -> str:
    return f"{PATH}/{in_path(request_id)}/tasks/{in_path(task_id)}/{verb}"
