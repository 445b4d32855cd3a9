"""Rain cells: the flow against derivatives of itself, cells against their equations, going on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

from axialcast.planet.families import STEP, Cells
from axialcast.planet.rain_cells import EPOCH, RainCells
from axialcast.planet.simulation import Simulation
from axialcast.planet.steering import Steering

WIDTH = 256e3
SETTINGS = {"start": "2001-06-01", "end": "2001-06-02", "step_minutes": 30, "points": 23, "seed": 5}


def places(count: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(0, WIDTH, (count, 2))


def test_convergence_is_what_the_wind_does() -> None:
    flow, at, then, apart = Steering(3, WIDTH), places(53), np.full(53, 4.4e7), 10.0
    slopes = [
        (flow.wind(at + apart * axis, then) - flow.wind(at - apart * axis, then)) / (2 * apart)
        for axis in np.eye(2)
    ]
    divergence, vorticity = slopes[0][:, 0] + slopes[1][:, 1], slopes[0][:, 1] - slopes[1][:, 0]
    scale = -divergence / flow.convergence(at, then)
    np.testing.assert_allclose(scale, scale[0], rtol=1e-4)
    assert 1e-5 < scale[0] < 1e-3
    assert vorticity.std() > 3e-5  # it turns, and shears


def test_the_flow_is_periodic_and_of_unit_convergence() -> None:
    flow, at, then = Steering(3, WIDTH), places(20_011), np.full(20_011, 1e6)
    moved = at + WIDTH * np.array([2, -1])
    np.testing.assert_allclose(flow.wind(moved, then), flow.wind(at, then), atol=1e-8)
    assert np.sqrt(np.mean(flow.convergence(at, then) ** 2)) == pytest.approx(1, rel=0.03)


def test_cells_go_where_the_wind_carries_them() -> None:
    flow, at, then = Steering(3, WIDTH), places(1), np.array([4.4e7])
    track = flow.carried(at, then, 24, STEP)

    def wind(seconds: float, place: np.ndarray) -> np.ndarray:
        return flow.wind(place[None], then + seconds)[0]

    exact = solve_ivp(wind, (0, 24 * STEP), at[0], rtol=1e-9, t_eval=np.arange(25) * STEP)
    assert np.abs(track[:, 0] - exact.y.T).max() < 100.0  # of 60 km and more
    assert np.linalg.norm(track[-1] - track[0]) > 30e3


def test_one_cell_is_a_gaussian_of_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    rain = RainCells(**SETTINGS)
    ones, seconds = np.ones(1), 3.3e7
    track = np.full((40, 1, 2), 20e3)
    track[:, 0, 0] += 1e3 * np.arange(40)
    cell = Cells(
        born=np.array([seconds - 3000.0]),
        life=7500.0 * ones,  # so that at two fifths of it the rain is at its peak
        peak=30.0 * ones,
        radius=5e3 * ones,
        stretch=1.5 * ones,
        angle=np.radians(90.0) * ones,
        track=track,
    )
    monkeypatch.setattr(rain, "cells", lambda _: cell)
    (found,) = rain.rain(pd.DatetimeIndex([EPOCH + pd.Timedelta(seconds=seconds)]))
    x, y = np.meshgrid(rain.places - 30e3, rain.places - 20e3)
    wide = 5e3 * (0.7 + 0.6 * 0.4)
    expected = 30 * np.exp(-(1.5 * x**2 + y**2 / 1.5) / (2 * wide**2))
    np.testing.assert_allclose(found, np.where(expected < 0.1, 0, expected), atol=2e-4)


def test_cells_favour_convergence() -> None:
    rain = RainCells(**SETTINGS | {"points": 64})
    births = [rain._born_in(hour) for hour in range(300)]
    at = np.concatenate([cells.track[0] for cells in births])
    born = np.concatenate([cells.born for cells in births])
    assert len(born) > 1000
    assert rain.steering.convergence(at, born).mean() > 0.5


def test_every_family_is_known_as_long_as_it_lives() -> None:
    rain = RainCells(**SETTINGS)
    for seconds in np.linspace(3e7, 3.1e7, 11):
        hour = int(seconds // 3600)
        alive = sum(len(rain._born_in(n).at(seconds).born) for n in range(hour - 40, hour + 1))
        assert len(rain.cells(seconds).born) == alive


def test_a_day_made_alone_is_that_of_the_whole() -> None:
    whole, _ = RainCells(**SETTINGS | {"end": "2001-06-01"}).advance(
        RainCells(**SETTINGS).initial_state()
    )
    later = RainCells(**SETTINGS | {"start": "2001-06-02"})
    both = RainCells(**SETTINGS)
    first, state = both.advance(both.initial_state())
    second, _ = both.advance(state)
    xr.testing.assert_identical(first, whole)
    xr.testing.assert_identical(second, later.advance(later.initial_state())[0])
    other = RainCells(**SETTINGS | {"seed": 6})
    assert not first.equals(other.advance(other.initial_state())[0])
    assert float(first.rainfall_rate.min()) == 0.0
    assert 0.1 <= float(first.rainfall_rate.where(first.rainfall_rate > 0).min()) < 0.2


def test_kept_in_a_store_it_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "analysis.zarr"
    begun = Simulation(RainCells(**SETTINGS), store, {"seed": 5})
    next(begun.blocks(begun.state()))
    simulation = Simulation(RainCells(**SETTINGS), store, {"seed": 6})
    assert simulation.made_from == {"seed": 5}
    state = simulation.state()
    assert state is not None
    assert state.step == 48
    assert len(list(simulation.blocks(state))) == 1
    simulation.finish()
    both = RainCells(**SETTINGS)
    first, state = both.advance(both.initial_state())
    stored = xr.open_zarr(store).load()
    xr.testing.assert_identical(stored, xr.concat([first, both.advance(state)[0]], "time"))
    assert [path.name for path in tmp_path.iterdir()] == ["analysis.zarr"]


def test_impossible_arguments_are_named() -> None:
    with pytest.raises(
        ValueError, match="step_minutes: expected minutes that divide an hour, got 7"
    ):
        RainCells(**SETTINGS | {"step_minutes": 7})
    with pytest.raises(ValueError, match="end: expected a date after start 2001-06-01, got 1999"):
        RainCells(**SETTINGS | {"end": "1999"})


def test_it_lies_on_the_equal_area_grid_of_europe() -> None:
    pyproj = pytest.importorskip("axialcast.grid.proj").pyproj()
    rain = RainCells(**SETTINGS | {"points": 8})
    europe = pyproj.Proj("EPSG:3035")
    east, north = np.array([[-7.0, 10.0, 31.0], [38.0, 52.0, 66.0]])
    there = pyproj.Proj(pyproj.CRS.from_cf(rain.template().crs.attrs))(east, north)
    np.testing.assert_allclose(there, europe(east, north), atol=1e-3)
    x, y = europe(10.0, 52.0)
    template = rain.template()
    assert template.x.values[[3, 4]].mean() == pytest.approx(x)
    assert template.y.values[[3, 4]].mean() == pytest.approx(y)
    np.testing.assert_allclose(rain.grid.areas, 4e6 / 6_371_000**2, rtol=1e-4)
