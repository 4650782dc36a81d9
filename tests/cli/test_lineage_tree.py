"""A graph becomes a tree that names every node once in full."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.cli.lineage_tree import Branch, graph_of, node_words, unfold


def graph(*edges: tuple[str, str]) -> dict[str, Any]:
    """An answer of the API with these edges, from origin to destination."""
    nodes: dict[str, dict[str, Any]] = {}
    for edge in edges:
        for node in edge:
            nodes.setdefault(node, {"id": node, "type": "DATASET", "inEdges": [], "outEdges": []})
    for origin, destination in edges:
        wire = {"origin": origin, "destination": destination}
        nodes[origin]["outEdges"].append(wire)
        nodes[destination]["inEdges"].append(wire)
    return graph_of({"graph": list(nodes.values())})


def drawn(branch: Branch, depth: int = 0) -> list[str]:
    line = "  " * depth + branch.node + (" again" if branch.again else "")
    return [line, *(each for child in branch.below for each in drawn(child, depth + 1))]


DIAMOND = graph(("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "e"))


def test_upstream_follows_what_came_in() -> None:
    trunk, hidden = unfold(DIAMOND, "e", "upstream", limit=100)
    assert drawn(trunk) == ["e", "  d", "    b", "      a", "    c", "      a again"]
    assert hidden == 0


def test_downstream_follows_what_went_out() -> None:
    trunk, _ = unfold(DIAMOND, "a", "downstream", limit=100)
    assert drawn(trunk) == ["a", "  b", "    d", "      e", "  c", "    d again"]


def test_a_node_unfolds_where_it_is_nearest() -> None:
    trunk, _ = unfold(
        graph(("a", "b"), ("b", "c"), ("c", "z"), ("a", "z"), ("z", "y")),
        "a",
        "downstream",
        limit=100,
    )
    assert drawn(trunk) == ["a", "  b", "    c", "      z again", "  z", "    y"]


def test_a_circle_ends() -> None:
    trunk, _ = unfold(graph(("a", "b"), ("b", "a")), "a", "downstream", limit=100)
    assert drawn(trunk) == ["a", "  b", "    a again"]


def test_what_does_not_fit_is_counted() -> None:
    wide = graph(*(("root", f"leaf {number}") for number in range(50)))
    trunk, hidden = unfold(wide, "root", "downstream", limit=11)
    assert (len(drawn(trunk)), hidden) == (11, 40)


def test_an_edge_out_of_the_graph_is_left_out() -> None:
    cut = graph_of({"graph": [{"id": "a", "inEdges": [{"origin": "gone", "destination": "a"}]}]})
    assert unfold(cut, "a", "upstream", limit=9) == (Branch("a"), 0)


def test_a_node_that_is_not_there_stands_alone() -> None:
    assert unfold({}, "a", "upstream", limit=9) == (Branch("a"), 0)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            {"id": "x", "type": "DATASET", "data": {"namespace": "s3://a", "name": "b"}},
            ("dataset", "s3://a b", ""),
        ),
        (
            {"id": "x", "data": {"namespace": "m", "name": "gpt", "datasetType": "MODEL"}},
            ("model", "m gpt", ""),
        ),
        (
            {
                "id": "x",
                "type": "JOB",
                "data": {
                    "namespace": "etl",
                    "name": "clean",
                    "latestRun": {"state": "COMPLETED", "endedAt": "2026-03-01T09:30:12Z"},
                },
            },
            ("job", "etl clean", "completed 2026-03-01 09:30"),
        ),
        ({"id": "x", "type": "JOB", "data": {"namespace": "e", "name": "c"}}, ("job", "e c", "")),
        ({"id": "x"}, ("dataset", "x", "")),
    ],
)
def test_a_node_is_named_in_words(node: dict[str, Any], words: tuple[str, str, str]) -> None:
    assert node_words(node) == words


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=40))
def test_every_reachable_node_unfolds_exactly_once(edges: list[tuple[int, int]]) -> None:
    wired = graph(("0", "0"), *((str(a), str(b)) for a, b in edges))
    trunk, hidden = unfold(wired, "0", "downstream", limit=10_000)
    unfolded = [line.strip() for line in drawn(trunk) if not line.endswith("again")]
    reachable, waiting = {"0"}, ["0"]
    while waiting:
        for edge in wired[waiting.pop()]["outEdges"]:
            if edge["destination"] not in reachable:
                reachable.add(edge["destination"])
                waiting.append(edge["destination"])
    assert hidden == 0
    assert sorted(unfolded) == sorted(reachable)
