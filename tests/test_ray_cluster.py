import os
from pathlib import Path

import pandas as pd
import pytest
from stage_functions import measure

from pixverve_lib.kit.parallel import map_pictures

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
HERE = str(Path(__file__).parent)


@pytest.fixture
def address(monkeypatch):
    ray = pytest.importorskip("ray", reason="ray is not installed: the same call on a cluster is not tested")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", HERE, prepend=os.pathsep)  # the nodes' workers import stage_functions
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
    cluster.add_node(**NODE)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


def test_the_same_call_on_two_ray_nodes_gives_the_same_rows_and_both_nodes_work(address, tmp_path):
    paths = [f"/pictures/{name}_{number}" for number, name in enumerate(["fine", "refuse", "fine", "fail"] * 4)]
    settings = {"n_jobs": 2, "shard_size": 5}
    cluster_log, local_log = tmp_path / "cluster", tmp_path / "local"
    cluster = map_pictures(measure, paths, tmp_path, options={"log": str(cluster_log)}, address=address, **settings)
    local = map_pictures(measure, paths, tmp_path, options={"log": str(local_log)}, **settings)
    pd.testing.assert_frame_equal(cluster, local)
    nodes = {line.split()[1] for line in cluster_log.read_text().splitlines()}
    assert len(nodes) == 2 and "here" not in nodes
