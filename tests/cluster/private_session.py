"""A private Ray session: `python -m tests.cluster.private_session` prints its folder, ends with its input."""

import sys

import ray

from cluster.local import ray_session
from rnalearner.config.run import RaySettings

if __name__ == "__main__":
    with ray_session(RaySettings(num_cpus=1, object_store_mb=100)):
        ray.get(ray.remote(lambda: None).remote())  # so that a worker listens, too
        sys.stdout.write(ray._private.worker._global_node.get_session_dir_path() + "\n")
        sys.stdout.flush()
        sys.stdin.read()
