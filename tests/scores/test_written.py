"""Scores on disk."""

import numpy as np
import pytest
import xarray as xr

from axialcast.names import VARIABLES
from axialcast.scores.written import write_scores


def scores() -> xr.Dataset:
    temperature = VARIABLES["temperature"].attrs
    fields = {"temperature": (("metric", "region", "wave_number"), np.ones((2, 3, 5)), temperature)}
    coords = {"metric": ["rmse", "acc"], "region": ["all", "nördlich", "x"]}
    return xr.Dataset(fields, coords | {"wave_number": np.arange(5.0)}, {"num_init_times": 7})


def test_scores_come_back_and_say_what_they_are(tmp_path):
    write_scores(tmp_path / "scores.nc", scores())
    read = xr.open_dataset(tmp_path / "scores.nc").load()
    xr.testing.assert_equal(read, scores())
    assert read.sel(metric="rmse", region="nördlich").temperature.sum() == 5
    assert read.attrs["num_init_times"] == 7
    assert read.attrs["history"].startswith("axialcast ")
    assert read.temperature.attrs["units_metadata"] == "temperature: difference"
    assert "standard_name" not in read.temperature.attrs, "a score of a temperature is none"
    assert "_FillValue" not in read.wave_number.encoding


def test_scores_do_not_say_what_is_of_values_alone(tmp_path):
    """A score of a mean over a day is not one, nor off by what packing does to the forecast."""
    of_values = {
        "cell_methods": "lead_time: mean",
        "cell_hours": [0.0, 24.0],
        "quantization_nsb": 8,
        "quantization_maximum_relative_error": 0.002,
    }
    found = scores().assign_coords(lead_time=("lead_time", [24, 48], {"bounds": "lead_time_bnds"}))
    found["temperature"].attrs |= of_values
    write_scores(tmp_path / "scores.nc", found)
    with xr.open_dataset(tmp_path / "scores.nc", decode_cf=False) as read:
        assert not of_values.keys() & read.temperature.attrs.keys()
        assert read.temperature.attrs["units"] == "K"
        assert "bounds" not in read.lead_time.attrs
    assert found.lead_time.attrs["bounds"] == "lead_time_bnds"


def test_scores_that_cannot_be_written_are_named(tmp_path, monkeypatch):
    def fail(self, path, encoding):
        path.write_bytes(b"half")
        raise RuntimeError("NetCDF: HDF error")

    path = tmp_path / "scores.nc"
    path.write_text("old")
    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(OSError, match=r"scores\.nc: cannot be written \(NetCDF: HDF error\), with"):
        write_scores(path, xr.Dataset())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
