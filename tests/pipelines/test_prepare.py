"""prepare: against the library's own functions, killed and gone on, in processes."""

import itertools
import json
import os
import random
import re
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
from typer.testing import CliRunner

from axialcast.data import Channels, open_analysis, statistics
from axialcast.data.opening.kinds.stacked import to_variables
from axialcast.data.preparing.preparation import Preparation
from axialcast.data.preparing.prepared import broken_shards, read_manifest
from axialcast.data.preparing.recipe import Recipe
from axialcast.data.preparing.regrid import Weights
from axialcast.data.preparing.shards import write_shards
from axialcast.files import inventory
from axialcast.files.atomic import start_of
from axialcast.forecast import load_checkpoint
from axialcast.grid import LatLonGrid, grid_of
from axialcast.run.cli import app
from axialcast.run.config import load_config
from axialcast.run.inspection import describe
from axialcast.run.preflight import check_run
from axialcast.run.shipped import find_pipeline
from axialcast.run.stages import run_stages

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
    opened, found = open_analysis(analysis, levels=[850]), read(config)
    weights = Weights.between(grid_of(opened), LatLonGrid.regular(5, 8, poles=True))
    assert found.sizes == {"time": 87, "level": 1, "latitude": 5, "longitude": 8}
    for name, array in opened.items():
        values = array.values[: 4 * 87].astype(np.float64)
        days = values.reshape(87, 4, *values.shape[1:]).mean(1).astype(np.float32)
        np.testing.assert_array_equal(found[name], weights.means(days).astype(np.float32))


def test_static_fields_are_regridded_as_states_are(make_config, tmp_path):
    config, analysis = make_config(
        "pipeline=[prepare, train]",
        "prepare.regrid={num_latitudes: 5, num_longitudes: 8, poles: true}",
        "data.static=[lsm]",
        f"data.static_store={tmp_path}/static.nc",
        "model={dim: 8, depth: 1, heads: 2}",
        "train={schedule: [{steps: 1}], batch_size: 2}",
        num_times=351,
    )
    source = grid_of(open_analysis(analysis))
    mask = np.random.default_rng(0).random(source.shape)
    places = {"latitude": analysis.latitude, "longitude": analysis.longitude}
    field = xr.Dataset({"lsm": (("latitude", "longitude"), mask, {"units": "1"})}, places)
    field.to_netcdf(tmp_path / "static.nc")
    check_run(config, scan=True)
    run_stages(config)
    target = LatLonGrid.regular(5, 8, poles=True)
    means = Weights.between(source, target).means(mask)
    mean = np.average(means, weights=target.areas)
    std = np.sqrt(np.average((means - mean) ** 2, weights=target.areas))
    known = load_checkpoint(config.output / "checkpoint")
    np.testing.assert_allclose(known.weights["static"][0], (means - mean) / std, atol=1e-5)


def test_logarithms_are_of_what_is_prepared(make_config):
    """Statistics of logarithms are gathered in training, so that another scale prepares nothing."""

    def change(analysis):
        wet = np.random.default_rng(0).gamma(0.3, 1e-3, analysis["mean_sea_level_pressure"].shape)
        analysis["mean_sea_level_pressure"].values[:] = wet

    config, analysis = make_config(
        "pipeline=[prepare, train]",
        "prepare={}",
        "data.transform={msl: {log1p: 0.002}}",
        "model={dim: 8, depth: 1, heads: 2}",
        "train={schedule: [{steps: 1}], batch_size: 2}",
        change=change,
    )
    run_stages(config)
    known = load_checkpoint(config.output / "checkpoint").statistics
    opened = open_analysis(analysis)
    wet = opened["mean_sea_level_pressure"].sel(time=slice(*config.data.train)).values
    weights = np.broadcast_to(grid_of(opened).areas, wet.shape)
    mean = np.average(np.log1p(wet / 0.002, dtype=np.float64), weights=weights)
    np.testing.assert_allclose(known.mean[-1], mean, rtol=1e-6)
    np.testing.assert_array_equal(known.log1p, [0, 0, 0.002])
    assert "transforms: mean_sea_level_pressure log(1 + x / 0.002 Pa)" in describe(config.output)


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


