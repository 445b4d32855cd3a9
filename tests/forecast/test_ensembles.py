"""Forecasts of several members: each is the forecast that it would be alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
import zarr

from axialcast.data import statistics
from axialcast.data.channels import Channels
from axialcast.data.reader import Analysis
from axialcast.forecast import Forecaster, ForecastStore, ForecastWriter, layout
from axialcast.forecast.perturbations import Perturbations, perturbed
from axialcast.names import COORDINATE_ATTRS
from tests.forecast.conftest import make_checkpoint

DAY = np.timedelta64(24 * 3600 * 10**9, "ns")
INITS = np.datetime64("2001-01-10", "ns") + np.arange(5) * DAY
LEADS = np.arange(1, 4) * DAY


@pytest.fixture
def checkpoint(analysis):
    """Three networks that have nothing in common but their shape."""
    first = make_checkpoint(analysis)
    torch.manual_seed(5)
    others = [
        {
            name: tensor + 0.3 * torch.randn_like(tensor) if "weight" in name else tensor
            for name, tensor in first.weights.items()
        }
        for _ in range(2)
    ]
    return replace(first, others=others)


def alone(checkpoint, network):
    return Forecaster(checkpoint.alone(network), device="cpu")


def test_members_are_the_networks_own_forecasts(checkpoint, analysis):
    forecaster = Forecaster(checkpoint, device="cpu")
    found = forecaster.predict(analysis, init_times=INITS, lead_times=LEADS, batch_size=2)
    assert found.geopotential.dims[:3] == ("init_time", "number", "lead_time")
    assert found.number.values.tolist() == [0, 1, 2]
    assert found.number.attrs == COORDINATE_ATTRS["number"]
    for network in range(3):
        expected = alone(checkpoint, network).predict(
            analysis, init_times=INITS, lead_times=LEADS, batch_size=2
        )
        assert "number" not in expected.coords
        xr.testing.assert_equal(found.sel(number=network, drop=True), expected)


def test_lagged_members_are_older_forecasts_of_the_same_times(forecaster, checkpoint, analysis):
    lagged = Forecaster(checkpoint, device="cpu", lagged=1, members=5)
    assert [(m.network, m.lag) for m in lagged.members] == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    found = lagged.predict(analysis, init_times=INITS, lead_times=LEADS, batch_size=2)
    older = alone(checkpoint, 1).predict(
        analysis, init_times=INITS - DAY, lead_times=LEADS + DAY, batch_size=2
    )
    assert np.array_equal(found.geopotential[:, 4], older.geopotential)
    with pytest.raises(ValueError, match=r"2001-01-02.*a member starts 24 h earlier"):
        lagged.predict(analysis, init_times="2001-01-02", lead_times=LEADS)
    there = lagged.has_inputs(
        Analysis.of(analysis), np.array(["2001-01-02"], "M8[ns]"), lead_times=LEADS
    )
    assert not there.any()


def written(path, forecaster, analysis, inits, together, batch=2):
    with ForecastWriter(path, forecaster.template(INITS, LEADS)) as writer:
        parts = forecaster.hindcast(
            Analysis.of(analysis, forecaster.reads),
            init_times=inits,
            lead_times=LEADS,
            batch_size=batch,
            leads_together=together * writer.leads_together,
        )
        for part, inputs in parts:
            writer.write(part, inputs=inputs)
    return writer.store


@pytest.mark.parametrize("shard", [2**30, 6000])
def test_a_store_streams_members(checkpoint, analysis, tmp_path, monkeypatch, content, shard):
    """Whatever the parts and the order of initial times, bytes are the same, and values right."""
    monkeypatch.setattr(layout, "FIELD_BYTES", 1)  # a chunk of one lead time
    monkeypatch.setattr(layout, "SHARD_BYTES", shard)  # 6000: two members of one variable a file
    forecaster = Forecaster(checkpoint, device="cpu", perturb=0.5, seed=3)
    assert len(forecaster.members) == 8
    one = written(tmp_path / "one.zarr", forecaster, analysis, INITS, 3)
    expected = forecaster.predict(analysis, init_times=INITS, lead_times=LEADS, batch_size=2)
    xr.testing.assert_equal(one.dataset().load(), expected)
    array = zarr.open_group(one.path, mode="r")["mean_sea_level_pressure"]
    assert array.chunks == (1, 1, 1, 7, 12)
    assert array.shards == (1, 8 if shard > 2**20 else 4, 3, 7, 12)
    xr.testing.assert_equal(
        xr.open_zarr(one.path, decode_timedelta=True).load().drop_vars("valid_time"),
        expected.drop_vars("valid_time"),
    )
    parts = tmp_path / "parts.zarr"
    written(parts, forecaster, analysis, INITS[3:], 1)
    written(parts, forecaster, analysis, INITS[:3], 2)
    assert content(parts) == content(one.path)
    made_of = list(one.complete().values())
    again = forecaster.inputs(
        Analysis.of(analysis, forecaster.reads), INITS, lead_times=LEADS, batch_size=3
    )
    assert [text for block in again for text in block] == made_of


def test_other_numbers_are_another_store(checkpoint, analysis, tmp_path):
    path = tmp_path / "a.zarr"
    ForecastStore.prepare(path, Forecaster(checkpoint, device="cpu").template(INITS, LEADS))
    two = Forecaster(checkpoint, device="cpu", members=2).template(INITS, LEADS)
    with pytest.raises(ValueError, match="its number is another"):
        ForecastStore.prepare(path, two)
    with pytest.raises(ValueError, match="number"):
        ForecastStore.prepare(path, alone(checkpoint, 0).template(INITS, LEADS))


def test_members_out_of_turn_are_refused(checkpoint, analysis, tmp_path):
    forecast = Forecaster(checkpoint, device="cpu").predict(
        analysis, init_times=INITS[:1], lead_times=LEADS
    )
    with (
        pytest.raises(ValueError, match=r"expected member 0 of the template.*got 1"),
        ForecastWriter(tmp_path / "a.zarr", forecast) as writer,
    ):
        writer.write(forecast.isel(number=[1]))
    with ForecastWriter(tmp_path / "a.nc", forecast) as writer:
        writer.write(forecast.isel(number=[0]))
        writer.write(forecast.isel(number=[1, 2]))
    xr.testing.assert_equal(xr.open_dataset(tmp_path / "a.nc", decode_timedelta=True), forecast)


def test_weatherbench2_knows_members_by_number(checkpoint, analysis, tmp_path):
    forecast = Forecaster(checkpoint, device="cpu").predict(
        analysis, init_times=INITS[:2], lead_times=LEADS
    )
    with ForecastWriter(tmp_path / "a.zarr", forecast, layout="weatherbench2") as writer:
        writer.write(forecast)
    raw = xr.open_zarr(tmp_path / "a.zarr", decode_timedelta=True)
    assert raw.geopotential.dims[:3] == ("time", "number", "prediction_timedelta")
    xr.testing.assert_equal(
        writer.store.dataset().load(), forecast.drop_vars("valid_time", errors="ignore")
    )


class TestPerturbations:
    def test_pairs_have_the_analysis_in_their_middle(self, forecaster, analysis):
        many = Forecaster(forecaster.checkpoint, device="cpu", perturb=0.4, members=5, seed=2)
        inits = INITS[:3]
        changes = [
            many._starting.perturbations.of(Analysis.of(analysis, many.reads), inits, n)
            for n in (1, 2, 3)
        ]
        assert np.array_equal(changes[0], -changes[1])
        assert not np.allclose(changes[0], changes[2])
        # Each follows from its own initial time, whatever else is asked for.
        assert np.array_equal(
            many._starting.perturbations.of(Analysis.of(analysis), inits[1:2], 3)[0], changes[2][1]
        )

    def test_they_are_differences_of_analyses_of_the_size_asked_for(self, analysis):
        channels = Channels.of(analysis)
        stats = statistics(analysis, channels, step=1)
        settings = {"seed": 7, "channels": channels, "statistics": stats}
        settings |= {"period": ("2001-01-03", "2001-02-09"), "step": DAY, "input_steps": 2}
        whole = Analysis.of(analysis)
        found = Perturbations(0.3, **settings).of(whole, INITS, 1)
        weights = whole.grid.area_weights / whole.grid.area_weights.sum()
        sizes = ((found[:, -1] ** 2 * weights).sum((2, 3)) / stats.increment_scale**2).mean(1)
        np.testing.assert_allclose(sizes, 0.3**2, rtol=1e-5)
        states = whole.read(np.arange(2, 40))
        normal = (states - stats.mean[:, None, None]) / stats.std[:, None, None]
        pairs = normal[:, None] - normal[None]
        shape = np.abs((pairs * found[0, -1]).sum((2, 3, 4)))
        norms = np.sqrt((pairs**2).sum((2, 3, 4)) * (found[0, -1] ** 2).sum())
        assert (shape / np.maximum(norms, 1e-9)).max() > 1 - 1e-5
        another = Perturbations(0.3, **{**settings, "seed": 8}).of(whole, INITS, 1)
        assert not np.allclose(another, found)

    def test_states_stay_within_what_training_saw(self, analysis):
        channels = Channels.of(analysis)
        stats = replace(
            statistics(analysis, channels, step=1), lowest=np.array([np.nan, 1.4e4, 9.9e4])
        )
        states = torch.zeros(1, 2, 3, 7, 12)
        states[0, 0, 2] = -40.0
        moved = perturbed(states, torch.full_like(states, -30.0), stats)
        assert moved[0, 0, 0, 0, 0] == -30
        low = (np.array([1.4e4, 9.9e4]) - stats.mean[1:]) / stats.std[1:]
        np.testing.assert_allclose(moved[0, 1, 1:, 3, 3], low, rtol=1e-5)
        assert (moved[0, 0, 2] == -40).all()

    def test_an_analysis_without_training_states_is_refused(self, forecaster, analysis):
        many = Forecaster(forecaster.checkpoint, device="cpu", perturb=0.4)
        later_on = analysis.assign_coords(time=analysis.time + 3000 * DAY)
        with pytest.raises(ValueError, match=r"perturb: .* of the training period 2001 to 2001"):
            many.predict(later_on, init_times=INITS + 3000 * DAY, lead_times=LEADS)
