"""Memory of a training step, predicted and measured: `python tests/benchmarks/fits.py`.

Each case is one training in a process of its own on the CPU: `TrainingCosts` predicts what its step
holds, then two updates are made. Measured is how much the largest memory of the process (the
kernel's VmHWM: Linux only) exceeds what it held before, once the libraries were warm. Run with
MALLOC_MMAP_THRESHOLD_=65536, so that what is given back is given back to the system.
"""

import functools
import gc
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from measuring import machine

from axialcast.data import Batch, Channel, Channels
from axialcast.grid import LatLonGrid
from axialcast.model import ForecastNetwork
from axialcast.run.config import load_config
from axialcast.run.training_costs import TrainingCosts
from axialcast.training import ForecastTask, Training, adamw

ROOT = Path(__file__).parents[2]
DAY = np.timedelta64(1, "D")
# latitudes, longitudes, channels, dim, depth, patch, reversible, windows, rollout, masked, bfloat16
CASES = {
    "32 x 64, plain": (32, 64, 3, 64, 4, 2, False, 8, 1, False, False),
    "32 x 64, reversible": (32, 64, 3, 64, 4, 2, True, 16, 1, False, False),
    "32 x 64, 4 steps": (32, 64, 3, 64, 4, 2, True, 8, 4, False, False),
    "64 x 128, masked": (64, 128, 10, 64, 2, 4, False, 4, 2, True, False),
    "121 x 240, deep": (121, 240, 20, 96, 6, 4, True, 4, 1, False, False),
    "32 x 64, bfloat16": (32, 64, 3, 64, 4, 2, False, 8, 1, False, True),
}


def costs_of(case):
    height, width, channels, dim, depth, patch, reversible, windows, steps, masked, bf16 = case
    settings = [
        f"model={{dim: {dim}, depth: {depth}, heads: 4, patch: [{patch}, {patch}]}}",
        f"model.reversible={str(reversible).lower()}",
        f"train.batch_size={windows}",
        f"train.schedule=[{{steps: 3, rollout_steps: {steps}}}]",
        "data.input_steps=2",
    ]
    config = load_config(ROOT / "configs" / "smallest.yaml", settings)
    grid = LatLonGrid.regular(height, width, poles=False)
    names = Channels([Channel(f"x{number}", None, "1") for number in range(channels)])
    return TrainingCosts(config, names, grid, masked=masked, bfloat16=bf16)


def update(costs):
    """Two updates of a training as `costs` has it."""
    grid, channels = costs.grid, len(costs.channels)
    network = ForecastNetwork(
        num_channels=channels,
        grid=grid,
        increment_scale=[1.0] * channels,
        input_steps=2,
        **costs.config.model.model_dump(),
    )
    states = torch.zeros(costs.windows, 2 + costs.rollout_steps, channels, *grid.shape)
    times = np.datetime64("2001-01-01", "ns") + DAY * np.arange(states.shape[1])
    valid = torch.ones(states.shape, dtype=torch.bool) if costs.masked else None
    batch = Batch(states, np.broadcast_to(times, states.shape[:2]), valid, 2)
    training = Training(
        network,
        ForecastTask(
            step=DAY,
            area_weights=torch.ones(grid.shape),
            scale=torch.ones(channels, 1, 1),
            precision="bfloat16" if costs.bfloat16 else "float32",
        ),
        optimizer=functools.partial(adamw, weight_decay=0.1),
        learning_rate=lambda step: 1e-3,
        stage_steps=[2],
        windows=lambda number: [batch, batch],
        validation=[],
        ema_decay=0.9,
        gradient_clip=1.0,
        validate_every=10**9,
    )
    for _ in range(2):
        training._update(batch)


def held(name):
    """Bytes that the kernel says of this process."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    return 1024 * int(found[1])


def measure(name):
    torch.set_num_threads(1)
    case = CASES[name]
    costs = costs_of(case)
    predicted = costs.peak
    update(costs_of((8, 16, case[2], 16, 1, 2, *case[6:7], 1, *case[8:])))  # warms the libraries
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    update(costs)
    print(predicted, held("VmHWM") - before)


def main():
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    print(f"{machine()}, torch {torch.__version__}, MB\n")
    print(f"{'':22}{'predicted':>10}{'measured':>10}{'ratio':>8}")
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    for name in CASES:
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        predicted, measured = map(float, done.stdout.split())
        print(f"{name:22}{predicted / 1e6:10.1f}{measured / 1e6:10.1f}{predicted / measured:8.2f}")


if __name__ == "__main__":
    main()
