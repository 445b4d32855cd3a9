"""Memory of a process that adds up gradients: python tests/benchmarks/accumulating.py

A forward and a backward pass of AxialImageTransformer, 64 features, images of 64 x 64, 4 to 32
layers, into gradients that are there already, as accumulation and DistributedDataParallel have
them: the peak of the process's resident memory, in MB above what it held before. Each case has a
process of its own, after two passes that do not count, with malloc giving all above 64 KiB back at
once. Reversible blocks must take at most 2 % a layer of what plain ones do.
"""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

DEPTHS = (4, 16, 32)
KINDS = ("plain", "reversible", "axial_attention")
DIM, SIZE, ROUNDS = 64, 64, 3


def resident(field: str) -> float:
    """VmRSS or VmHWM, the peak, in MB."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1e3


def measure(kind: str, depth: int) -> None:
    import axial_attention
    import torch

    from axialcast.nn import AxialImageTransformer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    made_by = axial_attention.AxialImageTransformer if kind == "axial_attention" else None
    network = (made_by or AxialImageTransformer)(
        dim=DIM, depth=depth, heads=8, reversible=kind != "plain"
    )
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    x = torch.randn(1, DIM, SIZE, SIZE, requires_grad=True)
    for number in range(2 + ROUNDS):
        if number == 2:
            before = resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        x.grad = None
        network(x).square().mean().backward()
    print(resident("VmHWM") - before)


def main() -> None:
    print(f"{'':18}" + "".join(f"{depth:>8} layers" for depth in DEPTHS) + "    per layer")
    slopes = {}
    for kind in KINDS:
        peaks = []
        for depth in DEPTHS:
            command = [sys.executable, __file__, kind, str(depth)]
            environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            peaks.append(float(done.stdout))
        slopes[kind] = statistics.linear_regression(DEPTHS, peaks).slope
        cells = "".join(f"{peak:15.1f}" for peak in peaks)
        print(f"{kind:18}{cells}{slopes[kind]:13.3f}", flush=True)
    print(f"reversible over plain, per layer: {slopes['reversible'] / slopes['plain']:.2%}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        main()
