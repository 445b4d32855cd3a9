"""earth2studio's protocol: by its own text, and by its own workflow where it is installed."""

import dataclasses
import runpy
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from axialcast.adapters.earth2studio import Prognostic
from axialcast.adapters.lexicon import identifiers
from axialcast.data.channels import Channel, Channels
from axialcast.forecast import Forecaster, save_checkpoint
from axialcast.grid import LatLonGrid

ROOT = Path(__file__).parents[2]
shared = runpy.run_path(str(ROOT / "tests/exporting/test_export.py"))
make_checkpoint, stirred = shared["make_checkpoint"], shared["stirred"]
NETWORK = {**shared["AXIAL"], "departures": shared["SEASONAL"], "floor": shared["FLOOR"]}
DAY = np.timedelta64(24 * 3600 * 10**9, "ns")
NAMES = ["z500", "z850", "msl"]
INITS = np.array(["2001-01-09", "2001-01-21"], "M8[ns]")


@pytest.fixture(params=["as theirs", "from south to north and from the date line"])
def analysis(request, make_analysis):
    """On a grid in their order, and in another."""
    if request.param == "as theirs":
        return make_analysis()
    usual = LatLonGrid.regular(7, 12, poles=False)
    return make_analysis(grid=LatLonGrid(usual.latitude[::-1], usual.longitude - 180))


@pytest.fixture
def checkpoint(analysis):
    return stirred(make_checkpoint(analysis), **NETWORK)


def theirs(analysis):
    """The analysis as earth2studio has it: (time, variable, lat, lon)."""
    fields = [analysis.geopotential.sel(level=level, drop=True) for level in (500, 850)]
    fields = xr.concat([*fields, analysis.mean_sea_level_pressure], "variable", coords="minimal")
    fields = fields.assign_coords(variable=NAMES, longitude=analysis.longitude % 360)
    fields = fields.rename(latitude="lat", longitude="lon").sortby("lon")
    return fields.sortby("lat", ascending=False).transpose("time", "variable", "lat", "lon")


def given(model, analysis, members=2):
    """x and coords as `fetch_data` gives them, for some members."""
    coords, fields = model.input_coords(), theirs(analysis)
    del coords["batch"]
    coords = OrderedDict({"ensemble": np.arange(members)} | coords | {"time": INITS})
    wanted = INITS[:, None] + coords["lead_time"]
    rows = np.searchsorted(fields.time.values, wanted)
    x = torch.from_numpy(fields.values[rows])
    return x.expand(members, *x.shape), coords


def predicted(checkpoint, analysis, **options):
    """Forecasts of three steps, as earth2studio has them."""
    forecast = Forecaster(checkpoint, device="cpu", **options).predict(
        analysis, init_times=INITS, lead_times=np.arange(1, 4) * DAY
    )
    return forecast


def held_against(found, want, checkpoint):
    spread = checkpoint.statistics.std[:, None, None]
    np.testing.assert_allclose(found / spread, want / spread, rtol=1e-5, atol=1e-5)


def test_its_steps_are_the_forecasters(checkpoint, analysis):
    model = Prognostic(checkpoint)
    x, coords = given(model, analysis)
    assert list(model.input_coords()) == ["batch", "time", "lead_time", "variable", "lat", "lon"]
    assert model.input_coords()["lead_time"].tolist() == (np.arange(-2, 1) * DAY).tolist()
    assert model.input_coords()["variable"].tolist() == NAMES
    assert (np.diff(coords["lat"]) < 0).all()
    assert coords["lon"].tolist() == np.arange(0, 360, 30).tolist()
    want = predicted(checkpoint, analysis)
    steps = model.create_iterator(x, coords)
    state, begun = next(steps)
    assert torch.equal(state, x[:, :, -1:])
    assert begun["lead_time"].tolist() == [0]
    for lead, (state, labels) in zip(range(3), steps, strict=False):
        assert list(labels) == ["ensemble", "time", "lead_time", "variable", "lat", "lon"]
        assert tuple(map(len, labels.values())) == state.shape
        assert labels["lead_time"].tolist() == np.array([(lead + 1) * DAY]).tolist()
        expected = theirs(want.isel(lead_time=lead).rename(init_time="time").drop_vars("lead_time"))
        for member in range(2):
            held_against(state[member, :, 0].numpy(), expected.values, checkpoint)
    once, labels = model(x, coords)
    first = theirs(want.isel(lead_time=0).rename(init_time="time").drop_vars("lead_time"))
    held_against(once[0, :, 0].numpy(), first.values, checkpoint)
    after = model.output_coords(coords)
    assert list(after) == list(labels)
    assert all(np.array_equal(after[name], labels[name]) for name in labels)


