"""prepare: against the library's own functions, killed and gone on, in processes."""

import contextlib
import itertools
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.config import load_config
from axialcast.data import Channels, open_analysis, statistics
from axialcast.data.opening.stacked import to_variables
from axialcast.data.preparing.preparation import Preparation, write_shard
from axialcast.data.preparing.prepared import broken_shards, read_manifest
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.regrid import aggregate, regrid
from axialcast.grid import LatLonGrid
from axialcast.shipped import find_pipeline
from axialcast.stages import run_stages

CONFIG = """
pipeline: prepare
output: {folder}/run
data:
  store: {folder}/source.zarr
  variables: [geopotential, mean_sea_level_pressure]
  train: ["2001-01", "2001-02"]
  validate: ["2001-03-01", "2001-03-10"]
  test: ["2001-03-11", "2001-03-20"]
"""


@pytest.fixture
def make_config(make_analysis, tmp_path):
    """A function that writes an analysis and returns the config that prepares it."""

    def make(*overrides, num_times=700, hours=6, change=lambda analysis: None):
        analysis = make_analysis(num_times=num_times, hours=hours)
        change(analysis)
        shutil.rmtree(tmp_path / "source.zarr", ignore_errors=True)
        analysis.chunk(time=37).to_zarr(tmp_path / "source.zarr", zarr_format=2)
        (tmp_path / "x.yaml").write_text(CONFIG.format(folder=tmp_path))
        return load_config(tmp_path / "x.yaml", overrides), analysis

    return make


def prepare(config):
    runpy.run_path(str(find_pipeline("prepare", Path())))["run"](config)


def read(config):
    return to_variables(xr.open_zarr(config.analysis_store, chunks={}))


