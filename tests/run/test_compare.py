"""`axialcast compare`, as it is called."""

import pytest
import typer.testing
import xarray as xr

from axialcast.run.cli import app
from axialcast.run.comparison import open_runs


def told(*arguments):
    return typer.testing.CliRunner().invoke(app, ["compare", *arguments])


def test_runs_that_cannot_be_compared(tmp_path):
    for name in ("a", "old", "cut", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/config.yaml").touch()
    (tmp_path / "old/scores.nc").touch()
    (tmp_path / "cut/scores_by_init.nc").write_bytes(b"CDF")
    for runs, said in (
        (["a", "a"], "named twice"),
        (["a", "b"], "has no scores of each initial time, scores_by_init.nc; verify it: `axialca"),
        (["other", "a"], "other: no run wrote this folder; name an output folder"),
        (["b", "a"], "b: no such run; name its output folder"),
        (["old", "a"], "was verified by a version that kept scores of all forecasts alone, of whi"),
        (["cut", "a"], "scores_by_init.nc: damaged, or not what verify wrote; remove it and run"),
    ):
        found = told(*(str(tmp_path / run) for run in runs))
        assert found.exit_code == 2
        assert said in found.output.replace("\n", " ")


def test_files_that_are_not_what_verify_wrote(tmp_path):
    (tmp_path / "a").mkdir()
    for dataset in (
        xr.Dataset(),
        xr.Dataset({"x": ("model", [1.0], {"statistic": "error", "of_variable": "x"})}),
    ):
        dataset.to_netcdf(tmp_path / "a/scores_by_init.nc")
        with pytest.raises(ValueError, match="damaged, or not what verify wrote"):
            open_runs([str(tmp_path / "a")])