EVERY = [pytest.param(17, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


@pytest.fixture
def small(make_config, monkeypatch, tmp_path):
    """A function that prepares a store of 2 shards and, at its end, returns what is there."""
    monkeypatch.setattr("axialcast.data.opening.kinds.stacked.SHARD_TIMES", 40)
    config, _ = make_config(num_times=50, hours=24)
    recipe, store = Recipe(**config.recipe), tmp_path / "out" / "training.zarr"

    def run():
        preparation = Preparation(recipe, store)
        for number in preparation.missing():
            write_shards(str(preparation.work), [number])
        preparation.finish()
        return content(store.parent)

    run.store = store
    return run


@pytest.mark.parametrize("every", EVERY)
def test_killed_before_any_event_it_goes_on(small, killed_at, every):
    expected, folder = small(), small.store.parent
    for number in itertools.count(1, every):
        shutil.rmtree(folder)
        if not killed_at(small, number, folder):
            break
        assert small() == expected
    assert number > 80


def spoil(path, how):
    if how == "deleted":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)


PARTS = [
    "training.zarr/states/c/0/0/0/0",
    "training.zarr/states/zarr.json",
    "training.zarr/zarr.json",
    "training.zarr/time/c/0",
    "training.zarr/.inventory/shards.json",
    "training.zarr/.inventory/template.json",
    "training.zarr.json",
]


@pytest.mark.parametrize("how", ["deleted", "truncated", "flipped"])
@pytest.mark.parametrize("part", PARTS)
def test_what_is_damaged_is_made_again_and_nothing_else(small, part, how):
    expected, folder = small(), small.store.parent
    (small.store / "states" / "mine.txt").write_text("mine")
    inodes = {path: path.stat().st_ino for path in small.store.rglob("c/[0-9]/0/0/0")}
    spoil(folder / part, how)
    if part != "training.zarr.json":
        damaged = {problem.path for problem in inventory.problems(small.store, read_all=True)}
        # That an inventory is gone only the stamp of the stage can tell.
        assert damaged == {folder / part} or (how == "deleted" and ".inventory" in part)
    assert small() == expected | {"training.zarr/states/mine.txt": b"mine"}
    for path, inode in inodes.items():
        assert path == folder / part or path.stat().st_ino == inode


@pytest.mark.parametrize("every", EVERY)
def test_killed_while_mending_it_goes_on(small, killed_at, every):
    """A shard, coordinates and the manifest at once."""
    expected, folder = small(), small.store.parent
    for number in itertools.count(1, every):
        shutil.rmtree(folder)
        small()
        for part in (PARTS[0], PARTS[3], PARTS[6]):
            spoil(folder / part, "flipped")
        if not killed_at(small, number, folder):
            break
        assert small() == expected
    assert number > 40


def test_a_store_of_version_0_1_0_is_taken_up(small):
    """It has no inventories, and its manifest no checksum of itself."""
    expected, path = small(), small.store.with_name("training.zarr.json")
    shutil.rmtree(small.store / ".inventory")
    manifest = read_manifest(small.store)
    path.write_text(json.dumps(manifest, indent=1))
    inodes = {path: path.stat().st_ino for path in small.store.rglob("c/[0-9]/0/0/0")}
    assert small() == expected
    assert inodes == {path: path.stat().st_ino for path in inodes}
    # Without its manifest no more is known of it than that axialcast made it.
    shutil.rmtree(small.store / ".inventory")
    path.unlink()
    assert small() == expected


def test_stages_name_what_is_damaged(make_config, capsys):
    config, _ = make_config(num_times=300)
    run_stages(config)
    expected = content(config.output)
    for part, how in itertools.product(PARTS, ("deleted", "truncated", "flipped")):
        spoil(config.output / part, how)
        capsys.readouterr()
        run_stages(config, verify=True)
        said = capsys.readouterr().out
        assert "prepare: runs again, for" in said
        assert str(config.output / part) in said or how == "deleted"
        assert content(config.output) == expected
        run_stages(config, verify=True)
        assert "prepare: up to date" in capsys.readouterr().out


def test_force_starts_over_and_spares_what_is_not_ours(make_config):
    config, _ = make_config(num_times=300)
    run_stages(config)
    (config.output / "training.zarr" / "mine.txt").write_text("mine")
    inode = (config.output / PARTS[0]).stat().st_ino
    changed = load_config(config.output.parent / "x.yaml", ["data.levels=[500]"])
    with pytest.raises(ValueError, match=r"recipe\.levels None, but now it is .* run with --force"):
        run_stages(changed)
    run_stages(changed, force=True)
    assert (config.output / "training.zarr" / "mine.txt").read_text() == "mine"
    assert read(changed).sizes["level"] == 1
    assert (config.output / PARTS[0]).stat().st_ino != inode


SCRIPT = """
import runpy, sys
from axialcast.run.config import load_config
runpy.run_path(sys.argv[1])["run"](load_config(sys.argv[2], sys.argv[3:]))
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
    with pytest.raises(ValueError, match=r"source\.num_times 90, but now it is 91; run with"):
        prepare(longer)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_processes_write_the_same(make_config):
    pytest.importorskip("distributed")
    config, _ = make_config(num_times=400)
    prepare(config)
    expected = content(config.output)
    shutil.rmtree(config.output)
    prepare(load_config(config.output.parent / "x.yaml", ["cluster.workers=2"]))
    assert content(config.output) == expected
    assert broken_shards(config.analysis_store) == []


def alive(pids):
    """Those of some processes that still run."""
    return [pid for pid in pids if start_of(pid) is not None]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_processes_end_with_the_one_that_started_them(make_config, number):
    pytest.importorskip("distributed")
    config, _ = make_config(num_times=6000, hours=1)
    run_stages(config)
    expected = content(config.output)
    shutil.rmtree(config.output)
    program, path = str(find_pipeline("prepare", Path())), str(config.output.parent / "x.yaml")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, program, path, "cluster.workers=2"],
        stderr=subprocess.DEVNULL,
    )
    records = config.output / "training.zarr.unfinished/shards"
    deadline = time.monotonic() + 120
    while not records.exists() or len(list(records.glob("*.json"))) < 3:
        assert process.poll() is None, "done before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    below = [int(pid) for task in tasks for pid in task.read_text().split()]
    assert len(below) >= 2
    process.send_signal(number)
    process.wait()
    deadline = time.monotonic() + 30
    while alive(below):
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.01)
    run_stages(config)
    assert {k: v for k, v in content(config.output).items() if not k.startswith(".stages")} == {
        k: v for k, v in expected.items() if not k.startswith(".stages")
    }


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_a_full_disk_costs_nothing(make_config, tmp_path, workers):
    config, _ = make_config(num_times=1500)
    prepare(config)
    expected = content(config.output / "training.zarr")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        arguments = ["run", str(tmp_path / "x.yaml"), f"output={disk}/run"]
        full = CliRunner().invoke(app, [*arguments, f"cluster.workers={workers}"])
        assert full.exit_code == 2, full.output
        line = full.stderr.splitlines()[-1]
        assert line.startswith(f"axialcast: error: {disk}/run/training.zarr.unfinished/")
        assert re.search(r": the disk is full: .* needed, .* free; make room and run again$", line)
        done = len(list((disk / "run/training.zarr.unfinished/shards").glob("[!.]*.json")))
        assert done > 0
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert "runs on, from training.zarr.unfinished" in result.stdout
        assert content(disk / "run" / "training.zarr") == expected
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on(make_config):
    config, _ = make_config(num_times=6000, hours=1)
    prepare(config)
    expected = content(config.output)
    program, path = str(find_pipeline("prepare", Path())), str(config.output.parent / "x.yaml")
    command, moments, kills = [sys.executable, "-c", SCRIPT, program, path], random.Random(7), 0
    began = time.monotonic()
    shutil.rmtree(config.output)
    subprocess.run(command, check=True)
    whole = time.monotonic() - began
    while kills < 50:
        shutil.rmtree(config.output)
        for _ in range(10):
            process = subprocess.Popen(command)
            time.sleep(moments.uniform(0.4, 1.0) * whole)
            process.kill()
            if process.wait() == 0:
                break
            kills += 1
        prepare(config)
        assert content(config.output) == expected
