"""Training that starts from a checkpoint: forecasts at first its own, and what is kept of it."""

import json
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import axialcast
from axialcast.forecast import load_checkpoint
from axialcast.forecast.ancestry import ancestors
from axialcast.grid import LatLonGrid
from axialcast.run.config import ConfigError, load_config
from axialcast.run.facts import facts
from axialcast.run.inspection import describe
from axialcast.run.model_section import AxialConfig
from axialcast.run.parent import Parent
from axialcast.run.preflight import check_run
from axialcast.run.stages import run_stages

ROOT = Path(__file__).parents[2]
SETTINGS = [
    *("pipeline=train", "data.variables=[geopotential,mean_sea_level_pressure]"),
    *("data.train=[2001-01-01,2001-03-31]", "data.validate=[2001-04-01,2001-04-20]"),
    *("data.test=[2001-04-21,2001-05-30]", "data.levels=null", "model.patch=[1,2,2]"),
    *("train.batch_size=8", "train.warmup_steps=0", "train.ema_decay=0", "train.keep=last"),
    *("device=cpu",),
]
NOTHING = ("train.schedule=[{steps: 1}]", "train.learning_rate=1e-12", "train.weight_decay=0")


@pytest.fixture(scope="module")
def pipeline():
    return runpy.run_path(str(ROOT / "pipelines" / "train.py"))


