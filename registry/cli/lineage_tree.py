"""Turns a lineage graph, as the API gives it, into a tree that a person can read. Pure.

Rules:
1. The tree begins at one node and follows the edges one way; below a dataset stand the jobs that
   made it (upstream) or read it (downstream), below a job its datasets.
2. A node that several paths reach is unfolded where it comes first, and named again elsewhere.
3. After `limit` lines the rest is counted, not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["upstream", "downstream"]
Graph = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class Branch:
    """A node of the tree: its id in the graph, and what hangs below it.

    `again` says that the node is unfolded elsewhere.
    """

    node: str
    again: bool = False
    below: list[Branch] = field(default_factory=list)


def graph_of(answer: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The nodes of `GET /api/v1/lineage` by id."""
    return {str(node["id"]): node for node in answer["graph"]}


def neighbours(graph: Graph, node: str, direction: Direction) -> list[str]:
    """The nodes one edge away, sorted; those that the graph was cut at are left out."""
    edges, end = ("inEdges", "origin") if direction == "upstream" else ("outEdges", "destination")
    found = {str(edge[end]) for edge in graph[node].get(edges, ())}
    return sorted(item for item in found if item in graph)


def unfold(graph: Graph, root: str, direction: Direction, *, limit: int) -> tuple[Branch, int]:
    """The tree from `root` one way, and how many lines were not shown (rule 3)."""
    trunk = Branch(root)
    if root not in graph:
        return trunk, 0
    unfolded = {root}
    lines, hidden = 1, 0
    # The tree is filled level by level, so that a node unfolds where it is nearest to the root.
    level = [trunk]
    while level:
        next_level = []
        for branch in level:
            for node in neighbours(graph, branch.node, direction):
                if lines >= limit:
                    hidden += 1
                    continue
                child = Branch(node, again=node in unfolded)
                branch.below.append(child)
                lines += 1
                if not child.again:
                    unfolded.add(node)
                    next_level.append(child)
        level = next_level
    return trunk, hidden


def node_words(node: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, name and remark of a node: `("dataset", "s3://lake raw/docs", "")`."""
    data = node.get("data") or {}
    name = f"{data['namespace']} {data['name']}" if "namespace" in data else str(node["id"])
    if str(node.get("type", "")).upper() == "JOB":
        run = data.get("latestRun") or {}
        state = str(run.get("state") or "")
        at = str(run.get("endedAt") or run.get("startedAt") or "")[:16].replace("T", " ")
        return "job", name, f"{state.lower()} {at}".strip()
    kind = str(data.get("datasetType") or "").lower()
    return "model" if kind == "model" else "dataset", name, ""
