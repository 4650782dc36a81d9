"""`registry lineage`: from where something came, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.connection import connected, in_path
from registry.cli.lineage_tree import Branch, Direction, Graph, graph_of, node_words, unfold
from registry.cli.listing import API
from registry.cli.output import JsonOption, clean, note, show_json, show_tree

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from registry.client.http import HttpClient, Parameters

PREFIXES = ("dataset:", "datasetField:", "job:", "run:")
LINE_LIMIT = 1_000
TITLES: dict[Direction, tuple[str, str]] = {
    "upstream": ("came from", "came from nothing that we know"),
    "downstream": ("became", "became nothing that we know"),
}
STYLES = {"job": "magenta", "dataset": "cyan", "model": "green"}


def install(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(lineage)


def lineage(
    node: Annotated[
        str,
        typer.Argument(help='"NAMESPACE NAME" of a dataset, or a node id such as job:NS:NAME.'),
    ],
    upstream: Annotated[bool, typer.Option("--upstream", help="Only where it came from.")] = False,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="Only what became of it.")
    ] = False,
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many steps to follow.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the lineage of a dataset, model or job as a tree."""
    directions: list[Direction] = ["upstream"] if upstream or not downstream else []
    if downstream or not upstream:
        directions.append("downstream")
    asked, namespace = node_id(node)
    params: Parameters = {
        "nodeId": asked,
        "namespace": namespace,
        "depth": depth,
        "direction": directions[0] if len(directions) == 1 else "both",
    }
    with connected() as client:
        answer = client.get(f"{API}/lineage", params)
        if as_json:
            show_json(answer)
            return
        root = _root(client, answer, asked, namespace)
    _show(answer, root, directions, depth)


def node_id(text: str) -> tuple[str, str | None]:
    """The node id for what was typed, and its namespace where it was typed apart.

    A text without a known prefix is a dataset's name.
    """
    if text.startswith(PREFIXES):
        return text, None
    namespace, space, name = text.partition(" ")
    if not space or not namespace or not name:
        raise typer.BadParameter(
            f'{text!r} is neither "NAMESPACE NAME" nor a node id such as dataset:NS:NAME.'
        )
    return f"dataset:{namespace}:{name}", namespace


def _root(client: HttpClient, answer: dict[str, Any], asked: str, namespace: str | None) -> str:
    """The node of the graph that was asked for: by another name, as a version, or as a run."""
    graph = graph_of(answer)
    kind, _, rest = asked.partition(":")
    if asked in graph:
        return asked
    if kind == "run":
        job = client.get(f"{API}/jobs/runs/{in_path(rest)}")["jobVersion"]
        return f"job:{job['namespace']}:{job['name']}"
    plain = asked.rpartition("#")[0]
    if plain in graph or namespace is None:
        return plain or asked
    name = in_path(rest.removeprefix(f"{namespace}:"))
    found = client.get(f"{API}/namespaces/{in_path(namespace)}/datasets/{name}")
    return f"dataset:{found['namespace']}:{found['name']}"


def _show(answer: dict[str, Any], root: str, directions: list[Direction], depth: int) -> None:
    tree, hidden = grown_tree(answer, root, directions)
    show_tree(tree)
    if hidden:
        note(f"{hidden:,} more lines are not shown; --json has everything.")
    cut = answer.get("truncated")
    if cut and cut["by"] == "depth":
        note(f"The lineage goes on beyond depth {depth}; see --depth.")
    elif cut:
        note(
            f"The lineage has more than {cut['limit']:,} nodes; ask from a node nearer to the end."
        )


def grown_tree(
    answer: dict[str, Any],
    root: str,
    directions: list[Direction],
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Tree, int]:
    """The answer of `GET /api/v1/lineage` as a tree, and how many lines are not in it.

    `remarks` stand behind the nodes that they are about, by id.
    """
    from rich.tree import Tree

    graph = graph_of(answer)
    tree = Tree(_label(graph, root, remarks), guide_style="dim")
    hidden = 0
    for direction in directions:
        trunk, more = unfold(graph, root, direction, limit=LINE_LIMIT)
        hidden += more
        titled, empty = TITLES[direction]
        limb = tree.add(titled if trunk.below else empty, style="dim")
        _grow(limb, trunk, graph, remarks)
    return tree, hidden


def _grow(limb: Tree, trunk: Branch, graph: Graph, remarks: Mapping[str, str]) -> None:
    waiting = [(limb, trunk)]
    while waiting:
        stem, branch = waiting.pop()
        for child in branch.below:
            label = _label(graph, child.node, remarks, again=child.again)
            waiting.append((stem.add(label), child))


def _label(graph: Graph, node: str, remarks: Mapping[str, str], *, again: bool = False) -> Text:
    from rich.text import Text

    kind, name, remark = node_words(graph.get(node, {"id": node}))
    remark = remarks.get(node, remark)
    label = Text(f"{kind} ", style="dim not bold")
    label.append(clean(name), style=f"not dim {STYLES[kind]}")
    if remark:
        label.append(f"  {clean(remark)}", style="dim")
    if again:
        label.append("  (see above)", style="dim")
    return label
