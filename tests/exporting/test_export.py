"""A program that is exported gives the Forecaster's numbers, without axialcast."""

import dataclasses
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from axialcast.exporting import ForecastStep, export
from axialcast.exporting.archive import labels_of
from axialcast.forecast import Forecaster, save_checkpoint
from axialcast.forecast.forcings import fields_of_analysis
from axialcast.model.noise import FORECAST, drawn_for
from axialcast.names import FORCING
from axialcast.run.cli import app
from axialcast.times.dates import later

ROOT = Path(__file__).parents[2]
make_checkpoint = runpy.run_path(str(ROOT / "tests/forecast/conftest.py"))["make_checkpoint"]
Exported = runpy.run_path(str(ROOT / "examples/exported.py"))["Exported"]
NUM = 3
DAY = np.timedelta64(24, "h")
AXIAL = {"dim": 8, "depth": 1, "heads": 2, "patch": [1, 2, 2]}
BODIES = {
    "reversible": {**AXIAL, "depth": 2, "position": "rotary"},
    "plain": {**AXIAL, "reversible": False, "local": 4},
    "unet": {"kind": "unet", "dim": 4, "depth": 1},
    "vit": {"kind": "vit", "dim": 8, "depth": 1, "heads": 2, "patch": [1, 2, 2]},
}
SEASONAL = {"hours": [0.0], "harmonics": 1, "step_days": 1.0}
FLOOR = {"patterns": 5, "lags": 2, "rest": 3, "seasons": True, "leads": 2}


def stirred(checkpoint, **network):
    """A checkpoint of a network with other settings, all of whose numbers count."""
    torch.manual_seed(3)
    wanted = dataclasses.replace(checkpoint, network={"input_steps": 2, **network})
    weights = wanted.untrained().state_dict()
    for name, values in weights.items():
        if values.is_floating_point() and "increment" not in name:
            values += 0.1 * torch.randn(values.shape)
    return dataclasses.replace(wanted, weights=weights)


class Untraced(Exported):
    """The module that is exported, as the program is called: quicker to make."""

    def __init__(self, checkpoint):
        self.program = ForecastStep(checkpoint).eval()
        self.labels = labels_of(checkpoint, self.program)


def exported(checkpoint, folder):
    return Exported(export(checkpoint, folder / "out.pt2"))


def compared(program, checkpoint, analysis, **options):
    """Holds forecasts of three steps from two initial times against the Forecaster's."""
    forecaster = Forecaster(checkpoint, device="cpu", **options)
    read = forecaster.check(analysis)
    inits = read.times[[8, 20]]
    steps = np.arange(1, NUM + 1) * checkpoint.step
    want = forecaster.predict(read, init_times=inits, lead_times=steps)
    before = np.arange(forecaster.network.input_steps - 1, -1, -1)
    rows = read.rows(later(inits[:, None], -before * checkpoint.step))
    states = read.read(rows.ravel()).reshape(*rows.shape, *read.shape)
    coming = {}
    if forcings := checkpoint.channels.having(FORCING):
        source = type(read).of(analysis, forcings)
        coming["forcings"] = fields_of_analysis(source, inits, steps)
    if forecaster.network.frame is not None:
        coming["boundary"] = fields_of_analysis(read, inits, steps)
    if "noise" in program.labels["inputs"]:
        coming["noise"] = iter(_numbers(forecaster, inits))
    spread = checkpoint.statistics.std[: len(checkpoint.channels.forecast), None, None]
    found = program.forecasts(states, inits, **coming)
    for lead, fields in zip(range(NUM), found, strict=False):
        expected = checkpoint.channels.forecast.stack(want.isel(lead_time=lead))
        np.testing.assert_allclose(
            fields.values / spread, expected / spread, rtol=1e-5, atol=1e-5, err_msg=str(lead)
        )
        assert (fields.valid_time.values == later(inits, (lead + 1) * checkpoint.step)).all()
    return expected