def content(folder):
    """Bytes of every file, by name."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_prepares_what_training_reads(make_config, capsys):
    def change(analysis):
        analysis.geopotential[100, 1, 2, :3] = np.nan

    config, analysis = make_config("data.step_hours=12", change=change)
    assert config.analysis_store == f"{config.output}/training.zarr"
    run_stages(config)
    assert "geopotential 850 hPa has 3 NaN" in capsys.readouterr().out
    xr.testing.assert_identical(read(config), open_analysis(analysis))
    manifest = read_manifest(config.analysis_store)
    channels = Channels.of(open_analysis(analysis))
    expected = statistics(analysis.sel(time=slice(*config.data.train)), channels, step=2)
    for name, values in expected.to_dict().items():
        np.testing.assert_allclose(manifest["statistics"][name], values, rtol=1e-12)
    run_stages(config)
    assert "prepare: up to date" in capsys.readouterr().out
    alone = load_config(config.output.parent / "x.yaml", ["pipeline=train", "prepare={}"])
    assert alone.analysis_store == config.analysis_store
    without = load_config(config.output.parent / "x.yaml", ["pipeline=train"])
    assert without.analysis_store == config.source_store


def test_regrids_and_aggregates(make_config, capsys):
    config, analysis = make_config(
        "prepare.regrid={num_latitudes: 5, num_longitudes: 8, poles: true}",
        "prepare.aggregate_hours=24",
        "data.levels=[850]",
        num_times=351,
    )
    prepare(config)
    assert "left out 2001-03-29T00:00, for it lacks times" in capsys.readouterr().out
    daily, _ = aggregate(open_analysis(analysis, levels=[850]), hours=24)
    expected = regrid(daily, LatLonGrid.regular(5, 8, poles=True))
    xr.testing.assert_equal(read(config), expected)
    assert read(config).sizes == {"time": 87, "level": 1, "latitude": 5, "longitude": 8}


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_region_gaps_and_calendars(make_config, tmp_path, calendar):
    config, analysis = make_config(
        "data.region={latitude: [-40, 60], longitude: [300, 90]}", "data.gaps=keep"
    )
    times = xr.date_range("2001-01-01", periods=700, freq="6h", calendar=calendar)
    analysis = analysis.assign_coords(time=times).drop_isel(time=[57, *range(99, 131)])
    shutil.rmtree(tmp_path / "source.zarr")
    analysis.to_zarr(tmp_path / "source.zarr", zarr_format=2)
    prepare(config)
    box = open_analysis(analysis, region=config.data.region.model_dump(), gaps="keep")
    assert box.sizes["latitude"] * box.sizes["longitude"] < 7 * 12
    xr.testing.assert_equal(read(config), box)
    np.testing.assert_array_equal(read(config).time, box.time)
    train = box.sel(time=slice(*config.data.train))
    expected = statistics(train, Channels.of(box), step=1).to_dict()
    for name, values in read_manifest(config.analysis_store)["statistics"].items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-12)


def test_killed_at_any_move_it_goes_on(make_config, monkeypatch, tmp_path):
    """Dies before every file and folder that is moved into place or removed."""
    monkeypatch.setattr("axialcast.data.opening.stacked.SHARD_TIMES", 40)
    config, _ = make_config(num_times=50, hours=24)
    recipe, store = Recipe(**config.recipe), tmp_path / "out" / "training.zarr"
    actions = ((os, "replace"), (Path, "rename"), (shutil, "rmtree"))

    class Killed(BaseException):
        pass

    def dying(action, left):
        def act(*arguments, **keywords):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return action(*arguments, **keywords)

        return act

    def prepare_alone():
        preparation = Preparation(recipe, store)
        for number in preparation.missing():
            write_shard(str(preparation.work), number)
        preparation.finish()

    prepare_alone()
    expected = content(store.parent)
    assert len(expected) > 5
    for kills in itertools.count(1):
        shutil.rmtree(store.parent)
        left = [kills]
        with monkeypatch.context() as patch:
            for owner, name in actions:
                patch.setattr(owner, name, dying(getattr(owner, name), left))
            with contextlib.suppress(Killed):
                prepare_alone()
        if left[0] > 0:
            break
        prepare_alone()
        assert content(store.parent) == expected
    assert kills > 10


SCRIPT = """
import runpy, sys
from axialcast.config import load_config
runpy.run_path(sys.argv[1])["run"](load_config(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_sigkill(make_config):
    config, _ = make_config(num_times=6000, hours=1)
    prepare(config)
    expected = content(config.output)
    shutil.rmtree(config.output)
    program, path = str(find_pipeline("prepare", Path())), str(config.output.parent / "x.yaml")
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, program, path])
    records = config.output / "training.zarr.unfinished/shards"
    deadline = time.monotonic() + 60
    while not records.exists() or len(list(records.glob("*.json"))) < 5:
        assert process.poll() is None, "done before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {p.name: p.stat().st_mtime_ns for p in records.glob("*.json")}
    assert 5 <= len(done) < 75
    assert not Path(config.analysis_store).exists()
    shards = {
        shard: shard.stat().st_ino
        for name in done
        for shard in config.output.rglob(f"c/{name.removesuffix('.json')}/0/0/0")
    }
    assert len(shards) == len(done)
    prepare(config)
    assert content(config.output) == expected
    # What was complete was not made again.
    store = Path(config.analysis_store)
    kept = {store / Path(*shard.parts[-6:]): inode for shard, inode in shards.items()}
    assert {path: path.stat().st_ino for path in kept} == kept


def test_another_source_is_refused_while_unfinished_too(make_config, monkeypatch):
    config, _ = make_config(num_times=90, hours=24)
    monkeypatch.setattr("axialcast.data.preparing.preparation.Preparation.finish", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(config)
    changed, _ = make_config("data.levels=[500]", num_times=90, hours=24)
    with pytest.raises(ValueError, match=r"unfinished: was made with recipe\.levels None, but now"):
        prepare(changed)
    longer, _ = make_config(num_times=91, hours=24)
    with pytest.raises(ValueError, match=r"source\.num_times 90, but now it is 91; remove"):
        prepare(longer)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_processes_write_the_same(make_config):
    pytest.importorskip("distributed")
    config, _ = make_config(num_times=400)
    prepare(config)
    expected = content(config.output)
    shutil.rmtree(config.output)
    prepare(load_config(config.output.parent / "x.yaml", ["prepare.workers=2"]))
    assert content(config.output) == expected
    assert broken_shards(config.analysis_store) == []
