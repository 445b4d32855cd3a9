"""Peak memory against axial_attention 0.6.1: python tests/benchmarks/attention_memory.py

Growth of a process's peak resident memory over what it held before the call, for one call each in
a process of its own, in MiB: forward, and forward + backward, of which also the peak of what torch
has allocated (the rest are holes that the C library keeps). The input is (1, 3, 256, 256) with one
head of 32 features; for position-sensitive attention it is (1, 32, 256, 256).
"""

import platform
import resource
import subprocess
import sys
from pathlib import Path

ARGUMENTS = {"dim": 3, "dim_index": 1, "heads": 1, "dim_heads": 32}
WINDOW = {"span": (17, 17)}
RELATIVE = {"position": "relative", "shape": (256, 256)}
VARIANTS: dict[str, dict[str, object]] = {
    "original": {},
    "ours": {},
    "causal": {"causal": (True, True)},
    "window of 17": WINDOW,
    "valid positions": {},
    "window, valid positions": WINDOW,
    "relative positions": RELATIVE,
    "relative, valid positions": RELATIVE,
    "dropout": {"dropout": 0.1},
    "position-sensitive, 17": {},
    "position-sensitive, 511": {},
}
WAYS = ("forward", "both", "allocated")
UNIT = 2**10 if platform.system() == "Linux" else 2**20


def resident() -> float:
    """Memory this process holds now, in MiB."""
    if not Path("/proc/self/statm").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def peak(variant: str, way: str) -> float:
    """Extra peak memory in MiB of one call, measured in this process."""
    import axial_attention as original
    import torch
    from measuring import allocated

    from axialcast.nn import AxialAttention, PositionSensitiveAxialAttention

    torch.set_num_threads(1)
    if variant.startswith("position-sensitive"):
        span = int(variant.split()[-1])
        module = PositionSensitiveAxialAttention(32, (span, span), heads=1, dim_key=32, dim_index=1)
    else:
        of = original.AxialAttention if variant == "original" else AxialAttention
        module = of(**ARGUMENTS, **VARIANTS[variant])

    def call(size: int) -> None:
        x = torch.randn(1, module.dim if hasattr(module, "dim") else 3, size, size)
        inputs = [x]
        if "valid" in variant:
            inputs.append(torch.rand(1, size, size) < 0.5)
        with torch.set_grad_enabled(backward):
            out = module(*inputs)
        if backward:
            out.sum().backward()

    backward = way != "forward"
    call(8)  # loads the libraries
    if way == "allocated":
        return allocated(lambda: call(256))[1] / 2**20
    before = resident()
    call(256)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT - before


def main() -> None:
    if len(sys.argv) == 3:
        print(peak(*sys.argv[1:]))
        return
    import torch

    print(f"{platform.machine()}, torch {torch.__version__}, 1 thread, extra peak memory in MiB\n")
    print(f"{'':27}" + "".join(f"{way:>10}" for way in WAYS) + f"{'of the original':>24}")
    first: list[float] = []
    for variant in VARIANTS:
        command = [sys.executable, __file__, variant]
        values = [
            float(subprocess.run([*command, way], check=True, capture_output=True).stdout)
            for way in WAYS
        ]
        first = first or values
        shares = "".join(f"{value / base:8.2f}" for value, base in zip(values, first, strict=True))
        print(f"{variant:27}" + "".join(f"{v:10.0f}" for v in values) + shares, flush=True)


if __name__ == "__main__":
    main()
