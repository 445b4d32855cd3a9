"""The whole line on a GPU, in one process and in two that share the card."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import axialcast

SMALLEST = Path(__file__).parents[2] / "configs" / "smallest.yaml"
TIMEOUT = 90


def run(output: Path, world_size: int, *more: str) -> None:
    """The command in so many processes, which must all end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "axialcast", "run", str(SMALLEST), f"output={output}", *more]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    if world_size > 1:
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        environment |= {"WORLD_SIZE": str(world_size), "LOCAL_WORLD_SIZE": str(world_size)}
    processes = [
        subprocess.Popen(
            command,
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world_size)
    ]
    try:
        said = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * world_size, said


def forecasts(output: Path) -> xr.Dataset:
    return xr.open_zarr(output / "forecast.zarr").load()


def far_apart(one: xr.Dataset, other: xr.Dataset) -> float:
    """Root mean square of the difference, in standard deviations."""
    ratios = ((one - other) ** 2).mean() ** 0.5 / one.std()
    return max(float(value) for value in ratios.values())


@pytest.fixture(scope="module")
def in_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA GPU on this machine")
    output = tmp_path_factory.mktemp("line") / "one"
    run(output, 1, "device=cuda")
    return output


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_forecast_of_a_gpu_is_that_of_the_cpu(in_one: Path, precision: str) -> None:
    """Of the same checkpoint; in bfloat16, which training chose, to its three digits."""
    made: list[xr.Dataset] = []
    for device in ("cuda", "cpu"):
        forecaster = axialcast.load(in_one / "checkpoint", device=device)
        forecaster.precision = precision if device == "cuda" else "float32"
        known = forecasts(in_one)
        made.append(
            forecaster.predict(
                in_one / "analysis.zarr",
                init_times=known.init_time.values,
                lead_times=known.lead_time.values,
            )
        )
    assert far_apart(made[1], made[0]) < (1e-4 if precision == "float32" else 1e-2)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("reversible", ["false", "true"])
def test_two_processes_on_one_card(
    parallel: str, reversible: str, tmp_path: Path, gpu: torch.device
) -> None:
    """Losses are those of one process, and so are forecasts, to rounding."""
    options = ("device=cuda", "train.precision=float32", f"model.reversible={reversible}")
    run(tmp_path / "one", 1, *options)
    run(tmp_path / "two", 2, *options, f"train.parallel={parallel}")
    one, two = forecasts(tmp_path / "one"), forecasts(tmp_path / "two")
    assert (one.init_time == two.init_time).all()
    assert np.isfinite(two.to_dataarray()).all()
    assert far_apart(one, two) < 1e-2  # forecasts are in bfloat16
