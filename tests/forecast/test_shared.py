"""Forecasts of states that processes share are those of one process.

Run as a program, this file is one of the processes: it compares, and exits with an error.
"""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast import parallel
from axialcast.data import open_analysis
from axialcast.forecast import Forecaster
from axialcast.names import BOUNDARY, DIAGNOSTIC, FORCING, PROGNOSTIC

make_checkpoint = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["make_checkpoint"]


@pytest.mark.parametrize(
    ("world_size", "role"),
    [
        (2, FORCING),
        (3, PROGNOSTIC),
        pytest.param(2, DIAGNOSTIC, marks=pytest.mark.slow),
        pytest.param(3, BOUNDARY, marks=pytest.mark.slow),
    ],
)
def test_neighbours_get_what_one_process_gets(make_analysis, ranks, tmp_path, world_size, role):
    """Over land unknown, over seven latitudes that neither patches nor processes divide."""
    analysis = make_analysis(num_times=11)
    if role == BOUNDARY:
        analysis = analysis.isel(longitude=slice(1, 11))
    pressure = analysis["mean_sea_level_pressure"]
    land = np.zeros(pressure.shape[1:], bool)
    land[2:4, 3:6] = land[6, 0] = True
    analysis[pressure.name] = pressure.where(~land)
    analysis.to_netcdf(tmp_path / "analysis.nc")
    command = [sys.executable, "-W", "error", __file__, str(tmp_path / "analysis.nc"), role]
    for status, _, err in ranks(*[command] * world_size):
        assert status == 0, err


def forecasts(path: str, role: str) -> None:
    settings = {"roles": {"mean_sea_level_pressure": role}}
    more = {}
    if role == BOUNDARY:
        settings = {"boundary": {"width": 2, "relaxation": "davies"}}
        more = {"boundary": "analysis"}
    checkpoint = make_checkpoint(xr.load_dataset(path), **settings)
    alone = Forecaster(checkpoint, device="cpu", **more)
    num = parallel.launch().world_size
    shared = Forecaster(checkpoint, device="cpu", neighbours=num, **more)
    wanted = {"init_times": ["2001-01-03", "2001-01-05"], "lead_times": ["24h", "72h"]}
    want, got = (one.predict(open_analysis(path), **wanted) for one in (alone, shared))
    start = open_analysis(path).sel(time=want["init_time"].values)
    for name, values in want.data_vars.items():
        change = np.nanstd(values.values - start[name].values[:, None])
        assert change > 50, "or nothing is computed"
        np.testing.assert_allclose(
            got[name].values, values.values, rtol=0, atol=1e-4 * change, err_msg=name
        )
    missing = sum(int(np.isnan(array.values).sum()) for array in want.data_vars.values())
    assert missing == (0 if role == FORCING else 2 * 2 * 7)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with parallel.joined():
        forecasts(*sys.argv[1:])