def test_its_own_workflow_runs_it(checkpoint, analysis, tmp_path):
    run = pytest.importorskip("earth2studio.run", reason="earth2studio is not installed")
    from earth2studio.io import XarrayBackend
    from earth2studio.models.px import PrognosticModel

    save_checkpoint(tmp_path, checkpoint)
    model = Prognostic.load(tmp_path)
    assert isinstance(model, PrognosticModel)

    def source(time, variable):
        return theirs(analysis).sel(time=np.asarray(time, "M8[ns]"), variable=variable)

    done = run.deterministic(
        INITS, 3, model, source, XarrayBackend(), device=torch.device("cpu"), verbose=False
    ).root
    want = predicted(checkpoint, analysis)
    for lead in range(3):
        expected = theirs(want.isel(lead_time=lead).rename(init_time="time").drop_vars("lead_time"))
        found = np.stack([done[name].isel(lead_time=lead + 1).values for name in NAMES], 1)
        held_against(found, expected.values, checkpoint)
    begun = theirs(analysis).sel(time=INITS).transpose("variable", ...)
    for name, fields in zip(NAMES, begun, strict=True):
        np.testing.assert_array_equal(done[name].isel(lead_time=0), fields)


def test_members_are_those_of_the_forecaster(analysis):
    """Of a network that is given noise, by their numbers; and what is diagnosed is NaN at first."""
    roles = {"mean_sea_level_pressure": "diagnostic"}
    checkpoint = stirred(make_checkpoint(analysis, roles=roles), **shared["AXIAL"], noise=2)
    model = Prognostic(checkpoint, seed=3)
    _, coords = given(model, analysis, members=1)
    coords |= {"ensemble": np.array([2])}
    rows = np.searchsorted(analysis.time.values, INITS[:, None] + coords["lead_time"])
    x = torch.from_numpy(theirs(analysis).values[rows][None, :, :, :2])
    assert coords["variable"].tolist() == NAMES[:2]
    want = predicted(checkpoint, analysis, seed=3).isel(number=2, drop=True)
    steps = model.create_iterator(x, coords)
    state, labels = next(steps)
    assert labels["variable"].tolist() == NAMES
    assert torch.isnan(state[..., 2, :, :]).all()
    assert torch.equal(state[..., :2, :, :], x[:, :, -1:])
    for lead, (state, _) in zip(range(3), steps, strict=False):
        expected = theirs(want.isel(lead_time=lead).rename(init_time="time").drop_vars("lead_time"))
        held_against(state[0, :, 0].numpy(), expected.values, checkpoint)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("variable", np.array(["z500", "msl", "z850"]), "variable: expected z500, z850, msl, got"),
        ("lat", np.linspace(90, -90, 7), "lat: got 7 values 90 to -90, expected 7 values 77"),
        ("lon", np.arange(6) * 60.0, "lon: got 6 values 0 to 300, expected 12 values 0 to 330"),
        ("lead_time", np.arange(-2, 1) * DAY / 2, "lead_time: expected 3 states 24 h apart"),
    ],
)
def test_other_coordinates_are_refused(checkpoint, name, values, said):
    model = Prognostic(checkpoint)
    with pytest.raises(ValueError, match=said):
        model.output_coords(model.input_coords() | {name: values})


def test_what_the_protocol_has_no_place_for_is_refused(checkpoint, analysis, make_analysis):
    forced = make_checkpoint(analysis, roles={"mean_sea_level_pressure": "forcing"})
    monthly = dataclasses.replace(checkpoint, step=np.timedelta64(1, "M"))
    edges = make_checkpoint(
        analysis.isel(longitude=slice(9)), boundary={"width": 1, "relaxation": "overwrite"}
    )
    for unfit, said in (
        (forced, "mean_sea_level_pressure: a forcing is wanted of times to come"),
        (monthly, "this forecasts by 1 month"),
        (edges, "boundary: the network is led"),
    ):
        with pytest.raises(ValueError, match=said):
            Prognostic(unfit)
    x, coords = given(Prognostic(checkpoint), analysis)
    x = x.clone()
    x[0, 0, 2, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="geopotential 500 hPa: 1 of 84 points are NaN"):
        next(Prognostic(checkpoint).create_iterator(x, coords))
    noon = coords | {"time": INITS + np.timedelta64(12, "h")}
    with pytest.raises(ValueError, match="climatology of 0 h UTC"):
        next(Prognostic(checkpoint).create_iterator(x, noon))


def test_names_are_of_its_lexicon():
    channels = Channels(
        [
            Channel("temperature", 850.0, "K"),
            Channel("10m_u_component_of_wind", None, "m s-1"),
            Channel("geopotential_at_surface", None, "m2 s-2"),
        ]
    )
    assert identifiers(channels) == ["t850", "u10m", "z"]
    assert identifiers(channels, {"temperature": "ta"}) == ["ta850", "u10m", "z"]
    ozone = Channels([Channel("ozone", 50.0, "kg kg-1")])
    with pytest.raises(ValueError, match="ozone 50 hPa: earth2studio's lexicon has no name for it"):
        identifiers(ozone)
    assert identifiers(ozone, {"ozone": "o3_"}) == ["o3_50"]
    celsius = Channels([Channel("2m_temperature", None, "degC")])
    with pytest.raises(ValueError, match="is in degC, and earth2studio's t2m in K"):
        identifiers(celsius)
    with pytest.raises(ValueError, match="would both be u10m"):
        identifiers(channels, {"geopotential_at_surface": "u10m"})
