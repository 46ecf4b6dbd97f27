"""joblib on a running Ray cluster. Imported only when an address is given: ray is optional."""

import logging
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import ray
from ray.exceptions import RayError
from ray.util.joblib.ray_backend import RayBackend

# Round robin over the nodes. Whole CPUs would make actors wait for ever when a node has been lost; zero is not spread.
SPREAD = {"scheduling_strategy": "SPREAD", "num_cpus": 0.01}


class RayStream(RayBackend):
    """The backend of `ray.util.joblib.register_ray`, handing over each result when it comes: a journal cannot wait."""

    supports_return_generator = True

    def configure(self, n_jobs: int = 1, parallel: object = None, context: object = None, **settings) -> int:
        with _lost_workers():
            return super().configure(n_jobs, parallel, **settings)  # Ray warns of joblib's `context` at every start

    def retrieve_result_callback(self, result: object) -> object:
        with _lost_workers():
            return super().retrieve_result_callback(result)


@contextmanager
def _lost_workers() -> Iterator[None]:
    """A node or an actor that is gone gets the name that loky has for it."""
    try:
        yield
    except RayError as error:
        raise BrokenProcessPool(str(error).splitlines()[0]) from error


def connect(address: str) -> tuple[RayStream, int]:
    """Join the cluster at `address`, unless this process is in one already -> (backend, the cluster's CPUs).

    Raises ConnectionError when there is no cluster, ValueError when it has fewer than 2 CPUs.
    """
    if not ray.is_initialized():
        ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < 2:
        raise ValueError(f"the Ray cluster at {address} has {cpus} CPUs: add a node, or run here without the address")
    return RayStream(ray_remote_args=SPREAD), cpus
