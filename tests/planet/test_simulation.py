"""A nature run kept in a store: the same bytes wherever it was killed and went on."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.files import inventory
from axialcast.planet.nature_run import NatureRun, nature_run
from axialcast.planet.simulation import Simulation

SETTINGS = {
    "start": "2001-01-01",
    "end": "2001-01-07",
    "truncation": 5,
    "spinup_days": 5,
    "seed": 3,
    "block_days": 3,
}


def simulate(store: Path, **changes: object) -> None:
    simulation = Simulation(NatureRun(**SETTINGS | changes), store, SETTINGS | changes)
    for _ in simulation.blocks(simulation.state()):
        pass
    simulation.finish()


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of every file, by name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """What an untouched run leaves in its folder."""
    folder = tmp_path_factory.mktemp("whole")
    simulate(folder / "analysis.zarr")
    return content(folder)


def test_store_holds_the_blocks_of_the_nature_run(tmp_path: Path) -> None:
    store = tmp_path / "analysis.zarr"
    simulate(store)
    stored = xr.open_zarr(store)
    xr.testing.assert_identical(stored.load(), xr.concat(nature_run(**SETTINGS), "time"))
    assert stored.geopotential.encoding["chunks"] == (12, 3, 8, 16)
    assert np.isnan(stored.geopotential.encoding["fill_value"])
    assert not inventory.problems(store, read_all=True)
    assert len(inventory.read(store)) == sum(
        path.is_file() for path in store.rglob("*") if inventory.FOLDER not in path.parts
    )
    assert [path.name for path in tmp_path.iterdir()] == ["analysis.zarr"]


@pytest.mark.parametrize("truncation", [5, 31])
def test_going_on_is_bitwise(truncation: int) -> None:
    # At T31 a time step is 7,200 s, at T50 4,320 s.
    planet = NatureRun(**SETTINGS | {"truncation": truncation})
    state, blocks = planet.initial_state(), []
    for step in planet.steps:
        assert state.step == step
        block, state = NatureRun(**SETTINGS | {"truncation": truncation}).advance(state)
        blocks += [block] if block is not None else []
    assert planet.steps == [-20, -8, 0, 12, 24]
    assert state.step == 28
    expected = xr.concat(nature_run(**SETTINGS | {"truncation": truncation, "block_days": 30}), "t")
    xr.testing.assert_identical(xr.concat(blocks, "time"), expected.isel(t=0))


EVERY = [pytest.param(53, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


@pytest.mark.parametrize("every", EVERY)
def test_killed_before_any_event_it_goes_on(tmp_path, whole, killed_at, every) -> None:
    store = tmp_path / "run" / "analysis.zarr"
    for number in itertools.count(1, every):
        shutil.rmtree(store.parent, ignore_errors=True)
        if not killed_at(lambda: simulate(store), number, store.parent):
            break
        simulate(store)
        assert content(store.parent) == whole
    assert number > 150


@pytest.mark.parametrize("every", EVERY)
def test_killed_while_replacing_an_older_store(tmp_path, whole, killed_at, every) -> None:
    """An older one of other settings, with a file of a user's own in it."""
    older, store = tmp_path / "older", tmp_path / "run" / "analysis.zarr"
    simulate(older / "analysis.zarr", seed=4)
    (older / "analysis.zarr" / "time" / "mine.txt").write_text("mine")
    for number in itertools.count(2, every):
        shutil.rmtree(store.parent, ignore_errors=True)
        shutil.copytree(older, store.parent)
        if not killed_at(lambda: simulate(store), number, store.parent):
            break
        simulate(store)
        assert content(store.parent) == whole | {"analysis.zarr/time/mine.txt": b"mine"}
    assert number > 250


def test_what_was_torn_is_simulated_again(tmp_path, whole) -> None:
    """As after a loss of power: chunks, states and coordinates that never reached the disk."""
    store = tmp_path / "run" / "analysis.zarr"
    for torn, step in {
        "store/geopotential/c/1/0/0/0": 12,
        "store/time/c/0": -20,
        "store/.inventory/block-000000.json": 0,
        "states/28.npz": 24,
        "states/24.npz": 28,
    }.items():
        shutil.rmtree(store.parent, ignore_errors=True)
        simulation = Simulation(NatureRun(**SETTINGS), store, SETTINGS)
        for _ in simulation.blocks(simulation.state()):
            pass
        path = simulation.work / torn
        path.write_bytes(path.read_bytes()[:-9] + bytes(9))
        assert Simulation(NatureRun(**SETTINGS), store, SETTINGS).state().step == step
        simulate(store)
        assert content(store.parent) == whole


def test_what_is_not_ours_is_refused_before_anything_is_simulated(tmp_path) -> None:
    store = tmp_path / "analysis.zarr"
    store.mkdir()
    (store / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"analysis\.zarr: is a folder with mine\.txt that"):
        simulate(store)
    assert [path.name for path in tmp_path.rglob("*")] == ["analysis.zarr", "mine.txt"]
