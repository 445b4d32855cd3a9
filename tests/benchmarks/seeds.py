"""What seeds do, and what a mean of networks adds: RMSE of each, of pairs and of fours.

    python tests/benchmarks/seeds.py configs/ncep_slp.yaml --members 6 --output runs/seeds

Trains the config's network from so many seeds (`train.members`) and forecasts with each. Printed,
of the first variable and level, by lead time: the RMSE of every network alone, of means of two and
of four after one another, which is what the config gives with other seeds, and the standard
deviation over each kind. What is there already is not made again.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from axialcast import open_analysis
from axialcast.run.config import load_config
from axialcast.run.stages import run_stages
from axialcast.verify import Climatology, evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("--members", type=int, default=6)
    parser.add_argument("--output", type=Path, default=Path("runs/seeds"))
    options = parser.parse_args()
    overrides = [
        f"output={options.output}", f"train.members={options.members}",
        "pipeline=[train,forecast]",
    ]  # fmt: skip
    config = load_config(options.config, overrides)
    assert config.data is not None
    run_stages(config)
    analysis = open_analysis(config.analysis_store, **config.verified_opening)
    climatology = Climatology.fit(analysis.sel(time=slice(*config.data.train)))
    forecast = xr.open_zarr(options.output / "forecast.zarr")
    for size in (1, 2, 4):
        groups = range(0, options.members - size + 1, max(1, size // 2) if size > 2 else size)
        rows = [
            rmse(forecast.isel(number=slice(first, first + size)), analysis, climatology)
            for first in groups
        ]
        for first, row in zip(groups, rows, strict=True):
            say(f"networks {first} to {first + size - 1}" if size > 1 else f"network {first}", row)
        say(f"mean of {len(rows)}", np.mean(rows, 0))
        say("standard deviation", np.std(rows, 0, ddof=1) if len(rows) > 1 else rows[0] * np.nan)


def rmse(
    forecast: xr.Dataset, analysis: xr.Dataset, climatology: Climatology
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(l,) of the mean of all members."""
    name = str(next(iter(forecast.data_vars)))
    scores = evaluate(forecast, analysis, climatology=climatology, metrics=["rmse"])
    whole = scores[name].sel(model="forecast", metric="rmse", region="all")
    return whole.isel(level=0).values if "level" in whole.dims else whole.values


def say(name: str, row: np.ndarray) -> None:
    print(f"{name:20}" + "".join(f"{value:8.1f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
