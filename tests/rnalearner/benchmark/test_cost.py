import pytest

from rnalearner.benchmark.cost import cost


def piece(kind: str, seconds: float, gpus: float, machine: str) -> dict[str, object]:
    return {"kind": kind, "seconds": seconds, "cpus": 1, "gpus": gpus, "machine": machine}


def test_hours_are_summed_by_kind_and_machine_and_half_a_gpu_counts_half():
    told = [
        piece("encoder", 3600, 0.5, "H100"),
        piece("encoder", 1800, 0.5, "H100"),
        piece("guided", 36, 0, "CPU"),
        piece("linear", 36, 0, "CPU"),
    ]
    on_gpu, on_cpu = cost(told)
    assert (on_gpu["arms"], on_gpu["machine"], on_gpu["pieces"]) == ("encoder", "H100", 2)
    assert (on_gpu["gpu_hours"], on_gpu["cpu_hours"]) == (0.75, 1.5)
    assert (on_cpu["arms"], on_cpu["pieces"], on_cpu["gpu_hours"]) == ("linear", 2, 0)
    assert on_cpu["cpu_hours"] == pytest.approx(0.02)
