"""Shows plans of requests, and why an example is in one."""

from __future__ import annotations

from typing import Any

from registry.cli.output import say, show_facts, show_json, show_table


def show_plan(made: dict[str, Any], as_json: bool) -> None:
    """A plan: what is erased, what a person must decide, and what was not searched."""
    if as_json:
        show_json(made)
        return
    kept = sum(each["examples"] for each in made["withheld"])
    show_facts(
        [
            ("Request", made["id"]),
            ("State", made["state"]),
            ("Plan", made["plan"]),
            ("Revision", str(made["revision"])),
            ("To erase", str(made["erase"]["examples"])),
            ("Withheld", str(kept) if kept else None),
            ("Files", str(len(made["files"]))),
            ("Models", str(len(made["models"]))),
            ("Recipients", str(len({each["recipient"] for each in made["recipients"]}))),
            ("Not searched", str(len(made["not_searched"]))),
        ]
    )
    say("")
    show_table(
        ["DATASET", "BATCH", "ERASE"],
        [
            (f"{group['namespace']} {group['name']}", each["name"], str(each["examples"]))
            for group in made["erase"]["by_dataset"]
            for each in group["batches"]
        ],
        empty="Nothing of this person was found.",
        whole=["ERASE"],
    )
    _show_decisions(made)
    say("")
    say(f"Approve it as somebody else: registry erasure approve {made['id']} --plan {made['plan']}")


def _show_decisions(made: dict[str, Any]) -> None:
    """What a person must decide, what a hold keeps, and what nobody could search."""
    if made["review"]:
        say("")
        show_table(
            ["TO BE DECIDED", "EXAMPLES", "DATASETS"],
            [
                (
                    group["reason"],
                    "not counted" if group["examples"] is None else str(group["examples"]),
                    ", ".join(f"{d['namespace']} {d['name']}" for d in group["by_dataset"]),
                )
                for group in made["review"]
            ],
            empty="",
            whole=["TO BE DECIDED", "EXAMPLES"],
        )
        say("Decide by planning again: --erase REASON or --keep REASON, with --why.")
    for each in made["withheld"]:
        say(f"A hold keeps {each['examples']} of them ({each['ground']}): {each['matter']}")
    for each in made["not_searched"]:
        why = each["why"].replace("_", " ")
        say(f"Not searched: {each['namespace']} {each['name']}, batch {each['batch']}: {why}")


def show_chain(answer: dict[str, Any], as_json: bool) -> None:
    """Why an example is in a scope."""
    if as_json:
        show_json(answer)
        return
    if not answer["chain"]:
        say("It is the person's own example.")
        return
    show_table(
        ["FROM", "TO", "BY", "ROLE"],
        [
            (
                _end(link["source"]),
                _end(link["to"]),
                link["way"].replace("_", " "),
                link["role"] or link["job"],
            )
            for link in answer["chain"]
        ],
        empty="",
        whole=["FROM", "TO"],
    )


def _end(at: dict[str, Any]) -> str:
    if "batch" in at:
        return f"{at['batch']}/{at['ordinal']}"
    return f"output of run {at['run']}"
