"""`registry decide`, `manifest`, `policy …`: what may be used, why, and by which rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from registry.cli.connection import connected, split_name
from registry.cli.edge import Refused
from registry.cli.examples import DatasetArgument, VersionOption
from registry.cli.listing import API
from registry.cli.output import (
    JsonOption,
    counted,
    gap,
    note,
    say,
    show_facts,
    show_json,
    show_table,
)
from registry.settings import load_settings

group = typer.Typer(name="policy", help="The rules: try them, and ask why.", no_args_is_help=True)
PurposeOption = Annotated[
    str, typer.Option("--purpose", help="What for, such as model_training or evaluation.")
]
RegionOption = Annotated[str | None, typer.Option("--region", help="Where it will be used.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="By what held on that day (2026-03-01); else now.")
]


def install(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(decide)
    app.command()(manifest)
    app.add_typer(group)


def decide(
    dataset: DatasetArgument,
    purpose: PurposeOption = "model_training",
    version: VersionOption = None,
    region: RegionOption = None,
    recipient: Annotated[str | None, typer.Option(help="Who will use it; is recorded.")] = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """May a version be used for a purpose? Exit 1 unless the answer is allow."""
    body = _question(dataset, version, purpose, region) | {"recipient": recipient, "as_of": as_of}
    with connected() as client:
        answer = client.post(f"{API}/decisions", _known(body))
    if as_json:
        show_json(answer)
    else:
        _show_decision(answer)
    if answer["decision"] != "allow":
        raise Refused


def manifest(
    dataset: DatasetArgument,
    purpose: PurposeOption = "model_training",
    version: VersionOption = None,
    region: RegionOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the addresses there, as an Arrow stream.")
    ] = None,
    with_ids: Annotated[bool, typer.Option("--with-ids", help="Write example ids too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Exactly the examples of a version that may be used for a purpose."""
    body = _known(_question(dataset, version, purpose, region) | {"with_ids": with_ids})
    with connected() as client:
        if output is not None:
            written = client.request("POST", f"{API}/manifests", json=body)
            output.write_bytes(written.content)
        headers = {"Accept": "application/json"}
        answer = client.request("POST", f"{API}/manifests", json=body, headers=headers).json()
    if as_json:
        show_json(answer)
        return
    erased = []
    if answer["erased"]:
        erased.append(("Erased", counted(answer["erased"], "example", "examples")))
    show_facts(
        [
            ("Manifest", answer["manifest"]),
            ("Version", f"{answer['namespace']} {answer['name']}, version {answer['version']}"),
            ("Allowed", counted(answer["allowed"], "example", "examples")),
            *erased,
            ("Mode", answer["mode"]),
            ("Policy", answer["policy"]),
        ]
    )
    for name in ("withheld", "observed"):
        if answer[name]:
            gap()
            show_table(
                [name.upper(), "EXAMPLES"],
                [(rule.replace("_", " "), count) for rule, count in answer[name].items()],
                empty="",
                right=["EXAMPLES"],
            )
    if output is not None:
        note(f"Written to {output}.")


@group.command("explain")
def explain(
    dataset: DatasetArgument,
    purpose: PurposeOption = "model_training",
    version: VersionOption = None,
    region: RegionOption = None,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a version may be used or not, batch by batch."""
    body = _known(_question(dataset, version, purpose, region) | {"as_of": as_of})
    with connected() as client:
        answer = client.post(f"{API}/decisions/explain", body)
    if as_json:
        show_json(answer)
        return
    _show_decision(answer["decision"])
    gap()
    show_table(
        ["BATCH", "EXAMPLES", "OUTCOME", "RULE", "FACT", "COUNT"],
        [
            (b["batch"], b["rows"], _words(r["outcome"]), _words(r["rule"]), r["fact"], r["count"])
            for b in answer["batches"]
            for r in b["reasons"]
        ],
        empty="No batch of it is recorded.",
        right=["BATCH", "EXAMPLES", "COUNT"],
    )


@group.command("test")
def try_cases(
    folder: Annotated[
        Path | None,
        typer.Argument(exists=True, file_okay=False, help="A folder; else the one in use."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read every policy file and run the cases; exit 1 where one comes out otherwise."""
    from registry.cards.questions.reading import load_questions
    from registry.erasure.rules import load_rules
    from registry.policy.book import folder_of
    from registry.policy.cases import read_cases, run_case
    from registry.policy.policy_set import cases_folder, load_policies

    used = folder or folder_of(load_settings())
    policies = load_policies(used)
    load_rules(used)
    load_questions(used)
    tried = [run_case(policies, case, file) for file, case in read_cases(cases_folder(used))]
    wrong = [case for case in tried if case.wrong]
    if as_json:
        show_json(
            {
                "policy": policies.digest,
                "cases": len(tried),
                "wrong": [{"file": c.file, "name": c.name, "why": list(c.wrong)} for c in wrong],
            }
        )
    else:
        say(f"{counted(len(tried), 'case', 'cases')}, {len(wrong)} wrong; policy {policies.digest}")
        if wrong:
            show_table(
                ["FILE", "CASE", "WHY"],
                [(case.file, case.name, "; ".join(case.wrong)) for case in wrong],
                empty="",
            )
    if wrong:
        raise Refused


def _question(
    dataset: str, version: int | None, purpose: str, region: str | None
) -> dict[str, Any]:
    namespace, name = split_name(dataset)
    return {
        "dataset": {"namespace": namespace, "name": name},
        "version": version,
        "purpose": purpose,
        "region": region,
    }


def _known(body: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in body.items() if value is not None}
    if "as_of" in found and len(found["as_of"]) == len("2026-03-01"):
        found["as_of"] += "T00:00:00Z"
    return found


def _words(text: str) -> str:
    return text.replace("_", " ")


def _show_decision(answer: dict[str, Any]) -> None:
    say(
        f"{_words(answer['decision']).capitalize()}: {answer['namespace']} {answer['name']}, "
        f"version {answer['version']}, {counted(answer['examples'], 'example', 'examples')}."
    )
    if answer["judged"] != answer["decision"]:
        note(f"The project is in mode {answer['mode']}; enforced, it would be {answer['judged']}.")
    show_table(
        ["RULE", "OUTCOME", "EXAMPLES", "FACT"],
        [
            (_words(r["rule"]), _words(r["outcome"]), r["count"], r["fact"])
            for r in answer["reasons"]
        ],
        empty="",
        right=["EXAMPLES"],
    )
