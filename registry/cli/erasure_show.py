"""Shows requests of people: one, many, and how they stand."""

from __future__ import annotations

from typing import Any

from registry.cli.listing import show_list
from registry.cli.output import moment_text, say, show_facts, show_json, show_table


def show_filed(answer: dict[str, Any], as_json: bool) -> None:
    """What a filing was answered."""
    if as_json:
        show_json(answer)
        return
    show_facts(
        [
            ("Request", answer["id"]),
            ("State", answer["state"]),
            ("Due", answer["due"]["date"]),
            ("Because", answer["due"]["because"]),
        ]
    )


def show_request(request: dict[str, Any], as_json: bool) -> None:
    """One request with its timeline and tasks."""
    if as_json:
        show_json(request)
        return
    show_facts(
        [
            ("Request", request["id"]),
            ("State", request["state"]),
            ("Asks for", f"{request['right']} ({request['regime']})"),
            ("Came by", _channel(request)),
            ("Received", moment_text(request["received_at"])),
            ("Identity", request["identity"]),
            ("Due", _due(request)),
            ("Because", request["due"]["because"]),
            ("Duplicate of", request["duplicate_of"]),
            ("Plan", None if request["plan"] is None else request["plan"]["plan"]),
            ("Refused for", request["justification"]),
            ("Certificates", [str(each["number"]) for each in request["certificates"]]),
        ]
    )
    say("")
    show_table(
        ["WHEN", "STEP", "STATE", "BY"],
        [
            (moment_text(each["at"]), each["kind"], each["state"], each["actor"])
            for each in request["timeline"]
        ],
        empty="Nothing happened yet.",
        whole=["WHEN", "STATE"],
    )
    if request["tasks"]:
        say("")
        show_table(
            ["TASK", "TARGET", "STATE", "DUE"],
            [
                (each["kind"], each["target"], each["state"], each["due_on"])
                for each in request["tasks"]
            ],
            empty="",
            whole=["STATE"],
        )
    for task in request["tasks"]:
        _show_open(task)


def _show_open(task: dict[str, Any]) -> None:
    """What stands in the way of a task, and the id by which a person records what they did."""
    from registry.erasure.lifecycle import ENDED_WELL, TaskState

    if TaskState(task["state"]) in ENDED_WELL:
        return
    counts = ("expected", "found", "erased", "verified")
    rows = [f"{task[name]:,} {name}" for name in counts if task[name] is not None]
    say("")
    show_facts(
        [
            ("Task", task["id"]),
            ("About", f"{task['kind']} {task['target']}"),
            ("State", task["state"]),
            ("Until", moment_text(task["until"])),
            ("Rows", rows or None),
            ("Says", task["detail"]),
            ("Evidence", task["evidence"]),
        ]
    )


def _channel(request: dict[str, Any]) -> str:
    reference = request["reference"]
    return str(request["channel"]) + (f" ({reference})" if reference else "")


def _due(request: dict[str, Any]) -> str:
    words = [name for name in ("overdue", "extended", "paused") if request[name]]
    return str(request["due"]["date"]) + (f", {', '.join(words)}" if words else "")


def show_many(requests: list[dict[str, Any]], total: int, as_json: bool) -> None:
    """A list of requests."""
    show_list(
        "requests",
        requests,
        total,
        ["REQUEST", "STATE", "RIGHT", "REGIME", "CHANNEL", "PROJECT", "RECEIVED", "DUE"],
        (
            (
                each["id"],
                each["state"],
                each["right"],
                each["regime"],
                _channel(each),
                each["project"],
                moment_text(each["received_at"]),
                _due(each),
            )
            for each in requests
        ),
        as_json,
    )


def show_status(found: dict[str, Any], as_json: bool) -> None:
    """How requests stand."""
    if as_json:
        show_json(found)
        return
    rows = [(state, count) for state, count in found["requests"].items() if count]
    show_table(["STATE", "REQUESTS"], rows, empty="There are no requests.", right=["REQUESTS"])
    show_facts(
        [
            ("Overdue", str(found["overdue"])),
            ("Due soon", str(found["due_soon"])),
            ("Next due", found["next_due"]),
        ]
    )
