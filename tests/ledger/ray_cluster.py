"""A real Ray cluster of two nodes on this machine, on loopback alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# Ray reads them when it is loaded: stay on loopback, and tell nobody that it is used.
# A busy machine may need some time to start what a cluster is made of.
_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "120",
}
_PATIENCE_SECONDS = 120
_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@contextmanager
def two_nodes() -> Iterator[None]:
    """Two nodes of one CPU each, which RAY_ADDRESS names while the block runs."""
    # Sockets lie there, and their path may have a hundred letters.
    folder = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
    with pytest.MonkeyPatch.context() as patch, folder as temp:
        for name, value in {**_ENVIRONMENT, "RAY_TMPDIR": temp}.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            cluster.add_node(**_NODE, include_dashboard=False)
            cluster.add_node(wait=False, **_NODE)
            cluster.wait_for_nodes(timeout=_PATIENCE_SECONDS)
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield
        finally:
            ray.shutdown()
            cluster.shutdown()
