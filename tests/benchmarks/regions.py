"""What boundaries are worth: a region of the nature run without one, with the truth's, and with a
global forecast's.

    python tests/benchmarks/regions.py [--folder runs/regions] [--steps 700] [--truncation 21]
        [--width 2] [--relaxation davies]

Simulates six years of configs/quickstart.yaml's planet, trains a network on the globe and two on
the same region, and forecasts the last year but one in five ways. Prints the root-mean-square error
of 500 hPa geopotential over the region's interior, the same for all: that of `data.boundary.width`.
What is there already is not made again.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import xarray as xr
from measuring import machine

from axialcast import open_analysis
from axialcast.forecast import ForecastStore
from axialcast.frame import within
from axialcast.grid import grid_of
from axialcast.run.config import load_config
from axialcast.run.stages import run_stages

CONFIG = """
pipeline: [train, forecast]
output: {folder}/{name}
device: cpu
data:
  store: {folder}/planet/analysis.zarr
  variables: [geopotential, u_component_of_wind, v_component_of_wind]
  train: ["2001", "2003"]
  validate: ["2004", "2004"]
  test: ["2005", "2005"]
  step_hours: 12
model: {{dim: 96, depth: 3, heads: 4, reversible: false}}
train:
  batch_size: 16
  validate_every: 400
  learning_rate: 2.0e-3
  schedule:
    - {{steps: {steps}, rollout_steps: 1}}
    - {{steps: {more}, rollout_steps: 3}}
forecast: {{lead_time_hours: 120, init_every_hours: 48}}
"""
REGION = "data.region={latitude: [10, 80], longitude: [220, 330]}"
FINE, COARSE = "model.patch=[2, 2, 2]", "model.patch=[2, 4, 4]"
PLANET = "start: '2001-01-01', end: '2006-01-31'"
LEADS = np.array([12, 24, 48, 72, 96, 120]) * np.timedelta64(1, "h")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/regions"))
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--truncation", type=int, default=21)
    parser.add_argument("--width", type=int, default=2)
    parser.add_argument("--relaxation", choices=("davies", "overwrite"), default="davies")
    options = parser.parse_args()
    folder, steps, width = options.folder, options.steps, options.width
    boundary = f"data.boundary={{width: {width}, relaxation: {options.relaxation}}}"
    folder.mkdir(parents=True, exist_ok=True)

    def run(name: str, *overrides: str) -> Path:
        path = folder / f"{name}.yaml"
        path.write_text(
            CONFIG.format(folder=folder, name=name, steps=steps, more=max(1, steps // 7))
        )
        run_stages(load_config(path, overrides))
        return folder / name / "forecast.zarr"

    run(
        "planet",
        "pipeline=simulate",
        "data.store=null",
        f"simulate={{{PLANET}, truncation: {options.truncation}}}",
    )
    stores = {
        "without a boundary": run("without", REGION, FINE),
        "of the truth": run("truth", REGION, FINE, boundary),
        "the global forecast itself": run("globe", COARSE),
    }
    # The same network as of the truth.
    shutil.copytree(folder / "truth/checkpoint", folder / "nested/checkpoint", dirs_exist_ok=True)
    globe = f"forecast.boundary_store={folder}/globe/forecast.zarr"
    stores["of the global forecast"] = run("nested", "pipeline=forecast", REGION, boundary, globe)
    made = {name: ForecastStore(path).dataset() for name, path in stores.items()}
    region = load_config(folder / "truth.yaml", [REGION]).data.region.model_dump()
    truth = open_analysis(f"{folder}/planet/analysis.zarr", region=region)
    print(f"{machine()}, {steps} + {max(1, steps // 7)} steps, {boundary}")
    print(f"{'lead time (h)':28}" + "".join(f"{lead.astype(int):>7}" for lead in LEADS))
    for name, store in made.items():
        print(f"{name:28}" + "".join(f"{e:7.0f}" for e in errors(store, truth, width)))
    print(f"{'persistence':28}" + "".join(f"{e:7.0f}" for e in persistence(made, truth, width)))


def field(dataset: xr.Dataset, truth: xr.Dataset, width: int) -> xr.DataArray:
    """500 hPa geopotential at the points of the region's interior."""
    inner = within(truth, width)
    places = {dim: inner[dim] for dim in ("latitude", "longitude")}
    return dataset["geopotential"].sel(level=500, **places)


def errors(forecast: xr.Dataset, truth: xr.Dataset, width: int) -> list[float]:
    """At each of LEADS."""
    wanted, known = field(forecast, truth, width), field(truth, truth, width).load()
    return [rmse(wanted.sel(lead_time=lead), known, lead) for lead in LEADS]


def persistence(made: dict[str, xr.Dataset], truth: xr.Dataset, width: int) -> list[float]:
    inits = made["of the truth"]["init_time"]
    known = field(truth, truth, width).load()
    start = known.sel(time=inits).assign_coords(init_time=inits)
    return [rmse(start, known, lead) for lead in LEADS]


def rmse(fields: xr.DataArray, known: xr.DataArray, lead: np.timedelta64) -> float:
    valid = fields["init_time"].values + lead
    error = fields.values - known.sel(time=valid).values
    weights = grid_of(known.to_dataset(name="z")).area_weights
    return float(np.sqrt((error**2 * weights).mean()))


if __name__ == "__main__":
    main()