@pytest.fixture(scope="module")
def store(make_analysis, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "analysis.nc"
    make_analysis(num_times=150).to_netcdf(path)
    return path


def config_of(store, output, *overrides):
    settings = [*SETTINGS, f"data.store={store}", f"output={output}", *overrides]
    return load_config(ROOT / "configs" / "smallest.yaml", settings)


@pytest.fixture(scope="module")
def parent(pipeline, store, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "parent"
    learning = "train.schedule=[{steps: 20}]", "train.learning_rate=1e-2"
    run_stages(config_of(store, output, *learning))
    return output


def forecast_of(output, store):
    forecaster = axialcast.load(output / "checkpoint", device="cpu")
    analysis = xr.open_dataset(store).load()
    return forecaster.predict(analysis, init_times=["2001-04-25"], lead_times="48h")


def test_before_it_learns_it_forecasts_as_its_parent(pipeline, store, parent, tmp_path, capsys):
    """On another year's half of the data, whose statistics differ."""
    half = "data.train=[2001-01-01,2001-02-20]"
    pipeline["run"](config_of(store, tmp_path, f"train.start_from={parent}", half, *NOTHING))
    there, here = forecast_of(parent, store), forecast_of(tmp_path, store)
    for name, field in there.items():
        change = np.abs(field - xr.open_dataset(store)[name].sel(time="2001-04-25")).max()
        np.testing.assert_allclose(here[name], field, atol=float(change) * 1e-3)
    said = capsys.readouterr().out.splitlines()
    assert any("train: start_from: forecasts normalised otherwise" in line for line in said)


def test_a_checkpoint_knows_its_parents(store, parent, tmp_path):
    place = parent / "checkpoint"
    for name, start in (("child", place), ("grandchild", tmp_path / "child")):
        run_stages(config_of(store, tmp_path / name, f"train.start_from={start}", *NOTHING))
    known = load_checkpoint(tmp_path / "grandchild" / "checkpoint").provenance["start_from"]
    assert known["checkpoint"] == str(tmp_path / "child")
    grand = known["provenance"]["start_from"]
    assert grand["checkpoint"] == str(place)
    assert grand["provenance"] == load_checkpoint(place).provenance
    assert grand["fingerprint"] != known["fingerprint"]
    lines = [line for line in describe(tmp_path / "grandchild") if line.startswith("start_from")]
    assert len(lines) == 2
    assert str(place) in lines[1]
    said = forecast_of(tmp_path / "grandchild", store).attrs["started_from"]
    assert said == "; ".join(line.removeprefix("start_from: ") for line in lines)
    assert "started_from" not in forecast_of(parent, store).attrs


def test_frozen_parts_keep_their_weights(store, parent, tmp_path):
    frozen = ["embed", "features", "positions", "blocks"]
    config = config_of(store, tmp_path, f"train.start_from={parent}", f"train.freeze={frozen}")
    run_stages(config)
    before, after = (load_checkpoint(path / "checkpoint").weights for path in (parent, tmp_path))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[1] for name in changed} == {"transformer", "head"}
    assert {name for name in changed if ".transformer." in name} == {
        f"body.transformer.norm.{name}" for name in ("weight", "bias")
    }


def test_carried_weights_learn_at_a_lower_rate(store, parent, tmp_path):
    """Adam's first step is as long as its learning rate."""
    more = ("train.schedule=[{steps: 1}]", "train.optimizer=adamw", "train.weight_decay=0")
    more += ("train.learning_rate=1e-3",)
    known = ("data.forcings=[cosine_of_solar_zenith_angle]", "train.carried_rate=0.1")
    run_stages(config_of(store, tmp_path, f"train.start_from={parent}", *more, *known))
    before, after = (load_checkpoint(path / "checkpoint").weights for path in (parent, tmp_path))
    name = "body.head.project.bias"
    moved = (after[name] - before[name]).abs().max()
    assert 0.5e-4 < moved < 1.1e-4
    assert 0.5e-3 < after["body.embed.project.weight"][:, -4:].abs().max() < 1.1e-3


def test_another_parent_makes_another_training(store, parent, tmp_path, capsys):
    place = shutil.copytree(parent, tmp_path / "parent")
    config = config_of(store, tmp_path / "child", f"train.start_from={place}", *NOTHING)
    for expected in ("runs", "up to date"):
        run_stages(config)
        assert f"train: {expected}" in capsys.readouterr().out
    run_stages(config_of(store, place, "train.schedule=[{steps: 2}]"))
    capsys.readouterr()
    run_stages(config)
    assert "train: runs again, for start_from changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["train.start_from={folder}/none"], "none is not there; expected the output folder of"),
        (["train.start_from={folder}"], "no checkpoint yet; run that to its end; expected"),
        (["train.start_from={output}"], "is in output .*, which this run writes; set output"),
        (["train.carried_rate=0.1"], "train.carried_rate: is of no use without train.start_from"),
        (["train.start_from={parent}", "model.dim=32"], "start_from: model.dim is 32, and the"),
        (["train.freeze=[head]"], "train.freeze: without train.start_from these parts would"),
        (
            ["train.start_from={parent}", "train.freeze=[encoder]"],
            "train.freeze: encoder is no part .* embed, features, posi",
        ),
        (["train.freeze=[embed, embed]"], "train.freeze: embed occurs 2 times; name it once"),
    ],
)
def test_what_cannot_be_is_one_line(store, parent, tmp_path, overrides, line):
    places = {"folder": tmp_path, "output": tmp_path / "run", "parent": parent}
    overrides = [override.format(**places) for override in overrides]
    with pytest.raises((ConfigError, ValueError), match=line) as raised:
        run_stages(config_of(store, tmp_path / "run", *overrides))
    assert len(str(raised.value).splitlines()) == 1
    assert not json.dumps(str(raised.value)).count("\\n")


def test_check_says_it_before_anything_is_read(store, parent, tmp_path):
    config = config_of(store, tmp_path / "run", f"train.start_from={parent}", "train.freeze=[head]")
    assert [line for line in facts(check_run(config)) if line.startswith("starts from")]
    for override, line in (("model.heads=1", "heads is 1"), ("train.freeze=[x]", "x is no part")):
        wrong = config_of(store, tmp_path / "run", f"train.start_from={parent}", override)
        with pytest.raises(ConfigError, match=line):
            check_run(wrong)


def test_what_is_left_to_auto_is_as_it_was_for_the_parent(store, parent, tmp_path):
    config = config_of(store, tmp_path, f"train.start_from={parent}", "model.size=auto")
    free = config.model_copy(update={"model": AxialConfig(size="auto", patch=(1, 2, 3))})
    settled = Parent.of(config).settled(free)
    known = load_checkpoint(parent / "checkpoint").network
    assert {name: getattr(settled.model, name) for name in ("dim", "heads", "depth")} == {
        name: known[name] for name in ("dim", "heads", "depth")
    }
    assert settled.model.departures is False
    assert settled.model.patch == (1, 2, 3)


