"""Forecasts of data that nobody tuned for: RMSE over the baselines', set by set.

    python tests/benchmarks/anyones_data.py --output runs/anyones_data
    python tests/benchmarks/anyones_data.py --sets ncep nature3 --set model.size=small --name small

Each set is one run of the shipped pipelines with the same few settings, so that what is measured
are the defaults. The planet is simulated once; real data are read from AXIALCAST_DATA, and left out
where there are none. What has ended is not run again: stopped at any time, it goes on when it is
started again. `--name` keeps what `--set` changes apart.

Printed, at each lead time: RMSE over that of the linear inverse model, and over that of the best
baseline, each the geometric mean over variables and levels; the best baseline of each.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

Settings = dict[str, Any]

DATA = Path(os.environ.get("AXIALCAST_DATA", Path(__file__).parents[3] / "shared" / "data"))
NATURE = {
    "variables": ["geopotential", "u_component_of_wind", "v_component_of_wind"],
    "validate": ["2021", "2021"],
    "test": ["2022", "2022"],
    "step_hours": 24,
}
DAYS = {"lead_time_hours": 120, "init_every_hours": 24}
SCHEDULE = [{"steps": 500, "rollout_steps": 1}, {"steps": 100, "rollout_steps": 3}]
SHORT = [{"steps": 150, "rollout_steps": 1}, {"steps": 80, "rollout_steps": 3}]


def nature(first: int, **changes: Any) -> Settings:
    """The simulated planet, trained on from a year to 2020."""
    data = {"store": "nature/analysis.zarr", **NATURE, "train": [str(first), "2020"], **changes}
    return {"data": data, "forecast": DAYS, "train": {"schedule": SCHEDULE}}


SETS: dict[str, Settings] = {
    "ncep": {
        "data": {
            "store": str(DATA / "ncep_slp_natlantic_daily_2001_2010.nc"),
            "variables": ["mean_sea_level_pressure"],
            "train": ["2001", "2007"],
            "validate": ["2008", "2008"],
            "test": ["2009", "2010"],
        },
        "forecast": {"lead_time_hours": 120},
        "train": {"schedule": SCHEDULE},
    },
    "nature1": nature(2020),
    "nature3": nature(2018),
    "nature20": nature(2001),
    "nature3_alone": nature(2018, variables=["geopotential"], levels=[500]),
    "nature3_land": nature(2018, store="land.zarr"),
    "cobe2": {
        "data": {
            "store": str(DATA / "cobe2_sst_2deg_monthly_1950_2009.nc"),
            "variables": ["sea_surface_temperature"],
            "train": ["1950", "1994"],
            "validate": ["1995", "1998"],
            "test": ["2000", "2009"],
            "step": "1 month",
        },
        "forecast": {"lead_time": "6 months"},
        "train": {"schedule": SHORT, "validate_every": 50},
    },
}


def main() -> None:
    arguments = _arguments()
    root = arguments.output.resolve()
    root.mkdir(parents=True, exist_ok=True)
    for name in arguments.sets:
        settings = SETS[name]
        store = Path(settings["data"]["store"])
        if store.is_absolute() and not store.exists():
            print(f"{name}: no {store}; set AXIALCAST_DATA")
            continue
        if not store.is_absolute():
            simulate(root)
            settings = {**settings, "data": {**settings["data"], "store": str(root / store)}}
        if store.name == "land.zarr":
            land(root)
        output = root / arguments.name / name
        seconds = run(output, settings, arguments.set)
        print(f"\n{name} ({seconds:.0f} s)")
        print(table(pd.read_csv(output / "scores.csv")).to_string(float_format="{:.3f}".format))
        sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--output", type=Path, default=Path("runs/anyones_data"))
    parser.add_argument("--name", default="defaults", help="of the folder for these settings")
    parser.add_argument("--set", nargs="*", default=[], help="overrides, such as model.size=small")
    return parser.parse_args()


def run(output: Path, settings: Settings, overrides: list[str]) -> float:
    """Seconds that train, forecast and verify took; those that are up to date take none."""
    config = output.with_suffix(".yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    whole = {"pipeline": ["train", "forecast", "verify"], "output": str(output), **settings}
    config.write_text(yaml.safe_dump(whole))
    return _axialcast(config, *overrides)


def simulate(root: Path) -> None:
    """The planet of 22 years, every six hours."""
    config = root / "nature.yaml"
    dates = {"start": "2001-01-01", "end": "2022-12-31"}
    whole = {"pipeline": "simulate", "output": str(root / "nature"), "simulate": dates}
    config.write_text(yaml.safe_dump(whole))
    _axialcast(config)


def land(root: Path) -> None:
    """The planet where its continents would be: waves 1 to 3 say where, a third of the area."""
    path = root / "land.zarr"
    if path.exists():
        return
    nature = xr.open_zarr(root / "nature" / "analysis.zarr").sel(time=slice("2018", None))
    x, y = np.deg2rad(nature.longitude), np.deg2rad(nature.latitude)
    height = np.cos(2 * x + 1) * np.cos(y) + np.sin(3 * x + 2 * y) + np.cos(x - 1) * np.sin(2 * y)
    partial = path.with_suffix(".partial")
    for name in nature.variables:
        nature[name].encoding.clear()
    nature.where(height > 0.5).chunk(time=120).to_zarr(
        partial, mode="w", zarr_format=3, consolidated=False
    )
    partial.rename(path)


def _axialcast(config: Path, *overrides: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "axialcast", "run", str(config), *overrides]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{config}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - started


def table(scores: pd.DataFrame) -> pd.DataFrame:
    """Ratios of RMSE by lead time."""
    lead = next(name for name in scores if name.startswith("lead_time"))
    rmse = scores[(scores.metric == "rmse") & (scores.region == "all")]
    index = ["variable", "level", lead]
    wide = rmse.fillna({"level": 0}).pivot_table(index=index, columns="model", values="value")
    baselines = wide[[name for name in wide if name not in ("forecast", "ensemble_mean")]]
    ratios = pd.DataFrame(
        {
            "over the LIM": wide.forecast / wide.linear_inverse_model,
            "over the best": wide.forecast / baselines.min(axis=1),
        }
    )
    found = np.exp(np.log(ratios).groupby(lead).mean())
    best = np.log(baselines).groupby(lead).mean().idxmin(axis=1)
    return found.assign(best=best).T


if __name__ == "__main__":
    main()
