"""How many CPUs and GPUs each kind of work asks Ray for: the only place with such numbers."""

from typing import TYPE_CHECKING, Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rnalearner.config.run import RaySettings
from rnalearner.errors import ClusterError

if TYPE_CHECKING:
    from ray.train import ScalingConfig

# More threads than this in one worker gain nothing on matrices of our size.
_MAX_CPUS = 8


def private_cluster(settings: RaySettings) -> dict[str, Any]:
    """Arguments of ray.init for a private cluster."""
    sizes: dict[str, Any] = {"object_store_memory": settings.object_store_mb * 2**20}
    if settings.num_cpus is not None:
        sizes["num_cpus"] = settings.num_cpus
    if settings.use_gpu is False:
        sizes["num_gpus"] = 0
    return sizes


def use_gpu(settings: RaySettings) -> bool:
    """Whether to train on GPUs; raises ClusterError where they were asked for and there are none."""
    if settings.use_gpu is False:
        return False
    found = _total("GPU") > 0
    if settings.use_gpu and not found:
        raise ClusterError("Ray", "has no GPU", "set ray.use_gpu to false, or join a cluster with GPUs")
    return found


def scout_resources(settings: RaySettings, in_flight: int) -> dict[str, float]:
    """Options of a scout's actor, so that `in_flight` of them run at once where they fit.

    A scout that does not fit at once waits its turn. A share of a GPU is bookkeeping, not
    isolation: the scouts that share one must fit its memory together.
    """
    gpus = settings.gpus_per_scout if use_gpu(settings) else 0
    if gpus > _total("GPU"):
        what = f"{gpus:g} GPUs a scout do not fit {_total('GPU'):g}"
        raise ClusterError("Ray", what, "lower ray.gpus_per_scout")
    return {"num_cpus": _cpus(in_flight), "num_gpus": gpus}


def finetune_resources(settings: RaySettings, in_flight: int) -> dict[str, float]:
    """Options of a fine-tuning run: it asks for as much as a scout."""
    return scout_resources(settings, in_flight)


def tune_resources(settings: RaySettings, in_flight: int) -> dict[str, float]:
    """What a trial asks Ray Tune for: as much as a fine-tuning run.

    A trial is one process that starts no other: `in_flight` of them never wait for each other.
    """
    options = finetune_resources(settings, in_flight)
    return {"CPU": options["num_cpus"], "GPU": options["num_gpus"]}


def benchmark_resources(settings: RaySettings, encoder: bool) -> tuple[dict[str, float], int]:
    """Options of a piece of the benchmark, and how many of them run at once.

    Pieces are many and small: each takes one CPU and, where it fine-tunes an encoder, a share of a GPU.
    """
    gpus = scout_resources(settings, 1)["num_gpus"] if encoder else 0
    at_once = min(_total("CPU"), _total("GPU") / gpus) if gpus else _total("CPU")
    return {"num_cpus": 1, "num_gpus": gpus}, max(1, int(at_once))


def each_resources() -> tuple[dict[str, float], int]:
    """Options of one piece of a job that numpy works on, and how many run at once."""
    return {"num_cpus": 1}, max(1, int(_total("CPU")))


def guide_resources(beside_driver: bool) -> dict[str, Any]:
    """Options of the guide's actor: it only receives, so it must never wait for a free CPU.

    What it publishes the driver reads by path: `beside_driver` where their hosts share no disk.
    """
    if not beside_driver:
        return {"num_cpus": 0}
    here = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}


def train_scaling(settings: RaySettings, num_workers: int) -> "ScalingConfig":
    """Ray Train's workers; raises ClusterError where they would wait for ever."""
    from ray.train import ScalingConfig

    gpus, cpus = use_gpu(settings), _total("CPU")
    have, what = (_total("GPU"), "GPUs") if gpus else (cpus, "CPUs")
    if num_workers > have:
        raise ClusterError(
            "Ray Train",
            f"{num_workers} workers do not fit {have:g} {what}",
            f"set pretrain.num_workers to at most {int(have)}",
        )
    each = {"CPU": float(_cpus(num_workers))} | ({"GPU": 1.0} if gpus else {})
    return ScalingConfig(num_workers=num_workers, use_gpu=gpus, resources_per_worker=each)


def _cpus(workers: int) -> int:
    """CPUs of each of `workers` alike: no more than the largest host has, and one at least."""
    largest = max((node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]), default=1)
    return max(1, int(min(_total("CPU") // workers, largest, _MAX_CPUS)))


def _total(resource: str) -> float:
    return float(ray.cluster_resources().get(resource, 0))