@pytest.mark.parametrize("patch", ["[1,4,4]", "[1,2,2]"], ids=["in degrees", "in points"])
def test_coarse_to_fine_begins_far_below_persistence(make_analysis, store, taught, tmp_path, patch):
    """Waves that were learned on a grid of half as many rows and columns."""
    fine = tmp_path / "fine.nc"
    make_analysis(num_times=150, grid=LatLonGrid.regular(14, 24, poles=False)).to_netcdf(fine)
    run_stages(
        config_of(fine, tmp_path, f"train.start_from={taught}", f"model.patch={patch}", *NOTHING)
    )
    there, here = error_over_persistence(taught, store), error_over_persistence(tmp_path, fine)
    assert there < 0.6
    assert here < there + 0.15


@pytest.fixture(scope="module")
def taught(store, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "taught"
    learning = "train.schedule=[{steps: 120}]", "train.learning_rate=1e-2", "train.warmup_steps=5"
    run_stages(config_of(store, output, *learning))
    return output


def error_over_persistence(output, store):
    """RMSE of geopotential a day ahead, in that of persistence."""
    analysis = xr.open_dataset(store).load().geopotential
    inits = analysis.sel(time=slice("2001-04-21", "2001-05-25")).time.values
    forecaster = axialcast.load(output / "checkpoint", device="cpu")
    found = forecaster.predict(xr.open_dataset(store).load(), init_times=inits, lead_times="24h")
    truth = analysis.sel(time=inits + np.timedelta64(1, "D")).values
    errors = found.geopotential.values[:, 0] - truth, analysis.sel(time=inits).values - truth
    return np.sqrt(np.mean(errors[0] ** 2) / np.mean(errors[1] ** 2))


def test_a_report_says_what_it_started_from(smallest_run, tmp_path):
    """The smallest config's whole line, once more."""
    overrides = [
        *("pipeline=[train,forecast,verify]", f"data.store={smallest_run}/analysis.zarr"),
        *(f"output={tmp_path}", f"train.start_from={smallest_run}", "device=cpu"),
    ]
    run_stages(load_config(ROOT / "configs" / "smallest.yaml", overrides))
    page = (tmp_path / "report.html").read_text("utf-8")
    [known] = ancestors(load_checkpoint(tmp_path / "checkpoint").provenance)
    assert known in re.sub(r"<[^>]*>", "", page.partition("Started from")[2])[: 2 * len(known)]


def test_members_start_from_members_in_turn(store, parent, tmp_path, capsys):
    few = "train.schedule=[{steps: 3}]", "train.members=2"
    run_stages(config_of(store, tmp_path / "two", f"train.start_from={parent}", *few))
    start = f"train.start_from={tmp_path / 'two'}"
    capsys.readouterr()
    run_stages(config_of(store, tmp_path / "three", start, *NOTHING, "train.members=3"))
    assert capsys.readouterr().out.count("train: start_from: 31 of 31 tensors as they are") == 1
    two, three = (load_checkpoint(tmp_path / name / "checkpoint") for name in ("two", "three"))
    name = "body.head.project.weight"
    assert not torch.allclose(two.members[0][name], two.members[1][name], atol=1e-4)
    for number, member in enumerate(three.members):
        torch.testing.assert_close(member[name], two.members[number % 2][name], atol=1e-6, rtol=0)


def test_what_makes_it_worse_is_not_kept(store, parent, tmp_path, capsys):
    """The weights that training starts with are the first to be judged."""
    spoiling = "train.learning_rate=1.0", "train.keep=best", "train.schedule=[{steps: 3}]"
    run_stages(config_of(store, tmp_path, f"train.start_from={parent}", *spoiling))
    assert "train: keeps weights of step 0 of 3, best on data.val" in capsys.readouterr().out
    before, after = (load_checkpoint(path / "checkpoint").weights for path in (parent, tmp_path))
    assert all(torch.equal(after[name], value) for name, value in before.items())
