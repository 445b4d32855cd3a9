"""How many harmonics of the year a training period tells: RMSE of the climatology in another year.

    python tests/benchmarks/harmonics.py --output runs/anyones_data

The climatology of daily fields with 0 to 3 harmonics, fitted on the last years of a period and
compared with the year after it: of the simulated planet (geopotential at 500 hPa, m2 s-2) and,
where AXIALCAST_DATA has it, of sea-level pressure over the North Atlantic (Pa). The least of each
row says what `axialcast.run.departures.YEARS` should.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from anyones_data import DATA, simulate

from axialcast import open_analysis
from axialcast.baselines import Climatology

HARMONICS = (0, 1, 2, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("runs/anyones_data"))
    root = parser.parse_args().output.resolve()
    root.mkdir(parents=True, exist_ok=True)
    simulate(root)
    planet = open_analysis(root / "nature" / "analysis.zarr", variables=["geopotential"])
    planet = planet.sel(level=[500]).isel(time=slice(None, None, 4))
    print("simulated planet, 2021")
    print(table(planet, last=2020, counts=(1, 2, 3, 5, 10, 20)).to_string())
    store = DATA / "ncep_slp_natlantic_daily_2001_2010.nc"
    if store.exists():
        print("\nNorth Atlantic, 2008")
        print(table(open_analysis(store), last=2007, counts=(1, 2, 3, 5, 7)).to_string())


def table(analysis: xr.Dataset, *, last: int, counts: tuple[int, ...]) -> pd.DataFrame:
    """RMSE by years of training and harmonics."""
    truth = analysis.sel(time=str(last + 1)).load()
    (name,) = truth.data_vars
    weights = np.cos(np.deg2rad(truth.latitude))
    found = {}
    for count in counts:
        training = analysis.sel(time=slice(str(last + 1 - count), str(last))).load()
        row = []
        for harmonics in HARMONICS:
            climatology = Climatology.fit(training, harmonics=harmonics)
            squares = (climatology.at(truth.time.values)[name] - truth[name]) ** 2
            row.append(round(float(np.sqrt(squares.weighted(weights).mean())), 1))
        found[count] = row
    return pd.DataFrame.from_dict(found, orient="index", columns=HARMONICS).rename_axis("years")


if __name__ == "__main__":
    main()
