"""What the benchmarks share: the machine's name, processor time, allocated memory, fitted lines."""

import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

K = TypeVar("K", bound=Hashable)
CPU = torch.device("cpu")


def machine() -> str:
    """The processor's name."""
    name = platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), name)
    return name


def one_thread() -> str:
    """Processor, torch and threads, of which there is one from now on."""
    torch.set_num_threads(1)
    return f"{machine()}, torch {torch.__version__}, 1 thread"


def clock(device: torch.device) -> float:
    """Seconds: processor time on the CPU; on a GPU those on the wall when it has done all."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def milliseconds(run: Callable[[], object], count: int = 1, device: torch.device = CPU) -> float:
    """Time of one of `count` runs."""
    start = clock(device)
    for _ in range(count):
        run()
    return 1e3 * (clock(device) - start) / count


def medians(
    runs: Mapping[K, Callable[[], object]],
    *,
    rounds: int = 5,
    seconds: float = 0.0,
    device: torch.device = CPU,
) -> dict[K, float]:
    """Median milliseconds of each, interleaved, after a round that does not count.

    Args:
        runs: what to run.
        rounds: times that each is measured, at least.
        seconds: to go on for, at least.
        device: that computes.
    """
    for run in runs.values():
        run()
    once = max(milliseconds(run, device=device) for run in runs.values())
    count = max(1, round(20 / once))  # at least 20 ms between two readings of the clock
    times, end = [], clock(device) + seconds
    while len(times) < rounds or clock(device) < end:
        times.append([milliseconds(run, count, device) for run in runs.values()])
    return dict(zip(runs, map(statistics.median, zip(*times, strict=True)), strict=True))


def forward_and_backward(
    module: Callable[..., torch.Tensor], *inputs: torch.Tensor
) -> dict[str, Callable[[], None]]:
    """Runs of `module`: forward, without a graph, and both ways."""
    tensors = [*inputs, *(module.parameters() if isinstance(module, torch.nn.Module) else ())]

    def forward() -> None:
        with torch.no_grad():
            module(*inputs)

    def both() -> None:
        for tensor in tensors:
            tensor.grad = None
        out = module(*inputs)
        out.backward(torch.ones_like(out))

    return {"forward": forward, "both": both}


def allocated(run: Callable[[], object]) -> tuple[int, int]:
    """Bytes that torch holds more after the run, while its result lives, and at its peak."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = run()
    now = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    del result
    return now, peak
