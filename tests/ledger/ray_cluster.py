"""A real Ray cluster of two nodes on this machine, on loopback alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# Ray reads them when it is loaded: stay on loopback, and tell nobody that it is used.
_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@contextmanager
def two_nodes() -> Iterator[None]:
    """Two nodes of one CPU each, which RAY_ADDRESS names while the block runs."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-") as temp:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            cluster.add_node(**_NODE, include_dashboard=False, temp_dir=os.path.realpath(temp))
            cluster.add_node(**_NODE)
            cluster.wait_for_nodes()
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield
        finally:
            ray.shutdown()
            cluster.shutdown()