def _numbers(forecaster, inits):
    """Those that the Forecaster draws for its first member, as a program is given them."""
    lattices = forecaster.network.noise_on(torch.device("cpu")).lattices
    drawn = [drawn_for(0, init, FORECAST, 0) for init in inits]
    for _ in range(NUM):
        parts = [[d.standard_normal(shape, np.float32) for d in drawn] for shape in lattices]
        yield np.concatenate([np.reshape(part, (len(inits), -1)) for part in parts], 1)


@pytest.mark.parametrize(
    "body", [pytest.param(b, marks=[pytest.mark.slow] * (b in ("plain", "vit"))) for b in BODIES]
)
def test_it_gives_the_forecasters_numbers(body, analysis, tmp_path):
    """Networks of all kinds, with a floor beside some of them."""
    network = BODIES[body]
    if body != "unet":
        network = {**network, "departures": SEASONAL, "floor": FLOOR}
    checkpoint = stirred(make_checkpoint(analysis), **network)
    program = exported(checkpoint, tmp_path)
    compared(program, checkpoint, analysis)
    _, *shape = program.labels["inputs"]["states"]["shape"]
    states = np.random.default_rng(0).normal(5e4, 1e2, (5, *shape)).astype(np.float32)
    many = next(program.forecasts(states, analysis.time.values[:5]))
    for row in range(5):
        one = next(program.forecasts(states[row : row + 1], analysis.time.values[row : row + 1]))
        np.testing.assert_allclose(one[0], many[row], rtol=1e-6)


def test_what_it_is_told_besides(analysis, tmp_path):
    """Static fields, forcings given and computed, noise, what is diagnosed, bounds."""
    roles = {"mean_sea_level_pressure": FORCING}
    told = {"noise": 2, "forcings": ["toa_incoming_shortwave_flux"]}
    checkpoint = stirred(make_checkpoint(analysis, roles=roles), **AXIAL, **told)
    bounds = np.array([[5.3e4, 5.45e4], [-np.inf, 1.52e4]])
    checkpoint = dataclasses.replace(checkpoint, bounds=bounds)
    program = exported(checkpoint, tmp_path)
    assert list(program.labels["inputs"]) == ["states", "time", "memory", "forcings", "noise"]
    last = compared(program, checkpoint, analysis, members=1)
    assert (last == np.float32(5.45e4)).any(), "or the bound was never met"


def test_what_is_missing_stays_so(analysis):
    holed = analysis.copy(deep=True)
    holed.mean_sea_level_pressure[:, 2:4, 5:8] = np.nan
    roles = {"mean_sea_level_pressure": "diagnostic"}
    floor = {"departures": SEASONAL, "floor": FLOOR}
    for known in (make_checkpoint(holed), make_checkpoint(holed, roles=roles)):
        checkpoint = stirred(known, **AXIAL, **floor)
        program = Untraced(checkpoint)
        last = compared(program, checkpoint, holed)
        assert np.isnan(last[:, 2]).sum() == 2 * 6
        assert np.isfinite(last[:, :2]).all()
        _, t, *rest = program.labels["inputs"]["states"]["shape"]
        states = np.full((1, t, *rest), 5e4, np.float32)
        states[0, -1, 0, 0, 0] = np.nan  # training missed none of it
        unknown = next(program.forecasts(states, holed.time.values[:1]))
        assert np.isnan(unknown[0, 0]).all()


def test_a_region_is_led_along_its_edges(analysis):
    region = analysis.isel(latitude=slice(1, 6), longitude=slice(1, 10))
    boundary = {"width": 1, "relaxation": "overwrite"}
    checkpoint = make_checkpoint(region, boundary=boundary)
    compared(Untraced(checkpoint), checkpoint, region, boundary="analysis")


def test_steps_of_months(analysis):
    """With departures from the months' means, and logarithms."""
    months = np.datetime64("1999-05", "M") + np.arange(analysis.sizes["time"])
    monthly = analysis.assign_coords(time=months.astype("M8[ns]"))
    statistics = make_checkpoint(monthly).statistics
    logarithms = dataclasses.replace(
        statistics,
        log1p=np.array([0.0, 0.0, 1e4]),
        mean=np.array([*statistics.mean[:2], 2.4]),
        std=np.array([*statistics.std[:2], 0.01]),
    )
    known = dataclasses.replace(
        make_checkpoint(monthly), step=np.timedelta64(1, "M"), statistics=logarithms
    )
    checkpoint = stirred(known, **AXIAL, departures=True)
    compared(Untraced(checkpoint), checkpoint, monthly)


