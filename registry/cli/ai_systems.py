"""`registry ai-system …`: who provides an AI system or model, and which versions it uses."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from registry.cli.connection import connected, in_path, split_name
from registry.cli.output import JsonOption, moment_text, show_facts, show_json, show_table

group = typer.Typer(name="ai-system", help="AI systems and models.", no_args_is_help=True)
PATH = "/api/v1/ai-systems"
SystemArgument = Annotated[str, typer.Argument(metavar="SYSTEM", help="A short name of your own.")]
_TEXTS = {
    "name",
    "version",
    "provider",
    "contact",
    "representative",
    "size_class",
    "copyright_policy",
    "intended_purpose",
    "setting",
}
_FLAGS = {"code_of_practice", "continuous_training", "is_open", "retired"}
_LISTS = {"market_dates", "base_models"}
FIELDS = sorted(_TEXTS | _FLAGS | _LISTS)
_NONE = "none"


@group.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the AI systems and models."""
    with connected() as client:
        found = client.get(PATH)
    if as_json:
        show_json(found)
        return
    show_table(
        ["SYSTEM", "NAME", "VERSION", "PROVIDER", "USES", "KEEP UNTIL", "REVISION"],
        [
            (
                each["id"],
                each["name"],
                each["version"],
                each["provider"],
                len(each["uses"]),
                each["keep_until"],
                each["revision"],
            )
            for each in found["systems"]
        ],
        empty="There are no AI systems.",
        right=["USES", "REVISION"],
    )


@group.command()
def show(system: SystemArgument, as_json: JsonOption = False) -> None:
    """Show an AI system or model, and what it uses."""
    with connected() as client:
        _show(client.get(f"{PATH}/{in_path(system)}"), as_json)


@group.command("set")
def set_(
    system: SystemArgument,
    facts: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="A wrong field lists them all. A list: give it several times, or none. "
            "A model it is based on: NAME=LINK.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Add a revision; what is left out stays as it was, FIELD= takes it back."""
    body: dict[str, Any] = {}
    for fact in facts:
        name, mark, value = fact.partition("=")
        if not mark:
            raise typer.BadParameter(f"{fact!r} is no FIELD=VALUE")
        if name not in FIELDS:
            raise typer.BadParameter(f"there is no field {name!r}; choose of: {', '.join(FIELDS)}")
        if name in _LISTS and value:
            held = body.setdefault(name, [])
            if value != _NONE:
                held.append(_listed(name, value))
        elif name in _FLAGS and value:
            body[name] = _flag(name, value)
        else:
            body[name] = value or None
    with connected() as client:
        made = client.request("PUT", f"{PATH}/{in_path(system)}", json=body).json()
    _show(made, as_json)


@group.command()
def use(
    system: SystemArgument,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help='"NAMESPACE NAME".')],
    role: Annotated[str, typer.Option(help="train, validation, test, input or model.")],
    version: Annotated[
        int | None, typer.Option(min=1, help="This version; any, where left out.")
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Take back what was wrong.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Record that a system uses a dataset, or that a model is its own."""
    namespace, name = split_name(dataset)
    body = {
        "namespace": namespace,
        "name": name,
        "version": version,
        "role": role,
        "ended": ended,
    }
    with connected() as client:
        _show(client.post(f"{PATH}/{in_path(system)}/uses", body), as_json)


def _listed(name: str, value: str) -> object:
    if name == "market_dates":
        return value
    model, _, uri = value.partition("=")
    return {"name": model, "uri": uri or None}


def _flag(name: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise typer.BadParameter(f"{name} is yes or no, not {value!r}")
    return value == "yes"


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    told = {**found, "changed_at": moment_text(found["changed_at"])}
    if found["base_models"] is not None:
        told["base_models"] = [
            each["name"] + (f" ({each['uri']})" if each["uri"] else "")
            for each in found["base_models"]
        ]
    # An empty list was said, and is not the same as nothing.
    told |= {name: _NONE for name in _LISTS if told[name] == []}
    del told["uses"], told["beyond_scope"]
    show_facts(
        [(name.replace("_", " ").capitalize(), value) for name, value in told.items()],
    )
    show_table(
        ["ROLE", "DATASET", "VERSION"],
        [
            (each["role"], f"{each['namespace']} {each['name']}", each["version"])
            for each in found["uses"]
        ],
        empty="It uses nothing that is recorded."
        if not found["beyond_scope"]
        else "What it uses is beyond your scope.",
        right=["VERSION"],
    )
