"""The whole line on a GPU, in one process and in two that share the card."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import axialcast

SMALLEST = Path(__file__).parents[2] / "configs" / "smallest.yaml"
Run = Callable[..., list[tuple[int, str]]]


@pytest.fixture(scope="module")
def run(ranks: Callable[..., list[tuple[int, str, str]]]) -> Run:
    """A function that runs the command in so many processes; status and words of each."""

    def run(output: Path, world_size: int, *more: str) -> list[tuple[int, str]]:
        options = ("device=cuda", "train.precision=float32", f"output={output}", *more)
        command = [sys.executable, "-m", "axialcast", "run", str(SMALLEST), *options]
        found = ranks(*[command] * world_size, LOCAL_WORLD_SIZE=str(world_size))
        return [(status, out + err) for status, out, err in found]

    return run


def forecasts(output: Path) -> xr.Dataset:
    return xr.open_zarr(output / "forecast.zarr").load()


def far_apart(one: xr.Dataset, other: xr.Dataset) -> float:
    """Root mean square of the difference, in standard deviations."""
    ratios = ((one - other) ** 2).mean() ** 0.5 / one.std()
    return max(float(value) for value in ratios.values())


@pytest.fixture(scope="module")
def in_one(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """The output of one process, trained in float32."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA GPU on this machine")
    output = tmp_path_factory.mktemp("line") / "one"
    [(status, said)] = run(output, 1)
    assert status == 0, said
    return output


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_forecast_of_a_gpu_is_that_of_the_cpu(in_one: Path, precision: str) -> None:
    """Of the same checkpoint; in bfloat16 to its three digits."""
    known, made = forecasts(in_one), []
    for device in ("cuda", "cpu"):
        forecaster = axialcast.load(in_one / "checkpoint", device=device)
        forecaster.precision = precision if device == "cuda" else "float32"
        made.append(
            forecaster.predict(
                in_one / "analysis.zarr",
                init_times=known.init_time.values,
                lead_times=known.lead_time.values,
            )
        )
    assert far_apart(made[1], made[0]) < (1e-4 if precision == "float32" else 1e-2)


def test_two_processes_on_one_card(in_one: Path, tmp_path: Path, run: Run) -> None:
    """Forecasts are those of one process that trained and forecast alone, to bfloat16's digits."""
    outcomes = run(tmp_path / "two", 2, "train.parallel=ddp", "model.reversible=true")
    assert [status for status, _ in outcomes] == [0, 0], outcomes
    one, two = forecasts(in_one), forecasts(tmp_path / "two")
    assert (one.init_time == two.init_time).all()
    assert np.isfinite(two.to_dataarray()).all()
    assert far_apart(one, two) < 1e-2


@pytest.mark.parametrize(
    ("option", "said"),
    [("train.parallel=fsdp", "train.parallel: fsdp"), ("train.domain_ranks=2", "domain_ranks:")],
)
def test_what_is_not_shared_on_a_shared_card(
    option: str, said: str, tmp_path: Path, gpu: torch.device, run: Run
) -> None:
    """gloo, which adds up what is on one card, exchanges nothing there."""
    if torch.cuda.device_count() > 1:
        pytest.skip("each process would have a GPU of its own")
    outcomes = run(tmp_path, 2, option)
    assert [status for status, _ in outcomes] == [2, 2], outcomes
    assert f"{said} wants a GPU for each of the 2 processes" in outcomes[0][1]
    assert "Traceback" not in outcomes[0][1]
