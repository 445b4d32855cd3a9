"""What a config says of how analyses are opened: members, and times that are off by rounding."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from axialcast.data import open_analysis
from axialcast.data.preparing.recipe import OPENING as OF_RECIPE
from axialcast.data.preparing.recipe import Recipe
from axialcast.run.config import OPENING, load_config
from axialcast.run.preflight import check_run
from axialcast.run.shipped import find_pipeline

SECOND = np.timedelta64(1, "s")


def ensemble(analysis, names=(3, 5, 8)):
    """Members that differ by a hundred pascals each."""
    members = [analysis + 100.0 * number for number in range(len(names))]
    for member in members:
        for name in member:
            member[name].attrs = analysis[name].attrs
    return xr.concat(members, xr.DataArray(list(names), dims="member", name="member"))


def test_every_key_of_opening_is_an_argument_and_decides_all_that_is_made():
    arguments = inspect.signature(open_analysis).parameters
    assert set(OF_RECIPE) == OPENING <= set(arguments)
    for name in ("prepare", "train", "forecast", "verify"):
        tree = ast.parse(Path(find_pipeline(name, Path())).read_text())
        reads = next(
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "READS"
        )
        # Credentials and where a store is decide nothing of what it holds.
        assert {f"data.{key}" for key in OPENING - {"storage_options"}} <= set(reads), name


@pytest.mark.parametrize(
    ("names", "key", "place"),
    [
        ((3, 5, 8), "5", 1),
        ((0, 1, 2), "0", 0),
        (("r1i1p1f1", "r2i1p1f1", "r3i1p1f1"), "r3i1p1f1", 2),
    ],
)
def test_a_member_of_an_ensemble(config_here, analysis, names, key, place):
    ensemble(analysis, names).to_netcdf("analysis.nc")
    with pytest.raises(ValueError, match=r"'number' of size 3; choose one with data\.member"):
        check_run(load_config("x.yaml"))
    config = load_config("x.yaml", [f"data.member={key}"])
    check_run(config)
    opened = open_analysis(config.analysis_store, **config.opening)
    want = analysis.mean_sea_level_pressure + 100.0 * place
    np.testing.assert_allclose(opened.mean_sea_level_pressure, want, rtol=1e-6)
    prepared = Recipe(**config.recipe).open()
    xr.testing.assert_equal(prepared.load(), opened.load())


def test_a_member_that_is_not_there(config_here, analysis):
    ensemble(analysis).to_netcdf("analysis.nc")
    with pytest.raises(ValueError, match=r"analysis\.nc: member: no member 4; the store has 3, 5"):
        check_run(load_config("x.yaml", ["data.member=4"]))
    analysis.to_netcdf("single.nc")
    with pytest.raises(ValueError, match=r"has no ensemble; leave out data\.member"):
        check_run(load_config("x.yaml", ["data.member=4", "data.store=single.nc"]))
    analysis.assign_coords(number=4).to_netcdf("fourth.nc")
    config = load_config("x.yaml", ["data.member=4", "data.store=fourth.nc"])
    xr.testing.assert_equal(open_analysis(config.analysis_store, **config.opening), analysis)
    with pytest.raises(ValueError, match=r"no member 5; the store has \[4\]"):
        check_run(load_config("x.yaml", ["data.member=5", "data.store=fourth.nc"]))


@pytest.mark.parametrize("value", ["-1", "true", "[1, 2]", "1.5", "' '"])
def test_what_is_no_member(data_here, value):
    with pytest.raises(ValueError, match=r"data\.member"):
        load_config("x.yaml", [f"data.member={value}"])


def test_times_off_by_rounding(config_here, analysis):
    off = np.resize([0, 13, -7, 29], 40) * SECOND
    analysis.assign_coords(time=analysis.time + off).to_netcdf("analysis.nc")
    with pytest.raises(ValueError, match=r"set data\.round_times_seconds: 3600"):
        check_run(load_config("x.yaml"))
    config = load_config("x.yaml", ["data.round_times_seconds=3600"])
    check_run(config)
    for opened in (
        open_analysis(config.analysis_store, **config.opening),
        Recipe(**config.recipe).open(),
    ):
        xr.testing.assert_equal(opened, analysis)
    for value in ("0", "7", "-60", "hour"):
        with pytest.raises(ValueError, match=r"data\.round_times_seconds"):
            load_config("x.yaml", [f"data.round_times_seconds={value}"])


def test_recipes_of_before_are_written_as_they_were():
    """So that training stores made by version 0.1.0 are known again."""
    recipe = {"store": "a.nc", "train": ("2001", "2002")}
    assert not {"member", "round_times_seconds"} & set(Recipe(**recipe).written)
    assert Recipe(**recipe, member=3).written["member"] == 3
