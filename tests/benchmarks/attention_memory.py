"""Peak memory against axial_attention 0.6.1: python tests/benchmarks/attention_memory.py

Growth of a process's peak resident memory over what it held before the call, for one call each in
a process of its own, in MiB. The input is (1, 3, 256, 256) with one head of 32
features, all of the options trained; for position-sensitive attention it is (1, 32, 256, 256).
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
UNIT = 2**10 if platform.system() == "Linux" else 2**20


def resident() -> float:
    """Memory this process holds now, in MiB."""
    if not Path("/proc/self/statm").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def peak(variant: str, backward: bool) -> float:
    """Extra peak memory of one call, measured in this process."""
    import axial_attention as original
    import torch

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

    call(8)  # loads the libraries
    before = resident()
    call(256)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT - before


def main() -> None:
    if len(sys.argv) == 3:
        print(peak(sys.argv[1], sys.argv[2] == "both"))
        return
    import torch

    print(f"{platform.machine()}, torch {torch.__version__}, 1 thread, extra peak memory in MiB\n")
    print(f"{'':27}{'forward':>9}{'both':>9}{'of the original':>22}")
    first: list[float] = []
    for variant in VARIANTS:
        command = [sys.executable, __file__, variant]
        values = [
            float(subprocess.run([*command, way], check=True, capture_output=True).stdout)
            for way in ("forward", "both")
        ]
        first = first or values
        shares = "".join(f"{value / base:11.2f}" for value, base in zip(values, first, strict=True))
        print(f"{variant:27}{values[0]:9.0f}{values[1]:9.0f}{shares}", flush=True)


if __name__ == "__main__":
    main()
