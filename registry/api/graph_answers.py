"""Writes graphs as JSON.

A graph of four thousand nodes has forty thousand edges, each of which stands in two nodes. So the
lists of edges are joined from encoded node ids, and only the nodes' data goes through the encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec
from sqlmodel import Session

from registry.api.shapes import (
    duration_ms,
    field_answers,
    job_version,
    parent_uuid,
    raw,
    simple_name,
    version_of,
)
from registry.catalog.ancestry import Ancestry, ReadVersion
from registry.catalog.graph import CutBy, Pair, Shape
from registry.catalog.graph_nodes import DatasetNode, JobNode, RunNode, dataset_nodes, job_nodes
from registry.catalog.lookup import Named
from registry.catalog.names import dataset_node, job_node
from registry.catalog.scope import hides_any
from registry.ids import uuid_text
from registry.wire.catalog import DatasetBase, EntityId, JobInGraph, RunBase
from registry.wire.lineage import (
    BareNode,
    Truncation,
    UpstreamAnswer,
    UpstreamInput,
    UpstreamRun,
)

_encode = msgspec.json.Encoder().encode


def truncation(cut: CutBy | None, *, depth: int, size: int) -> Truncation | None:
    """What cut a graph, and the limit that did."""
    match cut:
        case None:
            return None
        case CutBy.DEPTH:
            return {"by": "depth", "limit": depth}
        case CutBy.SIZE:
            return {"by": "size", "limit": size}


class _Edges:
    """The edges of a graph by node, as the encoded ids of the other ends, in order.

    Nodes that have no name are left out with theirs.
    """

    def __init__(self, encoded: Mapping[bytes, bytes], pairs: Iterable[Pair]) -> None:
        self._encoded = encoded
        self.into: dict[bytes, list[bytes]] = {key: [] for key in encoded}
        self.out: dict[bytes, list[bytes]] = {key: [] for key in encoded}
        for origin, end in pairs:
            first, last = encoded.get(origin), encoded.get(end)
            if first is not None and last is not None:
                self.into[end].append(first)
                self.out[origin].append(last)
        for ends in (*self.into.values(), *self.out.values()):
            ends.sort()

    def json(self, key: bytes) -> tuple[bytes, bytes]:
        """The edges into and out of a node, without brackets around them."""
        near = self._encoded[key]
        after, before = b',"destination":' + near + b"}", b'{"origin":' + near + b',"destination":'
        into, out = self.into[key], self.out[key]
        return (
            b'{"origin":' + (after + b',{"origin":').join(into) + after if into else b"",
            before + (b"}," + before).join(out) + b"}" if out else b"",
        )


def lineage_json(session: Session, shape: Shape, *, depth: int, size: int) -> bytes:
    """A graph in Marquez's shape (LineageAnswer), sorted by node id. Cost: four queries.

    What is out of sight is left out, and `beyondScope` says so.

    Each node is encoded as soon as it is made: thousands of them at once would keep the garbage
    collector busy for longer than everything else takes.
    """
    datasets = dataset_nodes(session, shape.datasets)
    jobs = job_nodes(session, shape.jobs)
    texts = {node.id: dataset_node(node.namespace, node.name) for node in datasets}
    texts.update((node.id, job_node(node.namespace, node.name)) for node in jobs)
    encoded = {key: _encode(text) for key, text in texts.items()}
    names = {encoded[node.id]: _encode(_entity(node)) for node in datasets}
    edges = _Edges(encoded, shape.edges)
    nodes = [(texts[node.id], node.id, _encode(_dataset(node, texts))) for node in datasets]
    for job in jobs:
        ends = (_named(names, edges.into[job.id]), _named(names, edges.out[job.id]))
        nodes.append((texts[job.id], job.id, _encode(_job(job, texts, *ends))))
    nodes.sort()
    parts = [b'{"graph":[']
    for _, key, node in nodes:
        into, out = edges.json(key)
        parts += (node[:-1], b',"inEdges":[', into, b'],"outEdges":[', out, b"]},")
    if nodes:
        parts[-1] = b"]}"
    cut = truncation(shape.cut, depth=depth, size=size)
    beyond = _encode(hides_any(session, shape.datasets | shape.jobs))
    return b"".join((*parts, b'],"truncated":', _encode(cut), b',"beyondScope":', beyond, b"}"))


def _entity(node: DatasetNode | JobNode) -> EntityId:
    return {"namespace": node.namespace, "name": node.name}


def _named(names: Mapping[bytes, bytes], ends: Iterable[bytes]) -> Any:
    """Those of the ends that are datasets, by name."""
    return raw(b"[" + b",".join([names[end] for end in ends if end in names]) + b"]")


def _dataset(node: DatasetNode, texts: Mapping[bytes, str]) -> BareNode:
    facts = node.facts
    data: DatasetBase = {
        "id": _entity(node),
        "type": facts.kind.value,
        "name": node.name,
        "physicalName": node.name,
        "createdAt": node.created_at,
        "updatedAt": node.updated_at,
        "namespace": node.namespace,
        "sourceName": facts.source_name,
        "fields": field_answers(facts.fields),
        "tags": list(facts.tags),
        "lastModifiedAt": node.modified_at,
        "description": facts.description,
        "lastLifecycleState": facts.lifecycle_state,
        "datasetType": facts.dataset_type,
    }
    return {"id": texts[node.id], "type": "DATASET", "data": data}


def _job(node: JobNode, texts: Mapping[bytes, str], inputs: Any, outputs: Any) -> BareNode:
    facts, parent = node.facts, node.parent
    data: JobInGraph = {
        "id": _entity(node),
        "type": facts.kind.value,
        "name": node.name,
        "simpleName": simple_name(node.name, parent),
        "parentJobName": parent[1] if parent else None,
        "parentJobUuid": parent_uuid(parent),
        "createdAt": node.created_at,
        "updatedAt": node.updated_at,
        "namespace": node.namespace,
        "inputs": inputs,
        "outputs": outputs,
        "location": facts.location,
        "description": facts.description,
        "latestRun": _run(node.latest_run, node) if node.latest_run else None,
        "tags": list(facts.tags),
        "labels": list(facts.labels),
    }
    return {"id": texts[node.id], "type": "JOB", "data": data}


def _run(run: RunNode, job: JobNode) -> RunBase:
    return {
        "id": uuid_text(run.id),
        "createdAt": run.created_at,
        "updatedAt": run.updated_at,
        "nominalStartTime": run.nominal_start_at,
        "nominalEndTime": run.nominal_end_at,
        "state": cast("Any", run.state),
        "startedAt": run.started_at,
        "endedAt": run.ended_at,
        "durationMs": duration_ms(run.started_at, run.ended_at),
        "args": {},
        "jobVersion": job_version(Named(job.id, job.namespace, job.name)),
        "inputDatasetVersions": [],
        "outputDatasetVersions": [],
        "facets": {},
    }


def upstream_answer(ancestry: Ancestry, *, depth: int, size: int) -> UpstreamAnswer:
    """Upstream runs in Marquez's shape."""
    runs: list[UpstreamRun] = [
        {
            "job": {
                "namespace": one.run.job.namespace,
                "name": one.run.job.name,
                "version": uuid_text(one.run.job.id),
            },
            "run": {
                "id": uuid_text(one.run.id),
                "start": one.run.started_at,
                "end": one.run.ended_at,
                "status": one.run.state,
            },
            "inputs": [_upstream_input(read) for read in one.inputs],
        }
        for one in ancestry.runs
    ]
    return {
        "runs": runs,
        "truncated": truncation(ancestry.cut, depth=depth, size=size),
        "beyondScope": ancestry.beyond,
    }


def _upstream_input(read: ReadVersion) -> UpstreamInput:
    version = version_of(read.dataset, read.number)["version"]
    made_by = uuid_text(read.made_by) if read.made_by else None
    return {
        "namespace": read.dataset.namespace,
        "name": read.dataset.name,
        "version": version,
        "producedByRunId": made_by,
    }
