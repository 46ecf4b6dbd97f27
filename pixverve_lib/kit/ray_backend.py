"""joblib on a running Ray cluster. Imported only when an address is given: ray is optional."""

import logging
from concurrent.futures.process import BrokenProcessPool

import ray
from ray.exceptions import RayError
from ray.util.joblib.ray_backend import RayBackend


class RayStream(RayBackend):
    """The backend of `ray.util.joblib.register_ray`, handing over each result when it comes: a journal cannot wait."""

    supports_return_generator = True

    def configure(self, n_jobs: int = 1, parallel: object = None, context: object = None, **settings) -> int:
        return super().configure(n_jobs, parallel, **settings)  # Ray warns of joblib's `context` at every start

    def retrieve_result_callback(self, result: object) -> object:
        try:
            return super().retrieve_result_callback(result)
        except RayError as error:  # a node or an actor is gone: the name loky has for it
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
    return RayStream(ray_remote_args={"num_cpus": 1}), cpus  # an actor a core: so they spread over the nodes