def test_hours_without_a_climatology_are_nan(analysis):
    checkpoint = stirred(make_checkpoint(analysis), **AXIAL, departures=SEASONAL)
    step = ForecastStep(checkpoint)
    states = torch.full((2, 2, 3, 7, 12), 5e4)
    noon = np.array(["2001-01-05T00", "2001-01-05T12"], "M8[s]").astype(np.int64)
    forecast, *_ = step(states, torch.from_numpy(noon), torch.zeros(2, step.num_remembered))
    assert torch.isfinite(forecast[0]).all()
    assert torch.isnan(forecast[1]).all()


WITHOUT = """
import runpy, sys
from importlib.abc import MetaPathFinder

class No(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "axialcast":
            raise ImportError(f"{name} is forbidden")

sys.meta_path.insert(0, No())
import numpy as np
example, path, states, out = sys.argv[1:]
given = np.load(states)
found = runpy.run_path(example)["Exported"](path).forecasts(given["states"], given["time"])
np.save(out, np.stack([next(found) for _ in range(3)]))
"""


def test_it_runs_where_there_is_no_axialcast(analysis, tmp_path):
    checkpoint = stirred(make_checkpoint(analysis), **AXIAL, reversible=False)
    labels = exported(checkpoint, tmp_path).labels
    assert [path.name for path in tmp_path.iterdir()] == ["out.pt2"]
    assert labels["outputs"]["forecast"]["channels"] == checkpoint.channels.to_list()
    assert labels["grid"] == checkpoint.grid.to_dict()
    assert labels["step_hours"] == 24
    assert labels["inputs"]["states"]["shape"] == [None, 2, 3, 7, 12]
    assert labels["provenance"] == {"train": ["2001", "2001"]}
    forecaster = Forecaster(checkpoint, device="cpu")
    read = forecaster.check(analysis)
    rows = np.array([[7, 8]])
    np.savez(tmp_path / "in.npz", states=read.read(rows[0])[None], time=read.times[rows[:, -1]])
    names = ["out.pt2", "in.npz", "out.npy"]
    arguments = [str(ROOT / "examples/exported.py"), *(str(tmp_path / name) for name in names)]
    subprocess.run([sys.executable, "-c", WITHOUT, *arguments], check=True, timeout=300)
    want = forecaster.predict(
        read, init_times=read.times[8], lead_times=np.arange(1, 4) * DAY
    ).isel(init_time=0)
    spread = checkpoint.statistics.std[:, None, None]
    expected = checkpoint.channels.stack(want) / spread
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy")[:, 0] / spread, expected, rtol=1e-5, atol=1e-5
    )


def test_what_cannot_be_exported_is_refused(analysis, tmp_path):
    checkpoint = make_checkpoint(analysis)
    with pytest.raises(ValueError, match=r"out\.bin: torch.export writes \.pt2 files; name it so"):
        export(checkpoint, tmp_path / "out.bin")
    several = dataclasses.replace(checkpoint, others=[checkpoint.weights])
    with pytest.raises(ValueError, match="holds 2 networks, and a program is one of them; choose"):
        export(several, tmp_path / "out.pt2")
    with pytest.raises(ValueError, match=re.escape("member: expected 0 to 1, got 2")):
        export(several, tmp_path / "out.pt2", member=2)
    assert not list(tmp_path.iterdir())


def test_the_command(analysis, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out.pt2"
    save_checkpoint(run / "checkpoint", stirred(make_checkpoint(analysis), **BODIES["unet"]))
    result = CliRunner().invoke(app, ["export", str(run), str(out)])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"written to {out}; `axialcast cp exported` is a program")
    assert Exported(out).labels["calendar"] == "proleptic_gregorian"
    result = CliRunner().invoke(app, ["export", str(tmp_path), str(out)])
    assert result.exit_code == 2
    assert result.output.startswith(f"axialcast: error: {tmp_path}: no checkpoint there")
