"""A baseline by file sees the states up to the initial time, and no other."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.baselines import Persistence
from axialcast.baselines.own import FileBaseline
from axialcast.own import OwnFile
from axialcast.verify import KeptSums, evaluate

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
LEADS = np.array([1, 3]) * DAY
EXAMPLE = Path(__file__).parents[2] / "examples" / "baseline.py"
PROGRAM = """
import xarray as xr
STATES = {states}
def fit(training, lead_times):
    def forecast(states):
        return {made}
    return forecast
"""
PERSISTED = "states.isel(time=-1, drop=True).expand_dims(lead_time=len(lead_times))"


def baseline_of(tmp_path: Path, training: xr.Dataset, made: str, states: object = 1):
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM.format(made=made, states=states))
    file = OwnFile.read(path)
    return FileBaseline.fit(file, training, lead_times=LEADS, lag=DAY, made_from={"store": "x"})


def test_persistence_by_file_is_persistence(tmp_path: Path, noise: xr.Dataset) -> None:
    inits = noise["time"].values[[5, 7, 8]]
    own = baseline_of(tmp_path, noise, PERSISTED).forecast(noise, inits, LEADS)
    want = Persistence().forecast(noise, inits, LEADS)
    xr.testing.assert_equal(own["pressure"].transpose(*want["pressure"].dims), want["pressure"])
    np.testing.assert_array_equal(own["valid_time"], want["valid_time"])


def test_it_starts_from_the_last_states_alone(tmp_path: Path, noise: xr.Dataset) -> None:
    made = "xr.concat([states.sum('time')] * len(lead_times), 'lead_time')"
    own = baseline_of(tmp_path, noise, made, states=3)
    times = noise["time"].values
    found = own.forecast(noise, times[6:8], LEADS)["pressure"]
    want = noise["pressure"].values[4:7].sum(0)
    np.testing.assert_allclose(found.isel(init_time=0, lead_time=1), want, rtol=1e-6)
    np.testing.assert_array_equal(own.states(times[6:8]), times[4:8])
    gone = noise.drop_isel(time=6)
    assert np.isnan(own.forecast(gone, times[6:7], LEADS)["pressure"]).all()


def test_it_is_scored_and_its_scores_are_kept(
    tmp_path: Path, noise: xr.Dataset, climatology, forecast_of
) -> None:
    inits = noise["time"].values[800:840]
    forecast = forecast_of(noise, inits, LEADS, error=2.0)
    own = baseline_of(tmp_path, noise, PERSISTED)
    contents = {str(time)[:19]: "same" for time in inits}

    def scores() -> tuple[xr.Dataset, KeptSums]:
        kept = KeptSums(tmp_path / "sums", contents)
        baselines = {"mine": own, "persistence": Persistence()}
        return evaluate(
            forecast, noise, climatology=climatology, baselines=baselines, kept=kept
        ), kept

    (first, _), (again, kept) = scores(), scores()
    rmse = first["pressure"].sel(metric="rmse", region="all")
    np.testing.assert_array_equal(rmse.sel(model="mine"), rmse.sel(model="persistence"))
    xr.testing.assert_identical(first, again)
    assert kept.taken
    assert not kept.made


@pytest.mark.parametrize(
    ("made", "line"),
    [
        ("1", ": the forecast is a int, expected an xarray Dataset"),
        ("states.isel(time=0)", ": in the forecast pressure is of latitude, longitude, expected "),
        ("xr.Dataset()", ": in the forecast pressure is absent, expected lead_time, latitude, "),
        (
            "states.rename(time='lead_time')",
            ": in the forecast pressure is (1, 5, 7), expected (2,",
        ),
        ("states.nothing", ":6: AttributeError: 'Dataset' object has no attribute 'nothing'"),
    ],
)
def test_what_is_no_forecast_is_said(
    tmp_path: Path, noise: xr.Dataset, made: str, line: str
) -> None:
    own = baseline_of(tmp_path, noise, made)
    with pytest.raises(ValueError) as caught:
        own.forecast(noise, noise["time"].values[5:6], LEADS)
    assert str(caught.value).removeprefix(str(own.file.path))[: len(line)] == line


def test_what_is_no_baseline_is_said(tmp_path: Path, noise: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="STATES: got 'two', expected a number from 1 to 1000"):
        baseline_of(tmp_path, noise, PERSISTED, states="'two'")
    (tmp_path / "none.py").write_text("def fit(training, lead_times): return 3")
    with pytest.raises(ValueError, match="fit returned int, expected a function from states"):
        FileBaseline.fit(OwnFile.read(tmp_path / "none.py"), noise, lead_times=LEADS, lag=DAY,
                         made_from={})  # fmt: skip


def test_the_example_fades_into_the_mean(noise: xr.Dataset) -> None:
    own = FileBaseline.fit(OwnFile.read(EXAMPLE), noise, lead_times=LEADS, lag=DAY, made_from={})
    found = own.forecast(noise, noise["time"].values[5:6], LEADS)["pressure"].isel(init_time=0)
    mean, last, before = (
        noise["pressure"].mean("time"), *(noise["pressure"].isel(time=n, drop=True) for n in (5, 4))
    )  # fmt: skip
    for place, steps in enumerate((1, 3)):
        want = mean + (last - mean + 0.5 * (last - before)) * 0.8**steps
        np.testing.assert_allclose(found.isel(lead_time=place), want, rtol=1e-5)
